"""The project that a record names, and with which a delivery registers it. Keyed digests; most records name none."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String, Table

from gateway.store.tables import metadata

_Id = BigInteger().with_variant(Integer, "sqlite")

record_project = Table(
    "record_project",
    metadata,
    Column("record_id", _Id, ForeignKey("record.id"), primary_key=True, autoincrement=False),
    Column("project", String(64), nullable=False),
)

delivery_project = Table(
    "delivery_project",
    metadata,
    Column("delivery_id", _Id, ForeignKey("delivery.id"), primary_key=True, autoincrement=False),
    Column("project", String(64), nullable=False),
)
"""only where the platform registers the kind by project; another project is another registration there"""
