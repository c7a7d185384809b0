"""When an answer is due: so many hours, or so many working days, after what it answers; and what is late by then.

An hour counts by the clock. A day is a working day of the calendar, and the answer is due at the end of the last one,
+08:00; the day on which the clock begins to run is not counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Self

from gateway.domain.china import CHINA
from gateway.domain.working_days import WorkCalendar

_WORDS = re.compile(r"([1-9]\d{0,3})([hd])")
_DAY = timedelta(days=1)


class PromiseKind(StrEnum):
    """Whose answer is waited for."""

    RESULT = "result"
    """the platform's, to a push: what became of it"""
    CREDIT = "credit"
    """the platform's credit feed, read through after it accepted a record"""
    ANSWER = "answer"
    """ours, to a credit event of the platform"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """So many hours or working days. ``str`` gives it as it is set: ``24h``, ``7d``."""

    count: int
    in_days: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``24h`` or ``3d``; raises ValueError for anything else."""
        found = _WORDS.fullmatch(text.strip())
        if found is None:
            raise ValueError("must be hours or working days: 24h, 3d")
        return cls(count=int(found[1]), in_days=found[2] == "d")

    def __str__(self) -> str:
        return f"{self.count}{'d' if self.in_days else 'h'}"

    def due(self, since: datetime, calendar: WorkCalendar) -> datetime:
        """When the answer to something of that moment is due, in the zone of China.

        Raises ConfigurationError where a year on the way is not in the calendar.
        """
        begun = since.astimezone(CHINA)
        if not self.in_days:
            return begun + timedelta(hours=self.count)
        return _end(calendar.after(begun.date(), self.count))

    def late_before(self, now: datetime, calendar: WorkCalendar) -> datetime:
        """What waits since before this moment is late at ``now``; what waits since then, or later, is not.

        So a store can count what is late by one comparison. Raises ConfigurationError as ``due`` does.
        """
        moment = now.astimezone(CHINA)
        if not self.in_days:
            return moment - timedelta(hours=self.count)
        # the last of the working days has to be over: a clock that began on ``day`` has had them all
        day, left = moment.date(), self.count
        while left:
            day -= _DAY
            left -= calendar.is_working(day)
        return datetime.combine(day, time(), CHINA)


def _end(day: date) -> datetime:
    return datetime.combine(day + _DAY, time(), CHINA)


@dataclass(frozen=True, kw_only=True, slots=True)
class Promises:
    """What is promised in the traffic with one platform, by either side."""

    result: Promise = Promise(count=24)
    credit: Promise = Promise(count=7, in_days=True)
    answer: Promise = Promise(count=1, in_days=True)

    def of(self, kind: PromiseKind) -> Promise:
        """The promise of a kind."""
        found: Promise = getattr(self, kind)
        return found
