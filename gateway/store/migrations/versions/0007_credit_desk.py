"""the credit desk: own observations, parties, merges, successions, rulings, own decisions, books and draws

Revision: 0007, after 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Columns that may be empty or have a default, so that no row is written anew."""
    op.create_table(
        "credit_alias",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=26), nullable=False),
        sa.Column("what", sa.String(length=24), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("valid_from", _MOMENT, nullable=True),
        sa.Column("valid_to", _MOMENT, nullable=True),
        sa.Column("sys_from", _MOMENT, nullable=False),
        sa.Column("sys_to", _MOMENT, nullable=True),
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
        sa.Column("at", _MOMENT, nullable=False),
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
        sa.Column("sys_from", _MOMENT, nullable=False),
        sa.Column("sys_to", _MOMENT, nullable=True),
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
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("decided_on", sa.Date(), nullable=True),
        sa.Column("warn_on", sa.Date(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("published_at", _MOMENT, nullable=True),
        sa.Column("published_by", sa.String(length=80), nullable=True),
        sa.Column("platform", sa.String(length=40), nullable=True),
        sa.Column("platform_record_id", sa.String(length=64), nullable=True),
        sa.Column("sent_at", _MOMENT, nullable=True),
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
        sa.Column("since", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_credit_party")),
    )
    op.create_table(
        "credit_ruling",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=26), nullable=True),
        sa.Column("sys_from", _MOMENT, nullable=False),
        sa.Column("sys_to", _MOMENT, nullable=True),
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
        "credit_succession",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("predecessor", sa.String(length=26), nullable=False),
        sa.Column("successor", sa.String(length=26), nullable=False),
        sa.Column("how", sa.String(length=16), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("inherits", sa.Boolean(), nullable=False),
        sa.Column("sys_from", _MOMENT, nullable=False),
        sa.Column("sys_to", _MOMENT, nullable=True),
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
        sa.Column("sys_from", _MOMENT, nullable=False),
        sa.Column("sys_to", _MOMENT, nullable=True),
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
        "supervision_draw",
        sa.Column("number", sa.String(length=26), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
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
        "credit_reliance",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
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
    op.add_column("credit_event", sa.Column("local", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("credit_event", sa.Column("preferred", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("credit_event", sa.Column("flawed", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("credit_event", sa.Column("credit_code", sa.String(length=20), nullable=True))
    op.add_column("credit_event", sa.Column("decision_digest", sa.String(length=64), nullable=True))
    op.add_column("credit_event", sa.Column("owner_digest", sa.String(length=64), nullable=True))
    op.add_column("credit_event", sa.Column("sender_digest", sa.String(length=64), nullable=True))
    op.create_index("ix_credit_event_decision", "credit_event", ["platform", "decision_digest"], unique=False)
    op.add_column("ticket", sa.Column("act", sa.String(length=24), nullable=True))
