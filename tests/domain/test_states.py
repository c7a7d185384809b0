"""The table of states: what it allows, what it refuses, and that nothing gets stuck or leaves an end."""

from __future__ import annotations

import itertools

import pytest

from gateway.domain.errors import StoreError
from gateway.domain.states import TERMINAL, TRANSITIONS, WAITING, Event, State, advance, sources

EXPECTED = """
accepted: replayed>queued
awaiting_ack: accepted>accepted, conflict>parked, duplicate>in_doubt, exhausted>parked, hold>awaiting_ack
awaiting_ack: in_doubt>in_doubt, not_found>in_doubt, not_stored>queued, pending>awaiting_ack, rejected>rejected
awaiting_ack: restored>in_doubt, retry>awaiting_ack, unknown>parked
held: newer_version>superseded, restored>in_doubt, resumed>queued
in_doubt: accepted>accepted, conflict>parked, exhausted>parked, hold>in_doubt, in_doubt>in_doubt
in_doubt: not_found>queued, overtaken>superseded, pending>awaiting_ack, rejected>rejected, restored>in_doubt
in_doubt: retry>in_doubt, unknown>parked
parked: newer_version>superseded, released>queued, restored>in_doubt
queued: claimed>sending, newer_version>superseded, restored>in_doubt
rejected: replayed>queued
sending: accepted>accepted, conflict>parked, duplicate>in_doubt, exhausted>parked, hold>held, in_doubt>in_doubt
sending: lease_lost>queued, lease_lost_open>in_doubt, pending>awaiting_ack, rejected>rejected, retry>queued
sending: unknown>parked
"""
"""every move, written down a second time: state: event>following state"""

FORBIDDEN = [pair for pair in itertools.product(State, Event) if pair not in TRANSITIONS]


@pytest.mark.parametrize(("state", "event"), FORBIDDEN, ids=[f"{s}-{e}" for s, e in FORBIDDEN])
def test_a_move_that_is_not_in_the_table_is_refused_and_named(state: State, event: Event) -> None:
    with pytest.raises(StoreError, match=f"^a delivery that is {state} cannot meet {event}$"):
        advance(state, event)


def moves() -> dict[tuple[str, str], str]:
    return {
        (state, event): following
        for line in EXPECTED.strip().splitlines()
        for state, _, ways in [line.partition(": ")]
        for event, _, following in [way.partition(">") for way in ways.split(", ")]
    }


@pytest.mark.parametrize(("pair", "following"), moves().items(), ids=[f"{s}-{e}" for s, e in moves()])
def test_a_move_gives_the_state_that_is_written_here(pair: tuple[str, str], following: str) -> None:
    assert advance(State(pair[0]), Event(pair[1])) == following


def test_there_are_no_other_moves() -> None:
    assert {(str(state), str(event)) for state, event in TRANSITIONS} == moves().keys()


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
