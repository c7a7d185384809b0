"""When to try, poll or ask again: explicit lists of waits, stretched by jitter, never by guesswork."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


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
