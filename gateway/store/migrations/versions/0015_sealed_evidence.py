"""signed and anchored links, accounts of deliveries, sealed purges, check values of the keys

Revision: 0015, after 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.metadata import Moment

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("evidence_link", sa.Column("anchored", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("evidence_link", sa.Column("signature", sa.String(88)))
    op.add_column("purge", sa.Column("seal", sa.String(64), nullable=False, server_default=""))
    op.create_table(
        "evidence_account",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("delivery_id", _ID, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("code", sa.String(80)),
        sa.Column("reason", sa.Text()),
        sa.Column("platform_ref", sa.String(80)),
        sa.Column("payload", sa.String(64)),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("verdicts", sa.Integer(), nullable=False),
        sa.Column("members", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_evidence_account_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence_account")),
    )
    op.create_index("ix_evidence_account_delivery_id", "evidence_account", ["delivery_id"])
    op.create_table(
        "key_check",
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("value", sa.String(64), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("retired_at", Moment()),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_key_check")),
    )
