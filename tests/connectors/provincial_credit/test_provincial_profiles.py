"""Every profile that can be agreed, from the first call to the last acknowledgement."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.provincial_credit.envelope import unwrap
from connectors.provincial_credit.sandbox.http import PROFILES
from gateway.codec.replies import judge_reply
from gateway.contract.connector import TOKEN_REFUSED, NeedsToken
from gateway.contract.messages import FeedbackPage, FindingAck, HoldingsPage, WireResponse
from gateway.domain.errors import ConfigurationError
from gateway.domain.states import Event

Make = Callable[..., Any]
ENVELOPES = ("national", "zhejiang")


def everything(bench: Any) -> list[Any]:
    """All pages of the feed."""
    found, cursor = [], None
    for _ in range(20):
        page = bench.ask("feedback", cursor)
        assert isinstance(page, FeedbackPage), page
        found += page.findings
        cursor = page.next_cursor
        if not page.has_more:
            return found
    raise AssertionError("the feed does not end")


@pytest.mark.parametrize("dialect", PROFILES)
def test_a_profile_works_from_push_to_acknowledgement(make_bench: Make, dialect: str) -> None:
    bench = make_bench(dialect)
    payloads = bench.payloads(4)
    assert {v.event for v in bench.results(payloads)} == {Event.ACCEPTED}
    assert bench.ask("lookup", payloads[0]).event is Event.ACCEPTED
    held = bench.ask("holdings", None, payloads[0])
    assert isinstance(held, HoldingsPage)
    assert len(held.holdings) == 4
    bench.ask("feedback", None)
    bench.clock.pass_(seconds=2)  # what was written this second is not read by update time yet
    found = everything(bench)
    assert {f.flaw for f in found} == {None, "SCHEMA_INVALID", "SIGNATURE_INVALID"}
    acks = [
        FindingAck(event_id=f.event_id, record_id=f.record_id, version=f.version, code="DEFERRED", at=bench.clock.now)
        for f in found[:50]
    ]
    stamp = bench.stamp()
    request = bench.connector.encode_feedback_acks(acks, stamp)
    assert bench.connector.decode_feedback_acks(bench.send(request), acks, stamp).event is Event.ACCEPTED
    for _, response in bench.seen:
        assert judge_reply(response, bench.connector.info, replay_safe=True, now=bench.clock.now) is None


@pytest.mark.parametrize("dialect", ["gm", "gm-der", "gm-envelope"])
def test_with_sm2_keys_there_is_no_login(make_bench: Make, dialect: str) -> None:
    bench = make_bench(dialect)
    assert bench.results(bench.payloads(1))[0].event is Event.ACCEPTED
    assert not isinstance(bench.connector, NeedsToken)
    request = bench.connector.encode_push(bench.payloads(1), bench.stamp())
    assert request.headers["x-signature-alg"] == "SM2-SM3"
    assert request.headers["x-key-id"] == "caller-1"
    signature = base64.b64decode(request.headers["x-signature"])
    assert (len(signature) == 64) is (dialect != "gm-der")
    again = bench.connector.encode_push(bench.payloads(1), bench.stamp())
    assert again.headers["x-signature"] != request.headers["x-signature"]
    assert bench.payloads(1)[0].fields["person"]["idCardNumber"]["alg"] == "SM4-GCM"


def test_nothing_of_a_body_is_readable_in_the_encrypted_profile_and_a_resend_is_known_again(make_bench: Make) -> None:
    bench = make_bench("gm-envelope")
    payloads, stamp = bench.payloads(2), bench.stamp()
    request = bench.connector.encode_push(payloads, stamp)
    later = replace(stamp, now=stamp.now + timedelta(minutes=5), nonce=b"\x09" * 16)
    one, two = (json.loads(bench.connector.encode_push(payloads, at).body) for at in (stamp, later))
    assert {name for name, value in one.items() if two[name] != value} == {"encKey", "signData"}
    assert payloads[0].record_key.encode() not in request.body
    assert set(json.loads(request.body)) == {
        *("appCode", "version", "encType", "signType", "timestamp", "keyId", "encKey", "iv", "encData", "tag"),
        "signData",
    }
    first, again = bench.send(request), bench.send(bench.connector.encode_push(payloads, later))
    assert again.headers["idempotency-replayed"] == "true"
    other = bench.connector.encode_push(bench.payloads(1), replace(later, nonce=b"\x0a" * 16))
    assert json.loads(bench.send(other).body)["code"] == "IDEMPOTENCY_MISMATCH"
    assert bench.connector.decode_push(first, payloads, stamp)[0].event is Event.PENDING
    assert bench.connector.decode_push(again, payloads, later)[0].event is Event.PENDING


@pytest.mark.parametrize("member", ["timestamp", "keyId", "encKey", "iv", "encData", "tag", "signData", "appCode"])
def test_an_envelope_with_one_changed_member_settles_nothing(make_bench: Make, member: str) -> None:
    """Without the signature over the answer (a careless gateway between), the envelope's own still holds."""
    bench = make_bench("gm-envelope", verify_answers="false")
    payloads, stamp = bench.payloads(1), bench.stamp()
    response = bench.send(bench.connector.encode_push(payloads, stamp))
    assert bench.connector.decode_push(response, payloads, stamp)[0].event is Event.PENDING
    envelope = json.loads(response.body)
    value = envelope[member]
    envelope[member] = value + 1 if isinstance(value, int) else ("B" if value[0] == "A" else "A") + value[1:]
    spoilt = replace(response, body=json.dumps(envelope).encode())
    assert bench.connector.decode_push(spoilt, payloads, stamp)[0].code == "answer_json"


def test_a_plain_success_is_not_believed_in_the_encrypted_profile(make_bench: Make) -> None:
    bench = make_bench("gm-envelope", verify_answers="false")
    payloads, stamp = bench.payloads(1), bench.stamp()
    plain = {"requestSerialCode": "SC1", "receivedAt": "2019-04-02T09:30:00+08:00", "itemCount": 1}
    answer = WireResponse(status=202, headers={"content-type": "application/json"}, body=json.dumps(plain).encode())
    assert bench.connector.decode_push(answer, payloads, stamp)[0].code == "answer_json"


def test_the_platform_may_change_its_sm2_key_to_one_that_is_known(make_bench: Make) -> None:
    bench = make_bench("gm")
    bench.sandbox.books.put("settings", "sm2_key", "platform-2")
    payloads = bench.payloads(1)
    assert bench.results(payloads)[0].event is Event.ACCEPTED
    only = {"platform-1": bench.sandbox.credentials.platform["platform-1"].public}
    other = make_bench("gm", platform_keys=json.dumps(only))
    other.sandbox.books.put("settings", "sm2_key", "platform-2")
    stamp = other.stamp()
    response = other.send(other.connector.encode_push(payloads, stamp))
    assert other.connector.decode_push(response, payloads, stamp)[0].code == "answer_signature"


def test_fields_sealed_with_the_next_key_are_read_where_it_is_known(make_bench: Make) -> None:
    knowing, not_knowing = make_bench(), make_bench(field_keys="{}")
    for bench in (knowing, not_knowing):
        bench.hold(3)
        bench.sandbox.books.put("settings", "field_key", "field-2")
        bench.sandbox.command(tell=("F01",))
    flaws = [[f.flaw for f in everything(bench)] for bench in (knowing, not_knowing)]
    assert flaws == [[None, None], ["SIGNATURE_INVALID"] * 2]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"x-signature-alg": "HMAC-SM3"}, "SIGNATURE_INVALID"),
        ({"x-key-id": "caller-2"}, "SIGNATURE_INVALID"),
        ({"x-key-id": None}, "SIGNATURE_INVALID"),
        ({"x-signature": base64.b64encode(bytes(64)).decode()}, "SIGNATURE_INVALID"),
        ({"x-signature": "AAAA"}, "SIGNATURE_INVALID"),
        ({"x-content-sm3": "0" * 64}, "SIGNATURE_INVALID"),
    ],
)
def test_the_door_checks_signature_forms(make_bench: Make, change: dict[str, str | None], code: str) -> None:
    bench = make_bench("gm")
    request = bench.connector.encode_push(bench.payloads(1), bench.stamp())
    headers = {name: value for name, value in {**request.headers, **change}.items() if value is not None}
    refused = bench.send(replace(request, headers=headers))
    assert (refused.status, json.loads(refused.body)["code"]) == (401, code)


def test_in_the_encrypted_profile_a_plain_body_and_an_envelope_for_another_are_refused(make_bench: Make) -> None:
    bench = make_bench("gm-envelope")
    plain = make_bench("gm").connector.encode_holdings(None, None, bench.stamp())
    assert json.loads(bench.send(plain).body)["code"] == "UNSUPPORTED_MEDIA"
    stamp = bench.stamp()
    body = json.loads(bench.connector.encode_holdings(None, None, stamp).body)
    body["keyId"] = "platform-9"
    raw = ("application/vnd.sdcredit.gm+json", json.dumps(body).encode())
    assert json.loads(bench.send(bench.connector._request("x", "/skill-certificates/queries", stamp, raw=raw)).body)[
        "code"
    ] == ("PARAM_INVALID")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"encrypted_bodies": "true"}, "encrypted_bodies"),
        ({"signature_alg": "SM2-SM3"}, "signing_key"),
        ({"field_alg": "SM4-GCM"}, "field_key"),
        ({"field_keys": '{"k": "AAAA"}'}, "FIELD_KEYS"),
        ({"signature_alg": "SM2-SM3", "signing_key": "00", "platform_keys": '{"platform-1": "00"}'}, "SM2 keys"),
        ({"answers": "soap"}, "ANSWERS"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(make_bench: Make, given: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        make_bench(**given)
    assert named in str(error.value)


# the field's envelopes


@pytest.mark.parametrize("style", ENVELOPES)
def test_refusals_in_an_envelope_mean_what_their_problem_details_say(make_bench: Make, style: str) -> None:
    bench = make_bench(style)
    payload = bench.payloads(1)[0]
    assert bench.ask("lookup", payload).event is Event.NOT_FOUND
    bench.sandbox.faults.set(next_=["busy"])
    verdict = bench.ask("lookup", payload)
    assert (verdict.event, verdict.code, verdict.retry_after) == (Event.RETRY, "RATE_LIMITED", timedelta(seconds=1))
    assert {response.status for _, response in bench.seen} == {200}


@pytest.mark.parametrize(
    ("style", "envelope", "event", "code"),
    [
        ("national", {"code": -1, "message": "x", "requestId": "r"}, Event.UNKNOWN, "number_-1"),
        ("national", {"code": -2, "message": "x", "requestId": "r"}, Event.RETRY, TOKEN_REFUSED),
        ("national", {"code": -3, "message": "x", "requestId": "r", "data": {"a": 1}}, Event.HOLD, "ACCESS_DENIED"),
        ("national", {"code": -4, "message": "x", "requestId": "r"}, Event.HOLD, "IP_DENIED"),
        ("national", {"code": -5, "message": "x", "requestId": "r"}, Event.RETRY, "RATE_LIMITED"),
        ("national", {"code": 7, "message": "x", "requestId": "r"}, Event.RETRY, "answer_schema"),
        ("national", {"code": 0, "message": "x", "requestId": "r"}, Event.RETRY, "answer_schema"),
        ("zhejiang", {"code": "97", "msg": "x"}, Event.UNKNOWN, "number_97"),
        ("zhejiang", {"code": "00", "msg": "x", "data": []}, Event.RETRY, "answer_schema"),
        ("zhejiang", ["00"], Event.RETRY, "answer_schema"),
    ],
)
def test_a_bare_number_claims_no_more_than_it_says(
    make_bench: Make, answer: Any, style: str, envelope: Any, event: Event, code: str
) -> None:
    bench = make_bench(style)
    payloads, stamp = bench.payloads(1), bench.stamp()
    (verdict,) = bench.connector.decode_push(answer(stamp, 200, envelope), payloads, stamp)
    assert (verdict.event, verdict.code) == (event, code)


def test_the_envelope_that_was_agreed_is_asked_for(make_bench: Make) -> None:
    for style in ENVELOPES:
        bench = make_bench(style)
        request = bench.connector.encode_lookup(bench.payloads(1)[0], bench.stamp())
        assert request.headers["accept"].startswith("application/vnd.sdcredit.envelope+json")
    assert unwrap({"code": 0}, "national") is None
