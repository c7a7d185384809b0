"""A certificate in the platform's words, and everything that keeps one from leaving."""

from dataclasses import replace
from datetime import date
from random import Random
from typing import Any

import pytest

from connectors.provincial_credit import schema
from gateway.contract.messages import Payload, Problems
from gateway.domain.records import Attachment, Certificate, ChangeNature, ContractTerm, RecordKind, Submission
from gateway.testing import people


def test_an_item_says_what_the_record_says(bench: Any, submission: Submission) -> None:
    content = submission.record.content
    assert isinstance(content, Certificate)
    assert content.holder.employer is not None
    fields = bench.connector.map(submission).fields
    expected = {
        "operation": "UPSERT",
        "certificateKey": submission.record.key,
        "effectiveFrom": "2019-03-12T09:00:00+08:00",
        "changeNature": "NEW",
        "person.personKey": submission.record.person_key,
        "person.idCardType": "01",
        "person.gender": content.holder.gender,
        "person.employmentType": "1",
        "employer.corpCode": content.holder.employer.code,
        "employer.contractPeriodType": "0",
        "certificate.certificationCategoriesType": "1",
        "certificate.certificationType": content.trade,
        "certificate.credentialLevelType": content.level,
        "certificate.certificationCode": content.number,
        "verification.filingChannel": "ENTERPRISE",
        "verification.filingCorpCode": content.holder.employer.code,
        "verification.originalsChecked": ["CERT", "IDCARD", "CONTRACT"],
        "verification.noticeUrl": "https://example.invalid/notice/1",
        "verification.reportedAt": "2019-03-11T09:00:00+08:00",
    }
    assert {name: fields.get(name) for name in expected} == expected
    assert not {"changeReason", "certificate.validEndDate", "verification.noticeMedium"} & set(fields)


def test_nothing_is_sent_that_the_platform_does_not_need(bench: Any, submission: Submission) -> None:
    content = submission.record.content
    assert isinstance(content, Certificate)
    sent = repr(dict(bench.connector.map(submission).fields))
    assert str(content.holder.mobile) not in sent
    assert str(content.holder.address) not in sent


def test_the_document_number_leaves_only_encrypted(bench: Any) -> None:
    payload = bench.payloads(1)[0]
    content = people.submissions("provincial_credit", RecordKind.CERTIFICATE)[0].record.content
    assert isinstance(content, Certificate)
    request = bench.connector.encode_push([payload], bench.stamp())
    assert content.holder.id_number.encode() not in request.body
    assert content.holder.id_number not in str(payload.fields)


def test_a_person_without_employer_has_none_in_the_item(bench: Any) -> None:
    record = people.certificate_record(Random(4), people.person_record(Random(3), employed=False))
    made = Submission(platform="provincial_credit", record=record)
    payload = bench.connector.check(made, bench.connector.map(made))
    assert isinstance(payload, Payload)
    fields: Any = payload.fields
    assert fields["person"]["employmentType"] == "2"
    assert "employer" not in fields
    assert "filingCorpCode" not in fields["verification"]


def test_the_contract_is_told_by_the_digest_of_its_scan_alone(bench: Any, submission: Submission) -> None:
    scans = tuple(
        Attachment(kind=kind, media_type="application/pdf", size=9, sha256=letter * 64, content="JVBERi0=")
        for kind, letter in (("CERT_PDF", "a"), ("CONTRACT_PDF", "b"), ("CONTRACT_PDF", "c"))
    )
    changed = _certificate(submission, files=scans)
    payload = bench.connector.check(changed, bench.connector.map(changed))
    assert isinstance(payload, Payload)
    assert payload.fields["employer"]["contractDigest"] == f"sha256:{'b' * 64}"  # type: ignore[call-overload,index]
    assert "JVBERi0=" not in str(payload.fields)
    bare = bench.connector.check(submission, bench.connector.map(submission))
    assert "contractDigest" not in bare.fields["employer"]


def test_a_notice_without_an_address_names_its_medium(bench: Any, submission: Submission) -> None:
    changed = _certificate(submission, verification={"notice_medium": "市局公告栏"})
    fields = bench.connector.map(changed).fields
    assert fields["verification.noticeMedium"] == "市局公告栏"
    assert isinstance(bench.connector.check(changed, bench.connector.map(changed)), Payload)


def test_a_person_alone_is_not_taken(bench: Any) -> None:
    made = people.submissions("provincial_credit", RecordKind.PERSON)[0]
    result = bench.connector.check(made, bench.connector.map(made))
    assert isinstance(result, Problems)
    assert ("kind", "kind") in {(p.field, p.rule) for p in result.items}
    assert RecordKind.PERSON in bench.connector.info.declined


def _certificate(
    submission: Submission, *, holder: Any = None, employer: Any = None, verification: Any = None, **changes: Any
) -> Submission:
    content = submission.record.content
    assert isinstance(content, Certificate)
    if employer is not None:
        assert content.holder.employer is not None
        holder = {**(holder or {}), "employer": replace(content.holder.employer, **employer)}
    made = replace(
        content,
        holder=replace(content.holder, **(holder or {})),
        verification=replace(content.verification, **(verification or {})),
        **changes,
    )
    return replace(submission, record=replace(submission.record, content=made))


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"holder": {"name": ""}}, "holder.name", "minLength"),
        ({"holder": {"name": "王" * 51}}, "holder.name", "maxLength"),
        ({"holder": {"name": "王\n五"}}, "holder.name", "pattern"),
        ({"holder": {"gender": "9"}}, "holder.gender", "code:gender"),
        ({"holder": {"id_type": "000"}}, "holder.id_type", "code:id_document_type"),
        ({"holder": {"id_number": "370000199001010018"}}, "holder.id_number", "check_digit"),
        ({"holder": {"id_number": "3700001990010100"}}, "holder.id_number", "resident_id"),
        ({"holder": {"id_number": ""}}, "holder.id_number", "length"),
        ({"holder": {"id_type": "414", "id_number": "E\ud800123"}}, "holder.id_number", "length"),
        ({"holder": {"birth_date": date(1970, 1, 2)}}, "holder.birth_date", "resident_id"),
        ({"employer": {"code": "91370000MA3ABCDE00"}}, "holder.employer.code", "check_character"),
        ({"employer": {"code": "short"}}, "holder.employer.code", "minLength"),
        ({"employer": {"contract_start": None}}, "holder.employer.contract_start", "required"),
        ({"employer": {"contract_end": None}}, "holder.employer.contract_end", "required"),
        ({"employer": {"contract_end": date(2017, 1, 1)}}, "holder.employer.contract_end", "order"),
        ({"trade": "9999"}, "trade", "code:trade_worker_platform"),
        ({"level": "5"}, "level", "code:cert_level"),
        ({"name": "职业技能等级证书"}, "name", "enum"),
        ({"number": "37 01"}, "number", "pattern"),
        ({"number": "37ab01"}, "number", "pattern"),
        ({"status": "77"}, "status", "code:cert_status"),
        ({"status": "05"}, "status_reason", "required"),
        ({"cert_class": "SPECIAL"}, "cert_class", "N03"),
        ({"assessment_region": "990000"}, "assessment_region", "code:division_shandong_history"),
        ({"first_issue_date": date(2017, 3, 10), "application_date": None}, "application_date", "required"),
        ({"valid_to": date(1999, 1, 1)}, "valid_to", "order"),
        ({"verification": {"originals": ("CERT", "IDCARD")}}, "verification.originals", "contains"),
        ({"verification": {"seal_stamped": False}}, "verification.seal_stamped", "const"),
        ({"verification": {"notice_end": date(2019, 2, 1)}}, "verification.notice_end", "order"),
        ({"verification": {"notice_medium": ""}}, "verification.notice_medium", "minLength"),
        ({"verification": {"accept_phase": "LATER"}}, "verification.accept_phase", "enum"),
    ],
)
def test_each_broken_rule_is_named_in_our_words(
    bench: Any, submission: Submission, changes: dict[str, Any], field: str, rule: str
) -> None:
    broken = _certificate(submission, **changes)
    result = bench.connector.check(broken, bench.connector.map(broken))
    assert isinstance(result, Problems)
    assert [(p.field, p.rule) for p in result.items] == [(field, rule)]
    assert all(p.message and p.message_zh for p in result.items)


def test_all_problems_come_at_once(bench: Any, submission: Submission) -> None:
    broken = _certificate(submission, trade="9999", holder={"name": ""}, verification={"seal_stamped": False})
    result = bench.connector.check(broken, bench.connector.map(broken))
    assert {p.field for p in result.items} == {"trade", "holder.name", "verification.seal_stamped"}


def test_text_that_cannot_be_written_is_a_problem_and_no_error(bench: Any, submission: Submission) -> None:
    broken = _certificate(submission, confirm_organization="\ud800")
    result = bench.connector.check(broken, bench.connector.map(broken))
    assert [(p.field, p.rule) for p in result.items] == [("record", "text")]


def test_a_later_version_must_say_why(bench: Any, submission: Submission) -> None:
    record = replace(submission.record, version=2, change=ChangeNature.CORRECTION)
    newer = replace(submission, record=record)
    result = bench.connector.check(newer, bench.connector.map(newer))
    assert [(p.field, p.rule) for p in result.items] == [("change_reason", "required")]


def test_an_open_contract_needs_no_end(bench: Any, submission: Submission) -> None:
    lasting = _certificate(submission, employer={"contract_term": ContractTerm.OPEN, "contract_end": None})
    assert isinstance(bench.connector.check(lasting, bench.connector.map(lasting)), Payload)


def test_every_field_of_the_document_is_mapped_or_said_to_stay_out(bench: Any, submission: Submission) -> None:
    """A field added to the document must be answered here: mapped or built later."""
    document: Any = schema.document()
    schemas = document["components"]["schemas"]
    groups = {
        "person": "Person",
        "employer": "Employer",
        "certificate": "CertificateFacts",
        "verification": "Verification",
    }
    known = set(schemas["WorkerCertificateItem"]["properties"]) - set(groups)
    known |= {f"{group}.{name}" for group, kind in groups.items() for name in schemas[kind]["properties"]}
    built_later = {"itemNo", "payloadDigest", "certificate.certificationCategoriesType"}
    assert known - built_later == set(bench.connector.map(submission).sources)
