"""What stands in the store about one person or certificate, from the row to the platform's word. Read only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select, union

from gateway.delivery.store.tables import (
    attempt,
    delivery,
    platform,
    receipt,
    reconciliation,
    reconciliation_item,
    verdict,
)
from gateway.domain.identifiers import (
    ResidentNumber,
    normal_certificate_number,
    normal_identifier,
    parse_resident_id,
)
from gateway.domain.records import RecordKind
from gateway.domain.states import State
from gateway.intake.store.tables import filing, filing_subject
from gateway.store import records
from gateway.store.metadata import chunks
from gateway.store.tables import batch, record, record_project
from gateway.store.vault import Vault

_PAPERS = (RecordKind.CERTIFICATE, RecordKind.STATUS_CHANGE, RecordKind.WITHDRAWAL)


@dataclass(frozen=True, kw_only=True)
class ReportedRow:
    """One reported row: where it stands and what was said of it, rule ids and fields only."""

    batch: str
    report_no: str | None
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

    def __bool__(self) -> bool:
        return self.person_key is not None or bool(self.certificates) or bool(self.rows)


def subject(connection: Connection, vault: Vault, text: str, id_types: Iterable[str]) -> WhySubject:
    """Look up what a person has at hand: what stands on paper first, then what platforms and the gateway number."""
    return _on_paper(connection, vault, text, id_types) or _by_key(connection, vault, text)


def _on_paper(connection: Connection, vault: Vault, text: str, id_types: Iterable[str]) -> WhySubject:
    """By certificate number or identity number, of records by their index and of rows by what is written in them.

    A number of 15 digits is found as the one of 18 that it became; one that cannot be read, by its cell.
    """
    found = WhySubject()
    written, number = normal_identifier(text), normal_certificate_number(text)
    parsed = parse_resident_id(written)
    numbers = {written, parsed.number} if isinstance(parsed, ResidentNumber) else {written}
    persons = [f"{kind}:{one}" for kind in id_types for one in numbers]
    for matches in records.find(connection, vault, "id_number", persons).values():
        found.person_key = matches[0][1]
    for matches in records.find(connection, vault, "certificate_number", [number]).values():
        found.certificates = [key for _, key in matches]
    if found.person_key is not None:
        found.certificates = _papers_of(connection, found.person_key)
    asked = filing_subject.c
    said = (
        asked.person.in_([digest for person in persons for digest in vault.indexes("id_number", person)]),
        asked.id_written.in_([digest for one in numbers for digest in vault.indexes("id_written", one)]),
        asked.certificate_number.in_(vault.indexes("certificate_number", number)),
    )
    found.rows = _rows(connection, found.certificates, said)
    return found


def _by_key(connection: Connection, vault: Vault, text: str) -> WhySubject:
    """By the key of a record, or a delivery's number, receipt or number at the platform."""
    found, key = WhySubject(), text.upper()
    named = connection.execute(
        select(record.c.kind, record.c.person_key).where(record.c.kind.in_(list(RecordKind)), record.c.key == key)
    ).first()
    if named is not None:
        if named.kind == RecordKind.PERSON:
            found.person_key, found.certificates = key, _papers_of(connection, key)
        else:
            found.certificates = [key]
    else:
        for one in _deliveries(connection, text):
            if one.kind == RecordKind.PERSON:
                found.person_key = one.record_key
                found.certificates += _papers_of(connection, one.record_key)
            else:
                found.certificates.append(one.record_key)
    found.certificates = list(dict.fromkeys(found.certificates))
    found.rows = _rows(connection, found.certificates, ())
    return found


_MOST = 200
"""deliveries that one receipt or number of a platform stands for; as many as go in one message"""


def _deliveries(connection: Connection, text: str) -> list[Row[str, str]]:
    wanted = select(delivery.c.kind, delivery.c.record_key)
    number = text.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 19:
        found = connection.execute(wanted.where(delivery.c.id == int(number))).all()
        if found:
            return list(found)
    names = connection.execute(select(platform.c.name)).scalars().all()
    exchanges = select(receipt.c.exchange_id).where(receipt.c.platform.in_(names), receipt.c.number == text)
    tried = select(attempt.c.delivery_id).where(attempt.c.exchange_id.in_(exchanges))
    by_receipt = connection.execute(wanted.where(delivery.c.id.in_(tried)).order_by(delivery.c.id).limit(_MOST)).all()
    return list(by_receipt or connection.execute(wanted.where(delivery.c.platform_ref == text).limit(_MOST)).all())


def _papers_of(connection: Connection, person_key: str) -> list[str]:
    mine = select(record.c.key).where(record.c.person_key == person_key, record.c.kind.in_(_PAPERS))
    return list(connection.execute(mine.distinct()).scalars())


def _rows(
    connection: Connection, certificates: Sequence[str], said: Sequence[ColumnElement[bool]]
) -> list[ReportedRow]:
    by_key = select(filing.c.id).where(filing.c.certificate_key.in_(certificates))
    by_cell = [select(filing_subject.c.filing_id.label("id")).where(one) for one in said]
    named = union(by_key, *by_cell).subquery("named")
    columns = (batch.c.name, batch.c.read_at, filing.c.row_no, filing.c.outcome, filing.c.failures)
    rows = connection.execute(
        select(*columns, filing.c.certificate_key, filing.c.report_no)
        .join(batch, batch.c.id == filing.c.batch_id)
        .join(named, named.c.id == filing.c.id)
        .order_by(filing.c.id)
    )
    return [
        ReportedRow(
            batch=row.name,
            report_no=row.report_no,
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
            item.delivery_id.in_(part), item.reconciliation_id.in_(newest), item.settled_at.is_(None)
        )
        found.update({number: name for number, name in connection.execute(wanted) if number is not None})
    return found


def ended(connection: Connection, keys: Collection[str]) -> set[tuple[str, str]]:
    """(platform, key) of what was owed and will not be sent: a newer version, a withdrawal or an end came first."""
    names = connection.execute(select(platform.c.name)).scalars().all()
    found: set[tuple[str, str]] = set()
    for part in chunks(keys):
        rows = connection.execute(
            select(delivery.c.platform, delivery.c.record_key).where(
                delivery.c.platform.in_(names),
                delivery.c.kind.in_(list(RecordKind)),
                delivery.c.record_key.in_(part),
                delivery.c.state == State.SUPERSEDED,
            )
        )
        found |= {(row.platform, row.record_key) for row in rows}
    return found


def with_project(connection: Connection, keys: Collection[str]) -> set[str]:
    """Those of the keys of which a version names a project."""
    found: set[str] = set()
    for part in chunks(keys):
        named = select(record.c.key).join(record_project, record_project.c.record_id == record.c.id)
        here = (record.c.kind.in_(list(RecordKind)), record.c.key.in_(part))
        found |= set(connection.execute(named.where(*here)).scalars())
    return found


@dataclass(frozen=True, kw_only=True)
class LastAnswer:
    """How a delivery stands, with what was said of it last."""

    id: int
    platform: str
    kind: str
    state: State
    code: str | None
    reason: str | None
    blocked_by: int | None
    event: str | None = None
    """of the last verdict, where there is one"""


def last_answers(connection: Connection, ids: Collection[int]) -> dict[int, LastAnswer]:
    """Of these deliveries and of all they wait behind."""
    found: dict[int, LastAnswer] = {}
    wanted = set(ids)
    columns = [delivery.c[name] for name in ("id", "platform", "kind", "state", "code", "reason", "blocked_by")]
    last = (
        select(verdict.c.event)
        .join(attempt, attempt.c.id == verdict.c.attempt_id)
        .where(attempt.c.delivery_id == delivery.c.id)
        .order_by(verdict.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    while wanted:
        for part in chunks(wanted):
            for row in connection.execute(select(*columns, last.label("event")).where(delivery.c.id.in_(part))):
                found[row.id] = LastAnswer(**{**row._mapping, "state": State(row.state)})
        wanted = {one.blocked_by for one in found.values() if one.blocked_by is not None} - found.keys()
    return found
