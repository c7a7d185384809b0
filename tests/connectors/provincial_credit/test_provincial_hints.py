"""The platform's hint: taken where it is the platform's, of now and of the agreed form; nothing else is believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.provincial_credit import schema
from connectors.provincial_credit.sandbox.hinting import MOST, send
from gateway.contract.hints import GivesHints, Hint, HintRefusal
from gateway.contract.messages import WireRequest, WireResponse

PATH = "/credit-events"
PROFILES = ["sha256", "sm3", "gm", "gm-envelope", "national", "pages"]
Change = Callable[[WireRequest], WireRequest]


def hinted(bench: Any, path: str = PATH, most: int = MOST) -> WireRequest:
    headers, body = bench.sandbox.hint(path, most)
    return WireRequest(operation="hint", method="POST", path=path, headers=headers, body=body)


@pytest.fixture
def told(bench: Any) -> Any:
    """A bench whose platform has told everything."""
    bench.hold(4)
    bench.ask("feedback", None)
    return bench


@pytest.mark.parametrize("dialect", PROFILES)
def test_a_hint_of_the_platform_is_heard_in_every_profile(make_bench: Any, dialect: str) -> None:
    bench = make_bench(dialect)
    bench.hold(2)
    bench.sandbox.command(tell=("F01",))
    request = hinted(bench)
    found = bench.connector.decode_hint(request, bench.clock.now)
    assert found == Hint(nonce=request.headers["x-nonce"])
    changed = bench.connector.decode_hint(replace(request, body=request.body + b" "), bench.clock.now)
    assert changed.status == 401


def test_two_hints_have_two_nonces(told: Any) -> None:
    assert hinted(told).headers["x-nonce"] != hinted(told).headers["x-nonce"]


def header(name: str, value: str) -> Change:
    return lambda request: replace(request, headers={**request.headers, name: value})


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (header("x-app-key", "somebody"), 403, "ACCESS_DENIED"),
        (header("x-timestamp", ""), 401, "TIMESTAMP_SKEW"),
        (header("x-timestamp", "9" * 99), 401, "TIMESTAMP_SKEW"),
        (header("x-timestamp", "１５５４１６８６００００００"), 401, "TIMESTAMP_SKEW"),
        (header("x-nonce", "0" * 32), 401, "SIGNATURE_INVALID"),
        (header("x-signature", ""), 401, "SIGNATURE_INVALID"),
        (header("x-signature", "签名"), 401, "SIGNATURE_INVALID"),
        (header("x-signature-alg", "HMAC-SM3"), 401, "SIGNATURE_INVALID"),
        (header("content-digest", ""), 401, "SIGNATURE_INVALID"),
        (header("idempotency-key", "7f9c24e8-3b1a-4d2e"), 401, "SIGNATURE_INVALID"),
        (lambda request: replace(request, path="/elsewhere"), 401, "SIGNATURE_INVALID"),
        (lambda request: replace(request, path=f"{PATH}?a=1"), 401, "SIGNATURE_INVALID"),
        (lambda request: replace(request, method="PUT"), 401, "SIGNATURE_INVALID"),
        (lambda request: replace(request, body=b""), 401, "SIGNATURE_INVALID"),
    ],
)
def test_what_is_not_surely_the_platforms_is_refused_in_its_own_form(
    told: Any, change: Change, status: int, code: str
) -> None:
    answer = told.connector.decode_hint(change(hinted(told)), told.clock.now)
    assert isinstance(answer, WireResponse)
    problem = json.loads(answer.body)
    assert (answer.status, problem["code"]) == (status, code)
    assert schema.violations("Problem", problem) == ()
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("seconds", "heard"), [(-300, True), (300, True), (-301, False), (301, False)])
def test_a_hint_is_of_now(told: Any, seconds: int, heard: bool) -> None:
    found = told.connector.decode_hint(hinted(told), told.clock.now + timedelta(seconds=seconds))
    assert isinstance(found, Hint) is heard


def test_a_request_secret_is_not_the_platforms(bench: Any) -> None:
    body = json.dumps(EMPTY).encode()
    assert isinstance(bench.connector.decode_hint(signed(bench, body), bench.clock.now), Hint)
    other = signed(bench, body, secret=bench.login().values["requestSecret"])
    assert bench.connector.decode_hint(other, bench.clock.now).status == 401


def signed(bench: Any, body: bytes, nonce: str = "a" * 32, secret: str | None = None) -> WireRequest:
    """A hint with a body of our own making, signed as the contract says."""
    credentials = bench.sandbox.credentials
    stamp = str(round(bench.clock.now.timestamp() * 1000))
    digest = hashlib.sha256(body)
    lines = "\n".join(("POST", PATH, "", credentials.app_key, stamp, nonce, digest.hexdigest(), ""))
    mac = hmac.digest((secret or credentials.app_secret).encode(), lines.encode(), "sha256")
    headers = {
        "content-type": "application/json",
        "x-app-key": credentials.app_key,
        "x-timestamp": stamp,
        "x-nonce": nonce,
        "x-signature-alg": "HMAC-SHA256",
        "content-digest": f"sha-256=:{base64.b64encode(digest.digest()).decode()}:",
        "x-signature": base64.b64encode(mac).decode(),
    }
    return WireRequest(operation="hint", method="POST", path=PATH, headers=headers, body=body)


EMPTY = {"events": [], "nextCursor": "c", "hasMore": False, "watermark": {}}


@pytest.mark.parametrize(
    ("body", "heard"),
    [
        (EMPTY, True),
        ({**EMPTY, "events": [{"anything": 1}] * 50}, True),
        ({**EMPTY, "events": [{}] * 51}, False),
        ({**EMPTY, "events": "none"}, False),
        ({**EMPTY, "hasMore": "no"}, False),
        ([], False),
    ],
)
def test_a_hint_has_the_form_of_a_page_and_its_events_are_not_looked_at(bench: Any, body: Any, heard: bool) -> None:
    found = bench.connector.decode_hint(signed(bench, json.dumps(body).encode()), bench.clock.now)
    assert isinstance(found, Hint) if heard else found.status == 422


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"events": [], "events": []}'])
def test_what_cannot_be_read_is_no_hint(bench: Any, body: bytes) -> None:
    assert bench.connector.decode_hint(signed(bench, body), bench.clock.now).status == 422


def test_a_nonce_has_its_form(bench: Any) -> None:
    request = signed(bench, json.dumps(EMPTY).encode(), nonce="A" * 32)
    assert bench.connector.decode_hint(request, bench.clock.now).status == 400


@pytest.mark.parametrize(
    ("refusal", "status"),
    [(None, 202), (HintRefusal.TOO_LARGE, 413), (HintRefusal.REPLAYED, 401), (HintRefusal.BUSY, 429)],
)
def test_what_the_platform_hears(bench: Any, refusal: HintRefusal | None, status: int) -> None:
    answer = bench.connector.encode_hint_answer(refusal)
    assert answer.status == status
    if refusal is not None:
        assert schema.violations("Problem", json.loads(answer.body)) == ()


def test_hints_are_heard_only_where_they_were_agreed(make_bench: Any) -> None:
    assert isinstance(make_bench().connector, GivesHints)
    assert make_bench().connector.hints is None
    terms = make_bench(hints="true", hint_spacing_seconds="30").connector.hints
    assert terms is not None
    assert (terms.spacing, terms.remembered) == (timedelta(seconds=30), timedelta(minutes=15))


def test_the_sandbox_sends_to_this_machine_only() -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1 only"):
        send("http://example.org/credit-events", {}, b"")
