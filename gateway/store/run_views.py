"""What a run asks about its platform: how much is due, and which results are late. Read only."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from gateway.domain.delivery import State
from gateway.store.tables import delivery, receipt


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


def overdue(connection: Connection, platform: str, since: datetime) -> int:
    """How many deliveries have waited for their result since before a moment, by the age of their receipt."""
    return int(
        connection.execute(
            select(func.count())
            .select_from(delivery.join(receipt, receipt.c.id == delivery.c.receipt_id))
            .where(
                delivery.c.platform == platform,
                delivery.c.state == State.AWAITING_ACK,
                receipt.c.received_at < since,
            )
        ).scalar_one()
    )
