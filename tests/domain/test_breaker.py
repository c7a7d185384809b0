"""When a breaker opens, how long it stays open, and what closes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest

from gateway.domain.traffic import Breaker, BreakerRules, Phase, after_failure

NOW = datetime(2019, 4, 2, 9, 0, tzinfo=UTC)
RULES = BreakerRules(jitter=0)
SECOND = timedelta(seconds=1)
OPEN = Breaker(failures=5, trips=1, since=NOW, until=NOW + 30 * SECOND, code="http_502")


def fail(breaker: Breaker, times: int = 1, at: datetime = NOW, rules: BreakerRules = RULES) -> Breaker:
    return reduce(lambda b, _: after_failure(b, rules, at, "http_502", draw=0.5), range(times), breaker)


@pytest.mark.parametrize(("failures", "phase"), [(0, "closed"), (4, "closed"), (5, "open"), (9, "open")])
def test_it_opens_after_so_many_failures_in_a_row(failures: int, phase: str) -> None:
    assert fail(Breaker(), failures).phase(NOW) == phase


def test_stragglers_do_not_make_it_stay_open_longer() -> None:
    opened = fail(Breaker(), 5)
    assert fail(opened, 20) == replace(opened, failures=25)


def test_each_failed_try_doubles_the_time_up_to_the_longest() -> None:
    breaker, now, spans = fail(Breaker(), 5), NOW, []
    for _ in range(8):
        assert breaker.until is not None
        spans.append((breaker.until - now) / SECOND)
        now = breaker.until
        breaker = fail(breaker, at=now)
    assert spans == [30, 60, 120, 240, 480, 900, 900, 900]
    assert breaker.since == NOW, "it is down since it opened first"


def test_a_thousand_failed_tries_still_give_the_longest_time() -> None:
    assert fail(replace(OPEN, trips=1000), at=NOW + 60 * SECOND).until == NOW + 960 * SECOND


@pytest.mark.parametrize(("draw", "seconds"), [(0.0, 24), (0.5, 30), (0.999999, 36)])
def test_the_next_try_is_spread(draw: float, seconds: float) -> None:
    opened = after_failure(Breaker(failures=4), BreakerRules(), NOW, "x", draw=draw)
    assert opened.until is not None
    assert (opened.until - NOW) / SECOND == pytest.approx(seconds, abs=0.01)


@pytest.mark.parametrize(
    ("failed", "seen", "share", "phase"),
    [
        (20, 40, 0.5, "open"),
        (19, 40, 0.5, "closed"),
        (39, 39, 0.5, "closed"),  # too few to judge by
        (40, 40, 0.0, "closed"),  # switched off
    ],
)
def test_it_opens_by_the_share_of_what_failed_lately(failed: int, seen: int, share: float, phase: str) -> None:
    rules = replace(RULES, share=share)
    told = after_failure(Breaker(), rules, NOW, "reset", draw=0.5, recent=(failed, seen))
    assert told.phase(NOW) == phase


def test_it_can_be_switched_off() -> None:
    rules = replace(RULES, failures=0)
    assert after_failure(Breaker(failures=99), rules, NOW, "x", draw=0.5, recent=(99, 99)).phase(NOW) is Phase.CLOSED


@pytest.mark.parametrize(
    ("breaker", "after", "phase", "shut"),
    [
        (Breaker(), 0, Phase.CLOSED, None),
        (OPEN, 0, Phase.OPEN, 30),
        (OPEN, 29.9, Phase.OPEN, 30),
        (OPEN, 30, Phase.HALF_OPEN, None),
        (replace(OPEN, probe_until=NOW + 90 * SECOND), 31, Phase.HALF_OPEN, 90),
        (replace(OPEN, probe_until=NOW + 90 * SECOND), 90, Phase.HALF_OPEN, None),  # who tried is gone
    ],
)
def test_what_it_lets_through(breaker: Breaker, after: float, phase: Phase, shut: float | None) -> None:
    now = NOW + after * SECOND
    until = None if shut is None else NOW + shut * SECOND
    assert (breaker.phase(now), breaker.shut_until(now)) == (phase, until)


def test_a_failed_try_frees_the_place_for_the_next_one() -> None:
    tried = fail(replace(OPEN, probe_until=NOW + 90 * SECOND), at=NOW + 40 * SECOND)
    assert (tried.probe_until, tried.trips, tried.until) == (None, 2, NOW + 100 * SECOND)
