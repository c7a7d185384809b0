"""Days and periods of disclosure."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from gateway.codec.codes import table
from gateway.credit.rules.periods import DisclosureRule, PeriodSource, add_period, disclosure
from gateway.domain.china import CHINA, day_start, end_of

RULES = tuple(
    DisclosureRule.from_row(row) for row in table("credit_disclosure_rule").rows if row["used_for"] == "PLATFORM"
)


@pytest.mark.parametrize(
    ("day", "period", "expected"),
    [
        (date(2019, 8, 31), "P6M", date(2020, 2, 29)),
        (date(2020, 2, 29), "P1Y", date(2021, 2, 28)),
        (date(2019, 1, 15), "P3Y", date(2022, 1, 15)),
        (date(2019, 11, 30), "P1M", date(2019, 12, 30)),
        (date(2019, 12, 31), "P1Y2M3D", date(2021, 3, 3)),
        (date(2019, 5, 1), "P0D", date(2019, 5, 1)),
    ],
)
def test_months_clamp_to_the_end_of_the_month(day: date, period: str, expected: date) -> None:
    assert add_period(day, period) == expected


@pytest.mark.parametrize("text", ["P", "6M", "P6W", ""])
def test_a_text_that_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a period"):
        add_period(date(2019, 1, 1), text)


def test_an_inclusive_end_is_bounded_by_the_next_midnight_of_china() -> None:
    assert end_of(date(2019, 3, 31)) == datetime(2019, 4, 1, tzinfo=CHINA)
    assert end_of(date(2019, 3, 31)).utcoffset() == timedelta(hours=8)


def _period(**changes: object) -> tuple[datetime | None, datetime | None, PeriodSource, str | None]:
    given: dict[str, object] = {
        "begin": None,
        "end": None,
        "decided": date(2019, 5, 10),
        "category": "BAD",
        "severities": frozenset(),
        "sanction_end": None,
        "rules": RULES,
    }
    found = disclosure(**{**given, **changes})  # type: ignore[arg-type]
    return found.begin, found.end, found.source, found.rule_id


def test_a_received_period_wins_over_the_rules() -> None:
    assert _period(begin=date(2019, 6, 1), end=date(2019, 6, 30)) == (
        day_start(date(2019, 6, 1)),
        day_start(date(2019, 7, 1)),
        PeriodSource.RECEIVED,
        None,
    )


@pytest.mark.parametrize(
    ("changes", "begin", "end", "rule"),
    [
        ({}, date(2019, 5, 10), date(2019, 11, 10), "R-241-BAD"),
        ({"begin": date(2019, 5, 20)}, date(2019, 5, 20), date(2019, 11, 20), "R-241-BAD"),
        ({"decided": date(2017, 5, 10)}, date(2017, 5, 10), date(2017, 11, 10), "R-2007-BAD"),
        ({"category": "GOOD"}, date(2019, 5, 10), date(2022, 5, 10), "R-241-GOOD"),
        ({"category": "BLACKLIST"}, date(2019, 5, 10), date(2020, 5, 10), "R-241-BLACK"),
        ({"category": "BASIC"}, date(2019, 5, 10), None, "R-241-BASIC"),
        (
            {"decided": date(2026, 5, 10), "severities": frozenset({"SERIOUS"})},
            date(2026, 5, 10),
            date(2027, 5, 10),
            "R-NDRC36-SERIOUS",
        ),
        (
            {"category": "EXAM_INTEGRITY", "severities": frozenset({"SERIOUS", "EXAM31:7"})},
            date(2019, 5, 10),
            date(2024, 5, 10),
            "R-EXAM31-7",
        ),
        (
            {"category": "EXAM_INTEGRITY", "severities": frozenset({"SERIOUS", "EXAM31:8"})},
            date(2019, 5, 10),
            None,
            "R-EXAM31-8",
        ),
        ({"sanction_end": date(2020, 5, 9)}, date(2019, 5, 10), date(2020, 5, 10), "R-241-BAD"),
    ],
)
def test_a_missing_end_comes_from_the_rule_in_force_on_the_decision_date(
    changes: dict[str, object], begin: date, end: date | None, rule: str
) -> None:
    assert _period(**changes) == (day_start(begin), end and day_start(end), PeriodSource.COMPUTED, rule)


def test_a_minor_matter_is_not_disclosed_by_rule() -> None:
    begin, end, source, rule = _period(decided=date(2026, 5, 10), severities=frozenset({"MINOR"}))
    assert (begin, end, source, rule) == (None, None, PeriodSource.COMPUTED, "R-NDRC36-MINOR")


@pytest.mark.parametrize("changes", [{"category": "SUPERVISION"}, {"decided": None}])
def test_without_a_rule_or_a_day_there_is_no_period(changes: dict[str, object]) -> None:
    assert _period(**changes) == (None, None, PeriodSource.NONE, None)
