"""Maintenance windows: how they are written, and when the platform is open again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from gateway.domain.china import CHINA
from gateway.domain.traffic import next_open, parse


def at(text: str) -> datetime:
    """A moment of the week that begins on Monday, 1 April 2019."""
    day, time = text.split()
    number = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Mon+").index(day) + 1
    return datetime.fromisoformat(f"2019-04-{number:02d}T{time}:00").replace(tzinfo=CHINA)


@pytest.mark.parametrize(
    ("windows", "now", "opens"),
    [
        ([], "Mon 22:30", "Mon 22:30"),
        (["22:00-23:30"], "Mon 21:59", "Mon 21:59"),
        (["22:00-23:30"], "Mon 22:00", "Mon 23:30"),
        (["22:00-23:30"], "Mon 23:29", "Mon 23:30"),
        (["22:00-23:30"], "Mon 23:30", "Mon 23:30"),
        (["23:00-01:00"], "Tue 00:30", "Tue 01:00"),  # over midnight
        (["23:00-01:00"], "Mon 23:30", "Tue 01:00"),
        (["22:00-24:00"], "Mon 23:59", "Tue 00:00"),
        (["22:00-24:00", "00:00-02:00"], "Mon 22:10", "Tue 02:00"),  # one after the other
        (["20:00-23:00", "21:00-22:00"], "Mon 21:30", "Mon 23:00"),  # one in the other
        (["Sun 02:00-04:00"], "Sun 03:00", "Sun 04:00"),
        (["Sun 02:00-04:00"], "Sat 03:00", "Sat 03:00"),
        (["Sun 23:00-01:00"], "Mon+ 00:30", "Mon+ 01:00"),  # it is the day of its begin that counts
        (["Sun 23:00-01:00"], "Sun 00:30", "Sun 00:30"),
        (["Sat 00:00-00:00", "Sun 00:00-00:00"], "Sat 09:00", "Mon+ 00:00"),  # a whole weekend
    ],
)
def test_the_next_open_moment(windows: list[str], now: str, opens: str) -> None:
    assert next_open([parse(text) for text in windows], at(now)) == at(opens)


def test_windows_without_a_gap_hold_for_ever_and_the_search_ends() -> None:
    now = at("Mon 09:00")
    assert next_open([parse("00:00-00:00")], now) >= now + timedelta(days=7)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "22:00",
        "22-23",
        "25:00-26:00",
        "22:60-23:00",
        "24:30-01:00",
        "25:00-25:00",
        "Day 22:00-23:00",
        "So 2:00-4:00",
    ],
)
def test_another_form_is_refused_with_the_right_one(text: str) -> None:
    with pytest.raises(ValueError, match="22:00-23:30 or Sun 02:00-04:00"):
        parse(text)
