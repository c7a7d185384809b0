"""A certificate in the platform's words, and the problems that keep one back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from connectors.worker_platform.adapter import WorkerPlatform
from gateway.contract.messages import Payload, Problems
from gateway.domain.identifiers import resident_id_check_digit
from gateway.domain.records import Certificate, RecordKind, Submission
from gateway.testing import people

Build = Callable[..., WorkerPlatform]


def certificate(change: dict[str, Any] | None = None, holder: dict[str, Any] | None = None) -> Submission:
    """A good certificate with some fields changed."""
    submission = people.submissions("worker_platform", RecordKind.CERTIFICATE)[0]
    content = submission.record.content
    assert isinstance(content, Certificate)
    changed = replace(content, holder=replace(content.holder, **(holder or {})), **(change or {}))
    return replace(submission, record=replace(submission.record, content=changed))


def found(connector: WorkerPlatform, submission: Submission) -> set[tuple[str, str]]:
    result = connector.check(submission, connector.map(submission))
    assert isinstance(result, Problems)
    return {(p.field, p.rule) for p in result.items}


def test_every_field_of_a_certificate_is_written(connector: WorkerPlatform) -> None:
    content = certificate().record.content
    assert isinstance(content, Certificate)
    draft = connector.map(certificate({"valid_to": date(2030, 1, 1), "trade": "1000", "level": "4"}))
    assert draft.fields == {
        "name": content.holder.name,
        "idCardType": "01",
        "idCardNumber": content.holder.id_number,
        "certificationCategoriesType": "1",
        "certificationTypeName": content.trade_name,
        "credentialLevelType": "4",
        "certificationName": "中华人民共和国建设部职业技能岗位证书",
        "certificationCode": content.number,
        "confirmOrganization": "济南市建设职业技能鉴定站",
        "jobType": "1000",
        "firstBeginDate": content.first_issue_date.isoformat(),
        "validBeginDate": content.valid_from.isoformat(),
        "validEndDate": "2030-01-01",
        "grantOrg": "济南市城乡建设委员会",
        "workCorpName": content.holder.employer.name if content.holder.employer else None,
        "certificationStatus": "1",
    }
    assert set(draft.sources) == set(draft.fields)


def test_what_is_not_known_is_absent_not_guessed(connector: WorkerPlatform) -> None:
    submission = certificate(holder={"employer": None})
    payload = connector.check(submission, connector.map(submission))
    assert isinstance(payload, Payload)
    assert not {"workCorpName", "validEndDate"} & set(payload.fields)


def test_the_check_letter_of_an_identity_number_is_sent_as_a_capital(connector: WorkerPlatform) -> None:
    first17 = next(n for i in range(1000) if resident_id_check_digit(n := f"37000019900101{i:03d}") == "X")
    submission = certificate(holder={"id_number": first17 + "x"})
    payload = connector.check(submission, connector.map(submission))
    assert isinstance(payload, Payload)
    assert payload.fields["idCardNumber"] == first17 + "X"


def test_the_name_of_a_minority_passes_with_its_dot(connector: WorkerPlatform) -> None:
    submission = certificate(holder={"name": "阿卜杜拉·买买提江"})
    payload = connector.check(submission, connector.map(submission))
    assert isinstance(payload, Payload)
    assert payload.fields["name"] == "阿卜杜拉·买买提江"


@pytest.mark.parametrize(
    ("change", "holder", "problem"),
    [
        ({}, {"id_type": "114"}, ("holder.id_type", "id_card_types")),
        ({}, {"id_type": "000"}, ("holder.id_type", "code:id_document_type")),
        ({}, {"id_number": "370000199001010019"}, ("holder.id_number", "resident_number")),
        ({}, {"id_number": "370000199013010012"}, ("holder.id_number", "resident_number")),
        ({}, {"id_number": "370000900101001"}, ("holder.id_number", "resident_number")),
        ({}, {"id_number": ""}, ("holder.id_number", "required")),
        ({}, {"name": " "}, ("holder.name", "required")),
        ({}, {"name": "王" * 51}, ("holder.name", "length")),
        ({}, {"name": "王\n五"}, ("holder.name", "characters")),
        ({}, {"name": "王\ud800"}, ("holder.name", "characters")),
        ({"cert_class": "NONE"}, {}, ("cert_class", "code:cert_class")),
        ({"cert_class": "TITLE"}, {}, ("level", "code:wp_small_codes")),
        ({"level": "0"}, {}, ("level", "code:cert_level")),
        ({"level": "8"}, {}, ("level", "code:cert_level")),
        ({"trade": "011"}, {}, ("trade", "code:wp_trades")),
        ({"trade": "10"}, {}, ("trade", "code:wp_trades")),
        ({"status": "07"}, {}, ("status", "code:cert_status")),
        ({"number": ""}, {}, ("number", "required")),
        ({"number": "9" * 65}, {}, ("number", "length")),
        ({"issuer_name": ""}, {}, ("issuer_name", "required")),
        ({"valid_to": date(1999, 1, 1)}, {}, ("valid_to", "order")),
    ],
)
def test_a_problem_names_our_field_and_the_rule(
    connector: WorkerPlatform, change: dict[str, Any], holder: dict[str, Any], problem: tuple[str, str]
) -> None:
    assert found(connector, certificate(change, holder)) == {problem}


def test_all_problems_are_reported_at_once(connector: WorkerPlatform) -> None:
    submission = certificate({"trade": "9999", "level": "9"}, {"name": "", "id_type": "114"})
    assert {field for field, _ in found(connector, submission)} == {"trade", "level", "holder.name", "holder.id_type"}


def test_new_trades_are_a_matter_of_the_dialect(built: Build, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("extends = 'sandbox'\n[credential]\nextra_trades = {400 = '新工种'}\n", "utf-8")
    connector = built(DIALECT=str(path))
    assert connector.map(certificate({"trade": "400"})).fields["jobType"] == "400"
    assert "jobType" not in connector.map(certificate({"trade": "9998"})).fields


@pytest.mark.parametrize("kind", [RecordKind.PERSON, RecordKind.STATUS_CHANGE])
def test_a_kind_that_is_not_owed_is_a_problem_with_the_reason(connector: WorkerPlatform, kind: RecordKind) -> None:
    submission = certificate()
    other = replace(submission, record=replace(submission.record, kind=kind))
    assert found(connector, other) == {("kind", "declined")}


def test_without_the_capability_a_certificate_is_a_problem(built: Build) -> None:
    assert found(built(DIALECT="national"), certificate()) == {("kind", "declined")}


def test_a_day_in_another_form_is_a_problem(connector: WorkerPlatform) -> None:
    submission = certificate()
    draft = connector.map(submission)
    result = connector.check(submission, replace(draft, fields={**draft.fields, "validBeginDate": "2013-1-1"}))
    assert isinstance(result, Problems)
    assert [(p.field, p.rule) for p in result.items] == [("valid_from", "date")]
