"""What is owed to a platform about its credit events, and up to when its feed was read."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from gateway.credit.store.tables import credit_ack, feed


def read_through_at(connection: Connection, platform: str) -> datetime | None:
    """When the last reading began that came to the end of the platform's feed; None where none did."""
    found: datetime | None = connection.execute(
        select(feed.c.read_through_at).where(feed.c.platform == platform)
    ).scalar()
    return found


def unsent(
    connection: Connection, platform: str, late: datetime, soon: datetime
) -> tuple[int, int, int, datetime | None]:
    """Acknowledgements that have not left: how many, how many since before ``late``, before ``soon``, since when."""
    at = credit_ack.c.at
    row = connection.execute(
        select(
            func.count().label("waiting"),
            func.count().filter(at < late).label("late"),
            func.count().filter(at < soon).label("soon"),
            func.min(at).label("oldest"),
        ).where(credit_ack.c.platform == platform, credit_ack.c.sent_at.is_(None))
    ).one()
    return row.waiting, row.late, row.soon - row.late, row.oldest


def unsent_listed(connection: Connection, platform: str, before: datetime, limit: int) -> list[tuple[str, datetime]]:
    """(event id, since when) of those from before a moment, the oldest first."""
    wanted = (
        select(credit_ack.c.event_id, credit_ack.c.at)
        .where(credit_ack.c.platform == platform, credit_ack.c.sent_at.is_(None), credit_ack.c.at < before)
        .order_by(credit_ack.c.at, credit_ack.c.id)
        .limit(limit)
    )
    return [(row.event_id, row.at) for row in connection.execute(wanted)]
