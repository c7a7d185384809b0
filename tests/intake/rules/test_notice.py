"""A change of what the public notice showed asks for a new notice, to the day."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from gateway.domain.records import Certificate
from gateway.intake.rules.filing import Filing
from gateway.intake.rules.gate_rules import CHINA, GateRules
from gateway.intake.rules.notice import NOT_SHOWN_AGAIN, must_be_shown_again
from gateway.testing import people

RULES = GateRules()


def held(reported_at: datetime = datetime(2019, 3, 11, 9, tzinfo=CHINA)) -> Certificate:
    rng = random.Random(3)
    certificate = people.certificate(rng, people.worker(rng, employed=True))
    return replace(certificate, verification=replace(certificate.verification, reported_at=reported_at))


def filed(certificate: Certificate, **changes: Any) -> Filing:
    """A row that says what is held, but for the changes; shown to the public once, from 1 March on."""
    holder = certificate.holder
    assert holder.employer is not None
    same = {
        "name": holder.name,
        "gender": holder.gender,
        "birth_date": holder.birth_date,
        "employer_name": holder.employer.name,
        "employer_code": holder.employer.code,
        "certificate_name": certificate.name,
        "level": certificate.level,
        "issuer_name": certificate.issuer_name,
        "issue_date": certificate.issue_date,
        "valid_to": certificate.valid_to,
        "notice_begin": date(2019, 3, 1),
    }
    return Filing(**(same | changes))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "示例乙"},
        {"gender": "9"},
        {"birth_date": date(1970, 1, 1)},
        {"employer_name": "另一家"},
        {"employer_code": None, "employer_name": None},
        {"certificate_name": "另一种证书"},
        {"level": "0"},
        {"issuer_name": "另一机关"},
        {"issue_date": date(2001, 1, 1)},
        {"valid_to": date(2029, 2, 28)},
    ],
)
def test_each_thing_the_notice_shows_starts_it_again(change: dict[str, Any]) -> None:
    assert must_be_shown_again(filed(held(), **change), held(), RULES)


@pytest.mark.parametrize(
    "change",
    [{}, {"mobile": "13800000001"}, {"address": "示例路"}, {"contract_end": date(2029, 1, 1)}, {"reviewer": "丁"}],
)
def test_what_the_notice_does_not_show_needs_no_new_one(change: dict[str, Any]) -> None:
    assert not must_be_shown_again(filed(held(), **change), held(), RULES)


@pytest.mark.parametrize(
    ("begin", "again"), [(date(2019, 3, 10), True), (date(2019, 3, 11), False), (date(2019, 3, 12), False)]
)
def test_a_notice_from_the_day_of_the_earlier_report_on_is_new(begin: date, again: bool) -> None:
    assert must_be_shown_again(filed(held(), level="0", notice_begin=begin), held(), RULES) is again


@pytest.mark.parametrize(("second", "again"), [(59, False), (60, True)])
def test_the_day_of_the_earlier_report_is_the_one_in_china(second: int, again: bool) -> None:
    midnight = datetime(2019, 3, 11, 15, 59, tzinfo=UTC) + timedelta(seconds=second)
    before = held(midnight)
    assert must_be_shown_again(filed(before, level="0", notice_begin=date(2019, 3, 11)), before, RULES) is again


def test_a_leap_day_counts_as_a_day() -> None:
    before = held(datetime(2020, 3, 1, 0, 0, tzinfo=CHINA))
    assert must_be_shown_again(filed(before, level="0", notice_begin=date(2020, 2, 29)), before, RULES)
    assert not must_be_shown_again(filed(before, level="0", notice_begin=date(2020, 3, 1)), before, RULES)


def test_the_switch_leaves_the_rule_out_and_a_missing_notice_is_another_rule() -> None:
    assert not must_be_shown_again(filed(held(), level="0"), held(), GateRules(notice_restarts=False))
    assert not must_be_shown_again(filed(held(), level="0", notice_begin=None), held(), RULES)
    assert NOT_SHOWN_AGAIN.gate == "N22"
