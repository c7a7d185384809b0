"""A worker's use of its share of connections: lost at once, gained after the commit, given back at the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.delivery.seats import Seats
from gateway.delivery.store import platforms
from gateway.delivery.store.seats import Door
from gateway.delivery.store.tables import seat
from gateway.delivery.system import System
from gateway.domain.traffic import IN_FLIGHT
from gateway.store.engine import Store
from gateway.store.thread import StoreThread
from gateway.testing import people

DEADLINE = timedelta(seconds=10)


@dataclass
class Bay:
    """Doors of several workers to one platform with two connections, and a clock that waiting moves."""

    store: Store
    most: int = 2
    now: datetime = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
    rng: random.Random = field(default_factory=lambda: random.Random(1))

    @asynccontextmanager
    async def doors(self, *keys: str) -> AsyncIterator[list[Seats]]:
        async def sleep(seconds: float) -> None:
            self.now += timedelta(seconds=seconds)
            await asyncio.sleep(0)

        edge = System(
            now=lambda: self.now,
            new_id=lambda: people.ulid(self.rng),
            random_bytes=self.rng.randbytes,
            draw=self.rng.random,
            sleep=sleep,
        )
        with StoreThread(self.store) as thread:
            self.thread = thread
            yield [
                Seats(
                    Door(platform="model", key=key, most=self.most, lease=timedelta(minutes=1)), DEADLINE, thread, edge
                )
                for key in keys
            ]

    async def open(self, seats: Seats, message: str, number: int = 0) -> None:
        """Open one exchange, with the share that it needs."""
        seats.begin(message)
        seats.apply(await self.thread.write(seats.opening))
        seats.opened(message, number or int(message))

    async def close(self, seats: Seats, number: int) -> None:
        seats.end(number)
        seats.apply(await self.thread.write(seats.closing))

    def granted(self) -> dict[str, int]:
        with self.store.read() as c:
            return {row.door: row.granted for row in c.execute(select(seat).order_by(seat.c.id))}


@pytest.fixture
def bay(make_store: Callable[[str], Store], sqlite_url: str) -> Bay:
    store = make_store(sqlite_url)
    with store.write() as c:
        platforms.register(c, ["model"])
    return Bay(store)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_what_is_gained_may_be_used_only_after_the_commit(bay: Bay) -> None:
    async def work() -> None:
        async with bay.doors("a") as [a]:
            a.begin("1")
            counted = await bay.thread.write(a.opening)
            taking = asyncio.create_task(a.take())
            waited = [await asyncio.sleep(0, taking.done()) for _ in range(2)]
            assert waited == [False, False]
            a.apply(counted)
            assert await taking

    run(work())


def test_what_another_is_to_have_is_not_used_again(bay: Bay) -> None:
    async def work() -> None:
        async with bay.doors("a", "b") as [a, b]:
            for message in ("1", "2"):
                await bay.open(a, message)
                assert await a.take()
            assert bay.granted() == {"a": 2}
            assert not b.given
            await bay.open(b, "3")
            assert not b.given
            bay.now += timedelta(seconds=1)
            await bay.thread.write(a.opening)
            assert bay.granted() == {"a": 2, "b": 0}, "both are still on the wire"
            a.give()
            await bay.close(a, 1)
            assert bay.granted() == {"a": 1, "b": 0}
            assert await b.wait() is None
            assert await b.take()
            assert bay.granted() == {"a": 1, "b": 1}

    run(work())


def test_everything_is_given_back_with_the_last_exchange_and_taken_anew(bay: Bay) -> None:
    async def work() -> None:
        async with bay.doors("a") as [a]:
            for message in ("1", "2"):
                await bay.open(a, message)
            await bay.close(a, 1)
            assert bay.granted() == {"a": 2}
            await bay.close(a, 2)
            assert bay.granted() == {}
            await bay.open(a, "3")
            assert await a.take()
            assert bay.granted() == {"a": 1}

    run(work())


def test_a_share_whose_commit_failed_is_counted_again(bay: Bay) -> None:
    async def work() -> None:
        async with bay.doors("a") as [a]:
            a.begin("1")
            with bay.store.engine.connect() as c, c.begin() as transaction:
                assert a.opening(c) is not None
                transaction.rollback()
            assert bay.granted() == {}
            a.apply(await bay.thread.write(a.opening))
            assert bay.granted() == {"a": 1}

    run(work())


def test_who_finds_no_seat_says_so_after_a_while_and_waits_no_longer_in_the_store(bay: Bay) -> None:
    async def work() -> None:
        bay.most = 1
        async with bay.doors("a", "b") as [a, b]:
            await bay.open(a, "1")
            assert await a.take()
            await bay.open(b, "2")
            stop = await b.wait()
            assert stop is not None
            assert (stop.code, stop.text) == (IN_FLIGHT, "in_flight: all 1 connections are in use by other workers")
            assert bay.granted() == {"a": 1}

    run(work())


def test_a_seat_that_could_end_before_the_answer_comes_is_renewed_first(bay: Bay) -> None:
    async def work() -> None:
        async with bay.doors("a") as [a]:
            await bay.open(a, "1")
            bay.now += timedelta(seconds=55)
            assert await a.take()
            with bay.store.read() as c:
                assert c.execute(select(seat.c.until)).scalar_one() == bay.now + timedelta(minutes=1)

    run(work())
