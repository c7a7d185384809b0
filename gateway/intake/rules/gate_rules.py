"""What the gates take from outside: days, limits and switches. Defaults are the notice's, else ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from functools import lru_cache

from gateway.intake.rules.divisions import cities

CHINA = timezone(timedelta(hours=8))
"""the notice's days are days of +08:00; China has known no summer time since 1991"""

CERTIFICATE_NAME = "中华人民共和国建设部职业技能岗位证书"
"""the one kind of certificate the notice speaks of (一)"""


class FilingDay(StrEnum):
    """Which step of a filing is its day; the notice names none."""

    REPORT = "report"
    """the city's report to the centre"""
    PROMISE = "promise"
    """the applicant's promise, with which the filing is handed in"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A verification point of the centre's register: its city, and the days on which it may verify."""

    city: str
    since: date = date.min
    until: date = date.max


@dataclass(frozen=True, kw_only=True, slots=True)
class GateRules:
    """Settings of the gates."""

    applied_before: date = date(2017, 1, 1)
    """N01: 2017年以前申报"""
    levels: frozenset[str] = frozenset({"2", "3", "4"})
    """N02: junior, intermediate, senior"""
    certificate_name: str = CERTIFICATE_NAME
    judged_on: FilingDay = FilingDay.REPORT
    """N04, N05, N08: the day on which age and contract count and the period is told (our reading)"""
    age_limit: int = 60
    age_limit_inclusive: bool = False
    """N04: whether the 60th birthday itself still counts; 以下 is read both ways"""
    least_age: int = 16
    """R-ORDER: nobody was trained, examined or employed younger (Labour Law, article 15)"""
    contract_years: int = 1
    contract_must_run: bool = True
    """N05: whether the contract must be running on the day of the report (our reading)"""
    notice_start: date = date(2019, 1, 25)
    """N08: first day of the concentrated period; the notice's text does not name it"""
    concentrated_until: date = date(2019, 3, 31)
    notice_days: int = 7
    """N22: natural days of the public notice"""
    notice_first_day_counts: bool = False
    """N22: whether the first day is one of them: 1 to 7 March instead of 1 to 8 March (our reading: it is not)"""
    city_reviews_province: bool = False
    """N11: whether a city may review what the province issued directly; 五(四) has cities review all, N19 the centre"""
    reviewer_differs: bool = True
    """N21: whether the reviewer must be another person than the verifier (our reading)"""
    notice_restarts: bool = True
    """N22: whether a change of what the notice showed asks for a new public notice (our reading)"""
    until: Mapping[str, date] = field(default_factory=dict)
    """rule id -> last day on which it was in force, for rules that were repealed"""
    new_form_since: date | None = None
    """from which day of the report on the form's later columns must be filled in (N10, N18, N29, N33); None: never"""
    scans_since: date | None = None
    """N34: from which day of the report on scans of certificate and contract must come with a row; None: never"""
    points: Mapping[str, Point] | None = None
    """N19: the register of verification points by code; None: any code that begins with its division"""
    centre_region: str = "370000"
    now: datetime | None = None
    """N12: moment of the intake; a report cannot be later. None leaves the rule out"""

    def city(self, region: str) -> str:
        """The prefecture that does the work of a division today; the province stands for itself."""
        return cities(region)[0]

    def same_city(self, first: str, second: str) -> bool:
        """Whether one prefecture does the work of both divisions; a code of two places in turn may be either."""
        return first == second or not set(cities(first)).isdisjoint(cities(second))

    @property
    def notice_span(self) -> timedelta:
        """From the first day of the public notice to the last day it must stand."""
        return timedelta(days=self.notice_days - self.notice_first_day_counts)


@lru_cache(maxsize=4096)
def china_date(moment: datetime) -> date:
    """The calendar day of a moment at +08:00."""
    return moment.astimezone(CHINA).date()


def add_years(day: date, years: int) -> date:
    """The same day ``years`` later; 29 February falls back to the 28th where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def last_day_of_years(day: date, years: int) -> date:
    """The last day of a period of years that begins on a day and counts it (Civil Code, articles 201 and 202).

    It is the day before the same date; where the last month has no such date, the last day of that month.
    """
    following = add_years(day, years)
    return following if following.day != day.day else following - timedelta(days=1)
