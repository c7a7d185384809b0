"""Workers, clock, network, database and platform under one seed: whatever breaks, nothing is lost or doubled."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.support.simulation import Outcome

pytestmark = pytest.mark.slow

Run = Callable[[int], Outcome]
QUICK = 100
PART = 25


def told(outcome: Outcome) -> str:
    """What a person needs to find the fault: the seed, the broken invariants and the last events."""
    return "\n".join((f"seed {outcome.seed}", *outcome.broken, *outcome.tail))


def survive(run_seed: Run, first: int, last: int) -> None:
    for seed in range(first, last):
        outcome = run_seed(seed)
        assert not outcome.broken, told(outcome)


@pytest.mark.parametrize("first", range(0, QUICK, PART))
def test_every_invariant_holds_after_the_storm(run_seed: Run, first: int) -> None:
    survive(run_seed, first, first + PART)


def test_the_same_seed_gives_the_same_events(run_seed: Run) -> None:
    first, second, other = run_seed(7), run_seed(7), run_seed(8)
    assert first.digest == second.digest
    assert first.events > 20
    assert first.digest != other.digest


@pytest.mark.soak
@pytest.mark.parametrize("part", range(int(os.environ.get("SOAK_SEEDS", "5000")) // PART))
def test_many_seeds(run_seed: Run, part: int, count: Callable[..., None]) -> None:
    survive(run_seed, QUICK + part * PART, QUICK + (part + 1) * PART)
    count(seeds=PART)
