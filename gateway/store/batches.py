"""Batches and their filings: what was read, what became of each row, and why."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from gateway.store.chunks import chunks
from gateway.store.tables import batch, filing
from gateway.store.vault import Vault


@dataclass(frozen=True, kw_only=True)
class BatchCounts:
    """What became of the rows of one batch."""

    id: int
    name: str
    digest: str
    rows: int
    admitted: int
    refused: int
    held: int
    unchanged: int


@dataclass(frozen=True, kw_only=True)
class FilingRow:
    """One row as it is kept; ``packed`` holds the original cells, ``failures`` rule ids and fields only."""

    row_no: int
    outcome: str
    packed: bytes = field(repr=False)
    failures: Sequence[Mapping[str, str]]
    person_key: str | None = None
    certificate_key: str | None = None
    report_no: str | None = None


def pack(cells: Mapping[str, str]) -> bytes:
    """Cells in a compact form, before they are sealed."""
    return zlib.compress(json.dumps(cells, ensure_ascii=False, separators=(",", ":")).encode(), 1)


def unpack(packed: bytes) -> dict[str, str]:
    """The cells that were packed."""
    cells: dict[str, str] = json.loads(zlib.decompress(packed))
    return cells


def known(connection: Connection, digest: str) -> BatchCounts | None:
    """The batch read from a file with this digest, if any."""
    row = connection.execute(select(batch).where(batch.c.digest == digest)).mappings().first()
    return None if row is None else BatchCounts(**{k: v for k, v in row.items() if k != "read_at"})


def add_batch(connection: Connection, counts: Mapping[str, Any], *, read_at: datetime) -> int:
    """Insert a batch; returns its id."""
    statement = insert(batch).values(**counts, read_at=read_at).returning(batch.c.id)
    return int(connection.execute(statement).scalar_one())


def add_filings(connection: Connection, vault: Vault, batch_id: int, rows: Sequence[FilingRow]) -> None:
    """Insert the rows of a batch, cells sealed to their place."""
    for part in chunks(rows):
        connection.execute(
            insert(filing),
            [
                {
                    "batch_id": batch_id,
                    "row_no": row.row_no,
                    "outcome": row.outcome,
                    "cells": vault.seal(row.packed, f"filing.cells:{batch_id}/{row.row_no}"),
                    "failures": list(row.failures),
                    "person_key": row.person_key,
                    "certificate_key": row.certificate_key,
                    "report_no": row.report_no,
                }
                for row in part
            ],
        )
