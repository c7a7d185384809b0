"""Working days with the yearly holidays and make-up days."""

from __future__ import annotations

from datetime import date

import pytest

from gateway.codec.codes import table
from gateway.domain.errors import ConfigurationError
from gateway.domain.working_days import WorkCalendar

CALENDAR = WorkCalendar.from_rows(table("working_days").rows)


@pytest.mark.parametrize(
    ("day", "count", "last"),
    [
        (date(2019, 9, 27), 7, date(2019, 10, 12)),  # a Saturday that was worked
        (date(2019, 4, 2), 1, date(2019, 4, 3)),
        (date(2019, 4, 3), 3, date(2019, 4, 9)),
        (date(2020, 1, 23), 1, date(2020, 2, 3)),  # the spring festival was lengthened
        (date(2019, 4, 2), 0, date(2019, 4, 2)),
    ],
)
def test_days_are_counted_with_holidays_and_make_up_days(day: date, count: int, last: date) -> None:
    assert CALENDAR.after(day, count) == last


def test_a_year_that_is_not_loaded_is_refused_and_never_taken_for_weekends_only() -> None:
    with pytest.raises(ConfigurationError, match="2041"):
        CALENDAR.is_working(date(2041, 5, 1))
    last = date(max(CALENDAR.years), 12, 31)
    with pytest.raises(ConfigurationError):
        CALENDAR.after(last, 1)
    assert CALENDAR.due(last, 1) is None


def test_other_kinds_of_days_are_refused() -> None:
    with pytest.raises(ValueError, match="OFF or WORK"):
        WorkCalendar.from_rows([{"day": "2019-05-01", "kind": "MAYBE"}])
