"""Decides whether a worker may send now: pause, maintenance, circuit breaker, rate budget. Sets a lease's length."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.codec.replies import SOMEBODY
from gateway.contract.connector import Connector
from gateway.contract.messages import Verdict
from gateway.delivery.rules.work import Closing, Opening
from gateway.delivery.store import platforms
from gateway.delivery.store.platforms import Lane
from gateway.delivery.system import System
from gateway.domain.china import CHINA
from gateway.domain.errors import NotSent
from gateway.domain.states import Event
from gateway.domain.traffic import ASKED_TO_WAIT, KEPT_BACK, PlatformStanding, Reaches, Stop, reaches, stop_of
from gateway.locale import tr
from gateway.store import audit
from gateway.store.thread import StoreThread

log = logging.getLogger(__name__)
TURNS = 4
"""messages for each connection that may be between their first and their last commit, so that commits are shared"""
_LEASE_MARGIN = timedelta(minutes=1)
"""how long after an exchange's deadline its outcome may take to be settled"""
_SILENT = timedelta(seconds=10)
"""a longer wait is told"""
_SHORT = timedelta(seconds=5)
"""a platform's wish to be left alone for no longer than this is waited out; a longer one ends the run"""


class TrafficGuard:
    """One worker's view of a platform's traffic. What is counted and decided stands in the store, for all of them.

    lease: how long a delivery is leased from the opening of its exchange: its turn for a connection, behind as many
           others as may wait for one, the whole deadline, and the settlement
    """

    def __init__(self, connector: Connector, thread: StoreThread, edge: System) -> None:
        endpoint = connector.endpoint
        self._platform, self._info = connector.info.platform, connector.info
        self._pace, self._deadline, self._rules = endpoint.pace, endpoint.deadline, endpoint.traffic
        self._thread, self._edge = thread, edge
        self.lease = (1 if self.paced else TURNS) * self._deadline + _LEASE_MARGIN
        self._stop: Stop | None = None
        self._failures = self._unheard = 0
        self.lane = Lane(
            platform=self._platform,
            rules=self._rules,
            probe=self.lease,
            draw=edge.draw,
            answers=self._info.reply_statuses | SOMEBODY,
        )

    @property
    def connections(self) -> int:
        """Requests that may be on the wire at once, over all workers."""
        return self._pace.connections

    @property
    def paced(self) -> bool:
        """Whether requests wait for slots, so that more of them at once would gain nothing."""
        return bool(self._pace.interval or self._rules.budget)

    @property
    def interval(self) -> timedelta:
        """The time between two requests that pace and budget allow in the long run."""
        budget = self._rules.budget
        return max(self._pace.interval, budget.window / budget.requests if budget else timedelta())

    @property
    def in_flight(self) -> int:
        """Messages between their first and their last commit: what a killed process leaves in doubt is never more.

        Some wait for the store while others are on the wire, so that commits are shared. Where the platform sets the
        pace that gains nothing, and a message that waits gets old.
        """
        return self._pace.connections * (1 if self.paced else TURNS)

    async def stopped(self) -> Stop | None:
        """What stands in the way of the next request, if anything: a pause, maintenance, the breaker, a long wish."""
        now = self._edge.now()
        stop = stop_of(await self._thread.read(platforms.standing, self._platform, now), self._rules, now)
        return None if stop is None or _short(stop, now) else stop

    async def trying(self) -> bool:
        """Whether the next request is to find out if the platform answers again."""
        known = await self._thread.read(platforms.standing, self._platform, self._edge.now())
        return known.breaker.until is not None

    async def slot(self) -> datetime | None:
        """Wait for the next slot of the shared budget and give its moment; None where nothing spaces requests."""
        if not self.paced:
            return None
        now = self._edge.now()
        taken = await self._thread.write(
            platforms.take_slot,
            self._platform,
            self._pace.interval,
            now,
            self._rules.budget,
            reach=self.reaches(self.lease).slot,
        )
        await self._sleep_until(taken)
        return taken

    def noticed(self, closing: Closing) -> None:
        """Take note of an answer before its connection goes to the next: the store hears of it a little later."""
        self._unheard += closing.answered is False
        if closing.answered:
            self._failures = self._unheard = 0
        if closing.wish:
            until = closing.closed_at + closing.wish
            self._stop = Stop(code=ASKED_TO_WAIT, reason=tr("the platform asked to be left alone"), until=until)

    def heard(self, closings: Sequence[Closing], standing: PlatformStanding) -> None:
        """Take over what the store says now that it has heard of these."""
        self._stop = stop_of(standing, self._rules, self._edge.now())
        self._unheard = max(0, self._unheard - sum(closing.answered is False for closing in closings))
        self._failures = standing.breaker.failures if standing.breaker.until is None else 0

    async def in_time(self, opening: Opening, slot: datetime | None) -> None:
        """Raise NotSent where a request that has its connection must not leave any more.

        Something may have come in the way since it was written down. A slot of a budget counts for a moment only;
        where writing down or waiting took longer, it takes a new one.
        """
        if not opening.anyway:
            await self._in_the_way()
        budget = self._rules.budget
        while slot is not None and budget is not None and self._edge.now() > slot + budget.slack:
            slot = await self.slot()
        if opening.lease_until is not None and self._edge.now() + self._deadline > opening.lease_until:
            # Another worker may take it for lost, ask, hear "not there" and send it while ours is on its way.
            raise NotSent("lease_short", "the lease could end before the answer comes")

    async def _in_the_way(self) -> None:
        stop = self._stop
        if stop is not None and await self.waited_out(stop):
            return
        shut = stop is not None and (stop.until is None or self._edge.now() < stop.until)
        if shut or 0 < self._rules.breaker.failures <= self._failures + self._unheard:
            raise NotSent(KEPT_BACK, "the platform takes nothing now")

    async def waited_out(self, stop: Stop) -> bool:
        """Wait where the platform asked for a short time only; False where something else stands in the way."""
        if not _short(stop, self._edge.now()):
            return False
        await self._sleep_until(stop.until)
        return True

    def wish(self, verdicts: Sequence[Verdict]) -> timedelta | None:
        """How long the platform asks everybody to wait, by an answer that says so of all it was sent."""
        if not all(v.retry_after and v.event in (Event.RETRY, Event.IN_DOUBT) for v in verdicts):
            return None
        longest = max((v.retry_after for v in verdicts if v.retry_after), default=None)
        return None if longest is None else min(longest, self._info.retry.longest_wish)

    def reaches(self, lease: timedelta) -> Reaches:
        """How far ahead the platform's kept moments can lie; ``lease`` is what a claim takes."""
        info = self._info
        return reaches(
            plans=(info.retry, info.polls, info.lookups),
            interval=self._pace.interval,
            traffic=self._rules,
            lease=max(lease, self.lease),
        )

    async def cap_moments(self, lease: timedelta) -> None:
        """Bring back what a clock that was wrong has put further ahead than any plan can reach."""
        now = self._edge.now()
        await self._thread.write(platforms.cap, self._platform, self.reaches(lease), now, audit.note)

    async def _sleep_until(self, moment: datetime | None) -> None:
        now = self._edge.now()
        if moment is not None and moment > now:
            if moment - now > _SILENT:
                until = f"{moment.astimezone(CHINA):%Y-%m-%d %H:%M:%S} +08:00"
                log.warning("%s: waits for its next slot until %s", self._platform, until)
            await self._edge.sleep((moment - now).total_seconds())


def _short(stop: Stop, now: datetime) -> bool:
    return stop.code == ASKED_TO_WAIT and stop.until is not None and stop.until - now <= _SHORT
