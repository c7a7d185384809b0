"""Connections shared among workers: never more than there are, nobody more than wanted, nobody less than is fair."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.store.seats import fair_shares


@pytest.mark.parametrize(
    ("wants", "most", "shares"),
    [
        ([], 4, []),
        ([3], 4, [3]),
        ([9], 4, [4]),
        ([9, 9], 4, [2, 2]),
        ([9, 1], 4, [3, 1]),
        ([9, 9, 9], 4, [2, 1, 1]),
        ([9, 0, 9], 4, [2, 0, 2]),
        ([9, 9, 9], 2, [1, 1, 0]),
    ],
)
def test_connections_are_shared_evenly_and_first_come_first(wants: list[int], most: int, shares: list[int]) -> None:
    assert fair_shares(wants, most) == shares


@given(st.lists(st.integers(0, 20), max_size=8), st.integers(0, 30))
def test_no_share_can_grow_but_at_the_cost_of_a_smaller_one(wants: list[int], most: int) -> None:
    shares = fair_shares(wants, most)
    assert sum(shares) == min(most, sum(wants))
    for mine, want in zip(shares, wants, strict=True):
        assert mine <= want
        assert mine == want or all(other <= mine + 1 for other in shares)
