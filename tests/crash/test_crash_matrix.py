"""SIGKILL at every commit and every wire point of real processes, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os

import pytest

from gateway.domain.crashpoints import Point
from gateway.store.engine import Store, open_engine
from gateway.store.vault import KeyRing, Vault
from gateway.testing.crashmatrix import Account, crash

QUICK = 50


def run(url: str, kills: int, *, replay_safe: bool, seed: int = 0) -> Account:
    ring = KeyRing.generate()
    store = Store(engine=open_engine(url), vault=Vault(ring))
    try:
        return crash(store, ring.to_text(), url, kills=kills, seed=seed, replay_safe=replay_safe)
    finally:
        store.close()


def test_killed_workers_lose_and_double_nothing(store_url: str) -> None:
    account = run(store_url, QUICK, replay_safe=False)
    assert account.broken == []
    assert account.kills.total() == QUICK
    assert account.effects > QUICK
    assert {point for point, count in account.kills.items() if count} == set(Point)


@pytest.mark.soak
@pytest.mark.parametrize("replay_safe", [False, True], ids=["to-be-asked", "replay-safe"])
def test_thousands_of_kills(store_url: str, replay_safe: bool) -> None:
    kills = int(os.environ.get("SOAK_KILLS", "2000"))
    account = run(store_url, kills, replay_safe=replay_safe, seed=kills)
    assert account.broken == []
    assert account.kills.total() == kills
