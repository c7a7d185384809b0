"""A platform's connections, shared by all workers on all machines: how many each may use, and until when.

Each door to a platform has one row. Its share is counted anew in a transaction that is written anyway (an exchange is
opened or closed), about once a second, under the lock of the platform's row; so no two workers can take the same seat.
A share that is not renewed ends; that of a process of this machine that is gone ends at once, as its connections do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from gateway.delivery.store.tables import platform, seat
from gateway.domain.traffic import too_far
from gateway.store.processes import is_dead, myself


def fair_shares(wants: Sequence[int], most: int) -> list[int]:
    """What each may have, in their order: nobody more than wanted, together at most ``most``, and as even as may be.

    Where there are fewer than askers, the first ones get one each.
    """
    shares = [0] * len(wants)
    left = most
    while left > 0:
        hungry = [place for place, want in enumerate(wants) if shares[place] < want]
        if not hungry:
            break
        for place in hungry[:left]:
            shares[place] += 1
        left -= min(left, len(hungry))
    return shares


WAITING = timedelta(seconds=15)
"""how long one that has no seat is counted among those who ask"""


@dataclass(frozen=True, kw_only=True)
class Door:
    """One worker's way to a platform.

    key:   tells it from all others, for ever
    most:  connections the platform allows, over all workers
    lease: how long a share lasts that is not renewed
    """

    platform: str
    key: str
    most: int
    lease: timedelta


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a door may use from now on, and until when at the latest; ``short`` where it asked for more."""

    seats: int
    until: datetime
    short: bool


def share(
    connection: Connection, door: Door, *, want: int, hold: Callable[[int], int], now: datetime, yields: bool = False
) -> Share:
    """Count a door's share anew and keep it.

    want:   how many it could use now
    hold:   told at once how many it may use if that is less than before; gives how many are on the wire at present,
            which stay counted until they are back
    yields: it has had its turn: where somebody waits without any, it goes behind them
    """
    name = door.platform
    connection.execute(select(platform.c.name).where(platform.c.name == name).with_for_update())
    rows = list(connection.execute(_ROWS, {"b_platform": name}).all())
    gone = [
        r.id
        for r in rows
        if r.until <= now or too_far(r.until, now, 2 * door.lease) or (r.door != door.key and is_dead(r.owner))
    ]
    mine = next((r for r in rows if r.door == door.key and r.id not in gone), None)
    others = [r for r in rows if r.door != door.key and r.id not in gone]
    if mine is not None and yields and any(r.granted == 0 for r in others):
        gone, mine = [*gone, mine.id], None
    if gone:
        connection.execute(delete(seat).where(seat.c.id.in_(gone)))
    before = sum(1 for r in others if mine is None or r.id < mine.id)
    wants = [r.wanted for r in others]
    fair = fair_shares([*wants[:before], want, *wants[before:]], door.most)[before]
    seats = max(0, min(fair, door.most - sum(r.granted for r in others)))
    granted = max(seats, hold(seats))
    until = now + (door.lease if granted else WAITING)
    values = {"granted": granted, "wanted": want, "until": until}
    if mine is None:
        connection.execute(insert(seat), {"platform": name, "door": door.key, "owner": myself(), **values})
    else:
        connection.execute(update(seat).where(seat.c.id == mine.id).values(**values))
    return Share(seats=seats, until=until, short=seats < min(want, door.most))


_ROWS = select(seat).where(seat.c.platform == bindparam("b_platform")).order_by(seat.c.id)


def leave(connection: Connection, door: Door) -> None:
    """Give back everything a door holds."""
    connection.execute(delete(seat).where(seat.c.platform == door.platform, seat.c.door == door.key))


def taken(connection: Connection, name: str, now: datetime) -> int:
    """How many of a platform's connections are given to workers at present."""
    held = select(func.coalesce(func.sum(seat.c.granted), 0)).where(seat.c.platform == name, seat.c.until > now)
    return int(connection.execute(held).scalar_one())
