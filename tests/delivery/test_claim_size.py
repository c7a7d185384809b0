"""How much a paced push claims: what pace and budget, whichever is slower, let it send within half a lease."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import _claim_size
from gateway.delivery.system import System
from gateway.domain.traffic import Budget, Traffic
from gateway.store.engine import Store
from gateway.store.thread import StoreThread
from gateway.testing.model import Model

LEASE = timedelta(minutes=5)
NOW = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)


def exchanger(store: Store, pace: float, budget: tuple[int, float] | None, batch_max: int) -> Exchanger:
    most = None if budget is None else Budget(requests=budget[0], window=timedelta(seconds=budget[1]))
    model = Model(
        base_url="http://unused.invalid",
        batch_max=batch_max,
        interval=timedelta(seconds=pace),
        traffic=Traffic(budget=most),
    )
    edge = System(now=lambda: NOW, new_id=str, random_bytes=random.Random(1).randbytes, draw=lambda: 0.5)
    sender: Any = None  # nothing is sent here
    return Exchanger(model, sender, StoreThread(store), edge)


@pytest.mark.parametrize(
    ("pace", "budget", "batch_max", "interval", "size"),
    [
        (0, None, 1, 0, 500),
        (2, None, 1, 2, 75),
        (2, None, 3, 2, 225),
        (0, (10, 60), 1, 6, 25),
        (2, (10, 60), 1, 6, 25),
        (30, (10, 60), 1, 30, 5),
        (1000, None, 1, 1000, 1),
        (0.01, None, 10, 0.01, 500),
    ],
)
def test_the_slower_of_pace_and_budget_bounds_a_claim(
    sqlite_url: str, make_store: Any, pace: float, budget: Any, batch_max: int, interval: float, size: int
) -> None:
    made = exchanger(make_store(sqlite_url), pace, budget, batch_max)
    assert made.gate.interval == timedelta(seconds=interval)
    assert _claim_size(made, 500, LEASE) == size
