"""A circuit breaker as values: when it opens, for how long, and who may try whether the platform is back. Pure.

What counts is whether the platform itself answered. A refused record is an answer; a reset, a time-out, a proxy's error
page or an empty body is none. "Too many requests" and a refused login say nothing either way: others see to those.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


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
