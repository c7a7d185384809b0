"""The tables of the source reader: how far it has read, and which rows it has seen in which form.

Row keys and contents appear only as keyed digests, and the key sealed, so that a row that is gone can be named; the
watermark is a moment or number of the source and says nobody.
"""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, String, Table, Text

from gateway.store.tables import Moment, metadata

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
    Column("source", String(60), primary_key=True),
    Column("row_key", String(64), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("source_key", LargeBinary, nullable=False),  # sealed
)
