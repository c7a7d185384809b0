"""objections of subjects, their scans, and the tickets that platforms were told of

Revision: 0011, after 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_RUNNING = sa.text("ended_at IS NULL")


def _id(name: str = "id") -> sa.Column[int]:
    return sa.Column(
        name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=name == "id", nullable=False
    )


def upgrade() -> None:
    op.create_table(
        "objection",
        _id(),
        sa.Column("key", sa.String(length=26), nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("person_key", sa.String(length=26), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("message_id", sa.String(length=26), nullable=False),
        sa.Column("tried_at", _MOMENT, nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("number", sa.String(length=64), nullable=True),
        sa.Column("taken_at", _MOMENT, nullable=True),
        sa.Column("accepted_at", _MOMENT, nullable=True),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("ask_at", _MOMENT, nullable=True),
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
        sqlite_where=_RUNNING,
        postgresql_where=_RUNNING,
    )
    op.create_table(
        "scan",
        _id(),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=40), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("message_id", sa.String(length=26), nullable=False),
        sa.Column("tried_at", _MOMENT, nullable=True),
        sa.Column("taken_at", _MOMENT, nullable=True),
        sa.Column("number", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scan")),
        sa.UniqueConstraint("platform", "digest", name=op.f("uq_scan_platform_digest")),
    )
    op.create_table(
        "objection_scan",
        _id("objection_id"),
        sa.Column("position", sa.Integer(), nullable=False),
        _id("scan_id"),
        sa.ForeignKeyConstraint(["objection_id"], ["objection.id"], name=op.f("fk_objection_scan_objection_id")),
        sa.ForeignKeyConstraint(["scan_id"], ["scan.id"], name=op.f("fk_objection_scan_scan_id")),
        sa.PrimaryKeyConstraint("objection_id", "position", name=op.f("pk_objection_scan")),
    )
    op.create_index("ix_objection_scan_scan_id", "objection_scan", ["scan_id"], unique=False)
    op.create_table(
        "told_ticket",
        sa.Column("ticket", sa.String(length=26), nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("message_id", sa.String(length=26), nullable=False),
        sa.Column("tried_at", _MOMENT, nullable=False),
        sa.Column("taken_at", _MOMENT, nullable=True),
        sa.Column("number", sa.String(length=64), nullable=True),
        sa.Column("code", sa.String(length=80), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=True),
        sa.Column("outcome", sa.LargeBinary(), nullable=True),
        sa.Column("ask_at", _MOMENT, nullable=True),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["ticket"], ["ticket.number"], name=op.f("fk_told_ticket_ticket")),
        sa.PrimaryKeyConstraint("ticket", name=op.f("pk_told_ticket")),
    )
    op.create_index(
        "ix_told_ticket_running",
        "told_ticket",
        ["platform", "ask_at"],
        unique=False,
        sqlite_where=_RUNNING,
        postgresql_where=_RUNNING,
    )
