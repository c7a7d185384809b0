"""how far what platforms still wait for was read, how often they were told again, and events that pages repeat

Revision: 0012, after 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "credit_watch",
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("awaited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("awaited_cursor", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("platform", name=op.f("pk_credit_watch")),
    )
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
    op.add_column("credit_ack", sa.Column("repeats", sa.Integer(), server_default="0", nullable=False))
