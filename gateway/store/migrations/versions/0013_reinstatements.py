"""certificates made valid again, checks owed for void ones, and links by the highest id they cover

Revision: 0013, after 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)
_UNDRAWN = sa.text("drawn_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "reinstatement",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("certificate_key", sa.String(length=26), nullable=False),
        sa.Column("void_version", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reinstatement")),
        sa.UniqueConstraint("certificate_key", "version", name=op.f("uq_reinstatement_certificate_key_version")),
    )
    op.create_table(
        "check_owed",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("platform", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=64), nullable=False),
        sa.Column("certificate_key", sa.String(length=26), nullable=False),
        sa.Column("drawn_at", _MOMENT, nullable=True),
        sa.Column("draws", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_owed")),
        sa.UniqueConstraint("platform", "record_id", name=op.f("uq_check_owed_platform_record_id")),
    )
    op.create_index("ix_check_owed_undrawn", "check_owed", ["id"], sqlite_where=_UNDRAWN, postgresql_where=_UNDRAWN)
    op.create_index("ix_evidence_part_top", "evidence_part", ["book", "top", "link_id"])
