"""projects that records are registered with

Revision: 0008, after 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "record_project",
        sa.Column("record_id", _ID, autoincrement=False, nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_record_project_record_id")),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_record_project")),
    )
    op.create_table(
        "delivery_project",
        sa.Column("delivery_id", _ID, autoincrement=False, nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_delivery_project_delivery_id")),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_delivery_project")),
    )
