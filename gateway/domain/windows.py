"""Maintenance windows: hours of the day, or of one weekday, in which a platform takes no requests. Times of +08:00."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from gateway.domain.periods import CHINA

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
