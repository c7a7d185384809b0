"""Between the event loop and the store: one commit for many, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import insert, select

from gateway.delivery.store.tables import platform
from gateway.store.engine import Connection, Store
from gateway.store.thread import GroupCommit, StoreThread


class Desk:
    """Work that writes one row for each item, notes what was committed together, and fails for some."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.threads: set[str] = set()
        self.free = threading.Event()
        self.free.set()

    def __call__(self, connection: Connection, items: Sequence[str]) -> Sequence[str]:
        self.free.wait(10)
        self.threads.add(threading.current_thread().name)
        self.groups.append(list(items))
        for item in items:
            connection.execute(insert(platform), {"name": item})
        if "crash" in items:
            raise RuntimeError("the store is full")
        return [item.upper() for item in items if item != "lost"]


def rows(store: Store) -> set[str]:
    with store.read() as c:
        return set(c.execute(select(platform.c.name)).scalars())


def run(store: Store, scenario: Callable[[GroupCommit[str, str]], Awaitable[Any]], desk: Desk) -> Any:
    async def within() -> Any:
        with StoreThread(store) as thread:
            async with asyncio.timeout(10):
                return await scenario(GroupCommit(thread, desk))

    return asyncio.run(within())


def test_what_arrives_during_a_commit_goes_into_the_next_one(store: Store) -> None:
    desk = Desk()

    async def scenario(commit: GroupCommit[str, str]) -> list[str]:
        desk.free.clear()
        first = asyncio.create_task(commit("a"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        others = [asyncio.create_task(commit(name)) for name in "bcd"]
        await asyncio.sleep(0)
        desk.free.set()
        return list(await asyncio.gather(first, *others))

    assert run(store, scenario, desk) == ["A", "B", "C", "D"]
    assert desk.groups == [["a"], ["b", "c", "d"]]
    assert rows(store) == set("abcd")
    assert len(desk.threads) == 1
    assert desk.threads != {threading.current_thread().name}


@pytest.mark.parametrize("patience", [1, 1_000_000])
def test_a_commit_that_nobody_waits_for_lets_more_come_for_a_while(store: Store, patience: int) -> None:
    desk, left = Desk(), iter(range(patience))

    async def within() -> list[str]:
        with StoreThread(store) as thread:
            commit = GroupCommit(thread, desk, may_wait=lambda: next(left, None) is not None)
            first = commit.hand_in("a")
            await asyncio.sleep(0)
            return list(await asyncio.gather(first, commit.hand_in("b")))

    assert asyncio.run(within()) == ["A", "B"]
    assert desk.groups == [["a", "b"]]


def test_a_caller_returns_only_after_its_item_is_durable(store: Store) -> None:
    seen: list[bool] = []

    async def scenario(commit: GroupCommit[str, str]) -> None:
        async def one(name: str) -> None:
            await commit(name)
            seen.append(name in rows(store))

        await asyncio.gather(*(one(name) for name in "abcdef"))

    run(store, scenario, Desk())
    assert seen == [True] * 6


def test_a_failed_commit_reaches_everybody_in_it_and_later_ones_still_work(store: Store) -> None:
    desk = Desk()

    async def scenario(commit: GroupCommit[str, str]) -> tuple[list[Any], str]:
        together = await asyncio.gather(*(commit(n) for n in ("a", "crash", "b")), return_exceptions=True)
        return together, await commit("later")

    together, later = run(store, scenario, desk)
    assert [str(one) for one in together] == ["the store is full"] * 3
    assert later == "LATER"
    assert rows(store) == {"later"}, "nothing of the failed commit stays"


def test_work_that_loses_a_result_is_an_error_for_its_callers_and_not_a_wait_for_ever(store: Store) -> None:
    async def scenario(commit: GroupCommit[str, str]) -> tuple[list[Any], str]:
        together = await asyncio.gather(*(commit(n) for n in ("a", "lost", "b")), return_exceptions=True)
        return together, await commit("later")

    together, later = run(store, scenario, Desk())
    assert [str(one) for one in together] == ["the store gave 2 results for 3 pieces of work"] * 3
    assert later == "LATER"
    assert rows(store) == {"later"}


def test_a_caller_that_gives_up_does_not_disturb_the_others(store: Store) -> None:
    desk = Desk()

    async def scenario(commit: GroupCommit[str, str]) -> list[str]:
        desk.free.clear()
        tasks = [asyncio.create_task(commit(name)) for name in "abc"]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        desk.free.set()
        return [await tasks[0], await tasks[2]]

    assert run(store, scenario, desk) == ["A", "C"]
    assert rows(store) == set("abc"), "what was handed in is written even if nobody waits"


def test_reading_and_running_give_back_what_the_work_gives(store: Store) -> None:
    def names(connection: Connection, prefix: str) -> list[str]:
        found = select(platform.c.name).where(platform.c.name.startswith(prefix)).order_by(platform.c.name)
        return list(connection.execute(found).scalars())

    def add(connection: Connection, *names: str) -> int:
        connection.execute(insert(platform), [{"name": name} for name in names])
        return len(names)

    async def scenario() -> tuple[int, list[str], int]:
        with StoreThread(store) as thread:
            return (
                await thread.write(add, "x1", "x2", "y1"),
                await thread.read(names, prefix="x"),
                await thread.run(lambda: len(rows(store))),
            )

    assert asyncio.run(scenario()) == (3, ["x1", "x2"], 3)


def test_an_error_in_a_write_leaves_nothing_and_comes_back_to_the_caller(store: Store) -> None:
    def fail(connection: Connection) -> None:
        connection.execute(insert(platform), {"name": "half"})
        raise RuntimeError("crash")

    async def scenario() -> None:
        with StoreThread(store) as thread:
            await thread.write(fail)

    with pytest.raises(RuntimeError, match="crash"):
        asyncio.run(scenario())
    assert rows(store) == set()
