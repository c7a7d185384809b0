"""count answers in a row that break the platform's contract

Revision: 0015, after 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("platform", sa.Column("broken_replies", sa.Integer(), nullable=False, server_default="0"))
