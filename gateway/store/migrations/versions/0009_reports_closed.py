"""what refused rows were about, and reports closed by a person

Revision: 0009, after 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "filing_subject",
        sa.Column(
            "filing_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("certificate", sa.String(length=64), nullable=True),
        sa.Column("person", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["filing_id"], ["filing.id"], name=op.f("fk_filing_subject_filing_id")),
        sa.PrimaryKeyConstraint("filing_id", name=op.f("pk_filing_subject")),
    )
    op.create_index("ix_filing_subject_certificate", "filing_subject", ["certificate"])
    op.create_index("ix_filing_subject_person", "filing_subject", ["person"])
    op.create_table(
        "report_closing",
        sa.Column("report_no", sa.String(length=30), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("report_no", name=op.f("pk_report_closing")),
    )
    op.create_index("ix_filing_report_no", "filing", ["report_no"])
