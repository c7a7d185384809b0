"""What decides why deliveries wait, as the pure judge of it wants it. Read only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from gateway.delivery.rules.waiting import Blocker, Waiting
from gateway.delivery.store.tables import delivery, platform, seat
from gateway.domain.states import State
from gateway.domain.traffic import IN_FLIGHT, PACED, Stop
from gateway.locale import tr
from gateway.store.metadata import chunks

_BLOCKER = delivery.alias("blocker")
_COLUMNS = (
    delivery.c.id,
    delivery.c.platform,
    delivery.c.state,
    delivery.c.due_at,
    delivery.c.code,
    delivery.c.record_key,
    _BLOCKER.c.id.label("blocker_id"),
    _BLOCKER.c.kind.label("blocker_kind"),
    _BLOCKER.c.state.label("blocker_state"),
    _BLOCKER.c.record_key.label("blocker_key"),
)


def queue(connection: Connection, name: str, now: datetime) -> Stop | None:
    """What makes requests to a platform wait for each other at present: all connections in use, or its pace."""
    short = select(seat.c.id).where(seat.c.platform == name, seat.c.until > now, seat.c.granted < seat.c.wanted)
    if connection.execute(short.limit(1)).first() is not None:
        return Stop(code=IN_FLIGHT, reason=tr("all connections are in use"), until=None)
    slot = connection.execute(select(platform.c.next_slot_at).where(platform.c.name == name)).scalar()
    if slot is None or slot <= now:
        return None
    return Stop(code=PACED, reason=tr("the next request has its turn then"), until=slot)


def waiting(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[str, Waiting]]:
    """Platform and facts of deliveries, by id, with the one each waits behind."""
    found = {}
    for part in chunks(ids):
        rows = connection.execute(
            select(*_COLUMNS)
            .select_from(delivery.outerjoin(_BLOCKER, _BLOCKER.c.id == delivery.c.blocked_by))
            .where(delivery.c.id.in_(part))
        )
        for row in rows:
            blocker = None
            if row.blocker_id is not None:
                blocker = Blocker(id=row.blocker_id, kind=row.blocker_kind, state=State(row.blocker_state))
            facts = Waiting(
                state=State(row.state),
                due_at=row.due_at,
                code=row.code,
                blocker=blocker,
                same_record=row.blocker_key == row.record_key,
            )
            found[row.id] = (row.platform, facts)
    return found


def due(connection: Connection, platform: str, state: State, now: datetime) -> int:
    """How many deliveries a claim in this state could lease."""
    return int(
        connection.execute(
            select(func.count()).where(
                delivery.c.platform == platform,
                delivery.c.state == state,
                delivery.c.due_at <= now,
                delivery.c.blocked_by.is_(None),
            )
        ).scalar_one()
    )
