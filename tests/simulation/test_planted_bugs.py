"""Each safety of the delivery core, switched off, is missed: the simulation finds the bug within a stated budget."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.testing.safeties import SAFETIES, switched_off
from tests.support.simulation import Outcome

pytestmark = pytest.mark.slow

Run = Callable[[int], Outcome]
BUDGET = 100
"""seeds within which every planted bug is found: as many as `make test` runs"""


@pytest.mark.parametrize("name", sorted(SAFETIES))
def test_a_planted_bug_is_found(run_seed: Run, name: str) -> None:
    with switched_off(name):
        for seed in range(BUDGET):
            if any(sentence.startswith(SAFETIES[name].noticed_as) for sentence in run_seed(seed).broken):
                return
    pytest.fail(f"{BUDGET} seeds did not notice")
