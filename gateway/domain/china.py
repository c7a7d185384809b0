"""Days at +08:00, the calendar of the notice and of all platforms."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone


def in_calendar(value: date | None) -> bool:
    """Whether a moment, or the start of a day, can be told both in UTC and in +08:00; true for None.

    RFC 3339 allows moments of which one of the two lies outside the years 1 to 9999, such as 0001-01-01T00:00:00+08:00.
    """
    if value is None:
        return True
    try:
        (value if isinstance(value, datetime) else day_start(value)).astimezone(UTC).astimezone(CHINA)
    except OverflowError:
        return False
    return True


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
