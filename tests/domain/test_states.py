"""The table of states: what it allows, what it refuses, and that nothing gets stuck or leaves an end."""

from __future__ import annotations

import itertools

import pytest

from gateway.domain.errors import StoreError
from gateway.domain.states import TERMINAL, TRANSITIONS, WAITING, Event, State, advance, sources

FORBIDDEN = [pair for pair in itertools.product(State, Event) if pair not in TRANSITIONS]


@pytest.mark.parametrize(("state", "event"), FORBIDDEN, ids=[f"{s}-{e}" for s, e in FORBIDDEN])
def test_a_move_that_is_not_in_the_table_is_refused_and_named(state: State, event: Event) -> None:
    with pytest.raises(StoreError, match=f"^a delivery that is {state} cannot meet {event}$"):
        advance(state, event)


@pytest.mark.parametrize(("pair", "following"), TRANSITIONS.items(), ids=[f"{s}-{e}" for s, e in TRANSITIONS])
def test_a_move_of_the_table_gives_its_state(pair: tuple[State, Event], following: State) -> None:
    assert advance(*pair) is following


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_nothing_but_a_replay_leads_out_of_an_end(state: State) -> None:
    ways = [event for known, event in TRANSITIONS if known is state]
    assert ways == ([] if state is State.SUPERSEDED else [Event.REPLAYED])


def test_every_state_is_either_waiting_or_an_end() -> None:
    assert set(State) == TERMINAL | WAITING
    assert not TERMINAL & WAITING


@pytest.mark.parametrize("event", Event)
def test_every_event_can_happen_somewhere(event: Event) -> None:
    assert sources(event)


@pytest.mark.parametrize("event", Event)
def test_sources_are_exactly_the_states_that_allow_the_event(event: Event) -> None:
    assert sources(event) == {state for state in State if (state, event) in TRANSITIONS}


def test_from_every_waiting_state_there_is_a_way_to_acceptance() -> None:
    reaches = {State.ACCEPTED}
    while more := {state for (state, _), following in TRANSITIONS.items() if following in reaches} - reaches:
        reaches |= more
    assert reaches >= WAITING


def test_only_a_sent_or_asked_delivery_is_accepted() -> None:
    assert {s for (s, _), to in TRANSITIONS.items() if to is State.ACCEPTED} == {
        State.SENDING,
        State.AWAITING_ACK,
        State.IN_DOUBT,
    }


def test_what_is_in_doubt_is_sent_again_only_after_a_negative_answer() -> None:
    assert [e for (s, e), to in TRANSITIONS.items() if s is State.IN_DOUBT and to is State.QUEUED] == [Event.NOT_FOUND]


def test_a_newer_version_never_replaces_what_may_have_reached_the_platform() -> None:
    assert sources(Event.NEWER_VERSION) == {State.QUEUED, State.HELD, State.PARKED}
