"""Rows of platforms: pauses, circuit breaker, request slots of the shared budget, moments set by a wrong clock."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from gateway.codec.redact import clean
from gateway.delivery.rules.work import Closing, Opening
from gateway.delivery.store.exchanges import open_exchanges
from gateway.delivery.store.settlement import LockedRows, platform_row
from gateway.delivery.store.tables import delivery, exchange, platform, slot
from gateway.domain.china import CHINA
from gateway.domain.states import WAITING
from gateway.domain.traffic import (
    BREAKER_OPEN,
    MARGIN,
    OURS,
    Breaker,
    Budget,
    PlatformStanding,
    Reaches,
    Stop,
    Traffic,
    after_failure,
    breaker_words,
    stop_of,
    too_far,
)
from gateway.store.audit import note
from gateway.store.batch_sql import WriteSet
from gateway.store.tables import audit
from gateway.store.vault import Vault

CAPPED = "moment_capped"
"""action of the audit trail"""
_SHOWN = timedelta(days=1)
log = logging.getLogger(__name__)
Note = Callable[..., None]


def cap(connection: Connection, name: str, reach: Reaches, now: datetime, note: Note) -> dict[str, datetime]:
    """Bring back what lies further ahead than its plan can reach; gives what was capped, and the moment it said.

    Each leaves a line in the log and in the audit trail. A lease that is capped ends now, so that the next sweep takes
    it back.
    """
    row = platform_row(connection, name)
    capped: dict[str, datetime] = {}
    if not row:
        return capped
    moved: dict[str, datetime] = {}
    for column, most, to in (
        ("next_slot_at", reach.slot, now),
        ("not_before", reach.wish, now + reach.wish),
        ("open_until", reach.breaker, now + reach.breaker),
        ("probe_until", reach.breaker, now + reach.breaker),
    ):
        if too_far(row[column], now, most):
            capped[column], moved[column] = row[column], to
    if moved:
        connection.execute(update(platform).where(platform.c.name == name).values(moved))
    if cap_slots(connection, name, reach.slot, now):
        capped.setdefault("next_slot_at", now)
    for column, most, to in (("lease_until", reach.lease, now - MARGIN), ("due_at", reach.due, now)):
        mine = and_(delivery.c.platform == name, delivery.c.state.in_(WAITING))
        if column == "lease_until":
            mine = and_(mine, delivery.c.lease_owner.is_not(None))
        far = and_(mine, delivery.c[column] > now + most + MARGIN)
        furthest = connection.execute(select(func.max(delivery.c[column])).where(far)).scalar()
        if furthest is not None:
            connection.execute(update(delivery).where(far).values({column: to}))
            capped[column] = furthest
    for what, said in capped.items():
        tell(connection, name, what, said, now=now, note=note)
    return capped


def cap_slots(connection: Connection, name: str, reach: timedelta, now: datetime) -> int:
    """Forget slots of the budget that no clock that was right can have given."""
    far = and_(slot.c.platform == name, slot.c.at > now + reach + MARGIN)
    return connection.execute(delete(slot).where(far)).rowcount


def tell(connection: Connection, name: str, what: str, said: datetime, *, now: datetime, note: Note) -> None:
    """One line in the log and one in the audit trail."""
    until = f"{said.astimezone(CHINA):%Y-%m-%d %H:%M:%S} +08:00"
    reason = f"{what} said {until}, further ahead than planned: a clock was wrong"
    log.warning(reason, extra={"platform": name, "code": CAPPED})
    note(connection, at=now, actor="gateway", action=CAPPED, subject=name, reason=reason, detail={"what": what})


def capped_lately(connection: Connection, name: str, now: datetime) -> list[str]:
    """What was capped within the last day, newest first, for people."""
    rows = connection.execute(
        select(audit.c.reason)
        .where(audit.c.action == CAPPED, audit.c.object == name, audit.c.at > now - _SHOWN)
        .order_by(audit.c.id.desc())
        .limit(5)
    )
    return list(rows.scalars())


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Why a platform is held, by whom, since when and, if known, until when."""

    code: str
    reason: str
    by: str
    since: datetime
    until: datetime | None


def registered(connection: Connection) -> set[str]:
    """The platforms that have their row."""
    return set(connection.execute(select(platform.c.name)).scalars())


def register(connection: Connection, names: list[str]) -> None:
    """Make sure every platform has its row."""
    known = registered(connection)
    for name in names:
        if name not in known:
            connection.execute(insert(platform), {"name": name})


def pause_of(connection: Connection, name: str, now: datetime) -> Pause | None:
    """The pause in force, or None; one whose time is over no longer counts."""
    row = connection.execute(select(platform).where(platform.c.name == name, platform.c.paused)).mappings().first()
    if row is None or (row["until"] is not None and row["until"] <= now):
        return None
    return Pause(code=row["code"], reason=row["reason"], by=row["paused_by"], since=row["since"], until=row["until"])


def pause(
    connection: Connection, name: str, *, code: str, reason: str, by: str, now: datetime, until: datetime | None = None
) -> None:
    """Hold a platform; the first reason stays until it is resumed or its time is over, later ones are only noted.

    An end that is given holds for a pause in force as well.
    """
    register(connection, [name])
    changed = connection.execute(
        update(platform)
        .where(platform.c.name == name, or_(~platform.c.paused, platform.c.until <= now))
        .values(paused=True, code=code, reason=clean(reason), paused_by=by, since=now, until=until)
    ).rowcount
    action = "pause" if changed else "pause_again"
    detail: dict[str, str] = {"code": code}
    if until is not None:
        detail["until"] = until.isoformat()
        if not changed:
            connection.execute(update(platform).where(platform.c.name == name).values(until=until))
    note(connection, at=now, actor=by, action=action, subject=name, reason=reason, detail=detail)


def resume(connection: Connection, name: str, *, by: str, reason: str | None, now: datetime) -> bool:
    """Let a platform go on; False where it was not held."""
    changed = connection.execute(
        update(platform)
        .where(platform.c.name == name, platform.c.paused)
        .values(paused=False, code=None, reason=None, paused_by=None, since=None, until=None)
    ).rowcount
    if changed:
        note(connection, at=now, actor=by, action="resume", subject=name, reason=reason)
    return bool(changed)


def end_pause(connection: Connection, name: str, now: datetime) -> bool:
    """Resume a platform whose pause had an end that has come; True where it was this call that did."""
    ended = connection.execute(
        update(platform)
        .where(platform.c.name == name, platform.c.paused, platform.c.until <= now)
        .values(paused=False, code=None, reason=None, paused_by=None, since=None, until=None)
    ).rowcount
    if ended:
        note(connection, at=now, actor="gateway", action="resume", subject=name, reason="the time of the pause is over")
    return bool(ended)


def take_slot(
    connection: Connection,
    name: str,
    interval: timedelta,
    now: datetime,
    budget: Budget | None = None,
    *,
    reach: timedelta | None = None,
) -> datetime:
    """Reserve the next free moment for one request.

    No two workers get slots closer than ``interval``, and in no stretch as long as the budget's window (and its slack)
    are there more slots than it allows. Slots never go back in time, whatever a worker's clock says,
    unless they lie further ahead than ``reach``: then a clock was wrong, and they begin anew.
    """
    row = connection.execute(
        select(platform.c.next_slot_at).where(platform.c.name == name).with_for_update()
    ).scalar_one()
    if row is not None and reach is not None and too_far(row, now, reach):
        cap_slots(connection, name, reach, now)
        tell(connection, name, "next_slot_at", row, now=now, note=note)
        row = None
    at = max(now, row) if row is not None else now
    if budget is not None:
        at = _within(connection, name, budget, at)
    connection.execute(update(platform).where(platform.c.name == name).values(next_slot_at=at + interval))
    return at


def _within(connection: Connection, name: str, budget: Budget, at: datetime) -> datetime:
    stretch = budget.window + 2 * budget.slack
    taken = select(slot.c.at).where(slot.c.platform == name).order_by(slot.c.at.desc())
    oldest = connection.execute(taken.offset(budget.requests - 1).limit(1)).scalar()
    if oldest is not None:
        at = max(at, oldest + stretch)
    connection.execute(delete(slot).where(slot.c.platform == name, slot.c.at < at - stretch))
    connection.execute(insert(slot), {"platform": name, "at": at})
    return at


Opened = tuple[int, list[int]]
"""exchange id and attempt ids"""
MOST_BROKEN = 2
"""answers in a row that break the contract, after which a third message would only be sent in vain"""
BROKEN_REPLIES = "broken_replies"


def standing(connection: Connection, name: str, now: datetime) -> PlatformStanding:
    """What stands about a platform; one without a row stands free."""
    return standing_of(platform_row(connection, name), now)


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A platform's traffic as one worker sees it.

    probe: how long one exchange may take that tries whether the platform answers again
    draw:  a number in [0, 1), fresh at each call
    answers: statuses that count as an answer of the platform
    """

    platform: str
    rules: Traffic
    probe: timedelta
    draw: Callable[[], float]
    answers: frozenset[int] = frozenset(range(500))


def open_allowed(
    connection: Connection,
    vault: Vault,
    openings: Sequence[Opening],
    lane: Lane,
    now: datetime,
    *,
    locked: LockedRows,
    writes: WriteSet,
) -> list[Opened | Stop]:
    """Open the exchanges that may leave, and say of the others what stops them.

    While the breaker is half open one may leave, over all workers; its right to be the only one ends with its answer.
    Decided in the transaction that writes the exchanges down: nothing leaves after another worker's failures have
    opened the breaker.
    """
    name, rules = lane.platform, lane.rules
    known = standing_of(locked.platform, now)
    if known.breaker.until is not None:
        known = standing_of(platform_row(connection, name, lock=True), now)
    stop, closed = stop_of(known, rules, now), stop_of(PlatformStanding(), rules, now)
    stops = [closed if opening.anyway else stop for opening in openings]
    if stop is None and known.breaker.until is not None:
        stops = _only_one(openings, known, now + lane.probe)
    going = [opening for opening, held in zip(openings, stops, strict=True) if held is None]
    opened = open_exchanges(vault, going, locked=locked, writes=writes)
    each = iter(opened)
    answers: list[Opened | Stop] = [next(each) if held is None else held for held in stops]
    if stop is None and known.breaker.until is not None and any(number for number, _ in opened):
        connection.execute(update(platform).where(platform.c.name == name).values(probe_until=now + lane.probe))
    return answers


def _only_one(openings: Sequence[Opening], known: PlatformStanding, until: datetime) -> list[Stop | None]:
    first = next((n for n, opening in enumerate(openings) if not opening.anyway), None)
    wait = Stop(
        code=BREAKER_OPEN,
        reason=breaker_words(known.breaker.code, trying=True),
        until=until,
    )
    return [None if opening.anyway or n == first else wait for n, opening in enumerate(openings)]


def hear(
    connection: Connection, lane: Lane, closings: Sequence[Closing], now: datetime, *, locked: LockedRows
) -> LockedRows:
    """Let the ends of exchanges move the breaker, and the platform's wishes its next moment for everybody.

    Gives what is locked from now on, in this transaction.
    """
    name, row = lane.platform, locked.platform
    wishes = [closing.closed_at + closing.wish for closing in closings if closing.wish]
    quiet = not row or (not row["failures"] and row["open_until"] is None and not row["broken_replies"])
    if not row or (quiet and not wishes and all(c.answered is not False and not c.broken for c in closings)):
        return locked
    row = platform_row(connection, name, lock=True)
    before = breaker = _breaker(row)
    for closing in sorted(closings, key=lambda c: c.closed_at):
        breaker = _moved(connection, lane, breaker, closing)
    not_before = max((moment for moment in (row["not_before"], *wishes) if moment is not None), default=None)
    broken, code = _broken_in_a_row(row["broken_replies"], closings)
    moved = {"not_before": not_before, "broken_replies": broken, **_columns(breaker)}
    connection.execute(update(platform).where(platform.c.name == name).values(moved))
    _tell(connection, name, before, breaker, now)
    if broken < MOST_BROKEN:
        return replace(locked, platform={**row, **moved})
    reason = f"{broken} answers in a row broke the platform's contract (last: {code}); ask its owner what has changed"
    pause(connection, name, code=BROKEN_REPLIES, reason=reason, by="gateway", now=now)
    connection.execute(update(platform).where(platform.c.name == name).values(broken_replies=0))
    return replace(locked, platform=platform_row(connection, name))


def _broken_in_a_row(known: int, closings: Sequence[Closing]) -> tuple[int, str]:
    """How many answers in a row broke the contract, and the code of the last; one that kept it begins anew."""
    code = ""
    for closing in sorted(closings, key=lambda c: c.closed_at):
        if closing.broken is not None:
            known, code = (known + 1, closing.code) if closing.broken else (0, "")
    return known, code


def _moved(connection: Connection, lane: Lane, breaker: Breaker, closing: Closing) -> Breaker:
    if closing.answered:
        return Breaker()
    now = closing.closed_at
    if closing.answered is None:
        return replace(breaker, probe_until=None)
    rules = lane.rules.breaker
    recent = _recent(connection, lane, now) if rules.share and breaker.until is None else (0, 0)
    return after_failure(breaker, rules, now, closing.code, draw=lane.draw(), recent=recent)


def _recent(connection: Connection, lane: Lane, now: datetime) -> tuple[int, int]:
    """How many of the last exchanges were not answered, and how many there were; the one at hand is among neither."""
    e, rules = exchange.c, lane.rules.breaker
    last = (
        select(e.failure, e.status)
        .where(e.platform == lane.platform, e.opened_at >= now - rules.window, e.closed_at.is_not(None))
        .where(or_(e.failure.is_(None), e.failure.not_in(OURS)))
        .order_by(e.opened_at.desc())
        .limit(rules.sample)
        .subquery()
    )
    failed = or_(last.c.failure.is_not(None), last.c.status.not_in(lane.answers))
    row = connection.execute(
        select(func.count().filter(failed).label("failed"), func.count().label("asked")).select_from(last)
    ).one()
    return int(row.failed), int(row.asked)


def _tell(connection: Connection, name: str, before: Breaker, after: Breaker, now: datetime) -> None:
    """Opening and closing leave a line in the audit trail."""
    if after.trips > before.trips and after.until is not None:
        detail = {"failures": after.failures, "trips": after.trips, "until": after.until.isoformat()}
        note(connection, at=now, actor="gateway", action="breaker_open", subject=name, reason=after.code, detail=detail)
    elif before.until is not None and after.until is None:
        note(connection, at=now, actor="gateway", action="breaker_closed", subject=name, detail={"trips": before.trips})


_FIELDS = {
    "failures": "failures",
    "trips": "trips",
    "code": "failure_code",
    "since": "open_since",
    "until": "open_until",
    "probe_until": "probe_until",
}
"""the breaker's fields and their columns"""


def _columns(breaker: Breaker) -> dict[str, Any]:
    values = {column: getattr(breaker, field) for field, column in _FIELDS.items()}
    return values | {"failure_code": None if breaker.code is None else breaker.code[:80]}


def _breaker(row: Mapping[str, Any]) -> Breaker:
    return Breaker(**{field: row[column] for field, column in _FIELDS.items()})


def standing_of(row: Mapping[str, Any], now: datetime) -> PlatformStanding:
    """How a platform stands by its row; free where it has none."""
    if not row:
        return PlatformStanding()
    paused = row["paused"] and (row["until"] is None or row["until"] > now)
    return PlatformStanding(
        pause=Stop(code=row["code"], reason=row["reason"], until=row["until"], paused=True) if paused else None,
        breaker=_breaker(row),
        not_before=row["not_before"],
    )
