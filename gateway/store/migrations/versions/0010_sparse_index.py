"""an index of the deliveries that are not accepted, for whoever looks at what is left

Revision: 0010, after 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_OPEN = sa.text("state <> 'accepted'")


def upgrade() -> None:
    op.create_index(
        "ix_delivery_open", "delivery", ["platform", "state"], unique=False, sqlite_where=_OPEN, postgresql_where=_OPEN
    )
