"""A ledger restored from a backup asks before it sends: what is there is adopted, and nothing newer is overwritten."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from gateway.credit.store.tables import ticket
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import PushReport, push
from gateway.delivery.reconcile import reconcile
from gateway.delivery.store import ledger, owing, platforms, recovering
from gateway.delivery.store.tables import delivery
from gateway.delivery.system import System
from gateway.domain.records import Record, Worker
from gateway.domain.states import Event
from gateway.operations import evidence
from gateway.operations.recover import RecoverReport, recover
from gateway.operations.store import backup
from gateway.store import records
from gateway.store.engine import Store, open_engine
from gateway.store.thread import StoreThread
from gateway.testing import ground, people
from gateway.testing.checker.invariants import unsound
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.serving import running
from gateway.transport.sender import Sender


class Mute:
    """The model platform without its look-up."""

    def __init__(self, model: Model) -> None:
        for name in ("info", "endpoint", "map", "check", "encode_push", "decode_push"):
            setattr(self, name, getattr(model, name))


@dataclass
class World:
    sandbox: ModelSandbox
    url: str
    now: datetime = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
    rng: random.Random = field(default_factory=lambda: random.Random(4))

    @property
    def model(self) -> Model:
        return Model(base_url=self.url, batch_max=2, replay_safe=False)

    def run(self, store: Store, work: Callable[[Exchanger], Awaitable[Any]], connector: Any = None) -> Any:
        async def sleep(seconds: float) -> None:
            self.now += timedelta(seconds=seconds)

        edge = System(
            now=lambda: self.now,
            new_id=lambda: people.ulid(self.rng),
            random_bytes=self.rng.randbytes,
            draw=self.rng.random,
            sleep=sleep,
        )

        async def once() -> Any:
            with StoreThread(store) as thread:
                async with Sender(self.model.endpoint) as sender:
                    return await work(Exchanger(connector or self.model, sender, thread, edge))

        return asyncio.run(once())

    def push(self, store: Store) -> PushReport:
        report: PushReport = self.run(store, push)
        return report

    def recover(self, store: Store, connector: Any = None) -> RecoverReport:
        report: RecoverReport = self.run(store, recover, connector)
        return report

    def add(self, store: Store, *made: Record) -> None:
        with store.write() as c:
            platforms.register(c, ["model"])
            records.add(c, store.vault, made, batch_id=None, now=self.now)
            owing.owe(c, self.model.info, self.now)

    def held(self) -> dict[str, int]:
        return {key: value["version"] for key, value in self.sandbox.books.items("held")}


def version(person: Record, number: int) -> Record:
    assert isinstance(person.content, Worker)
    return replace(person, version=number, content=replace(person.content, name="赵钱孙李周"[number] + "一"))


def later(world: World, store: Store, *persons: Record) -> None:
    """Let nothing of these leave for the time being."""
    with store.write() as c:
        keys = [person.key for person in persons]
        c.execute(
            update(delivery)
            .where(delivery.c.record_key.in_(keys), delivery.c.state == "queued")
            .values(due_at=world.now + timedelta(minutes=2))
        )


def states(store: Store) -> dict[tuple[str, int], str]:
    with store.read() as c:
        rows = c.execute(select(delivery.c.record_key, delivery.c.version, delivery.c.state))
        return {(row.record_key, row.version): row.state for row in rows}


def tickets(store: Store) -> set[str]:
    with store.read() as c:
        return set(c.execute(select(ticket.c.record_id).where(ticket.c.kind == "RESTORED")).scalars())


def hold(world: World, store: Store) -> None:
    with store.write() as c:
        recovering.begin(c, "model", reason="an older one", by="op", now=world.now)


def let_go(world: World, store: Store) -> None:
    with store.write() as c:
        assert recovering.not_recovered(c, "model", world.now) is None
        platforms.resume(c, "model", by="op", reason=None, now=world.now)
        ledger.let_go(c, Event.RESUMED, world.now, platform="model")


@pytest.fixture
def world() -> Iterator[World]:
    sandbox = ModelSandbox(seed=1)
    with running(sandbox) as url:
        yield World(sandbox, url)


@pytest.fixture
def other(store: Store, store_url: str) -> Iterator[Store]:
    """An empty store of the same kind with the same keys."""
    with ground.beside(store_url, "restored") as place:
        made = Store(engine=open_engine(place), vault=store.vault)
        yield made
        made.close()


def test_nothing_that_is_there_is_sent_again_and_nothing_newer_is_overwritten(
    world: World, store: Store, other: Store, tmp_path: Path
) -> None:
    adopt, newer, behind, fresh, second, never, third = [people.person_record(world.rng) for _ in range(7)]
    world.add(store, behind, fresh, second, third)
    world.push(store)
    world.add(store, adopt, newer, never, version(fresh, 2), version(second, 2), version(third, 2))
    later(world, store, fresh, never)
    backup.write(store, tmp_path / "old.backup", world.now)
    world.push(store)
    world.add(store, version(newer, 2), version(behind, 2), version(third, 3))
    world.push(store)
    before = world.held()
    expected = {adopt: 1, newer: 2, behind: 2, fresh: 1, second: 2, third: 3}
    assert before == {person.key: number for person, number in expected.items()}

    backup.restore(other, tmp_path / "old.backup")
    hold(world, other)
    world.now += timedelta(minutes=1)
    stopped = world.push(other)
    assert (stopped.sent, "restored" in (stopped.stopped or "")) == (0, True)
    with other.read() as c:
        assert "recover model" in (recovering.not_recovered(c, "model", world.now) or "")

    report = world.recover(other)
    assert (report.adopted, report.to_send, report.parked, report.tickets) == (2, 2, 2, 3)
    assert report.done
    assert report.needs_person
    assert tickets(other) == {newer.key, behind.key, third.key}
    found = states(other)
    assert {found[adopt.key, 1], found[second.key, 2], found[behind.key, 1]} == {"accepted"}
    assert {found[newer.key, 1], found[third.key, 2]} == {"parked"}
    assert {found[fresh.key, 2], found[never.key, 1]} == {"queued"}
    assert world.held() == before

    evidence.seal(other, world.now, None)
    assert evidence.verify(other, None, every_byte=True, connectors={"model": world.model}).faults == []
    with other.read() as c:
        assert unsound(c, "model") == []

    let_go(world, other)
    world.now += timedelta(minutes=5)
    assert world.push(other).outcomes == {"accepted": 2}
    assert world.held() == before | {fresh.key: 2, never.key: 1}
    assert world.sandbox.effects()["counts"]["duplicates"] == 0


def test_a_version_that_was_taken_in_again_is_adopted_and_its_ticket_is_not_opened(
    world: World, store: Store, other: Store, tmp_path: Path
) -> None:
    person = people.person_record(world.rng)
    world.add(store, person)
    backup.write(store, tmp_path / "old.backup", world.now)
    world.push(store)
    world.add(store, version(person, 2))
    world.push(store)
    backup.restore(other, tmp_path / "old.backup")
    hold(world, other)
    world.now += timedelta(minutes=1)
    world.add(other, version(person, 2))
    report = world.recover(other)
    assert (report.adopted, report.to_send, report.tickets, report.needs_person) == (1, 0, 0, False)
    assert states(other) == {(person.key, 1): "superseded", (person.key, 2): "accepted"}


def test_a_run_that_ended_early_goes_on_where_it_was(world: World, store: Store) -> None:
    persons = [people.person_record(world.rng) for _ in range(6)]
    world.add(store, *persons)
    hold(world, store)
    world.now += timedelta(minutes=1)
    met: list[int] = []

    def die(report: RecoverReport) -> None:
        met.append(report.asked)
        if len(met) == 3:
            raise OSError("killed")

    with pytest.raises(BaseExceptionGroup):
        world.run(store, lambda exchanger: recover(exchanger, progress=die))
    with store.read() as c:
        assert recovering.not_recovered(c, "model", world.now) is not None
    world.now += timedelta(minutes=10)
    again = world.recover(store)
    assert 0 < again.asked <= 3
    assert again.done
    assert set(states(store).values()) == {"queued"}
    assert world.recover(store).to_ask == 0


def test_where_the_platform_cannot_be_asked_each_is_parked_with_a_ticket(world: World, store: Store) -> None:
    persons = [people.person_record(world.rng) for _ in range(3)]
    world.add(store, *persons)
    hold(world, store)
    report = world.recover(store, Mute(world.model))
    assert (report.parked, report.tickets, report.done) == (3, 3, True)
    assert set(states(store).values()) == {"parked"}
    assert world.sandbox.effects()["counts"]["requests"] == 0


def test_what_is_there_and_queued_here_is_a_difference_and_no_lag(
    world: World, store: Store, other: Store, tmp_path: Path
) -> None:
    world.add(store, people.person_record(world.rng), people.person_record(world.rng))
    backup.write(store, tmp_path / "old.backup", world.now)
    world.push(store)
    backup.restore(other, tmp_path / "old.backup")
    assert world.run(store, reconcile).classes == {"match": 2}
    assert world.run(other, reconcile).classes == {"held_there": 2}
