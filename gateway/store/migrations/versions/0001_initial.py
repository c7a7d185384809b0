"""every table of the store

Revision: 0001, the first
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.metadata import Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("object", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("original", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_table(
        "batch",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("read_at", Moment(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("admitted", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        sa.UniqueConstraint("digest", name=op.f("uq_batch_digest")),
    )
    op.create_table(
        "check_owed",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=64), nullable=False),
        sa.Column("certificate_key", sa.String(length=26), nullable=False),
        sa.Column("drawn_at", Moment(), nullable=True),
        sa.Column("draws", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_owed")),
        sa.UniqueConstraint("platform", "record_id", name=op.f("uq_check_owed_platform_record_id")),
    )
    op.create_index(
        "ix_check_owed_undrawn",
        "check_owed",
        ["id"],
        unique=False,
        sqlite_where=sa.text("drawn_at IS NULL"),
        postgresql_where=sa.text("drawn_at IS NULL"),
    )
    op.create_table(
        "credit_ack",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("record_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=24), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("ticket", sa.String(length=26), nullable=True),
        sa.Column("message", sa.String(length=200), nullable=True),
        sa.Column("sent_at", Moment(), nullable=True),
        sa.Column("repeats", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_ack")),
    )
    op.create_index("ix_credit_ack_event", "credit_ack", ["platform", "event_id"], unique=False)
    op.create_index(
        "ix_credit_ack_unsent",
        "credit_ack",
        ["platform", "id"],
        unique=False,
        sqlite_where=sa.text("sent_at IS NULL"),
        postgresql_where=sa.text("sent_at IS NULL"),
    )
    op.create_table(
        "credit_alias",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=26), nullable=False),
        sa.Column("what", sa.String(length=24), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", Moment(), nullable=True),
        sa.Column("valid_to", Moment(), nullable=True),
        sa.Column("sys_from", Moment(), nullable=False),
        sa.Column("sys_to", Moment(), nullable=True),
        sa.Column("event_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_alias")),
    )
    op.create_index("ix_credit_alias_digest", "credit_alias", ["digest"], unique=False)
    op.create_index("ix_credit_alias_key", "credit_alias", ["kind", "key"], unique=False)
    op.create_table(
        "credit_book",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("previous", sa.String(length=80), nullable=True),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("totals", sa.JSON(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_book")),
    )
    op.create_index("ix_credit_book_day", "credit_book", ["platform", "day"], unique=False)
    op.create_table(
        "credit_marker",
        sa.Column("name", sa.String(length=24), nullable=False),
        sa.Column("up_to", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_credit_marker")),
    )
    op.create_table(
        "credit_merge",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("from_key", sa.String(length=26), nullable=False),
        sa.Column("to_key", sa.String(length=26), nullable=False),
        sa.Column("sys_from", Moment(), nullable=False),
        sa.Column("sys_to", Moment(), nullable=True),
        sa.Column("event_id", sa.String(length=64), nullable=True),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_merge")),
    )
    op.create_index(
        "uq_credit_merge_believed",
        "credit_merge",
        ["kind", "from_key"],
        unique=True,
        sqlite_where=sa.text("sys_to IS NULL"),
        postgresql_where=sa.text("sys_to IS NULL"),
    )
    op.create_table(
        "credit_own",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=26), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("event_type", sa.String(length=24), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("decided_on", sa.Date(), nullable=True),
        sa.Column("warn_on", sa.Date(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("published_at", Moment(), nullable=True),
        sa.Column("published_by", sa.String(length=80), nullable=True),
        sa.Column("platform", sa.String(length=40), nullable=True),
        sa.Column("platform_record_id", sa.String(length=64), nullable=True),
        sa.Column("sent_at", Moment(), nullable=True),
        sa.Column("code", sa.String(length=80), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_own")),
        sa.UniqueConstraint("key", "version", name=op.f("uq_credit_own_key_version")),
    )
    op.create_index("ix_credit_own_platform_record", "credit_own", ["platform", "platform_record_id"], unique=False)
    op.create_index(
        "ix_credit_own_unsent",
        "credit_own",
        ["state"],
        unique=False,
        sqlite_where=sa.text("sent_at IS NULL"),
        postgresql_where=sa.text("sent_at IS NULL"),
    )
    op.create_table(
        "credit_party",
        sa.Column("key", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("basis", sa.String(length=16), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_credit_party")),
    )
    op.create_table(
        "credit_ruling",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=26), nullable=True),
        sa.Column("sys_from", Moment(), nullable=False),
        sa.Column("sys_to", Moment(), nullable=True),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("ticket", sa.String(length=26), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_ruling")),
    )
    op.create_index(
        "uq_credit_ruling_believed",
        "credit_ruling",
        ["platform", "record_id"],
        unique=True,
        sqlite_where=sa.text("sys_to IS NULL"),
        postgresql_where=sa.text("sys_to IS NULL"),
    )
    op.create_table(
        "credit_stream",
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("stream", sa.String(length=24), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("gap_tries", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("platform", "stream", name=op.f("pk_credit_stream")),
    )
    op.create_table(
        "credit_succession",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("predecessor", sa.String(length=26), nullable=False),
        sa.Column("successor", sa.String(length=26), nullable=False),
        sa.Column("how", sa.String(length=16), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("inherits", sa.Boolean(), nullable=False),
        sa.Column("sys_from", Moment(), nullable=False),
        sa.Column("sys_to", Moment(), nullable=True),
        sa.Column("event_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_succession")),
    )
    op.create_index("ix_credit_succession_successor", "credit_succession", ["successor"], unique=False)
    op.create_table(
        "credit_twin",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=64), nullable=False),
        sa.Column("first_id", sa.String(length=64), nullable=False),
        sa.Column("sys_from", Moment(), nullable=False),
        sa.Column("sys_to", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_twin")),
    )
    op.create_index(
        "uq_credit_twin_believed",
        "credit_twin",
        ["platform", "record_id"],
        unique=True,
        sqlite_where=sa.text("sys_to IS NULL"),
        postgresql_where=sa.text("sys_to IS NULL"),
    )
    op.create_table(
        "credit_watch",
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("awaited_at", Moment(), nullable=True),
        sa.Column("awaited_cursor", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("platform", name=op.f("pk_credit_watch")),
    )
    op.create_table(
        "evidence_link",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.Column("anchored", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("signature", sa.String(length=88), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence_link")),
    )
    op.create_table(
        "exchange",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("operation", sa.String(length=80), nullable=False),
        sa.Column("message_id", sa.String(length=26), nullable=False),
        sa.Column("opened_at", Moment(), nullable=False),
        sa.Column("request_digest", sa.String(length=64), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=True),
        sa.Column("closed_at", Moment(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("failure", sa.String(length=40), nullable=True),
        sa.Column("response_digest", sa.String(length=64), nullable=True),
        sa.Column("response", sa.LargeBinary(), nullable=True),
        sa.Column("nonce", sa.LargeBinary(), nullable=True),
        sa.Column("proof", sa.LargeBinary(), nullable=True),
        sa.Column("response_headers", sa.LargeBinary(), nullable=True),
        sa.Column("item_digests", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchange")),
        postgresql_with={"fillfactor": 60},
    )
    op.create_index("ix_exchange_platform_opened_at", "exchange", ["platform", "opened_at"], unique=False)
    op.create_table(
        "feed",
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.Column("read_through_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("platform", name=op.f("pk_feed")),
    )
    op.create_table(
        "incarnation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("restored", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("links", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incarnation")),
    )
    op.create_table(
        "key_check",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("value", sa.String(length=64), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("retired_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_key_check")),
    )
    op.create_table(
        "four_eyes",
        sa.Column("act", sa.String(length=24), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("above", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("act", name=op.f("pk_four_eyes")),
    )
    op.create_table(
        "approval",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("asked_at", Moment(), nullable=False),
        sa.Column("asked_by", sa.String(length=80), nullable=False),
        sa.Column("asked_uid", sa.BigInteger(), nullable=False),
        sa.Column("act", sa.String(length=24), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("decided_at", Moment(), nullable=True),
        sa.Column("decided_by", sa.String(length=80), nullable=True),
        sa.Column("decided_uid", sa.BigInteger(), nullable=True),
        sa.Column("decision", sa.String(length=12), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("used_at", Moment(), nullable=True),
        sa.Column("seal", sa.String(length=64), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
    )
    op.create_index("ix_approval_digest", "approval", ["digest"], unique=False)
    op.create_table(
        "legal_hold",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("person_key", sa.String(length=26), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("ended_by", sa.String(length=80), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_hold")),
    )
    op.create_table(
        "objection",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=26), nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("person_key", sa.String(length=26), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("message_id", sa.String(length=26), nullable=False),
        sa.Column("tried_at", Moment(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("number", sa.String(length=64), nullable=True),
        sa.Column("taken_at", Moment(), nullable=True),
        sa.Column("accepted_at", Moment(), nullable=True),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("ask_at", Moment(), nullable=True),
        sa.Column("event_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_objection")),
        sa.UniqueConstraint("key", name=op.f("uq_objection_key")),
        sa.UniqueConstraint("platform", "digest", name=op.f("uq_objection_platform_digest")),
    )
    op.create_index("ix_objection_person", "objection", ["person_key"], unique=False)
    op.create_index(
        "ix_objection_running",
        "objection",
        ["platform", "state"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "owed",
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("up_to", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("platform", "kind", name=op.f("pk_owed")),
    )
    op.create_table(
        "platform",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("paused_by", sa.String(length=80), nullable=True),
        sa.Column("since", Moment(), nullable=True),
        sa.Column("until", Moment(), nullable=True),
        sa.Column("next_slot_at", Moment(), nullable=True),
        sa.Column("not_before", Moment(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("trips", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failure_code", sa.String(length=80), nullable=True),
        sa.Column("open_since", Moment(), nullable=True),
        sa.Column("open_until", Moment(), nullable=True),
        sa.Column("probe_until", Moment(), nullable=True),
        sa.Column("broken_replies", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_platform")),
    )
    op.create_table(
        "purge",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("rule", sa.String(length=24), nullable=False),
        sa.Column("before", Moment(), nullable=False),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("ranges", sa.JSON(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("seal", sa.String(length=64), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purge")),
    )
    op.create_table(
        "reconciliation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("ours_at", Moment(), nullable=False),
        sa.Column("theirs_at", Moment(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation")),
    )
    op.create_index("ix_reconciliation_platform", "reconciliation", ["platform", "ours_at"], unique=False)
    op.create_table(
        "reinstatement",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("certificate_key", sa.String(length=26), nullable=False),
        sa.Column("void_version", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reinstatement")),
        sa.UniqueConstraint("certificate_key", "version", name=op.f("uq_reinstatement_certificate_key_version")),
    )
    op.create_table(
        "replay_plan",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("chosen_by", sa.JSON(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("cancelled_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replay_plan")),
    )
    op.create_table(
        "report_closing",
        sa.Column("report_no", sa.String(length=30), nullable=False),
        sa.Column("closed_at", Moment(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("report_no", name=op.f("pk_report_closing")),
    )
    op.create_table(
        "run_lease",
        sa.Column("work", sa.String(length=24), nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("lane", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("until", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("work", "platform", "lane", name=op.f("pk_run_lease")),
    )
    op.create_table(
        "attachment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=40), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
        sa.UniqueConstraint("digest", name=op.f("uq_attachment_digest")),
    )
    op.create_table(
        "scan",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("attachment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("message_id", sa.String(length=26), nullable=False),
        sa.Column("tried_at", Moment(), nullable=True),
        sa.Column("taken_at", Moment(), nullable=True),
        sa.Column("number", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["attachment_id"], ["attachment.id"], name=op.f("fk_scan_attachment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scan")),
        sa.UniqueConstraint("platform", "attachment_id", name=op.f("uq_scan_platform_attachment_id")),
    )
    op.create_index("ix_scan_attachment_id", "scan", ["attachment_id"], unique=False)
    op.create_table(
        "search_index",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=26), nullable=False),
        sa.Column("what", sa.String(length=24), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "kind", "key", name=op.f("pk_search_index")),
    )
    op.create_index("ix_search_index_key", "search_index", ["key"], unique=False)
    op.create_table(
        "seat",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("door", sa.String(length=26), nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("granted", sa.Integer(), nullable=False),
        sa.Column("until", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seat")),
        sa.UniqueConstraint("door", name=op.f("uq_seat_door")),
    )
    op.create_index("ix_seat_platform", "seat", ["platform"], unique=False)
    op.create_table(
        "slot",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slot")),
    )
    op.create_index("ix_slot_platform_at", "slot", ["platform", "at"], unique=False)
    op.create_table(
        "source_row",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("row_key", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.Column("source_key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_row")),
        sa.UniqueConstraint("source", "row_key", name=op.f("uq_source_row_source_row_key")),
    )
    op.create_table(
        "source_state",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("watermark", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_source_state")),
    )
    op.create_table(
        "supervision_check",
        sa.Column("number", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("of", sa.String(length=12), nullable=False),
        sa.Column("object", sa.String(length=64), nullable=False),
        sa.Column("city", sa.String(length=6), nullable=True),
        sa.Column("checked_on", sa.Date(), nullable=False),
        sa.Column("result", sa.String(length=12), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("document", sa.String(length=120), nullable=True),
        sa.Column("checkers", sa.JSON(), nullable=False),
        sa.Column("draw", sa.String(length=26), nullable=True),
        sa.Column("entered_at", Moment(), nullable=False),
        sa.Column("entered_by", sa.String(length=80), nullable=False),
        sa.Column("approved_at", Moment(), nullable=True),
        sa.Column("approved_by", sa.String(length=80), nullable=True),
        sa.Column("published_at", Moment(), nullable=True),
        sa.Column("published_by", sa.String(length=80), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_supervision_check")),
    )
    op.create_index("ix_supervision_check_city", "supervision_check", ["city", "checked_on"], unique=False)
    op.create_index("ix_supervision_check_object", "supervision_check", ["object"], unique=False)
    op.create_table(
        "supervision_draw",
        sa.Column("number", sa.String(length=26), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("seed", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=24), nullable=False),
        sa.Column("population_digest", sa.String(length=64), nullable=False),
        sa.Column("population", sa.Integer(), nullable=False),
        sa.Column("ratio", sa.String(length=16), nullable=False),
        sa.Column("excluded", sa.JSON(), nullable=False),
        sa.Column("checkers", sa.JSON(), nullable=False),
        sa.Column("drawn", sa.JSON(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_supervision_draw")),
    )
    op.create_table(
        "ticket",
        sa.Column("number", sa.String(length=26), nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=True),
        sa.Column("opened_at", Moment(), nullable=False),
        sa.Column("closed_at", Moment(), nullable=True),
        sa.Column("closed_by", sa.String(length=80), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("act", sa.String(length=24), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ticket")),
    )
    op.create_index(
        "uq_ticket_open",
        "ticket",
        ["platform", "record_id", "kind"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "evidence_part",
        sa.Column("link_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("book", sa.String(length=16), nullable=False),
        sa.Column("ranges", sa.JSON(), nullable=False),
        sa.Column("leaves", sa.LargeBinary(), nullable=False),
        sa.Column("top", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["link_id"], ["evidence_link.id"], name=op.f("fk_evidence_part_link_id")),
        sa.PrimaryKeyConstraint("link_id", "book", name=op.f("pk_evidence_part")),
    )
    op.create_index("ix_evidence_part_top", "evidence_part", ["book", "top", "link_id"], unique=False)
    op.create_table(
        "filing",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("batch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("row_no", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column("cells", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.JSON(), nullable=False),
        sa.Column("person_key", sa.String(length=26), nullable=True),
        sa.Column("certificate_key", sa.String(length=26), nullable=True),
        sa.Column("report_no", sa.String(length=30), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_filing_batch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_filing")),
        sa.UniqueConstraint("batch_id", "row_no", name=op.f("uq_filing_batch_id_row_no")),
    )
    op.create_index("ix_filing_certificate_key", "filing", ["certificate_key"], unique=False)
    op.create_index("ix_filing_report_no", "filing", ["report_no"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("exchange_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("received_at", Moment(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("cursor_before", sa.Text(), nullable=True),
        sa.Column("cursor_after", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["exchange_id"], ["exchange.id"], name=op.f("fk_inbox_exchange_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
    )
    op.create_table(
        "objection_scan",
        sa.Column("objection_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("scan_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["objection_id"], ["objection.id"], name=op.f("fk_objection_scan_objection_id")),
        sa.ForeignKeyConstraint(["scan_id"], ["scan.id"], name=op.f("fk_objection_scan_scan_id")),
        sa.PrimaryKeyConstraint("objection_id", "position", name=op.f("pk_objection_scan")),
    )
    op.create_index("ix_objection_scan_scan_id", "objection_scan", ["scan_id"], unique=False)
    op.create_table(
        "receipt",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("number", sa.String(length=200), nullable=False),
        sa.Column("exchange_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("received_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["exchange_id"], ["exchange.id"], name=op.f("fk_receipt_exchange_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipt")),
        sa.UniqueConstraint("platform", "number", name=op.f("uq_receipt_platform_number")),
    )
    op.create_table(
        "record",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=26), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("person_key", sa.String(length=26), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("void", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("effective_from", Moment(), nullable=False),
        sa.Column("change", sa.String(length=12), nullable=False),
        sa.Column("change_reason", sa.Text(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("batch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_record_batch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record")),
        sa.UniqueConstraint("kind", "key", "version", name=op.f("uq_record_kind_key_version")),
    )
    op.create_index("ix_record_batch_id", "record", ["batch_id"], unique=False)
    op.create_index("ix_record_person_key", "record", ["person_key"], unique=False)
    op.create_index(
        "ix_record_void",
        "record",
        ["key", "version"],
        unique=False,
        sqlite_where=sa.text("void"),
        postgresql_where=sa.text("void"),
    )
    op.create_table(
        "recovery",
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column(
            "accepted_up_to", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), server_default="0", nullable=False
        ),
        sa.Column("done_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["platform"], ["platform.name"], name=op.f("fk_recovery_platform")),
        sa.PrimaryKeyConstraint("platform", name=op.f("pk_recovery")),
    )
    op.create_table(
        "told_ticket",
        sa.Column("ticket", sa.String(length=26), nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("message_id", sa.String(length=26), nullable=False),
        sa.Column("tried_at", Moment(), nullable=False),
        sa.Column("taken_at", Moment(), nullable=True),
        sa.Column("number", sa.String(length=64), nullable=True),
        sa.Column("code", sa.String(length=80), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=True),
        sa.Column("outcome", sa.LargeBinary(), nullable=True),
        sa.Column("ask_at", Moment(), nullable=True),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["ticket"], ["ticket.number"], name=op.f("fk_told_ticket_ticket")),
        sa.PrimaryKeyConstraint("ticket", name=op.f("pk_told_ticket")),
    )
    op.create_index(
        "ix_told_ticket_running",
        "told_ticket",
        ["platform", "ask_at"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "credit_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("stream", sa.String(length=24), nullable=False),
        sa.Column("stream_seq", sa.BigInteger(), nullable=False),
        sa.Column("event_type", sa.String(length=24), nullable=False),
        sa.Column("event_time", Moment(), nullable=False),
        sa.Column("received_at", Moment(), nullable=False),
        sa.Column("inbox_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("record_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("prev_version", sa.Integer(), nullable=True),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("effective_from", Moment(), nullable=True),
        sa.Column("happen_date", sa.Date(), nullable=True),
        sa.Column("decision_date", sa.Date(), nullable=True),
        sa.Column("sanction_end", sa.Date(), nullable=True),
        sa.Column("publish_begin", sa.Date(), nullable=True),
        sa.Column("publish_end", sa.Date(), nullable=True),
        sa.Column("category", sa.String(length=20), nullable=False),
        sa.Column("severities", sa.JSON(), nullable=False),
        sa.Column("usage_scope", sa.String(length=1), nullable=False),
        sa.Column("status_code", sa.String(length=1), nullable=False),
        sa.Column("disclosed", sa.Boolean(), nullable=False),
        sa.Column("key_facts", sa.String(length=64), nullable=False),
        sa.Column("clock_ahead", sa.Boolean(), nullable=False),
        sa.Column("subject_type", sa.String(length=12), nullable=True),
        sa.Column("number_digest", sa.String(length=64), nullable=True),
        sa.Column("name_digest", sa.String(length=64), nullable=True),
        sa.Column("variant_digest", sa.String(length=64), nullable=True),
        sa.Column("certificate_digest", sa.String(length=64), nullable=True),
        sa.Column("match", sa.String(length=16), nullable=False),
        sa.Column("subject_key", sa.String(length=26), nullable=True),
        sa.Column("certificate_key", sa.String(length=26), nullable=True),
        sa.Column("outcome", sa.String(length=24), nullable=False),
        sa.Column("effect", sa.String(length=12), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("local", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("preferred", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("flawed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("credit_code", sa.String(length=20), nullable=True),
        sa.Column("decision_digest", sa.String(length=64), nullable=True),
        sa.Column("owner_digest", sa.String(length=64), nullable=True),
        sa.Column("sender_digest", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["inbox_id"], ["inbox.id"], name=op.f("fk_credit_event_inbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_event")),
        sa.UniqueConstraint("platform", "event_id", "digest", name=op.f("uq_credit_event_platform_event_id_digest")),
    )
    op.create_index("ix_credit_event_decision", "credit_event", ["platform", "decision_digest"], unique=False)
    op.create_index("ix_credit_event_outcome", "credit_event", ["platform", "outcome"], unique=False)
    op.create_index("ix_credit_event_record", "credit_event", ["platform", "record_id", "version"], unique=False)
    op.create_index(
        "ix_credit_event_waiting",
        "credit_event",
        ["number_digest"],
        unique=False,
        sqlite_where=sa.text("outcome IN ('ACCEPTED_UNMATCHED', 'IDENTITY_CONFLICT')"),
        postgresql_where=sa.text("outcome IN ('ACCEPTED_UNMATCHED', 'IDENTITY_CONFLICT')"),
    )
    op.create_table(
        "delivery",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("record_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("record_key", sa.String(length=26), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("person_key", sa.String(length=26), nullable=False),
        sa.Column("business_key", sa.String(length=120), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due_at", Moment(), nullable=False),
        sa.Column("blocked_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.String(length=120), nullable=True),
        sa.Column("lease_until", Moment(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("polls", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lookups", sa.Integer(), server_default="0", nullable=False),
        sa.Column("negatives", sa.Integer(), server_default="0", nullable=False),
        sa.Column("message_id", sa.String(length=26), nullable=True),
        sa.Column("message_size", sa.Integer(), nullable=True),
        sa.Column("message_limit", sa.Integer(), nullable=True),
        sa.Column("receipt_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("code", sa.String(length=80), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("platform_ref", sa.String(length=80), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.CheckConstraint(
            "state IN ('queued', 'sending', 'awaiting_ack', 'in_doubt', 'held', 'parked', 'accepted', 'rejected', 'superseded')",
            name=op.f("ck_delivery_state"),
        ),
        sa.ForeignKeyConstraint(["blocked_by"], ["delivery.id"], name=op.f("fk_delivery_blocked_by")),
        sa.ForeignKeyConstraint(["receipt_id"], ["receipt.id"], name=op.f("fk_delivery_receipt_id")),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_delivery_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("business_key", name=op.f("uq_delivery_business_key")),
        postgresql_with={"fillfactor": 60},
    )
    op.create_index(
        "ix_delivery_blocked_by",
        "delivery",
        ["blocked_by"],
        unique=False,
        sqlite_where=sa.text("blocked_by IS NOT NULL"),
        postgresql_where=sa.text("blocked_by IS NOT NULL"),
    )
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["platform", "state", "due_at", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'awaiting_ack', 'in_doubt') AND blocked_by IS NULL"),
        postgresql_where=sa.text("state IN ('queued', 'awaiting_ack', 'in_doubt') AND blocked_by IS NULL"),
    )
    op.create_index(
        "ix_delivery_lease",
        "delivery",
        ["platform"],
        unique=False,
        sqlite_where=sa.text("lease_owner IS NOT NULL"),
        postgresql_where=sa.text("lease_owner IS NOT NULL"),
    )
    op.create_index(
        "ix_delivery_open",
        "delivery",
        ["platform", "state"],
        unique=False,
        sqlite_where=sa.text("state <> 'accepted'"),
        postgresql_where=sa.text("state <> 'accepted'"),
    )
    op.create_index("ix_delivery_person", "delivery", ["platform", "person_key"], unique=False)
    op.create_index(
        "ix_delivery_platform_ref",
        "delivery",
        ["platform_ref"],
        unique=False,
        sqlite_where=sa.text("platform_ref IS NOT NULL"),
        postgresql_where=sa.text("platform_ref IS NOT NULL"),
    )
    op.create_index("ix_delivery_record", "delivery", ["platform", "kind", "record_key", "version"], unique=False)
    op.create_table(
        "filing_scan",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("filing_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("attachment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["attachment_id"], ["attachment.id"], name=op.f("fk_filing_scan_attachment_id")),
        sa.ForeignKeyConstraint(["filing_id"], ["filing.id"], name=op.f("fk_filing_scan_filing_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_filing_scan")),
        sa.UniqueConstraint("filing_id", "position", name=op.f("uq_filing_scan_filing_id_position")),
    )
    op.create_index("ix_filing_scan_attachment_id", "filing_scan", ["attachment_id"], unique=False)
    op.create_table(
        "filing_subject",
        sa.Column(
            "filing_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("certificate", sa.String(length=64), nullable=True),
        sa.Column("person", sa.String(length=64), nullable=True),
        sa.Column("certificate_number", sa.String(length=64), nullable=True),
        sa.Column("id_written", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["filing_id"], ["filing.id"], name=op.f("fk_filing_subject_filing_id")),
        sa.PrimaryKeyConstraint("filing_id", name=op.f("pk_filing_subject")),
    )
    op.create_index("ix_filing_subject_certificate", "filing_subject", ["certificate"], unique=False)
    op.create_index("ix_filing_subject_certificate_number", "filing_subject", ["certificate_number"], unique=False)
    op.create_index("ix_filing_subject_id_written", "filing_subject", ["id_written"], unique=False)
    op.create_index("ix_filing_subject_person", "filing_subject", ["person"], unique=False)
    op.create_table(
        "inbox_repeat",
        sa.Column(
            "inbox_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["inbox_id"], ["inbox.id"], name=op.f("fk_inbox_repeat_inbox_id")),
        sa.PrimaryKeyConstraint("inbox_id", "event_id", name=op.f("pk_inbox_repeat")),
    )
    op.create_index("ix_inbox_repeat_event", "inbox_repeat", ["platform", "event_id"], unique=False)
    op.create_table(
        "record_change",
        sa.Column(
            "record_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("differences", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_record_change_record_id")),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_record_change")),
    )
    op.create_table(
        "record_project",
        sa.Column(
            "record_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_record_project_record_id")),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_record_project")),
    )
    op.create_table(
        "attempt",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("delivery_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("exchange_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_attempt_delivery_id")),
        sa.ForeignKeyConstraint(["exchange_id"], ["exchange.id"], name=op.f("fk_attempt_exchange_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
    )
    op.create_index("ix_attempt_delivery_id", "attempt", ["delivery_id"], unique=False)
    op.create_index("ix_attempt_exchange_id", "attempt", ["exchange_id"], unique=False)
    op.create_table(
        "credit_link",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=26), nullable=False),
        sa.Column("match", sa.String(length=16), nullable=False),
        sa.Column("valid_from", Moment(), nullable=False),
        sa.Column("valid_to", Moment(), nullable=True),
        sa.Column("sys_from", Moment(), nullable=False),
        sa.Column("sys_to", Moment(), nullable=True),
        sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["credit_event.id"], name=op.f("fk_credit_link_event_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_link")),
    )
    op.create_index("ix_credit_link_key", "credit_link", ["key"], unique=False)
    op.create_index(
        "uq_credit_link_believed",
        "credit_link",
        ["platform", "record_id", "kind", "key"],
        unique=True,
        sqlite_where=sa.text("sys_to IS NULL"),
        postgresql_where=sa.text("sys_to IS NULL"),
    )
    op.create_table(
        "credit_version",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=64), nullable=False),
        sa.Column("version_no", sa.Integer(), nullable=False),
        sa.Column("valid_from", Moment(), nullable=False),
        sa.Column("valid_to", Moment(), nullable=True),
        sa.Column("sys_from", Moment(), nullable=False),
        sa.Column("sys_to", Moment(), nullable=True),
        sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("content_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source_version", sa.Integer(), nullable=False),
        sa.Column("source_update_time", Moment(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("under_objection", sa.Boolean(), nullable=False),
        sa.Column("category", sa.String(length=20), nullable=False),
        sa.Column("usage_scope", sa.String(length=1), nullable=False),
        sa.Column("disclosed", sa.Boolean(), nullable=False),
        sa.Column("happen_date", sa.Date(), nullable=True),
        sa.Column("decision_date", sa.Date(), nullable=True),
        sa.Column("effect_from", Moment(), nullable=True),
        sa.Column("effect_to", Moment(), nullable=True),
        sa.Column("publish_from", Moment(), nullable=True),
        sa.Column("publish_to", Moment(), nullable=True),
        sa.Column("period_source", sa.String(length=8), nullable=False),
        sa.Column("rule_id", sa.String(length=24), nullable=True),
        sa.Column("payload_digest", sa.String(length=80), nullable=False),
        sa.Column("reason_code", sa.String(length=24), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["content_id"], ["credit_event.id"], name=op.f("fk_credit_version_content_id")),
        sa.ForeignKeyConstraint(["event_id"], ["credit_event.id"], name=op.f("fk_credit_version_event_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_version")),
        sa.UniqueConstraint(
            "platform", "record_id", "version_no", name=op.f("uq_credit_version_platform_record_id_version_no")
        ),
    )
    op.create_index("ix_credit_version_record", "credit_version", ["platform", "record_id", "sys_from"], unique=False)
    op.create_index(
        "uq_credit_version_believed",
        "credit_version",
        ["platform", "record_id", "valid_from"],
        unique=True,
        sqlite_where=sa.text("sys_to IS NULL"),
        postgresql_where=sa.text("sys_to IS NULL"),
    )
    op.create_table(
        "delivery_project",
        sa.Column(
            "delivery_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_delivery_project_delivery_id")),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_delivery_project")),
    )
    op.create_table(
        "evidence_account",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("delivery_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("platform_ref", sa.String(length=80), nullable=True),
        sa.Column("payload", sa.String(length=64), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("verdicts", sa.Integer(), nullable=False),
        sa.Column("members", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_evidence_account_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence_account")),
    )
    op.create_index("ix_evidence_account_delivery_id", "evidence_account", ["delivery_id"], unique=False)
    op.create_table(
        "earlier_payload",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("delivery_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("spec_version", sa.String(length=40), nullable=False),
        sa.Column("made_at", Moment(), nullable=False),
        sa.Column("replaced_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_earlier_payload_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_earlier_payload")),
    )
    op.create_index("ix_earlier_payload_delivery_id", "earlier_payload", ["delivery_id"], unique=False)
    op.create_table(
        "payload",
        sa.Column(
            "delivery_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("spec_version", sa.String(length=40), nullable=False),
        sa.Column("made_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_payload_delivery_id")),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_payload")),
    )
    op.create_table(
        "reconciliation_item",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("reconciliation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("class", sa.String(length=24), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("delivery_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("theirs", sa.LargeBinary(), nullable=True),
        sa.Column("settled_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_reconciliation_item_delivery_id")),
        sa.ForeignKeyConstraint(
            ["reconciliation_id"], ["reconciliation.id"], name=op.f("fk_reconciliation_item_reconciliation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_item")),
    )
    op.create_index("ix_reconciliation_item_delivery_id", "reconciliation_item", ["delivery_id"], unique=False)
    op.create_index("ix_reconciliation_item_run", "reconciliation_item", ["reconciliation_id", "class"], unique=False)
    op.create_table(
        "replay_item",
        sa.Column("plan_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("delivery_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=True),
        sa.Column("why", sa.String(length=40), nullable=True),
        sa.Column("at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_replay_item_delivery_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["replay_plan.id"], name=op.f("fk_replay_item_plan_id")),
        sa.PrimaryKeyConstraint("plan_id", "position", name=op.f("pk_replay_item")),
    )
    op.create_index("ix_replay_item_delivery_id", "replay_item", ["delivery_id"], unique=False)
    op.create_index(
        "ix_replay_item_open",
        "replay_item",
        ["plan_id", "position"],
        unique=False,
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_table(
        "credit_reliance",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("recipient", sa.String(length=80), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["credit_version.id"], name=op.f("fk_credit_reliance_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_reliance")),
    )
    op.create_index("ix_credit_reliance_recipient", "credit_reliance", ["purpose", "recipient"], unique=False)
    op.create_index("ix_credit_reliance_version_id", "credit_reliance", ["version_id"], unique=False)
    op.create_table(
        "verdict",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("attempt_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("event", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("platform_ref", sa.String(length=80), nullable=True),
        sa.Column("applied", sa.Boolean(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_verdict_attempt_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdict")),
    )
    op.create_index("ix_verdict_attempt_id", "verdict", ["attempt_id"], unique=False)
