"""The table of changes: in which fields a version differs from the one before. Names in clear, values sealed."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, LargeBinary, Table

from gateway.store.tables import metadata

_Id = BigInteger().with_variant(Integer, "sqlite")

record_change = Table(
    "record_change",
    metadata,
    Column("record_id", _Id, ForeignKey("record.id"), primary_key=True, autoincrement=False),
    Column("fields", JSON, nullable=False),
    Column("differences", LargeBinary, nullable=False),  # sealed
)
