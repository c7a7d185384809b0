"""What a platform's traffic obeys, and what stands in the way of the next request. Pure; the store keeps the facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.domain.breaker import Breaker, BreakerRules
from gateway.domain.periods import CHINA
from gateway.domain.windows import Window, next_open

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
        until = "" if self.until is None else f", until {self.until.astimezone(CHINA):%Y-%m-%d %H:%M:%S} +08:00"
        return f"{self.code}: {self.reason}{until}"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the store knows of a platform: a pause in force, its breaker, and the platform's own wish."""

    pause: Stop | None = None
    breaker: Breaker = field(default_factory=Breaker)
    not_before: datetime | None = None


def stop_of(standing: Standing, traffic: Traffic, now: datetime) -> Stop | None:
    """What stands in the way now; a pause before maintenance, the breaker, and the platform's wish."""
    if standing.pause is not None:
        return standing.pause
    opens = next_open(traffic.maintenance, now)
    if opens > now:
        return Stop(code=MAINTENANCE, reason="the platform is closed at these hours", until=opens)
    shut = standing.breaker.shut_until(now)
    if shut is not None:
        breaker = standing.breaker
        trying = breaker.until is not None and now >= breaker.until
        reason = "one request is trying whether it answers again" if trying else "the platform does not answer"
        return Stop(code=BREAKER_OPEN, reason=f"{reason}; last: {breaker.code}", until=shut)
    if standing.not_before is not None and now < standing.not_before:
        return Stop(code=ASKED_TO_WAIT, reason="the platform asked to be left alone", until=standing.not_before)
    return None
