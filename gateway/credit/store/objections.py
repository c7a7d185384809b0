"""Objections as rows: entered, sent to the platform, and followed through its answers and feed; contents sealed."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, insert, or_, select, update

from gateway.contract.desk import ObjectionState, Scan
from gateway.credit.rules.objections import ENDED, RUNNING, ObjectionEvent, ObjectionPhase, next_state
from gateway.credit.rules.statements import EventType
from gateway.credit.store import acknowledgements as answers
from gateway.credit.store.case_tables import objection, objection_scan
from gateway.credit.store.events import payload_place
from gateway.credit.store.scans import keep_scans, renew_messages
from gateway.credit.store.streams import lock_feed
from gateway.credit.store.tables import credit_event, credit_link
from gateway.delivery.rules.work import storable
from gateway.domain.records import RecordKind
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.metadata import chunks
from gateway.store.scope import Scope
from gateway.store.vault import Vault


@dataclass(frozen=True, kw_only=True)
class EnteredObjection:
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
    state: ObjectionPhase
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
class EnteringOfficer:
    """Who enters it, when, and where new ids come from."""

    by: str
    now: datetime
    new_id: Callable[[], str]


_IN_FEED = (RUNNING | ENDED) - {ObjectionPhase.REJECTED, ObjectionPhase.WITHDRAWN}
"""states of what events of the feed may be about"""


@dataclass(frozen=True, kw_only=True)
class _FeedEvent:
    """An event about an objection."""

    event_id: str
    record_id: str
    at: datetime
    opened: bool
    about: ObjectionEvent


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


def find(scope: Scope, given: EnteredObjection) -> ObjectionRow | None:
    """The same objection, where it was entered before."""
    here = (objection.c.platform == given.platform, objection.c.digest == _digest(scope.vault, given))
    row = scope.connection.execute(select(objection).where(*here)).mappings().first()
    return None if row is None else to_row(row)


def keep(scope: Scope, given: EnteredObjection, version: int, officer: EnteringOfficer) -> ObjectionRow:
    """Keep a new objection with its scans; it waits to be sent."""
    key = officer.new_id()
    person = scope.connection.execute(
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
        "digest": _digest(scope.vault, given),
        "person_key": person,
        "content": _seal(scope.vault, key, given),
        "created_at": scope.at,
        "created_by": officer.by,
        "message_id": key,
        "state": str(ObjectionPhase.WAITING),
    }
    made = scope.connection.execute(insert(objection).values(values).returning(objection)).mappings().one()
    kept = keep_scans(scope, given.scans, officer.new_id)
    places = [{"objection_id": made["id"], "position": n, "scan_id": scan_id} for n, scan_id in enumerate(kept)]
    if places:
        scope.connection.execute(insert(objection_scan), places)
    return to_row(made)


def queue_again(
    scope: Scope, row: ObjectionRow, given: EnteredObjection, officer: EnteringOfficer, *, anew: bool
) -> None:
    """Let one wait to be sent once more; ``anew`` as a message of its own, because the platform has none of it."""
    values: dict[str, Any] = {"state": str(ObjectionPhase.WAITING), "code": None, "reason": None, "ended_at": None}
    values["content"] = _seal(scope.vault, row.key, given)
    if anew:
        values |= {"message_id": officer.new_id(), "tried_at": None}
        renew_messages(scope.connection, row.id, officer.new_id)
    keep_scans(scope, given.scans, officer.new_id)
    scope.connection.execute(update(objection).where(objection.c.id == row.id).values(values))


def withdraw(connection: Connection, key: str, now: datetime) -> bool:
    """End one that the platform does not have; False where there is none such."""
    never_left = and_(objection.c.state == ObjectionPhase.WAITING, objection.c.tried_at.is_(None))
    kept = or_(never_left, objection.c.state.in_([str(ObjectionPhase.REFUSED), str(ObjectionPhase.UNCLEAR)]))
    changed = connection.execute(
        update(objection).where(objection.c.key == key, kept).values(state=str(ObjectionPhase.WITHDRAWN), ended_at=now)
    )
    return bool(changed.rowcount)


def waiting(scope: Scope, limit: int) -> list[tuple[ObjectionRow, Words]]:
    """What is to be sent, the oldest first."""
    rows = scope.connection.execute(
        select(objection)
        .where(
            objection.c.platform == scope.platform,
            objection.c.state == ObjectionPhase.WAITING,
            objection.c.ended_at.is_(None),
            objection.c.content.is_not(None),
        )
        .order_by(objection.c.id)
        .limit(limit)
    ).mappings()
    return [(to_row(row), Words(**json.loads(scope.vault.open(row["content"], _place(row["key"]))))) for row in rows]


def mark_tried(scope: Scope, row: ObjectionRow) -> None:
    """Note when one was first sent, before it is."""
    scope.connection.execute(
        update(objection).where(objection.c.id == row.id, objection.c.tried_at.is_(None)).values(tried_at=scope.at)
    )


def mark_taken(scope: Scope, row: ObjectionRow, number: str, asking: timedelta) -> None:
    """Note the platform's number; what somebody else has settled meanwhile stays as it is.

    asking: after how long the platform is asked how it stands
    """
    state, ask_at = str(ObjectionPhase.SUBMITTED), scope.at + asking
    _move(scope, row, {"state": state, "number": number[:64], "taken_at": scope.at, "ask_at": ask_at, "code": None})


def mark_not_taken(scope: Scope, row: ObjectionRow, state: ObjectionPhase, *, code: str, reason: str) -> None:
    """Note that the platform would not take it, or that nobody can tell."""
    why = {"code": storable(code, 80), "reason": storable(reason, 500)}
    _move(scope, row, {"state": str(state), "ended_at": scope.at, **why})


def to_ask(scope: Scope, limit: int) -> list[ObjectionRow]:
    """Running objections that are due to be asked about."""
    rows = scope.connection.execute(
        select(objection)
        .where(*_running(scope.platform), objection.c.ask_at <= scope.at)
        .order_by(objection.c.ask_at, objection.c.id)
        .limit(limit)
    ).mappings()
    return [to_row(row) for row in rows]


def keep_state(
    scope: Scope, row: ObjectionRow, answer: ObjectionState | str, asking: timedelta
) -> ObjectionPhase | None:
    """Note how an objection stands, or the code of an answer that gave no state; gives the state if it is a new one.

    asking: after how long the platform is asked again
    """
    ask_at = scope.at + asking
    if isinstance(answer, str):
        _put(scope, row.id, {"code": storable(answer, 80), "ask_at": ask_at})
        return None
    here = select(objection).where(objection.c.id == row.id).with_for_update()
    held = to_row(scope.connection.execute(here).mappings().one())
    after = next_state(held.state, answer.status)
    values: dict[str, Any] = {"ask_at": ask_at, "code": None}
    if after is not None:
        values |= _step(held, after, answer.accepted_at or scope.at, answer.decided_at or scope.at)
    _put(scope, row.id, values)
    return after


def listed(connection: Connection, *, everything: bool, limit: int) -> tuple[int, list[tuple[ObjectionRow, int]]]:
    """How many there are, and the oldest of them with the number of their scans; those that ended only on asking."""
    here = [] if everything else [objection.c.state.not_in([str(state) for state in ENDED])]
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


def apply_feed_events(scope: Scope) -> set[str]:
    """Let the feed's events about our objections count; gives the records where it contradicts an answer.

    Of two different ends the feed's counts, because the record follows it; a person looks at the record.
    """
    _, scope = lock_feed(scope)
    rows = scope.connection.execute(
        select(objection).where(
            objection.c.platform == scope.platform,
            objection.c.event_id.is_(None),
            objection.c.number.is_not(None),
            objection.c.state.in_([str(state) for state in _IN_FEED]),
        )
    ).mappings()
    held = {row["number"]: to_row(row) for row in rows}
    contradicted: set[str] = set()
    for event in _events(scope, {row.record_id for row in held.values()}):
        row = held.get(event.about.number)
        if row is None or row.record_id != event.record_id:
            continue
        after = ObjectionPhase.ACCEPTED if event.opened else event.about.result
        if after is None or (event.opened and row.state is not ObjectionPhase.SUBMITTED):
            continue
        if row.state in ENDED and row.state is not after:
            contradicted.add(row.record_id)
        values = _step(row, after, event.at, event.at) | ({} if event.opened else {"event_id": event.event_id})
        _put(scope, row.id, values)
        held[event.about.number] = _after(row, values)
    wanted: dict[tuple[str, str], str | None] = {(key, str(TicketKind.REVIEW)): None for key in contradicted}
    answers.open_new(scope, wanted, answers.open_tickets(scope, contradicted))
    return contradicted


def _running(platform: str) -> Sequence[Any]:
    return (
        objection.c.platform == platform,
        objection.c.ended_at.is_(None),
        objection.c.state.in_([str(state) for state in RUNNING]),
    )


def _move(scope: Scope, row: ObjectionRow, values: Mapping[str, Any]) -> None:
    """Settle what waits; one that another process has settled is left alone."""
    scope.connection.execute(
        update(objection).where(objection.c.id == row.id, objection.c.state == ObjectionPhase.WAITING).values(**values)
    )


def _step(held: ObjectionRow, after: ObjectionPhase, accepted: datetime, decided: datetime) -> dict[str, Any]:
    """What changes in a row that comes to a state. Nothing happens before it was taken, whatever a clock says."""
    taken = held.taken_at or accepted
    values: dict[str, Any] = {"state": str(after)}
    if after is not ObjectionPhase.REJECTED and held.accepted_at is None:
        values["accepted_at"] = max(accepted, taken)
    return values | ({"ended_at": max(decided, taken)} if after in ENDED else {})


def _put(scope: Scope, number: int, values: Mapping[str, Any]) -> None:
    scope.connection.execute(update(objection).where(objection.c.id == number).values(**values))


def to_row(row: Mapping[Any, Any]) -> ObjectionRow:
    """A row of the table."""
    values = {field_.name: row[field_.name] for field_ in fields(ObjectionRow)}
    return ObjectionRow(**{**values, "state": ObjectionPhase(row["state"])})


def _digest(vault: Vault, given: EnteredObjection) -> str:
    parts = [given.record_id, given.version, given.objector, given.contact, given.ground]
    plain = json.dumps([*parts, [scan.digest for scan in given.scans]], ensure_ascii=False)
    return vault.mark("objection", plain.encode())


def _seal(vault: Vault, key: str, given: EnteredObjection) -> bytes:
    plain = {part.name: getattr(given, part.name) for part in fields(Words)}
    return vault.seal(json.dumps(plain, ensure_ascii=False).encode(), _place(key))


def _place(key: str) -> str:
    return f"objection.content:{key}"


def _after(row: ObjectionRow, values: dict[str, Any]) -> ObjectionRow:
    return replace(row, **{**values, "state": ObjectionPhase(values["state"])})


def _events(scope: Scope, records: Collection[str]) -> list[_FeedEvent]:
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
            about = ObjectionEvent.of(json.loads(scope.vault.open(row.payload, place)))
            if about is not None:
                opened = row.event_type == EventType.OBJECTION_OPENED
                at = row.event_time
                found.append(
                    _FeedEvent(event_id=row.event_id, record_id=row.record_id, at=at, opened=opened, about=about)
                )
    return found
