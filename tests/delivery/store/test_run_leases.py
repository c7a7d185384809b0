"""Leases of runs: one run at a time, lanes side by side, and what becomes of those that ended without a word."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.delivery.store import run_leases
from gateway.delivery.store.run_leases import Claim, Holder
from gateway.store.engine import Store

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
LEASE = timedelta(minutes=5)
FIRST = Claim(work="push", platform="model", run="run-1", owner="here/1/1")
SECOND = replace(FIRST, run="run-2", owner="here/2/2")


def alive(_owner: str) -> bool:
    return False


def take(store: Store, claim: Claim, now: datetime = NOW, is_dead: Callable[[str], bool] = alive) -> int | Holder:
    with store.write() as connection:
        return run_leases.take(connection, claim, now=now, lease=LEASE, is_dead=is_dead)


def at_work(store: Store) -> list[str]:
    with store.read() as connection:
        return [one.run for one in run_leases.at_work(connection)]


def test_a_second_run_is_told_who_is_at_it(store: Store) -> None:
    assert take(store, FIRST) == 1
    held = take(store, SECOND, NOW + timedelta(minutes=1))
    assert isinstance(held, Holder)
    assert (held.run, held.since) == ("run-1", NOW)


@pytest.mark.parametrize("other", [{"platform": "other"}, {"work": "acks"}])
def test_other_work_and_other_platforms_are_free(store: Store, other: dict[str, str]) -> None:
    take(store, FIRST)
    assert take(store, replace(SECOND, **other)) == 1  # type: ignore[arg-type]  # texts for texts


def test_lanes_are_given_out_one_by_one(store: Store) -> None:
    two = [replace(one, lanes=2) for one in (FIRST, SECOND)]
    assert [take(store, one) for one in two] == [1, 2]
    third = take(store, replace(FIRST, run="run-3", lanes=2))
    assert isinstance(third, Holder)


def test_a_lane_given_back_is_free(store: Store) -> None:
    take(store, FIRST)
    with store.write() as connection:
        run_leases.release(connection, FIRST, 1)
    assert take(store, SECOND) == 1


@pytest.mark.parametrize(("later", "dead"), [(LEASE, False), (timedelta(seconds=1), True)])
def test_a_lane_of_a_silent_or_dead_run_is_free(store: Store, later: timedelta, dead: bool) -> None:
    take(store, FIRST)
    assert take(store, SECOND, NOW + later, lambda _: dead) == 1
    assert at_work(store) == ["run-2"]


def test_a_renewed_lane_stays_and_a_lost_one_says_so(store: Store) -> None:
    take(store, FIRST)
    with store.write() as connection:
        assert run_leases.renew(connection, FIRST, 1, now=NOW + timedelta(minutes=4), lease=LEASE)
    assert isinstance(take(store, SECOND, NOW + timedelta(minutes=6)), Holder)
    assert take(store, SECOND, NOW + timedelta(minutes=9)) == 1
    with store.write() as connection:
        assert not run_leases.renew(connection, FIRST, 1, now=NOW + timedelta(minutes=10), lease=LEASE)
        run_leases.release(connection, FIRST, 1)
    assert at_work(store) == ["run-2"], "who lost a lane cannot give it back"


def test_lost_runs_are_named_and_forgotten_once(store: Store) -> None:
    take(store, FIRST)
    take(store, replace(SECOND, work="acks"), NOW + timedelta(minutes=3))
    with store.write() as connection:
        lost = run_leases.lost(connection, now=NOW + LEASE, is_dead=alive)
        assert [one.run for one in lost] == ["run-1"]
        run_leases.forget(connection, lost[0])
    assert at_work(store) == ["run-2"]


def test_a_lane_taken_over_meanwhile_is_not_forgotten(store: Store) -> None:
    take(store, FIRST)
    with store.read() as connection:
        [seen] = run_leases.lost(connection, now=NOW + LEASE, is_dead=alive)
    take(store, SECOND, NOW + LEASE)
    with store.write() as connection:
        run_leases.forget(connection, seen)
    assert at_work(store) == ["run-2"]


def test_of_many_that_come_at_once_one_gets_the_lane(store: Store) -> None:
    claims = [replace(FIRST, run=f"run-{n}") for n in range(8)]
    with ThreadPoolExecutor(len(claims)) as pool:
        got = list(pool.map(lambda claim: take(store, claim), claims))
    assert got.count(1) == 1
    assert sum(isinstance(one, Holder) for one in got) == len(claims) - 1
