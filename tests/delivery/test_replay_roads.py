"""Replays travel through the same door as everything else, and both books agree afterwards; also after a purge."""

from __future__ import annotations

import asyncio
import json
import random
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.contract.messages import Draft
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.store import owing, platforms, replays
from gateway.delivery.store.tables import delivery
from gateway.delivery.store.views import DeliveryFilter
from gateway.delivery.system import System
from gateway.domain.records import Submission
from gateway.operations import evidence
from gateway.operations.retention import retain
from gateway.settings import RetentionSettings, load
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.checker.invariants import broken
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.serving import running
from gateway.transport.sender import Sender


class Faulty(Model):
    """A mapping with a fault: every name gets a digit, which the check refuses."""

    def map(self, submission: Submission, /) -> Draft:
        draft = super().map(submission)
        return Draft(
            kind=draft.kind,
            record_key=draft.record_key,
            version=draft.version,
            fields={**draft.fields, "name": f"{draft.fields['name']}1"},
        )


@dataclass
class World:
    store: Store
    sandbox: ModelSandbox
    url: str
    now: datetime = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
    rng: random.Random = field(default_factory=lambda: random.Random(4))

    def push(self, connector: type[Model] = Model) -> None:
        model = connector(base_url=self.url, batch_max=2)

        async def sleep(seconds: float) -> None:
            self.now += timedelta(seconds=seconds)

        def new_id() -> str:
            return people.ulid(self.rng)

        edge = System(
            now=lambda: self.now, new_id=new_id, random_bytes=self.rng.randbytes, draw=self.rng.random, sleep=sleep
        )

        async def once() -> None:
            with StoreThread(self.store) as thread:
                async with Sender(model.endpoint) as sender:
                    await push(Exchanger(model, sender, thread, edge))

        asyncio.run(once())

    def replay(self, **wanted: Any) -> Counter[str]:
        with self.store.write() as c:
            plan = replays.plan(c, DeliveryFilter(**wanted), reason="mended", by="op", now=self.now)
        assert plan is not None
        went = Counter[str]()
        while True:
            with self.store.write() as c:
                part = replays.run(c, plan.id, by="op", now=self.now)
            if part is None:
                return went
            went += part

    def states(self) -> Counter[str]:
        with self.store.read() as c:
            return Counter(c.execute(select(delivery.c.state)).scalars())

    def broken(self) -> list[str]:
        books = {}
        for what in ("effects", "requests"):
            with urllib.request.urlopen(f"{self.url}/__sandbox/{what}") as answer:
                books[what] = json.load(answer)
        model = Model(base_url=self.url)
        with self.store.read() as c:
            return broken(c, "model", books["effects"], books["requests"], vault=self.store.vault, connector=model)


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    """Eight persons owed to a platform that registers whatever it gets."""
    sandbox = ModelSandbox(seed=1)
    with running(sandbox) as url:
        one = World(store, sandbox, url)
        with store.write() as c:
            platforms.register(c, ["model"])
            persons = [people.person_record(one.rng) for _ in range(8)]
            records.add(c, store.vault, persons, batch_id=None, now=one.now)
            owing.owe(c, Model(base_url=url).info, one.now)
        yield one


def test_what_was_refused_by_our_own_fault_goes_once_the_mapping_is_mended(world: World) -> None:
    world.push(Faulty)
    assert world.states() == {"rejected": 8}
    assert world.replay(code="check") == {"done": 8}
    world.push()
    assert world.states() == {"accepted": 8}
    assert world.broken() == []


def test_what_the_platform_refused_or_nobody_understood_goes_again_and_has_one_effect(world: World) -> None:
    world.sandbox.faults.set(next_=["refuse", "strange"])
    world.push()
    assert world.states() == {"accepted": 4, "rejected": 2, "parked": 2}
    assert world.broken() == []
    assert world.replay() == {"done": 4}
    world.sandbox.faults.set(next_=["refuse"])
    world.push()
    assert world.states() == {"accepted": 6, "rejected": 2}
    assert world.broken() == []
    assert world.replay() == {"done": 2}
    world.push()
    assert world.states() == {"accepted": 8}
    assert world.broken() == []


def test_the_books_still_agree_when_the_bytes_have_had_their_time(world: World) -> None:
    world.push()
    evidence.seal(world.store, world.now, None)
    later = world.now + timedelta(days=3000)
    days = load(RetentionSettings).model_dump()
    assert retain(world.store, days, later, by="op").rows["exchanges"] == 4
    evidence.seal(world.store, later, None)
    assert world.broken() == []
    assert evidence.verify(world.store, None, every_byte=True).faults == []
