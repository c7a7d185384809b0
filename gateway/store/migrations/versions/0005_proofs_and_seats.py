"""what it takes to judge an answer again, and the connections of a platform shared by all workers

Revision: 0005, after 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Columns that may be empty, so that no row is written anew."""
    for name in ("nonce", "proof", "response_headers"):
        op.add_column("exchange", sa.Column(name, sa.LargeBinary(), nullable=True))
    op.create_table(
        "seat",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("door", sa.String(length=26), nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("granted", sa.Integer(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seat")),
        sa.UniqueConstraint("door", name=op.f("uq_seat_door")),
    )
    op.create_index("ix_seat_platform", "seat", ["platform"], unique=False)
