"""How two versions differ, and whether that is a change of the world or a correction."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta

import pytest

from gateway.domain.changes import differences, nature
from gateway.domain.records import Certificate, ChangeNature, Worker
from gateway.testing import people

CHANGE, CORRECTION = ChangeNature.CHANGE, ChangeNature.CORRECTION


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["employer.name"], CHANGE),
        (["employer.code", "employer.contract_start"], CHANGE),
        (["holder.employer.contract_end"], CHANGE),
        (["level"], CHANGE),
        (["status", "status_reason"], CHANGE),
        (["valid_to"], CHANGE),
        (["holder.employer.name", "verification.batch_no", "verification.reported_at"], CHANGE),
        (["name"], CORRECTION),
        (["holder.name"], CORRECTION),
        (["holder.id_number", "holder.birth_date"], CORRECTION),
        (["number"], CORRECTION),
        (["trade", "trade_name"], CORRECTION),
        (["issuer_name"], CORRECTION),
        (["address"], CORRECTION),
        (["verification.reviewer"], CORRECTION),
        # an error in who it is outweighs what changed besides
        (["holder.name", "holder.employer.name"], CORRECTION),
        (["number", "level"], CORRECTION),
    ],
)
def test_the_fields_that_differ_tell_a_change_from_a_correction(fields: list[str], expected: ChangeNature) -> None:
    assert nature(fields) is expected
    assert nature(list(reversed(fields))) is expected


@pytest.fixture
def paper() -> Certificate:
    content = people.certificate_record(random.Random(2)).content
    assert isinstance(content, Certificate)
    return content


def test_equal_content_has_no_differences_whenever_it_was_entered(paper: Certificate) -> None:
    later = replace(paper.verification, entered_at=paper.verification.entered_at + timedelta(days=3))
    assert differences(paper, replace(paper, verification=later)) == {}


def test_differences_name_the_path_and_both_values(paper: Certificate) -> None:
    newer = replace(paper, issue_date=date(2016, 1, 2), holder=replace(paper.holder, employer=None))
    found = differences(paper, newer)
    assert found["issue_date"] == (paper.issue_date.isoformat(), "2016-01-02")
    assert {name.rpartition(".")[0] for name in found} == ({"", "holder.employer"} if paper.holder.employer else {""})
    assert list(found) == sorted(found)


def test_a_field_that_came_or_went_has_one_value(paper: Certificate) -> None:
    worker: Worker = replace(paper.holder, mobile=None)
    newer = replace(worker, mobile="13900000000")
    assert differences(worker, newer) == {"mobile": (None, "13900000000")}
    assert differences(newer, worker) == {"mobile": ("13900000000", None)}
