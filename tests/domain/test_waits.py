"""Waits: the explicit list, what comes after it, how it ends, and how a platform's own wish counts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.traffic import Waits, waits

HOUR = timedelta(hours=1)


def seconds(plan: Waits, rounds: int) -> list[float | None]:
    found = [plan.wait(n) for n in range(1, rounds + 1)]
    return [None if wait is None else wait.total_seconds() for wait in found]


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (waits(1, 5, 30), [1, 5, 30, None, None]),
        (waits(1, 5, then=60), [1, 5, 60, 60, 60]),
        (waits(then=60), [60, 60, 60, 60, 60]),
        (waits(), [None, None, None, None, None]),
        (waits(10, then=10, give_up_after=30), [10, 10, 10, None, None]),
        (waits(10, then=10, give_up_after=29), [10, 10, None, None, None]),
        (waits(10, then=10, give_up_after=0), [10, None, None, None, None]),
        (waits(100, 100, give_up_after=1), [100, 100, None, None, None]),
    ],
    ids=[
        "steps only",
        "then",
        "then only",
        "empty",
        "give up after the span",
        "span not reached",
        "give up at once",
        "steps are never cut",
    ],
)
def test_the_plan_is_what_it_lists(plan: Waits, expected: list[float | None]) -> None:
    assert seconds(plan, 5) == expected


def test_a_plan_that_gave_up_never_goes_on() -> None:
    found = seconds(waits(1, 2, then=7, give_up_after=60), 100)
    assert None in found
    assert set(found[found.index(None) :]) == {None}


@given(
    planned=st.floats(0.001, 10**6),
    jitter=st.floats(0, 1),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_jitter_stays_within_its_share(planned: float, jitter: float, draw: float) -> None:
    wait = waits(planned, jitter=jitter).wait(1, draw=draw)
    assert wait is not None
    slack = timedelta(microseconds=2)
    base = timedelta(seconds=planned)
    assert base * (1 - jitter) - slack <= wait <= base * (1 + jitter) + slack


def test_the_draw_decides_alone() -> None:
    plan = waits(100, jitter=0.2)
    assert [plan.wait(1, draw=d) for d in (0.0, 0.5)] == [timedelta(seconds=80), timedelta(seconds=100)]
    assert plan.wait(1, draw=0.3) == plan.wait(1, draw=0.3)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (None, 100),
        (timedelta(seconds=10), 100),
        (timedelta(seconds=300), 300),
        (HOUR, 3600),
        (timedelta(days=400), 3600),
    ],
    ids=["none", "shorter", "longer", "longest", "clamped"],
)
def test_a_wish_is_obeyed_up_to_the_longest_and_never_shortens(wish: timedelta | None, expected: float) -> None:
    plan = Waits(steps=(timedelta(seconds=100),), jitter=0, longest_wish=HOUR)
    assert plan.wait(1, wish=wish) == timedelta(seconds=expected)


@given(
    wish=st.timedeltas(min_value=timedelta(), max_value=timedelta(days=10**6)),
    draw=st.floats(0, 1, exclude_max=True),
    round_no=st.integers(1, 20),
)
def test_no_wish_undercuts_the_plan_or_passes_the_limit(wish: timedelta, draw: float, round_no: int) -> None:
    plan = waits(1, 60, then=600)
    without, wished = plan.wait(round_no, draw=draw), plan.wait(round_no, draw=draw, wish=wish)
    assert without is not None
    assert wished is not None
    assert without <= wished <= max(without, plan.longest_wish)


def test_a_wish_does_not_revive_a_plan_that_is_used_up() -> None:
    assert waits(1).wait(2, wish=HOUR) is None
