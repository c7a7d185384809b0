"""Certificates, changes of status and withdrawals through the ledger to the simulated platform, on both stores."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from connectors.provincial_credit.adapter import ProvincialCredit, build
from connectors.provincial_credit.sandbox import ProvincialCreditSandbox
from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.reconcile import reconcile
from gateway.delivery.store import owing, platforms
from gateway.delivery.store.tables import delivery
from gateway.delivery.system import System
from gateway.domain.records import Certificate, ChangeNature, Record, RecordKind, StatusChange, Withdrawal
from gateway.domain.states import State
from gateway.settings import loader
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.serving import running
from gateway.transport.sender import Sender

PLATFORM = "provincial_credit"


@dataclass
class Road:
    """A store, the connector and a sandbox behind a socket, under one clock that waiting moves."""

    store: Store
    connector: ProvincialCredit
    sandbox: ProvincialCreditSandbox
    rng: Random
    now: list[datetime]

    def enqueue(self, *versions: Record) -> None:
        with self.store.write() as c:
            platforms.register(c, [PLATFORM])
            records.add(c, self.store.vault, versions, batch_id=None, now=self.now[0])
            owing.owe(c, self.connector.info, self.now[0])

    def run(self, *steps: Callable[[Exchanger], Any]) -> list[Any]:
        async def sleep(seconds: float) -> None:
            self.now[0] += timedelta(seconds=seconds)

        async def all_steps() -> list[Any]:
            edge = System(
                now=lambda: self.now[0],
                new_id=lambda: people.ulid(self.rng),
                random_bytes=self.rng.randbytes,
                draw=self.rng.random,
                sleep=sleep,
            )
            with StoreThread(self.store) as thread:
                async with Sender(self.connector.endpoint) as sender:
                    exchanger = Exchanger(self.connector, sender, thread, edge)
                    return [await step(exchanger) for step in steps]

        return asyncio.run(all_steps())

    def until_quiet(self) -> Counter[str]:
        for _ in range(30):
            self.run(push, poll, resolve)
            with self.store.read() as c:
                states = Counter(c.execute(select(delivery.c.state)).scalars())
            if not set(states) - {State.ACCEPTED, State.REJECTED, State.SUPERSEDED, State.PARKED}:
                return states
            self.now[0] += timedelta(seconds=5)
        raise AssertionError(states)

    def reconciled(self) -> dict[str, int]:
        (report,) = self.run(reconcile)
        assert report.stopped is None
        return dict(report.classes)


@contextmanager
def _road(store: Store, **given: str) -> Iterator[Road]:
    now = [datetime(2019, 4, 2, 1, 30, tzinfo=UTC)]
    sandbox = ProvincialCreditSandbox(seed=5, clock=lambda: now[0])
    with running(sandbox) as address:
        environment = {**sandbox.access(address).environment, **given}
        connector = build(loader(environment))
        yield Road(store=store, connector=connector, sandbox=sandbox, rng=Random(8), now=now)


def _lives(count: int) -> list[list[Record]]:
    """Records with what happens to them: taken back, suspended, amended, or left alone; one after another."""
    made = []
    for number, submission in enumerate(people.submissions(PLATFORM, RecordKind.CERTIFICATE, count)):
        first = submission.record
        assert isinstance(first.content, Certificate)
        later = [_withdrawn(first), _suspended(first), _amended(first), None][number % 4]
        made.append([first] if later is None else [first, later])
    return made


def _withdrawn(first: Record) -> Record:
    assert isinstance(first.content, Certificate)
    content = Withdrawal(
        withdrawn_kind=RecordKind.CERTIFICATE,
        withdrawn_key=first.key,
        content=first.content,
        reason="误推送",
        withdrawn_version=1,
    )
    return replace(first, kind=RecordKind.WITHDRAWAL, version=2, content=content, change=ChangeNature.CORRECTION)


def _suspended(first: Record) -> Record:
    assert isinstance(first.content, Certificate)
    content = StatusChange(
        certificate_key=first.key,
        certificate=first.content,
        new_status="02",
        operate_type="03",
        reason="暂扣",
        effective_date=date(2019, 4, 2),
        certificate_version=1,
    )
    return replace(first, kind=RecordKind.STATUS_CHANGE, version=2, content=content, change_reason="暂扣")


def _amended(first: Record) -> Record:
    assert isinstance(first.content, Certificate)
    content = replace(first.content, issuer_name="山东省住房和城乡建设厅")
    return replace(first, version=2, content=content, change=ChangeNature.CORRECTION, change_reason="发证机关有误")


@pytest.mark.parametrize("push_by", ["batch", "item"])
def test_what_happens_to_a_certificate_reaches_the_platform_in_order(store: Store, push_by: str) -> None:
    with _road(store, GATEWAY_PROVINCIAL_CREDIT__PUSH_BY=push_by) as road:
        lives = _lives(8)
        road.enqueue(*(life[0] for life in lives))
        assert road.until_quiet() == {State.ACCEPTED: 8}
        road.enqueue(*(later for life in lives for later in life[1:]))
        assert road.until_quiet() == {State.ACCEPTED: 14}
        held = dict(road.sandbox.books.items("certificates"))
        for number, life in enumerate(lives):
            found = held[life[0].key]
            assert found["version"] == len(life)
            assert found["void"] is (number % 4 == 0)
            assert found["item"]["certificate"]["certificationStatus"] == ("02" if number % 4 == 1 else "01")
        counts = road.sandbox.effects()["counts"]
        assert (counts["certificates"], counts["duplicates"]) == (8, 0)
        assert set(road.reconciled()) == {"match"}


def test_everything_at_once_under_rough_faults_ends_with_one_effect_each(store: Store) -> None:
    with _road(store) as road:
        lives = _lives(8)
        road.sandbox.faults.set(rates={"busy": 0.1, "duplicate": 0.1, "empty": 0.05, "gateway_error": 0.1})
        road.enqueue(*(record for life in lives for record in life))
        states = road.until_quiet()
        assert set(states) <= {State.ACCEPTED, State.SUPERSEDED}
        writes = [effect["versions"] for effect in road.sandbox.effects()["holdings"].values()]
        assert all(len(set(versions)) == len(versions) for versions in writes), "no version twice"
        road.sandbox.faults.set(rates={})
        assert set(road.reconciled()) == {"match"}
