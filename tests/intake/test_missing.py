"""Which cities have reported: by the month of the report's number, by successor, and on both kinds of store."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import insert

from gateway.intake.missing import city_reports, count
from gateway.intake.rules.gate_rules import GateRules
from gateway.intake.store.tables import filing
from gateway.intake.store.views import ReportCount
from gateway.store.engine import Store
from gateway.store.tables import batch

RULES = GateRules()
CONCENTRATED = (RULES.notice_start, RULES.concentrated_until)
MARCH = datetime(2019, 3, 31, 15, 59, tzinfo=UTC)
APRIL = datetime(2019, 3, 31, 16, 0, tzinfo=UTC)


def one(number: str | None, read_at: datetime = MARCH) -> ReportCount:
    return ReportCount(report_no=number, rows=3, admitted=2, last_read_at=read_at)


def reporting(*found: ReportCount, period: tuple[date, date] = CONCENTRATED) -> set[str]:
    return {city.city for city in count(found, RULES, *period) if not city.missing}


def test_every_city_of_today_and_the_province_is_listed() -> None:
    cities = count([], RULES, *CONCENTRATED)
    assert len(cities) == 17
    assert all(city.missing for city in cities)
    assert {"370000", "370100", "371700"} < {city.city for city in cities}
    assert "371200" not in {city.city for city in cities}


@pytest.mark.parametrize(
    ("report", "city"),
    [
        (one("370100-201903-01"), {"370100"}),
        (one("370100-201903-01", APRIL), {"370100"}),
        (one("370100-201901-01"), {"370100"}),
        (one("370100-201904-01"), set()),
        (one("370100-201812-01"), set()),
        (one("371200-201902-01"), {"370100"}),
        (one("370112-201902-01"), {"370100"}),
        (one("370000-201902-01"), {"370000"}),
        (one("370200"), {"370200"}),
        (one("370200", APRIL), set()),
        (one(None), set()),
        (one("110000-201902-01"), set()),
    ],
)
def test_a_report_counts_for_its_city_in_the_period_of_its_number(report: ReportCount, city: set[str]) -> None:
    assert reporting(report) == city


def test_another_period_can_be_asked_for() -> None:
    year = (date(2020, 1, 1), date(2020, 12, 31))
    assert reporting(one("370100-202012-01"), one("370200-201912-01"), period=year) == {"370100"}


def test_what_the_store_holds_is_counted_by_report(store: Store) -> None:
    with store.write() as c:
        for number, (name, read_at) in enumerate([("a", MARCH), ("b", APRIL)]):
            counts = dict.fromkeys(("rows", "admitted", "refused", "held", "unchanged"), 0)
            c.execute(insert(batch).values(id=number + 1, name=name, digest=name, read_at=read_at, **counts))
        rows = [(1, 1, "admit", "370100-201903-01"), (1, 2, "refuse", "370100-201903-01")]
        rows += [(2, 1, "unchanged", "370100-201903-01"), (2, 2, "hold", "370600-201903-02"), (2, 3, "refuse", None)]
        for batch_id, row_no, outcome, report_no in rows:
            values = {"batch_id": batch_id, "row_no": row_no, "outcome": outcome, "report_no": report_no}
            c.execute(insert(filing).values(cells=b"", failures=[], **values))
    found = {city.city: city for city in city_reports(store, RULES, *CONCENTRATED) if not city.missing}
    assert {key: (city.reports, city.rows, city.admitted) for key, city in found.items()} == {
        "370100": (1, 3, 2),
        "370600": (1, 1, 0),
    }
    assert found["370100"].last_read_at == APRIL
