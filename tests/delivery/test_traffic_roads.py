"""Traffic control over real HTTP: breakers, windows, budgets, wishes, timed pauses, split batches, slow platforms."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push, sweep
from gateway.delivery.store import ledger, owing, platforms
from gateway.delivery.store.tables import attempt, delivery, exchange, platform
from gateway.delivery.system import System
from gateway.delivery.traffic_guard import TURNS
from gateway.domain.states import State
from gateway.domain.traffic import BreakerRules, Budget, Traffic, parse
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.serving import running
from gateway.transport.sender import Sender

SECOND = timedelta(seconds=1)
QUIET = Traffic(breaker=BreakerRules(failures=3, share=0, jitter=0))


@dataclass
class Clock:
    """A clock that waiting moves, so that nothing really waits."""

    now: datetime = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(frozen=True, kw_only=True)
class Busy(Model):
    """The model platform with traffic rules."""

    traffic: Traffic = QUIET

    @property
    def endpoint(self) -> Any:
        return replace(super().endpoint, traffic=self.traffic)


@dataclass
class World:
    """A store with people to be sent, a clock and the sandbox of one platform."""

    store: Store
    sandbox: ModelSandbox
    clock: Clock
    model: Busy
    rng: random.Random

    @asynccontextmanager
    async def exchanger(self) -> AsyncIterator[Exchanger]:
        rng = self.rng
        edge = System(
            now=self.clock,
            new_id=lambda: people.ulid(rng),
            random_bytes=rng.randbytes,
            draw=rng.random,
            sleep=self.clock.sleep,
        )
        with StoreThread(self.store) as thread:
            async with Sender(self.model.endpoint) as sender:
                yield Exchanger(self.model, sender, thread, edge)

    def owe(self, count: int) -> None:
        with self.store.write() as c:
            platforms.register(c, [self.model.platform])
            added = [people.person_record(self.rng) for _ in range(count)]
            records.add(c, self.store.vault, added, batch_id=None, now=self.clock())
            owing.owe(c, self.model.info, self.clock())

    def run(self, *steps: Callable[[Exchanger], Any]) -> list[Any]:
        async def all_steps() -> list[Any]:
            async with self.exchanger() as exchanger:
                return [await step(exchanger) for step in steps]

        return asyncio.run(all_steps())

    def rows(self) -> list[Any]:
        with self.store.read() as c:
            return list(c.execute(select(delivery).order_by(delivery.c.id)).mappings())

    def states(self) -> Counter[str]:
        return Counter(row["state"] for row in self.rows())

    @property
    def requests(self) -> int:
        return self.sandbox.books.counter("requests")

    def faults(self, *names: str) -> None:
        self.sandbox.faults.set(next_=names)


Make = Callable[..., World]


@pytest.fixture
def make(store: Store) -> Iterator[Make]:
    opened: list[Any] = []

    def world(*, owed: int, asynchronous: bool = False, seed: int = 7, **options: Any) -> World:
        clock = Clock()
        sandbox = ModelSandbox(replay_safe=True, asynchronous=asynchronous, clock=clock)
        opened.append(running(sandbox))
        model = Busy(base_url=opened[-1].__enter__(), replay_safe=True, **{"connections": 1, "batch_max": 1, **options})
        made = World(store, sandbox, clock, model, random.Random(seed))
        made.owe(owed)
        return made

    yield world
    for one in reversed(opened):
        one.__exit__(None, None, None)


def test_nothing_is_sent_while_the_breaker_is_open_and_everything_waits_untouched(make: Make) -> None:
    world = make(owed=12)
    world.faults(*["gateway_error"] * 3)
    [first] = world.run(push)
    assert world.requests == 3
    assert first.stopped.startswith(
        "breaker_open: the platform does not answer; last: http_502, until 2019-04-02 09:00:"
    )
    assert world.states() == {State.QUEUED: 12}
    assert sum(row["tries"] for row in world.rows()) == 3, "who was kept back has lost no try"
    [again] = world.run(push)
    assert (world.requests, again.claimed, again.stopped) == (3, 0, first.stopped)


def test_one_delivery_tries_first_and_the_rest_follows_in_the_same_run(make: Make) -> None:
    world = make(owed=12, batch_max=5)
    world.faults(*["gateway_error"] * 3)
    world.run(push)
    world.clock.forward(60)
    world.sandbox.faults.queue.clear()
    [report] = world.run(push)
    with world.store.read() as c:
        sent = select(attempt.c.exchange_id).join(exchange).where(exchange.c.opened_at >= world.clock())
        sizes = [len(list(g)) for _, g in itertools.groupby(c.execute(sent.order_by(attempt.c.id)).scalars())]
    assert world.states() == {State.ACCEPTED: 12}
    assert (sizes[0], sum(sizes)) == (1, 12)
    assert report.stopped is None


def test_a_failed_try_costs_one_request_and_doubles_the_wait(make: Make) -> None:
    world = make(owed=12)
    world.faults(*["gateway_error"] * 5)
    world.run(push)
    for wait, requests in ((30, 4), (59, 4), (60, 5)):
        world.clock.forward(wait if wait != 60 else 1)
        world.run(push)
        assert world.requests == requests


@pytest.mark.parametrize(
    ("step", "state"), [(poll, State.AWAITING_ACK), (resolve, State.IN_DOUBT)], ids=["poll", "resolve"]
)
def test_questions_wait_as_well_and_keep_their_place(make: Make, step: Any, state: State) -> None:
    world = make(owed=6, asynchronous=True)
    world.run(push)
    with world.store.write() as c:
        c.execute(delivery.update().values(state=state))
    world.clock.forward(5)
    world.faults(*["gateway_error"] * 3)
    [report] = world.run(step)
    assert report.stopped.startswith("breaker_open")
    assert world.requests == 6 + 3
    world.clock.forward(3600)
    [report] = world.run(step)
    assert report.stopped is None
    assert world.states() == {State.ACCEPTED: 6}


def test_a_platform_is_left_alone_in_its_maintenance_window(make: Make) -> None:
    world = make(owed=3, traffic=replace(QUIET, maintenance=(parse("09:00-09:30"),)))
    [report] = world.run(push)
    assert (world.requests, report.stopped) == (
        0,
        "maintenance: the platform is closed at these hours, until 2019-04-02 09:30:00 +08:00",
    )
    world.clock.forward(1800)
    world.run(push)
    assert world.states() == {State.ACCEPTED: 3}


def test_a_window_that_begins_during_a_run_stops_it(make: Make) -> None:
    rules = replace(QUIET, maintenance=(parse("09:01-09:30"),))
    world = make(owed=10, traffic=rules, interval=20 * SECOND)
    [report] = world.run(push)
    assert (world.requests, world.states()) == (3, {State.ACCEPTED: 3, State.QUEUED: 7})
    assert report.stopped.startswith("maintenance")


@pytest.mark.parametrize("budget", [Budget(requests=3, window=10 * SECOND), Budget(requests=1, window=2 * SECOND)])
def test_two_workers_together_never_exceed_the_budget_in_any_window(make: Make, budget: Budget) -> None:
    world = make(owed=14, traffic=replace(QUIET, budget=budget), connections=3)

    left: list[datetime] = []

    def recorded(exchanger: Exchanger) -> None:
        original = exchanger._carrier.send

        async def send(request: Any) -> Any:
            left.append(world.clock())
            return await original(request)

        exchanger._carrier.send = send  # type: ignore[method-assign]

    async def side_by_side() -> None:
        async with world.exchanger() as one, world.exchanger() as other:
            recorded(one)
            recorded(other)
            await asyncio.gather(push(one, claim_limit=3), push(other, claim_limit=3))

    # the clock leaps when either waits, so one may have waited in vain for a connection and end early
    for _ in range(5):
        asyncio.run(side_by_side())
    assert (len(left), world.requests, world.states()) == (14, 14, {State.ACCEPTED: 14})
    left.sort()
    spans = [b - a for a, b in zip(left, left[budget.requests :], strict=False)]
    assert min(spans) >= budget.window


def test_a_slot_that_got_old_while_waiting_is_taken_anew(make: Make) -> None:
    world = make(owed=1, traffic=replace(QUIET, budget=Budget(requests=1, window=10 * SECOND)))

    async def late(exchanger: Exchanger) -> None:
        await push(exchanger, limit=1)

    original = world.clock.sleep
    world.run(lambda e: e.gate.slot())
    with world.store.read() as c:
        taken = c.execute(select(platform.c.next_slot_at)).scalar_one()

    async def oversleep(seconds: float) -> None:
        await original(seconds + (2 if len(world.clock.slept) == 0 else 0))

    world.clock.sleep = oversleep  # type: ignore[method-assign]
    world.run(late)
    [entry] = [value for _, value in world.sandbox.books.items("requests")]
    assert datetime.fromisoformat(entry["at"]) - taken >= 22 * SECOND, "two slots later, because one had passed"


def test_a_long_wish_of_the_platform_holds_everybody(make: Make) -> None:
    world = make(owed=4)
    wish = _answering(world, 429, "120")
    [report] = world.run(push)
    assert (world.requests, report.stopped) == (
        1,
        "asked_to_wait: the platform asked to be left alone, until 2019-04-02 09:02:00 +08:00",
    )
    wish.clear()
    world.clock.forward(110)
    assert world.run(push)[0].sent == 0
    world.clock.forward(10)
    world.run(push)
    assert world.states() == {State.ACCEPTED: 4}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120), ("Tue, 02 Apr 2019 01:02:00 GMT", 120), ("999999", 3600), ("Tue, 02 Apr 2030 01:02:00 GMT", 3600)],
)
def test_both_forms_of_a_wish_are_obeyed_up_to_a_limit(make: Make, text: str, seconds: int) -> None:
    world = make(owed=2)
    _answering(world, 503, text)
    world.run(push)
    world.clock.forward(seconds - 10)
    assert world.run(push)[0].stopped.startswith("asked_to_wait")
    world.clock.forward(10)
    assert world.run(push)[0].sent > 0


def test_a_short_wish_is_waited_out_by_everybody(make: Make) -> None:
    world = make(owed=4)
    world.faults("unavailable")
    [report] = world.run(push)
    assert report.stopped is None
    assert [slept for slept in world.clock.slept if slept == pytest.approx(1)]
    assert world.states()[State.ACCEPTED] >= 3


def test_a_timed_pause_ends_by_itself_and_frees_what_it_held(make: Make) -> None:
    world = make(owed=3)
    world.faults("locked")
    world.run(push)
    assert world.states() == {State.HELD: 1, State.QUEUED: 2}
    with world.store.write() as c:
        platforms.resume(c, "model", by="x", reason=None, now=world.clock())
        platforms.pause(
            c, "model", code="operator", reason="x", by="y", now=world.clock(), until=world.clock() + 60 * SECOND
        )
    assert world.run(push)[0].stopped.startswith("operator: x, until")
    world.clock.forward(60)
    world.run(push)
    assert world.states() == {State.ACCEPTED: 3}


def test_a_pause_stops_a_run_of_another_worker_at_its_next_message(make: Make) -> None:
    world = make(owed=6, interval=SECOND)

    async def paused_meanwhile(exchanger: Exchanger) -> Any:
        def pause(report: Any) -> None:
            if report.exchanges == 2:
                with world.store.write() as c:
                    platforms.pause(c, "model", code="operator", reason="now", by="x", now=world.clock())

        return await push(exchanger, progress=pause)

    [report] = world.run(paused_meanwhile)
    assert (report.stopped, world.requests) == ("operator: now", 2)
    assert world.states() == {State.ACCEPTED: 2, State.QUEUED: 4}


@pytest.mark.parametrize("size", [2, 3, 10, 16])
def test_one_bad_item_that_sinks_a_whole_batch_is_found_by_halves(make: Make, size: int) -> None:
    world = make(owed=size, batch_max=size)
    world.faults("bad_item")
    for _ in range(8):
        world.run(push)
    assert world.states() == {State.ACCEPTED: size - 1, State.REJECTED: 1}
    assert world.requests <= 2 * size.bit_length() + 1
    effects = world.sandbox.effects()
    assert {held["writes"] for held in effects["holdings"].values()} == {1}
    assert {row["tries"] for row in world.rows()} == {1}, "a message refused as a whole counts for nobody"


def test_a_batch_that_is_refused_later_by_its_receipt_travels_on_in_halves(make: Make) -> None:
    world = make(owed=4, batch_max=4, asynchronous=True)
    world.run(push)
    receipt, _ = next(iter(world.sandbox.books.items("results")))
    decode = Model.decode_ack

    def refused(self: Model, response: Any, number: str, payloads: Any, stamp: Any) -> Any:
        verdicts = decode(self, response, number, payloads, stamp)
        return [replace(v, event=v.event.UNKNOWN, split=True) if number == receipt else v for v in verdicts]

    world.clock.forward(5)
    object.__setattr__(world.model, "__class__", type("Late", (Busy,), {"decode_ack": refused}))
    world.run(poll)
    assert [(row["state"], row["message_limit"]) for row in world.rows()] == [(State.QUEUED, 2)] * 4


def test_a_platform_that_hangs_does_not_hold_up_another(make: Make) -> None:
    slow = make(owed=2, seed=8, platform="hanging")
    quick = make(owed=6)
    slow.faults(*["timeout_before_commit"] * 2)

    async def one(world: World) -> None:
        async with world.exchanger() as exchanger:
            await push(exchanger)

    async def both() -> None:
        hanging, other = asyncio.create_task(one(slow)), asyncio.create_task(one(quick))
        ended, _ = await asyncio.wait({hanging, other}, return_when=asyncio.FIRST_COMPLETED)
        assert ended == {other}
        hanging.cancel()
        await asyncio.gather(hanging, other, return_exceptions=True)
        await other

    asyncio.run(both())
    assert Counter((row["platform"], row["state"]) for row in quick.rows())["model", State.ACCEPTED] >= 6


def test_a_lease_never_ends_while_its_exchange_is_open_within_its_deadline(make: Make) -> None:
    """Many wait for one connection to a slow peer; whenever one leaves, its whole deadline is still covered."""
    world = make(owed=8, deadline=timedelta(seconds=30))
    covered: list[bool] = []

    async def watched(exchanger: Exchanger) -> None:
        original = exchanger._carrier.send

        async def send(request: Any) -> Any:
            with world.store.read() as c:
                leased = (
                    select(delivery.c.lease_until)
                    .join(attempt, attempt.c.delivery_id == delivery.c.id)
                    .join(exchange, exchange.c.id == attempt.c.exchange_id)
                    .where(exchange.c.closed_at.is_(None), exchange.c.request_digest == _digest(request.body))
                )
                [until] = c.execute(leased).scalars()
            covered.append(until >= world.clock() + exchanger.connector.endpoint.deadline)
            world.clock.forward(29)
            assert await sweep(exchanger) == 0, "nobody takes it for lost while it is on its way"
            return await original(request)

        exchanger._carrier.send = send  # type: ignore[method-assign]
        await push(exchanger)

    world.run(watched)
    assert covered == [True] * 8
    assert world.states() == {State.ACCEPTED: 8}
    assert TURNS == 4


def test_a_message_that_waited_too_long_for_its_connection_is_not_sent(make: Make) -> None:
    world = make(owed=2, deadline=timedelta(seconds=30))

    async def delayed(exchanger: Exchanger) -> None:
        commits = exchanger._commits
        original = commits.open

        async def slow_commit(opening: Any) -> Any:
            opened = await original(opening)
            world.clock.forward(200)
            return opened

        commits.open = slow_commit  # type: ignore[method-assign]
        await push(exchanger, limit=1)

    world.run(delayed)
    assert world.requests == 0
    assert Counter(row["code"] for row in world.rows())["lease_short"] == 1


def _digest(body: bytes) -> str:
    import hashlib

    return hashlib.sha256(body).hexdigest()


def _answering(world: World, status: int, retry_after: str) -> list[int]:
    """Let the sandbox answer with this status and Retry-After until the list is emptied."""
    from starlette.responses import PlainTextResponse

    left, handle = [1], world.sandbox.handle

    def answer(request: Any, body: bytes, fault: str | None) -> Any:
        if left:
            left.clear()
            return PlainTextResponse("later", status, {"retry-after": retry_after})
        return handle(request, body, fault)

    world.sandbox.handle = answer  # type: ignore[method-assign]
    return left


def test_what_was_claimed_by_a_run_that_stops_is_free_again(make: Make) -> None:
    world = make(owed=9)
    world.faults(*["gateway_error"] * 3)
    world.run(push)
    assert {row["lease_owner"] for row in world.rows()} == {None}
    with world.store.read() as c:
        assert len(ledger.due_now(c, world.store.vault, "model", 99, world.clock())) == 6
