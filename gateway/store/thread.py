"""The store is synchronous, the services that wait for platforms are not: one thread stands between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from sqlalchemy import Connection

from gateway.domain.errors import StoreError
from gateway.store.engine import Collision, Store

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")
Result = TypeVar("Result")


_COLLISIONS = 3
"""how often a transaction is run again before a collision is an error"""


_MOMENTS, _MOMENT = 10, 0.002
"""how often, and for how many seconds each, a commit lets more come where nobody waits for it"""


class StoreThread:
    """Runs store work off the event loop, one piece after another."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="store")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work that opens its own transactions."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*args, **kwargs))

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``work(connection, …)`` in one transaction of its own; returns after the commit.

        After a collision with another worker it is run again: what it did was rolled back whole.
        """

        def run() -> T:
            for _ in range(_COLLISIONS):
                try:
                    with self.store.write() as connection:
                        return work(connection, *args, **kwargs)
                except Collision:
                    continue
            with self.store.write() as connection:
                return work(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._pool, run)

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``work(connection, …)`` on a snapshot."""

        def run() -> T:
            with self.store.read() as connection:
                return work(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._pool, run)


class GroupCommit(Generic[Item, Result]):
    """Many small pieces of work, one commit: whatever arrived while the last commit ran goes into the next one.

    ``work`` gets the items and gives one result for each. A caller returns only after its item is durable. One that
    comes ``behind`` another shares its commits, and is worked on after it.

    may_wait: whether nobody is kept from working by a commit that begins a little later, so that more goes into it
    """

    def __init__(
        self,
        thread: StoreThread,
        work: Callable[[Connection, Sequence[Item]], Sequence[Result]],
        *,
        behind: GroupCommit[Any, Any] | None = None,
        may_wait: Callable[[], bool] = lambda: False,
    ) -> None:
        self._work = work
        self._desk: _Desk = _Desk(thread, may_wait) if behind is None else behind._desk
        self._place = self._desk.place(self._work_on)

    async def __call__(self, item: Item) -> Result:
        """Hand in one item and wait for its commit."""
        return await self.hand_in(item)

    def hand_in(self, item: Item) -> asyncio.Future[Result]:
        """Have an item in the next commit, or in the one after that if it has begun."""
        return self._desk.hand_in(self._place, item)

    def _work_on(self, connection: Connection, items: Sequence[Item]) -> Sequence[Result]:
        results = self._work(connection, items)
        if len(results) != len(items):
            raise StoreError(f"the store gave {len(results)} results for {len(items)} pieces of work")
        return results


class _Desk:
    """Where items wait for the next commit, in one pile for each kind of work."""

    def __init__(self, thread: StoreThread, may_wait: Callable[[], bool]) -> None:
        self._thread = thread
        self._may_wait = may_wait
        self._works: list[Callable[[Connection, Sequence[Any]], Sequence[Any]]] = []
        self._piles: list[list[tuple[Any, asyncio.Future[Any]]]] = []
        self._flushing: asyncio.Task[None] | None = None

    def place(self, work: Callable[[Connection, Sequence[Any]], Sequence[Any]]) -> int:
        """Room for one more kind of work."""
        self._works.append(work)
        self._piles.append([])
        return len(self._works) - 1

    def hand_in(self, place: int, item: Any) -> asyncio.Future[Any]:
        """Put an item on its pile."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._piles[place].append((item, future))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        return future

    async def _flush(self) -> None:
        while any(self._piles):
            for _ in range(_MOMENTS):
                if not self._may_wait():
                    break
                await asyncio.sleep(_MOMENT)
            taken, self._piles = self._piles, [[] for _ in self._works]
            futures = [future for pile in taken for _, future in pile]
            try:
                results = await self._thread.write(self._commit, [[item for item, _ in pile] for pile in taken])
            except BaseException as error:
                for future in futures:
                    if not future.done():
                        future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
                if not isinstance(error, Exception):
                    raise
                continue
            for future, result in zip(futures, results, strict=True):
                if not future.done():
                    future.set_result(result)

    def _commit(self, connection: Connection, piles: Sequence[Sequence[Any]]) -> list[Any]:
        results: list[Any] = []
        for work, items in zip(self._works, piles, strict=True):
            results += work(connection, items) if items else ()
        return results
