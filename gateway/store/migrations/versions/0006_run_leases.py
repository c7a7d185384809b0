"""which run has a piece of work on a platform, so that no second one starts it

Revision: 0006, after 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One table; nothing that is kept is touched."""
    op.create_table(
        "run_lease",
        sa.Column("work", sa.String(length=24), nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("run", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("work", "platform", "lane", name=op.f("pk_run_lease")),
    )
