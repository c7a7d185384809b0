"""Tables of the delivery wing: deliveries, exchanges, attempts, verdicts, platforms, run leases, reconciliations.

``delivery`` and ``platform`` are changed in place; exchanges, attempts and verdicts are only added to. Sealed columns
hold ciphertext of ``gateway.store.vault``; nothing personal stands outside them.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)

from gateway.domain.states import State
from gateway.store.metadata import Id, Moment, id_column, metadata, reference

_ROOM = {"fillfactor": 60}
"""PostgreSQL updates a row beside the old one, without touching any index, where its page has room for that"""
_STATES = ", ".join(f"'{state}'" for state in State)
_LEASED = text("lease_owner IS NOT NULL")
_NUMBERED = text("platform_ref IS NOT NULL")
_UNFINISHED = text("state <> 'accepted'")
_UNDONE = text("outcome IS NULL")
_DUE = text("state IN ('queued', 'awaiting_ack', 'in_doubt') AND blocked_by IS NULL")

receipt = Table(
    "receipt",
    metadata,
    id_column(),
    Column("platform", String(40), nullable=False),
    Column("number", String(200), nullable=False),
    reference("exchange_id", "exchange.id", nullable=False),
    Column("received_at", Moment, nullable=False),
    UniqueConstraint("platform", "number"),
)

delivery = Table(
    "delivery",
    metadata,
    id_column(),
    Column("platform", String(40), nullable=False),
    Column("kind", String(16), nullable=False),
    reference("record_id", "record.id", nullable=False),
    Column("record_key", String(26), nullable=False),
    Column("version", Integer, nullable=False),
    Column("person_key", String(26), nullable=False),
    Column("business_key", String(120), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("due_at", Moment, nullable=False),
    reference("blocked_by", "delivery.id"),
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
    reference("receipt_id", "receipt.id"),
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
    Index("ix_delivery_platform_ref", "platform_ref", sqlite_where=_NUMBERED, postgresql_where=_NUMBERED),
    Index("ix_delivery_lease", "platform", sqlite_where=_LEASED, postgresql_where=_LEASED),
    Index("ix_delivery_open", "platform", "state", sqlite_where=_UNFINISHED, postgresql_where=_UNFINISHED),
    postgresql_with=_ROOM,
)
# SQLite uses a partial index only where a query says its condition word for word; a bound value does not count.
MAY_BE_DUE: ColumnElement[bool] = literal_column("delivery.state IN ('queued', 'awaiting_ack', 'in_doubt')")
"""beside ``blocked_by IS NULL``: reaches ``ix_delivery_due``"""
OPEN: ColumnElement[bool] = literal_column("delivery.state <> 'accepted'")
"""reaches ``ix_delivery_open``"""

payload = Table(
    "payload",
    metadata,
    Column("delivery_id", Id, ForeignKey("delivery.id"), primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),  # sealed
    Column("spec_version", String(40), nullable=False),
    Column("made_at", Moment, nullable=False),
)

earlier_payload = Table(
    "earlier_payload",
    metadata,
    id_column(),
    reference("delivery_id", "delivery.id", nullable=False),
    Column("content", LargeBinary, nullable=False),  # sealed
    Column("spec_version", String(40), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("replaced_at", Moment, nullable=False),
    Index("ix_earlier_payload_delivery_id", "delivery_id"),
)
"""what was sent of a delivery before a replay mapped its record anew"""

exchange = Table(
    "exchange",
    metadata,
    id_column(),
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
    Column("nonce", LargeBinary),  # of the stamp; random, so it tells nothing
    Column("proof", LargeBinary),  # sealed; what of the login the answer's signature is checked with
    Column("response_headers", LargeBinary),  # sealed
    Column("item_digests", Text),  # of a push: a digest for each payload it carries, in their order
    Index("ix_exchange_platform_opened_at", "platform", "opened_at"),
    postgresql_with=_ROOM,
)

attempt = Table(
    "attempt",
    metadata,
    id_column(),
    reference("delivery_id", "delivery.id", nullable=False),
    reference("exchange_id", "exchange.id", nullable=False),
    Column("position", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Index("ix_attempt_delivery_id", "delivery_id"),
    Index("ix_attempt_exchange_id", "exchange_id"),
)

verdict = Table(
    "verdict",
    metadata,
    id_column(),
    reference("attempt_id", "attempt.id", nullable=False),
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
    Column("not_before", Moment),  # the platform asked everybody to wait until then
    Column("failures", Integer, nullable=False, server_default="0"),  # from here on: gateway.domain.traffic
    Column("trips", Integer, nullable=False, server_default="0"),
    Column("failure_code", String(80)),
    Column("open_since", Moment),
    Column("open_until", Moment),
    Column("probe_until", Moment),
    Column("broken_replies", Integer, nullable=False, server_default="0"),  # in a row
)

owed = Table(
    "owed",
    metadata,
    Column("platform", String(40), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("up_to", Id, nullable=False),
)
"""Every record of the kind up to this row id has its delivery to the platform."""

reconciliation = Table(
    "reconciliation",
    metadata,
    id_column(),
    Column("platform", String(40), nullable=False),
    Column("ours_at", Moment, nullable=False),
    Column("theirs_at", Moment, nullable=False),
    Column("counts", JSON, nullable=False),
    Index("ix_reconciliation_platform", "platform", "ours_at"),
)

reconciliation_item = Table(
    "reconciliation_item",
    metadata,
    id_column(),
    reference("reconciliation_id", "reconciliation.id", nullable=False),
    Column("class", String(24), nullable=False),
    Column("kind", String(16), nullable=False),
    reference("delivery_id", "delivery.id"),
    Column("fields", JSON, nullable=False),
    Column("position", Integer),
    Column("theirs", LargeBinary),  # sealed
    Column("settled_at", Moment),
    Index("ix_reconciliation_item_run", "reconciliation_id", "class"),
    Index("ix_reconciliation_item_delivery_id", "delivery_id"),
)
"""Differences of a run.

theirs:     key and number of what only the platform has, or what both sides say of the fields that differ; kept for the
            last run
settled_at: when a person said that the platform is right, which holds until it differs in another way
"""

delivery_project = Table(
    "delivery_project",
    metadata,
    Column("delivery_id", Id, ForeignKey("delivery.id"), primary_key=True, autoincrement=False),
    Column("project", String(64), nullable=False),
)
"""only where the platform registers the kind by project; another project is another registration there"""

run_lease = Table(
    "run_lease",
    metadata,
    Column("work", String(24), primary_key=True),
    Column("platform", String(40), primary_key=True),
    Column("lane", Integer, primary_key=True, autoincrement=False),
    Column("run", String(40), nullable=False),
    Column("owner", String(120), nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment, nullable=False),
)
"""One row for each run that is at work: ``run`` names it to the scheduler, ``owner`` is its process."""

slot = Table(
    "slot",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("platform", String(40), nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_slot_platform_at", "platform", "at"),
)
"""Requests that a budget has let go, kept for as long as the budget's window looks back."""

seat = Table(
    "seat",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("platform", String(40), nullable=False),
    Column("door", String(26), nullable=False, unique=True),
    Column("owner", String(120), nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("granted", Integer, nullable=False),
    Column("until", Moment, nullable=False),
    Index("ix_seat_platform", "platform"),
)
"""How many of a platform's connections each worker may use, until when; one row for each door to the platform."""

recovery = Table(
    "recovery",
    metadata,
    Column("platform", String(40), ForeignKey("platform.name"), primary_key=True),
    Column("since", Moment, nullable=False),
    Column("accepted_up_to", Id, nullable=False, server_default="0"),
    Column("done_at", Moment),
)
"""Platforms to be asked what they hold because the ledger is an older one: since when, which acceptances were compared
(up to this id of a delivery), and when nothing was left to ask."""

replay_plan = Table(
    "replay_plan",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("by", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("chosen_by", JSON, nullable=False),
    Column("items", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("cancelled_at", Moment),
)

replay_item = Table(
    "replay_item",
    metadata,
    Column("plan_id", Id, ForeignKey("replay_plan.id"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("delivery_id", Id, ForeignKey("delivery.id"), nullable=False),
    Column("fence", Integer, nullable=False),
    Column("outcome", String(12)),
    Column("why", String(40)),
    Column("at", Moment),
    Index("ix_replay_item_delivery_id", "delivery_id"),
    Index("ix_replay_item_open", "plan_id", "position", sqlite_where=_UNDONE, postgresql_where=_UNDONE),
)
"""What a plan will queue again, in order; ``outcome`` is empty until it was its turn, then done, skipped or failed."""
