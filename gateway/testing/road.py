"""The whole road of a connector, on a real store and against its sandbox: one class to subclass.

The suite ``conformance`` asks whether each call means what it says; this one asks what comes of them together: records
are pushed, polled, asked about and reconciled while the platform misbehaves in every way its sandbox knows, while
workers are killed at every point and while two of them work at once. At the end our ledger and the platform's own books
must show one effect for each record, and every promise of the gateway must hold (``checker.invariants``).

    class TestRoad(RoadConformance):
        build = "connectors.example.adapter:build"
        sandbox_class = ExampleSandbox
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from sqlalchemy import select
from ulid import ULID

from gateway.contract.connector import Connector, ListsHoldings
from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.reconcile import ReconcileReport, reconcile
from gateway.delivery.rules.differences import Difference
from gateway.delivery.store import ledger, owing, platforms
from gateway.delivery.store.tables import delivery
from gateway.delivery.system import CrashPoint, System
from gateway.domain.records import Record, RecordKind, Submission
from gateway.domain.states import Event, State
from gateway.settings import loader
from gateway.store import records
from gateway.store.engine import Store, migrate, open_engine
from gateway.store.thread import StoreThread
from gateway.store.vault import KeyRing, Vault
from gateway.testing import corpus, people
from gateway.testing.checker.invariants import broken, restless
from gateway.testing.clocks import AheadClock
from gateway.testing.crashworker import Errand, Nursery
from gateway.testing.owner import OwnerSandbox
from gateway.testing.sandbox import Sandbox
from gateway.testing.serving import running
from gateway.transport.carrier import carrier_for

_ROUNDS = 300


@dataclass(kw_only=True)
class Road:
    """A store, a connector and its sandbox under one clock, which passes by itself and is put forward by waiting."""

    store: Store
    store_url: str
    keys: KeyRing
    connector: Connector
    sandbox: Sandbox
    build: str
    environment: Mapping[str, str]
    clock: AheadClock
    rng: random.Random = field(default_factory=lambda: random.Random(11))

    @property
    def platform(self) -> str:
        """The connector's name of it."""
        return self.connector.info.platform

    def enqueue(self, *versions: Record) -> None:
        """Admit records and owe them."""
        with self.store.write() as connection:
            platforms.register(connection, [self.platform])
            owing.lock_records(connection)
            records.add(connection, self.store.vault, versions, batch_id=None, now=self.clock())
            owing.owe(connection, self.connector.info, self.clock())

    def run(self, *steps: Callable[[Exchanger], Any]) -> list[Any]:
        """Run steps such as ``push`` as one worker of this process."""

        async def sleep(seconds: float) -> None:
            self.clock.forward(seconds)

        rng = self.rng

        def new_id() -> str:
            return str(ULID.from_datetime(self.clock()))

        system = System(
            now=self.clock,
            new_id=new_id,
            random_bytes=rng.randbytes,
            draw=rng.random,
            sleep=sleep,
        )

        async def all_steps() -> list[Any]:
            with StoreThread(self.store) as thread:
                async with carrier_for(self.connector.endpoint) as carrier:
                    exchanger = Exchanger(self.connector, carrier, thread, system)
                    return [await step(exchanger) for step in steps]

        return asyncio.run(all_steps())

    def until_quiet(self) -> Counter[str]:
        """Push, poll and ask until nothing goes on by itself, lifting every hold as a person would; then the states."""
        for _ in range(_ROUNDS):
            self.run(push, poll, resolve)
            if isinstance(self.sandbox, OwnerSandbox):
                self.sandbox.work()
            self.resume()
            with self.store.read() as connection:
                if not restless(connection, self.platform):
                    return self.states()
            self.clock.forward(5)
        raise AssertionError(f"nothing comes to rest: {self.states()}")

    def resume(self) -> None:
        """Let go what a hold keeps back."""
        with self.store.write() as connection:
            now = self.clock()
            if platforms.resume(connection, self.platform, by="road", reason="looked into", now=now):
                ledger.let_go(connection, Event.RESUMED, now, platform=self.platform)

    def states(self) -> Counter[str]:
        """Deliveries by state."""
        with self.store.read() as connection:
            return Counter(connection.execute(select(delivery.c.state)).scalars())

    def reconciled(self) -> ReconcileReport:
        """One reconciliation, read to its end."""
        (report,) = self.run(reconcile)
        assert isinstance(report, ReconcileReport)
        assert report.stopped is None, report.stopped
        return report

    def check(self) -> None:
        """Every promise between our ledger and the platform's own books."""
        effects = self.sandbox.effects()
        seen = [value for _, value in self.sandbox.books.items("requests")]
        with self.store.read() as connection:
            found = broken(connection, self.platform, effects, seen, vault=self.store.vault, connector=self.connector)
        assert not found, "; ".join(found)

    def errand(self, **given: Any) -> Errand:
        """What a worker in a process of its own does."""
        ahead = (self.clock() - datetime.now(UTC)).total_seconds()
        return Errand(
            store_url=self.store_url,
            keys=self.keys.to_text(),
            platform_url="",
            replay_safe=False,
            build=self.build,
            environment=self.environment,
            ahead=ahead,
            **given,
        )


class RoadConformance:
    """Whether a connector with its sandbox keeps the promises of the gateway. Give ``build`` and ``sandbox_class``."""

    build: ClassVar[str]
    """``module:function`` of the connector, as in its entry point"""
    sandbox_class: ClassVar[Callable[..., Sandbox]]
    """class or function of the sandbox; gets ``sandbox_options``, ``clock`` and ``state``"""
    sandbox_options: ClassVar[Mapping[str, Any]] = {}
    settings: ClassVar[Mapping[str, str]] = {}
    """settings of the connector beside those of ``access``, without the prefix"""
    passed_over: ClassVar[Mapping[str, str]] = {}
    """fault of the sandbox that this road cannot meet -> why"""
    accepted_share: ClassVar[float] = 0.5
    """least part of the records that must be accepted although the platform misbehaves"""

    @pytest.fixture
    def road_url(self, tmp_path: Path) -> str:
        """URL of an empty, migrated store; override it to run on another database."""
        url = f"sqlite:///{tmp_path / 'road.db'}"
        engine = open_engine(url)
        migrate(engine)
        engine.dispose()
        return url

    @pytest.fixture
    def road(self, road_url: str, tmp_path: Path) -> Iterator[Road]:
        """The store, the connector and a running sandbox."""
        with self.open_road(road_url, tmp_path) as made:
            yield made

    @contextmanager
    def open_road(self, url: str, folder: Path) -> Iterator[Road]:
        """Open the road on a store; gone at the end."""
        clock = AheadClock()
        sandbox = type(self).sandbox_class(clock=clock, state=folder / "platform", **self.sandbox_options)
        module, _, function = self.build.partition(":")
        with running(sandbox) as base_url:
            access = sandbox.access(base_url)
            prefix = f"GATEWAY_{sandbox.platform.upper()}__"
            quick = {"DEADLINE_SECONDS": "1", "BREAKER_FAILURES": "0", "BREAKER_SHARE": "0"}
            given = {f"{prefix}{name}": value for name, value in {**quick, **self.settings}.items()}
            environment = {**access.environment, **given}
            connector = cast(Connector, getattr(import_module(module), function)(loader(environment)))
            keys = KeyRing.generate()
            store = Store(engine=open_engine(url), vault=Vault(keys))
            try:
                yield Road(
                    store=store,
                    store_url=url,
                    keys=keys,
                    connector=connector,
                    sandbox=sandbox,
                    build=self.build,
                    environment=environment,
                    clock=clock,
                )
            finally:
                store.close()

    def filed(self, road: Road, count: int) -> Sequence[Record]:
        """Persons with one certificate each, as the intake admits them; override where the platform asks for more."""
        made: list[Record] = []
        for _ in range(count):
            person = people.person_record(road.rng, employed=True)
            made += [person, people.certificate_record(road.rng, person)]
        return made

    def test_every_record_arrives_once_and_is_found_there(self, road: Road) -> None:
        """Without faults: all accepted, one effect each, and the reconciliation finds them as they were sent."""
        road.enqueue(*self.filed(road, 4))
        states = road.until_quiet()
        assert set(states) == {State.ACCEPTED}, states
        road.check()
        if isinstance(road.connector, ListsHoldings):
            report = road.reconciled()
            assert set(report.classes) <= {Difference.MATCH, Difference.LAG, Difference.NOT_OWED}, report.classes
            assert report.classes[Difference.MATCH]

    def test_a_correction_comes_after_what_it_corrects(self, road: Road) -> None:
        """A second version waits for the first, replaces it there, and is sent as a change."""
        first = list(self.filed(road, 2))
        road.enqueue(*first)
        road.until_quiet()
        wrong = (Submission(platform=road.platform, record=one) for one in first if one.kind is RecordKind.CERTIFICATE)
        road.enqueue(*(corpus.changed(one).record for one in wrong))
        road.until_quiet()
        road.check()
        assert road.states()[State.ACCEPTED] > 0

    def test_every_fault_of_the_sandbox_leaves_one_effect(self, road: Road) -> None:
        """Each fault meets a push of new records, twice in a row; then whatever is due goes on until nothing is."""
        for fault in road.sandbox.faults.known:
            if fault in self.passed_over:
                continue
            road.enqueue(*self.filed(road, 2))
            road.sandbox.faults.set(next_=[fault, fault])
            road.until_quiet()
            road.sandbox.faults.queue.clear()
            try:
                road.check()
            except AssertionError as error:
                raise AssertionError(f"after the fault {fault}: {error}") from None
        states = road.states()
        assert states[State.ACCEPTED] >= self.accepted_share * states.total(), states

    def test_killed_workers_and_two_at_once_leave_one_effect(self, road: Road) -> None:
        """At each point a worker of its own process is killed while this one works on the same store, and clears up."""
        killed = 0
        with Nursery(self.build.partition(":")[0]) as nursery, ThreadPoolExecutor(1) as pool:
            for point in CrashPoint:
                road.enqueue(*self.filed(road, 2))
                road.clock.forward(10)
                dying = pool.submit(nursery.run, road.errand(die_at=point))
                road.run(push, poll, resolve)
                end = dying.result()
                assert not end.error, f"at {point}: a worker ended by itself: {end.error}"
                killed += end.killed
        assert killed > len(CrashPoint) / 2, f"only {killed} workers reached the point where they were to be killed"
        states = road.until_quiet()
        assert set(states) == {State.ACCEPTED}, states
        road.check()
