"""Certificates that were made valid again after a wrong voiding, and checks that are owed for void ones."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Table, UniqueConstraint, text

from gateway.store.tables import Moment, metadata

_Id = BigInteger().with_variant(Integer, "sqlite")
_UNDRAWN = text("drawn_at IS NULL")

reinstatement = Table(
    "reinstatement",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("certificate_key", String(26), nullable=False),
    Column("void_version", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("platform", String(40), nullable=False),
    Column("record_id", String(64), nullable=False),
    Column("actor", String(80), nullable=False),
    UniqueConstraint("certificate_key", "version"),
)
"""``void_version`` of a certificate was wrong, ``version`` takes its place; the record is the ground that fell."""

check_owed = Table(
    "check_owed",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("platform", String(40), nullable=False),
    Column("record_id", String(64), nullable=False),
    Column("certificate_key", String(26), nullable=False),
    Column("drawn_at", Moment),
    Column("draws", JSON, nullable=False),
    UniqueConstraint("platform", "record_id"),
    Index("ix_check_owed_undrawn", "id", sqlite_where=_UNDRAWN, postgresql_where=_UNDRAWN),
)
"""Random checks that void certificates ask for (F26), once for each ground; ``draws`` has the numbers of its draws."""
