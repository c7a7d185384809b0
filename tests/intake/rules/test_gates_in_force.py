"""Each rule counts on the days on which it is in force, to the midnight in China."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from gateway.intake.rules.filing import Filing
from gateway.intake.rules.gate_rules import CHINA, GateRules
from gateway.intake.rules.gate_table import GATES
from gateway.intake.rules.gates import in_force, judge
from gateway.settings import last_days

NOTICE_RULES = {gate.id for gate in GATES if gate.id.startswith("N")}
OURS = {gate.id for gate in GATES} - NOTICE_RULES


def ids(day: date, rules: GateRules | None = None) -> set[str]:
    return {gate.id for gate in in_force(day, rules or GateRules())}


def gates(filing: Filing, rules: GateRules | None = None) -> set[str]:
    return {failure.gate for failure in judge(filing, rules or GateRules())}


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2018, 12, 31), OURS | {"N08"}),
        (date(2019, 1, 24), OURS | {"N08"}),
        (date(2019, 1, 25), OURS | NOTICE_RULES - {"N09"}),
        (date(2019, 3, 31), OURS | NOTICE_RULES - {"N09"}),
        (date(2019, 4, 1), OURS | NOTICE_RULES),
        (date.max, OURS | NOTICE_RULES),
    ],
)
def test_on_each_day_the_rules_of_that_day_are_in_force(day: date, expected: set[str]) -> None:
    assert ids(day) == expected


def test_no_rule_ends_before_it_begins() -> None:
    start = GateRules().notice_start
    assert [gate.id for gate in GATES if gate.begins(start) > gate.until] == []


@pytest.mark.parametrize(
    ("reported", "judged"),
    [
        (datetime(2019, 3, 31, 23, 59, 59, tzinfo=CHINA), False),
        (datetime(2019, 4, 1, 0, 0, tzinfo=CHINA), True),
        (datetime(2019, 3, 31, 15, 59, 59, tzinfo=UTC), False),
        (datetime(2019, 3, 31, 16, 0, tzinfo=UTC), True),
    ],
)
def test_a_rule_begins_at_midnight_in_china(reported: datetime, judged: bool) -> None:
    foreign = Filing(batch_no="370200-201904-01", review_region="370100", reported_at=reported)
    assert ("N09" in gates(foreign)) is judged


@pytest.mark.parametrize(("day", "judged"), [(10, True), (11, True), (12, False)])
def test_a_repealed_rule_counts_to_its_last_day(day: int, judged: bool) -> None:
    rules = GateRules(until={"N20": date(2019, 3, 11)})
    filing = Filing(seal_stamped=False, reported_at=datetime(2019, 3, day, 12, tzinfo=CHINA))
    assert ("N20" in gates(filing, rules)) is judged
    assert "N21" in gates(filing, rules), "the others stay"


def test_the_leap_day_is_a_day_like_others() -> None:
    rules = GateRules(until={"N20": date(2020, 2, 29)})
    assert "N20" in ids(date(2020, 2, 29), rules)
    assert "N20" not in ids(date(2020, 3, 1), rules)


@pytest.mark.parametrize(("day", "judged"), [(9, False), (10, True), (11, True)])
def test_the_rules_of_the_notice_begin_with_the_day_that_is_set_for_it(day: int, judged: bool) -> None:
    rules = GateRules(notice_start=date(2019, 2, 10))
    assert ("N01" in ids(date(2019, 2, day), rules)) is judged
    assert "R-ORDER" in ids(date(2019, 2, day), rules)


def test_a_row_without_a_report_is_judged_by_the_day_of_its_intake() -> None:
    row = Filing(seal_stamped=False)
    repealed = GateRules(until={"N20": date(2019, 3, 11)}, now=datetime(2019, 3, 11, 15, 59, tzinfo=UTC))
    assert "N20" in gates(row, repealed)
    assert "N20" not in gates(row, replace(repealed, now=datetime(2019, 3, 11, 16, 0, tzinfo=UTC)))
    assert "N20" not in gates(row, replace(repealed, now=None)), "unknown day: rules without an end"


def test_repeals_are_written_as_rule_and_last_day() -> None:
    assert last_days("") == {}
    assert last_days("N22=2020-12-31  N15=2021-06-30") == {"N22": date(2020, 12, 31), "N15": date(2021, 6, 30)}


@pytest.mark.parametrize(
    "text", ["N22", "N22=", "N22=2020-13-01", "N22:2020-12-31", "R-DATE=2020-12-31", "n22=2020-1-1"]
)
def test_a_repeal_written_otherwise_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"rule ids|isoformat|month"):
        last_days(text)
