"""Which cities have reported nothing in a period: by default the concentrated one of the notice (三(一))."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from gateway.codec.codes import table
from gateway.intake.rules.gate_rules import GateRules, china_date
from gateway.intake.rules.gates import REPORT_NO
from gateway.intake.store import views
from gateway.intake.store.views import ReportCount
from gateway.store.engine import Store


@dataclass(kw_only=True)
class CityReports:
    """What one city reported in the period; ``rows`` counts all, ``admitted`` those that went."""

    city: str
    name_zh: str
    reports: int = 0
    rows: int = 0
    admitted: int = 0
    last_read_at: datetime | None = None

    @property
    def missing(self) -> bool:
        """Whether it reported nothing."""
        return self.reports == 0


def city_reports(store: Store, rules: GateRules, since: date, until: date) -> list[CityReports]:
    """Every city of today, and the province for what it issued directly, with its reports of the period.

    A report belongs to the month of its number; one without a number to the day on which it was read.
    """
    with store.read() as connection:
        return count(views.report_counts(connection), rules, since, until)


def count(found: Iterable[ReportCount], rules: GateRules, since: date, until: date) -> list[CityReports]:
    """The same over given reports."""
    rows = table("division_shandong_history").rows
    cities = {
        row["code"]: CityReports(city=row["code"], name_zh=row["name_zh"])
        for row in sorted(rows, key=lambda row: row["code"])
        if row["current"] == "yes" and row["level"] in ("prefecture", "province")
    }
    for one in found:
        city = cities.get(rules.city(one.report_no[:6])) if one.report_no else None
        if city is not None and _within(one, since, until):
            city.reports += 1
            city.rows += one.rows
            city.admitted += one.admitted
            city.last_read_at = max(city.last_read_at or one.last_read_at, one.last_read_at)
    return list(cities.values())


def _within(one: ReportCount, since: date, until: date) -> bool:
    if one.report_no is None or not REPORT_NO.fullmatch(one.report_no):
        return since <= china_date(one.last_read_at) <= until
    month = (int(one.report_no[7:11]), int(one.report_no[11:13]))
    return (since.year, since.month) <= month <= (until.year, until.month)
