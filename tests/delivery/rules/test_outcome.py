"""From a verdict to the next step: one table for each thing that was asked, and nobody in what is kept."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.connector import TOKEN_REFUSED
from gateway.contract.messages import Problem, Problems, Verdict
from gateway.delivery.rules.outcome import after_lookup, after_poll, after_push, names, refused_here
from gateway.delivery.rules.work import Claimed, Settlement
from gateway.domain.records import Certificate, RecordKind, StatusChange, Withdrawal, Worker
from gateway.domain.states import Event, State, advance
from gateway.domain.traffic import waits
from gateway.testing import people
from gateway.testing.model import Model

NOW = datetime(2019, 4, 2, 9, 0, tzinfo=UTC)
E = Event
INFO = replace(
    Model(base_url="http://unused.invalid").info,
    retry=waits(10, 20, jitter=0),
    polls=waits(100, 200, jitter=0),
    lookups=waits(1000, 2000, jitter=0),
    negative_lookups=2,
)
REPLIES = [
    E.ACCEPTED,
    E.PENDING,
    E.RETRY,
    E.REJECTED,
    E.IN_DOUBT,
    E.DUPLICATE,
    E.HOLD,
    E.UNKNOWN,
    E.NOT_FOUND,
    E.NOT_STORED,
    E.CONFLICT,
]


def claimed(state: State, **changes: Any) -> Claimed:
    given: dict[str, Any] = {"tries": 0, "polls": 0, "lookups": 0, "negatives": 0, "receipt": None}
    return Claimed(
        id=1,
        fence=1,
        state=state,
        record=people.person_record(random.Random(1)),
        business_key="k",
        replaces=False,
        message_id=None,
        message_size=None,
        created_at=NOW,
        **(given | changes),
    )


def told(event: Event, **given: Any) -> Verdict:
    return Verdict(event=event, code=given.pop("code", "C"), **given)


def seconds(settlement: Settlement) -> float:
    return (settlement.due_at - NOW).total_seconds()


def push(verdict: Verdict, *, can_ask: bool = True, **claim: Any) -> Settlement:
    return after_push(claimed(State.SENDING, **claim), verdict, INFO, NOW, draw=0.5, can_ask=can_ask)


def poll(verdict: Verdict, *, can_ask: bool = True, **claim: Any) -> Settlement:
    given = {"receipt": "R", "tries": 1} | claim
    return after_poll(claimed(State.AWAITING_ACK, **given), verdict, INFO, NOW, draw=0.5, can_ask=can_ask)


def lookup(verdict: Verdict, **claim: Any) -> Settlement:
    return after_lookup(claimed(State.IN_DOUBT, **({"tries": 1} | claim)), verdict, INFO, NOW, draw=0.5)


@pytest.mark.parametrize(
    ("verdict", "claim", "event", "due", "keep"),
    [
        (told(E.ACCEPTED), {}, E.ACCEPTED, 0, False),
        (told(E.REJECTED), {}, E.REJECTED, 0, False),
        (told(E.CONFLICT), {}, E.CONFLICT, 0, False),
        (told(E.HOLD), {}, E.HOLD, 0, False),
        (told(E.UNKNOWN), {}, E.UNKNOWN, 0, False),
        (told(E.NOT_FOUND), {}, E.UNKNOWN, 0, False),
        (told(E.NOT_STORED), {}, E.UNKNOWN, 0, False),
        (told(E.PENDING, receipt="R"), {}, E.PENDING, 100, False),
        (told(E.PENDING), {}, E.UNKNOWN, 0, False),
        (told(E.PENDING, receipt=""), {}, E.UNKNOWN, 0, False),
        (told(E.PENDING, receipt="R" * 201), {}, E.UNKNOWN, 0, False),
        (told(E.PENDING, receipt="R\x00"), {}, E.UNKNOWN, 0, False),
        (told(E.RETRY), {}, E.RETRY, 10, False),
        (told(E.RETRY, same_message=True), {}, E.RETRY, 10, True),
        (told(E.RETRY), {"tries": 1}, E.RETRY, 20, False),
        (told(E.RETRY), {"tries": 2}, E.EXHAUSTED, 0, False),
        (told(E.RETRY, retry_after=timedelta(seconds=5)), {}, E.RETRY, 10, False),
        (told(E.RETRY, retry_after=timedelta(seconds=50)), {}, E.RETRY, 50, False),
        (told(E.RETRY, retry_after=timedelta(days=5)), {}, E.RETRY, 3600, False),
        (told(E.RETRY, code=TOKEN_REFUSED), {}, E.RETRY, 0, False),
        (told(E.RETRY, code=TOKEN_REFUSED), {"tries": 1}, E.RETRY, 20, False),
        (told(E.IN_DOUBT), {}, E.IN_DOUBT, 1000, True),
        (told(E.DUPLICATE), {}, E.DUPLICATE, 0, False),
    ],
)
def test_after_a_push(verdict: Verdict, claim: dict[str, Any], event: Event, due: float, keep: bool) -> None:
    found = push(verdict, **claim)
    assert (found.event, seconds(found), found.keep_message) == (event, due, keep)


@pytest.mark.parametrize("event", [E.IN_DOUBT, E.DUPLICATE])
def test_where_the_platform_cannot_be_asked_a_doubt_goes_to_a_person(event: Event) -> None:
    for found in (push(told(event), can_ask=False), poll(told(event), can_ask=False)):
        assert found.event is E.EXHAUSTED
        assert advance(found.claimed.state, found.event) is State.PARKED


@pytest.mark.parametrize(
    ("verdict", "claim", "event", "due"),
    [
        (told(E.ACCEPTED), {}, E.ACCEPTED, 0),
        (told(E.REJECTED), {}, E.REJECTED, 0),
        (told(E.CONFLICT), {}, E.CONFLICT, 0),
        (told(E.UNKNOWN), {}, E.UNKNOWN, 0),
        (told(E.PENDING), {}, E.PENDING, 200),
        (told(E.PENDING), {"polls": 1}, E.EXHAUSTED, 0),
        (told(E.PENDING, retry_after=timedelta(seconds=900)), {}, E.PENDING, 900),
        (told(E.RETRY), {}, E.RETRY, 200),
        (told(E.RETRY), {"polls": 1}, E.EXHAUSTED, 0),
        (told(E.HOLD), {}, E.HOLD, 200),
        (told(E.NOT_FOUND), {}, E.NOT_FOUND, 1000),
        (told(E.IN_DOUBT), {}, E.IN_DOUBT, 1000),
        (told(E.DUPLICATE), {}, E.DUPLICATE, 0),
        (told(E.NOT_STORED), {}, E.NOT_STORED, 10),
        (told(E.NOT_STORED), {"tries": 2}, E.NOT_STORED, 20),
        (told(E.NOT_STORED), {"tries": 3}, E.EXHAUSTED, 0),
    ],
)
def test_after_a_poll(verdict: Verdict, claim: dict[str, Any], event: Event, due: float) -> None:
    found = poll(verdict, **claim)
    assert (found.event, seconds(found), found.keep_message) == (event, due, False)
    resent = verdict.event is E.NOT_STORED
    assert found.polls == (0 if resent else found.claimed.polls + 1)


@pytest.mark.parametrize(
    ("verdict", "claim", "event", "due", "counts"),
    [
        (told(E.ACCEPTED), {}, E.ACCEPTED, 0, (1, 0)),
        (told(E.REJECTED), {}, E.REJECTED, 0, (1, 0)),
        (told(E.CONFLICT), {}, E.CONFLICT, 0, (1, 0)),
        (told(E.UNKNOWN), {}, E.UNKNOWN, 0, (1, 0)),
        (told(E.NOT_STORED), {}, E.UNKNOWN, 0, (1, 0)),
        (told(E.NOT_FOUND), {}, E.IN_DOUBT, 2000, (1, 1)),
        (told(E.NOT_FOUND), {"lookups": 1, "negatives": 1}, E.NOT_FOUND, 0, (0, 0)),
        (told(E.NOT_FOUND), {"lookups": 1, "negatives": 1, "tries": 2}, E.NOT_FOUND, 20, (0, 0)),
        (told(E.NOT_FOUND), {"lookups": 1, "negatives": 1, "tries": 3}, E.EXHAUSTED, 0, (0, 0)),
        (told(E.RETRY), {}, E.RETRY, 2000, (1, 0)),
        (told(E.RETRY), {"lookups": 9, "negatives": 1}, E.RETRY, 2000, (10, 1)),
        (told(E.RETRY, retry_after=timedelta(seconds=3000)), {}, E.RETRY, 3000, (1, 0)),
        (told(E.RETRY, retry_after=timedelta(days=30)), {}, E.RETRY, 3600, (1, 0)),
        (told(E.HOLD), {}, E.HOLD, 2000, (1, 0)),
        (told(E.IN_DOUBT), {}, E.IN_DOUBT, 2000, (1, 0)),
        (told(E.DUPLICATE), {}, E.IN_DOUBT, 2000, (1, 0)),
        (told(E.PENDING, receipt="R"), {}, E.PENDING, 100, (1, 0)),
        (told(E.PENDING), {"receipt": "R"}, E.PENDING, 100, (1, 0)),
        (told(E.PENDING), {}, E.IN_DOUBT, 2000, (1, 0)),
    ],
)
def test_after_a_lookup(
    verdict: Verdict, claim: dict[str, Any], event: Event, due: float, counts: tuple[int, int]
) -> None:
    found = lookup(verdict, **claim)
    assert (found.event, seconds(found), (found.lookups, found.negatives)) == (event, due, counts)
    assert found.keep_message, "what is sent again after a doubt is the same message"


@given(
    event=st.sampled_from(REPLIES),
    tries=st.integers(0, 9),
    polls=st.integers(0, 9),
    lookups=st.integers(0, 9),
    negatives=st.integers(0, 1),
    wish=st.one_of(st.none(), st.timedeltas(timedelta(), timedelta(days=99))),
    receipt=st.sampled_from([None, "R"]),
    can_ask=st.booleans(),
)
def test_every_reply_leads_somewhere_the_table_allows_and_nothing_is_due_in_the_past(
    event: Event,
    tries: int,
    polls: int,
    lookups: int,
    negatives: int,
    wish: timedelta | None,
    receipt: str | None,
    can_ask: bool,
) -> None:
    counts = {"tries": tries, "polls": polls, "lookups": lookups, "negatives": negatives}
    verdict = told(event, retry_after=wish, receipt=receipt)
    outcomes = [push(verdict, can_ask=can_ask, **counts), poll(verdict, can_ask=can_ask, **counts)]
    for found in (*outcomes, lookup(verdict, **counts)):
        following = advance(found.claimed.state, found.event)
        assert found.due_at >= NOW
        assert found.verdict.event is event
        if following is State.ACCEPTED:
            assert event is E.ACCEPTED
        if following is State.REJECTED:
            assert event is E.REJECTED


@pytest.mark.parametrize("act", [push, poll, lookup])
def test_the_reason_is_kept_without_the_person(act: Any) -> None:
    person = claimed(State.SENDING).record.content
    assert isinstance(person, Worker)
    reason = f"{person.name}（{person.id_number}，{person.mobile}）与 370000199001010011 重复"
    assert act(told(E.REJECTED, reason=reason)).verdict.reason == "***（***，***）与 *** 重复"


@pytest.mark.parametrize("act", [push, poll, lookup])
def test_a_name_at_the_cut_of_a_long_reason_does_not_slip_through(act: Any) -> None:
    person = claimed(State.SENDING).record.content
    assert isinstance(person, Worker)
    kept = act(told(E.REJECTED, reason="x" * 990 + person.id_number)).verdict.reason
    assert len(kept) <= 1000
    assert person.id_number[:6] not in kept


def test_what_the_check_refuses_is_rejected_at_once() -> None:
    problems = Problems(items=(Problem(field="name", rule="required", message="required"),))
    found = refused_here(claimed(State.SENDING), problems, NOW)
    assert (found.event, found.verdict.code, found.verdict.fields, seconds(found)) == (
        E.REJECTED,
        "check",
        ("name",),
        0,
    )


def test_the_person_behind_every_content_is_known() -> None:
    rng = random.Random(3)
    worker = people.worker(rng)
    certificate = people.certificate(rng, worker)
    change = StatusChange(
        certificate_key="K",
        certificate=certificate,
        new_status="05",
        operate_type="05",
        reason="r",
        effective_date=date(2019, 5, 1),
    )

    def taken_back(content: Worker | Certificate) -> Withdrawal:
        return Withdrawal(withdrawn_kind=RecordKind.PERSON, withdrawn_key="K", content=content, reason="r")

    expected = (worker.name, worker.id_number, worker.mobile)
    for content in (worker, certificate, change, taken_back(worker), taken_back(certificate)):
        assert names(content) == expected
    assert names(replace(worker, mobile=None))[2] == ""


def test_a_hold_whose_receipt_is_used_up_is_sent_again_and_not_polled_for_ever() -> None:
    settled = poll(told(E.HOLD, spent=True))
    assert (settled.event, settled.verdict.event, settled.polls) == (E.NOT_STORED, E.HOLD, 0)
    assert poll(told(E.HOLD)).event is E.HOLD
