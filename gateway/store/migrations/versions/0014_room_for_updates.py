"""room on the pages of what is updated, and no moving column in an index where a prolonged lease would touch it

Revision: 0014, after 0013

PostgreSQL writes an update beside the old row, without touching any index, where the page has room and no indexed
column changes. Pages written before this keep their rows as they are.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_LEASED = sa.text("lease_owner IS NOT NULL")


def upgrade() -> None:
    op.drop_index("ix_delivery_lease", "delivery")
    op.create_index(
        "ix_delivery_lease", "delivery", ["platform"], unique=False, sqlite_where=_LEASED, postgresql_where=_LEASED
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE delivery SET (fillfactor = 60)")
        op.execute("ALTER TABLE exchange SET (fillfactor = 60)")
