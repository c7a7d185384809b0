"""Second versions pushed after the backup, on the three platforms over HTTP: none of them is overwritten by a first."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway import registry
from gateway.contract.connector import Connector
from gateway.credit.store.tables import ticket
from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.reconcile import reconcile
from gateway.delivery.store import ledger, owing, platforms, recovering
from gateway.delivery.store.tables import delivery
from gateway.delivery.system import System
from gateway.domain.records import Certificate, Record
from gateway.domain.states import Event
from gateway.operations import evidence
from gateway.operations.recover import RecoverReport, recover
from gateway.operations.store import backup
from gateway.settings import loader
from gateway.store import records
from gateway.store.engine import Store, migrate, open_engine
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.sandbox import Sandbox
from gateway.testing.serving import running
from gateway.transport.sender import Sender

PLATFORMS = ("national_market", "provincial_credit", "worker_platform")


@dataclass
class Site:
    """One platform over HTTP, and a clock that is moved by waiting."""

    name: str
    sandbox: Sandbox = field(init=False)
    connector: Connector = field(init=False)
    now: datetime = datetime(2019, 4, 2, 1, 30, tzinfo=UTC)
    rng: random.Random = field(default_factory=lambda: random.Random(8))

    def start(self, stack: ExitStack) -> Site:
        self.sandbox = registry.build_sandbox(self.name, seed=3, clock=lambda: self.now)
        url = stack.enter_context(running(self.sandbox))
        self.connector = registry.build_connector(self.name, loader(dict(self.sandbox.access(url).environment)))
        return self

    async def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=max(seconds, 0.001))

    def run(self, store: Store, work: Callable[[Exchanger], Awaitable[Any]]) -> Any:
        edge = System(
            now=lambda: self.now,
            new_id=lambda: people.ulid(self.rng),
            random_bytes=self.rng.randbytes,
            draw=self.rng.random,
            sleep=self.sleep,
        )

        async def once() -> Any:
            with StoreThread(store) as thread:
                async with Sender(self.connector.endpoint) as sender:
                    return await work(Exchanger(self.connector, sender, thread, edge))

        return asyncio.run(once())

    def bring(self, store: Store) -> None:
        """Push, poll and ask until nothing waits."""
        for _ in range(8):
            for step in (push, poll, resolve):
                self.run(store, step)
            if not states(store) - {"accepted", "rejected", "superseded", "parked"}:
                return
            self.now += timedelta(minutes=10)
        raise AssertionError(states(store))

    def add(self, store: Store, *made: Record) -> None:
        with store.write() as c:
            platforms.register(c, [self.name])
            records.add(c, store.vault, made, batch_id=None, now=self.now)
            owing.owe(c, self.connector.info, self.now)

    def versions(self) -> dict[str, Any]:
        """What the platform wrote: by holding the versions in their order."""
        return {key: list(one["versions"]) for key, one in self.sandbox.books.items("effects")}

    def requests(self) -> int:
        return int(self.sandbox.effects()["counts"]["duplicates"])


def states(store: Store) -> set[str]:
    with store.read() as c:
        return set(c.execute(select(delivery.c.state)).scalars())


def second(first: Record) -> Record:
    """The next version of a certificate: another level."""
    assert isinstance(first.content, Certificate)
    level = "3" if first.content.level != "3" else "2"
    content = replace(first.content, level=level)
    return replace(first, version=2, content=content, change_reason="等级更正")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.mark.parametrize("name", PLATFORMS)
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_no_older_version_goes_over_a_newer_one(
    name: str, store: Store, stack: ExitStack, make_store: Callable[[str], Store], tmp_path: Path
) -> None:
    site = Site(name).start(stack)
    persons = [people.person_record(site.rng) for _ in range(6)]
    accepted, changed, arrived, overtaken, skipped, unsent = [
        people.certificate_record(site.rng, person) for person in persons
    ]
    site.add(store, *persons, accepted, changed)
    site.bring(store)
    site.add(store, arrived, overtaken, skipped)
    backup.write(store, tmp_path / "old.backup", site.now)
    site.add(store, second(skipped))
    site.bring(store)
    site.add(store, second(changed), second(overtaken))
    site.bring(store)
    before = site.versions()

    engine = open_engine(f"sqlite:///{tmp_path / 'other.db'}")
    migrate(engine)
    other = Store(engine=engine, vault=store.vault)
    stack.callback(other.close)
    backup.restore(other, tmp_path / "old.backup")
    site.add(other, unsent)
    with other.write() as c:
        recovering.begin(c, name, reason="an older one", by="op", now=site.now)
    assert site.run(other, push).sent == 0

    report: RecoverReport = site.run(other, recover)
    assert report.done, report
    evidence.seal(other, site.now, None)
    assert evidence.verify(other, None, every_byte=True, connectors={name: site.connector}).faults == []
    assert site.versions() == before
    with other.write() as c:
        assert recovering.not_recovered(c, name, site.now) is None
        platforms.resume(c, name, by="op", reason=None, now=site.now)
        ledger.let_go(c, Event.RESUMED, site.now, platform=name)
    site.bring(other)
    after = site.versions()
    assert {key: one for key, one in after.items() if key in before} == before
    assert len(after) > len(before)
    assert site.requests() == 0
    with other.read() as c:
        told = set(c.execute(select(ticket.c.record_id).where(ticket.c.kind == "RESTORED")).scalars())
    assert told == {changed.key, overtaken.key, skipped.key}
    classes = site.run(other, reconcile).classes
    assert classes["lag"] == classes["held_there"] == 0
