"""Tables of credit cases: subjects of records, own decisions, books, draws, objections, reinstatements.

Rows with ``sys_from`` and ``sys_to`` are on the axis of recorded time and are only added; the one change ever made is
to set ``sys_to``. Names and contents are sealed; keys of enterprises and authorities are keyed digests of their codes.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
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

from gateway.store.metadata import Id, Moment, metadata

_BELIEVED = text("sys_to IS NULL")
_UNSENT = text("sent_at IS NULL")
_RUNNING = text("ended_at IS NULL")
_UNDRAWN = text("drawn_at IS NULL")

credit_party = Table(
    "credit_party",
    metadata,
    Column("key", String(26), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("content", LargeBinary, nullable=False),  # sealed
    Column("basis", String(16), nullable=False),
    Column("since", Moment, nullable=False),
)
"""Enterprises and authorities that records are about; ``basis``: held (an employer in our records), told or own."""

credit_marker = Table(
    "credit_marker",
    metadata,
    Column("name", String(24), primary_key=True),
    Column("up_to", Id, nullable=False),
)
"""Up to which row id of ``record`` something was done (``parties``: employers were made known)."""

credit_alias = Table(
    "credit_alias",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("key", String(26), nullable=False),
    Column("what", String(24), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("value", LargeBinary, nullable=False),  # sealed
    Column("valid_from", Moment),
    Column("valid_to", Moment),
    Column("sys_from", Moment, nullable=False),
    Column("sys_to", Moment),
    Column("event_id", String(64)),
    Index("ix_credit_alias_key", "kind", "key"),
    Index("ix_credit_alias_digest", "digest"),
)
"""Other names and numbers of a subject, and when they were in use."""

credit_merge = Table(
    "credit_merge",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("from_key", String(26), nullable=False),
    Column("to_key", String(26), nullable=False),
    Column("sys_from", Moment, nullable=False),
    Column("sys_to", Moment),
    Column("event_id", String(64)),
    Column("actor", String(80), nullable=False),
    Index(
        "uq_credit_merge_believed",
        "kind",
        "from_key",
        unique=True,
        sqlite_where=_BELIEVED,
        postgresql_where=_BELIEVED,
    ),
)
"""Two subjects that are one: records of ``from_key`` are linked to ``to_key`` while the row is believed."""

credit_succession = Table(
    "credit_succession",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("predecessor", String(26), nullable=False),
    Column("successor", String(26), nullable=False),
    Column("how", String(16), nullable=False),
    Column("since", Date, nullable=False),
    Column("inherits", Boolean, nullable=False),
    Column("sys_from", Moment, nullable=False),
    Column("sys_to", Moment),
    Column("event_id", String(64)),
    Index("ix_credit_succession_successor", "successor"),
)
"""Enterprises that took the place of others. Records stay with the predecessor and are shown with the successor."""

credit_twin = Table(
    "credit_twin",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("platform", String(40), nullable=False),
    Column("record_id", String(64), nullable=False),
    Column("first_id", String(64), nullable=False),
    Column("sys_from", Moment, nullable=False),
    Column("sys_to", Moment),
    Index(
        "uq_credit_twin_believed",
        "platform",
        "record_id",
        unique=True,
        sqlite_where=_BELIEVED,
        postgresql_where=_BELIEVED,
    ),
)
"""A record suspected to be ``first_id`` told once more under an id of its own; views count the two as one."""

credit_ruling = Table(
    "credit_ruling",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("platform", String(40), nullable=False),
    Column("record_id", String(64), nullable=False),
    Column("key", String(26)),
    Column("sys_from", Moment, nullable=False),
    Column("sys_to", Moment),
    Column("actor", String(80), nullable=False),
    Column("ticket", String(26), nullable=False),
    Index(
        "uq_credit_ruling_believed",
        "platform",
        "record_id",
        unique=True,
        sqlite_where=_BELIEVED,
        postgresql_where=_BELIEVED,
    ),
)
"""Whom a person found a record to be about; without ``key``: nobody we hold."""

credit_reliance = Table(
    "credit_reliance",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("recipient", String(80), nullable=False),
    Column("reference", String(120), nullable=False),
    Column("version_id", Id, ForeignKey("credit_version.id"), nullable=False),
    Column("actor", String(80), nullable=False),
    Index("ix_credit_reliance_version_id", "version_id"),
    Index("ix_credit_reliance_recipient", "purpose", "recipient"),
)
"""What left the house on the ground of a statement: a status change, a record shared with a partner, a publication."""

credit_own = Table(
    "credit_own",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("key", String(26), nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("event_type", String(24), nullable=False),
    Column("content", LargeBinary, nullable=False),  # sealed
    Column("created_at", Moment, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("decided_on", Date),
    Column("warn_on", Date),
    Column("due_on", Date),
    Column("published_at", Moment),
    Column("published_by", String(80)),
    Column("platform", String(40)),
    Column("platform_record_id", String(64)),
    Column("sent_at", Moment),
    Column("code", String(80)),
    UniqueConstraint("key", "version"),
    Index("ix_credit_own_unsent", "state", sqlite_where=_UNSENT, postgresql_where=_UNSENT),
    Index("ix_credit_own_platform_record", "platform", "platform_record_id"),
)
"""The centre's own decisions by version, drafts included; ``sent_at`` tells that the platform has taken it."""

credit_book = Table(
    "credit_book",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("platform", String(40), nullable=False),
    Column("day", Date, nullable=False),
    Column("at", Moment, nullable=False),
    Column("digest", String(80), nullable=False),
    Column("previous", String(80)),
    Column("rows", Integer, nullable=False),
    Column("totals", JSON, nullable=False),
    Column("closed", Boolean, nullable=False),
    Index("ix_credit_book_day", "platform", "day"),
)
"""Each comparison with a day's books of a platform; a day is settled once a row of it is ``closed``."""

supervision_draw = Table(
    "supervision_draw",
    metadata,
    Column("number", String(26), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("seed", String(64), nullable=False),
    Column("method", String(24), nullable=False),
    Column("population_digest", String(64), nullable=False),
    Column("population", Integer, nullable=False),
    Column("ratio", String(16), nullable=False),
    Column("excluded", JSON, nullable=False),
    Column("checkers", JSON, nullable=False),
    Column("drawn", JSON, nullable=False),
    Column("due_on", Date),
)
"""Double-random draws (双随机): what was drawn, for whom, and everything needed to draw it again."""

supervision_check = Table(
    "supervision_check",
    metadata,
    Column("number", String(26), primary_key=True),
    Column("kind", String(12), nullable=False),
    Column("of", String(12), nullable=False),
    Column("object", String(64), nullable=False),
    Column("city", String(6)),
    Column("checked_on", Date, nullable=False),
    Column("result", String(12), nullable=False),
    Column("finding", Text, nullable=False),
    Column("document", String(120)),
    Column("checkers", JSON, nullable=False),
    Column("draw", String(26)),
    Column("entered_at", Moment, nullable=False),
    Column("entered_by", String(80), nullable=False),
    Column("approved_at", Moment),
    Column("approved_by", String(80)),
    Column("published_at", Moment),
    Column("published_by", String(80)),
    Index("ix_supervision_check_object", "object"),
    Index("ix_supervision_check_city", "city", "checked_on"),
)
"""Checks that were made (五(六)): of whom, when, what was found; approved by a second person, then published."""

objection = Table(
    "objection",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
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
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("platform", String(40), nullable=False),
    Column("attachment_id", Id, ForeignKey("attachment.id"), nullable=False),
    Column("message_id", String(26), nullable=False),
    Column("tried_at", Moment),
    Column("taken_at", Moment),
    Column("number", String(64)),
    UniqueConstraint("platform", "attachment_id"),
    Index("ix_scan_attachment_id", "attachment_id"),
)
"""Files that go with objections, each sent to a platform once; ``number`` is the platform's."""

objection_scan = Table(
    "objection_scan",
    metadata,
    Column("objection_id", Id, ForeignKey("objection.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("scan_id", Id, ForeignKey("scan.id"), nullable=False),
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
reinstatement = Table(
    "reinstatement",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
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
    Column("id", Id, primary_key=True, autoincrement=True),
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
