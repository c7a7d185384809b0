"""Every result code of the table comes from a simulated platform at least once, and gives its verdict."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from lxml import etree

from gateway.codec.codes import table
from gateway.contract.messages import Payload
from gateway.domain.records import Record, Submission
from gateway.testing import people

Call = Callable[..., etree._Element]
Road = Callable[..., Any]
SERIAL = "370000" + "20190402093000" + "0" * 12
FORCED = ("004", "005", "006", "007", "403", "501", "901")


def of(record: Record) -> Submission:
    return Submission(platform="national_market", record=record)


def overall(bench: Any, *payloads: Payload, stamp: Any = None) -> str:
    """The code of the whole answer to a push."""
    answer = bench.send(bench.connector.encode_push(payloads, stamp or bench.stamp()))
    return etree.fromstring(answer.body).findtext(".//{*}ResultCode") or ""


def changed(payload: Payload, **fields: object) -> Payload:
    kept = {k: v for k, v in {**payload.fields, **fields}.items() if v is not None}
    return replace(payload, fields=kept)  # type: ignore[arg-type]  # plain JSON values


def of_forced(bench: Any, person: Payload) -> set[str]:
    """Codes whose cause a simulated platform does not have."""
    found = set()
    for code in FORCED:
        bench.sandbox.faults.set(next_=[f"code_{code}"])
        found.add(overall(bench, person))
    return found


def of_persons(bench: Any, person: Payload) -> set[str]:
    """Storing persons: good, bad, twice, slow, mixed and too busy."""
    others = bench.checked(*(of(people.person_record(random.Random(n))) for n in range(2)))
    sealed = bench.stamp()
    found = {
        overall(bench, changed(person, Ethnicity=None)),
        overall(bench, changed(person, UpdateFlag="D")),
        overall(bench, changed(person, Ethnicity="99")),
        overall(bench, changed(person, IdDocNumber="370000198104067033")),
        overall(bench, changed(person, BirthDate="1990-01-01")),
        overall(bench, *(changed(p, Ethnicity="99") for p in others)),
        overall(bench, others[0], changed(others[1], Ethnicity="99")),
        overall(bench, person, stamp=sealed),
        overall(bench, person, stamp=replace(sealed, nonce=bytes(16))),
        overall(bench, others[1], stamp=replace(sealed, nonce=b"1" * 16)),
        overall(bench, changed(person, RecordKey="f" * 32)),
        overall(bench, changed(person, Mobile="13800009999")),
    }
    bench.sandbox.faults.set(next_=["busy"])
    found.add(overall(bench, person))
    bench.sandbox.async_share = 1
    found.add(overall(bench, person))
    bench.sandbox.async_share = 0
    return found


def of_certificates(bench: Any, certificate: Payload, unknown: Payload, call: Call) -> set[str]:
    """Storing and changing certificates."""
    checked = {
        "CheckDepartName": "局",
        "CheckPersonName": "甲",
        "CheckedAt": "2019-04-01T09:00:00+08:00",
        "DataLevel": "B",
        "DataSource": "2",
    }
    kept = {k: certificate.fields[k] for k in ("RecordKey", "CertClass", "CertNumber", "Holder")}
    told = {"OperateType": "06", "NewStatus": "05", "Reason": "决定", "EffectiveDate": "2019-04-01"}
    change = {**kept, **told, "RecordVersion": 2, "Checked": checked}
    return {
        overall(bench, unknown),
        overall(bench, certificate),
        overall(bench, changed(certificate, RecordKey="e" * 32)),
        call("ChangeCertificateStatus", 1, StatusChange=[change]).findtext(".//{*}ResultCode") or "",
    }


def of_questions(call: Call, person: Payload) -> set[str]:
    """Queries and whole calls that are refused."""
    photo = {"Kind": "CERT_IMAGE", "FileName": "a", "MediaType": "image/png", "ByteSize": 1, "Sha256": "0" * 64}
    with_photo = {**person.fields, "RecordVersion": 9, "Photo": {**photo, "Content": b"x"}}
    answers = [
        call("GetCodeTable", TableName="no_such_table"),
        call("Logout"),
        call("QueryReceipt", SenderCode="370000", SerialNo=SERIAL),
        call("QueryCertificate", SenderCode="370000", CertNumber="no-such-number"),
        call("UpsertPersonBatch", 1, Person=[with_photo]),
        call("UpsertPersonBatch", 41, Person=[with_photo] * 41),
    ]
    return {answer.findtext(".//{*}ResultCode") or "" for answer in answers}


def of_logins(road: Road, person: Record) -> set[str]:
    """A wrong password, a repeated nonce and a missing token."""
    bench = road("T-token")
    refused = road("T-token", password="wrong").log_in().code
    sealed = bench.stamp()
    request = bench.connector.encode_login(None, sealed)
    bench.send(request)
    repeated = bench.connector.decode_login(bench.send(request), sealed).code
    bench.log_in()
    bench.clock.forward(7200)
    return {refused, repeated, overall(bench, *bench.checked(of(person)))}


def test_every_code_of_the_table_is_reached(
    bench: Any, road: Road, call: Call, person: Record, certificate: Record
) -> None:
    (p,), (c,) = bench.checked(of(person)), bench.checked(of(certificate))
    (orphan,) = bench.checked(of(people.certificate_record(random.Random(70))))
    found = of_forced(bench, p) | of_persons(bench, p) | of_certificates(bench, c, orphan, call)
    found |= of_questions(call, p) | of_logins(road, person)
    assert found == {row["code"] for row in table("result_code", "connectors.national_market.codes").rows}


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("004", "unknown"),
        ("005", "retry"),
        ("006", "retry"),
        ("007", "retry"),
        ("403", "retry"),
        ("501", "conflict"),
        ("901", "retry"),
    ],
)
def test_a_code_asked_for_as_a_fault_answers_every_operation_and_stores_nothing(
    bench: Any, person: Record, code: str, event: str
) -> None:
    (payload,) = bench.checked(of(person))
    bench.sandbox.faults.set(next_=[f"code_{code}"] * 3)
    assert bench.push(payload) == [(event, code)]
    assert bench.look_up(payload).code == code
    sealed = bench.stamp()
    answer = bench.send(bench.connector.encode_ack(SERIAL, sealed))
    (verdict,) = bench.connector.decode_ack(answer, SERIAL, [payload], sealed)
    assert verdict.code == code
    assert bench.sandbox.effects()["counts"]["persons"] == 0
