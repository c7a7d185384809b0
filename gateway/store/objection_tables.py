"""Tables of what is said to a platform's desk: objections of subjects, their scans, and tickets it was told of.

Each row is one message: its id is drawn before it is sent for the first time and kept for every repeat, so that a
platform which knows a repeat by that id never has it twice. Who objects, how to reach them, why, and the scans are
sealed; what stands in clear says nothing about a person.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from gateway.store.tables import Moment, metadata

_Id = BigInteger().with_variant(Integer, "sqlite")
_RUNNING = text("ended_at IS NULL")

objection = Table(
    "objection",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("key", String(26), nullable=False, unique=True),
    Column("platform", String(40), nullable=False),
    Column("record_id", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("person_key", String(26)),
    Column("content", LargeBinary),  # sealed
    Column("created_at", Moment, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("message_id", String(26), nullable=False),
    Column("tried_at", Moment),
    Column("state", String(16), nullable=False),
    Column("code", String(80)),
    Column("reason", Text),
    Column("number", String(64)),
    Column("taken_at", Moment),
    Column("accepted_at", Moment),
    Column("ended_at", Moment),
    Column("ask_at", Moment),
    Column("event_id", String(64)),
    UniqueConstraint("platform", "digest"),
    Index("ix_objection_running", "platform", "state", sqlite_where=_RUNNING, postgresql_where=_RUNNING),
    Index("ix_objection_person", "person_key"),
)
"""Objections to credit records. ``digest`` is a keyed one of all that is said, so that a file given twice is one.

``person_key`` is whom the record was about, for a legal hold; ``event_id`` the event of the feed that closed it.
"""

scan = Table(
    "scan",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("platform", String(40), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("media_type", String(40), nullable=False),
    Column("size", Integer, nullable=False),
    Column("content", LargeBinary),  # sealed
    Column("created_at", Moment, nullable=False),
    Column("message_id", String(26), nullable=False),
    Column("tried_at", Moment),
    Column("taken_at", Moment),
    Column("number", String(64)),
    UniqueConstraint("platform", "digest"),
)
"""Files that go with objections, each sent to a platform once; ``number`` is the platform's. Digest: SHA-256."""

objection_scan = Table(
    "objection_scan",
    metadata,
    Column("objection_id", _Id, ForeignKey("objection.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("scan_id", _Id, ForeignKey("scan.id"), nullable=False),
    Index("ix_objection_scan_scan_id", "scan_id"),
)

told_ticket = Table(
    "told_ticket",
    metadata,
    Column("ticket", String(26), ForeignKey("ticket.number"), primary_key=True),
    Column("platform", String(40), nullable=False),
    Column("message_id", String(26), nullable=False),
    Column("tried_at", Moment, nullable=False),
    Column("taken_at", Moment),
    Column("number", String(64)),
    Column("code", String(80)),
    Column("status", String(16)),
    Column("outcome", LargeBinary),  # sealed
    Column("ask_at", Moment),
    Column("ended_at", Moment),
    Index("ix_told_ticket_running", "platform", "ask_at", sqlite_where=_RUNNING, postgresql_where=_RUNNING),
)
"""Tickets of ours that the platform was told of: its number, how it stands there, and how it was closed."""
