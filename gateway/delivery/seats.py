"""A worker's share of a platform's connections. Kept in the store, for all workers; used here, request by request.

The share is counted in transactions that are written anyway. What it loses it loses at once, what it gains only when
the commit is durable, so that a commit that fails can never leave more seats in use than the store has given.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from gateway.delivery.store import seats
from gateway.delivery.store.platforms import Opened
from gateway.delivery.store.seats import Door
from gateway.delivery.system import System
from gateway.domain.traffic import IN_FLIGHT, Stop
from gateway.locale import tr
from gateway.store.engine import Connection
from gateway.store.thread import StoreThread

_AGAIN = timedelta(seconds=1)
"""how long a share is used before it is counted anew, so that others get theirs"""
_TURN = timedelta(seconds=2)
"""how long a seat may be kept while others wait for one and there are fewer seats than workers"""
_POLLS, _POLL = 25, 0.2
"""how often, and after how many seconds, one that has no seat asks for one; then its run ends, and what it would have
sent waits for the next"""


@dataclass(frozen=True, slots=True)
class Counted:
    """A share as it was counted in one transaction; good once that is durable, unless it was counted again since."""

    number: int
    seats: int
    until: datetime
    left: bool = False


Noted = Counted | None
"""what a transaction found out about a share; None where the share at hand is good"""


class Seats:
    """One door's share. Counting runs in the store's thread, everything else on the event loop.

    deadline: of one exchange; a seat that would be lost before is not used
    """

    def __init__(self, door: Door, deadline: timedelta, thread: StoreThread, edge: System) -> None:
        self._door, self._deadline, self._thread, self._edge = door, deadline, thread, edge
        self._lock = threading.Lock()
        self._usable = self._used = self._kept = 0
        """how many may be on the wire, how many are, and how many the store counts as ours"""
        self._until = self._again = self._since = edge.now()
        self._last_use = self._until - deadline
        """when a seat is taken last: an exchange may last its whole deadline"""
        self._short = self._asked = False
        self._number = self._durable = self.given = 0
        """counts that were made, the last that is known to be durable, and how many seats the last one gave"""
        self._busy: set[str] = set()
        """messages between the first and the last commit of their exchange"""
        self._carrying: dict[int, str] = {}
        """open exchange -> its message"""
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._queue = asyncio.Lock()

    @cached_property
    def full(self) -> Stop:
        """What stands in the way where there is no seat."""
        reason = tr("all {count} connections are in use by other workers", count=self._door.most)
        return Stop(code=IN_FLIGHT, reason=reason, until=None)

    # on the event loop

    def begin(self, message_id: str) -> None:
        """An exchange is to be opened."""
        self._busy.add(message_id)

    def opened(self, message_id: str, exchange_id: int) -> None:
        """It was opened; 0 where it was not."""
        if exchange_id:
            self._carrying[exchange_id] = message_id
        else:
            self._busy.discard(message_id)

    def end(self, exchange_id: int) -> None:
        """An exchange is about to be closed."""
        self._busy.discard(self._carrying.pop(exchange_id, ""))

    def apply(self, counted: Noted) -> None:
        """Use a share whose transaction is durable."""
        if counted is None:
            return
        self._durable = max(self._durable, counted.number)
        if counted.number == self._number:
            self._usable, self._asked = counted.seats, not counted.left
            self._until, self._last_use = counted.until, counted.until - self._deadline
            self._wake()

    async def take(self) -> bool:
        """Wait for a seat and take it; False where none was to be had in time."""
        while True:
            with self._lock:
                if self._used < self._usable and self._edge.now() <= self._last_use:
                    self._used += 1
                    return True
            if self._usable and self._edge.now() <= self._last_use:
                waiter = asyncio.get_running_loop().create_future()
                self._waiting.append(waiter)
                await waiter
            elif await self.wait() is not None:
                return False

    def ahead(self) -> bool:
        """Whether enough messages that are written down wait for a seat to keep all seats busy for a while."""
        return len(self._waiting) > self._door.most // 2

    def give(self) -> None:
        """Give a seat back to whoever is next."""
        self._used -= 1
        self._wake()

    async def wait(self) -> Stop | None:
        """Ask the store until there is a seat; a Stop where there is none within a short time."""
        async with self._queue:
            for _ in range(_POLLS):
                if self._usable and self._edge.now() <= self._last_use:
                    return None
                self.apply(await self._thread.write(self._count))
                if self._usable:
                    return None
                await self._edge.sleep(_POLL)
            if not self._kept:
                await self._thread.write(seats.leave, self._door)
            self._wake()
        return self.full

    async def leave(self) -> None:
        """Give everything back, at the end of a run that did not end well."""
        if self._asked:
            await self._thread.write(seats.leave, self._door)
            self._asked = False

    def _wake(self) -> None:
        """Let go as many as there are seats; all of them where there is none, so that they ask for one."""
        free = len(self._waiting) if not self._usable else self._usable - self._used
        while self._waiting and free > 0:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                free -= 1

    # in the store's thread, inside a transaction

    def opening(self, connection: Connection) -> Noted:
        """Have a share where exchanges are to be opened; None where the one at hand is good."""
        if self._edge.now() >= self._again or self._number != self._durable or self._kept == 0:
            return self._count(connection)
        more = not self._short and self._kept < min(self._door.most, len(self._busy))
        return self._count(connection) if more else None

    def refused(self, connection: Connection, opened: Iterable[tuple[str, Opened | Stop]]) -> Noted:
        """Message ids with what became of them: where none of them may go, give back what is not needed then."""
        for message_id, one in opened:
            change = self._busy.discard if isinstance(one, Stop) or not one[0] else self._busy.add
            change(message_id)
        return None if self._busy else self.closing(connection)

    def closing(self, connection: Connection) -> Noted:
        """Give back what is not needed any more, now that exchanges are closed."""
        if self._asked and not self._busy:
            self._number += 1
            self._hold(0)
            self._kept = self.given = 0
            seats.leave(connection, self._door)
            return Counted(self._number, 0, self._until, left=True)
        return self._count(connection) if self._kept > max(self.given, self._used) else None

    def _count(self, connection: Connection) -> Counted:
        now = self._edge.now()
        self._number += 1
        had, self._asked = self._kept, True
        turn_over = had > 0 and now >= self._since + _TURN
        got = seats.share(
            connection,
            self._door,
            want=min(self._door.most, max(1, len(self._busy))),
            hold=self._hold,
            now=now,
            yields=turn_over,
        )
        self._again, self._short, self.given = now + _AGAIN, got.short, got.seats
        self._kept = max(got.seats, self._used)
        if had == 0 or (turn_over and got.seats < had):
            self._since = now
        return Counted(self._number, got.seats, got.until)

    def _hold(self, usable: int) -> int:
        with self._lock:
            self._usable = min(self._usable, usable)
            return self._used
