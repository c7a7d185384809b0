"""Days at +08:00, the calendar of the notice and of all platforms."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone

CHINA = timezone(timedelta(hours=8))
"""all days of the rules are days of +08:00"""


def day_start(day: date) -> datetime:
    """00:00 +08:00 of the day."""
    return datetime.combine(day, time(), CHINA)


def end_of(day: date) -> datetime | None:
    """The exclusive bound of an inclusive last day (R04): 00:00 +08:00 of the next one.

    None for 9999-12-31, which is how "no end" is written.
    """
    return None if day == date.max else day_start(day + timedelta(days=1))
