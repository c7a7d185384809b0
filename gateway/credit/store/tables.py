"""Tables of the credit archive, in the same metadata as the rest.

``credit_event`` is append-only but for how the event stands. ``credit_version`` holds the statements on both axes of
time (valid, recorded); rows are only added, and the one change ever made is to set ``sys_to``. A statement's payload is
that of its ``content_id`` event, sealed there once, so that a retention order has one place to clear.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
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

from gateway.store.metadata import Id, Moment, id_column, metadata, reference

feed = Table(
    "feed",
    metadata,
    Column("platform", String(40), primary_key=True),
    Column("cursor", Text),
    Column("updated_at", Moment, nullable=False),
    Column("read_through_at", Moment),
)
"""``read_through_at``: when the last reading began that came to the feed's end without a gap"""

inbox = Table(
    "inbox",
    metadata,
    id_column(),
    Column("platform", String(40), nullable=False),
    reference("exchange_id", "exchange.id", nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("raw", LargeBinary, nullable=False),  # sealed
    Column("cursor_before", Text),
    Column("cursor_after", Text, nullable=False),
)
_OPEN = text("sys_to IS NULL")
_WAITING = text("outcome IN ('ACCEPTED_UNMATCHED', 'IDENTITY_CONFLICT')")
_UNSENT = text("sent_at IS NULL")
_OPEN_TICKET = text("closed_at IS NULL")

credit_event = Table(
    "credit_event",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("platform", String(40), nullable=False),
    Column("event_id", String(64), nullable=False),
    Column("stream", String(24), nullable=False),
    Column("stream_seq", BigInteger, nullable=False),
    Column("event_type", String(24), nullable=False),
    Column("event_time", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("inbox_id", Id, ForeignKey("inbox.id"), nullable=False),
    Column("record_id", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("prev_version", Integer),
    Column("digest", String(80), nullable=False),
    Column("effective_from", Moment),
    Column("happen_date", Date),
    Column("decision_date", Date),
    Column("sanction_end", Date),
    Column("publish_begin", Date),
    Column("publish_end", Date),
    Column("category", String(20), nullable=False),
    Column("severities", JSON, nullable=False),
    Column("usage_scope", String(1), nullable=False),
    Column("status_code", String(1), nullable=False),
    Column("disclosed", Boolean, nullable=False),
    Column("key_facts", String(64), nullable=False),
    Column("clock_ahead", Boolean, nullable=False),
    Column("subject_type", String(12)),
    Column("number_digest", String(64)),
    Column("name_digest", String(64)),
    Column("variant_digest", String(64)),
    Column("certificate_digest", String(64)),
    Column("match", String(16), nullable=False),
    Column("subject_key", String(26)),
    Column("certificate_key", String(26)),
    Column("outcome", String(24), nullable=False),
    Column("effect", String(12), nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("payload", LargeBinary),  # sealed
    Column("local", Boolean, nullable=False, server_default=text("false")),
    Column("preferred", Boolean, nullable=False, server_default=text("false")),
    Column("flawed", Boolean, nullable=False, server_default=text("false")),
    Column("credit_code", String(20)),
    Column("decision_digest", String(64)),
    Column("owner_digest", String(64)),
    Column("sender_digest", String(64)),
    UniqueConstraint("platform", "event_id", "digest"),
    Index("ix_credit_event_record", "platform", "record_id", "version"),
    Index("ix_credit_event_outcome", "platform", "outcome"),
    Index("ix_credit_event_decision", "platform", "decision_digest"),
    Index("ix_credit_event_waiting", "number_digest", sqlite_where=_WAITING, postgresql_where=_WAITING),
)
"""Normalised events. ``outcome`` is the code of the last acknowledgement; digests are the vault's keyed ones.

``flawed`` events could not be read or were refused as they stood; no history is made of them. ``local`` events are
the gateway's own observations and are never acknowledged. ``preferred`` is the one of two different events under one
version that a person chose. ``decision_digest`` covers the number of the decision; ``owner_digest`` names who made it,
``sender_digest`` who supplied it.
"""

inbox_repeat = Table(
    "inbox_repeat",
    metadata,
    Column("inbox_id", Id, ForeignKey("inbox.id"), primary_key=True, autoincrement=False),
    Column("platform", String(40), nullable=False),
    Column("event_id", String(64), primary_key=True),
    Index("ix_inbox_repeat_event", "platform", "event_id"),
)
"""Events of a page that are kept under another page: told before, or put off until they come again."""

credit_version = Table(
    "credit_version",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("platform", String(40), nullable=False),
    Column("record_id", String(64), nullable=False),
    Column("version_no", Integer, nullable=False),
    Column("valid_from", Moment, nullable=False),
    Column("valid_to", Moment),
    Column("sys_from", Moment, nullable=False),
    Column("sys_to", Moment),
    Column("event_id", Id, ForeignKey("credit_event.id"), nullable=False),
    Column("content_id", Id, ForeignKey("credit_event.id"), nullable=False),
    Column("source_version", Integer, nullable=False),
    Column("source_update_time", Moment, nullable=False),
    Column("status", String(12), nullable=False),
    Column("under_objection", Boolean, nullable=False),
    Column("category", String(20), nullable=False),
    Column("usage_scope", String(1), nullable=False),
    Column("disclosed", Boolean, nullable=False),
    Column("happen_date", Date),
    Column("decision_date", Date),
    Column("effect_from", Moment),
    Column("effect_to", Moment),
    Column("publish_from", Moment),
    Column("publish_to", Moment),
    Column("period_source", String(8), nullable=False),
    Column("rule_id", String(24)),
    Column("payload_digest", String(80), nullable=False),
    Column("reason_code", String(24), nullable=False),
    Column("actor", String(80), nullable=False),
    UniqueConstraint("platform", "record_id", "version_no"),
    Index("ix_credit_version_record", "platform", "record_id", "sys_from"),
    Index(
        "uq_credit_version_believed",
        "platform",
        "record_id",
        "valid_from",
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    ),
)
"""Statements on two axes; None is an open end. ``version_no`` counts the rows of a record, it is not the platform's."""

credit_link = Table(
    "credit_link",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("platform", String(40), nullable=False),
    Column("record_id", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("key", String(26), nullable=False),
    Column("match", String(16), nullable=False),
    Column("valid_from", Moment, nullable=False),
    Column("valid_to", Moment),
    Column("sys_from", Moment, nullable=False),
    Column("sys_to", Moment),
    Column("event_id", Id, ForeignKey("credit_event.id"), nullable=False),
    Index("ix_credit_link_key", "key"),
    Index(
        "uq_credit_link_believed",
        "platform",
        "record_id",
        "kind",
        "key",
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    ),
)
"""Whom a record is about: ``kind`` person, enterprise or certificate. A variant name is in the event's payload."""

credit_ack = Table(
    "credit_ack",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("platform", String(40), nullable=False),
    Column("event_id", String(64), nullable=False),
    Column("record_id", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("code", String(24), nullable=False),
    Column("at", Moment, nullable=False),
    Column("ticket", String(26)),
    Column("message", String(200)),
    Column("sent_at", Moment),
    Column("repeats", Integer, nullable=False, server_default="0"),
    Index("ix_credit_ack_event", "platform", "event_id"),
    Index("ix_credit_ack_unsent", "platform", "id", sqlite_where=_UNSENT, postgresql_where=_UNSENT),
)
"""``repeats``: how often it was sent again because the platform had not kept it."""

credit_stream = Table(
    "credit_stream",
    metadata,
    Column("platform", String(40), primary_key=True),
    Column("stream", String(24), primary_key=True),
    Column("last_seq", BigInteger, nullable=False),
    Column("gap_tries", Integer, nullable=False, server_default="0"),
)
"""The last number seen in each stream of a platform, and how often a gap was met behind it."""

credit_watch = Table(
    "credit_watch",
    metadata,
    Column("platform", String(40), primary_key=True),
    Column("awaited_at", Moment),
    Column("awaited_cursor", Text),
    Column("tries", Integer, nullable=False, server_default="0"),
)
"""When a platform's list of what it still waits for was last read to its end.

``awaited_cursor``: a reading goes on there; ``tries``: how often in a row something on that page could not be fetched.
"""

ticket = Table(
    "ticket",
    metadata,
    Column("number", String(26), primary_key=True),
    Column("platform", String(40), nullable=False),
    Column("record_id", String(64), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("event_id", String(64)),
    Column("opened_at", Moment, nullable=False),
    Column("closed_at", Moment),
    Column("closed_by", String(80)),
    Column("note", Text),
    Column("act", String(24)),
    Index(
        "uq_ticket_open",
        "platform",
        "record_id",
        "kind",
        unique=True,
        sqlite_where=_OPEN_TICKET,
        postgresql_where=_OPEN_TICKET,
    ),
)
"""What a person has to look at. A record has at most one open ticket of a kind; a stream's is kept under its name.

Whose it is and until when follows from its kind (``gateway.credit.rules.tickets``); ``act`` is what was done at last.
"""
