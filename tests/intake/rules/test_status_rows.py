"""Steps in the life of a certificate: which may follow on which, and what they make of it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date

import pytest

from gateway.domain.errors import InputError
from gateway.domain.records import Certificate, RecordKind, StatusChange
from gateway.domain.status import CODES, StatusStep, as_certificate, decided, is_done, is_renewed, may_follow
from gateway.intake.rules.filing import Filing
from gateway.intake.rules.status_rows import decision_of, judge_status
from gateway.testing import people


@pytest.fixture
def certificate() -> Certificate:
    rng = random.Random(1)
    content = people.certificate_record(rng, people.person_record(rng)).content
    assert isinstance(content, Certificate)
    return content


def told(step: StatusStep = StatusStep.SUSPEND, **more: object) -> Filing:
    filing = Filing(
        id_type="111",
        id_number="370000198001010017",
        certificate_number="鲁A1",
        trade="010",
        status_step=step,
        status_reason="违章作业",
        status_date=date(2019, 5, 5),
    )
    return replace(filing, **more)  # type: ignore[arg-type]  # by field


@pytest.mark.parametrize(
    ("status", "possible"),
    [
        ("01", {"SUSPEND", "LAPSE", "REVOKE", "RESCIND", "CANCEL", "OTHER"}),
        ("02", {"SUSPEND", "GIVE_BACK", "LAPSE", "REVOKE", "RESCIND", "CANCEL", "OTHER"}),
        ("03", set()),
        ("04", set()),
        ("05", set()),
        ("06", {"SUSPEND", "LAPSE", "REVOKE", "RESCIND", "CANCEL", "OTHER"}),
    ],
)
def test_what_may_follow(status: str, possible: set[str]) -> None:
    assert {step for step in StatusStep if may_follow(status, step)} == possible


def test_a_step_is_done_where_the_status_is_there_but_other_may_happen_again() -> None:
    assert [step for step in StatusStep if is_done(CODES[step][1], step)] == [
        step for step in StatusStep if step is not StatusStep.OTHER
    ]


@pytest.mark.parametrize("step", StatusStep)
def test_a_step_makes_a_change_and_the_certificate_after_it(certificate: Certificate, step: StatusStep) -> None:
    rng = random.Random(2)
    record = replace(people.certificate_record(rng, people.person_record(rng)), version=4, content=certificate)
    decision = decision_of(told(step, decision_no="1号", decision_org="示例局"))
    form, of_change = decided(record, decision, version=5, at=record.effective_from)
    after, change = form.content, of_change.content
    assert isinstance(after, Certificate)
    assert isinstance(change, StatusChange)
    assert (form.version, of_change.version, of_change.kind) == (5, 5, RecordKind.STATUS_CHANGE)
    assert (change.operate_type, change.new_status) == CODES[step]
    assert (after.status, after.status_reason) == (change.new_status, None if step == "GIVE_BACK" else "违章作业")
    assert replace(after, status=certificate.status, status_reason=None) == certificate
    assert (change.certificate_version, change.decision_no, change.decision_org) == (4, "1号", "示例局")
    assert as_certificate(of_change) == replace(of_change, kind=RecordKind.CERTIFICATE, content=after)


@pytest.mark.parametrize("field", ["status_step", "status_date", "status_reason"])
def test_what_was_not_judged_makes_no_change(field: str) -> None:
    with pytest.raises(InputError):
        decision_of(replace(told(), **{field: None}))  # type: ignore[arg-type]  # by field


def test_only_a_change_makes_a_certificate() -> None:
    rng = random.Random(2)
    with pytest.raises(InputError):
        as_certificate(people.person_record(rng))


@pytest.mark.parametrize(
    ("held", "filed", "renewed"),
    [
        (("06", date(2019, 1, 1)), date(2022, 1, 1), True),
        (("06", date(2019, 1, 1)), date(2019, 1, 1), False),
        (("06", date(2019, 1, 1)), None, True),
        (("02", date(2019, 1, 1)), date(2022, 1, 1), False),
        (("06", None), date(2022, 1, 1), False),
    ],
)
def test_a_later_end_renews_what_has_lapsed(
    certificate: Certificate, held: tuple[str, date | None], filed: date | None, renewed: bool
) -> None:
    before = replace(certificate, status=held[0], valid_to=held[1])
    assert is_renewed(before, replace(certificate, valid_to=filed)) is renewed


@pytest.mark.parametrize("field", ["id_number", "certificate_number", "trade", "status_reason", "status_date"])
def test_a_row_that_does_not_say_enough_is_told_the_field(field: str) -> None:
    failures = judge_status(replace(told(), **{field: None}), ())  # type: ignore[arg-type]  # by field
    assert [failure.field for failure in failures] == [field]
    assert judge_status(told(), ()) == ()
