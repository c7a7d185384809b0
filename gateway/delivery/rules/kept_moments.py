"""Moments that are kept and waited for: how far ahead each can lie at most. Pure.

A slot, a due time, a lease, a platform's wish and an open breaker are absolute moments. One further ahead than its own
plan can reach was written while a clock was wrong; to wait for it would be to wait for days in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.schedule import Waits
from gateway.domain.traffic import Traffic

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
