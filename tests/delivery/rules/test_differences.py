"""Two sides compared: every key gets one class, and the classes add up."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.messages import Holding
from gateway.delivery.rules.differences import Difference, Item, Ours, classify, differing
from gateway.domain.records import RecordKind
from gateway.domain.states import State

P, C = RecordKind.PERSON, RecordKind.CERTIFICATE
D, S = Difference, State
FIELDS = {"name": "甲", "level": "3"}


def holding(key: str = "k", kind: RecordKind = P, version: int | None = 1, **fields: str) -> Holding:
    return Holding(kind=kind, key=key, version=version, fields=FIELDS | fields)


def ours(state: State, key: str = "k", kind: RecordKind = P, number: int = 1, *, asked: bool = True) -> Ours:
    return Ours(delivery_id=number, kind=kind, state=state, expected=holding(key, kind), asked=asked)


MOVING = [S.QUEUED, S.SENDING, S.AWAITING_ACK, S.IN_DOUBT, S.HELD]
STOPPED = [S.REJECTED, S.PARKED]
SAME, OTHER = holding(), holding(name="乙")


@pytest.mark.parametrize(
    ("state", "there", "difference", "fields"),
    [
        (S.ACCEPTED, [SAME], D.MATCH, ()),
        (S.ACCEPTED, [OTHER], D.ALTERED, ("name",)),
        (S.ACCEPTED, [holding(version=2)], D.ALTERED, ("version",)),
        (S.ACCEPTED, [holding(version=None)], D.MATCH, ()),
        (S.ACCEPTED, [], D.LOST, ()),
        *[(state, [], D.LAG, ()) for state in MOVING],
        *[(state, [SAME], D.LAG, ()) for state in MOVING[1:]],
        *[(state, [OTHER], D.LAG, ("name",)) for state in MOVING[1:]],
        (S.QUEUED, [SAME], D.HELD_THERE, ()),
        (S.QUEUED, [OTHER], D.HELD_THERE, ("name",)),
        *[(state, [], D.NEVER_SENT, ()) for state in STOPPED],
        *[(state, [SAME], D.UNEXPECTED, ()) for state in STOPPED],
        *[(state, [OTHER], D.UNEXPECTED, ("name",)) for state in STOPPED],
        *[(state, [SAME, SAME], D.DOUBLED, ()) for state in (S.ACCEPTED, S.QUEUED, S.REJECTED)],
    ],
)
def test_a_key_of_ours_gets_its_class(
    state: State, there: list[Holding], difference: Difference, fields: tuple[str, ...]
) -> None:
    theirs = {(P, "k"): there} if there else {}
    assert classify([ours(state)], theirs) == [Item(difference=difference, kind=P, delivery_id=1, fields=fields)]


@pytest.mark.parametrize(
    ("state", "there", "difference", "fields"),
    [
        *[(state, [OTHER], D.OUTDATED, ("name",)) for state in STOPPED],
        *[(state, [SAME], D.UNEXPECTED, ()) for state in STOPPED],
        *[(state, [], D.NEVER_SENT, ()) for state in STOPPED],
        *[(state, [OTHER], D.LAG, ("name",)) for state in MOVING],
        (S.QUEUED, [SAME], D.HELD_THERE, ()),
        (S.ACCEPTED, [OTHER], D.ALTERED, ("name",)),
    ],
)
def test_a_newer_version_that_stopped_leaves_the_platform_outdated_which_is_no_lag(
    state: State, there: list[Holding], difference: Difference, fields: tuple[str, ...]
) -> None:
    theirs = {(P, "k"): there} if there else {}
    own = Ours(delivery_id=1, kind=P, state=state, expected=holding(), replaces=True)
    assert classify([own], theirs) == [Item(difference=difference, kind=P, delivery_id=1, fields=fields)]


def test_what_only_the_platform_has_is_unknown_here_by_kind() -> None:
    found = classify([ours(S.ACCEPTED)], {(P, "k"): [SAME], (C, "k"): [holding(kind=C)], (P, "z"): [SAME, SAME]})
    assert Counter((i.difference, i.kind) for i in found) == {
        (D.MATCH, P): 1,
        (D.UNKNOWN_HERE, C): 1,
        (D.UNKNOWN_HERE, P): 1,
    }


def test_what_was_not_asked_says_nothing_about_the_platform() -> None:
    assert classify([ours(S.ACCEPTED, asked=False)], {})[0].difference is D.NOT_ASKED


def test_what_cannot_be_expected_is_not_missed() -> None:
    own = Ours(delivery_id=1, kind=P, state=S.REJECTED, expected=None)
    assert classify([own], {(P, ""): [SAME]}) == [
        Item(difference=D.NEVER_SENT, kind=P, delivery_id=1),
        Item(difference=D.UNKNOWN_HERE, kind=P, theirs=("", None)),
    ]


def test_a_field_the_platform_does_not_show_is_no_difference() -> None:
    shown = Holding(kind=P, key="k", fields={"level": "3", "theirs": "x"})
    assert differing(holding(), shown) == ()
    assert differing(holding(), Holding(kind=P, key="k", fields={"level": "", "name": "乙"})) == ("name", "level")


def test_values_never_show_in_an_item() -> None:
    assert "乙" not in repr(classify([ours(S.ACCEPTED)], {(P, "k"): [OTHER]}))


KEYS = st.sampled_from("abcdef")
KINDS = st.sampled_from([P, C])


@given(
    own=st.lists(st.tuples(st.sampled_from(list(State)), KEYS, KINDS, st.booleans(), st.booleans()), max_size=12),
    held=st.lists(st.tuples(KINDS, KEYS, st.sampled_from([{}, {"name": "乙"}])), max_size=12),
)
def test_the_classes_add_up_to_ours_and_what_only_they_have(
    own: list[tuple[State, str, RecordKind, bool, bool]], held: list[tuple[RecordKind, str, dict[str, str]]]
) -> None:
    left = [
        Ours(delivery_id=n, kind=kind, state=state, asked=asked, expected=holding(key, kind) if known else None)
        for n, (state, key, kind, asked, known) in enumerate(own)
    ]
    right: dict[tuple[RecordKind, str], list[Holding]] = {}
    for kind, key, fields in held:
        right.setdefault((kind, key), []).append(holding(key, kind, **fields))
    items = classify(left, right)
    only_theirs = set(right) - {(o.kind, o.expected.key) for o in left if o.expected}
    assert len(items) == len(left) + len(only_theirs)
    assert sorted(i.delivery_id for i in items if i.delivery_id is not None) == list(range(len(left)))
    assert sum(i.difference is D.UNKNOWN_HERE for i in items) == len(only_theirs)
