"""The cities' own performance (五(六)): what they reported, what came back, how soon they put it right, complaints."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from typing import Any

from gateway.codec.codes import table
from gateway.credit.supervision import is_city
from gateway.domain.china import CHINA
from gateway.domain.promises import Promise
from gateway.domain.working_days import WorkCalendar
from gateway.operations.store import performance as counting
from gateway.operations.store.performance import CityPerformance
from gateway.store.engine import Store

CORRECTED_WITHIN = 10
"""working days in which a city puts right what was returned to it"""


def city_figures(
    store: Store,
    calendar: WorkCalendar,
    since: date,
    until: date,
    *,
    now: datetime,
    within: int = CORRECTED_WITHIN,
) -> list[dict[str, Any]]:
    """Every city with its figures, also one that reported nothing; both days belong to the period.

    within: working days for a correction. ConfigurationError where the calendar lacks a year that is needed.
    """
    promise = Promise(count=within, in_days=True)
    first = datetime.combine(since, time(), CHINA)
    end = datetime.combine(until + timedelta(days=1), time(), CHINA)
    with store.read() as connection:
        found = counting.performances(
            connection, first, end, now=now, last_day=lambda moment: promise.due(moment, calendar)
        )
        counting.add_checks(connection, found, since, until)
    names = {row["code"]: row["name_zh"] for row in table("division_shandong").rows}
    codes = sorted({*(code for code in names if is_city(code)), *found})
    return [_told(found.get(code) or CityPerformance(city=code), names.get(code, code)) for code in codes]


def _told(one: CityPerformance, name: str) -> dict[str, Any]:
    figures = asdict(one)
    share = None if not one.rows else round(100 * one.returned / one.rows, 1)
    return {"city": figures.pop("city"), "name_zh": name, **figures, "returned_percent": share}
