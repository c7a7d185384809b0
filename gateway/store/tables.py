"""Tables of records: batches, versions, what changed between them, scanned files, the search index, the audit trail.

``record`` and ``audit`` are append-only. Sealed columns hold ciphertext of ``gateway.store.vault``; nothing personal
stands outside them. Moments are UTC.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)

from gateway.store.metadata import Id, Moment, id_column, metadata, reference

VOID: ColumnElement[bool] = literal_column("void")
"""reaches ``ix_record_void``"""

record_project = Table(
    "record_project",
    metadata,
    Column("record_id", Id, ForeignKey("record.id"), primary_key=True, autoincrement=False),
    Column("project", String(64), nullable=False),
)

batch = Table(
    "batch",
    metadata,
    id_column(),
    Column("name", String(200), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("read_at", Moment, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("admitted", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("held", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
)

record = Table(
    "record",
    metadata,
    id_column(),
    Column("kind", String(16), nullable=False),
    Column("key", String(26), nullable=False),
    Column("version", Integer, nullable=False),
    Column("person_key", String(26), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("content", LargeBinary, nullable=False),  # sealed
    Column("void", Boolean, nullable=False, server_default=text("false")),
    Column("effective_from", Moment, nullable=False),
    Column("change", String(12), nullable=False),
    Column("change_reason", Text),
    Column("created_at", Moment, nullable=False),
    reference("batch_id", "batch.id"),
    UniqueConstraint("kind", "key", "version"),
    Index("ix_record_person_key", "person_key"),
    Index("ix_record_batch_id", "batch_id"),
    Index("ix_record_void", "key", "version", sqlite_where=VOID, postgresql_where=VOID),
)
"""Versions of persons and certificates; ``void`` where the certificate has come to its end with it (domain/status)."""

search_index = Table(
    "search_index",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("key", String(26), primary_key=True),
    Column("what", String(24), nullable=False),
    Column("since", Moment, nullable=False),
    Index("ix_search_index_key", "key"),
)
"""Keyed digests of natural keys and names: ``what`` is identity, id_number, certificate, certificate_number or name."""

attachment = Table(
    "attachment",
    metadata,
    id_column(),
    Column("digest", String(64), nullable=False, unique=True),
    Column("media_type", String(40), nullable=False),
    Column("size", Integer, nullable=False),
    Column("content", LargeBinary),  # sealed
    Column("created_at", Moment, nullable=False),
)
"""Scanned files of certificates, contracts and objections, each once; ``digest`` is SHA-256 of the bytes."""

audit = Table(
    "audit",
    metadata,
    id_column(),
    Column("at", Moment, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("action", String(40), nullable=False),
    Column("object", String(120), nullable=False),
    Column("reason", Text),
    Column("detail", JSON, nullable=False),
    Column("original", LargeBinary),  # sealed: the reason as it was typed, where somebody in it was masked
)

record_change = Table(
    "record_change",
    metadata,
    Column("record_id", Id, ForeignKey("record.id"), primary_key=True, autoincrement=False),
    Column("fields", JSON, nullable=False),
    Column("differences", LargeBinary, nullable=False),  # sealed
)
