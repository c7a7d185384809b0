"""What holds a platform back: pauses with their reasons, and the shared budget of request slots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select, update

from gateway.codec.redact import clean
from gateway.domain.traffic import Budget
from gateway.store.tables import audit, platform
from gateway.store.traffic_tables import slot


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Why a platform is held, by whom, since when and, if known, until when."""

    code: str
    reason: str
    by: str
    since: datetime
    until: datetime | None


def registered(connection: Connection) -> set[str]:
    """The platforms that have their row."""
    return set(connection.execute(select(platform.c.name)).scalars())


def register(connection: Connection, names: list[str]) -> None:
    """Make sure every platform has its row."""
    known = registered(connection)
    for name in names:
        if name not in known:
            connection.execute(insert(platform), {"name": name})


def pause_of(connection: Connection, name: str, now: datetime) -> Pause | None:
    """The pause in force, or None; one whose time is over no longer counts."""
    row = connection.execute(select(platform).where(platform.c.name == name, platform.c.paused)).mappings().first()
    if row is None or (row["until"] is not None and row["until"] <= now):
        return None
    return Pause(code=row["code"], reason=row["reason"], by=row["paused_by"], since=row["since"], until=row["until"])


def pause(
    connection: Connection, name: str, *, code: str, reason: str, by: str, now: datetime, until: datetime | None = None
) -> None:
    """Hold a platform; the first reason stays until it is resumed or its time is over, later ones are only noted."""
    register(connection, [name])
    changed = connection.execute(
        update(platform)
        .where(platform.c.name == name, or_(~platform.c.paused, platform.c.until <= now))
        .values(paused=True, code=code, reason=clean(reason), paused_by=by, since=now, until=until)
    ).rowcount
    action = "pause" if changed else "pause_again"
    note(connection, at=now, actor=by, action=action, subject=name, reason=reason, detail={"code": code})


def resume(connection: Connection, name: str, *, by: str, reason: str | None, now: datetime) -> bool:
    """Let a platform go on; False where it was not held."""
    changed = connection.execute(
        update(platform)
        .where(platform.c.name == name, platform.c.paused)
        .values(paused=False, code=None, reason=None, paused_by=None, since=None, until=None)
    ).rowcount
    if changed:
        note(connection, at=now, actor=by, action="resume", subject=name, reason=reason)
    return bool(changed)


def end_pause(connection: Connection, name: str, now: datetime) -> bool:
    """Resume a platform whose pause had an end that has come; True where it was this call that did."""
    ended = connection.execute(
        update(platform)
        .where(platform.c.name == name, platform.c.paused, platform.c.until <= now)
        .values(paused=False, code=None, reason=None, paused_by=None, since=None, until=None)
    ).rowcount
    if ended:
        note(connection, at=now, actor="gateway", action="resume", subject=name, reason="the time of the pause is over")
    return bool(ended)


def take_slot(
    connection: Connection, name: str, interval: timedelta, now: datetime, budget: Budget | None = None
) -> datetime:
    """Reserve the next free moment for one request.

    No two workers get slots closer than ``interval``, and in no stretch as long as the budget's window (and its slack)
    are there more slots than it allows. Slots never go back in time, whatever a worker's clock says.
    """
    row = connection.execute(
        select(platform.c.next_slot_at).where(platform.c.name == name).with_for_update()
    ).scalar_one()
    at = max(now, row) if row is not None else now
    if budget is not None:
        at = _within(connection, name, budget, at)
    connection.execute(update(platform).where(platform.c.name == name).values(next_slot_at=at + interval))
    return at


def _within(connection: Connection, name: str, budget: Budget, at: datetime) -> datetime:
    stretch = budget.window + 2 * budget.slack
    taken = select(slot.c.at).where(slot.c.platform == name).order_by(slot.c.at.desc())
    oldest = connection.execute(taken.offset(budget.requests - 1).limit(1)).scalar()
    if oldest is not None:
        at = max(at, oldest + stretch)
    connection.execute(delete(slot).where(slot.c.platform == name, slot.c.at < at - stretch))
    connection.execute(insert(slot), {"platform": name, "at": at})
    return at


def note(
    connection: Connection,
    *,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    reason: str | None = None,
    detail: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write one line of the audit trail; ``subject`` and ``detail`` name keys and counts, and whoever the reason names
    is masked."""
    row = {"at": at, "actor": actor, "action": action, "object": clean(subject)[:120], "detail": dict(detail)}
    row["reason"] = None if reason is None else clean(reason)
    connection.execute(insert(audit), row)
