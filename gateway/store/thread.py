"""The store is synchronous, the services that wait for platforms are not: one thread stands between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, Generic, ParamSpec, Self, TypeVar

from sqlalchemy import Connection

from gateway.domain.errors import StoreError
from gateway.locale import tr
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

    ``work`` gets the items in the order they were handed in and gives one result for each. A caller returns only after
    its item is durable.

    may_wait: whether nobody is kept from working by a commit that begins a little later, so that more goes into it
    """

    def __init__(
        self,
        thread: StoreThread,
        work: Callable[[Connection, Sequence[Item]], Sequence[Result]],
        *,
        may_wait: Callable[[], bool] = lambda: False,
    ) -> None:
        self._thread = thread
        self._work = work
        self._may_wait = may_wait
        self._pile: list[tuple[Item, asyncio.Future[Result]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        """Hand in one item and wait for its commit."""
        return await self.hand_in(item)

    def hand_in(self, item: Item) -> asyncio.Future[Result]:
        """Have an item in the next commit, or in the one after that if it has begun."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._pile.append((item, future))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        return future

    async def _flush(self) -> None:
        while self._pile:
            for _ in range(_MOMENTS):
                if not self._may_wait():
                    break
                await asyncio.sleep(_MOMENT)
            taken, self._pile = self._pile, []
            futures = [future for _, future in taken]
            try:
                results = await self._thread.write(self._commit, [item for item, _ in taken])
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

    def _commit(self, connection: Connection, items: Sequence[Item]) -> Sequence[Result]:
        results = self._work(connection, items)
        if len(results) != len(items):
            raise StoreError(
                tr("the store gave {count} results for {pieces} pieces of work", count=len(results), pieces=len(items))
            )
        return results
