"""The world of a simulation: virtual time, processes that die or stand still, a store and a network that fail."""

from __future__ import annotations

import asyncio
import hashlib
import random
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

from starlette.applications import Starlette

from gateway.contract.messages import WireRequest, WireResponse
from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.system import CrashPoint, System
from gateway.domain.errors import NotSent, StoreError, Unanswered
from gateway.store.engine import Connection, Store
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.inprocess import call
from gateway.testing.model import Model, ModelSandbox

P = ParamSpec("P")
T = TypeVar("T")

_START = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
URL = "http://model.invalid"
STORM = 600.0
"""seconds in which things go wrong"""
CALM = 36 * 3600.0
"""seconds after it in which everything must come to rest"""
_LEASE = timedelta(minutes=5)
_LATE = 20.0
"""seconds after which a request that is under way has arrived or is lost; the platform's settling time is longer"""
FAULTS = {
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


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is the simulation's."""

    def __init__(self) -> None:
        self._instant = _Instant()
        super().__init__(self._instant)

    def time(self) -> float:
        """Simulated seconds."""
        return self._instant.now


@dataclass(kw_only=True)
class World:
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
    on_the_wire: Counter[str] = field(default_factory=Counter)
    """requests under way, by worker; what a killed one had sent ended with it"""
    most_at_once: int = 0
    lives: list[asyncio.Task[None]] = field(default_factory=list)
    """kept to the end: what a killed process was doing must neither go on nor be tidied up"""

    def note(self, who: str, what: str) -> None:
        self.events.append(f"{asyncio.get_running_loop().time():.6f} {who} {what}")

    def now(self) -> datetime:
        return _START + timedelta(seconds=asyncio.get_running_loop().time())

    @contextmanager
    def carrying(self, worker: str) -> Iterator[None]:
        """Count a request for as long as it is under way."""
        self.on_the_wire[worker] += 1
        self.most_at_once = max(self.most_at_once, self.on_the_wire.total())
        try:
            yield
        finally:
            self.on_the_wire[worker] -= worker in self.on_the_wire

    def happens(self, chance: float) -> bool:
        return self.stormy and self.rng.random() < chance


class Worker:
    """One process: its own door, store connection and network; killed, it does nothing any more."""

    def __init__(self, name: str, world: World) -> None:
        self.name, self.world = name, world
        self.ended = asyncio.Event()
        self.mortal = world.rng.random() < 0.5

    async def live(self) -> None:
        """Push, poll and resolve until the process ends."""
        world = self.world
        edge = System(
            now=world.now,
            new_id=lambda: people.ulid(world.rng),
            random_bytes=world.rng.randbytes,
            draw=world.rng.random,
            sleep=asyncio.sleep,
            reach=self.reach,
        )
        thread = SimulatedStore(self)
        exchanger = Exchanger(world.model, SimulatedSender(self), thread, edge)  # type: ignore[arg-type]
        while True:
            for step in world.rng.sample(_STEPS, 3):
                await step(exchanger, claim_limit=world.rng.choice((3, 10, 500)), lease=_LEASE)
            await asyncio.sleep(world.rng.uniform(5, 60 if world.stormy else 600))

    def reach(self, point: CrashPoint) -> None:
        """Die here, now and then; a thread that is in a transaction dies with it."""
        if self.mortal and self.world.happens(0.01):
            self.world.note(self.name, f"dies at {point}")
            self.world.on_the_wire.pop(self.name, None)
            self.ended.set()
            raise Dead

    async def breathe(self) -> None:
        """Where a process may be interrupted: for a moment, for longer than a lease, or for ever."""
        await self._stop_if_dead()
        longest = 900.0 if self.world.happens(0.01) else 0.05
        await asyncio.sleep(self.world.rng.uniform(0, longest))
        await self._stop_if_dead()

    async def _stop_if_dead(self) -> None:
        if self.world.closed:
            raise Dead
        if self.ended.is_set():
            await asyncio.Event().wait()


class Simulated(StoreError):
    """A failure of the store that the simulation made."""


class Dead(BaseException):
    """A killed process. Not an Exception, so that no code of it runs on."""


class SimulatedStore(StoreThread):
    """The real store, without a thread, with commits that fail."""

    def __init__(self, worker: Worker) -> None:
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
                raise Simulated("rolled back")
        if worker.world.happens(0.01):
            worker.world.note(worker.name, "commit not confirmed")
            raise Simulated("the connection was lost after the commit")
        worker.world.note(worker.name, "commit")
        await worker.breathe()
        return done

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """At once."""
        await self._worker.breathe()
        with self.store.read() as connection:
            return work(connection, *args, **kwargs)


class SimulatedSender:
    """A network that delays, loses and cuts."""

    def __init__(self, worker: Worker) -> None:
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
        KEPT.add(under_way)
        under_way.add_done_callback(KEPT.discard)
        try:
            async with asyncio.timeout(world.model.deadline.total_seconds()):
                with world.carrying(name):
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
        answer = await call(world.app, URL + request.path, request)
        if world.happens(0.05):
            await asyncio.sleep(_LATE)
        return answer


KEPT: set[asyncio.Task[Any]] = set()
"""the loop holds its tasks weakly"""
