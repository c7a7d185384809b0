"""What one commit does for many requests at once: it ends those that were answered and begins those that leave next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.delivery.rules.work import Conclusion, Opening
from gateway.delivery.seats import Noted, Seats
from gateway.delivery.store import exchanges, platforms
from gateway.delivery.store.platforms import Opened
from gateway.delivery.store.settlement import LockedRows
from gateway.delivery.system import CrashPoint, System
from gateway.delivery.traffic_guard import TrafficGuard
from gateway.domain.traffic import Stop
from gateway.store.batch_sql import WriteSet
from gateway.store.engine import Connection
from gateway.store.thread import GroupCommit, StoreThread

Begun = tuple[Opened | Stop, Noted]
"""what became of an opening, and of the worker's share of the connections"""
Ended = tuple[tuple[bool, ...], Noted]
"""which settlements held their lease, and what became of the share"""


class Commits:
    """One door's commits. What is opened after an end was handed in is never committed before it."""

    def __init__(self, platform: str, gate: TrafficGuard, seats: Seats, thread: StoreThread, edge: System) -> None:
        self._platform, self._gate, self._seats, self._edge = platform, gate, seats, edge
        self._vault = thread.store.vault
        self._group: GroupCommit[Conclusion | Opening, Any] = GroupCommit(thread, self._commit, may_wait=seats.ahead)

    async def open(self, opening: Opening) -> Begun:
        """Write down an exchange that is to leave; returns after the commit."""
        begun: Begun = await self._group.hand_in(opening)
        return begun

    def conclude(self, conclusion: Conclusion) -> asyncio.Future[Ended]:
        """Hand in the end of an exchange."""
        return self._group.hand_in(conclusion)

    def _commit(self, connection: Connection, items: Sequence[Conclusion | Opening]) -> list[Begun | Ended]:
        ends = [item for item in items if isinstance(item, Conclusion)]
        openings = [item for item in items if isinstance(item, Opening)]
        locked = exchanges.lock_for(connection, self._platform, openings, ends)
        work = _Commit(connection=connection, locked=locked)
        if ends:
            self._end(work, ends)
        if openings:
            self._begin(work, openings)
        work.writes.execute(connection)
        for point, handed_in in ((CrashPoint.BEFORE_SETTLE, ends), (CrashPoint.BEFORE_OPEN, openings)):
            if handed_in:
                self._edge.reach(point)
        return [work.done[id(item)] for item in items]

    def _end(self, work: _Commit, ends: Sequence[Conclusion]) -> None:
        counted = self._seats.closing(work.connection)
        closings, now = [end.closing for end in ends], self._edge.now()
        work.locked = platforms.hear(work.connection, self._gate.lane, closings, now, locked=work.locked)
        self._gate.heard(closings, platforms.standing_of(work.locked.platform, now))
        applied = exchanges.conclude(
            work.connection, self._vault, ends, self._platform, locked=work.locked, writes=work.writes
        )
        work.done |= {id(end): (one, counted) for end, one in zip(ends, applied, strict=True)}

    def _begin(self, work: _Commit, openings: Sequence[Opening]) -> None:
        c, now = work.connection, self._edge.now()
        counted = self._seats.opening(c)
        if not self._seats.given:
            work.done |= {id(one): (self._seats.full, counted) for one in openings}
            return
        opened = platforms.open_allowed(
            c, self._vault, openings, self._gate.lane, now, locked=work.locked, writes=work.writes
        )
        counted = self._seats.refused(c, zip((o.message_id for o in openings), opened, strict=True)) or counted
        work.done |= {id(opening): (one, counted) for opening, one in zip(openings, opened, strict=True)}


@dataclass(kw_only=True)
class _Commit:
    """One commit under way: what it saw, what became of each item, and what is to be written when all is read."""

    connection: Connection
    locked: LockedRows
    done: dict[int, Begun | Ended] = field(default_factory=dict)
    writes: WriteSet = field(default_factory=WriteSet)
