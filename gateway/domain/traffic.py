"""Traffic rules of a platform: pace, budget, maintenance, circuit breaker, plans of waits, moments too far ahead.

Pure: the store keeps the facts, ``stop_of`` says whether a request may leave now.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from enum import StrEnum

from gateway.domain.china import CHINA
from gateway.locale import tr


class Phase(StrEnum):
    """What a breaker lets through."""

    CLOSED = "closed"
    """everything"""
    OPEN = "open"
    """nothing"""
    HALF_OPEN = "half_open"
    """one exchange at a time, over all workers, until one is answered"""


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakerRules:
    """When a breaker opens and for how long.

    failures:  exchanges in a row without the platform's own answer; 0 switches the breaker off
    share:     or this share of the last ``sample`` exchanges within ``window``; 0 switches the share off
    first:     the first time it stays open; each failed try doubles it, up to ``longest``
    jitter:    share of that time by which it may grow or shrink
    """

    failures: int = 5
    share: float = 0.5
    sample: int = 40
    window: timedelta = timedelta(minutes=10)
    first: timedelta = timedelta(seconds=30)
    longest: timedelta = timedelta(minutes=15)
    jitter: float = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Breaker:
    """A platform's breaker as it stands.

    failures:    exchanges in a row without an answer
    trips:       how often it opened since the last answer
    since:       when it opened first since the last answer
    until:       when the next try may be made; None while closed
    code:        how the last exchange failed
    probe_until: a try is under way; it counts as lost from then on
    """

    failures: int = 0
    trips: int = 0
    since: datetime | None = None
    until: datetime | None = None
    code: str | None = None
    probe_until: datetime | None = None

    def phase(self, now: datetime) -> Phase:
        """What it lets through now."""
        if self.until is None:
            return Phase.CLOSED
        return Phase.OPEN if now < self.until else Phase.HALF_OPEN

    def shut_until(self, now: datetime) -> datetime | None:
        """Until when nothing may leave: it is open, or somebody else's try is under way; None where one may go."""
        if self.until is not None and now < self.until:
            return self.until
        if self.until is not None and self.probe_until is not None and now < self.probe_until:
            return self.probe_until
        return None


def after_failure(
    breaker: Breaker,
    rules: BreakerRules,
    now: datetime,
    code: str,
    *,
    draw: float,
    recent: tuple[int, int] = (0, 0),
) -> Breaker:
    """The breaker after one more exchange without an answer.

    draw:   number in [0, 1) that spreads the next try
    recent: how many of the last exchanges within the window failed, and how many there were
    """
    counted = replace(breaker, failures=breaker.failures + 1, code=code)
    phase = breaker.phase(now)
    if phase is Phase.OPEN or rules.failures == 0:
        return counted  # a straggler that left before it opened
    failed, seen = recent
    often = rules.share > 0 and seen >= rules.sample and failed >= rules.share * seen
    if phase is Phase.CLOSED and counted.failures < rules.failures and not often:
        return counted
    planned = min(rules.first * 2 ** min(breaker.trips, 30), rules.longest)
    stretched = planned * (1 + rules.jitter * (2 * draw - 1))
    return replace(
        counted, trips=breaker.trips + 1, since=breaker.since or now, until=now + stretched, probe_until=None
    )


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FORM = re.compile(rf"(?:({'|'.join(_DAYS)})\s+)?(\d\d):(\d\d)\s*-\s*(\d\d):(\d\d)")
_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """From ``begin`` up to, but not including, ``end``; one that does not end later than it begins ends a day later.

    weekday: 0 is Monday, the day on which it begins; None: every day
    """

    begin: time
    end: time
    weekday: int | None = None

    def end_at(self, moment: datetime) -> datetime | None:
        """When the occurrence that holds this moment ends; None where none does."""
        local = moment.astimezone(CHINA)
        span = (datetime.combine(local, self.end) - datetime.combine(local, self.begin)) % _DAY or _DAY
        for day in (local.date() - _DAY, local.date()):
            begin = datetime.combine(day, self.begin, CHINA)
            if self.weekday in (None, day.weekday()) and begin <= local < begin + span:
                return begin + span
        return None


def parse(text: str) -> Window:
    """Read ``22:00-23:30`` or ``Sun 02:00-04:00``; ValueError tells the form."""
    found = _FORM.fullmatch(text.strip())
    wrong = ValueError("must look like 22:00-23:30 or Sun 02:00-04:00")
    if found is None:
        raise wrong
    day, *numbers = found.groups()
    hour, minute, end_hour, end_minute = (int(number) for number in numbers)
    try:
        begin, end = time(hour, minute), time(end_hour % 24 if end_minute == 0 else end_hour, end_minute)
    except ValueError:
        raise wrong from None
    if end_hour > 24:
        raise wrong
    return Window(begin=begin, end=end, weekday=None if day is None else _DAYS.index(day))


def next_open(windows: Sequence[Window], now: datetime) -> datetime:
    """The first moment from now on outside every window; now itself where none holds it.

    Windows that leave no minute of a week free would hold for ever; then a moment a week ahead is given, and asked
    about again when it comes.
    """
    moment = now
    while moment < now + 7 * _DAY:
        ends = [end for end in (window.end_at(moment) for window in windows) if end is not None]
        if not ends:
            return moment
        moment = max(ends)
    return moment


MAINTENANCE, BREAKER_OPEN, ASKED_TO_WAIT = "maintenance", "breaker_open", "asked_to_wait"
IN_FLIGHT, PACED = "in_flight", "paced"
KEPT_BACK = "held"
OURS = frozenset({KEPT_BACK, "lease_short"})
"""failures of an exchange that say nothing about the platform: we kept the request back after it was written down"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """At most ``requests`` in any stretch of time as long as ``window``, wherever it begins."""

    requests: int
    window: timedelta

    @property
    def slack(self) -> timedelta:
        """How late a request may leave after its slot, and the same again for its way; the slots keep it free."""
        return min(timedelta(seconds=1), self.window / 10) / 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """The rules of a platform's traffic beside its pace."""

    budget: Budget | None = None
    maintenance: tuple[Window, ...] = ()
    breaker: BreakerRules = field(default_factory=BreakerRules)


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Why nothing may leave for a platform, and, where known, until when.

    code: ``maintenance``, ``breaker_open``, ``asked_to_wait``, ``in_flight``, ``paced``, or, with ``paused``, its own
    """

    code: str
    reason: str
    until: datetime | None
    paused: bool = False

    @property
    def text(self) -> str:
        """One line for people and reports."""
        about = {"code": self.code, "reason": self.reason}
        if self.until is None:
            return tr("{code}: {reason}", **about)
        until = f"{self.until.astimezone(CHINA):%Y-%m-%d %H:%M:%S} +08:00"
        return tr("{code}: {reason}, until {until}", **about, until=until)


@dataclass(frozen=True, kw_only=True)
class PlatformStanding:
    """What the store knows of a platform: a pause in force, its breaker, and the platform's own wish."""

    pause: Stop | None = None
    breaker: Breaker = field(default_factory=Breaker)
    not_before: datetime | None = None


def stop_of(standing: PlatformStanding, traffic: Traffic, now: datetime) -> Stop | None:
    """What stands in the way now; a pause before maintenance, the breaker, and the platform's wish."""
    if standing.pause is not None:
        return standing.pause
    opens = next_open(traffic.maintenance, now)
    if opens > now:
        return Stop(code=MAINTENANCE, reason=tr("the platform is closed at these hours"), until=opens)
    shut = standing.breaker.shut_until(now)
    if shut is not None:
        breaker = standing.breaker
        trying = breaker.until is not None and now >= breaker.until
        return Stop(code=BREAKER_OPEN, reason=breaker_words(breaker.code, trying=trying), until=shut)
    if standing.not_before is not None and now < standing.not_before:
        return Stop(code=ASKED_TO_WAIT, reason=tr("the platform asked to be left alone"), until=standing.not_before)
    return None


def breaker_words(code: str | None, *, trying: bool) -> str:
    """Why the breaker lets nothing through, with the code of the last failure."""
    if trying:
        return tr("one request is trying whether it answers again; last: {code}", code=code)
    return tr("the platform does not answer; last: {code}", code=code)


MARGIN = timedelta(minutes=1)
"""how far two clocks may differ without being wrong"""
_WAITERS = 256
"""most requests that wait for slots of one platform at once, over all workers"""


@dataclass(frozen=True, kw_only=True)
class Reaches:
    """How far ahead of now each kind of moment can lie."""

    slot: timedelta
    wish: timedelta
    breaker: timedelta
    lease: timedelta
    due: timedelta


def reaches(*, plans: Sequence[Waits], interval: timedelta, traffic: Traffic, lease: timedelta) -> Reaches:
    """By a platform's plans, pace and rules; ``lease`` is the longest that a delivery is leased for at once."""
    budget, breaker = traffic.budget, traffic.breaker
    stretch = budget.window + 2 * budget.slack if budget else timedelta()
    return Reaches(
        slot=_WAITERS * interval + stretch,
        wish=max(plan.longest_wish for plan in plans),
        breaker=max(breaker.longest * (1 + breaker.jitter), breaker.first * (1 + breaker.jitter), lease),
        lease=2 * lease,
        due=max(2 * lease, *map(_longest, plans)),
    )


def _longest(plan: Waits) -> timedelta:
    planned = max((*plan.steps, plan.then or timedelta()), default=timedelta())
    return max(planned * (1 + plan.jitter), plan.longest_wish)


def too_far(kept: datetime | None, now: datetime, reach: timedelta) -> bool:
    """Whether a kept moment cannot have been planned by a clock that was right."""
    return kept is not None and kept - now > reach + MARGIN


@dataclass(frozen=True, kw_only=True, slots=True)
class Waits:
    """A list of waits, then a last one repeated until ``give_up`` rounds or for ever."""

    steps: tuple[timedelta, ...]
    then: timedelta | None = None
    """repeated after the steps; None ends the plan with them"""
    give_up_after: timedelta | None = None
    """total span after which the plan ends even if ``then`` goes on"""
    jitter: float = 0.2
    """share of the wait by which it may grow or shrink"""
    longest_wish: timedelta = timedelta(hours=1)
    """the platform's own Retry-After is obeyed up to this"""

    def wait(self, round_no: int, *, draw: float = 0.5, wish: timedelta | None = None) -> timedelta | None:
        """Return the wait before round ``round_no`` (from 1), or None when the plan is used up.

        draw:  number in [0, 1) drawn by the caller, so that the plan stays reproducible
        wish:  what the platform asked for; never undercut, obeyed up to ``longest_wish``
        """
        if round_no <= len(self.steps):
            planned = self.steps[round_no - 1]
        elif self.then is None or self._spent(round_no):
            return None
        else:
            planned = self.then
        stretched = planned * (1 + self.jitter * (2 * draw - 1))
        return stretched if wish is None else max(stretched, min(wish, self.longest_wish))

    def _spent(self, round_no: int) -> bool:
        if self.give_up_after is None or self.then is None:
            return False
        span = sum(self.steps, timedelta()) + self.then * (round_no - len(self.steps))
        return span > self.give_up_after


def waits(*seconds: float, then: float | None = None, give_up_after: float | None = None, jitter: float = 0.2) -> Waits:
    """Build ``Waits`` from plain seconds."""
    return Waits(
        steps=tuple(timedelta(seconds=s) for s in seconds),
        then=None if then is None else timedelta(seconds=then),
        give_up_after=None if give_up_after is None else timedelta(seconds=give_up_after),
        jitter=jitter,
    )
