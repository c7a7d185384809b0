"""Parked deliveries let go by a person: the only way out of PARKED but a newer version."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, update

from gateway.domain.delivery import Event, State, advance
from gateway.store.chunks import chunks
from gateway.store.control import note
from gateway.store.tables import delivery


def release(connection: Connection, ids: Collection[int], *, reason: str, by: str, now: datetime) -> list[int]:
    """Queue those that are parked, with fresh plans of waits, and write the audit trail; gives their ids in order."""
    released: list[int] = []
    for part in chunks(dict.fromkeys(ids)):
        released += connection.execute(
            update(delivery)
            .where(delivery.c.id.in_(part), delivery.c.state == State.PARKED)
            .values(
                state=advance(State.PARKED, Event.RELEASED),
                due_at=now,
                updated_at=now,
                fence=delivery.c.fence + 1,
                tries=0,
                polls=0,
                lookups=0,
                negatives=0,
                message_id=None,
                message_size=None,
                code="released",
                reason=None,
            )
            .returning(delivery.c.id)
        ).scalars()
    if released:
        note(
            connection,
            at=now,
            actor=by,
            action="release",
            subject="deliveries",
            reason=reason,
            detail={"deliveries": sorted(released)},
        )
    return sorted(released)
