"""Pushes whose answer is cut off after the platform took them, half of them applied only after the first question.

The platform knows a message again by its key, so it is sent once more and answered as the first time; every certificate
arrives once, and no person is needed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import select
from starlette.requests import Request

from connectors.provincial_credit.adapter import build
from connectors.provincial_credit.sandbox import ProvincialCreditSandbox
from connectors.provincial_credit.sandbox.registry import Registry
from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.reconcile import reconcile
from gateway.delivery.store import owing, platforms
from gateway.delivery.store.tables import delivery
from gateway.delivery.system import System
from gateway.domain.records import RecordKind
from gateway.domain.states import State
from gateway.settings import loader
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.serving import running
from gateway.transport.sender import Sender

PLATFORM = "provincial_credit"
NEVER = 1e12


class LateRegistry(Registry):
    """Works every second batch off only after its result was asked for once."""

    def take_batch(self, batch: dict[str, Any], now: datetime) -> dict[str, Any]:
        taken = super().take_batch(batch, now)
        if self.books.counter("batches") % 2:
            self.books.put("pending", taken["requestSerialCode"], NEVER)
        return taken

    def batch_result(self, serial: str) -> dict[str, Any]:
        if self.books.get("pending", serial) == NEVER:
            self.books.put("pending", serial, 0)
            self.books.bump("asked_too_early")
        return super().batch_result(serial)


class CuttingSandbox(ProvincialCreditSandbox):
    """Carries out every message and cuts its first answer off."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        late = LateRegistry(books=self.books, sealing=self.registry.sealing, rng=self.registry.rng)
        self.registry = self.office.registry = self.handlers.registry = late
        self.faults.set(next_=(), rates={"truncated": 1.0})
        self.messages: Counter[str] = Counter()

    def is_exempt(self, request: Request) -> bool:
        if request.method != "POST" or not request.url.path.endswith("/skill-certificate-batches"):
            return True
        message = request.headers["idempotency-key"]
        self.messages[message] += 1
        return self.messages[message] > 1


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.soak)])
def test_a_push_cut_off_arrives_once_however_late(
    store_url: str, make_store: Callable[[str], Store], count: int
) -> None:
    store, rng, now = make_store(store_url), Random(4), [datetime(2019, 4, 2, 1, 30, tzinfo=UTC)]
    sandbox = CuttingSandbox(seed=5, clock=lambda: now[0])
    made = [submission.record for submission in people.submissions(PLATFORM, RecordKind.CERTIFICATE, count)]

    async def sleep(seconds: float) -> None:
        now[0] += timedelta(seconds=seconds)

    async def until_quiet(connector: Any) -> Any:
        edge = System(
            now=lambda: now[0],
            new_id=lambda: people.ulid(rng),
            random_bytes=rng.randbytes,
            draw=rng.random,
            sleep=sleep,
        )
        with StoreThread(store) as thread:
            async with Sender(connector.endpoint) as sender:
                exchanger = Exchanger(connector, sender, thread, edge)
                for _ in range(60):
                    for step in (push, poll, resolve):
                        await step(exchanger)  # type: ignore[operator]
                    with store.read() as c:
                        states = Counter(c.execute(select(delivery.c.state)).scalars())
                    if set(states) <= {State.ACCEPTED, State.REJECTED, State.PARKED}:
                        return states, await reconcile(exchanger)
                    now[0] += timedelta(seconds=1)
        raise AssertionError(states)

    with running(sandbox) as address:
        given = {"BATCH_MAX": "1", "BREAKER_FAILURES": "0", "BREAKER_SHARE": "0"}
        environment = {
            **sandbox.access(address).environment,
            **{f"GATEWAY_PROVINCIAL_CREDIT__{name}": value for name, value in given.items()},
        }
        connector = build(loader(environment))
        with store.write() as c:
            platforms.register(c, [PLATFORM])
            owing.lock_records(c)
            records.add(c, store.vault, made, batch_id=None, now=now[0])
            owing.owe(c, connector.info, now[0])
        states, report = asyncio.run(until_quiet(connector))
        counts = {name: sandbox.books.counter(name) for name in ("batches", "asked_too_early", "duplicates")}
        written = sandbox.effects()["counts"]["certificates"]
    assert states == {State.ACCEPTED: count}
    assert counts == {"batches": count, "asked_too_early": count // 2, "duplicates": 0}
    assert (written, set(sandbox.messages.values())) == (count, {2})
    assert (report.stopped, report.classes) == (None, {"match": count})
