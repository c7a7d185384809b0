"""A moment kept by a clock that was wrong is capped, told and audited; nothing waits for it in silence."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.push import push
from gateway.delivery.store.platforms import capped_lately
from gateway.delivery.store.tables import delivery, platform
from gateway.domain.states import State
from gateway.domain.traffic import BreakerRules, Budget, Traffic
from gateway.store.engine import Store
from gateway.store.tables import audit
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.serving import running
from tests.delivery.test_push_roads import Clock, World, people_of

DAYS = timedelta(days=3)
SECOND = timedelta(seconds=1)


@pytest.fixture
def make(store: Store) -> Iterator[Callable[..., World]]:
    opened: list[Any] = []

    def made(*, asynchronous: bool = False, **options: Any) -> World:
        clock = Clock()
        sandbox = ModelSandbox(asynchronous=asynchronous, clock=clock)
        opened.append(running(sandbox))
        url = opened[-1].__enter__()
        return World(store, sandbox, url, clock, Model(base_url=url, **options), random.Random(7))

    yield made
    for one in reversed(opened):
        one.__exit__(None, None, None)


def told(world: World) -> set[str]:
    with world.store.read() as c:
        rows = c.execute(select(audit.c.detail).where(audit.c.action == "moment_capped")).scalars()
        assert all("+08:00" in line for line in capped_lately(c, "model", world.clock()))
        return {row["what"] for row in rows}


def ahead(world: World, *steps: Any) -> None:
    """Do it under a clock that is three days ahead, and set it right."""
    world.clock.now += DAYS
    world.run(*steps)
    world.clock.now -= DAYS


def test_slots_given_by_a_clock_ahead_are_forgotten(make: Callable[..., World], caplog: Any) -> None:
    budget = Budget(requests=50, window=60 * SECOND)
    world = make(interval=SECOND, traffic=Traffic(budget=budget))
    first, second = people_of(2)
    world.enqueue(first)
    ahead(world, push)
    world.enqueue(second)
    before = world.clock()
    [report] = world.run(push)
    assert report.outcomes["accepted"] == 1
    assert world.clock() - before < 60 * SECOND
    assert told(world) == {"next_slot_at"}
    assert "a clock was wrong" in caplog.text


@pytest.mark.parametrize("column", ["not_before", "open_until", "probe_until"])
def test_what_keeps_a_platform_shut_for_days_is_capped_to_its_plan(make: Callable[..., World], column: str) -> None:
    world = make(traffic=Traffic(breaker=BreakerRules(longest=timedelta(minutes=15))))
    world.enqueue(*people_of(2))
    values: dict[str, Any] = {column: world.clock() + DAYS}
    if column == "probe_until":
        values["open_until"] = world.clock() - SECOND
    with world.store.write() as c:
        c.execute(update(platform).values(values))
    world.run(push)
    assert told(world) == {column}
    world.clock.forward(3700)
    world.run(push)
    assert world.states() == {State.ACCEPTED: 2}


@pytest.mark.parametrize(
    ("state", "step"), [(State.QUEUED, push), (State.AWAITING_ACK, poll), (State.IN_DOUBT, resolve)]
)
def test_a_due_time_further_than_any_plan_is_due_now(make: Callable[..., World], state: State, step: Any) -> None:
    world = make(asynchronous=state is State.AWAITING_ACK)
    world.enqueue(*people_of(3))
    if state is State.AWAITING_ACK:
        world.run(push)
    with world.store.write() as c:
        c.execute(update(delivery).values(state=state, due_at=world.clock() + DAYS))
    [report] = world.run(step)
    assert told(world) == {"due_at"}
    assert (report.claimed if step is push else report.asked) == 3


def test_a_lease_taken_by_a_clock_ahead_is_taken_back(make: Callable[..., World]) -> None:
    world = make()
    world.enqueue(*people_of(2))
    with world.store.write() as c:
        values = {"state": State.SENDING, "lease_owner": "other/boot/1/1", "lease_until": world.clock() + DAYS}
        c.execute(update(delivery).values(values))
    [report] = world.run(push)
    assert report.swept == 2
    assert told(world) == {"lease_until"}
    assert world.states() == {State.ACCEPTED: 2}


def test_what_a_plan_can_reach_stays_as_it_was(make: Callable[..., World]) -> None:
    world = make(interval=SECOND)
    world.enqueue(*people_of(3))
    later = world.clock() + timedelta(minutes=50)
    with world.store.write() as c:
        c.execute(update(platform).values(not_before=later, open_until=world.clock() + timedelta(minutes=14)))
        c.execute(update(delivery).values(due_at=later))
    world.run(push, poll, resolve)
    assert told(world) == set()
    with world.store.read() as c:
        assert c.execute(select(platform.c.not_before)).scalar_one() == later
        assert set(c.execute(select(delivery.c.due_at)).scalars()) == {later}


def test_another_platforms_moments_stay(make: Callable[..., World]) -> None:
    world = make()
    world.enqueue(*people_of(1))
    from gateway.delivery.store import platforms

    far = world.clock() + DAYS
    with world.store.write() as c:
        platforms.register(c, ["bystander"])
        c.execute(update(platform).where(platform.c.name == "bystander").values(not_before=far, next_slot_at=far))
    world.run(push)
    with world.store.read() as c:
        row = c.execute(select(platform).where(platform.c.name == "bystander")).mappings().one()
    assert (row["not_before"], row["next_slot_at"]) == (far, far)


def test_a_wait_of_more_than_ten_seconds_is_told_with_its_end(make: Callable[..., World], caplog: Any) -> None:
    world = make(interval=11 * SECOND, batch_max=1)
    world.enqueue(*people_of(2))
    world.run(push)
    assert "model: waits for its next slot until 2019-04-02 09:00:11 +08:00" in caplog.text
    caplog.clear()
    world = make(interval=9 * SECOND, batch_max=1)
    world.enqueue(*people_of(2, seed=5))
    world.clock.forward(60)
    world.run(push)
    assert "waits" not in caplog.text
