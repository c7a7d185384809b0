"""The tables. Small mutable ones (delivery, platform) beside append-only ones (record, exchange, attempt, verdict).

Sealed columns hold ciphertext of ``gateway.store.vault``; nothing personal stands outside them. Moments are UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

from gateway.domain.delivery import State
from gateway.domain.periods import to_utc

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_Id = BigInteger().with_variant(Integer, "sqlite")


class Moment(TypeDecorator[datetime]):
    """An aware moment, kept as UTC (``to_utc``); SQLite has no zones, so it is stored there without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive moment: it would be read back as another one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without zone")
        value = to_utc(value)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _id() -> Column[Any]:
    return Column("id", _Id, primary_key=True, autoincrement=True)


def _ref(name: str, target: str, **kwargs: Any) -> Column[Any]:
    return Column(name, _Id, ForeignKey(target), **kwargs)


_STATES = ", ".join(f"'{state}'" for state in State)
_LEASED = text("lease_owner IS NOT NULL")
_DUE = text("state IN ('queued', 'awaiting_ack', 'in_doubt') AND blocked_by IS NULL")

batch = Table(
    "batch",
    metadata,
    _id(),
    Column("name", String(200), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("read_at", Moment, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("admitted", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("held", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
)

filing = Table(
    "filing",
    metadata,
    _id(),
    _ref("batch_id", "batch.id", nullable=False),
    Column("row_no", Integer, nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("cells", LargeBinary, nullable=False),  # sealed
    Column("failures", JSON, nullable=False),
    Column("person_key", String(26)),
    Column("certificate_key", String(26)),
    Column("report_no", String(30)),  # the report's own number, or the city's division where it has none
    UniqueConstraint("batch_id", "row_no"),
    Index("ix_filing_certificate_key", "certificate_key"),
    Index("ix_filing_report_no", "report_no"),
)

record = Table(
    "record",
    metadata,
    _id(),
    Column("kind", String(16), nullable=False),
    Column("key", String(26), nullable=False),
    Column("version", Integer, nullable=False),
    Column("person_key", String(26), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("content", LargeBinary, nullable=False),  # sealed
    Column("effective_from", Moment, nullable=False),
    Column("change", String(12), nullable=False),
    Column("change_reason", Text),
    Column("created_at", Moment, nullable=False),
    _ref("batch_id", "batch.id"),
    UniqueConstraint("kind", "key", "version"),
    Index("ix_record_person_key", "person_key"),
    Index("ix_record_batch_id", "batch_id"),
)

search_index = Table(
    "search_index",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("key", String(26), primary_key=True),
    Column("what", String(24), nullable=False),
    Column("since", Moment, nullable=False),
    Index("ix_search_index_key", "key"),
)
"""Keyed digests of natural keys and names: ``what`` is identity, id_number, certificate, certificate_number or name."""

receipt = Table(
    "receipt",
    metadata,
    _id(),
    Column("platform", String(40), nullable=False),
    Column("number", String(200), nullable=False),
    _ref("exchange_id", "exchange.id", nullable=False),
    Column("received_at", Moment, nullable=False),
    UniqueConstraint("platform", "number"),
)

delivery = Table(
    "delivery",
    metadata,
    _id(),
    Column("platform", String(40), nullable=False),
    Column("kind", String(16), nullable=False),
    _ref("record_id", "record.id", nullable=False),
    Column("record_key", String(26), nullable=False),
    Column("version", Integer, nullable=False),
    Column("person_key", String(26), nullable=False),
    Column("business_key", String(120), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("due_at", Moment, nullable=False),
    _ref("blocked_by", "delivery.id"),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("lease_owner", String(120)),
    Column("lease_until", Moment),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("polls", Integer, nullable=False, server_default="0"),
    Column("lookups", Integer, nullable=False, server_default="0"),
    Column("negatives", Integer, nullable=False, server_default="0"),
    Column("message_id", String(26)),
    Column("message_size", Integer),
    Column("message_limit", Integer),
    _ref("receipt_id", "receipt.id"),
    Column("code", String(80)),
    Column("reason", Text),
    Column("platform_ref", String(80)),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    CheckConstraint(f"state IN ({_STATES})", name="state"),
    Index("ix_delivery_due", "platform", "state", "due_at", "id", sqlite_where=_DUE, postgresql_where=_DUE),
    Index("ix_delivery_record", "platform", "kind", "record_key", "version"),
    Index("ix_delivery_person", "platform", "person_key"),
    Index(
        "ix_delivery_blocked_by",
        "blocked_by",
        sqlite_where=text("blocked_by IS NOT NULL"),
        postgresql_where=text("blocked_by IS NOT NULL"),
    ),
    Index("ix_delivery_lease", "platform", sqlite_where=_LEASED, postgresql_where=_LEASED),
)

payload = Table(
    "payload",
    metadata,
    Column("delivery_id", _Id, ForeignKey("delivery.id"), primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),  # sealed
    Column("spec_version", String(40), nullable=False),
    Column("made_at", Moment, nullable=False),
)

exchange = Table(
    "exchange",
    metadata,
    _id(),
    Column("platform", String(40), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("operation", String(80), nullable=False),
    Column("message_id", String(26), nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("request_digest", String(64), nullable=False),
    Column("request", LargeBinary),  # sealed
    Column("closed_at", Moment),
    Column("status", Integer),
    Column("failure", String(40)),
    Column("response_digest", String(64)),
    Column("response", LargeBinary),  # sealed
    Index("ix_exchange_platform_opened_at", "platform", "opened_at"),
)

attempt = Table(
    "attempt",
    metadata,
    _id(),
    _ref("delivery_id", "delivery.id", nullable=False),
    _ref("exchange_id", "exchange.id", nullable=False),
    Column("position", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Index("ix_attempt_delivery_id", "delivery_id"),
    Index("ix_attempt_exchange_id", "exchange_id"),
)

verdict = Table(
    "verdict",
    metadata,
    _id(),
    _ref("attempt_id", "attempt.id", nullable=False),
    Column("event", String(16), nullable=False),
    Column("code", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("fields", JSON, nullable=False),
    Column("platform_ref", String(80)),
    Column("applied", Boolean, nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_verdict_attempt_id", "attempt_id"),
)

platform = Table(
    "platform",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    Column("code", String(80)),
    Column("reason", Text),
    Column("paused_by", String(80)),
    Column("since", Moment),
    Column("until", Moment),
    Column("next_slot_at", Moment),
)

owed = Table(
    "owed",
    metadata,
    Column("platform", String(40), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("up_to", _Id, nullable=False),
)
"""Every record of the kind up to this row id has its delivery to the platform."""

feed = Table(
    "feed",
    metadata,
    Column("platform", String(40), primary_key=True),
    Column("cursor", Text),
    Column("updated_at", Moment, nullable=False),
)

inbox = Table(
    "inbox",
    metadata,
    _id(),
    Column("platform", String(40), nullable=False),
    _ref("exchange_id", "exchange.id", nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("raw", LargeBinary, nullable=False),  # sealed
    Column("cursor_before", Text),
    Column("cursor_after", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    _id(),
    Column("at", Moment, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("action", String(40), nullable=False),
    Column("object", String(120), nullable=False),
    Column("reason", Text),
    Column("detail", JSON, nullable=False),
)

reconciliation = Table(
    "reconciliation",
    metadata,
    _id(),
    Column("platform", String(40), nullable=False),
    Column("ours_at", Moment, nullable=False),
    Column("theirs_at", Moment, nullable=False),
    Column("counts", JSON, nullable=False),
    Index("ix_reconciliation_platform", "platform", "ours_at"),
)

reconciliation_item = Table(
    "reconciliation_item",
    metadata,
    _id(),
    _ref("reconciliation_id", "reconciliation.id", nullable=False),
    Column("class", String(24), nullable=False),
    Column("kind", String(16), nullable=False),
    _ref("delivery_id", "delivery.id"),
    Column("fields", JSON, nullable=False),
    Index("ix_reconciliation_item_run", "reconciliation_id", "class"),
)
