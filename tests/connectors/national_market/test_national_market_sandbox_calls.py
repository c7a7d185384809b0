"""The operations of the contract that our connector does not use: any other client may."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from lxml import etree

from gateway.contract.messages import Payload, Verdict
from gateway.domain.records import Record, Submission
from gateway.testing import people

Build = Callable[..., Any]


def of(record: Record) -> Submission:
    return Submission(platform="national_market", record=record)


def lookup(bench: Any, payload: Payload) -> Verdict:
    sealed = bench.stamp()
    verdict = bench.connector.decode_lookup(bench.send(bench.connector.encode_lookup(payload, sealed)), payload, sealed)
    assert isinstance(verdict, Verdict)
    return verdict


def counts(bench: Any) -> dict[str, int]:
    return dict(bench.sandbox.effects()["counts"])


def raw_push(bench: Any, payload: Payload, changes: dict[str, str | None]) -> list[tuple[str, str]]:
    """Push a payload with fields changed behind the check's back."""
    fields = {k: v for k, v in {**payload.fields, **changes}.items() if v is not None}
    pushed: list[tuple[str, str]] = bench.push(replace(payload, fields=fields))
    return pushed


def code(answer: etree._Element) -> str:
    return answer.findtext(".//{*}ResultCode") or ""


CHECKED = {
    "CheckDepartName": "局",
    "CheckPersonName": "甲",
    "CheckedAt": "2019-04-01T09:00:00+08:00",
    "DataLevel": "B",
    "DataSource": "2",
}


def test_single_calls_answer_at_once_and_hash_without_numbers(
    bench: Any, call: Build, person: Record, certificate: Record
) -> None:
    bench.sandbox.async_share = 1
    (p,), (c,) = bench.checked(of(person)), bench.checked(of(certificate))
    assert code(call("UpsertPerson", 1, single=True, Person=p.fields)) == "000"
    assert code(call("UpsertCertificate", 1, single=True, Certificate=c.fields)) == "000"


def attachment(kind: str, media: str, size: int) -> dict[str, Any]:
    content = b"x" * size
    digest = hashlib.sha256(content).hexdigest()
    named = {"Kind": kind, "FileName": "a", "MediaType": media, "ByteSize": size, "Sha256": digest}
    return {**named, "Content": content}


def test_attachments_are_hashed_by_their_digest_and_never_returned(
    bench: Any, call: Build, person: Record, certificate: Record
) -> None:
    bench.push(*bench.checked(of(person)))
    (c,) = bench.checked(of(certificate))
    file = attachment("CERT_PDF", "application/pdf", 900_000)
    told = {
        "Photo": attachment("PHOTO", "image/png", 51_200),
        "CertFile": [file, file],
        "Extension": [{"Name": "a", "Value": "b"}],
    }
    assert code(call("UpsertCertificateBatch", 1, Certificate=[{**c.fields, **told}])) == "000"
    held = call("QueryCertificate", SenderCode="370000", RecordKey=c.fields["RecordKey"])
    assert held.find(".//{*}Extension") is not None
    assert held.find(".//{*}Sha256") is None


@pytest.mark.parametrize(
    "photo", [("PHOTO", "image/png", 51_201), ("PHOTO", "application/pdf", 1), ("CERT_IMAGE", "image/png", 1)]
)
def test_an_unfit_photo_is_refused(call: Build, bench: Any, person: Record, photo: tuple[str, str, int]) -> None:
    (p,) = bench.checked(of(person))
    assert code(call("UpsertPersonBatch", 1, Person=[{**p.fields, "Photo": attachment(*photo)}])) == "306"


def test_more_than_forty_records_with_attachments_are_refused_whole(call: Build, bench: Any) -> None:
    persons = bench.checked(*(of(people.person_record(random.Random(n))) for n in range(41)))
    photo = attachment("PHOTO", "image/png", 1)
    assert code(call("UpsertPersonBatch", 41, Person=[{**p.fields, "Photo": photo} for p in persons])) == "203"
    assert counts(bench)["persons"] == 0


def test_receipts_can_be_busy_and_belong_to_their_sender(bench: Any, call: Build) -> None:
    question = {"SenderCode": "370000", "SerialNo": "370000" + "20190402093000" + "0" * 12}
    assert code(call("QueryReceipt", **{**question, "SenderCode": "370100"})) == "102"
    bench.sandbox.faults.set(next_=["busy", "busy"])
    assert code(call("QueryReceipt", **question)) == "103"
    assert code(call("QueryPerson", SenderCode="370000", IdDocType="111", IdDocNumber="370000198104067032")) == "103"


def test_an_employment_must_begin_before_it_ends(bench: Any, person: Record) -> None:
    (payload,) = bench.checked(of(person))
    employment = {**payload.fields["Employment"], "EngagedTo": "2010-01-01"}
    assert bench.push(replace(payload, fields={**payload.fields, "Employment": employment})) == [("rejected", "305")]


@pytest.mark.parametrize("number", ["A00000199001010011", "37000019900101001"])
def test_a_resident_number_must_have_its_form(bench: Any, person: Record, number: str) -> None:
    (payload,) = bench.checked(of(person))
    assert raw_push(bench, payload, {"IdDocNumber": number}) == [("rejected", "304")]


def change(payload: Payload, number: int, operate: str, status: str) -> dict[str, Any]:
    kept = {k: payload.fields[k] for k in ("RecordKey", "CertClass", "CertNumber", "Holder")}
    told = {"OperateType": operate, "NewStatus": status, "Reason": "决定", "EffectiveDate": date(2019, 4, 1)}
    return {**kept, **told, "RecordVersion": number, "Checked": CHECKED}


def test_a_status_change_keeps_to_the_allowed_pairs(
    bench: Any, call: Build, person: Record, certificate: Record
) -> None:
    bench.push(*bench.checked(of(person)))
    (c,) = bench.checked(of(certificate))
    steps = [
        ("401", c, 2, "03", "02"),
        ("000", c, 2, "03", "02"),
        ("406", c, 2, "06", "01"),
        ("405", c, 3, "06", "05"),
        ("000", c, 3, "05", "03"),
        ("405", c, 4, "06", "01"),
    ]
    for expected, payload, number, operate, status in steps:
        answer = call("ChangeCertificateStatus", 1, StatusChange=[change(payload, number, operate, status)])
        assert code(answer) == expected
        if expected == "401":
            bench.push(c)
    stolen = replace(c, fields={**c.fields, "CertNumber": "别的证书0001"})
    assert code(call("ChangeCertificateStatus", 1, StatusChange=[change(stolen, 9, "05", "03")])) == "305"
    held = call("QueryCertificate", SenderCode="370000", RecordKey=c.fields["RecordKey"])
    assert held.findtext(".//{*}Status") == "03"


def test_a_person_with_certificates_cannot_be_withdrawn(
    bench: Any, call: Build, person: Record, certificate: Record
) -> None:
    (p,), (c,) = bench.checked(of(person)), bench.checked(of(certificate))
    bench.push(p)
    bench.push(c)

    def withdraw(kind: str, payload: Payload, number: int) -> str:
        key = payload.fields["RecordKey"]
        told = {"RecordType": kind, "RecordKey": key, "RecordVersion": number, "UpdateFlag": "D", "Reason": "误报"}
        return code(call("WithdrawRecord", 1, Withdrawal=[{**told, "Checked": CHECKED}]))

    assert withdraw("PERSON", p, 2) == "305"
    assert withdraw("CERT", c, 1) == "406"
    assert withdraw("CERT", c, 2) == "000"
    assert withdraw("CERT", c, 3) == "401"
    assert withdraw("PERSON", p, 2) == "000"
    assert lookup(bench, p).code == "401"
    assert lookup(bench, c).code == "401"


def test_certificates_are_found_by_number_and_by_document(
    bench: Any, call: Build, person: Record, certificate: Record
) -> None:
    bench.push(*bench.checked(of(person)))
    (c,) = bench.checked(of(certificate))
    bench.push(c)
    holder: Any = c.fields["Holder"]
    document = {"IdDocType": holder["IdDocType"], "IdDocNumber": holder["IdDocNumber"]}
    by_number = {"CertNumber": c.fields["CertNumber"]}
    for question, expected in (
        (document, "000"),
        (by_number, "000"),
        ({**by_number, "CertClass": "SKILL"}, "000"),
        ({**by_number, "CertClass": "POST"}, "401"),
        ({"CertNumber": "no-such-number"}, "401"),
    ):
        assert code(call("QueryCertificate", SenderCode="370000", **question)) == expected
    assert code(call("QueryCertificate", SenderCode="370100", **by_number)) == "102"


@pytest.mark.parametrize(
    ("question", "expected", "items"),
    [
        ({"TableName": "gender"}, "000", 4),
        ({"TableName": "result_code"}, "000", 33),
        ({"TableName": "gender", "IfNewerThan": date(2024, 1, 1)}, "000", 0),
        ({"TableName": "no_such_table"}, "002", 0),
        ({"TableName": "../codes"}, "002", 0),
    ],
)
def test_code_tables_are_served(call: Build, question: dict[str, Any], expected: str, items: int) -> None:
    answer = call("GetCodeTable", **question)
    assert (code(answer), len(answer.findall("{*}CodeItem"))) == (expected, items)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        *(("1582-10-04", "whole"), ("0001-01-01", "whole"), ("-0044-03-15", "whole"), ("-12024-01-01", "whole")),
        *(("9999-12-31", "nothing"), ("10000-01-01", "nothing"), ("2024-01-01Z", "nothing")),
        *(("2024-01-01+08:00", "nothing"), ("2023-12-31-08:00", "whole")),
    ],
)
def test_the_day_of_a_callers_copy_is_compared_as_a_day(bench: Any, call: Build, held: str, expected: str) -> None:
    """Every form that ``xs:date`` allows; compared as text, year 10000 comes before 2024."""
    port = bench.connector._port
    envelope = port.envelope("GetCodeTable", {"TableName": "gender", "IfNewerThan": date(2024, 1, 1)})
    (found,) = envelope.iterfind(".//{*}IfNewerThan")
    found.text = held
    body, headers = bench.connector._seal("GetCodeTable", envelope, bench.stamp())
    request = replace(bench.connector.encode_code_table("gender", bench.stamp()), body=body, headers=headers)
    answer = port.open(bench.send(request).body, "{urn:jzsc:personcert:ws:1}GetCodeTableResponse")
    assert ("whole" if answer.findall("{*}CodeItem") else "nothing") == expected


def test_the_token_login_is_not_open_here(call: Build) -> None:
    login = {"AppId": "centre", "Nonce": "0" * 16, "Created": "2019-04-02T01:30:00Z", "PasswordDigest": b"x"}
    assert code(call("Login", **login)) == "102"
    assert code(call("Logout")) == "102"


def test_the_time_needs_no_login(bench: Any) -> None:
    port = bench.connector._port
    body, headers = port.seal("GetServiceTime", port.envelope("GetServiceTime", {}))
    sealed = bench.stamp()
    request = replace(bench.connector.encode_health(sealed), body=body, headers=headers)
    assert bench.connector.decode_health(bench.send(request), sealed).ok


def test_documents_are_served_with_their_own_address_and_without_faults(bench: Any) -> None:
    bench.sandbox.faults.set(next_=["unavailable"])
    wsdl = bench.get("?wsdl").body
    assert wsdl.count(b'location="http://sandbox/PersonCertDataService"') == 2
    assert b'schemaLocation="http://sandbox/PersonCertDataService?xsd=service.xsd"' in wsdl
    assert b'"http://sandbox/PersonCertDataService?xsd=types.xsd"' in bench.get("?xsd=service.xsd").body
    assert b"Certificate" in bench.get("?xsd=types.xsd").body
    assert b"?wsdl" in bench.get("").body
    assert bench.get("/../elsewhere").status == 404
    assert list(bench.sandbox.faults.queue) == ["unavailable"]
