"""Objections, scans and tickets: each call there and back, and what the simulated office makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors.provincial_credit.adapter import build
from gateway.contract.desk import (
    Conflict,
    ConflictState,
    DeskTerms,
    Objection,
    ObjectionState,
    Scan,
    TakesObjections,
    TakesScans,
    TakesTickets,
)
from gateway.contract.messages import Verdict, WireResponse
from gateway.domain.states import Event
from gateway.domain.ticket_kinds import TicketKind
from gateway.settings import loader

PDF = b"%PDF-1.7 synthetic"


@pytest.fixture
def told(bench: Any) -> dict[str, list[str]]:
    """Every case told; case -> record ids."""
    bench.hold(4)
    bench.ask("feedback", None)
    return dict(bench.sandbox.books.items("cases"))


def _objection(record_id: str, **changes: Any) -> Objection:
    values: dict[str, Any] = {
        "key": "01D7EN6Q00000000000000ABCE",
        "record_id": record_id,
        "version": 1,
        "objector": "示例申诉人",
        "contact": "13800000000",
        "ground": "合同真实有效",
    }
    return Objection(**{**values, **changes})


def _scan(content: bytes = PDF, media_type: str = "application/pdf") -> Scan:
    return Scan(media_type=media_type, digest=hashlib.sha256(content).hexdigest(), content=content)


def test_the_desk_says_what_was_agreed(bench: Any) -> None:
    connector = bench.connector
    assert isinstance(connector, TakesObjections)
    assert isinstance(connector, TakesScans)
    assert isinstance(connector, TakesTickets)
    kinds = frozenset({TicketKind.IDENTITY, TicketKind.FORK, TicketKind.DISAPPEARED})
    assert connector.desk == DeskTerms(tickets=kinds)


def test_what_was_agreed_is_a_setting(bench: Any) -> None:
    given = {
        "IDEMPOTENCY_DAYS": "1",
        "DESK_ASKING_SECONDS": "60",
        "OBJECTION_ACCEPT_DAYS": "3",
        "OBJECTION_ANSWER_DAYS": "15",
        "TICKETS": "[]",
        "SCAN_BYTES": "1024",
    }
    environment = {f"GATEWAY_PROVINCIAL_CREDIT__{name}": value for name, value in given.items()}
    connector = build(loader({**bench.sandbox.access("https://sandbox.invalid").environment, **environment}))
    assert connector.desk == DeskTerms(
        remembered=timedelta(days=1),
        asking=timedelta(minutes=1),
        accept_days=3,
        answer_days=15,
        tickets=frozenset(),
        scan_bytes=1024,
    )


# objections


def test_an_objection_is_passed_on_and_asked_about(bench: Any, told: dict[str, list[str]]) -> None:
    objection = _objection(told["F01"][0])
    assert "13800000000" not in repr(objection)
    taken = bench.ask("objection", objection)
    assert (taken.event, taken.code) == (Event.ACCEPTED, "SUBMITTED")
    assert b"13800000000" not in bench.seen[-1][0].body
    begun, seen = bench.clock.now, []
    for days in (0, 3, 7):
        bench.clock.pass_(days=days)
        bench.token = None
        seen.append(bench.ask("objection_state", taken.receipt))
    accepted, decided = begun + timedelta(days=2), begun + timedelta(days=9)
    assert seen == [
        ObjectionState(number=taken.receipt, status="SUBMITTED"),
        ObjectionState(number=taken.receipt, status="ACCEPTED", accepted_at=accepted),
        ObjectionState(
            number=taken.receipt, status="UPHELD", result="UPHELD", accepted_at=accepted, decided_at=decided
        ),
    ]
    assert bench.ask("objection_state", "YY-none").event is Event.NOT_FOUND
    assert bench.ask("objection", replace(objection, version=9)).event is Event.CONFLICT
    assert bench.ask("objection", replace(objection, record_id="CR-none")).event is Event.NOT_FOUND


@pytest.mark.parametrize(
    ("answer", "events"),
    [
        ("REJECTED", []),
        ("UPHELD", ["OBJECTION_OPENED", "OBJECTION_CLOSED"]),
        ("CHANGED", ["OBJECTION_OPENED", "OBJECTION_CLOSED", "CORRECTED"]),
        ("REVOKED", ["OBJECTION_OPENED", "OBJECTION_CLOSED", "REVOKED"]),
    ],
)
def test_an_answer_is_told_by_state_and_in_the_feed(
    bench: Any, told: dict[str, list[str]], answer: str, events: list[str]
) -> None:
    record_id = told["F01"][0]
    number = bench.ask("objection", _objection(record_id)).receipt
    bench.sandbox.command(answer={number: answer})
    assert bench.ask("objection_state", number).status == answer
    findings = [f for f in bench.ask("versions", record_id) if f.version > 1]
    assert [f.event_type for f in findings] == events
    assert all(f.flaw is None for f in findings)
    numbers = [f.extra["objection"]["no"] for f in findings if "objection" in f.extra]
    assert numbers == [number] * len(numbers)
    with pytest.raises(KeyError):
        bench.sandbox.command(answer={number: "UPHELD"})


def test_the_same_message_is_one_objection_and_another_message_is_a_second(
    bench: Any, told: dict[str, list[str]]
) -> None:
    objection, stamp = _objection(told["F01"][0]), bench.stamp()
    numbers = []
    for one in (stamp, replace(bench.stamp(), message_id=stamp.message_id), bench.stamp()):
        response = bench.send(bench.connector.encode_objection(objection, one))
        numbers.append(bench.connector.decode_objection(response, objection, one).receipt)
    assert (numbers[0], numbers[0] != numbers[2]) == (numbers[1], True)
    assert bench.sandbox.effects()["counts"]["objections"] == 2


# scans


@pytest.mark.parametrize(
    ("content", "kind", "event"),
    [
        (PDF, "application/pdf", Event.ACCEPTED),
        (b"%PDF-1.7 synthetic\r\n--x", "application/pdf", Event.ACCEPTED),
        (b"\xff\xd8\xff synthetic", "image/jpeg", Event.ACCEPTED),
        (b"<html>", "application/pdf", Event.REJECTED),
        (b"%PDF-", "text/html", Event.REJECTED),
        (b"%PDF-" + bytes(5 * 1024 * 1024), "application/pdf", Event.REJECTED),
    ],
)
def test_a_scan_is_taken_where_its_kind_and_size_are_allowed(
    bench: Any, content: bytes, kind: str, event: Event
) -> None:
    taken: Verdict = bench.ask("scan", _scan(content, kind))
    assert taken.event is event
    assert (taken.receipt is not None) is (event is Event.ACCEPTED)


def test_a_refusal_of_a_scan_that_is_not_signed_settles_nothing(
    bench: Any, answer: Callable[..., WireResponse], refusal: Callable[..., Any]
) -> None:
    stamp = bench.stamp()
    signed = answer(stamp, 413, refusal("PAYLOAD_TOO_LARGE", 413))
    unsigned = replace(signed, headers={"content-type": "application/problem+json"})
    events = [bench.connector.decode_scan(one, _scan(), stamp).event for one in (signed, unsigned)]
    assert events == [Event.REJECTED, Event.RETRY]


def test_a_receipt_for_another_scan_is_no_receipt(bench: Any) -> None:
    stamp = bench.stamp()
    response = bench.send(bench.connector.encode_scan(_scan(), stamp))
    verdict = bench.connector.decode_scan(response, _scan(b"%PDF-2"), stamp)
    assert (verdict.event, verdict.code) == (Event.RETRY, "other_scan")


def test_a_scan_is_sent_without_a_name_of_its_own_and_goes_with_the_objection(
    bench: Any, told: dict[str, list[str]]
) -> None:
    taken = bench.ask("scan", _scan())
    assert b'filename="scan.pdf"' in bench.seen[-1][0].body
    objection = _objection(told["F01"][0], scans=(taken.receipt,))
    number = bench.ask("objection", objection).receipt
    assert bench.sandbox.books.get("objections", number)["attachmentIds"] == [taken.receipt]
    assert bench.ask("objection", replace(objection, scans=("AT-none",))).event is Event.UNKNOWN


@pytest.mark.parametrize("dialect", ["sm3", "gm-envelope", "national", "pages"])
def test_the_desk_works_in_every_profile(make_bench: Callable[..., Any], dialect: str) -> None:
    bench = make_bench(dialect)
    bench.hold(2)
    bench.sandbox.command(tell=("F01",))
    [record_id, _] = bench.sandbox.books.get("cases", "F01")
    attachment = bench.ask("scan", _scan()).receipt
    number = bench.ask("objection", _objection(record_id, scans=(attachment,))).receipt
    ticket = bench.ask("ticket", _conflict(record_id)).receipt
    assert bench.ask("objection_state", number).status == "SUBMITTED"
    assert bench.ask("ticket_state", ticket).status == "OPEN"


# tickets


def _conflict(record_id: str, **changes: Any) -> Conflict:
    values: dict[str, Any] = {
        "number": "T000000000000000000000001",
        "kind": TicketKind.IDENTITY,
        "record_id": record_id,
        "event_id": "EV0000000001",
        "description": "号码与姓名不符",
        "proposed": "请核对主体",
    }
    return Conflict(**{**values, **changes})


def test_a_ticket_is_opened_asked_about_and_closed_with_an_outcome(bench: Any, told: dict[str, list[str]]) -> None:
    conflict = _conflict(told["F19"][0])
    taken = bench.ask("ticket", conflict)
    assert taken.event is Event.ACCEPTED
    assert bench.ask("ticket_state", taken.receipt) == ConflictState(number=taken.receipt, status="OPEN", closed=False)
    bench.sandbox.command(close={taken.receipt: "主体已更正"})
    state = bench.ask("ticket_state", taken.receipt)
    assert (state.closed, state.outcome) == (True, "主体已更正")
    assert "主体已更正" not in repr(state)
    assert bench.ask("ticket_state", "TK-none").event is Event.NOT_FOUND
    assert bench.ask("ticket", _conflict("CR-none", event_id=None)).event is Event.NOT_FOUND


@pytest.mark.parametrize("call", ["objection", "ticket"])
def test_an_answer_about_another_one_is_no_answer(bench: Any, told: dict[str, list[str]], call: str) -> None:
    what = _objection(told["F01"][0]) if call == "objection" else _conflict(told["F01"][0])
    number, stamp = bench.ask(call, what).receipt, bench.stamp()
    response = bench.send(getattr(bench.connector, f"encode_{call}_state")(number, stamp))
    verdict = getattr(bench.connector, f"decode_{call}_state")(response, "another", stamp)
    assert (verdict.event, verdict.code) == (Event.RETRY, f"other_{call}")
