"""When an answer is due, and what is late: by hours, and by working days of a year with its holidays."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.codec.codes import table
from gateway.domain.china import CHINA
from gateway.domain.errors import ConfigurationError
from gateway.domain.promises import Promise
from gateway.domain.working_days import WorkCalendar

CALENDAR = WorkCalendar.from_rows(table("working_days").rows)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


# 2019 by hand: Spring Festival 02-04 to 02-10 (work on 02-02, 02-03), Qingming 04-05, Labour Day 05-01 to 05-04 (work
# on 04-28, 05-05), Dragon Boat 06-07, Mid-Autumn 09-13, National Day 10-01 to 10-07 (work on 09-29, 10-12)
BY_HAND = [  # within, since, the moment at which the last hour or working day is over
    ("1d", "2019-01-25 09:00", "2019-01-29"),  # Friday; Monday is the day
    ("3d", "2019-01-31 10:00", "2019-02-04"),  # Friday, and the two days of the weekend that are worked
    ("3d", "2019-02-03 23:59", "2019-02-14"),  # a worked Sunday before the festival
    ("1d", "2019-04-04 16:00", "2019-04-09"),  # Qingming and a weekend
    ("5d", "2019-04-26 08:00", "2019-05-07"),  # 28 (a worked Sunday), 29, 30 April, 5 (the same) and 6 May
    ("2d", "2019-06-06 12:00", "2019-06-12"),
    ("3d", "2019-09-11 00:00", "2019-09-18"),
    ("7d", "2019-09-27 18:00", "2019-10-13"),  # ends on a worked Saturday
    ("1d", "2019-09-30 00:00", "2019-10-09"),
    ("24h", "2019-09-30 17:30", "2019-10-01 17:30"),  # hours know no holidays
    ("4h", "2019-12-31 22:00", "2020-01-01 02:00"),
]


@pytest.mark.parametrize(("within", "since", "due"), BY_HAND)
def test_a_year_with_holidays_gives_the_list_reckoned_by_hand(within: str, since: str, due: str) -> None:
    promise, begun = Promise.parse(within), at(since)
    expected = at(due) if " " in due else at(f"{due} 00:00")
    assert promise.due(begun, CALENDAR) == expected
    assert promise.due(begun.astimezone(UTC), CALENDAR) == expected, "the zone it was noted in does not count"


@pytest.mark.parametrize("within", ["1d", "3d", "7d", "1h", "24h"])
def test_what_is_late_by_one_comparison_is_late_by_its_own_clock(within: str) -> None:
    """Every hour of a simulated year against pushes at noon and at midnight of the days before."""
    promise = Promise.parse(within)
    first = at("2019-02-01 00:00")
    sent = [first + timedelta(hours=12 * n) for n in range(2 * 330)]
    due = [promise.due(one, CALENDAR) for one in sent]
    for hours in range(0, 24 * 300, 7):
        now = at("2019-03-01 00:30") + timedelta(hours=hours)
        bound = promise.late_before(now, CALENDAR)
        assert [one < bound for one in sent] == [one <= now for one in due], now


def test_a_year_that_is_not_loaded_is_an_error_and_never_weekends_only() -> None:
    last = max(CALENDAR.years)
    with pytest.raises(ConfigurationError, match="GATEWAY_CALENDAR"):
        Promise.parse("3d").due(datetime(last, 12, 31, tzinfo=CHINA), CALENDAR)
    assert CALENDAR.ends(date(2019, 5, 1)) == date(last, 12, 31)
    assert CALENDAR.ends(date(last + 2, 5, 1)) == date(last + 1, 12, 31)


@pytest.mark.parametrize("text", ["", "0h", "3", "3 d", "-1d", "1w", "24hours", "１h"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="24h, 3d"):
        Promise.parse(text)


def test_it_is_shown_as_it_is_set() -> None:
    assert [str(Promise.parse(text)) for text in ("24h", "7d", " 3d ")] == ["24h", "7d", "3d"]
