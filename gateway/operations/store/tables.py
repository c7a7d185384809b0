"""Tables of the operations wing: the evidence chain, legal holds and what retention removed."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from gateway.store.metadata import Id, Moment, metadata

evidence_link = Table(
    "evidence_link",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("seal", String(64), nullable=False),
)
"""The chain: each link's digest covers its parts and the link before. Numbered without gaps, so two cannot fork it."""

evidence_part = Table(
    "evidence_part",
    metadata,
    Column("link_id", Id, ForeignKey("evidence_link.id"), primary_key=True, autoincrement=False),
    Column("book", String(16), primary_key=True),
    Column("ranges", JSON, nullable=False),
    Column("leaves", LargeBinary, nullable=False),
    Column("top", BigInteger, nullable=False),
    Index("ix_evidence_part_top", "book", "top", "link_id"),
)
"""Which rows of a book a link covers, as ranges of ids, their leaf digests in that order, and the highest id so far."""

legal_hold = Table(
    "legal_hold",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("person_key", String(26)),
    Column("reason", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("by", String(80), nullable=False),
    Column("ended_at", Moment),
    Column("ended_by", String(80)),
)
"""What must not be deleted: a person's, or everything where ``person_key`` is empty."""

purge = Table(
    "purge",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("by", String(80), nullable=False),
    Column("rule", String(24), nullable=False),
    Column("before", Moment, nullable=False),
    Column("what", String(40), nullable=False),
    Column("ranges", JSON, nullable=False),
    Column("rows", Integer, nullable=False),
)
"""What retention cleared or removed: ``what`` is a table, or a table and column; written in the same commit."""
