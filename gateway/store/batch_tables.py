"""What is kept of a report beside its rows: whom a row was about that did not go, and reports closed by a person.

A row that was refused or held has no record; keyed digests of what it names tell whether a later row answers it.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from gateway.store.tables import Moment, metadata

_Id = BigInteger().with_variant(Integer, "sqlite")

filing_subject = Table(
    "filing_subject",
    metadata,
    Column("filing_id", _Id, ForeignKey("filing.id"), primary_key=True, autoincrement=False),
    Column("certificate", String(64)),
    Column("person", String(64)),
    Index("ix_filing_subject_certificate", "certificate"),
    Index("ix_filing_subject_person", "person"),
)
"""digests as in ``search_index``, of ``certificate`` and ``id_number``; empty where the row does not say them"""

report_closing = Table(
    "report_closing",
    metadata,
    Column("report_no", String(30), primary_key=True),
    Column("closed_at", Moment, nullable=False),
    Column("reason", Text, nullable=False),
)
