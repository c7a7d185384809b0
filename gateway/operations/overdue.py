"""The promise clocks: which answers are late, which will be soon, and whose they are. Told before, not after."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.credit.store import promises as credit_promises
from gateway.delivery.store import promises as delivery_promises
from gateway.delivery.store.promises import AwaitedAnswer, AwaitedAnswers
from gateway.domain.errors import ConfigurationError
from gateway.domain.promises import Promise, PromiseKind, Promises
from gateway.domain.records import RecordKind
from gateway.domain.working_days import WorkCalendar
from gateway.intake.store.refused import places
from gateway.store.engine import Connection

_DAY = timedelta(hours=24)
_LAST_SHARE = 4
"""a promise in hours is told of in its last quarter, one in working days a day before it is due"""


@dataclass(frozen=True, kw_only=True)
class PromiseClock:
    """One promise of one platform: how many answers are waited for, late, or due within ``soon``.

    oldest_due: when the first of them is, or was, due
    """

    platform: str
    promise: PromiseKind
    within: str
    waiting: int
    late: int
    soon: int
    oldest_due: datetime | None


@dataclass(frozen=True, kw_only=True)
class DueAnswer:
    """One answer that is late or due soon. ``delivery`` of a push, ``event`` of a credit event of the platform."""

    platform: str
    promise: PromiseKind
    since: datetime
    due: datetime
    late: bool
    delivery: int | None = None
    event: str | None = None
    batch: str | None = None
    row: int | None = None


@dataclass(frozen=True, kw_only=True)
class PromiseWatch:
    """What is watched: the promises of the platforms, which of them give credit feedback, the calendar, the moment.

    soon: how long before it is due an answer counts as due soon; None: as long as befits the promise
    """

    promises: Mapping[str, Promises]
    giving: Collection[str]
    calendar: WorkCalendar
    now: datetime
    soon: timedelta | None = None

    def all(self) -> list[tuple[str, PromiseKind]]:
        """Platforms with the promises that concern them: those about credit where it gives feedback."""
        return [
            (platform, kind)
            for platform in sorted(self.promises)
            for kind in PromiseKind
            if kind is PromiseKind.RESULT or platform in self.giving
        ]

    def bounds(self, promise: Promise) -> tuple[datetime, datetime]:
        """What waits since before the first is late; since before the second, late or due soon."""
        ahead = _DAY if promise.in_days else timedelta(hours=promise.count) / _LAST_SHARE
        late = promise.late_before(self.now, self.calendar)
        return late, max(late, promise.late_before(self.now + (self.soon or ahead), self.calendar))


def clocks(connection: Connection, watch: PromiseWatch) -> list[PromiseClock]:
    """Every promise of every platform. Raises ConfigurationError where the calendar lacks a year that is needed."""
    return [_clock(connection, watch, platform, kind) for platform, kind in watch.all()]


def known_clocks(connection: Connection, watch: PromiseWatch) -> list[PromiseClock]:
    """As ``clocks``, without the promises in working days for which the calendar lacks a year."""
    found = []
    for platform, kind in watch.all():
        with suppress(ConfigurationError):
            found.append(_clock(connection, watch, platform, kind))
    return found


def _clock(connection: Connection, watch: PromiseWatch, platform: str, kind: PromiseKind) -> PromiseClock:
    promise = watch.promises[platform].of(kind)
    counted = _counted(connection, platform, kind, *watch.bounds(promise))
    return PromiseClock(
        platform=platform,
        promise=kind,
        within=str(promise),
        waiting=counted.waiting,
        late=counted.late,
        soon=counted.soon,
        oldest_due=None if counted.oldest is None else promise.due(counted.oldest, watch.calendar),
    )


def _counted(
    connection: Connection, platform: str, kind: PromiseKind, late: datetime, soon: datetime
) -> AwaitedAnswers:
    if kind is PromiseKind.RESULT:
        return delivery_promises.results(connection, platform, late, soon)
    if kind is PromiseKind.CREDIT:
        after = credit_promises.read_through_at(connection, platform)
        return delivery_promises.unread(connection, platform, after, late, soon)
    waiting, past, coming, oldest = credit_promises.unsent(connection, platform, late, soon)
    return AwaitedAnswers(waiting=waiting, late=past, soon=coming, oldest=oldest)


def due_answers(connection: Connection, watch: PromiseWatch, limit: int) -> list[DueAnswer]:
    """What is late or due soon, the longest due first, at most ``limit``, with the city's row where there is one."""
    found: list[tuple[DueAnswer, AwaitedAnswer | None]] = []
    for platform, kind in watch.all():
        promise = watch.promises[platform].of(kind)
        late, soon = watch.bounds(promise)
        for event, awaited, since in _listed(connection, platform, kind, soon, limit):
            one = DueAnswer(
                platform=platform,
                promise=kind,
                since=since,
                due=promise.due(since, watch.calendar),
                late=since < late,
                event=event,
                delivery=None if awaited is None else awaited.delivery,
            )
            found.append((one, awaited))
    found.sort(key=lambda pair: pair[0].due)
    return _placed(connection, found[:limit])


def _listed(
    connection: Connection, platform: str, kind: PromiseKind, before: datetime, limit: int
) -> list[tuple[str | None, AwaitedAnswer | None, datetime]]:
    """The credit event or the delivery that waits since before a moment, and since when."""
    if kind is PromiseKind.ANSWER:
        events = credit_promises.unsent_listed(connection, platform, before, limit)
        return [(event, None, since) for event, since in events]
    if kind is PromiseKind.RESULT:
        awaited = delivery_promises.results_listed(connection, platform, before, limit)
    else:
        after = credit_promises.read_through_at(connection, platform)
        awaited = delivery_promises.unread_listed(connection, platform, after, before, limit)
    return [(None, one, one.since) for one in awaited]


def _placed(connection: Connection, found: list[tuple[DueAnswer, AwaitedAnswer | None]]) -> list[DueAnswer]:
    asked = [(RecordKind(awaited.kind), awaited.record_key) for _, awaited in found if awaited is not None]
    rows = places(connection, asked)
    placed = []
    for one, awaited in found:
        place = None if awaited is None else rows.get(awaited.record_key)
        told = {} if place is None else {"batch": place.batch, "row": place.row_no}
        placed.append(DueAnswer(**{**vars(one), **told}))
    return placed
