"""traffic control: circuit breakers, budgets of requests, and messages that travel in parts

Revision: 0003, after 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BREAKER = (
    ("not_before", sa.DateTime(timezone=True), None),
    ("failures", sa.Integer(), "0"),
    ("trips", sa.Integer(), "0"),
    ("failure_code", sa.String(length=80), None),
    ("open_since", sa.DateTime(timezone=True), None),
    ("open_until", sa.DateTime(timezone=True), None),
    ("probe_until", sa.DateTime(timezone=True), None),
)


def upgrade() -> None:
    """Columns that may be empty or have a default, so that no row is written anew."""
    for name, kind, default in _BREAKER:
        op.add_column("platform", sa.Column(name, kind, nullable=default is None, server_default=default))
    op.add_column("delivery", sa.Column("message_limit", sa.Integer(), nullable=True))
    op.create_table(
        "slot",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slot")),
    )
    op.create_index("ix_slot_platform_at", "slot", ["platform", "at"], unique=False)
