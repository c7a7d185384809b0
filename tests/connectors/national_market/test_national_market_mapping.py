"""Persons and certificates in the platform's fields, and what may not be sent."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from lxml import etree

from connectors.national_market.mapping import record_key
from connectors.national_market.messages import serial_number
from connectors.national_market.typed import NationalMarket
from gateway.contract.messages import Payload, Problems
from gateway.domain.errors import ConfigurationError, ContractError
from gateway.domain.records import Certificate, ChangeNature, Record, RecordKind, Submission, Worker
from gateway.testing import people
from gateway.testing.conformance import stamp

Make = Callable[..., NationalMarket]


def a_person(**changes: Any) -> Record:
    record = people.person_record(random.Random(3))
    assert isinstance(record.content, Worker)
    return replace(record, content=replace(record.content, **changes))


def a_certificate(holder: dict[str, Any] | None = None, **changes: Any) -> Record:
    record = people.certificate_record(random.Random(3))
    assert isinstance(record.content, Certificate)
    person = replace(record.content.holder, **(holder or {}))
    return replace(record, content=replace(record.content, holder=person, **changes))


def submission(record: Record) -> Submission:
    return Submission(platform="national_market", record=record)


def fields(connector: NationalMarket, record: Record) -> dict[str, Any]:
    return dict(connector.map(submission(record)).fields)


def broken(connector: NationalMarket, record: Record) -> set[tuple[str, str]]:
    checked = connector.check(submission(record), connector.map(submission(record)))
    return {(p.field, p.rule) for p in checked.items} if isinstance(checked, Problems) else set()


def test_a_person_is_written_field_by_field(connector: NationalMarket) -> None:
    record = a_person(name="阿依古丽•买买提", education=None)
    worker = record.content
    assert isinstance(worker, Worker)
    assert worker.employer is not None
    assert fields(connector, record) == {
        "RecordKey": record_key(record.key),
        "UpdateFlag": "U",
        "RecordVersion": 1,
        "PersonName": "阿依古丽·买买提",
        "IdDocType": "111",
        "IdDocNumber": worker.id_number,
        "Gender": worker.gender,
        "BirthDate": worker.birth_date.isoformat(),
        "Ethnicity": "01",
        "Mobile": worker.mobile,
        "HomeRegion": "370100",
        "Address": "山东省济南市示例路1号",
        "Employment": {
            "CorpName": worker.employer.name,
            "CorpCode": worker.employer.code,
            "CorpRegion": "370100",
            "EngagedFrom": "2018-01-01",
            "EngagedTo": "2020-12-31",
        },
        "Checked": {
            "CheckDepartName": "省建设从业人员教育中心",
            "CheckPersonName": "数据审核岗",
            "CheckedAt": "2019-03-12T09:00:00+08:00",
            "DataLevel": "B",
            "DataSource": "2",
        },
    }


def test_a_certificate_is_written_field_by_field(connector: NationalMarket) -> None:
    record = a_certificate(holder={"employer": None}, valid_to=date(2030, 1, 1), trade="010", trade_name="砌筑工")
    certificate = record.content
    assert isinstance(certificate, Certificate)
    assert fields(connector, record) == {
        "RecordKey": record_key(record.key),
        "UpdateFlag": "U",
        "RecordVersion": 1,
        "OperateType": "01",
        "Holder": {
            "PersonName": certificate.holder.name,
            "IdDocType": "111",
            "IdDocNumber": certificate.holder.id_number,
        },
        "CertClass": "SKILL",
        "CertName": certificate.name,
        "CertNumber": certificate.number,
        "Trade": "010",
        "Level": certificate.level,
        "IssuerName": certificate.issuer_name,
        "IssuerCode": certificate.issuer_code,
        "IssuerRegion": "370100",
        "FirstIssueDate": certificate.issue_date.isoformat(),
        "IssueDate": certificate.issue_date.isoformat(),
        "ValidFrom": certificate.issue_date.isoformat(),
        "ValidTo": "2030-01-01",
        "Status": "01",
        "Checked": {
            "CheckDepartName": "济南市住房和城乡建设局",
            "CheckPersonName": "复核员乙",
            "CheckedAt": "2019-02-28T15:00:00+08:00",
            "DataLevel": "B",
            "DataSource": "2",
        },
    }


def test_a_record_key_is_the_same_for_ever() -> None:
    assert record_key("01D7DY3M0000000000000000AB") == "e794837b28bc536aa2d6aabd3b2fdf00"


@pytest.mark.parametrize(
    ("settings", "record", "path", "expected"),
    [
        ({}, a_certificate(trade="1000", trade_name="其它"), "Trade", "000"),
        ({}, a_certificate(trade="1000", trade_name="其它"), "CategoryText", "其它"),
        ({}, a_certificate(trade="9990", trade_name="砌筑工"), "Trade", "010"),
        ({}, a_certificate(trade="9990", trade_name="无此工种"), "Trade", None),
        ({}, a_certificate(cert_class="POST", trade_name="资料员"), "Post", "P12"),
        ({}, a_certificate(cert_class="POST", trade_name="资料员"), "Trade", None),
        ({}, a_certificate(cert_class="SAFETY", number="鲁建安A(2012)0001"), "CertNumber", "鲁建安A（2012）0001"),
        ({}, a_certificate(status="06"), "Status", "06"),
        ({"expired_status": "05"}, a_certificate(status="06"), "Status", "05"),
        ({"cert_class_sent_as": '{"SKILL": "TRAIN"}'}, a_certificate(), "CertClass", "TRAIN"),
        ({"operate_new": "T8"}, a_certificate(), "OperateType", "T8"),
        ({"data_source": "1"}, a_person(), "Checked.DataSource", "1"),
        ({"person_data_level": "A"}, a_person(), "Checked.DataLevel", "A"),
        ({"check_person": "审核员"}, a_person(), "Checked.CheckPersonName", "审核员"),
        ({}, a_person(address=" 示例路\n 1号 "), "Address", "示例路 1号"),
    ],
)
def test_codes_and_policies_follow_tables_and_settings(
    make: Make, settings: dict[str, str], record: Record, path: str, expected: str | None
) -> None:
    value: Any = fields(make(**settings), record)
    for name in path.split("."):
        value = value.get(name)
    assert value == expected


def test_a_later_version_is_a_change(connector: NationalMarket) -> None:
    record = replace(a_certificate(), version=2, change=ChangeNature.CORRECTION)
    assert fields(connector, record)["OperateType"] == "08"


def test_a_training_certificate_names_its_assessing_body_unless_switched_off(make: Make) -> None:
    record = a_certificate(cert_class="TRAIN")
    assert fields(make(), record)["Training"] == {"TrainOrgName": "济南市建设职业技能鉴定站", "Passed": True}
    assert broken(make(training_from_assessment="false"), record) == {("confirm_organization", "required")}


def test_the_organisation_code_goes_along_where_it_is_wanted(make: Make) -> None:
    record = a_person()
    code = record.content.employer.code  # type: ignore[union-attr]
    assert (
        fields(make(corp_code_form="uscc_and_org"), record)["Employment"]["CorpOrgCode"] == f"{code[8:16]}-{code[16]}"
    )


@pytest.mark.parametrize(
    ("region", "level"), [("370000", "A"), ("370100", "B"), ("370102", "C"), ("济南", None), ("", None)]
)
def test_the_reviewing_region_gives_the_data_level(connector: NationalMarket, region: str, level: str | None) -> None:
    record = a_certificate()
    assert isinstance(record.content, Certificate)
    reviewed = replace(record.content.verification, review_region=region)
    assert fields(connector, a_certificate(verification=reviewed))["Checked"].get("DataLevel") == level


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (a_person(name=""), ("name", "required")),
        (a_person(name="王" * 51), ("name", "length")),
        (a_person(name="王\u0007五"), ("name", "characters")),
        (a_person(name="王  五"), ("name", "white_space")),
        (a_person(id_type="000"), ("id_type", "code:id_document_type")),
        (a_person(id_number="370000198104067033"), ("id_number", "check_digit")),
        (a_person(id_number="37000019810406"), ("id_number", "format")),
        (a_person(id_number="身份证"), ("id_number", "format")),
        (a_person(gender="3"), ("gender", "code:gender")),
        (a_person(birth_date=date(1970, 1, 1)), ("birth_date", "birth_date")),
        (a_person(birth_date=date(1870, 1, 1)), ("birth_date", "date")),
        (a_person(ethnicity=None), ("ethnicity", "required")),
        (a_person(ethnicity="99"), ("ethnicity", "code:ethnicity_gbt3304")),
        (a_person(education="00"), ("education", "code:education_gbt4658")),
        (a_person(mobile="12345"), ("mobile", "format")),
        (a_person(home_region="379999"), ("home_region", "code:division_shandong")),
        (a_person(home_region="37"), ("home_region", "format")),
        (a_certificate(number="12345"), ("number", "length")),
        (a_certificate(number="12 345 678"), ("number", "format")),
        (a_certificate(cert_class="SPECIAL"), ("cert_class", "route")),
        (a_certificate(cert_class="REG"), ("cert_class", "route")),
        (a_certificate(trade="9990", trade_name="无此工种"), ("trade", "code:trade")),
        (a_certificate(cert_class="POST", trade_name="无此岗位"), ("trade_name", "code:post_category")),
        (a_certificate(cert_class="POST", trade_name="资料员", level=""), None),
        (a_certificate(level=""), ("level", "required")),
        (a_certificate(level="9"), ("level", "code:cert_level")),
        (a_certificate(trade="1000", trade_name=""), ("trade_name", "required")),
        (a_certificate(status="77"), ("status", "code:cert_status")),
        (a_certificate(status="99"), ("status_reason", "required")),
        (a_certificate(status="99", status_reason="另行说明"), None),
        (a_certificate(issuer_code="11370000MB00000009"), ("issuer_code", "check_digit")),
        (a_certificate(issuer_code="济南市"), ("issuer_code", "format")),
        (a_certificate(first_issue_date=date(2019, 1, 1)), ("first_issue_date", "order")),
        (a_certificate(valid_to=date(1999, 1, 1)), ("valid_from", "order")),
        (a_certificate(holder={"id_number": "370000198104067033"}), ("holder.id_number", "check_digit")),
        (a_person(home_region="410100"), None),
        (a_person(home_region="370284"), None),
        (a_person(employer=None, ethnicity="01", mobile=None, address=None), None),
    ],
)
def test_each_rule_is_reported_under_our_own_field(
    connector: NationalMarket, record: Record, problem: tuple[str, str] | None
) -> None:
    assert broken(connector, record) == ({problem} if problem else set())


def test_all_problems_come_at_once_and_in_two_languages(connector: NationalMarket) -> None:
    record = a_person(name="", mobile="1", gender="7")
    checked = connector.check(submission(record), connector.map(submission(record)))
    assert isinstance(checked, Problems)
    assert {p.field for p in checked.items} == {"name", "mobile", "gender"}
    assert all(p.message and p.message_zh for p in checked.items)


def test_the_built_message_passes_the_schema_and_says_what_it_carries(
    connector: NationalMarket, payloads: Callable[..., tuple[Payload, ...]]
) -> None:
    request = connector.encode_push(payloads(count=3), stamp())
    root = etree.fromstring(request.body)
    texts = {name: root.findtext(f".//{{*}}Head/{{*}}{name}") for name in ("SenderCode", "RecordCount", "SentAt")}
    assert texts == {"SenderCode": "370000", "RecordCount": "3", "SentAt": "2019-04-02T09:30:00+08:00"}
    assert request.operation == "UpsertPersonBatch"
    assert request.headers["soapaction"] == '"urn:jzsc:personcert:ws:1/UpsertPersonBatch"'


def test_the_serial_number_is_region_time_in_china_and_random_part() -> None:
    # 01D7DY3M00 is 2019-04-02T02:30:03Z; the random part's last 48 bits are ...00FF
    assert serial_number("370100", "01D7DY3M00000000000000007Z") == "370100201904021030030000000000FF"


def test_a_payload_that_breaks_the_schema_is_never_signed(
    connector: NationalMarket, payloads: Callable[..., tuple[Payload, ...]]
) -> None:
    payload = payloads()[0]
    spoiled = replace(payload, fields={**payload.fields, "Gender": "7"})
    with pytest.raises(ContractError, match=r"UpsertPersonBatch: .* at UpsertPersonBatch/Person/Gender"):
        connector.encode_push([spoiled], stamp())


def test_one_request_carries_one_kind(connector: NationalMarket, payloads: Callable[..., tuple[Payload, ...]]) -> None:
    with pytest.raises(ContractError, match="one kind"):
        connector.encode_push([*payloads(), *payloads(RecordKind.CERTIFICATE)], stamp())


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"endpoint": "http://market.example/service"}, "ENDPOINT"),
        ({"endpoint": "ftp://market.example/service"}, "ENDPOINT"),
        ({"sender_code": "37"}, "SENDER_CODE"),
        ({"batch_max": "201"}, "BATCH_MAX"),
        ({"soap_version": "1.3"}, "SOAP_VERSION"),
        ({"dialect": "Y"}, "DIALECT"),
        ({"profile": "X"}, "PROFILE"),
        ({"region_accounts": '{"370": "secret"}'}, "REGION_ACCOUNTS"),
    ],
)
def test_unsafe_settings_are_refused_by_name(make: Make, given: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        make(**given)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:8080/x", "http://localhost/x", "http://[::1]/x"])
def test_plain_http_is_for_loopback_only(make: Make, endpoint: str) -> None:
    assert make(endpoint=endpoint).endpoint.base_url == endpoint


def test_the_account_is_the_region_unless_given(make: Make, payloads: Callable[..., tuple[Payload, ...]]) -> None:
    sealed = stamp()
    assert b">370000</wsse:Username>" in make().encode_push(payloads(), sealed).body
    assert b">centre</wsse:Username>" in make(username="centre").encode_push(payloads(), sealed).body


def test_the_checked_moment_of_a_person_is_the_records_own(connector: NationalMarket) -> None:
    record = replace(a_person(), effective_from=datetime(2019, 5, 1, 16, 30, tzinfo=UTC))
    assert fields(connector, record)["Checked"]["CheckedAt"] == "2019-05-02T00:30:00+08:00"
