"""What the gates take from outside: days, limits and switches. Defaults are the notice's, else ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from types import MappingProxyType

CHINA = timezone(timedelta(hours=8))
"""the notice's days are days of +08:00; China has known no summer time since 1991"""

CERTIFICATE_NAME = "中华人民共和国建设部职业技能岗位证书"
"""the one kind of certificate the notice speaks of (一)"""
_SUCCESSORS = MappingProxyType(
    {
        "371200": "370100",
        "372100": "370600",
        "372200": "370700",
        "372300": "371600",
        "372400": "371400",
        "372500": "371500",
        "372600": "370900",
        "372700": "370800",
        "372800": "371300",
        "372900": "371700",
    }
)
"""prefectures that no longer exist and who took over their files; 莱芜 went to 济南 in January 2019"""


@dataclass(frozen=True, kw_only=True, slots=True)
class GateRules:
    """Settings of the gates."""

    applied_before: date = date(2017, 1, 1)
    """N01: 2017年以前申报"""
    levels: frozenset[str] = frozenset({"2", "3", "4"})
    """N02: junior, intermediate, senior"""
    certificate_name: str = CERTIFICATE_NAME
    age_limit: int = 60
    age_limit_inclusive: bool = False
    """N04: whether the 60th birthday itself still counts; 以下 is read both ways"""
    contract_years: int = 1
    contract_must_run: bool = True
    """N05: whether the contract must be running on the day of the report (our reading)"""
    notice_start: date = date(2019, 1, 25)
    """N08: first day of the concentrated period; the notice's text does not name it"""
    concentrated_until: date = date(2019, 3, 31)
    notice_days: int = 7
    """N22: natural days of the public notice after its first day"""
    reviewer_differs: bool = True
    """N21: whether the reviewer must be another person than the verifier (our reading)"""
    notice_restarts: bool = True
    """N22: whether a change of what the notice showed asks for a new public notice (our reading)"""
    until: Mapping[str, date] = field(default_factory=dict)
    """rule id -> last day on which it was in force, for rules that were repealed"""
    centre_region: str = "370000"
    region_successors: Mapping[str, str] = field(default_factory=lambda: _SUCCESSORS)
    """N19: old division code -> the one that does its work now"""
    now: datetime | None = None
    """N12: moment of the intake; a report cannot be later. None leaves the rule out"""

    def city(self, region: str) -> str:
        """The prefecture that does the work of a division today; the province stands for itself."""
        prefecture = region[:4] + "00"
        return self.region_successors.get(region) or self.region_successors.get(prefecture, prefecture)


def china_date(moment: datetime) -> date:
    """The calendar day of a moment at +08:00."""
    return moment.astimezone(CHINA).date()


def add_years(day: date, years: int) -> date:
    """The same day ``years`` later; 29 February falls back to the 28th where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)
