"""What an answer means for a message, and how an objection goes on."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.credit.rules.objections import ANSWERED, RUNNING, Fate, ObjectionEvent, ObjectionPhase, fate_of, next_state
from gateway.domain.states import Event

FATES = {
    Event.REJECTED: Fate.REFUSED,
    Event.CONFLICT: Fate.REFUSED,
    Event.NOT_FOUND: Fate.REFUSED,
    Event.RETRY: Fate.LATER,
    Event.HOLD: Fate.LATER,
}


@pytest.mark.parametrize("event", list(Event))
def test_only_a_clear_refusal_is_one_and_what_nobody_taught_us_is_unclear(event: Event) -> None:
    assert fate_of(event, None) is FATES.get(event, Fate.UNCLEAR)


def test_only_an_acceptance_with_a_number_is_taken() -> None:
    assert fate_of(Event.ACCEPTED, "YY1") is Fate.TAKEN
    assert fate_of(Event.ACCEPTED, "") is Fate.UNCLEAR


@pytest.mark.parametrize("held", list(ObjectionPhase))
@pytest.mark.parametrize("told", [*ObjectionPhase, "SOMETHING"])
def test_a_state_leads_forward_only(held: ObjectionPhase, told: str) -> None:
    forward = held in RUNNING and told in ANSWERED | {ObjectionPhase.ACCEPTED} and told != held
    assert next_state(held, told) == (told if forward else None)


@pytest.mark.parametrize(
    ("extra", "news"),
    [
        ({"objection": {"no": "YY1"}}, ObjectionEvent(number="YY1")),
        (
            {"objection": {"no": "YY1", "result": "CHANGED"}},
            ObjectionEvent(number="YY1", result=ObjectionPhase.CHANGED),
        ),
        ({"objection": {"no": "YY1", "result": "WITHDRAWN"}}, ObjectionEvent(number="YY1")),
        ({"objection": {"no": "YY1", "result": 3}}, ObjectionEvent(number="YY1")),
        ({"objection": {"no": ""}}, None),
        ({"objection": {"no": 7}}, None),
        ({"objection": "YY1"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_an_event_is_read_as_far_as_it_can_be(extra: Any, news: ObjectionEvent | None) -> None:
    assert ObjectionEvent.of({"extra": extra}) == news
