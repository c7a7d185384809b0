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
import selectors
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

from starlette.applications import Starlette

from gateway.contract.messages import WireRequest, WireResponse
from gateway.domain.crashpoints import Point
from gateway.domain.errors import NotSent, StoreError, Unanswered
from gateway.domain.records import Record
from gateway.domain.schedule import waits
from gateway.service.acknowledge import poll, resolve
from gateway.service.exchange import Edge, Exchanger
from gateway.service.push import push
from gateway.store import control, queueing, records, views
from gateway.store.engine import Connection, Store
from gateway.store.invariants import broken, restless
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.inprocess import call
from gateway.testing.model import Model, ModelSandbox

P = ParamSpec("P")
T = TypeVar("T")

_START = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
_URL = "http://model.invalid"
_STORM = 600.0
"""seconds in which things go wrong"""
_CALM = 36 * 3600.0
"""seconds after it in which everything must come to rest"""
_LEASE = timedelta(minutes=5)
_LATE = 20.0
"""seconds after which a request that is under way has arrived or is lost; the platform's settling time is longer"""
_FAULTS = {
    "busy": 0.04,
    "empty": 0.04,
    "gateway_error": 0.04,
    "unavailable": 0.04,
    "duplicate": 0.04,
    "truncated": 0.03,
}


_STEPS: tuple[Callable[..., Awaitable[object]], ...] = (push, poll, resolve)


class _Instant(selectors.SelectSelector):
    """Waits by moving the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass that nobody needs."""
        if timeout is None:
            raise StoreError("the simulation waits for something that never comes")
        self.now += max(0.0, timeout)
        return []


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock is the simulation's."""

    def __init__(self) -> None:
        self._instant = _Instant()
        super().__init__(self._instant)

    def time(self) -> float:
        """Simulated seconds."""
        return self._instant.now


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


@dataclass(kw_only=True)
class _World:
    """Everything that the workers of one seed share."""

    store: Store
    sandbox: ModelSandbox
    app: Starlette
    model: Model
    rng: random.Random
    events: list[str] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    stormy: bool = True
    closed: bool = False
    lives: list[asyncio.Task[None]] = field(default_factory=list)
    """kept to the end: what a killed process was doing must neither go on nor be tidied up"""

    def note(self, who: str, what: str) -> None:
        self.events.append(f"{asyncio.get_running_loop().time():.6f} {who} {what}")

    def now(self) -> datetime:
        return _START + timedelta(seconds=asyncio.get_running_loop().time())

    def happens(self, chance: float) -> bool:
        return self.stormy and self.rng.random() < chance


class _Worker:
    """One process: its own door, store connection and network; killed, it does nothing any more."""

    def __init__(self, name: str, world: _World) -> None:
        self.name, self.world = name, world
        self.ended = asyncio.Event()
        self.mortal = world.rng.random() < 0.5

    async def live(self) -> None:
        """Push, poll and resolve until the process ends."""
        world = self.world
        edge = Edge(
            now=world.now,
            new_id=lambda: people.ulid(world.rng),
            random_bytes=world.rng.randbytes,
            draw=world.rng.random,
            sleep=asyncio.sleep,
            reach=self.reach,
        )
        thread = _SimulatedStore(self)
        exchanger = Exchanger(world.model, _SimulatedSender(self), thread, edge)  # type: ignore[arg-type]
        while True:
            for step in world.rng.sample(_STEPS, 3):
                await step(exchanger, claim_limit=world.rng.choice((3, 10, 500)), lease=_LEASE)
            await asyncio.sleep(world.rng.uniform(5, 60 if world.stormy else 600))

    def reach(self, point: Point) -> None:
        """Die here, now and then; a thread that is in a transaction dies with it."""
        if self.mortal and self.world.happens(0.01):
            self.world.note(self.name, f"dies at {point}")
            self.ended.set()
            raise _Dead

    async def breathe(self) -> None:
        """Where a process may be interrupted: for a moment, for longer than a lease, or for ever."""
        await self._stop_if_dead()
        longest = 900.0 if self.world.happens(0.01) else 0.05
        await asyncio.sleep(self.world.rng.uniform(0, longest))
        await self._stop_if_dead()

    async def _stop_if_dead(self) -> None:
        if self.world.closed:
            raise _Dead
        if self.ended.is_set():
            await asyncio.Event().wait()


class _Simulated(StoreError):
    """A failure of the store that the simulation made."""


class _Dead(BaseException):
    """A killed process. Not an Exception, so that no code of it runs on."""


class _SimulatedStore(StoreThread):
    """The real store, without a thread, with commits that fail."""

    def __init__(self, worker: _Worker) -> None:
        self.store = worker.world.store
        self._worker = worker

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """At once."""
        await self._worker.breathe()
        return work(*args, **kwargs)

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """At once, rolled back, or kept without the caller knowing."""
        worker = self._worker
        await worker.breathe()
        with self.store.write() as connection:
            done = work(connection, *args, **kwargs)
            if worker.world.happens(0.01):
                worker.world.note(worker.name, "commit rolled back")
                raise _Simulated("rolled back")
        if worker.world.happens(0.01):
            worker.world.note(worker.name, "commit not confirmed")
            raise _Simulated("the connection was lost after the commit")
        worker.world.note(worker.name, "commit")
        await worker.breathe()
        return done

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """At once."""
        await self._worker.breathe()
        with self.store.read() as connection:
            return work(connection, *args, **kwargs)


class _SimulatedSender:
    """A network that delays, loses and cuts."""

    def __init__(self, worker: _Worker) -> None:
        self._worker = worker

    async def send(self, request: WireRequest) -> WireResponse:
        """As the real sender: an answer, NotSent or Unanswered."""
        world, name = self._worker.world, self._worker.name
        if world.happens(0.03):
            world.note(name, f"{request.operation} not sent")
            raise NotSent("connect")
        body = hashlib.sha256(request.body).hexdigest()[:12]
        world.note(name, f"{request.operation} {body}")
        under_way = asyncio.create_task(self._deliver(request))
        _KEPT.add(under_way)
        under_way.add_done_callback(_KEPT.discard)
        try:
            async with asyncio.timeout(world.model.deadline.total_seconds()):
                answer = await asyncio.shield(under_way)
        except TimeoutError:
            world.note(name, "no answer")
            raise Unanswered("deadline") from None
        if answer is None or world.happens(0.05):
            world.note(name, "answer lost")
            raise Unanswered("reset")
        world.note(name, f"answer {answer.status} {hashlib.sha256(answer.body).hexdigest()[:12]}")
        await self._worker.breathe()
        return answer

    async def _deliver(self, request: WireRequest) -> WireResponse | None:
        """The way there, which goes on without the one who sent it."""
        world = self._worker.world
        if world.happens(0.03):
            return None
        await asyncio.sleep(world.rng.uniform(1, _LATE) if world.happens(0.05) else world.rng.uniform(0, 0.3))
        answer = await call(world.app, _URL + request.path, request)
        if world.happens(0.05):
            await asyncio.sleep(_LATE)
        return answer


_KEPT: set[asyncio.Task[Any]] = set()
"""the loop holds its tasks weakly"""


def simulate(store: Store, seed: int) -> Outcome:
    """Run one seed on an empty store."""
    rng = random.Random(seed)
    replay_safe, asynchronous = rng.random() < 0.5, rng.random() < 0.3
    sandbox = ModelSandbox(replay_safe=replay_safe, asynchronous=asynchronous, seed=seed)
    model = Model(
        base_url=_URL,
        replay_safe=replay_safe,
        batch_max=rng.choice((1, 3, 10)),
        connections=rng.choice((1, 2, 4)),
        deadline=timedelta(seconds=5),
        retry=waits(5, 20, then=60, jitter=0.2),
        polls=waits(2, 10, then=60, jitter=0.2),
        lookups=waits(30, 30, then=60, jitter=0.0),
    )
    world = _World(store=store, sandbox=sandbox, app=sandbox.app(), model=model, rng=rng)
    sandbox.clock = world.now
    with asyncio.Runner(loop_factory=_Loop) as runner:
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


async def _story(world: _World) -> list[str]:
    """Storm, calm, account."""
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: world.surprises.extend(_surprises(context.get("exception")))
    )
    world.sandbox.faults.set(rates=_FAULTS)
    records_in = asyncio.create_task(_intake(world))
    fleet = [asyncio.create_task(_keep_alive(f"w{n}", world)) for n in range(world.rng.choice((1, 2, 3)))]
    await asyncio.sleep(_STORM)
    await records_in
    world.stormy = False
    world.sandbox.faults.set(rates={})
    world.note("-", "calm")
    end = _STORM + _CALM
    while (waiting := _waiting(world)) and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(60)
    world.closed = True
    rest = (*fleet, *world.lives, *_KEPT)
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
    if waiting:
        found.append(f"I1: after {_CALM / 3600:.0f} quiet hours {waiting} deliveries still wait")
    return found


def _waiting(world: _World) -> int:
    with world.store.read() as connection:
        return restless(connection, world.model.platform)


async def _intake(world: _World) -> None:
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
            control.register(connection, [world.model.platform])
            records.add(connection, world.store.vault, batch, batch_id=None, now=world.now())
            queueing.owe(connection, world.model.info, world.now())
        await asyncio.sleep(rng.uniform(1, _STORM / 4))


async def _keep_alive(name: str, world: _World) -> None:
    """Start a worker, and another one in its place whenever it ends."""
    for number in range(10_000):
        worker = _Worker(f"{name}.{number}", world)
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
    return [] if error is None or isinstance(error, _Dead | _Simulated) else [f"a worker ended with {error!r}"]
