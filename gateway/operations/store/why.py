"""What stands in the store about one person or certificate, from the row to the platform's word. Read only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, union

from gateway.delivery.store.tables import attempt, delivery, platform, reconciliation, reconciliation_item
from gateway.domain.records import RecordKind
from gateway.domain.states import State
from gateway.intake.store.tables import filing, filing_subject
from gateway.store import records
from gateway.store.metadata import chunks
from gateway.store.tables import batch, record
from gateway.store.vault import Vault

_PAPERS = (RecordKind.CERTIFICATE, RecordKind.STATUS_CHANGE, RecordKind.WITHDRAWAL)


@dataclass(frozen=True, kw_only=True)
class ReportedRow:
    """One reported row: where it stands and what was said of it, rule ids and fields only."""

    batch: str
    read_at: datetime
    row_no: int
    outcome: str
    failures: Sequence[dict[str, str]]
    certificate_key: str | None


@dataclass(kw_only=True)
class WhySubject:
    """Who or what was asked about: the keys found, and every row that names it, oldest first."""

    person_key: str | None = None
    certificates: list[str] = field(default_factory=list)
    rows: list[ReportedRow] = field(default_factory=list)


def subject(connection: Connection, vault: Vault, text: str, id_types: Iterable[str]) -> WhySubject:
    """Look a certificate number or an identity number up by its keyed digests."""
    found = WhySubject()
    persons = [f"{kind}:{text}" for kind in id_types]
    for matches in records.find(connection, vault, "id_number", persons).values():
        found.person_key = matches[0][1]
    for matches in records.find(connection, vault, "certificate_number", [text]).values():
        found.certificates = [key for _, key in matches]
    if found.person_key is not None:
        mine = select(record.c.key).where(record.c.person_key == found.person_key, record.c.kind.in_(_PAPERS))
        found.certificates = list(connection.execute(mine.distinct()).scalars())
    digests = [vault.index("id_number", person) for person in persons]
    found.rows = _rows(connection, digests, found)
    return found


def _rows(connection: Connection, persons: Sequence[str], found: WhySubject) -> list[ReportedRow]:
    named = union(
        select(filing_subject.c.filing_id.label("id")).where(filing_subject.c.person.in_(persons)),
        select(filing.c.id).where(filing.c.certificate_key.in_(found.certificates)),
    ).subquery("named")
    columns = (batch.c.name, batch.c.read_at, filing.c.row_no, filing.c.outcome, filing.c.failures)
    rows = connection.execute(
        select(*columns, filing.c.certificate_key)
        .join(batch, batch.c.id == filing.c.batch_id)
        .join(named, named.c.id == filing.c.id)
        .order_by(filing.c.id)
    )
    return [
        ReportedRow(
            batch=row.name,
            read_at=row.read_at,
            row_no=row.row_no,
            outcome=row.outcome,
            failures=row.failures,
            certificate_key=row.certificate_key,
        )
        for row in rows
    ]


@dataclass(frozen=True, kw_only=True)
class NewestDelivery:
    """The newest delivery of one record to one platform that was not superseded."""

    id: int
    platform: str
    kind: str
    record_key: str
    version: int
    state: State
    code: str | None
    reason: str | None
    attempts: int
    difference: str | None
    """its class in the platform's last reconciliation, where that has one"""


def standings(connection: Connection, keys: Collection[str]) -> list[NewestDelivery]:
    """Of every record key, by platform."""
    found: dict[tuple[str, str], Any] = {}
    names = connection.execute(select(platform.c.name)).scalars().all()
    for part in chunks(keys):
        columns = ("id", "platform", "kind", "record_key", "version", "state", "code", "reason")
        tried = select(func.count()).where(attempt.c.delivery_id == delivery.c.id).scalar_subquery()
        rows = connection.execute(
            select(*(delivery.c[name] for name in columns), tried.label("attempts"))
            .where(
                delivery.c.platform.in_(names),  # this and the next say nothing, but the index begins with them
                delivery.c.kind.in_(list(RecordKind)),
                delivery.c.record_key.in_(part),
                delivery.c.state != State.SUPERSEDED,
            )
            .order_by(delivery.c.version)
        ).mappings()
        for row in rows:
            found[row["platform"], row["record_key"]] = row
    classes = _classes(connection, [row["id"] for row in found.values()])
    return [
        NewestDelivery(**{**row, "state": State(row["state"])}, difference=classes.get(row["id"]))
        for row in found.values()
    ]


def _classes(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    newest = select(func.max(reconciliation.c.id)).group_by(reconciliation.c.platform)
    item = reconciliation_item.c
    found: dict[int, str] = {}
    for part in chunks(ids):
        wanted = select(item.delivery_id, item["class"]).where(
            item.delivery_id.in_(part), item.reconciliation_id.in_(newest)
        )
        found.update({number: name for number, name in connection.execute(wanted) if number is not None})
    return found
