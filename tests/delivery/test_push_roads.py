"""Push, poll and look-up against the model platform over real HTTP, on both stores."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.reconcile import reconcile
from gateway.delivery.rules.differences import Difference
from gateway.delivery.store import ledger, owing, platforms, reconciliations, replays
from gateway.delivery.store.tables import attempt, delivery, exchange, reconciliation_item, verdict
from gateway.delivery.store.views import DeliveryFilter
from gateway.delivery.system import System
from gateway.domain.records import Record, Worker
from gateway.domain.states import State
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.checker.invariants import broken
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.serving import running
from gateway.transport.sender import Sender
from tests.support.clear import forms_of, readable


class Clock:
    """A clock that a test moves; waiting moves it too, so nothing really waits."""

    def __init__(self) -> None:
        self.now = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class World:
    """A store with records, a clock and a sandbox with its URL."""

    store: Store
    sandbox: ModelSandbox
    url: str
    clock: Clock
    model: Model
    rng: random.Random

    @asynccontextmanager
    async def exchanger(self) -> AsyncIterator[Exchanger]:
        rng = self.rng

        async def sleep(seconds: float) -> None:
            self.clock.forward(seconds)

        edge = System(
            now=self.clock, new_id=lambda: people.ulid(rng), random_bytes=rng.randbytes, draw=rng.random, sleep=sleep
        )
        with StoreThread(self.store) as thread:
            async with Sender(self.model.endpoint) as sender:
                yield Exchanger(self.model, sender, thread, edge)

    def enqueue(self, *versions: Record) -> None:
        with self.store.write() as c:
            platforms.register(c, ["model"])
            records.add(c, self.store.vault, versions, batch_id=None, now=self.clock())
            owing.owe(c, self.model.info, self.clock())

    def states(self) -> Counter[str]:
        with self.store.read() as c:
            return Counter(c.execute(select(delivery.c.state)).scalars())

    def run(self, *steps: Callable[[Exchanger], Any]) -> list[Any]:
        async def all_steps() -> list[Any]:
            async with self.exchanger() as exchanger:
                return [await step(exchanger) for step in steps]

        return asyncio.run(all_steps())

    def until_quiet(self, rounds: int = 30) -> None:
        for _ in range(rounds):
            self.run(push, poll, resolve)
            waiting = set(self.states()) - {State.ACCEPTED, State.REJECTED, State.SUPERSEDED, State.PARKED}
            if not waiting:
                return
            self.clock.forward(5)
        raise AssertionError(self.states())

    def faults(self, *names: str) -> None:
        self.sandbox.faults.set(next_=names)

    def push_unanswered(self, *faults: str) -> None:
        """A push with a short deadline; whatever follows has all the time a loaded machine needs."""
        patient, self.model = self.model, replace(self.model, deadline=timedelta(seconds=1))
        self.faults(*faults)
        self.run(push)
        self.model = patient

    def effects(self) -> dict[str, Any]:
        return self._get("effects")

    def _get(self, what: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/__sandbox/{what}") as answer:
            return json.load(answer)

    def check(self) -> None:
        seen = self._get("requests")
        with self.store.read() as c:
            assert broken(c, "model", self._get("effects"), seen, vault=self.store.vault, connector=self.model) == []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_world(store: Store, clock: Clock) -> Iterator[Callable[..., World]]:
    opened: list[Any] = []

    def make(*, replay_safe: bool = False, asynchronous: bool = False, **options: Any) -> World:
        sandbox = ModelSandbox(replay_safe=replay_safe, asynchronous=asynchronous, clock=clock)
        opened.append(running(sandbox))
        url = opened[-1].__enter__()
        model = Model(base_url=url, replay_safe=replay_safe, **options)
        return World(store, sandbox, url, clock, model, random.Random(7))

    yield make
    for one in reversed(opened):
        one.__exit__(None, None, None)


def people_of(count: int, seed: int = 3) -> list[Record]:
    rng = random.Random(seed)
    return [people.person_record(rng) for _ in range(count)]


def test_what_is_due_arrives_once_and_is_accepted(make_world: Callable[..., World]) -> None:
    world = make_world()
    persons = people_of(25)
    rng = random.Random(5)
    world.enqueue(*persons, *[people.certificate_record(rng, p) for p in persons])
    world.until_quiet()
    assert world.states() == {State.ACCEPTED: 50}
    assert world.effects()["counts"] | {"requests": 0} == {
        "persons": 25,
        "certificates": 25,
        "duplicates": 0,
        "requests": 0,
    }
    world.check()


def test_a_second_run_sends_nothing(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.enqueue(*people_of(5))
    world.until_quiet()
    before = world.effects()["counts"]["requests"]
    reports = world.run(push, poll, resolve)
    assert reports[0].claimed == 0
    assert world.effects()["counts"]["requests"] == before


def test_a_certificate_waits_for_its_person(make_world: Callable[..., World]) -> None:
    world = make_world()
    [person] = people_of(1)
    world.enqueue(person, people.certificate_record(random.Random(1), person))
    world.faults("refuse")
    world.run(push)
    assert world.states() == {State.REJECTED: 1, State.QUEUED: 1}
    assert world.effects()["counts"]["certificates"] == 0


@pytest.mark.parametrize("replay_safe", [True, False], ids=["replay-safe", "to-be-asked"])
@pytest.mark.parametrize(
    "fault",
    [
        "timeout_after_commit",
        "timeout_before_commit",
        "unavailable",
        "empty",
        "truncated",
        "gateway_error",
        "login_page",
        "busy",
        "duplicate",
        "slow",
    ],
)
def test_a_fault_neither_loses_nor_doubles(make_world: Callable[..., World], fault: str, replay_safe: bool) -> None:
    world = make_world(replay_safe=replay_safe, deadline=timedelta(seconds=1), connections=1)
    world.sandbox.slow_seconds = 0.05
    world.enqueue(*people_of(4))
    world.faults(fault)
    world.until_quiet()
    assert world.states() == {State.ACCEPTED: 4}
    assert world.effects()["counts"]["persons"] == 4
    world.check()


def test_an_unknown_outcome_is_asked_about_before_anything_is_sent_again(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.enqueue(*people_of(3))
    world.push_unanswered("timeout_after_commit")
    assert world.states() == {State.IN_DOUBT: 3}
    world.run(push)
    assert world.states() == {State.IN_DOUBT: 3}, "nothing is sent while it is in doubt"
    world.clock.forward(1)
    world.run(resolve)
    assert world.states() == {State.ACCEPTED: 3}
    with world.store.read() as c:
        assert Counter(c.execute(select(exchange.c.purpose)).scalars()) == {"push": 1, "lookup": 3}


class Mute:
    """The model platform without any question it would answer."""

    def __init__(self, model: Model) -> None:
        self.info, self.endpoint = model.info, model.endpoint
        self.map, self.check = model.map, model.check
        self.encode_push, self.decode_push = model.encode_push, model.decode_push


@pytest.mark.parametrize(("replay_safe", "end"), [(True, State.ACCEPTED), (False, State.PARKED)])
def test_a_doubt_that_cannot_be_asked_about_is_repeated_or_left_to_a_person(
    make_world: Callable[..., World], replay_safe: bool, end: State
) -> None:
    world = make_world(replay_safe=replay_safe)
    world.enqueue(*people_of(2))
    with world.store.write() as c:
        c.execute(update(delivery).values(state=State.IN_DOUBT, tries=1))
    world.model = Mute(world.model)  # type: ignore[assignment]
    world.run(resolve, push, resolve)
    assert world.states() == {end: 2}


def test_not_there_must_be_heard_twice(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.enqueue(*people_of(1))
    world.push_unanswered("timeout_before_commit")
    world.clock.forward(1)
    world.run(resolve)
    assert world.states() == {State.IN_DOUBT: 1}
    world.clock.forward(1)
    world.run(resolve)
    assert world.states() == {State.QUEUED: 1}


def test_a_resend_after_an_unknown_outcome_has_the_same_bytes(make_world: Callable[..., World]) -> None:
    world = make_world(replay_safe=True)
    world.enqueue(*people_of(7))
    world.push_unanswered("timeout_after_commit")
    world.clock.forward(1)
    world.run(push)
    with world.store.read() as c:
        digests = c.execute(select(exchange.c.request_digest)).scalars().all()
    assert len(digests) == 2
    assert len(set(digests)) == 1
    assert world.effects()["counts"]["duplicates"] == 7


def test_results_are_fetched_by_receipt(make_world: Callable[..., World]) -> None:
    world = make_world(asynchronous=True)
    world.enqueue(*people_of(12))
    world.run(push)
    assert world.states() == {State.AWAITING_ACK: 12}
    world.clock.forward(1)
    world.run(poll)
    assert world.states() == {State.ACCEPTED: 12}
    with world.store.read() as c:
        assert Counter(c.execute(select(exchange.c.purpose)).scalars()) == {"push": 2, "poll": 2}
    world.check()


def test_a_lost_receipt_leads_to_a_question_not_to_a_resend(make_world: Callable[..., World]) -> None:
    world = make_world(asynchronous=True)
    world.enqueue(*people_of(2))
    world.run(push)
    world.sandbox.books.remove("results", "R1")
    world.until_quiet()
    assert world.states() == {State.ACCEPTED: 2}
    world.check()


def test_one_bad_item_does_not_sink_the_others(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.enqueue(*people_of(6))
    world.faults("partial")
    world.until_quiet()
    assert world.states() == {State.ACCEPTED: 5, State.REJECTED: 1}


def test_what_the_check_refuses_is_rejected_here_and_never_sent(make_world: Callable[..., World]) -> None:
    world = make_world()
    good, bad = people_of(2)
    assert isinstance(bad.content, Worker)
    world.enqueue(good, replace(bad, content=replace(bad.content, name="王4")))
    world.until_quiet()
    assert world.states() == {State.ACCEPTED: 1, State.REJECTED: 1}
    with world.store.read() as c:
        assert c.execute(select(attempt.c.id)).all().__len__() == 1
        reason = c.execute(select(delivery.c.reason).where(delivery.c.state == State.REJECTED)).scalar_one()
    assert "holder.name" in reason
    assert "王4" not in reason


def test_an_unknown_code_is_parked_for_a_person(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.enqueue(*people_of(1))
    world.faults("strange")
    world.run(push)
    assert world.states() == {State.PARKED: 1}


def test_a_failed_precondition_holds_the_platform_and_not_the_record(make_world: Callable[..., World]) -> None:
    world = make_world(connections=1, batch_max=2)
    world.enqueue(*people_of(6))
    world.faults("locked")
    world.run(push)
    assert world.states() == {State.HELD: 2, State.QUEUED: 4}
    assert world.effects()["counts"]["requests"] == 1, "what waited for a connection was not sent"
    assert world.run(push)[0].stopped == "LOCKED: "
    with world.store.write() as c:
        assert platforms.resume(c, "model", by="tester", reason="unlocked", now=world.clock())
        ledger.let_go(c, ledger.Event.RESUMED, world.clock(), platform="model")
    world.until_quiet()
    assert world.states() == {State.ACCEPTED: 6}


def test_a_newer_version_replaces_a_waiting_one(make_world: Callable[..., World]) -> None:
    world = make_world()
    [person] = people_of(1)
    world.enqueue(person)
    world.enqueue(replace(person, version=2))
    world.until_quiet()
    assert world.states() == {State.SUPERSEDED: 1, State.ACCEPTED: 1}
    [held] = world.effects()["holdings"].values()
    assert (held["version"], held["writes"]) == (2, 1)


def test_a_newer_version_waits_for_the_one_in_flight(make_world: Callable[..., World]) -> None:
    world = make_world(asynchronous=True)
    [person] = people_of(1)
    world.enqueue(person)
    world.run(push)
    world.enqueue(replace(person, version=2))
    world.run(push)
    assert world.states() == {State.AWAITING_ACK: 1, State.QUEUED: 1}
    world.until_quiet()
    assert world.states() == {State.ACCEPTED: 2}
    world.check()


def test_a_late_settle_is_kept_as_evidence_and_changes_nothing(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.enqueue(*people_of(1))

    async def lose_the_lease(exchanger: Exchanger) -> None:
        original = exchanger.concluding

        def late(conclusion: Any) -> Any:
            with world.store.write() as c:
                world.clock.forward(600)
                ledger.sweep(c, platform="model", dead=[], settling=timedelta(), now=world.clock())
            return original(conclusion)

        exchanger.concluding = late  # type: ignore[method-assign]
        await push(exchanger, limit=1)

    world.run(lose_the_lease)
    assert world.states() == {State.IN_DOUBT: 1}
    with world.store.read() as c:
        assert c.execute(select(verdict.c.event, verdict.c.applied)).all() == [("accepted", False)]
    world.until_quiet()
    assert world.states() == {State.ACCEPTED: 1}
    assert world.effects()["counts"]["persons"] == 1


def test_a_pause_stops_a_run_and_says_why(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.enqueue(*people_of(1))
    with world.store.write() as c:
        platforms.pause(c, "model", code="maintenance", reason="night", by="tester", now=world.clock())
    [report] = world.run(push)
    assert (report.sent, report.stopped) == (0, "maintenance: night")


def test_requests_keep_the_distance_the_platform_asks_for(make_world: Callable[..., World]) -> None:
    world = make_world(interval=timedelta(seconds=2), batch_max=1)
    world.enqueue(*people_of(4))
    world.run(push)
    with world.store.read() as c:
        opened = sorted(c.execute(select(exchange.c.opened_at)).scalars())
    assert [b - a >= timedelta(seconds=2) for a, b in itertools.pairwise(opened)] == [True] * 3


def test_nothing_personal_stands_in_clear_in_the_store(make_world: Callable[..., World]) -> None:
    world = make_world()
    persons = people_of(3)
    world.enqueue(*persons)
    world.push_unanswered("timeout_after_commit", "busy")
    world.until_quiet()
    with world.store.read() as c:
        for table in (delivery, exchange, attempt, verdict):
            text = readable(c.execute(select(table)))
            for person in persons:
                assert isinstance(person.content, Worker)
                for secret in (person.content.id_number, person.content.name):
                    assert not any(form in text for form in forms_of(secret))
    # what is sought would be found
    for encoding in ("utf-8", "gb18030", "utf-16-le"):
        assert "张三" in readable([(1, {"a": ["x", "张三".encode(encoding)]})])


def test_reconciliation_gives_every_difference_one_class(make_world: Callable[..., World]) -> None:
    world = make_world()
    good, lost, altered, waiting, refused = persons = people_of(5)
    assert isinstance(refused.content, Worker)
    world.enqueue(*persons[:4], replace(refused, content=replace(refused.content, name="王4")))
    world.until_quiet()
    books = world.sandbox.books
    books.remove("held", lost.key)
    books.put("held", altered.key, {**books.get("held", altered.key), "name": "另一人"})
    books.put("held", "Z" * 26, {**books.get("held", good.key), "key": "Z" * 26})
    world.enqueue(replace(waiting, version=2))
    [report] = world.run(reconcile)
    assert dict(report.classes) == {"match": 1, "lost": 1, "altered": 1, "lag": 1, "never_sent": 1, "unknown_here": 1}
    assert (report.ours, report.theirs, report.total) == (5, 4, 6)
    with world.store.read() as c:
        rows = c.execute(select(reconciliation_item.c["class"], reconciliation_item.c.fields)).all()
    assert ("altered", ["name"]) in rows
    assert len(rows) == 5
    assert world.run(reconcile)[0].classes == report.classes, "running twice changes nothing"


def test_what_was_altered_there_goes_again_and_then_matches(make_world: Callable[..., World]) -> None:
    world = make_world()
    altered, lost = persons = people_of(2)
    world.enqueue(*persons)
    world.until_quiet()
    books = world.sandbox.books
    books.put("held", altered.key, {**books.get("held", altered.key), "name": "另一人"})
    books.remove("held", lost.key)
    world.run(reconcile)
    for difference in (Difference.ALTERED, Difference.LOST):
        with world.store.write() as c:
            plan = replays.plan(c, DeliveryFilter(), reason="r", by="op", now=world.clock.now, difference=difference)
            assert plan is not None
            assert replays.run(c, plan.id, by="op", now=world.clock.now) == {"done": 1}
    world.until_quiet()
    assert dict(world.run(reconcile)[0].classes) == {"match": 2}


def test_a_settled_difference_stays_settled_until_it_differs_in_another_way(make_world: Callable[..., World]) -> None:
    world = make_world()
    [one] = people_of(1)
    world.enqueue(one)
    world.until_quiet()
    books = world.sandbox.books
    books.put("held", one.key, {**books.get("held", one.key), "name": "另一人"})
    books.put("held", "Z" * 26, {**books.get("held", one.key), "key": "Z" * 26})
    [report] = world.run(reconcile)
    assert dict(report.open) == {"altered": 1, "unknown_here": 1}
    with world.store.write() as c:
        run = reconciliations.last_run(c, report.platform)
        assert run is not None
        classes = ["altered", "unknown_here"]
        assert reconciliations.settle_theirs(c, run, classes, reason="r", by="op", now=world.clock.now) == 2
    [report] = world.run(reconcile)
    assert dict(report.open) == {}
    books.put("held", "Y" * 26, {**books.get("held", one.key), "key": "Y" * 26})
    assert dict(world.run(reconcile)[0].open) == {"unknown_here": 1}


def test_only_the_last_run_keeps_the_keys_of_what_only_the_platform_has(make_world: Callable[..., World]) -> None:
    world = make_world()
    [one] = people_of(1)
    world.enqueue(one)
    world.until_quiet()
    world.sandbox.books.put("held", "Z" * 26, {**world.sandbox.books.get("held", one.key), "key": "Z" * 26})
    runs = [world.run(reconcile)[0].run for _ in range(2)]
    with world.store.read() as c:
        found = [reconciliations.found_differences(c, world.store.vault, run, (), None)[1] for run in runs]
    assert [[one.theirs and one.theirs[0] for one in part] for part in found] == [[None], ["Z" * 26]]


def test_a_reconciliation_of_a_paused_platform_stops_at_once_and_keeps_the_last_run(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    world.enqueue(*people_of(3))
    world.until_quiet()
    [good] = world.run(reconcile)
    with world.store.write() as c:
        platforms.pause(c, good.platform, code="operator", reason="contract", by="op", now=world.clock.now)
    [stopped] = world.run(reconcile)
    assert "contract" in (stopped.stopped or "")
    with world.store.read() as c:
        run = reconciliations.last_run(c, good.platform)
    assert run is not None
    assert run.number == good.run


def test_reconciliation_that_cannot_read_theirs_says_so(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.enqueue(*people_of(1))
    world.until_quiet()
    world.faults(*["unavailable"] * 3)
    [report] = world.run(reconcile)
    assert report.stopped == "http_503: the address answers 503, which is not the platform's own answer"
    assert report.run is None


def test_a_platform_configured_later_gets_what_it_is_owed(make_world: Callable[..., World]) -> None:
    world = make_world()
    with world.store.write() as c:
        platforms.register(c, ["model"])
        records.add(c, world.store.vault, people_of(3), batch_id=None, now=world.clock())
    world.until_quiet()
    assert world.states() == {State.ACCEPTED: 3}
    world.run(push)
    assert world.states() == {State.ACCEPTED: 3}
