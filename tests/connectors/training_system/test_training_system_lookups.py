"""What a look-up says of the push in doubt, beside pushes that were settled before and those nobody here knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.contract.messages import Payload, Verdict
from gateway.domain.records import RecordKind
from gateway.domain.states import Event
from gateway.testing import people


@pytest.fixture(params=["files", "table"])
def bench(request: pytest.FixtureRequest, make: Callable[..., Any]) -> Any:
    return make(request.param)


@pytest.fixture
def payload(bench: Any) -> Payload:
    [submission] = people.submissions("training_system", RecordKind.PERSON)
    checked = bench.connector.check(submission, bench.connector.map(submission))
    assert isinstance(checked, Payload)
    return checked


def look_up(bench: Any, payload: Payload, about: str | None) -> Verdict:
    """As the core asks, page by page."""
    at = bench.stamp(about=about)
    verdict = bench.connector.decode_lookup(bench.ask(bench.connector.encode_lookup(payload, at)), payload, at)
    while verdict.next_page is not None:
        at = bench.stamp(about=about)
        request = bench.connector.encode_lookup_page(payload, verdict.next_page, at)
        verdict = bench.connector.decode_lookup(bench.ask(request), payload, at)
    assert isinstance(verdict, Verdict)
    return verdict


def push(bench: Any, payload: Payload) -> str:
    at = bench.stamp()
    bench.ask(bench.connector.encode_push([payload], at))
    return str(at.message_id)


def test_a_push_in_doubt_was_handed_over_or_surely_not(bench: Any, payload: Payload) -> None:
    never = bench.stamp().message_id
    assert look_up(bench, payload, never).event is Event.NOT_FOUND
    message = push(bench, payload)
    found = look_up(bench, payload, message)
    assert (found.event, found.receipt) == (Event.PENDING, f"person/{message}")


def test_an_earlier_push_says_nothing_of_a_later_one(bench: Any, payload: Payload) -> None:
    """A replay: the first was settled, the second is in doubt."""
    push(bench, payload)
    bench.owner.work()
    later = bench.stamp().message_id
    assert look_up(bench, payload, later).event is Event.NOT_FOUND


@pytest.mark.parametrize(("fault", "event"), [(None, Event.ACCEPTED), ("refuse", Event.NOT_FOUND)])
def test_a_push_nobody_here_knows_is_taken_by_its_result(
    bench: Any, payload: Payload, fault: str | None, event: Event
) -> None:
    """After a restored backup: by a later message, or by any where none is known."""
    before = bench.stamp().message_id
    message = push(bench, payload)
    assert look_up(bench, payload, None).event is Event.PENDING
    assert look_up(bench, payload, before).receipt == f"person/{message}"
    bench.owner.faults.set(next_=[fault] if fault else [])
    bench.owner.work()
    assert look_up(bench, payload, None).event is event
    assert look_up(bench, payload, before).event is event


def test_nothing_is_there_of_a_record_that_was_never_handed_over(bench: Any, payload: Payload) -> None:
    assert look_up(bench, payload, None).event is Event.NOT_FOUND
