"""Worker processes side by side, killed while the database crashes under them: nothing lost, nothing doubled."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

import pytest

from gateway.store.engine import Store, open_engine
from gateway.store.vault import KeyRing, Vault
from tests.support.fleet import Fleet, FleetAccount

pytestmark = pytest.mark.slow

QUICK = 5


def sail(url: str, **options: Any) -> FleetAccount:
    ring = KeyRing.generate()
    store = Store(engine=open_engine(url), vault=Vault(ring))
    try:
        return Fleet(store=store, keys=ring.to_text(), store_url=url, **options).sail()
    finally:
        store.close()


def test_workers_side_by_side_never_use_more_connections_than_the_platform_allows(store_url: str) -> None:
    account = sail(store_url, kills=QUICK)
    assert account.broken == []
    assert account.kills.total() >= QUICK
    assert account.most_at_once == 2


def test_the_database_crashes_in_the_middle_of_pushes(database: Any) -> None:
    ways = itertools.cycle((database.restart, database.kill))

    def shock() -> None:
        next(ways)()

    account = sail(database.url, kills=QUICK, shocks=2, shock=shock)
    assert account.broken == []
    assert account.shocks == 2
    assert account.effects > 0


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(int(os.environ.get("SOAK_SHOCKS", "50")) // 10))
def test_many_crashes_of_the_database(database: Any, seed: int, count: Callable[..., None]) -> None:
    shock: Callable[[], None] = database.kill if seed % 2 else database.restart
    account = sail(
        database.url, workers=2 + seed % 3, kills=60, shocks=10, shock=shock, seed=seed, replay_safe=seed % 4 == 0
    )
    assert account.broken == []
    assert account.shocks == 10
    killed = {f"kills at {point}": number for point, number in account.kills.items() if number}
    count(**killed, **{"crashes of the database": account.shocks, "workers without a store": account.unreachable})
