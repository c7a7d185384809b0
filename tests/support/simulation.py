"""Workers, clock, network, database faults and a platform in one process, under one seed, without waiting.

The services are the real ones; what stands around them is simulated. Time passes only when everybody waits, so hours
take milliseconds, and the same seed gives the same events in the same order (``Outcome.digest``).

What may happen: requests and answers are lost, late or cut after they were carried out; the platform has faults of its
own; a commit is rolled back, or done and not confirmed; a worker is killed at a crash point, or stands still for longer
than its lease and then goes on.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from gateway.delivery.store import owing, platforms, views
from gateway.domain.records import Record
from gateway.domain.traffic import waits
from gateway.store import records
from gateway.store.engine import Store
from gateway.testing import people
from gateway.testing.checker.invariants import broken, restless
from gateway.testing.model import Model, ModelSandbox
from tests.support.simulated import CALM, FAULTS, KEPT, STORM, URL, Dead, Simulated, VirtualLoop, Worker, World


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one seed."""

    seed: int
    digest: str
    """SHA-256 of all events"""
    events: int
    broken: tuple[str, ...]
    states: Mapping[str, int]
    tail: tuple[str, ...] = ()
    """the last events, for people"""


def simulate(store: Store, seed: int) -> Outcome:
    """Run one seed on an empty store."""
    rng = random.Random(seed)
    replay_safe, asynchronous = rng.random() < 0.5, rng.random() < 0.3
    sandbox = ModelSandbox(replay_safe=replay_safe, asynchronous=asynchronous, seed=seed)
    model = Model(
        base_url=URL,
        replay_safe=replay_safe,
        batch_max=rng.choice((1, 3, 10)),
        connections=rng.choice((1, 2, 4)),
        deadline=timedelta(seconds=5),
        retry=waits(5, 20, then=60, jitter=0.2),
        polls=waits(2, 10, then=60, jitter=0.2),
        lookups=waits(30, 30, then=60, jitter=0.0),
    )
    world = World(store=store, sandbox=sandbox, app=sandbox.app(), model=model, rng=rng)
    sandbox.clock = world.now
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        faults = runner.run(_story(world))
    text = "\n".join(world.events)
    return Outcome(
        seed=seed,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        events=len(world.events),
        broken=tuple(faults),
        states=_states(store, model.platform),
        tail=tuple(world.events[-40:]),
    )


def _states(store: Store, platform: str) -> dict[str, int]:
    with store.read() as connection:
        counted = {one.platform: one.states for one in views.counts(connection)}
    return {str(state): count for state, count in counted.get(platform, {}).items()}


async def _story(world: World) -> list[str]:
    """Storm, calm, account."""
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: world.surprises.extend(_surprises(context.get("exception")))
    )
    world.sandbox.faults.set(rates=FAULTS)
    records_in = asyncio.create_task(_intake(world))
    fleet = [asyncio.create_task(_keep_alive(f"w{n}", world)) for n in range(world.rng.choice((1, 2, 3)))]
    await asyncio.sleep(STORM)
    await records_in
    world.stormy = False
    world.sandbox.faults.set(rates={})
    world.note("-", "calm")
    end = STORM + CALM
    while (waiting := _waiting(world)) and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(60)
    world.closed = True
    rest = (*fleet, *world.lives, *KEPT)
    for one in rest:
        one.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    seen = [value for _, value in world.sandbox.books.items("requests")]
    with world.store.read() as connection:
        found = broken(
            connection,
            world.model.platform,
            world.sandbox.effects(),
            seen,
            vault=world.store.vault,
            connector=world.model,
        )
    found += world.surprises
    if world.most_at_once > world.model.connections:
        found.append(f"I10: {world.most_at_once} requests at once, {world.model.connections} are allowed")
    if waiting:
        found.append(f"I1: after {CALM / 3600:.0f} quiet hours {waiting} deliveries still wait")
    return found


def _waiting(world: World) -> int:
    with world.store.read() as connection:
        return restless(connection, world.model.platform)


async def _intake(world: World) -> None:
    """Persons, their certificates and corrections of both, some at once and some in the middle of it."""
    rng = world.rng
    known: list[Record] = []
    for _ in range(rng.randrange(1, 4)):
        batch: list[Record] = []
        for _ in range(rng.randrange(1, 4)):
            person = people.person_record(rng)
            batch += [person, *(people.certificate_record(rng, person) for _ in range(rng.randrange(3)))]
        if known and rng.random() < 0.7:
            chosen = rng.randrange(len(known))
            known[chosen] = replace(known[chosen], version=known[chosen].version + 1)
            batch.append(known[chosen])
        known += [one for one in batch if one.version == 1]
        with world.store.write() as connection:
            platforms.register(connection, [world.model.platform])
            records.add(connection, world.store.vault, batch, batch_id=None, now=world.now())
            owing.owe(connection, world.model.info, world.now())
        await asyncio.sleep(rng.uniform(1, STORM / 4))


async def _keep_alive(name: str, world: World) -> None:
    """Start a worker, and another one in its place whenever it ends."""
    for number in range(10_000):
        worker = Worker(f"{name}.{number}", world)
        life = asyncio.create_task(worker.live())
        world.lives.append(life)
        life.add_done_callback(lambda _, worker=worker: worker.ended.set())  # type: ignore[misc]
        await worker.ended.wait()
        if life.done():
            world.note(worker.name, "ended")
            world.surprises += _surprises(None if life.cancelled() else life.exception())
        await asyncio.sleep(world.rng.uniform(1, 30))


def _surprises(error: BaseException | None) -> list[str]:
    """What a worker should never end with."""
    if isinstance(error, BaseExceptionGroup):
        return [one for inner in error.exceptions for one in _surprises(inner)]
    return [] if error is None or isinstance(error, Dead | Simulated) else [f"a worker ended with {error!r}"]
