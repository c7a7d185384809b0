"""Batches and their filings: what was read, what became of each row, and why."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Text, cast, exists, insert, or_, select, true, update

from gateway.codec.redact import clean
from gateway.intake.store.refused import refused_filings
from gateway.intake.store.tables import filing, filing_scan, filing_subject
from gateway.store.batch_sql import adding, next_ids
from gateway.store.metadata import CHUNK, chunks
from gateway.store.tables import attachment, batch
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
    subject: tuple[str | None, str | None] | None = None
    """digests of certificate and person, for a row that does not go (``filing_subject``)"""
    written: tuple[str | None, str | None] = (None, None)
    """digests of certificate number and identity number as its cells have them, for the same rows"""
    scans: Sequence[tuple[str, int]] = ()
    """kind and row of table ``attachment`` of each scan that came with it"""


def pack(cells: Mapping[str, str]) -> bytes:
    """Cells as bytes; those of rows that are kept are compressed too (``add_filings``)."""
    return orjson.dumps(cells)


def unpack(packed: bytes) -> dict[str, str]:
    """The cells that were packed."""
    cells: dict[str, str] = orjson.loads(packed if packed.startswith(b"{") else zlib.decompress(packed))
    return cells


def known(connection: Connection, digest: str) -> BatchCounts | None:
    """The batch read from a file with this digest, if any."""
    row = connection.execute(select(batch).where(batch.c.digest == digest)).mappings().first()
    return None if row is None else BatchCounts(**{k: v for k, v in row.items() if k != "read_at"})


def named(connection: Connection, name: str) -> list[int]:
    """The batches of a file's name, or with rows of a report, oldest first."""
    name = clean(name)
    by_name = set(connection.execute(select(batch.c.id).where(batch.c.name == name)).scalars())
    by_report = select(filing.c.batch_id).where(filing.c.report_no == name).distinct()
    return sorted(by_name | set(connection.execute(by_report).scalars()))


def is_read(connection: Connection, name: str) -> bool:
    """Whether a batch file of this name was read."""
    return connection.execute(select(batch.c.id).where(batch.c.name == name).limit(1)).first() is not None


def failing(connection: Connection, vault: Vault, batch_ids: Sequence[int], name: str) -> Iterator[FilingRow]:
    """The rows of these batches about which something was said, in order; of the named report where it is one.

    What a platform refused is said of the row that gave it. Rows whose cells were cleared are left out.
    """
    refused = refused_filings()
    for batch_id in batch_ids:
        is_file = connection.execute(
            select(batch.c.id).where(batch.c.id == batch_id, batch.c.name == clean(name))
        ).first()
        after = 0
        while True:
            wanted = select(filing).where(
                filing.c.batch_id == batch_id,
                filing.c.row_no > after,
                or_(cast(filing.c.failures, Text) != "[]", filing.c.id.in_(refused)),
                true() if is_file else filing.c.report_no == name,
            )
            rows = connection.execute(wanted.order_by(filing.c.row_no).limit(CHUNK)).mappings().all()
            for row in rows:
                if row["cells"]:
                    yield FilingRow(
                        row_no=row["row_no"],
                        outcome=row["outcome"],
                        packed=vault.open(row["cells"], f"filing.cells:{batch_id}/{row['row_no']}"),
                        failures=row["failures"],
                        person_key=row["person_key"],
                        certificate_key=row["certificate_key"],
                    )
            if len(rows) < CHUNK:
                break
            after = rows[-1]["row_no"]


@dataclass(frozen=True, kw_only=True)
class HeldRow:
    """A row that waits for a person, with the batch it came in; ``packed`` is None where its cells were cleared."""

    batch: str
    digest: str
    row_no: int
    packed: bytes | None = field(repr=False)
    scans: Sequence[Mapping[str, Any]] = ()
    """kind, media_type, size and digest of the scans that are kept with it"""


def held_row(connection: Connection, vault: Vault, name: str, row_no: int) -> HeldRow | None:
    """The row of that number that was held, in the newest batch of a file's name or with rows of a report."""
    wanted = (
        select(filing.c.id, filing.c.batch_id, filing.c.cells, batch.c.name, batch.c.digest)
        .join(batch, batch.c.id == filing.c.batch_id)
        .where(filing.c.row_no == row_no, filing.c.outcome == "hold")
        .where(or_(batch.c.name == name, filing.c.report_no == name))
        .order_by(filing.c.id.desc())
    )
    row = connection.execute(wanted).first()
    if row is None:
        return None
    packed = vault.open(row.cells, f"filing.cells:{row.batch_id}/{row_no}") if row.cells else None
    scans = (
        select(filing_scan.c.kind, attachment.c.media_type, attachment.c.size, attachment.c.digest)
        .join(attachment, attachment.c.id == filing_scan.c.attachment_id)
        .where(filing_scan.c.filing_id == row.id, attachment.c.content.is_not(None))
        .order_by(filing_scan.c.position)
    )
    found = [dict(one) for one in connection.execute(scans).mappings()]
    return HeldRow(batch=row.name, digest=row.digest, row_no=row_no, packed=packed, scans=found)


def with_scans(connection: Connection, certificate_keys: Collection[str]) -> set[str]:
    """Those of the certificates whose rows came with scans."""
    found: set[str] = set()
    for part in chunks(certificate_keys):
        wanted = select(filing.c.certificate_key).where(
            filing.c.certificate_key.in_(part), exists().where(filing_scan.c.filing_id == filing.c.id)
        )
        found.update(connection.execute(wanted.distinct()).scalars())
    return found


def add_batch(connection: Connection, name: str, digest: str, *, read_at: datetime) -> int:
    """Insert a batch whose rows are to follow; returns its id."""
    counts = dict.fromkeys(("rows", "admitted", "refused", "held", "unchanged"), 0)
    statement = (
        insert(batch).values(name=clean(name)[:200], digest=digest, read_at=read_at, **counts).returning(batch.c.id)
    )
    return int(connection.execute(statement).scalar_one())


def count_batch(connection: Connection, batch_id: int, counts: Mapping[str, int]) -> None:
    """Set what became of the rows of a batch, once they are all kept."""
    connection.execute(update(batch).where(batch.c.id == batch_id).values(**counts))


_ADD_FILINGS = adding(
    filing,
    *("id", "batch_id", "row_no", "outcome", "cells", "failures"),
    *("person_key", "certificate_key", "report_no"),
)


def add_filings(connection: Connection, vault: Vault, batch_id: int, rows: Sequence[FilingRow]) -> None:
    """Insert rows of a batch, cells sealed to their place."""
    for part in chunks(rows):
        ids = list(next_ids(connection, {"filing": len(part)})["filing"])
        _ADD_FILINGS(
            connection,
            [
                {
                    "id": row_id,
                    "batch_id": batch_id,
                    "row_no": row.row_no,
                    "outcome": row.outcome,
                    "cells": vault.seal(zlib.compress(row.packed, 1), f"filing.cells:{batch_id}/{row.row_no}"),
                    "failures": list(row.failures),
                    "person_key": row.person_key,
                    "certificate_key": row.certificate_key,
                    "report_no": row.report_no,
                }
                for row_id, row in zip(ids, part, strict=True)
            ],
        )
        scans = [
            {"filing_id": row_id, "position": position, "kind": kind, "attachment_id": attachment_id}
            for row_id, row in zip(ids, part, strict=True)
            for position, (kind, attachment_id) in enumerate(row.scans)
        ]
        if scans:
            connection.execute(insert(filing_scan), scans)
        subjects = [
            {
                "filing_id": row_id,
                "certificate": row.subject[0],
                "person": row.subject[1],
                "certificate_number": row.written[0],
                "id_written": row.written[1],
            }
            for row_id, row in zip(ids, part, strict=True)
            if row.subject is not None
        ]
        if subjects:
            connection.execute(insert(filing_subject), subjects)
