"""Signatures, tokens and resends."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import rfc8785

from connectors.provincial_credit.keys import HmacKey
from connectors.provincial_credit.settings import ProvincialCreditSettings
from connectors.provincial_credit.wire import Wire, canonical_query
from gateway.codec import signing
from gateway.contract.connector import TOKEN_REFUSED
from gateway.contract.messages import JSON, Stamp, Token, Verdict, WireResponse
from gateway.domain.errors import ConfigurationError, ContractError
from gateway.domain.states import Event
from gateway.settings import load

KEY = "0123456789abcdef0123456789abcdef"
NONCE = bytes(15) + b"\x01"
ACK_BODY: dict[str, JSON] = {
    "ackBatchNo": "AB20190402000001",
    "acks": [
        {
            "eventId": "EV0000000001",
            "platformRecordId": "CR370000-2019-000001",
            "recordVersion": 1,
            "ackCode": "APPLIED",
            "ackTime": "2019-04-02T09:30:00+08:00",
        }
    ],
}


@pytest.mark.parametrize(
    ("algorithm", "signature"),
    [
        ("HMAC-SHA256", "NBYI8AXIJHrCA20beYyQb+gxJk34WHodz1INRNASDJM="),
        ("HMAC-SM3", "Q8yP+SMPBilk9ccvAW0x6EW3zgc+1cv9Pi0SPaQ6BUM="),
    ],
)
def test_the_published_request_has_the_published_signature(bench: Any, algorithm: str, signature: str) -> None:
    settings = load(
        ProvincialCreditSettings,
        endpoint="https://credit.invalid/credit-platform/api/v1/",
        app_key="demo-app",
        app_secret=KEY,
        field_key="AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        signature_alg=algorithm,
    )
    stamp = Stamp(message_id="7f9c24e8-3b1a-4d2e-9a51-0c6f2b7d8e90", now=bench.clock.now, nonce=NONCE)
    key = HmacKey(secret=KEY, digest=settings.digest_alg, key_id="id-1")
    request = Wire(settings).request(
        "createAcks", "/credit-records/acks", stamp, key=key, body=("AckBatch", ACK_BODY), changes=True
    )
    assert request.headers["x-timestamp"] == "1554168600000"
    assert request.headers["x-signature"] == signature


def test_a_query_is_sorted_by_name_and_value_and_encoded() -> None:
    query = [("streams", "PERSON_BAD"), ("limit", "200"), ("cursor", "b3BhcXVl"), ("streams", "CORP_BAD")]
    assert canonical_query(query) == "cursor=b3BhcXVl&limit=200&streams=CORP_BAD&streams=PERSON_BAD"
    assert canonical_query([("from", "2019-04-02T09:30:00+08:00")]) == "from=2019-04-02T09%3A30%3A00%2B08%3A00"


def test_a_resend_of_a_message_has_the_same_body_and_key_but_a_new_signature(bench: Any) -> None:
    payloads, first = bench.payloads(3), bench.stamp()
    later = replace(first, now=first.now + timedelta(minutes=5), nonce=b"\x07" * 16)
    one, two = bench.connector.encode_push(payloads, first), bench.connector.encode_push(payloads, later)
    assert one.body == two.body
    assert one.headers["idempotency-key"] == two.headers["idempotency-key"] == first.message_id
    assert one.headers["x-signature"] != two.headers["x-signature"]


def test_a_stored_payload_is_sent_with_the_same_bytes(bench: Any) -> None:
    payload, stamp = bench.payloads(1)[0], bench.stamp()
    stored = replace(payload, fields=json.loads(json.dumps(payload.fields)))
    assert bench.connector.encode_push([stored], stamp) == bench.connector.encode_push([payload], stamp)


def test_a_batch_carries_its_count_its_time_and_the_digest_of_its_digests(bench: Any) -> None:
    payloads = bench.payloads(2)
    stamp = bench.stamp("01D7EN6Q00000000000000ABCD")
    batch = json.loads(bench.connector.encode_push(payloads, stamp).body)
    joined = "\n".join(str(p.fields["payloadDigest"]) for p in payloads)
    assert (batch["batchNo"], batch["itemCount"]) == (stamp.message_id, 2)
    assert batch["createdAt"].startswith("2019-04-0")
    assert batch["totalDigest"] == f"sha-256:{signing.digest('sha-256', joined.encode()).hex()}"


def test_without_a_token_nothing_is_signed(bench: Any) -> None:
    with pytest.raises(ContractError, match="token"):
        bench.connector.encode_push(bench.payloads(1), bench.stamp(login=False))


def test_a_body_that_breaks_the_document_never_leaves(bench: Any) -> None:
    payload = bench.payloads(1)[0]
    broken = replace(payload, fields={**payload.fields, "recordVersion": 0})
    with pytest.raises(ContractError, match=r"items\.0\.recordVersion: minimum"):
        bench.connector.encode_push([broken], bench.stamp())


def _taken(stamp: Stamp, answer: Callable[..., WireResponse]) -> WireResponse:
    value = {"requestSerialCode": "SC1", "receivedAt": "2019-04-02T09:30:00+08:00", "itemCount": 1}
    return answer(stamp, 202, value)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda r: replace(r, body=r.body.replace(b"SC1", b"SC2")), "answer_signature"),
        (lambda r: replace(r, headers={**r.headers, "x-platform-timestamp": "1"}), "answer_signature"),
        (lambda r: replace(r, headers={**r.headers, "x-request-id": "another"}), "answer_signature"),
        (lambda r: replace(r, status=200), "answer_signature"),
        (lambda r: replace(r, headers={"content-type": "application/json"}), "answer_unsigned"),
    ],
)
def test_a_success_that_is_not_surely_theirs_settles_nothing(
    bench: Any, answer: Callable[..., WireResponse], spoil: Callable[[WireResponse], WireResponse], code: str
) -> None:
    payloads, stamp = bench.payloads(1), bench.stamp()
    (verdict,) = bench.connector.decode_push(spoil(_taken(stamp, answer)), payloads, stamp)
    assert (verdict.event, verdict.code, verdict.same_message) == (Event.RETRY, code, True)


def test_an_unsigned_refusal_may_delay_but_not_settle(
    bench: Any, answer: Callable[..., WireResponse], refusal: Callable[..., Any]
) -> None:
    payloads, stamp = bench.payloads(1), bench.stamp()
    plain = {"content-type": "application/problem+json"}

    def judge(code: str, status: int) -> Verdict:
        response = answer(stamp, status, refusal(code, status))
        verdict: Verdict = bench.connector.decode_push(replace(response, headers=plain), payloads, stamp)[0]
        return verdict

    assert judge("IP_DENIED", 403).event is Event.HOLD
    assert judge("TOKEN_EXPIRED", 401).code == TOKEN_REFUSED
    assert judge("VERSION_CONFLICT", 412).code == "answer_unsigned"


def test_without_the_duty_to_verify_an_unsigned_answer_counts(
    make_bench: Callable[..., Any], answer: Callable[..., WireResponse]
) -> None:
    bench = make_bench(verify_answers="false")
    payloads, stamp = bench.payloads(1), bench.stamp()
    response = replace(_taken(stamp, answer), headers={"content-type": "application/json"})
    assert bench.connector.decode_push(response, payloads, stamp)[0].event is Event.PENDING


def test_a_token_is_renewed_three_minutes_before_its_end(bench: Any) -> None:
    token = bench.login()
    assert token.expires_at == bench.clock.now + timedelta(minutes=15)
    assert token.renew_at == token.expires_at - timedelta(minutes=3)
    assert token.values["requestSecret"] not in repr(token)


def test_a_live_refresh_secret_is_used_and_a_dead_one_is_not(bench: Any) -> None:
    first = bench.login()
    bench.clock.pass_(minutes=13)
    second = bench.login(first)
    assert bench.seen[-1][0].headers["x-key-id"] == first.values["refreshSecretId"]
    assert json.loads(bench.seen[-1][0].body)["grant"] == "REFRESH_SECRET"
    assert second.values["requestSecretId"] != first.values["requestSecretId"]
    bench.clock.pass_(hours=49)
    bench.login(second)
    assert json.loads(bench.seen[-1][0].body)["grant"] == "APP_SECRET"


def test_a_refresh_is_not_asked_for_where_its_answer_could_not_be_verified(bench: Any) -> None:
    previous: Token = bench.login()
    request = bench.connector.encode_login(previous, bench.stamp(login=False))
    assert json.loads(request.body)["grant"] == "APP_SECRET"


def test_a_login_answer_by_another_secret_is_not_believed(bench: Any, answer: Callable[..., WireResponse]) -> None:
    stamp = bench.stamp(login=False)
    response = bench.send(bench.connector.encode_login(None, stamp))
    forged = answer(stamp, 200, json.loads(response.body), secret="x" * 32)
    verdict = bench.connector.decode_login(forged, stamp)
    assert isinstance(verdict, Verdict)
    assert verdict.code == "answer_signature"


def test_an_unsigned_request_body_is_canonical(bench: Any) -> None:
    request = bench.connector.encode_holdings("t", None, bench.stamp())
    assert request.body == rfc8785.dumps(json.loads(request.body)) == b'{"pageSize":200,"pageToken":"t"}'


def test_secrets_stand_in_no_repr(bench: Any) -> None:
    request = bench.connector.encode_push(bench.payloads(1), bench.stamp())
    settings = bench.sandbox.credentials
    for text in (repr(request), repr(bench.stamp()), repr(bench.connector.endpoint)):
        assert settings.app_secret not in text
        assert request.headers["x-signature"] not in text


@pytest.mark.parametrize("value", ["not base64!", "c2hvcnQ="])
def test_a_field_key_that_is_none_is_refused_without_being_shown(make_bench: Callable[..., Any], value: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        make_bench(field_key=value)
    assert "FIELD_KEY" in str(error.value)
    assert value not in str(error.value)


@pytest.mark.parametrize(("seconds", "good"), [(0, True), (299, True), (301, False), (-301, False)])
def test_the_health_call_tells_how_far_the_clocks_are_apart(bench: Any, seconds: int, good: bool) -> None:
    stamp = bench.stamp(login=False)
    bench.clock.pass_(seconds=seconds)
    health = bench.connector.decode_health(bench.send(bench.connector.encode_health(stamp)), stamp)
    assert health.ok is good
    assert health.clock_skew == timedelta(seconds=seconds)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"now":1}'])
def test_a_health_answer_without_a_time_is_bad(bench: Any, body: bytes) -> None:
    stamp = bench.stamp(login=False)
    assert not bench.connector.decode_health(WireResponse(status=200, body=body), stamp).ok
