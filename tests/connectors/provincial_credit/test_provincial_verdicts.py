"""What each of the platform's answers means for a delivery."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from connectors.provincial_credit.verdicts import EVENTS
from gateway.codec.codes import table
from gateway.codec.replies import judge_reply
from gateway.contract.connector import TOKEN_REFUSED
from gateway.contract.messages import Verdict, WireResponse
from gateway.domain.states import TRANSITIONS, Event, State

CODES = table("credit_error_code", "connectors.provincial_credit.codes")
Answer = Callable[..., WireResponse]
Refusal = Callable[..., dict[str, Any]]
AT = "2019-04-02T09:30:00+08:00"


def test_every_code_of_the_table_has_a_meaning() -> None:
    assert set(EVENTS) == {row["code"] for row in CODES.rows} - {"OK"}


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("PARAM_INVALID", Event.UNKNOWN),
        ("PARAM_MISSING", Event.UNKNOWN),
        ("PARAM_TYPE", Event.UNKNOWN),
        ("SIGNATURE_INVALID", Event.HOLD),
        ("TOKEN_EXPIRED", Event.RETRY),
        ("TIMESTAMP_SKEW", Event.HOLD),
        ("NONCE_REPLAYED", Event.RETRY),
        ("ACCESS_DENIED", Event.HOLD),
        ("IP_DENIED", Event.HOLD),
        ("NOT_FOUND", Event.UNKNOWN),
        ("IDEMPOTENCY_MISMATCH", Event.UNKNOWN),
        ("IN_PROGRESS", Event.RETRY),
        ("VERSION_CONFLICT", Event.CONFLICT),
        ("CURSOR_EXPIRED", Event.UNKNOWN),
        ("PAYLOAD_TOO_LARGE", Event.HOLD),
        ("UNSUPPORTED_MEDIA", Event.HOLD),
        ("SCHEMA_INVALID", Event.UNKNOWN),
        ("IDENTITY_CONFLICT", Event.CONFLICT),
        ("RULE_VIOLATION", Event.UNKNOWN),
        ("RATE_LIMITED", Event.RETRY),
        ("INTERNAL", Event.RETRY),
        ("UPSTREAM_UNAVAILABLE", Event.RETRY),
        ("SOMETHING_NEW", Event.UNKNOWN),
    ],
)
def test_a_refused_push_gives_the_verdict_of_its_code(
    bench: Any, answer: Answer, refusal: Refusal, code: str, event: Event
) -> None:
    payloads, stamp = bench.payloads(2), bench.stamp()
    status = int(CODES.get(code, "http") or 418)
    response = answer(stamp, status, refusal(code, status, titleZh="拒绝", retryAfterSeconds=7))
    verdicts = bench.connector.decode_push(response, payloads, stamp)
    assert [v.event for v in verdicts] == [event, event]
    assert verdicts[0].code == (TOKEN_REFUSED if code == "TOKEN_EXPIRED" else code)
    assert verdicts[0].retry_after == timedelta(seconds=7)
    assert (State.SENDING, event) in TRANSITIONS
    assert judge_reply(response, bench.connector.info, replay_safe=True, now=stamp.now) is None or status == 418


def test_a_code_nobody_knows_is_tried_again_where_the_platform_says_so(
    bench: Any, answer: Answer, refusal: Refusal
) -> None:
    payloads, stamp = bench.payloads(1), bench.stamp()
    response = answer(stamp, 503, refusal("SOMETHING_NEW", 503, retryable=True))
    assert bench.connector.decode_push(response, payloads, stamp)[0].event is Event.RETRY


@pytest.mark.parametrize("code", ["IN_PROGRESS", "NONCE_REPLAYED"])
def test_what_may_have_been_done_under_its_key_goes_again_under_the_same(
    bench: Any, answer: Answer, refusal: Refusal, code: str
) -> None:
    payloads, stamp = bench.payloads(1), bench.stamp()
    response = answer(stamp, 409, refusal(code, 409), **{"retry-after": "3"})
    (verdict,) = bench.connector.decode_push(response, payloads, stamp)
    assert verdict.same_message
    assert verdict.retry_after == timedelta(seconds=3)


def test_field_errors_reject_the_item_they_name_and_send_the_others_again(
    bench: Any, answer: Answer, refusal: Refusal
) -> None:
    payloads, stamp = bench.payloads(3), bench.stamp()
    errors = [
        {"code": "SCHEMA_INVALID", "pointer": "/items/2/person/workerName", "messageZh": "姓名过长"},
        {"code": "PARAM_MISSING", "pointer": "/items/2/certificate/workType"},
        {"code": "SCHEMA_INVALID", "pointer": "/items/9/person/workerName"},
    ]
    response = answer(stamp, 422, refusal("SCHEMA_INVALID", 422, errors=errors))
    first, second, third = bench.connector.decode_push(response, payloads, stamp)
    assert (first.event, second.event, third.event) == (Event.RETRY, Event.RETRY, Event.REJECTED)
    assert third.fields == ("holder.name", "trade")
    assert third.reason == "姓名过长"


@pytest.mark.parametrize(
    "pointer",
    [
        *("/batchNo", "/sourceSystem", "/createdAt", "/itemCount", "/totalDigest", "/items/1/itemNo"),
        *("/headers/X-Timestamp", "/X-Nonce", "/header/idempotency-key", "/Content-Digest", "/x-signature"),
    ],
)
def test_a_field_of_the_call_itself_holds_the_platform_and_blames_no_record(
    bench: Any, answer: Answer, refusal: Refusal, pointer: str
) -> None:
    payloads, stamp = bench.payloads(3), bench.stamp()
    errors = [{"code": "PARAM_INVALID", "pointer": pointer}]
    response = answer(stamp, 422, refusal("PARAM_INVALID", 422, errors=errors))
    assert {v.event for v in bench.connector.decode_push(response, payloads, stamp)} == {Event.HOLD}
    assert {v.split for v in bench.connector.decode_push(response, payloads, stamp)} == {False}
    both = [*errors, {"code": "PARAM_INVALID", "pointer": "/items/0/person/workerName"}]
    response = answer(stamp, 422, refusal("PARAM_INVALID", 422, errors=both))
    events = [v.event for v in bench.connector.decode_push(response, payloads, stamp)]
    assert events == [Event.REJECTED, Event.HOLD, Event.HOLD]


@pytest.mark.parametrize(("count", "split"), [(3, True), (1, False)])
def test_a_refusal_that_names_nothing_is_divided_to_find_the_item_it_means(
    bench: Any, answer: Answer, refusal: Refusal, count: int, split: bool
) -> None:
    payloads, stamp = bench.payloads(count), bench.stamp()
    response = answer(stamp, 422, refusal("RULE_VIOLATION", 422))
    verdicts = bench.connector.decode_push(response, payloads, stamp)
    assert {(v.event, v.split) for v in verdicts} == {(Event.UNKNOWN, split)}


def _results(bench: Any, answer: Answer, value: Any, payloads: Any) -> list[Verdict]:
    stamp = bench.stamp()
    whole = {"requestSerialCode": "SC1", "finishedAt": AT, **value}
    verdicts = bench.connector.decode_ack(answer(stamp, 200, whole), "SC1", payloads, stamp)
    assert len(verdicts) == len(payloads)
    assert all((State.AWAITING_ACK, v.event) in TRANSITIONS for v in verdicts)
    return list(verdicts)


def _row(payload: Any, no: int = 1, **more: Any) -> dict[str, Any]:
    known = {"itemNo": no, "certificateKey": payload.record_key, "recordVersion": payload.version}
    return {**known, "itemStatus": "20", "platformCertificateId": f"C{no}", **more}


def _failed(payload: Any, *codes: str, pointer: str = "/person/idCardNumber") -> dict[str, Any]:
    return _row(payload, itemStatus="10", errors=[{"code": code, "pointer": pointer} for code in codes])


def test_results_are_matched_by_key_and_version_not_by_place(bench: Any, answer: Answer) -> None:
    payloads = bench.payloads(3)
    rows = [_row(payloads[2], 3), _failed(payloads[1], "RULE_VIOLATION"), _row(payloads[0], 1)]
    verdicts = _results(bench, answer, {"status": "20", "results": rows}, payloads)
    assert [v.event for v in verdicts] == [Event.ACCEPTED, Event.REJECTED, Event.ACCEPTED]
    assert [v.platform_id for v in verdicts] == ["C1", "C1", "C3"]
    assert verdicts[1].fields == ("holder.id_number",)


@pytest.mark.parametrize(
    ("codes", "event"),
    [
        (("RULE_VIOLATION",), Event.REJECTED),
        (("RULE_VIOLATION", "IDENTITY_CONFLICT"), Event.CONFLICT),
        (("VERSION_CONFLICT",), Event.CONFLICT),
        (("INTERNAL",), Event.IN_DOUBT),
        (("ACCESS_DENIED",), Event.UNKNOWN),
        (("NOT_FOUND",), Event.UNKNOWN),
        (("SOMETHING_NEW",), Event.UNKNOWN),
    ],
)
def test_an_item_that_failed_in_a_finished_batch(
    bench: Any, answer: Answer, codes: tuple[str, ...], event: Event
) -> None:
    payloads = bench.payloads(1)
    (verdict,) = _results(bench, answer, {"status": "20", "results": [_failed(payloads[0], *codes)]}, payloads)
    assert (verdict.event, verdict.code) == (event, codes[-1])


@pytest.mark.parametrize(
    ("value", "event", "code"),
    [
        ({"status": "0"}, Event.PENDING, "0"),
        ({"status": "20", "results": []}, Event.IN_DOUBT, "result_missing"),
        ({"status": "10"}, Event.UNKNOWN, "batch_failed"),
        ({"status": "0", "requestSerialCode": "SC2"}, Event.RETRY, "serial_code"),
        ({"status": "30"}, Event.RETRY, "answer_schema"),
        ({"status": "20"}, Event.RETRY, "answer_schema"),
    ],
)
def test_a_result_without_the_item(bench: Any, answer: Answer, value: Any, event: Event, code: str) -> None:
    (verdict,) = _results(bench, answer, value, bench.payloads(1))
    assert (verdict.event, verdict.code) == (event, code)


def test_another_version_or_two_rows_of_one_item_are_no_success(bench: Any, answer: Answer) -> None:
    payloads = bench.payloads(1)
    other = _row(payloads[0], recordVersion=2)
    assert _results(bench, answer, {"status": "20", "results": [other]}, payloads)[0].event is Event.IN_DOUBT
    twice = [_row(payloads[0]), _row(payloads[0], 2)]
    assert _results(bench, answer, {"status": "20", "results": twice}, payloads)[0].code == "result_twice"


def test_an_unknown_receipt_is_not_found(bench: Any, answer: Answer, refusal: Refusal) -> None:
    payloads, stamp = bench.payloads(2), bench.stamp()
    response = answer(stamp, 404, refusal("NOT_FOUND", 404))
    assert {v.event for v in bench.connector.decode_ack(response, "SC1", payloads, stamp)} == {Event.NOT_FOUND}


def test_a_status_in_progress_may_ask_for_a_wait(bench: Any, answer: Answer) -> None:
    payloads, stamp = bench.payloads(1), bench.stamp()
    response = answer(stamp, 200, {"requestSerialCode": "SC1", "status": "0"}, **{"retry-after": "9"})
    (verdict,) = bench.connector.decode_ack(response, "SC1", payloads, stamp)
    assert (verdict.receipt, verdict.retry_after) == ("SC1", timedelta(seconds=9))
