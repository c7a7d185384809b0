"""SIGKILL at every commit and every wire point of real processes, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from gateway.delivery.system import CrashPoint
from gateway.store.engine import Store, open_engine
from gateway.store.vault import KeyRing, Vault
from gateway.testing.crashmatrix import Account, crash

pytestmark = pytest.mark.slow

QUICK = 24
"""about two at every point, on each kind of store"""
KILLS = int(os.environ.get("SOAK_KILLS", "5000"))
"""on both kinds of store together"""
PART = 125


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
    assert {point for point, count in account.kills.items() if count} == set(CrashPoint)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(max(1, KILLS // (2 * PART))))
def test_thousands_of_kills(store_url: str, seed: int, count: Callable[..., None]) -> None:
    account = run(store_url, PART, replay_safe=seed % 2 == 1, seed=seed)
    assert account.broken == []
    assert account.kills.total() == PART
    count(**{f"kills at {point}": killed for point, killed in account.kills.items() if killed})
