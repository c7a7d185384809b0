"""Leases of runs: one run at a time has a piece of work on a platform, whatever the scheduler believes.

Deliveries have leases of their own and stay correct without these; a run's lease only keeps a second run from starting
the same work, and tells which runs ended without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, delete, select, update

from gateway.delivery.store.tables import run_lease
from gateway.store.metadata import insert_into


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A run at work: its name at the scheduler (empty where it was started by hand), its process, since when."""

    work: str
    platform: str
    lane: int
    run: str
    owner: str
    since: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a run wants to do alone.

    platform: empty for work that belongs to none
    lanes:    how many runs may be at it side by side
    """

    work: str
    platform: str
    run: str
    owner: str
    lanes: int = 1


def take(
    connection: Connection, claim: Claim, *, now: datetime, lease: timedelta, is_dead: Callable[[str], bool]
) -> int | Holder:
    """Take a free lane and give its number from 1, or the run that has had the last of them for the longest time.

    A lane is free where nobody has it, its lease is over, or its owner ran on this machine and is dead.
    """
    busy = []
    for lane in range(1, claim.lanes + 1):
        place = _place(claim.work, claim.platform, lane)
        row = connection.execute(select(run_lease).where(place)).mappings().first()
        holder = None if row is None else Holder(**row)
        if holder is not None and holder.until > now and not is_dead(holder.owner):
            busy.append(holder)
            continue
        if holder is not None:
            connection.execute(delete(run_lease).where(_exactly(holder)))
        if _insert(connection, claim, lane, now, lease):
            return lane
        row = connection.execute(select(run_lease).where(place)).mappings().one()
        busy.append(Holder(**row))
    return min(busy, key=lambda one: one.since)


def renew(connection: Connection, claim: Claim, lane: int, *, now: datetime, lease: timedelta) -> bool:
    """Keep a lane; False where it was lost to another run."""
    mine = and_(_place(claim.work, claim.platform, lane), _of(claim))
    return bool(connection.execute(update(run_lease).where(mine).values(until=now + lease)).rowcount)


def release(connection: Connection, claim: Claim, lane: int) -> None:
    """Give a lane back; nothing happens where it was lost meanwhile."""
    connection.execute(delete(run_lease).where(_place(claim.work, claim.platform, lane), _of(claim)))


def at_work(connection: Connection) -> list[Holder]:
    """Every run that has a lane, oldest first."""
    rows = connection.execute(select(run_lease).order_by(run_lease.c.since)).mappings()
    return [Holder(**row) for row in rows]


def lost(connection: Connection, *, now: datetime, is_dead: Callable[[str], bool]) -> list[Holder]:
    """Runs whose process is dead or has not renewed its lease."""
    return [one for one in at_work(connection) if one.until <= now or is_dead(one.owner)]


def forget(connection: Connection, holder: Holder) -> None:
    """Free the lane of a lost run, unless another run has it by now."""
    connection.execute(delete(run_lease).where(_exactly(holder)))


def _insert(connection: Connection, claim: Claim, lane: int, now: datetime, lease: timedelta) -> bool:
    """Of two that see a free lane, one gets it; on PostgreSQL the other waits here for the first one's commit."""
    row = {
        "work": claim.work,
        "platform": claim.platform,
        "lane": lane,
        "run": claim.run,
        "owner": claim.owner,
        "since": now,
        "until": now + lease,
    }
    added = insert_into(connection, run_lease).values(row).on_conflict_do_nothing().returning(run_lease.c.lane)
    return connection.execute(added).first() is not None


def _place(work: str, platform: str, lane: int) -> ColumnElement[bool]:
    return and_(run_lease.c.work == work, run_lease.c.platform == platform, run_lease.c.lane == lane)


def _of(claim: Claim) -> ColumnElement[bool]:
    return and_(run_lease.c.run == claim.run, run_lease.c.owner == claim.owner)


def _exactly(holder: Holder) -> ColumnElement[bool]:
    """The lease as it was seen: one that was renewed or taken over since is another one."""
    return and_(
        _place(holder.work, holder.platform, holder.lane),
        run_lease.c.owner == holder.owner,
        run_lease.c.run == holder.run,
        run_lease.c.until == holder.until,
    )
