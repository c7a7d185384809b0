"""Cap what was kept by a clock that was wrong: slots, wishes, breakers, leases and due times of one platform."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, delete, func, select, update

from gateway.delivery.rules.kept_moments import MARGIN, Reaches, too_far
from gateway.delivery.store.locked_rows import platform_row
from gateway.delivery.store.tables import delivery, platform, slot
from gateway.domain.china import CHINA
from gateway.domain.states import WAITING
from gateway.store.tables import audit

CAPPED = "moment_capped"
"""action of the audit trail"""
_SHOWN = timedelta(days=1)
log = logging.getLogger(__name__)
Note = Callable[..., None]


def cap(connection: Connection, name: str, reach: Reaches, now: datetime, note: Note) -> dict[str, datetime]:
    """Bring back what lies further ahead than its plan can reach; gives what was capped, and the moment it said.

    Each leaves a line in the log and in the audit trail. A lease that is capped ends now, so that the next sweep takes
    it back.
    """
    row = platform_row(connection, name)
    capped: dict[str, datetime] = {}
    if not row:
        return capped
    moved: dict[str, datetime] = {}
    for column, most, to in (
        ("next_slot_at", reach.slot, now),
        ("not_before", reach.wish, now + reach.wish),
        ("open_until", reach.breaker, now + reach.breaker),
        ("probe_until", reach.breaker, now + reach.breaker),
    ):
        if too_far(row[column], now, most):
            capped[column], moved[column] = row[column], to
    if moved:
        connection.execute(update(platform).where(platform.c.name == name).values(moved))
    if cap_slots(connection, name, reach.slot, now):
        capped.setdefault("next_slot_at", now)
    for column, most, to in (("lease_until", reach.lease, now - MARGIN), ("due_at", reach.due, now)):
        mine = and_(delivery.c.platform == name, delivery.c.state.in_(WAITING))
        if column == "lease_until":
            mine = and_(mine, delivery.c.lease_owner.is_not(None))
        far = and_(mine, delivery.c[column] > now + most + MARGIN)
        furthest = connection.execute(select(func.max(delivery.c[column])).where(far)).scalar()
        if furthest is not None:
            connection.execute(update(delivery).where(far).values({column: to}))
            capped[column] = furthest
    for what, said in capped.items():
        tell(connection, name, what, said, now=now, note=note)
    return capped


def cap_slots(connection: Connection, name: str, reach: timedelta, now: datetime) -> int:
    """Forget slots of the budget that no clock that was right can have given."""
    far = and_(slot.c.platform == name, slot.c.at > now + reach + MARGIN)
    return connection.execute(delete(slot).where(far)).rowcount


def tell(connection: Connection, name: str, what: str, said: datetime, *, now: datetime, note: Note) -> None:
    """One line in the log and one in the audit trail."""
    until = f"{said.astimezone(CHINA):%Y-%m-%d %H:%M:%S} +08:00"
    reason = f"{what} said {until}, further ahead than planned: a clock was wrong"
    log.warning(reason, extra={"platform": name, "code": CAPPED})
    note(connection, at=now, actor="gateway", action=CAPPED, subject=name, reason=reason, detail={"what": what})


def capped_lately(connection: Connection, name: str, now: datetime) -> list[str]:
    """What was capped within the last day, newest first, for people."""
    rows = connection.execute(
        select(audit.c.reason)
        .where(audit.c.action == CAPPED, audit.c.object == name, audit.c.at > now - _SHOWN)
        .order_by(audit.c.id.desc())
        .limit(5)
    )
    return list(rows.scalars())
