"""The simulated platform keeps its contract: order of checks, idempotence, versions, the feed and acknowledgements."""

import base64
import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.provincial_credit.cipher import payload_digest
from connectors.provincial_credit.keys import request_key
from connectors.provincial_credit.sandbox.http import BASE
from connectors.provincial_credit.sandbox.limits import Limits
from gateway.contract.messages import FeedbackPage, Holding, HoldingsPage, Payload, WireRequest, WireResponse
from gateway.domain.states import Event
from gateway.testing.sandbox import COMMON_FAULTS


def _code(response: WireResponse) -> str:
    return str(json.loads(response.body).get("code"))


def _changed(request: WireRequest, **headers: str | None) -> WireRequest:
    merged = {**request.headers, **headers}
    return replace(request, headers={k: v for k, v in merged.items() if v is not None})


def _count(bench: Any, name: str) -> int:
    return int(bench.sandbox.effects()["counts"][name])


def _results(bench: Any, receipt: str, payloads: tuple[Payload, ...]) -> list[Any]:
    stamp = bench.stamp()
    response = bench.send(bench.connector.encode_ack(receipt, stamp))
    return list(bench.connector.decode_ack(response, receipt, payloads, stamp))


def test_a_batch_is_taken_then_worked_off_then_held(bench: Any) -> None:
    payloads, stamp = bench.payloads(3), bench.stamp()
    answer = bench.connector.decode_push(bench.send(bench.connector.encode_push(payloads, stamp)), payloads, stamp)
    assert {v.event for v in answer} == {Event.PENDING}
    assert _count(bench, "certificates") == 0
    assert {v.event for v in _results(bench, answer[0].receipt, payloads)} == {Event.PENDING}
    bench.clock.pass_(seconds=0.6)
    done = _results(bench, answer[0].receipt, payloads)
    assert {v.event for v in done} == {Event.ACCEPTED}
    assert len({v.platform_id for v in done}) == 3
    assert (_count(bench, "persons"), _count(bench, "certificates"), _count(bench, "duplicates")) == (3, 3, 0)


def test_the_sm3_profile_works_from_login_to_feedback(make_bench: Callable[..., Any]) -> None:
    bench = make_bench("sm3")
    payloads = bench.hold(2)
    assert "x-content-sm3" in bench.seen[-1][0].headers
    assert str(payloads[0].fields["payloadDigest"]).startswith("sm3:")
    stamp = bench.stamp()
    page = bench.connector.decode_feedback(bench.send(bench.connector.encode_feedback(None, stamp)), stamp)
    assert isinstance(page, FeedbackPage)
    assert {f.flaw for f in page.findings} == {None, "SCHEMA_INVALID", "SIGNATURE_INVALID"}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-app-key": "another-one"}, "ACCESS_DENIED"),
        ({"x-app-key": "another-one", "x-timestamp": "0"}, "ACCESS_DENIED"),
        ({"x-timestamp": "1554168999999"}, "TIMESTAMP_SKEW"),
        ({"x-timestamp": "soon"}, "TIMESTAMP_SKEW"),
        ({"x-key-id": "request-99"}, "TOKEN_EXPIRED"),
        ({"x-key-id": None}, "TOKEN_EXPIRED"),
        ({"x-signature": "AAAA"}, "SIGNATURE_INVALID"),
        ({"x-signature-alg": "HMAC-SM3"}, "SIGNATURE_INVALID"),
        ({"content-digest": "sha-256=:AAAA:"}, "SIGNATURE_INVALID"),
        ({"content-digest": None}, "SIGNATURE_INVALID"),
        ({"idempotency-key": "01D7EN6Q00000000000000ABCX"}, "SIGNATURE_INVALID"),
    ],
)
def test_checks_come_in_the_contracts_order(bench: Any, headers: dict[str, str | None], code: str) -> None:
    request = bench.connector.encode_push(bench.payloads(1), bench.stamp())
    assert _code(bench.send(_changed(request, **headers))) == code


def test_a_failed_signature_does_not_use_up_the_nonce_and_a_good_one_does(bench: Any) -> None:
    request = bench.connector.encode_push(bench.payloads(1), bench.stamp())
    assert _code(bench.send(_changed(request, **{"x-signature": "AAAA"}))) == "SIGNATURE_INVALID"
    assert bench.send(request).status == 202
    assert _code(bench.send(request)) == "NONCE_REPLAYED"


def test_request_secrets_end_and_overlap_for_a_minute(bench: Any) -> None:
    old = bench.login()
    new = bench.login()

    def call(token: Any) -> int:
        stamp = replace(bench.stamp(login=False), token=token)
        return int(bench.send(bench.connector.encode_holdings(None, None, stamp)).status)

    assert (call(old), call(new)) == (200, 200)
    bench.clock.pass_(seconds=61)
    assert (call(old), call(new)) == (401, 200)
    bench.clock.pass_(minutes=15)
    assert call(new) == 401


def test_a_wrong_app_secret_holds_the_platform(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(app_secret="wrong" * 7)
    stamp = bench.stamp(login=False)
    verdict = bench.connector.decode_login(bench.send(bench.connector.encode_login(None, stamp)), stamp)
    assert (verdict.event, verdict.code) == (Event.HOLD, "SIGNATURE_INVALID")


def test_the_same_key_and_body_get_the_first_answer_again(bench: Any) -> None:
    payloads, first = bench.payloads(2), bench.stamp()
    one = bench.send(bench.connector.encode_push(payloads, first))
    again = replace(first, nonce=b"\x01" * 16)
    two = bench.send(bench.connector.encode_push(payloads, again))
    assert two.body == one.body
    assert two.headers["idempotency-replayed"] == "true"
    assert bench.connector.decode_push(two, payloads, again)[0].event is Event.PENDING
    bench.clock.pass_(seconds=1)
    assert (_count(bench, "certificates"), _count(bench, "duplicates")) == (2, 0)


def test_the_same_key_with_another_body_is_a_mismatch(bench: Any) -> None:
    stamp = bench.stamp()
    bench.send(bench.connector.encode_push(bench.payloads(1), stamp))
    other = bench.connector.encode_push(bench.payloads(1, seed=9), replace(stamp, nonce=b"\x02" * 16))
    assert _code(bench.send(other)) == "IDEMPOTENCY_MISMATCH"


def test_a_version_pushed_again_in_another_batch_changes_nothing(bench: Any) -> None:
    payloads = bench.hold(3)
    receipt = bench.push(tuple(reversed(payloads)))
    assert {v.event for v in _results(bench, receipt, payloads)} == {Event.ACCEPTED}
    assert (_count(bench, "certificates"), _count(bench, "duplicates")) == (3, 3)
    assert {held["writes"] for held in bench.sandbox.effects()["holdings"].values()} == {1}


def _with(payload: Payload, path: str, value: Any, *, version: int | None = None) -> Payload:
    """Another content under the payload's key, with a right digest."""
    fields: Any = copy.deepcopy(dict(payload.fields))
    group, _, name = path.rpartition(".")
    (fields[group] if group else fields)[name] = value
    if version is not None:
        fields |= {"recordVersion": version, "changeReason": "变更"}
    fields["payloadDigest"] = payload_digest(fields, "sha-256")
    return replace(payload, fields=fields, version=version or payload.version)


@pytest.mark.parametrize(
    ("path", "value", "event", "field"),
    [
        ("person.birthDate", "1970-01-01", Event.REJECTED, "holder.birth_date"),
        ("person.idCardType", "77", Event.REJECTED, "holder.id_type"),
        ("certificate.workType", "999", Event.REJECTED, "trade"),
        ("employer.corpCode", "91370000MA3ABCDE00", Event.REJECTED, "holder.employer.code"),
        ("verification.noticeEndDate", "2019-03-07", Event.REJECTED, "verification.notice_end"),
        ("verification.reportedAt", "2019-03-08T23:00:00+08:00", Event.REJECTED, "verification.reported_at"),
        ("verification.filingCorpCode", "91370000MA3ABCDE00", Event.REJECTED, "holder.employer.code"),
    ],
)
def test_one_bad_item_fails_alone_and_names_our_field(
    bench: Any, path: str, value: str, event: Event, field: str
) -> None:
    good, victim = bench.payloads(2)
    pair = (good, _with(victim, path, value))
    first, second = _results(bench, bench.push(pair), pair)
    assert first.event is Event.ACCEPTED
    assert second.event is event
    assert field in second.fields
    assert _count(bench, "certificates") == 1


def test_other_content_under_the_same_version_is_a_conflict(bench: Any) -> None:
    (payload,) = bench.hold(1)
    other = (_with(payload, "certificate.grantOrg", "另一机关"),)
    assert _results(bench, bench.push(other), other)[0].event is Event.CONFLICT


def test_a_newer_version_replaces_and_an_older_one_comes_too_late(bench: Any) -> None:
    (payload,) = bench.hold(1)
    third = (_with(payload, "certificate.grantOrg", "新机关", version=3),)
    second = (_with(payload, "certificate.grantOrg", "旧机关", version=2),)
    assert _results(bench, bench.push(third), third)[0].event is Event.ACCEPTED
    assert _results(bench, bench.push(second), second)[0].code == "VERSION_CONFLICT"
    assert _count(bench, "certificates") == 1


def test_a_certificate_number_of_another_person_is_an_identity_conflict(bench: Any) -> None:
    first, second = bench.payloads(2)
    bench.push((first,))
    facts = first.fields["certificate"]
    thief = (_with(second, "certificate", facts),)
    assert _results(bench, bench.push(thief), thief)[0].code == "IDENTITY_CONFLICT"


def test_a_wrong_item_digest_and_a_moved_cipher_are_refused(bench: Any) -> None:
    first, second = bench.payloads(2)
    digest = replace(first, fields={**first.fields, "payloadDigest": f"sha-256:{'0' * 64}"})
    moved = _with(second, "person.idCardNumber", first.fields["person"]["idCardNumber"])
    verdicts = _results(bench, bench.push((digest, moved)), (digest, moved))
    assert [v.event for v in verdicts] == [Event.REJECTED, Event.REJECTED]
    assert verdicts[1].fields == ("holder.id_number",)


def test_a_batch_that_breaks_the_schema_is_refused_as_a_whole_with_pointers(bench: Any) -> None:
    payloads, stamp = bench.payloads(2), bench.stamp()
    good = json.loads(bench.connector.encode_push(payloads, stamp).body)
    good["items"][1]["person"]["workerName"] = ""
    response = bench.send(_signed_by_hand(bench, "/skill-certificate-batches", good))
    assert response.status == 422
    assert json.loads(response.body)["errors"][0]["pointer"] == "/items/1/person/workerName"


def test_each_missing_member_has_a_pointer_of_its_own(bench: Any) -> None:
    response = bench.send(_signed_by_hand(bench, "/skill-certificate-batches", {"items": [{"person": {}}, {"a/b": 1}]}))
    errors = json.loads(response.body)["errors"]
    pointers = [error["pointer"] for error in errors]
    assert len(set(pointers)) == len(pointers)
    assert {"/batchNo", "/itemCount", "/items/0/person/workerName", "/items/0/certificate", "/items/1/person"} <= set(
        pointers
    )
    assert {error["code"] for error in errors} == {"PARAM_MISSING"}


def _signed_by_hand(bench: Any, path: str, value: Any, method: str = "POST") -> WireRequest:
    """A signed request with a body the connector would refuse to build."""
    stamp, sandbox = bench.stamp(), bench.sandbox
    body = json.dumps(value).encode()
    secret, key_id = request_key(stamp)
    moment, nonce = str(round(stamp.now.timestamp() * 1000)), stamp.nonce.hex()
    lines = (method, BASE + path, "", sandbox.credentials.app_key, moment, nonce, sandbox.security.digest(body))
    headers = {
        "x-app-key": sandbox.credentials.app_key,
        "x-timestamp": moment,
        "x-nonce": nonce,
        "x-signature-alg": "HMAC-SHA256",
        "x-key-id": key_id,
        "content-type": "application/json; charset=utf-8",
        "content-digest": f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:",
        "idempotency-key": stamp.message_id,
        "x-signature": sandbox.security.sign(secret, *lines, stamp.message_id),
    }
    return WireRequest(operation="by hand", method=method, path=path, headers=headers, body=body)


def test_look_up_tells_ours_from_other_content_and_from_nothing(bench: Any) -> None:
    (payload,) = bench.hold(1)

    def ask(asked: Payload) -> Any:
        stamp = bench.stamp()
        return bench.connector.decode_lookup(bench.send(bench.connector.encode_lookup(asked, stamp)), asked, stamp)

    assert ask(payload).event is Event.ACCEPTED
    assert ask(payload).platform_id == "C370000000000001"
    other = ask(_with(payload, "certificate.credentialLevelType", "2" if _level(payload) != "2" else "3"))
    assert (other.event, other.fields) == (Event.CONFLICT, ("level",))
    hidden = ask(_with(payload, "certificate.grantOrg", "另一机关"))
    assert (hidden.event, hidden.fields) == (Event.CONFLICT, ())
    assert ask(replace(payload, version=2)).event is Event.NOT_FOUND
    assert ask(bench.payloads(1, seed=8)[0]).event is Event.NOT_FOUND


def _level(payload: Payload) -> str:
    return str(payload.fields["certificate"]["credentialLevelType"])  # type: ignore[index,call-overload]


def test_holdings_come_by_page_and_equal_what_we_expect(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(page_size="2")
    payloads = bench.hold(5)
    found: list[Holding] = []
    cursor = None
    for _ in range(3):
        stamp = bench.stamp()
        page = bench.connector.decode_holdings(
            bench.send(bench.connector.encode_holdings(cursor, None, stamp)), None, stamp
        )
        assert isinstance(page, HoldingsPage)
        found += page.holdings
        cursor = page.next_cursor
    assert cursor is None
    expected = {p.record_key: bench.connector.expected(p) for p in payloads}
    assert {h.key: replace(h, platform_id=None) for h in found} == expected


def test_a_listing_can_be_narrowed_by_enterprise(bench: Any) -> None:
    payloads = bench.hold(5)
    corp = payloads[3].fields["employer"]["corpCode"]
    found = json.loads(
        bench.send(_signed_by_hand(bench, "/skill-certificates/queries", {"pageSize": 1, "corpCode": corp})).body
    )
    assert [row["certificateKey"] for row in found["rows"]] == [payloads[3].record_key]
    assert "nextPageToken" not in found


def test_an_item_can_be_put_alone_and_its_status_changed(bench: Any) -> None:
    payload = bench.payloads(1)[0]
    path = f"/skill-certificates/{payload.record_key}"
    item = {"itemNo": 1, **payload.fields}
    assert bench.send(_signed_by_hand(bench, path, item, "PUT")).status == 201
    assert bench.send(_signed_by_hand(bench, path, item, "PUT")).status == 200
    change = {
        "certificateKey": payload.record_key,
        "recordVersion": 2,
        "certificationStatus": "02",
        "statusReason": "暂扣",
        "effectiveFrom": "2019-04-02T00:00:00+08:00",
        "voidFromStart": False,
    }
    assert bench.send(_signed_by_hand(bench, f"{path}/status-changes", change)).status == 201
    assert bench.send(_signed_by_hand(bench, f"{path}/status-changes", change)).status == 201
    other = {**change, "statusReason": "另一原因"}
    assert _code(bench.send(_signed_by_hand(bench, f"{path}/status-changes", other))) == "VERSION_CONFLICT"
    stamp = bench.stamp()
    view = json.loads(bench.send(bench.connector.encode_lookup(replace(payload, version=2), stamp)).body)
    assert view["certificate"]["certificationStatus"] == "02"
    assert view["person"]["idCardNumberMasked"].startswith("370***")


@pytest.mark.parametrize(
    ("limits", "calls"),
    [(Limits(requests_per_second=2), 3), (Limits(feed_per_second=2), 3), (Limits.specified(), 3)],
)
def test_limits_answer_429_with_a_wait(bench: Any, limits: Limits, calls: int) -> None:
    stamps = [bench.stamp() for _ in range(calls)]
    bench.sandbox.limits = limits
    answers = [(bench.send(bench.connector.encode_feedback(None, stamp)), stamp) for stamp in stamps]
    assert [response.status for response, _ in answers] == [200, 200, 429]
    verdict = bench.connector.decode_feedback(*answers[-1])
    assert (verdict.event, verdict.code, verdict.retry_after) == (Event.RETRY, "RATE_LIMITED", timedelta(seconds=1))


def test_busy_does_nothing_and_duplicate_has_done_it_already(bench: Any) -> None:
    payloads, stamp = bench.payloads(1), bench.stamp()
    bench.sandbox.faults.set(next_=["busy", "duplicate"])
    codes = []
    for nonce in (b"\x01", b"\x02", b"\x03"):
        now = replace(stamp, nonce=nonce * 16)
        response = bench.send(bench.connector.encode_push(payloads, now))
        codes.append(bench.connector.decode_push(response, payloads, now)[0].code)
    assert codes == ["RATE_LIMITED", "IN_PROGRESS", "202"]
    bench.clock.pass_(seconds=1)
    assert (_count(bench, "certificates"), _count(bench, "duplicates")) == (1, 0)


@pytest.mark.parametrize("fault", [f for f in COMMON_FAULTS if "timeout" not in f and f != "slow"])
def test_after_any_fault_the_resend_gives_one_effect(bench: Any, fault: str) -> None:
    payloads, stamp = bench.payloads(1), bench.stamp()
    bench.sandbox.faults.set(next_=[fault])
    spoiled = bench.send(bench.connector.encode_push(payloads, stamp))
    assert bench.connector.decode_push(spoiled, payloads, stamp)[0].event is Event.RETRY
    again = replace(stamp, nonce=b"\x05" * 16)
    good = bench.send(bench.connector.encode_push(payloads, again))
    assert bench.connector.decode_push(good, payloads, again)[0].event is Event.PENDING
    bench.clock.pass_(seconds=1)
    assert (_count(bench, "certificates"), _count(bench, "duplicates")) == (1, 0)


def test_the_document_is_served(bench: Any) -> None:
    response = bench.send(WireRequest(operation="openapi", method="GET", path="/openapi.json"))
    assert json.loads(response.body)["openapi"] == "3.1.0"


def test_a_burst_is_allowed_and_refills_with_time_and_answers_tell_what_is_left(bench: Any) -> None:
    stamps = [bench.stamp() for _ in range(6)]
    bench.sandbox.limits = Limits(requests_per_second=2, burst=4)

    def call(stamp: Any) -> Any:
        return bench.send(bench.connector.encode_holdings(None, None, stamp))

    answers = [call(stamp) for stamp in stamps[:5]]
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"requests";q=4;w=2'
    assert answers[0].headers["ratelimit"] == '"requests";r=3;t=1'
    assert answers[4].headers["retry-after"] == "1"
    bench.clock.pass_(seconds=1)
    assert call(bench.stamp()).status == 200


def test_items_of_a_day_are_limited_whatever_the_batches(bench: Any) -> None:
    bench.sandbox.limits = Limits(items_per_day=3)
    pushed = [bench.send(bench.connector.encode_push(bench.payloads(2, seed), bench.stamp())) for seed in (1, 2)]
    assert [response.status for response in pushed] == [202, 429]
    bench.clock.pass_(days=1)
    bench.token = None
    assert bench.send(bench.connector.encode_push(bench.payloads(2, 2), bench.stamp())).status == 202


def test_an_address_off_the_list_and_a_right_not_given_hold_the_platform(bench: Any) -> None:
    stamps = [bench.stamp(), bench.stamp()]
    bench.sandbox.security.scopes = frozenset({"cert.write"})
    refused = bench.send(bench.connector.encode_holdings(None, None, stamps[0]))
    assert (refused.status, _code(refused)) == (403, "ACCESS_DENIED")
    bench.sandbox.security.addresses = frozenset({"192.0.2.1"})
    response = bench.send(bench.connector.encode_holdings(None, None, stamps[1]))
    assert _code(response) == "IP_DENIED"
    assert bench.connector.decode_holdings(response, None, stamps[1]).event is Event.HOLD


def test_a_method_that_a_path_does_not_take_is_named(bench: Any) -> None:
    response = bench.send(replace(bench.connector.encode_holdings(None, None, bench.stamp()), method="DELETE"))
    assert (response.status, response.headers["allow"]) == (405, "GET, POST, PUT")


@pytest.mark.parametrize("change", [{"x-request-id": None}, {"x-request-id": "a b"}])
def test_the_platform_makes_a_request_id_where_there_is_none_it_can_repeat(
    bench: Any, change: dict[str, str | None]
) -> None:
    request = bench.connector.encode_holdings(None, None, bench.stamp())
    response = bench.send(_changed(request, **change))
    assert response.headers["x-request-id"].startswith("server-")
