"""What stands in the store about one person or certificate, from the row to the platform's word. Read only."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, union

from gateway.contract.connector import Connector, NumbersMessages
from gateway.contract.messages import SubjectType
from gateway.credit.store.views import events_named
from gateway.delivery.store.tables import (
    attempt,
    delivery,
    exchange,
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


Connectors = Mapping[str, Connector]
"""by platform; those among them that give messages a number of their own know theirs again"""


def subject(
    connection: Connection, vault: Vault, text: str, id_types: Iterable[str], connectors: Connectors | None = None
) -> WhySubject:
    """Look up what a person has at hand: what stands on paper first, then what platforms and the gateway number."""
    return _on_paper(connection, vault, text, id_types) or _by_key(connection, vault, text, connectors or {})


def on_paper_or_key(connection: Connection, vault: Vault, text: str, id_types: Iterable[str]) -> WhySubject:
    """By what stands on paper, else by the key of a record and nothing that platforms number."""
    return _on_paper(connection, vault, text, id_types) or _by_record_key(connection, text)


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


def _by_key(connection: Connection, vault: Vault, text: str, connectors: Connectors) -> WhySubject:
    """By the key of a record, a delivery's number, receipt or number at the platform, a message's number, or a credit
    event or record."""
    found = _by_record_key(connection, text)
    if not found:
        for event in events_named(connection, vault, text):
            if event.subject_key is not None and event.subject_type == SubjectType.PERSON:
                found.person_key = event.subject_key
                found.certificates += _papers_of(connection, event.subject_key)
        for one in deliveries_named(connection, text, connectors):
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


def _by_record_key(connection: Connection, text: str) -> WhySubject:
    found, key = WhySubject(), text.upper()
    named = connection.execute(
        select(record.c.kind, record.c.person_key).where(record.c.kind.in_(list(RecordKind)), record.c.key == key)
    ).first()
    if named is not None:
        if named.kind == RecordKind.PERSON:
            found.person_key, found.certificates = key, _papers_of(connection, key)
        else:
            found.certificates = [key]
        found.rows = _rows(connection, found.certificates, ())
    return found


@dataclass(frozen=True, kw_only=True)
class NamedDelivery:
    """A delivery that a number names. ``by``: what kind of number that is."""

    id: int
    platform: str
    kind: str
    record_key: str
    state: State
    by: str


def deliveries_named(connection: Connection, text: str, connectors: Connectors) -> list[NamedDelivery]:
    """By a delivery's own number, a receipt, a platform's number of the record, or the number of a message."""
    columns = [delivery.c[name] for name in ("id", "platform", "kind", "record_key", "state")]

    def found(by: str, *conditions: ColumnElement[bool]) -> list[NamedDelivery]:
        rows = connection.execute(select(*columns).where(*conditions).order_by(delivery.c.id).limit(_MOST))
        return [NamedDelivery(**{**row._mapping, "state": State(row.state)}, by=by) for row in rows]

    def travelled(exchanges: Any) -> ColumnElement[bool]:
        return delivery.c.id.in_(select(attempt.c.delivery_id).where(attempt.c.exchange_id.in_(exchanges)))

    number = text.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < _ID_DIGITS:
        own = found("delivery", delivery.c.id == int(number))
        if own:
            return own
    names = connection.execute(select(platform.c.name)).scalars().all()
    receipts = select(receipt.c.exchange_id).where(receipt.c.platform.in_(names), receipt.c.number == text)
    return (
        found("receipt", travelled(receipts))
        or found("platform_number", delivery.c.platform_ref == text)
        or found("message", travelled(_messages(connection, text, names, connectors)))
    )


_ID_DIGITS = 19
_FIRST_TRY = timedelta(minutes=10)
"""how soon after a message was made it leaves for the first time"""
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def _messages(connection: Connection, text: str, names: Sequence[str], connectors: Connectors) -> list[int]:
    """Exchanges of the message that a platform's number, or our own id of it, names."""
    wanted: list[tuple[str, datetime, NumbersMessages | None]] = []
    if _ULID.fullmatch(text.upper()):
        milliseconds = 0
        for character in text.upper()[:10]:
            milliseconds = milliseconds * 32 + _DIGITS.index(character)
        made = datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds < _LAST_MOMENT else None
        wanted += [(name, made, None) for name in names] if made is not None else []
    for name in names:
        numbers: object = connectors.get(name)
        if isinstance(numbers, NumbersMessages) and (made := numbers.message_made(text)) is not None:
            wanted.append((name, made, numbers))
    found = []
    for name, made, numbering in wanted:
        rows = connection.execute(
            select(exchange.c.id, exchange.c.message_id).where(
                exchange.c.platform == name,
                exchange.c.opened_at >= made - timedelta(seconds=2),
                exchange.c.opened_at < made + _FIRST_TRY,
            )
        )
        found += [
            row.id
            for row in rows
            if text.upper() == (row.message_id if numbering is None else numbering.message_number(row.message_id))
        ]
    return found


_LAST_MOMENT = 253_402_300_800_000


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
    platform_ref: str | None = None
    updated_at: datetime | None = None
    compared_at: datetime | None = None
    """when the platform's last reconciliation looked at our side, where it came after this"""


def standings(connection: Connection, keys: Collection[str]) -> list[NewestDelivery]:
    """Of every record key, by platform."""
    found: dict[tuple[str, str], Any] = {}
    names = connection.execute(select(platform.c.name)).scalars().all()
    for part in chunks(keys):
        columns = ("id", "platform", "kind", "record_key", "version", "state", "code", "reason", "platform_ref")
        tried = select(func.count()).where(attempt.c.delivery_id == delivery.c.id).scalar_subquery()
        rows = connection.execute(
            select(*(delivery.c[name] for name in (*columns, "updated_at")), tried.label("attempts"))
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
    newest = select(reconciliation.c.platform, func.max(reconciliation.c.ours_at)).group_by(reconciliation.c.platform)
    runs: dict[str, datetime] = {name: at for name, at in connection.execute(newest)}
    return [
        NewestDelivery(
            **{**row, "state": State(row["state"])},
            difference=classes.get(row["id"]),
            compared_at=at if (at := runs.get(row["platform"])) is not None and at > row["updated_at"] else None,
        )
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
    record_key: str
    event: str | None = None
    """of the last verdict, where there is one"""


def last_answers(connection: Connection, ids: Collection[int]) -> dict[int, LastAnswer]:
    """Of these deliveries and of all they wait behind."""
    found: dict[int, LastAnswer] = {}
    wanted = set(ids)
    columns = [
        delivery.c[name] for name in ("id", "platform", "kind", "state", "code", "reason", "blocked_by", "record_key")
    ]
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


def holder(connection: Connection, certificates: Sequence[str]) -> str | None:
    """Key of the person these certificates belong to."""
    here = (record.c.kind == RecordKind.CERTIFICATE, record.c.key.in_(list(certificates)[:1]))
    found: str | None = connection.execute(select(record.c.person_key).where(*here).limit(1)).scalar()
    return found


def void_by_now(connection: Connection, certificates: Sequence[str]) -> set[str]:
    """Those of the certificates whose newest version is void."""
    found: set[str] = set()
    for part in chunks(certificates):
        here = (record.c.kind == RecordKind.CERTIFICATE, record.c.key.in_(part))
        rows = connection.execute(select(record.c.key, record.c.void).where(*here).order_by(record.c.version))
        newest = {row.key: row.void for row in rows}
        found |= {key for key, is_void in newest.items() if is_void}
    return found


def reported_by(connection: Connection, person_keys: Collection[str], division: str) -> set[str]:
    """Those of the persons of whom a division, or one whose code begins so, reported a certificate that went."""
    found: set[str] = set()
    for part in chunks(person_keys):
        mine = (
            select(record.c.person_key)
            .join(filing, filing.c.certificate_key == record.c.key)
            .where(
                record.c.kind == RecordKind.CERTIFICATE,
                record.c.person_key.in_(part),
                filing.c.report_no.startswith(division, autoescape=True),
            )
        )
        found |= set(connection.execute(mine.distinct()).scalars())
    return found
