"""Dialect X against the simulated services: every road of a row, each refusal, look-ups, accounts and attacks."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import httpx
import pytest
import zeep
from lxml import etree

from gateway.contract.messages import Payload, Problems
from gateway.domain.records import Certificate, ChangeNature, Record, RecordKind, StatusChange, Submission, Withdrawal
from gateway.domain.states import Event
from gateway.testing import people
from gateway.testing.serving import running

Road = Callable[..., Any]
DIALECTS = ("X", "X-suzhou", "X-jiangsu")


def of(record: Record) -> Submission:
    return Submission(platform="national_market", record=record)


def altered(record: Record, **fields: Any) -> Record:
    """The record with other content."""
    content: Any = record.content
    return replace(record, content=replace(content, **fields))


def writes(bench: Any) -> list[tuple[str, int, int]]:
    held = bench.sandbox.effects()["holdings"].values()
    return sorted((h["kind"], h["version"], h["writes"]) for h in held)


def changed(payload: Payload, **columns: str | None) -> Payload:
    """A payload with columns changed or left out behind the check's back."""
    fields = {k: v for k, v in {**payload.fields, **columns}.items() if v is not None}
    return replace(payload, fields=fields)


@pytest.fixture
def wuxi(road: Road) -> Any:
    return road("X")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_person_then_certificate_are_stored_once_each(
    road: Road, person: Record, certificate: Record, dialect: str
) -> None:
    bench = road(dialect)
    (p,), (c,) = bench.checked(of(person)), bench.checked(of(certificate))
    assert bench.push(c) == [("retry", "005")]
    for payload in (p, c):
        assert bench.push(payload) == bench.push(payload) == [("accepted", "000")]
    assert writes(bench) == [("certificate", 1, 1), ("person", 1, 1)]
    assert bench.sandbox.effects()["counts"]["duplicates"] == 2


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_later_version_a_change_and_a_withdrawal_write_the_row_again(
    road: Road, person: Record, certificate: Record, dialect: str
) -> None:
    bench = road(dialect)
    assert isinstance(certificate.content, Certificate)
    later = replace(certificate, version=2, change=ChangeNature.CHANGE)
    revoked = StatusChange(
        certificate_key=certificate.key,
        certificate=certificate.content,
        new_status="05",
        operate_type="05",
        reason="注销",
        effective_date=date(2019, 4, 1),
        certificate_version=2,
    )
    taken_back = Withdrawal(
        withdrawn_kind=RecordKind.CERTIFICATE,
        withdrawn_key=certificate.key,
        content=certificate.content,
        reason="误报",
        withdrawn_version=3,
    )
    records = [
        person,
        certificate,
        later,
        replace(certificate, kind=RecordKind.STATUS_CHANGE, version=3, content=revoked),
        replace(certificate, kind=RecordKind.WITHDRAWAL, version=4, content=taken_back),
    ]
    for record in records:
        assert bench.push(*bench.checked(of(record))) == [("accepted", "000")]
    assert writes(bench) == [("certificate", 4, 4), ("person", 1, 1)]
    ((_, held),) = bench.sandbox.books.items("TBWorkerCert")
    assert (held["state"], held["row"]["UpdateFlag"], held["row"]["RecordVersion"]) == (-1, "D", "4")
    again = bench.checked(of(records[-1]))
    assert bench.push(*again) == [("accepted", "000")]
    assert writes(bench) == [("certificate", 4, 4), ("person", 1, 1)]


def test_a_status_change_writes_the_new_state_and_its_operation(wuxi: Any, certificate: Record) -> None:
    assert isinstance(certificate.content, Certificate)
    content = StatusChange(
        certificate_key=certificate.key,
        certificate=certificate.content,
        new_status="02",
        operate_type="03",
        reason="违规",
        effective_date=date(2019, 4, 1),
        certificate_version=1,
    )
    record = replace(certificate, kind=RecordKind.STATUS_CHANGE, content=content)
    (payload,) = wuxi.checked(of(record))
    row = payload.fields
    assert (row["QState"], row["OperateType"], row["RecordVersion"], row["StatusText"]) == ("02", "03", "2", "违规")
    bad = replace(record, content=replace(content, operate_type="05", certificate_version=None))
    refused = wuxi.connector.check(of(bad), wuxi.connector.map(of(bad)))
    assert isinstance(refused, Problems)
    assert {(p.field, p.rule) for p in refused.items} == {
        ("new_status", "pair"),
        ("certificate_version", "required"),
    }


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"SexNum": "7"}, "SexNum"),
        ({"nationAlityNum": "99"}, "nationAlityNum"),
        ({"IDCardTypeNum": "111"}, "IDCardTypeNum"),
        ({"PersonName": ""}, "PersonName"),
        ({"Birthday": "1981/04/06"}, "Birthday"),
        ({"UpdateFlag": "X"}, "UpdateFlag"),
        ({"RecordVersion": "0"}, "RecordVersion"),
        ({"PKID": "short"}, "PKID"),
        ({"sbdqbm": "370100"}, None),
        ({"Address": None}, None),
        ({"Unknown": "x"}, "Unknown"),
    ],
)
def test_the_service_refuses_a_bad_row_and_names_its_column(
    wuxi: Any, person: Record, columns: dict[str, str | None], field: str | None
) -> None:
    (payload,) = wuxi.checked(of(person))
    spoiled = changed(payload, **columns)
    sealed = wuxi.stamp()
    if "sbdqbm" in columns:
        request = wuxi.connector.encode_push([payload], sealed)
        data = etree.fromstring(request.body).findtext(".//{*}xmlData") or ""
        assert "MzcwMDAw" in data  # 370000
        request = replace(request, body=request.body.replace(b"sbdqbm&gt;MzcwMDAw", b"sbdqbm&gt;MzcwMTAw"))
    else:
        request = wuxi.connector.encode_push([spoiled], sealed)
    (verdict,) = wuxi.connector.decode_push(wuxi.send(request), [spoiled], sealed)
    assert (verdict.event, verdict.code) == (Event.REJECTED, "003")
    assert verdict.fields == ((field,) if field else verdict.fields)
    assert writes(wuxi) == []


def test_a_number_of_another_record_is_refused(wuxi: Any, person: Record) -> None:
    wuxi.push(*wuxi.checked(of(person)))
    other = replace(person, key=people.ulid(random.Random(3)))
    assert wuxi.push(*wuxi.checked(of(other))) == [("rejected", "003")]


@pytest.mark.parametrize(
    ("fault", "expected", "persons"),
    [
        ("busy", ("retry", "007"), 0),
        ("internal_error", ("retry", "006"), 0),
        ("silent", ("retry", "empty_result"), 1),
        ("words", ("rejected", "003"), 0),
        ("server_fault", ("retry", "fault_Server"), 0),
    ],
)
def test_own_faults_do_what_they_say_and_a_repeat_does_no_harm(
    wuxi: Any, person: Record, fault: str, expected: tuple[str, str], persons: int
) -> None:
    wuxi.sandbox.faults.set(next_=[fault])
    payloads = wuxi.checked(of(person))
    assert wuxi.push(*payloads) == [expected]
    assert len(writes(wuxi)) == persons
    assert wuxi.push(*payloads) == [("accepted", "000")]
    assert writes(wuxi) == [("person", 1, 1)]


def test_a_wrong_password_or_table_holds_the_platform(road: Road, person: Record, tmp_path: Any) -> None:
    for given, code in (({"password": "wrong"}, "001"), ({"username": "nobody"}, "001")):
        bench = road("X", **given)
        assert bench.push(*bench.checked(of(person))) == [("hold", code)]
    file = tmp_path / "other.toml"
    file.write_text('extends = "wuxi"\n[tables]\nperson = "TBPersonInfo"\n', "utf-8")
    bench = road("X", dialect_file=str(file))
    assert bench.push(*bench.checked(of(person))) == [("hold", "002")]


def test_each_region_reports_under_its_own_account(
    road: Road, certificate: Record, person: Record, tmp_path: Any
) -> None:
    file = tmp_path / "regions.toml"
    file.write_text('extends = "wuxi"\n[region_from]\nperson = "HomeRegion"\ncertificate = "IssuerRegion"\n', "utf-8")
    bench = road("X", dialect_file=str(file), region_accounts='{"370100": "city-pass"}')
    bench.sandbox.accounts["370100"] = "city-pass"
    for record, region in ((person, "370100"), (certificate, "370100")):
        (payload,) = bench.checked(of(record))
        assert payload.fields["sbdqbm"] == region
        assert bench.push(payload) == [("accepted", "000")]
        assert bench.look_up(payload).event is Event.ACCEPTED
    elsewhere = altered(person, home_region="370203")
    (payload,) = bench.checked(of(elsewhere))
    assert payload.fields["sbdqbm"] == "370000"


def test_the_other_port_speaks_soap_1_2(road: Road, person: Record, tmp_path: Any) -> None:
    file = tmp_path / "soap12.toml"
    file.write_text('extends = "wuxi"\nport = "DataExchangeSoap12"\n', "utf-8")
    bench = road("X", dialect_file=str(file))
    (payload,) = bench.checked(of(person))
    request = bench.connector.encode_push([payload], bench.stamp())
    assert request.headers["content-type"].endswith('; action="http://tempuri.org/SaveTBData"')
    assert bench.push(payload) == [("accepted", "000")]
    bench.sandbox.faults.set(next_=["server_fault"])
    assert bench.push(payload) == [("retry", "fault_Receiver")]


def test_a_look_up_finds_the_row_compares_it_and_never_takes_empty_for_absent(wuxi: Any, person: Record) -> None:
    (first,) = wuxi.checked(of(person))
    empty = wuxi.look_up(first)
    assert (empty.event, empty.code) == (Event.RETRY, "empty_result")
    wuxi.push(*wuxi.checked(of(people.person_record(random.Random(80)))))
    assert (wuxi.look_up(first).event, wuxi.look_up(first).code) == (Event.NOT_FOUND, "no_row")
    wuxi.push(first)
    assert wuxi.look_up(first).event is Event.ACCEPTED
    later = replace(altered(person, mobile="13800009999"), version=2)
    (second,) = wuxi.checked(of(later))
    assert (wuxi.look_up(second).event, wuxi.look_up(second).code) == (Event.NOT_FOUND, "older_version")
    wuxi.push(second)
    verdict = wuxi.look_up(first)
    assert (verdict.event, verdict.fields) == (Event.CONFLICT, ("Mobile", "RecordVersion"))


def test_a_look_up_reads_back_a_week_and_no_further(wuxi: Any, person: Record) -> None:
    (payload,) = wuxi.checked(of(person))
    wuxi.push(payload)
    wuxi.clock.forward(8 * 86400)
    assert wuxi.look_up(payload).event is Event.ACCEPTED
    wuxi.clock.forward(86400)
    assert wuxi.look_up(payload).code == "empty_result"


def test_a_withdrawal_is_found_by_its_flag_and_done_where_nothing_is_left(wuxi: Any, person: Record) -> None:
    content = Withdrawal(
        withdrawn_kind=RecordKind.PERSON,
        withdrawn_key=person.key,
        content=person.content,  # type: ignore[arg-type]  # a worker
        reason="误报",
        withdrawn_version=1,
    )
    (payload,) = wuxi.checked(of(replace(person, kind=RecordKind.WITHDRAWAL, version=2, content=content)))
    assert wuxi.push(payload) == [("accepted", "005")]
    wuxi.push(*wuxi.checked(of(person)))
    assert wuxi.look_up(payload).event is Event.NOT_FOUND
    wuxi.push(payload)
    assert wuxi.look_up(payload).event is Event.ACCEPTED


ATTACKS = {
    "document type": '<!DOCTYPE x [<!ENTITY e "v">]><dataTable><row><PKID>&e;</PKID></row></dataTable>',
    "entity without a type": "<dataTable><row><PKID>&e;</PKID></row></dataTable>",
    "external entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><dataTable/>',
    "billion laughs": '<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
    "cut": "<dataTable><row><PKID>",
    "two documents": "<dataTable/><dataTable/>",
    "deep": "<dataTable><row><PKID><x>1</x></PKID></row></dataTable>",
    "not base64": "<dataTable><row><PKID>!!</PKID></row></dataTable>",
    "other charset": '<?xml version="1.0" encoding="GB2312"?><dataTable/>',
    "nothing": "",
}


@pytest.mark.parametrize("data", ATTACKS.values(), ids=ATTACKS)
def test_a_hostile_string_is_refused_and_stores_nothing(wuxi: Any, person: Record, data: str) -> None:
    (payload,) = wuxi.checked(of(person))
    sealed = wuxi.stamp()
    request = wuxi.connector.encode_push([payload], sealed)
    root = etree.fromstring(request.body)
    element = root.find(".//{*}xmlData")
    assert element is not None
    element.text = data
    answer = wuxi.send(replace(request, body=etree.tostring(root)))
    (verdict,) = wuxi.connector.decode_push(answer, [payload], sealed)
    assert (verdict.event, verdict.code) == (Event.REJECTED, "003")
    assert b"root:" not in answer.body
    assert writes(wuxi) == []


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"<?xml", b'<!DOCTYPE x [<!ENTITY e "v">]><?xml', 500),
        (b"http://tempuri.org/", b"http://tempuri.org", 500),
        (b"SaveTBData", b"SaveTBDataToSt", 500),
    ],
)
def test_the_envelope_is_as_strictly_read_as_in_the_typed_dialect(
    wuxi: Any, person: Record, old: bytes, new: bytes, status: int
) -> None:
    payloads = wuxi.checked(of(person))
    request = wuxi.connector.encode_push(payloads, wuxi.stamp())
    answer = wuxi.send(replace(request, body=request.body.replace(old, new)))
    assert answer.status == status
    assert writes(wuxi) == []


def test_an_operation_the_service_has_not_holds_the_platform(road: Road, wuxi: Any, person: Record) -> None:
    other = road("X-jiangsu")
    request = other.connector.encode_push(other.checked(of(person)), other.stamp())
    payloads = wuxi.checked(of(person))
    (verdict,) = wuxi.connector.decode_push(wuxi.send(request), payloads, wuxi.stamp())
    assert (verdict.event, verdict.code) == (Event.HOLD, "fault_Client")


def test_only_post_and_the_description_are_served(wuxi: Any) -> None:
    assert b'location="http://sandbox/DataExchange.asmx"' in wuxi.get("?wsdl").body
    assert b"?wsdl" in wuxi.get("").body
    assert wuxi.get("/../elsewhere").status == 404


def test_a_third_partys_client_can_use_it_from_its_description() -> None:
    from connectors.national_market.sandbox import build

    sandbox = build(dialect="X-suzhou")
    with running(sandbox) as base:
        details = sandbox.access(base).details
        client = zeep.Client(details["wsdl"])  # type: ignore[no-untyped-call]
        call = client.service.SaveTBData
        account = {"user": details["user"], "password": details["password"]}
        assert call(tableName="TBNothing", xmlData="", **account).startswith("002 ")
        assert call(tableName="TBWorkerInfo", xmlData="<a><b/></a>", **account).startswith("003 ")
        assert call(tableName="TBWorkerInfo", xmlData="", user="x", password="x").startswith("001 ")
        client.transport.session.close()
        page = httpx.post(details["url"], content=b"x" * (4 * 1024 * 1024 + 1), trust_env=False)
        assert page.status_code == 413
