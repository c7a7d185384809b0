"""Profile T: login, token in the header, renewal, a refused token, and what the simulated platform makes of them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from lxml import etree

from gateway.codec.soap.envelope import username_token
from gateway.contract.connector import TOKEN_REFUSED
from gateway.contract.messages import Token, Verdict, WireResponse
from gateway.domain.errors import ContractError
from gateway.domain.records import Record, Submission
from gateway.domain.states import Event
from gateway.testing.conformance import stamp

Road = Callable[..., Any]


@pytest.fixture
def road_t(road: Road) -> Any:
    return road("T-token")


def of(record: Record) -> Submission:
    return Submission(platform="national_market", record=record)


def test_the_login_carries_a_digest_and_never_the_password(road_t: Any) -> None:
    sealed = road_t.stamp()
    request = road_t.connector.encode_login(None, sealed)
    login = etree.fromstring(request.body).find(".//{*}Login")
    assert login is not None
    nonce, created = (login.findtext(f"{{*}}{name}") or "" for name in ("Nonce", "Created"))
    password = road_t.sandbox.access("").details["password"]
    wanted = base64.b64encode(hashlib.sha256((nonce + created + password).encode()).digest()).decode()
    assert login.findtext("{*}PasswordDigest") == wanted
    assert password.encode() not in request.body
    assert b"Header" not in request.body


def test_a_token_is_renewed_early_and_opens_every_call(road_t: Any, person: Record) -> None:
    token = road_t.log_in()
    assert isinstance(token, Token)
    now = road_t.clock.now
    assert (token.expires_at - now, token.expires_at - token.renew_at) == (timedelta(hours=2), timedelta(minutes=5))
    (payload,) = road_t.checked(of(person))
    assert road_t.push(payload) == [("accepted", "000")]
    assert road_t.look_up(payload).event is Event.ACCEPTED
    assert "token" not in repr(token).replace("Token", "")


@pytest.mark.parametrize("soap_version", ["1.1", "1.2"])
def test_the_token_stands_in_the_header_of_both_soap_versions(road: Road, person: Record, soap_version: str) -> None:
    bench = road("T-token", soap_version=soap_version)
    bench.log_in()
    request = bench.connector.encode_push(bench.checked(of(person)), bench.stamp())
    root = etree.fromstring(request.body)
    assert [etree.QName(child).localname for child in root] == ["Header", "Body"]
    assert root.findtext("{*}Header/{urn:jzsc:personcert:ws:1}AuthHeader/{*}Token") == bench.token.values["token"]


def test_without_a_token_nothing_is_encoded(road_t: Any, person: Record) -> None:
    with pytest.raises(ContractError, match="no token"):
        road_t.connector.encode_push(road_t.checked(of(person)), road_t.stamp())


def test_a_token_that_ran_out_asks_for_a_new_login_everywhere(road_t: Any, person: Record) -> None:
    road_t.log_in()
    payloads = road_t.checked(of(person))
    road_t.clock.forward(7201)
    assert road_t.push(*payloads) == [("retry", TOKEN_REFUSED)]
    connector, sealed = road_t.connector, road_t.stamp()
    serial = "370000" + "20190402093000" + "0" * 12
    told = [
        connector.decode_ack(road_t.send(connector.encode_ack(serial, sealed)), serial, payloads, sealed)[0],
        road_t.look_up(payloads[0]),
        connector.decode_holdings(
            road_t.send(connector.encode_holdings(None, payloads[0], sealed)), payloads[0], sealed
        ),
        connector.decode_code_table(road_t.send(connector.encode_code_table("gender", sealed)), "gender", sealed),
    ]
    assert [(v.event, v.code) for v in told] == [(Event.RETRY, TOKEN_REFUSED)] * 4
    road_t.log_in()
    assert road_t.push(*payloads) == [("accepted", "000")]


def test_a_logout_ends_the_token(road_t: Any, person: Record) -> None:
    road_t.log_in()
    sealed = road_t.stamp()
    verdict = road_t.connector.decode_logout(road_t.send(road_t.connector.encode_logout(sealed)), sealed)
    assert verdict.event is Event.ACCEPTED
    assert road_t.push(*road_t.checked(of(person))) == [("retry", TOKEN_REFUSED)]
    again = road_t.connector.decode_logout(road_t.send(road_t.connector.encode_logout(sealed)), sealed)
    assert again.code == TOKEN_REFUSED


def test_a_wrong_password_holds_the_platform(road: Road) -> None:
    refused = road("T-token", password="wrong").log_in()
    assert isinstance(refused, Verdict)
    assert (refused.event, refused.code) == (Event.HOLD, "001")


def test_a_clock_that_is_off_and_a_nonce_used_twice_are_refused(road_t: Any) -> None:
    connector, sealed = road_t.connector, road_t.stamp()
    late = replace(sealed, now=sealed.now - timedelta(seconds=301))
    told = [
        connector.decode_login(road_t.send(connector.encode_login(None, one)), one).__class__.__name__
        for one in (late, sealed, sealed)
    ]
    assert told == ["Verdict", "Token", "Verdict"]
    verdict = connector.decode_login(road_t.send(connector.encode_login(None, sealed)), sealed)
    assert (verdict.event, verdict.code) == (Event.HOLD, "104")
    road_t.clock.forward(601)
    fresh = replace(sealed, now=road_t.clock.now)
    assert isinstance(connector.decode_login(road_t.send(connector.encode_login(None, fresh)), fresh), Token)


def test_a_login_that_is_not_base64_is_refused_like_a_wrong_one(road_t: Any) -> None:
    sealed = road_t.stamp()
    request = road_t.connector.encode_login(None, sealed)
    digest = etree.fromstring(request.body).findtext(".//{*}PasswordDigest") or ""
    spoiled = request.body.replace(digest.encode(), b"AAAA")
    verdict = road_t.connector.decode_login(road_t.send(replace(request, body=spoiled)), sealed)
    assert (verdict.event, verdict.code) == (Event.HOLD, "001")


def test_a_signed_message_is_not_understood_where_there_is_a_login(road_t: Any) -> None:
    port, sealed = road_t.connector._port, road_t.stamp()
    envelope = port.envelope("GetServiceTime", {})
    body, headers = port.seal("GetServiceTime", envelope, username_token("370000", "x", sealed))
    request = replace(road_t.connector.encode_health(sealed), body=body, headers=headers)
    answer = road_t.send(request)
    assert (answer.status, b"MustUnderstand" in answer.body) == (500, True)
    assert road_t.connector.decode_health(road_t.send(road_t.connector.encode_health(sealed)), sealed).ok


def login_answer(content: str) -> WireResponse:
    space, service = "http://schemas.xmlsoap.org/soap/envelope/", "urn:jzsc:personcert:ws:1"
    text = (
        f'<s:Envelope xmlns:s="{space}" xmlns:ws="{service}"><s:Body><ws:LoginResponse>{content}</ws:LoginResponse>'
        "</s:Body></s:Envelope>"
    )
    return WireResponse(status=200, headers={"content-type": "text/xml"}, body=text.encode())


GOOD = "<ws:ResultCode>000</ws:ResultCode><ws:ResultMessage/>"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (GOOD, "no_token"),
        (f"{GOOD}<ws:Token>{'t' * 16}</ws:Token><ws:ExpiresInSeconds>0</ws:ExpiresInSeconds>", "no_token"),
        (f"{GOOD}<ws:Token>short</ws:Token>", "reply_schema"),
        ("<ws:ResultCode>102</ws:ResultCode><ws:ResultMessage/>", "102"),
    ],
)
def test_a_login_without_a_usable_token_is_no_login(road_t: Any, content: str, code: str) -> None:
    verdict = road_t.connector.decode_login(login_answer(content), stamp())
    assert (isinstance(verdict, Verdict), verdict.code) == (True, code)


@pytest.mark.parametrize(("told", "life", "early"), [("", 7200, 300), ("60", 60, 30)])
def test_a_short_life_is_renewed_half_way_and_a_missing_one_is_the_contracts(
    road_t: Any, told: str, life: int, early: int
) -> None:
    lasting = f"<ws:ExpiresInSeconds>{told}</ws:ExpiresInSeconds>" if told else ""
    token = road_t.connector.decode_login(login_answer(f"{GOOD}<ws:Token>{'t' * 16}</ws:Token>{lasting}"), stamp())
    assert token.expires_at - stamp().now == timedelta(seconds=life)
    assert token.expires_at - token.renew_at == timedelta(seconds=early)


def test_garbage_is_neither_a_token_nor_a_logout(road_t: Any) -> None:
    for body in (b"", b"OK", b"<html/>", b"\xff\xfe"):
        response = WireResponse(status=200, headers={"content-type": "text/xml"}, body=body)
        for verdict in (
            road_t.connector.decode_login(response, stamp()),
            road_t.connector.decode_logout(response, stamp()),
        ):
            assert (isinstance(verdict, Verdict), verdict.event) == (True, Event.RETRY)
