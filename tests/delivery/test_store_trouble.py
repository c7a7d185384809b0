"""A store that is full, locked, read-only or broken ends a run with a clear word, and the next one takes it up."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from gateway.bootstrap import Gateway
from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.store import owing, platforms
from gateway.delivery.store.tables import delivery
from gateway.delivery.system import CrashPoint, System
from gateway.domain.errors import StoreError
from gateway.domain.states import State
from gateway.settings import GatewaySettings
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.checker.invariants import broken
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.serving import running
from gateway.transport.sender import Sender

TROUBLES = {
    "full": "database or disk is full",
    "locked": "database is locked",
    "read-only": "attempt to write a readonly database",
}


@dataclass
class World:
    """A store on which a trouble can be laid in the middle of a run."""

    store: Store
    path: Path
    now: datetime = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
    trouble: str = ""
    rng: random.Random = field(default_factory=lambda: random.Random(3))

    def lay(self, connection: Any) -> None:
        """What the trouble does to every connection that is used from now on."""
        pages = connection.execute("PRAGMA page_count").fetchone()[0] if self.trouble == "full" else 2**30
        connection.execute(f"PRAGMA max_page_count={pages}")
        connection.execute(f"PRAGMA query_only={'ON' if self.trouble == 'read-only' else 'OFF'}")
        connection.execute(f"PRAGMA busy_timeout={20 if self.trouble else 30000}")

    @contextmanager
    def in_trouble(self, what: str, at: CrashPoint) -> Iterator[Callable[[CrashPoint], None]]:
        """From the first time that ``at`` is passed until the end of the block."""
        other = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)

        def reach(point: CrashPoint) -> None:
            if point is at and not self.trouble:
                self.trouble = what
                if what == "locked":
                    other.execute("BEGIN IMMEDIATE")

        try:
            yield reach
        finally:
            self.trouble = ""
            other.close()

    def run(self, model: Model, reach: Callable[[CrashPoint], None] = lambda _: None) -> None:
        async def all_steps() -> None:
            async def sleep(seconds: float) -> None:
                self.now += timedelta(seconds=seconds)

            edge = System(
                now=lambda: self.now,
                new_id=lambda: people.ulid(self.rng),
                random_bytes=self.rng.randbytes,
                draw=self.rng.random,
                sleep=sleep,
                reach=reach,
            )
            with StoreThread(self.store) as thread:
                async with Sender(model.endpoint) as sender:
                    for step in (push, poll, resolve):
                        await step(Exchanger(model, sender, thread, edge))

        asyncio.run(all_steps())

    def states(self) -> Counter[str]:
        with self.store.read() as c:
            return Counter(c.execute(select(delivery.c.state)).scalars())


@pytest.fixture
def world(make_store: Callable[[str], Store], sqlite_url: str) -> World:
    made = World(make_store(sqlite_url), Path(sqlite_url.removeprefix("sqlite:///")))
    event.listen(made.store.engine, "checkout", lambda connection, _record, _proxy: made.lay(connection))
    return made


def leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]


@pytest.mark.parametrize(
    ("what", "at"),
    [
        ("full", CrashPoint.AFTER_OPEN),
        ("full", CrashPoint.AFTER_SEND),
        ("locked", CrashPoint.AFTER_CLAIM),
        ("locked", CrashPoint.AFTER_SEND),
        ("read-only", CrashPoint.AFTER_OWE),
        ("read-only", CrashPoint.AFTER_OPEN),
    ],
)
def test_the_run_ends_with_a_store_error_and_the_next_brings_everything_to_its_end(
    world: World, what: str, at: CrashPoint
) -> None:
    sandbox = ModelSandbox(clock=lambda: world.now)
    with running(sandbox) as url:
        model = Model(base_url=url, batch_max=2, connections=2)
        persons = [people.person_record(world.rng) for _ in range(12)]
        with world.store.write() as c:
            platforms.register(c, ["model"])
            records.add(c, world.store.vault, persons, batch_id=None, now=world.now)
            owing.owe(c, model.info, world.now)
        with world.in_trouble(what, at) as reach, pytest.raises(BaseException) as caught:  # noqa: PT011 - judged below
            world.run(model, reach)
        errors = leaves(caught.value)
        assert {type(one) for one in errors} == {StoreError}
        assert errors
        assert all(str(one).startswith(f"the store cannot do this now: {TROUBLES[what]}") for one in errors)
        for _ in range(6):
            world.now += timedelta(minutes=10)  # the leases of the run that was cut off end
            world.run(model)
        assert world.states() == {State.ACCEPTED: 12}
        seen = [value for _, value in sandbox.books.items("requests")]
        with world.store.read() as c:
            assert broken(c, "model", sandbox.effects(), seen, vault=world.store.vault, connector=model) == []


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        ([StoreError("full"), StoreError("full")], StoreError),
        ([ExceptionGroup("inner", [StoreError("full")])], StoreError),
        ([StoreError("full"), KeyError("a bug")], ExceptionGroup),
    ],
)
def test_an_operator_hears_of_a_store_that_failed_once_and_of_a_bug_in_full(
    world: World, raised: list[Exception], kind: type[Exception]
) -> None:
    model = Model(base_url="http://127.0.0.1:1")
    gateway = Gateway(settings=GatewaySettings(), store=world.store, _connectors={"model": model})

    async def fail() -> None:
        async with gateway.exchanger("model"):
            raise ExceptionGroup("tasks", raised)

    with pytest.raises(kind):
        asyncio.run(fail())


def test_a_file_that_is_no_database_any_more_is_a_store_error(world: World) -> None:
    world.store.close()
    world.path.write_bytes(b"x" * 20_000)
    with pytest.raises(StoreError, match="not a database"), world.store.read() as c:
        c.execute(select(delivery.c.id)).all()
