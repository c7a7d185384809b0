"""Objections as rows: kept, taken by the platform or not, and how each stands. What is said in one is sealed."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, insert, or_, select, update

from gateway.contract.desk import ObjectionState, Scan
from gateway.credit.rules.objections import ENDED, RUNNING, ObjectionNews, State, leads_on
from gateway.credit.rules.statements import EventType
from gateway.credit.store import acknowledgements as answers
from gateway.credit.store import scans
from gateway.credit.store.acknowledgements import Scope
from gateway.credit.store.case_tables import objection, objection_scan
from gateway.credit.store.events import payload_place
from gateway.credit.store.tables import credit_event, credit_link
from gateway.delivery.rules.work import storable
from gateway.domain.records import RecordKind
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.metadata import chunks
from gateway.store.vault import Vault


@dataclass(frozen=True, kw_only=True)
class Given:
    """An objection as it was entered. ``version`` None: the newest we were told of when it was."""

    platform: str
    record_id: str
    version: int | None
    objector: str = field(repr=False)
    contact: str = field(repr=False)
    ground: str = field(repr=False)
    scans: tuple[Scan, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ObjectionRow:
    """One objection; nothing in it is personal."""

    id: int
    key: str
    platform: str
    record_id: str
    version: int
    created_at: datetime
    created_by: str
    message_id: str
    tried_at: datetime | None
    state: State
    code: str | None
    reason: str | None
    number: str | None
    taken_at: datetime | None
    accepted_at: datetime | None
    ended_at: datetime | None
    event_id: str | None


@dataclass(frozen=True, kw_only=True)
class Words:
    """What is said in one."""

    objector: str = field(repr=False)
    contact: str = field(repr=False)
    ground: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Officer:
    """Who enters it, when, and where new ids come from."""

    by: str
    now: datetime
    new_id: Callable[[], str]


def newest_version(connection: Connection, platform: str, record_id: str) -> int | None:
    """The newest version of a record that the platform told us; None for a record that we do not know."""
    found: int | None = connection.execute(
        select(func.max(credit_event.c.version)).where(
            credit_event.c.platform == platform,
            credit_event.c.record_id == record_id,
            ~credit_event.c.flawed,
            ~credit_event.c.local,
        )
    ).scalar()
    return found


def find(connection: Connection, vault: Vault, given: Given) -> ObjectionRow | None:
    """The same objection, where it was entered before."""
    here = (objection.c.platform == given.platform, objection.c.digest == _digest(vault, given))
    row = connection.execute(select(objection).where(*here)).mappings().first()
    return None if row is None else to_row(row)


def keep(connection: Connection, vault: Vault, given: Given, version: int, officer: Officer) -> ObjectionRow:
    """Keep a new objection with its scans; it waits to be sent."""
    key = officer.new_id()
    person = connection.execute(
        select(credit_link.c.key)
        .where(
            credit_link.c.platform == given.platform,
            credit_link.c.record_id == given.record_id,
            credit_link.c.kind == str(RecordKind.PERSON),
            credit_link.c.sys_to.is_(None),
        )
        .limit(1)
    ).scalar()
    values = {
        "key": key,
        "platform": given.platform,
        "record_id": given.record_id,
        "version": version,
        "digest": _digest(vault, given),
        "person_key": person,
        "content": _seal(vault, key, given),
        "created_at": officer.now,
        "created_by": officer.by,
        "message_id": key,
        "state": str(State.WAITING),
    }
    made = connection.execute(insert(objection).values(values).returning(objection)).mappings().one()
    kept = scans.keep(connection, vault, given.platform, given.scans, new_id=officer.new_id, now=officer.now)
    places = [{"objection_id": made["id"], "position": n, "scan_id": one} for n, one in enumerate(kept)]
    if places:
        connection.execute(insert(objection_scan), places)
    return to_row(made)


def again(
    connection: Connection, vault: Vault, row: ObjectionRow, given: Given, officer: Officer, *, anew: bool
) -> None:
    """Let one wait to be sent once more; ``anew`` as a message of its own, because the platform has none of it."""
    values: dict[str, Any] = {"state": str(State.WAITING), "code": None, "reason": None, "ended_at": None}
    values["content"] = _seal(vault, row.key, given)
    if anew:
        values |= {"message_id": officer.new_id(), "tried_at": None}
        scans.anew(connection, row.id, officer.new_id)
    scans.keep(connection, vault, given.platform, given.scans, new_id=officer.new_id, now=officer.now)
    connection.execute(update(objection).where(objection.c.id == row.id).values(values))


def withdraw(connection: Connection, key: str, now: datetime) -> bool:
    """End one that the platform does not have; False where there is none such."""
    never_left = and_(objection.c.state == State.WAITING, objection.c.tried_at.is_(None))
    kept = or_(never_left, objection.c.state.in_([str(State.REFUSED), str(State.UNCLEAR)]))
    changed = connection.execute(
        update(objection).where(objection.c.key == key, kept).values(state=str(State.WITHDRAWN), ended_at=now)
    )
    return bool(changed.rowcount)


def waiting(connection: Connection, vault: Vault, platform: str, limit: int) -> list[tuple[ObjectionRow, Words]]:
    """What is to be sent, the oldest first."""
    rows = connection.execute(
        select(objection)
        .where(
            objection.c.platform == platform,
            objection.c.state == State.WAITING,
            objection.c.ended_at.is_(None),
            objection.c.content.is_not(None),
        )
        .order_by(objection.c.id)
        .limit(limit)
    ).mappings()
    return [(to_row(row), Words(**json.loads(vault.open(row["content"], _place(row["key"]))))) for row in rows]


def trying(connection: Connection, row: ObjectionRow, now: datetime) -> None:
    """Note when one was first sent, before it is."""
    connection.execute(
        update(objection).where(objection.c.id == row.id, objection.c.tried_at.is_(None)).values(tried_at=now)
    )


def taken(connection: Connection, row: ObjectionRow, number: str, *, now: datetime, ask_at: datetime) -> None:
    """Note the platform's number; what somebody else has settled meanwhile stays as it is."""
    _move(
        connection,
        row,
        {"state": str(State.SUBMITTED), "number": number[:64], "taken_at": now, "ask_at": ask_at, "code": None},
    )


def not_taken(
    connection: Connection, row: ObjectionRow, state: State, *, code: str, reason: str, now: datetime
) -> None:
    """Note that the platform would not take it, or that nobody can tell."""
    said = {"code": storable(code, 80), "reason": storable(reason, 500)}
    _move(connection, row, {"state": str(state), "ended_at": now, **said})


def to_ask(connection: Connection, platform: str, now: datetime, limit: int) -> list[ObjectionRow]:
    """Running objections that are due to be asked about."""
    rows = connection.execute(
        select(objection)
        .where(*_running(platform), objection.c.ask_at <= now)
        .order_by(objection.c.ask_at, objection.c.id)
        .limit(limit)
    ).mappings()
    return [to_row(row) for row in rows]


def answered(
    connection: Connection, row: ObjectionRow, said: ObjectionState | str, *, now: datetime, ask_at: datetime
) -> State | None:
    """Note how one stands, or the code of an answer that did not say; gives the state it came to, where it is news."""
    if isinstance(said, str):
        put(connection, row.id, {"code": storable(said, 80), "ask_at": ask_at})
        return None
    here = select(objection).where(objection.c.id == row.id).with_for_update()
    held = to_row(connection.execute(here).mappings().one())
    after = leads_on(held.state, said.status)
    values: dict[str, Any] = {"ask_at": ask_at, "code": None}
    if after is not None:
        values |= step(held, after, said.accepted_at or now, said.decided_at or now)
    put(connection, row.id, values)
    return after


def listed(connection: Connection, *, everything: bool, limit: int) -> tuple[int, list[tuple[ObjectionRow, int]]]:
    """How many there are, and the oldest of them with the number of their scans; those that ended only on asking."""
    here = [] if everything else [objection.c.state.not_in([str(one) for one in ENDED])]
    total = connection.execute(select(func.count()).select_from(objection).where(*here)).scalar_one()
    counted = (
        select(func.count())
        .where(objection_scan.c.objection_id == objection.c.id)
        .correlate(objection)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(objection, counted.label("scans")).where(*here).order_by(objection.c.id).limit(limit)
    ).mappings()
    return total, [(to_row(row), row["scans"]) for row in rows]


def _running(platform: str) -> Sequence[Any]:
    return (
        objection.c.platform == platform,
        objection.c.ended_at.is_(None),
        objection.c.state.in_([str(one) for one in RUNNING]),
    )


def _move(connection: Connection, row: ObjectionRow, values: Mapping[str, Any]) -> None:
    """Settle what waits; one that another process has settled is left alone."""
    connection.execute(
        update(objection).where(objection.c.id == row.id, objection.c.state == State.WAITING).values(**values)
    )


def step(held: ObjectionRow, after: State, accepted: datetime, decided: datetime) -> dict[str, Any]:
    """What changes in a row that comes to a state. Nothing happens before it was taken, whatever a clock says."""
    taken = held.taken_at or accepted
    values: dict[str, Any] = {"state": str(after)}
    if after is not State.REJECTED and held.accepted_at is None:
        values["accepted_at"] = max(accepted, taken)
    return values | ({"ended_at": max(decided, taken)} if after in ENDED else {})


def put(connection: Connection, number: int, values: Mapping[str, Any]) -> None:
    """Change a row."""
    connection.execute(update(objection).where(objection.c.id == number).values(**values))


def to_row(row: Mapping[Any, Any]) -> ObjectionRow:
    """A row of the table."""
    values = {one.name: row[one.name] for one in fields(ObjectionRow)}
    return ObjectionRow(**{**values, "state": State(row["state"])})


def _digest(vault: Vault, given: Given) -> str:
    said = [given.record_id, given.version, given.objector, given.contact, given.ground]
    return vault.index("objection", json.dumps([*said, [one.digest for one in given.scans]], ensure_ascii=False))


def _seal(vault: Vault, key: str, given: Given) -> bytes:
    said = {one.name: getattr(given, one.name) for one in fields(Words)}
    return vault.seal(json.dumps(said, ensure_ascii=False).encode(), _place(key))


def _place(key: str) -> str:
    return f"objection.content:{key}"


_TOLD = (RUNNING | ENDED) - {State.REJECTED, State.WITHDRAWN}
"""states of what events of the feed may be about"""


@dataclass(frozen=True, kw_only=True)
class _Heard:
    """An event about an objection."""

    event_id: str
    record_id: str
    at: datetime
    opened: bool
    news: ObjectionNews


def hear(scope: Scope) -> set[str]:
    """Let the feed's events about our objections count; gives the records where it contradicts an answer.

    Of two different ends the feed's counts, because the record follows it; a person looks at the record.
    """
    rows = scope.connection.execute(
        select(objection).where(
            objection.c.platform == scope.platform,
            objection.c.event_id.is_(None),
            objection.c.number.is_not(None),
            objection.c.state.in_([str(one) for one in _TOLD]),
        )
    ).mappings()
    held = {row["number"]: to_row(row) for row in rows}
    contradicted: set[str] = set()
    for heard in _events(scope, {row.record_id for row in held.values()}):
        row = held.get(heard.news.number)
        if row is None or row.record_id != heard.record_id:
            continue
        after = State.ACCEPTED if heard.opened else heard.news.result
        if after is None or (heard.opened and row.state is not State.SUBMITTED):
            continue
        if row.state in ENDED and row.state is not after:
            contradicted.add(row.record_id)
        values = step(row, after, heard.at, heard.at) | ({} if heard.opened else {"event_id": heard.event_id})
        put(scope.connection, row.id, values)
        held[heard.news.number] = _after(row, values)
    wanted: dict[tuple[str, str], str | None] = {(one, str(TicketKind.REVIEW)): None for one in contradicted}
    answers.open_new(scope, wanted, answers.open_tickets(scope, contradicted))
    return contradicted


def _after(row: ObjectionRow, values: dict[str, Any]) -> ObjectionRow:
    return replace(row, **{**values, "state": State(values["state"])})


def _events(scope: Scope, records: Collection[str]) -> list[_Heard]:
    """Events about objections to some records, in the order of their versions."""
    kinds = [str(EventType.OBJECTION_OPENED), str(EventType.OBJECTION_CLOSED)]
    found = []
    for part in chunks(records):
        rows = scope.connection.execute(
            select(credit_event)
            .where(
                credit_event.c.platform == scope.platform,
                credit_event.c.record_id.in_(part),
                credit_event.c.event_type.in_(kinds),
                ~credit_event.c.flawed,
                credit_event.c.payload.is_not(None),
            )
            .order_by(credit_event.c.version, credit_event.c.id)
        )
        for row in rows:
            place = payload_place(scope.platform, row.event_id, row.digest)
            news = ObjectionNews.of(json.loads(scope.vault.open(row.payload, place)))
            if news is not None:
                opened = row.event_type == EventType.OBJECTION_OPENED
                at = row.event_time
                found.append(_Heard(event_id=row.event_id, record_id=row.record_id, at=at, opened=opened, news=news))
    return found
