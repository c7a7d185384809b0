"""sources and changes

Revision: 0002, after 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("filing", sa.Column("report_no", sa.String(length=30), nullable=True))
    op.create_table(
        "record_change",
        sa.Column(
            "record_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=False
        ),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("differences", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_record_change_record_id")),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_record_change")),
    )
    op.create_table(
        "source_row",
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("row_key", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source", "row_key", name=op.f("pk_source_row")),
    )
    op.create_table(
        "source_state",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("watermark", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_source_state")),
    )
