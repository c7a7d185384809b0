"""Connectors at the example account of the vectors, and a sandbox behind a real socket."""

from __future__ import annotations

import asyncio
import json
import random
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import select

from connectors.worker_platform.adapter import WorkerPlatform, build
from connectors.worker_platform.sandbox import WorkerPlatformSandbox
from gateway.contract.messages import Payload, WireRequest, WireResponse
from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.reconcile import ReconcileReport, reconcile
from gateway.delivery.store import owing, platforms
from gateway.delivery.store.tables import delivery
from gateway.delivery.system import System
from gateway.domain.records import Placement, Record, RecordKind
from gateway.settings import loader
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.checker.invariants import broken, restless
from gateway.testing.clocks import AheadClock
from gateway.testing.serving import running
from gateway.transport.sender import Sender
from tests.support.faultproxy import FaultProxy, between

SECRET = "TestSecret-0123456789-ABCDEFGHIJ"
ACCOUNT = {"ENDPOINT": "http://127.0.0.1:1", "APPID": "000000300101010001", "APPSECRET": SECRET}

Build = Callable[..., WorkerPlatform]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Build:
    """Build a connector from keyword settings, for the sandbox dialect where none is named."""
    monkeypatch.chdir(tmp_path)

    def make(**given: str) -> WorkerPlatform:
        settings = {**ACCOUNT, "DIALECT": "sandbox", **given}
        return build(loader({f"GATEWAY_WORKER_PLATFORM__{k}": v for k, v in settings.items()}))

    return make


@pytest.fixture
def connector(built: Build) -> WorkerPlatform:
    return built()


@pytest.fixture
def payloads(connector: WorkerPlatform) -> tuple[Payload, ...]:
    """Three checked certificates."""
    made = people.submissions("worker_platform", RecordKind.CERTIFICATE, 3)
    checked = [connector.check(s, connector.map(s)) for s in made]
    good = tuple(c for c in checked if isinstance(c, Payload))
    assert len(good) == 3
    return good


@pytest.fixture
def answer() -> Callable[..., WireResponse]:
    """An answer in the platform's envelope."""

    def make(code: object = 0, message: object = "", data: object = None, **more: object) -> WireResponse:
        body = json.dumps({"code": code, "message": message, "data": data, **more}, ensure_ascii=False)
        return WireResponse(status=200, headers={"content-type": "application/json"}, body=body.encode())

    return make


@pytest.fixture
def serve() -> Iterator[Callable[[WorkerPlatformSandbox], str]]:
    """Serve a sandbox on a loopback port until the test ends; returns its base URL."""
    with ExitStack() as stack:
        yield lambda sandbox: stack.enter_context(running(sandbox))


@pytest.fixture
def send() -> Callable[[str, WireRequest], WireResponse]:
    """Carry a connector's request over HTTP."""

    def carry(base_url: str, request: WireRequest) -> WireResponse:
        url = base_url + request.path
        asked = urllib.request.Request(url, data=request.body, headers=dict(request.headers), method=request.method)
        try:
            with urllib.request.urlopen(asked, timeout=5) as reply:
                return WireResponse(
                    status=reply.status, headers={k.lower(): v for k, v in reply.headers.items()}, body=reply.read()
                )
        except urllib.error.HTTPError as error:
            with error:
                return WireResponse(
                    status=error.code, headers={k.lower(): v for k, v in error.headers.items()}, body=error.read()
                )

    return carry


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Any]:
    """Ask again until something comes, for at most five seconds."""

    def wait(ask: Callable[[], Any]) -> Any:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            if (found := ask()) is not None:
                return found
        raise AssertionError("nothing came in time")

    return wait


@dataclass(kw_only=True)
class World:
    """A store, the connector and the platform of one dialect, with a network between them that can fail."""

    store: Store
    connector: WorkerPlatform
    sandbox: WorkerPlatformSandbox
    direct: str
    proxy: FaultProxy
    clock: AheadClock
    place: Placement
    rng: random.Random = field(default_factory=lambda: random.Random(19))

    @asynccontextmanager
    async def exchanger(self) -> AsyncIterator[Exchanger]:
        rng = self.rng

        async def sleep(seconds: float) -> None:
            self.clock.forward(seconds)

        edge = System(
            now=self.clock, new_id=lambda: people.ulid(rng), random_bytes=rng.randbytes, draw=rng.random, sleep=sleep
        )
        with StoreThread(self.store) as thread:
            async with Sender(self.connector.endpoint) as sender:
                yield Exchanger(self.connector, sender, thread, edge)

    def filings(self, count: int, *, placed: bool = True) -> list[Record]:
        """Persons with one certificate each, as their filings name a project or none."""
        made: list[Record] = []
        for _ in range(count):
            person = people.person_record(self.rng, employed=True)
            pair = (person, people.certificate_record(self.rng, person))
            made += [people.placed(one, self.place) for one in pair] if placed else pair
        return made

    def enqueue(self, *versions: Record) -> None:
        with self.store.write() as c:
            platforms.register(c, [self.connector.info.platform])
            records.add(c, self.store.vault, versions, batch_id=None, now=self.clock())
            owing.owe(c, self.connector.info, self.clock())

    def run(self, *steps: Callable[[Exchanger], Any]) -> list[Any]:
        async def all_steps() -> list[Any]:
            async with self.exchanger() as exchanger:
                return [await step(exchanger) for step in steps]

        return asyncio.run(all_steps())

    def until_quiet(self, rounds: int = 200) -> None:
        for _ in range(rounds):
            self.run(push, poll, resolve)
            with self.store.read() as c:
                if not restless(c, self.connector.info.platform):
                    return
            self.clock.forward(30)
        raise AssertionError(self.states())

    def reconciled(self) -> ReconcileReport:
        (report,) = self.run(reconcile)
        assert isinstance(report, ReconcileReport)
        assert report.stopped is None
        return report

    def states(self) -> Counter[str]:
        with self.store.read() as c:
            return Counter(f"{kind} {state}" for kind, state in c.execute(select(delivery.c.kind, delivery.c.state)))

    def check(self, *canaries: str, judge_again: bool = True) -> None:
        """Every invariant between our ledger and the platform's own books."""
        effects, seen = self.books("effects"), self.books("requests")
        again: dict[str, Any] = {"vault": self.store.vault, "connector": self.connector} if judge_again else {}
        with self.store.read() as c:
            found = broken(c, self.connector.info.platform, effects, seen, canaries=canaries, **again)
        assert found == []

    def books(self, what: str) -> Any:
        with urllib.request.urlopen(f"{self.direct}/__sandbox/{what}") as answer:
            return json.load(answer)


@pytest.fixture
def world(
    make_store: Callable[[str], Store], sqlite_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., World]]:
    """Open a world in a dialect; settings by keyword."""
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:

        def make(dialect: str, **given: str) -> World:
            clock = AheadClock()
            sandbox = WorkerPlatformSandbox(dialect=dialect, seed=3, clock=clock)
            sandbox.delay_seconds = (0.0, 0.4)
            direct = stack.enter_context(running(sandbox))
            url, proxy = stack.enter_context(between(direct, seed=5))
            access = sandbox.access(url)
            more = {"BREAKER_FAILURES": "0", "BREAKER_SHARE": "0", **given}
            settings = dict(access.environment) | {f"GATEWAY_WORKER_PLATFORM__{k}": v for k, v in more.items()}
            at = access.details
            return World(
                store=make_store(sqlite_url),
                connector=build(loader(settings)),
                sandbox=sandbox,
                direct=direct,
                proxy=proxy,
                clock=clock,
                place=people.placement(
                    at["project_code"], at["corp_code"], at["corp_name"], at["team_sys_no"], at["team_name"]
                ),
            )

        yield make
