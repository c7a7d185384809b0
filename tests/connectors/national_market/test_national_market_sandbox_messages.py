"""The simulated platform at the border: heads, signatures, actions and schema; what is no message stores nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.codec.soap.envelope import Fault, body_element
from gateway.contract.messages import Payload
from gateway.domain.records import Record, Submission
from gateway.domain.states import Event

SERVICE = "urn:jzsc:personcert:ws:1"
OLD_ENVELOPE = b"schemas.xmlsoap.org/soap/envelope/"


def of(record: Record) -> Submission:
    return Submission(platform="national_market", record=record)


def counts(bench: Any) -> dict[str, int]:
    return dict(bench.sandbox.effects()["counts"])


def altered(bench: Any, payload: Payload, find: bytes, put: bytes) -> Any:
    """Send a push whose bytes were changed on the way."""
    sealed = bench.stamp()
    request = bench.connector.encode_push([payload], sealed)
    assert find in request.body
    response = bench.send(request, body=request.body.replace(find, put))
    return bench.connector.decode_push(response, [payload], sealed)[0], response


@pytest.mark.parametrize(
    ("find", "put", "event", "code"),
    [
        (b"<t:RecordCount>1<", b"<t:RecordCount>2<", Event.HOLD, "302"),
        (b"<t:ContentHash>", b"<t:ContentHash>\n", Event.ACCEPTED, "000"),
        ("山东省济南市示例路1号".encode(), "山东省济南市示例路2号".encode(), Event.HOLD, "302"),
        (b"<t:SenderCode>370000<", b"<t:SenderCode>370100<", Event.HOLD, "102"),
    ],
)
def test_the_head_must_fit_the_records(
    bench: Any, person: Record, find: bytes, put: bytes, event: Event, code: str
) -> None:
    verdict, _ = altered(bench, bench.checked(of(person))[0], find, put)
    assert (verdict.event, verdict.code) == (event, code)


@pytest.mark.parametrize(
    ("find", "put", "event", "code"),
    [
        (b"<t:Gender>", b"<t:Gender>7", Event.UNKNOWN, "fault_Client"),
        (b"</soap-env:Envelope>", b"", Event.UNKNOWN, "fault_Client"),
        (b"<soap-env:Envelope", b"<!DOCTYPE x><soap-env:Envelope", Event.UNKNOWN, "fault_Client"),
        (b"<soap-env:Body>", b"<soap-env:Body><x/>", Event.UNKNOWN, "fault_Client"),
        (b"oasis-200401-wss-wssecurity-secext-1.0.xsd", b"unheard-of", Event.HOLD, "fault_MustUnderstand"),
        (OLD_ENVELOPE, b"www.w3.org/2003/05/soap-envelope", Event.HOLD, "fault_VersionMismatch"),
        (b">370000</wsse:Username>", b">370100</wsse:Username>", Event.HOLD, "fault_FailedAuthentication"),
        (b"#PasswordDigest", b"#PasswordText", Event.HOLD, "fault_FailedAuthentication"),
        (b"01:30:00Z", b"01:30:01Z", Event.HOLD, "fault_FailedAuthentication"),
    ],
)  # fmt: skip
def test_a_message_that_is_none_gets_a_fault_and_stores_nothing(
    bench: Any, person: Record, find: bytes, put: bytes, event: Event, code: str
) -> None:
    verdict, response = altered(bench, bench.checked(of(person))[0], find, put)
    assert (verdict.event, verdict.code, response.status) == (event, code, 500)
    assert counts(bench)["persons"] == 0


def test_a_used_nonce_is_refused_for_ten_minutes(bench: Any, person: Record) -> None:
    payloads = bench.checked(of(person))
    sealed = bench.stamp()
    request = bench.connector.encode_push(payloads, sealed)
    assert bench.send(request).status == 200
    refused = body_element(bench.send(request).body)
    assert isinstance(refused, Fault)
    assert refused.reason == "the nonce was used before"
    bench.clock.forward(601)
    late = bench.connector.encode_push(payloads, replace(sealed, now=bench.clock.now))
    assert bench.send(late).status == 200


def test_a_clock_that_is_off_by_more_than_five_minutes_is_refused(bench: Any, person: Record) -> None:
    payloads = bench.checked(of(person))
    for seconds, verdict in ((299, ("accepted", "000")), (301, ("hold", "fault_FailedAuthentication"))):
        sealed = replace(bench.stamp(), now=bench.clock.now - timedelta(seconds=seconds))
        assert bench.push(*payloads, stamp=sealed) == [verdict]


def test_a_missing_or_wrong_action_is_a_client_fault(bench: Any, person: Record) -> None:
    sealed = bench.stamp()
    request = bench.connector.encode_push(bench.checked(of(person)), sealed)
    for action in ("", f"{SERVICE}/UpsertPersonBatch", f'"{SERVICE}/UpsertPerson"'):
        fault = body_element(bench.send(request, headers={"soapaction": action}).body)
        assert isinstance(fault, Fault)
        assert "SOAPAction" in fault.reason


def test_what_is_not_soap_gets_a_plain_page(bench: Any, person: Record) -> None:
    request = bench.connector.encode_push(bench.checked(of(person)), bench.stamp())
    assert bench.send(request, headers={"content-type": "application/json"}).status == 415
    assert bench.send(request, body=b" " * (4 * 1024 * 1024 + 1)).status == 413
    assert bench.send(request, method="PUT").status == 405


@pytest.mark.parametrize(
    ("find", "put"),
    [
        (b"UsernameToken", b"OtherToken"),
        (b"</wsse:Nonce>", b"!</wsse:Nonce>"),
        (b"2019-04-02T01:30:00Z", b"today"),
        (b"2019-04-02T01:30:00Z", b"2019-04-02T01:30:00+00:00"),
    ],
)
def test_an_unreadable_token_is_refused(bench: Any, person: Record, find: bytes, put: bytes) -> None:
    verdict, _ = altered(bench, bench.checked(of(person))[0], find, put)
    assert (verdict.event, verdict.code) == (Event.HOLD, "fault_FailedAuthentication")


def test_a_short_nonce_is_refused(bench: Any, person: Record) -> None:
    sealed = replace(bench.stamp(), nonce=b"short")
    assert bench.push(*bench.checked(of(person)), stamp=sealed) == [("hold", "fault_FailedAuthentication")]
