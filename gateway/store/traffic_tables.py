"""What traffic control keeps, in the same metadata as the other tables: more columns of ``platform``, and slots."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from gateway.store.tables import Moment, metadata, platform

__all__ = ["platform", "seat", "slot"]

_Id = BigInteger().with_variant(Integer, "sqlite")

for _column in (
    Column("not_before", Moment),  # the platform asked everybody to wait until then
    Column("failures", Integer, nullable=False, server_default="0"),  # from here on: gateway.domain.breaker
    Column("trips", Integer, nullable=False, server_default="0"),
    Column("failure_code", String(80)),
    Column("open_since", Moment),
    Column("open_until", Moment),
    Column("probe_until", Moment),
    Column("broken_replies", Integer, nullable=False, server_default="0"),  # in a row
):
    platform.append_column(_column)

slot = Table(
    "slot",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("platform", String(40), nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_slot_platform_at", "platform", "at"),
)
"""Requests that a budget has let go, kept for as long as the budget's window looks back."""

seat = Table(
    "seat",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("platform", String(40), nullable=False),
    Column("door", String(26), nullable=False, unique=True),
    Column("owner", String(120), nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("granted", Integer, nullable=False),
    Column("until", Moment, nullable=False),
    Index("ix_seat_platform", "platform"),
)
"""How many of a platform's connections each worker may use, until when; one row for each door to the platform."""
