"""Tables of the intake wing: filings and scans, whom refused rows were about, closed reports, how far a source is read.

A row that was refused or held has no record; keyed digests of what it names tell whether a later row answers it. Row
keys and contents of a source appear only as keyed digests; the watermark is a moment or number and says nobody.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from gateway.store.metadata import Id, Moment, id_column, metadata, reference

filing = Table(
    "filing",
    metadata,
    id_column(),
    reference("batch_id", "batch.id", nullable=False),
    Column("row_no", Integer, nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("cells", LargeBinary, nullable=False),  # sealed
    Column("failures", JSON, nullable=False),
    Column("person_key", String(26)),
    Column("certificate_key", String(26)),
    Column("report_no", String(30)),  # the report's own number, or the city's division where it has none
    UniqueConstraint("batch_id", "row_no"),
    Index("ix_filing_certificate_key", "certificate_key"),
    Index("ix_filing_report_no", "report_no"),
)

filing_subject = Table(
    "filing_subject",
    metadata,
    Column("filing_id", Id, ForeignKey("filing.id"), primary_key=True, autoincrement=False),
    Column("certificate", String(64)),
    Column("person", String(64)),
    Column("certificate_number", String(64)),
    Column("id_written", String(64)),
    Index("ix_filing_subject_certificate", "certificate"),
    Index("ix_filing_subject_person", "person"),
    Index("ix_filing_subject_certificate_number", "certificate_number"),
    Index("ix_filing_subject_id_written", "id_written"),
)
"""digests as in ``search_index``, of ``certificate`` and ``id_number``; empty where the row does not say them

The last two are of the two numbers as the cells have them, readable or not: a row is found by what was written in it.
"""

filing_scan = Table(
    "filing_scan",
    metadata,
    id_column(),
    reference("filing_id", "filing.id", nullable=False),
    Column("position", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    reference("attachment_id", "attachment.id", nullable=False),
    UniqueConstraint("filing_id", "position"),
    Index("ix_filing_scan_attachment_id", "attachment_id"),
)
"""The scans that came with a row which went or is held, in their order; ``kind`` as in ``domain.records.Attachment``"""

report_closing = Table(
    "report_closing",
    metadata,
    Column("report_no", String(30), primary_key=True),
    Column("closed_at", Moment, nullable=False),
    Column("reason", Text, nullable=False),
)

source_state = Table(
    "source_state",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("watermark", Text),
    Column("revision", Integer, nullable=False),
    Column("updated_at", Moment, nullable=False),
)
"""``revision`` grows with every commit of a pull; of two pulls at once the slower one sees it and stops."""

source_row = Table(
    "source_row",
    metadata,
    id_column(),
    Column("source", String(60), nullable=False),
    Column("row_key", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("source_key", LargeBinary, nullable=False),  # sealed
    UniqueConstraint("source", "row_key"),
)
