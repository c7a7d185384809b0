"""The outer shape of a reply: what may be decoded at all, and what everything else means."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codec.replies import for_each, judge_failure, judge_reply, media_type, not_understood, retry_after
from gateway.contract.messages import Verdict, WireResponse
from gateway.domain.errors import NotSent, TransportFailure, Unanswered
from gateway.domain.states import Event
from gateway.testing.model import Model

NOW = datetime(2019, 4, 2, 9, 0, tzinfo=UTC)
INFO = replace(
    Model(base_url="http://unused.invalid").info,
    reply_media_types=frozenset({"text/xml", "application/soap+xml"}),
    reply_statuses=frozenset({200, 500}),
)
XML = {"content-type": "text/xml; charset=utf-8"}
BODY = b"<r/>"
UNCLEAR = {True: Event.RETRY, False: Event.IN_DOUBT}


def judge(
    status: int = 200, headers: dict[str, str] | None = None, body: bytes = BODY, *, safe: bool = False
) -> Verdict | None:
    response = WireResponse(status=status, headers=XML if headers is None else headers, body=body)
    return judge_reply(response, INFO, replay_safe=safe, now=NOW)


@pytest.mark.parametrize("safe", [True, False], ids=["replay-safe", "not"])
@pytest.mark.parametrize(
    ("status", "content_type"),
    [(200, "text/xml"), (200, "TEXT/XML;charset=GBK"), (200, " application/soap+xml ; action=x"), (500, "text/xml")],
)
def test_the_platforms_own_answer_is_left_to_the_connector(status: int, content_type: str, safe: bool) -> None:
    assert judge(status, {"content-type": content_type}, safe=safe) is None


@pytest.mark.parametrize("safe", [True, False], ids=["replay-safe", "not"])
@pytest.mark.parametrize(
    ("status", "headers", "body", "code"),
    [
        (200, XML, b"", "empty_body"),
        (200, XML, b" \r\n\t", "empty_body"),
        (500, XML, b"", "empty_body"),
        (200, {}, BODY, "media_type"),
        (200, {"content-type": "text/plain"}, BODY, "media_type"),
        (200, {"content-type": "text/xmlish"}, BODY, "media_type"),
        (200, {"content-type": "application/octet-stream"}, b"\x00\xff", "media_type"),
        (200, {"content-type": "text/html"}, b"\n <!DOCTYPE html><p>login", "html_page"),
        (200, {"content-type": "text/html"}, b"<HTML><body>", "html_page"),
        (200, {"content-type": "text/plain"}, b"<?xml version='1.0'?><html xmlns='x'>", "html_page"),
        (200, {"content-type": "text/html"}, b"x" * 300 + b"<html>", "media_type"),
        (502, {"content-type": "text/html"}, b"<html>", "http_502"),
        (503, XML, BODY, "http_503"),
        (504, {}, b"", "http_504"),
        (599, {}, b"", "http_599"),
        *((status, {}, b"<html>", f"http_{status}") for status in (100, 201, 204, 301, 302, 303, 304, 307, 308)),
        *((status, XML, BODY, f"http_{status}") for status in (400, 404, 405, 408, 410, 413, 414, 421, 425, 431)),
    ],
)
def test_what_is_no_answer_of_the_platform_leaves_the_outcome_open(
    status: int, headers: dict[str, str], body: bytes, code: str, safe: bool
) -> None:
    verdict = judge(status, headers, body, safe=safe)
    assert verdict is not None
    assert (verdict.event, verdict.code, verdict.same_message) == (UNCLEAR[safe], code, safe)


@pytest.mark.parametrize("safe", [True, False], ids=["replay-safe", "not"])
@pytest.mark.parametrize(
    ("status", "event"),
    [
        (429, Event.RETRY),
        (401, Event.HOLD),
        (403, Event.HOLD),
        (407, Event.HOLD),
    ],
)
def test_a_status_that_decides_does_so_whether_or_not_a_repeat_is_harmless(
    status: int, event: Event, safe: bool
) -> None:
    verdict = judge(status, body=b"<html>", safe=safe)
    assert verdict is not None
    assert (verdict.event, verdict.code, verdict.same_message) == (event, f"http_{status}", False)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_or_failing_server_says_when_to_come_back(status: int) -> None:
    verdict = judge(status, {"retry-after": "120"})
    assert verdict is not None
    assert verdict.retry_after == timedelta(minutes=2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("120", 120),
        (" 5 ", 5),
        ("999999999999999999999", 10**8),
        ("Tue, 02 Apr 2019 09:01:00 GMT", 60),
        ("Tue, 02 Apr 2019 17:01:00 +0800", 60),
        ("Tue, 02 Apr 2019 09:01:00 -0000", 60),
        ("Tue, 02 Apr 2019 08:00:00 GMT", 0),
        ("Tuesday, 02-Apr-19 09:00:30 GMT", 30),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u00b2", None),
        ("\uff15", None),
        ("1" * 5000, None),
        ("Tue, 99 Apr 2019 09:01:00 GMT", None),
        ("Tue, 02 Apr 99999 09:01:00 GMT", None),
        ("Tue, 02 Apr 2019 09:01:00 +99999999999999999999", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_garbage_is_no_wish(text: str, expected: float | None) -> None:
    wish = None if expected is None else timedelta(seconds=expected)
    assert retry_after({"retry-after": text}, NOW) == wish


def test_no_header_is_no_wish() -> None:
    assert retry_after({}, NOW) is None


@given(
    text=st.one_of(
        st.text(max_size=60),
        st.from_regex(
            r"[A-Z][a-z]{2}, \d{1,5} [A-Z][a-z]{2} \d{1,6} \d{1,3}:\d\d(:\d{1,3})? [+-]?\d{1,30}", fullmatch=True
        ),
    )
)
def test_retry_after_is_total_and_never_negative(text: str) -> None:
    wish = retry_after({"retry-after": text}, NOW)
    assert wish is None or wish >= timedelta()


@given(
    status=st.integers(100, 599),
    content_type=st.sampled_from(["text/xml", "text/html", "", "application/json; x", ";"]),
    body=st.binary(max_size=40),
    wait=st.text(max_size=12),
    safe=st.booleans(),
)
def test_any_reply_gets_a_verdict_that_neither_accepts_nor_rejects(
    status: int, content_type: str, body: bytes, wait: str, safe: bool
) -> None:
    verdict = judge(status, {"content-type": content_type, "retry-after": wait}, body, safe=safe)
    if verdict is None:
        assert status in INFO.reply_statuses
        assert content_type == "text/xml"
    else:
        assert verdict.event in {Event.RETRY, Event.IN_DOUBT, Event.HOLD, Event.UNKNOWN}


@pytest.mark.parametrize(
    ("failure", "safe", "event", "same"),
    [
        (NotSent("connect"), True, Event.RETRY, True),
        (NotSent("connect"), False, Event.RETRY, True),
        (Unanswered("deadline"), True, Event.RETRY, True),
        (Unanswered("deadline"), False, Event.IN_DOUBT, False),
    ],
)
def test_no_answer_is_in_doubt_only_where_it_may_have_arrived_and_a_repeat_would_count(
    failure: TransportFailure, safe: bool, event: Event, same: bool
) -> None:
    verdict = judge_failure(failure, replay_safe=safe)
    assert (verdict.event, verdict.code, verdict.same_message) == (event, failure.code, same)


def test_an_unreadable_answer_is_treated_like_none() -> None:
    assert [not_understood("x", "y", replay_safe=safe).event for safe in (True, False)] == [
        Event.RETRY,
        Event.IN_DOUBT,
    ]


def test_one_verdict_serves_a_whole_batch() -> None:
    verdict = Verdict(event=Event.HOLD, code="x")
    assert for_each(verdict, ()) == ()
    assert for_each(verdict, "abc") == (verdict,) * 3


@pytest.mark.parametrize(
    ("header", "expected"),
    [("text/xml; charset=utf-8", "text/xml"), (" Text/XML ", "text/xml"), ("", ""), ("; charset=gbk", "")],
)
def test_the_media_type_is_read_without_its_parameters(header: str, expected: str) -> None:
    assert media_type({"content-type": header}) == expected
