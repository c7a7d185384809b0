"""Random draws that anyone can make again."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.credit.rules.draws import Checker, Population, draw, read_checkers, sample_size
from gateway.domain.errors import InputError

NAMES = st.sets(st.text("abcdef0123456789", min_size=1, max_size=6), min_size=1, max_size=40)
CHECKERS = [Checker(name="甲"), Checker(name="乙"), Checker(name="丙", avoids=frozenset({"city"}))]


def _population(names: set[str], **excluded: str) -> Population:
    return Population(objects={name: frozenset({"city"}) for name in names}, excluded=excluded)


@given(NAMES, st.text(max_size=10), st.integers(1, 50))
@settings(max_examples=100, deadline=None)
def test_seed_and_population_give_the_same_draw_in_whatever_order_they_come(
    names: set[str], seed: str, count: int
) -> None:
    one, other = _population(names), _population(set(sorted(names, reverse=True)))
    drawn = draw(seed, one, count, CHECKERS)
    assert drawn == draw(seed, other, count, list(reversed(CHECKERS)))
    assert one.digest == other.digest
    assert len({pair.object for pair in drawn}) == len(drawn) == min(count, len(names))
    load = Counter(pair.checker for pair in drawn)
    assert "丙" not in load, "who has ties does not check"
    assert not load or max(load.values()) - min(load[name] for name in ("甲", "乙")) <= 1


def test_a_published_draw_stays_as_it_is() -> None:
    pairs = draw("seed", _population({f"E{n}" for n in range(20)}), 3, CHECKERS[:2])
    assert [(pair.object, pair.checker) for pair in pairs] == PUBLISHED


PUBLISHED = [("E14", "甲"), ("E11", "乙"), ("E19", "乙")]
"""the ranks are those of `printf "seed\\nobject\\nE14" | sha256sum`"""


def test_excluded_objects_are_never_drawn_and_change_the_digest() -> None:
    names = {f"E{n}" for n in range(20)}
    without = _population(names, E3="checked last month")
    assert "E3" not in {pair.object for pair in draw("s", without, 20, CHECKERS)}
    assert without.digest != _population(names).digest


def test_an_object_nobody_is_free_for_gets_no_checker() -> None:
    assert draw("s", _population({"E1"}), 1, CHECKERS[2:])[0].checker is None


@pytest.mark.parametrize(("ratio", "size"), [("5%", 2), ("1/20", 2), ("0.05", 2), ("100%", 21), ("7", 7), ("99", 21)])
def test_a_share_is_rounded_up(ratio: str, size: int) -> None:
    assert sample_size(ratio, 21) == size


@pytest.mark.parametrize("ratio", ["0", "0%", "101%", "-1", "half", "1/0", ""])
def test_other_shares_are_refused(ratio: str) -> None:
    with pytest.raises(InputError, match="ratio"):
        sample_size(ratio, 21)


@pytest.mark.parametrize("rows", [[], [{"checker": "甲"}, {"checker": "甲"}], [{"who": "甲"}]])
def test_checkers_are_named_once_each(rows: list[dict[str, str]]) -> None:
    with pytest.raises(InputError, match="checkers"):
        read_checkers(rows)
