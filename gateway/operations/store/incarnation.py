"""The number of the store, and the hold on all platforms once it is found to be an older one than was in use."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.delivery.store import recovering
from gateway.delivery.store.platforms import registered
from gateway.delivery.store.tables import exchange
from gateway.operations.rules.incarnation import StoreMark
from gateway.operations.store.tables import evidence_link, incarnation
from gateway.store.metadata import chunks

_BUSY = timedelta(minutes=15)
"""a machine that joins others that are at work has no anchors of its own yet"""


def mark(connection: Connection, now: datetime) -> StoreMark:
    """What the store says of itself."""
    row = connection.execute(select(incarnation)).first()
    links = 0 if row is None else row.links
    anchored = select(evidence_link.c.id).where(evidence_link.c.anchored, evidence_link.c.id > links).limit(1)
    last = connection.execute(select(func.max(exchange.c.id))).scalar()
    at = (
        None if last is None else connection.execute(select(exchange.c.opened_at).where(exchange.c.id == last)).scalar()
    )
    return StoreMark(
        number=0 if row is None else row.number,
        restored=0 if row is None else row.restored,
        anchored=connection.execute(anchored).first() is not None,
        busy=at is not None and at > now - _BUSY,
    )


def digests(connection: Connection, numbers: Iterable[int]) -> dict[int, str]:
    """The digests of links by number."""
    found: dict[int, str] = {}
    for part in chunks(set(numbers)):
        wanted = select(evidence_link.c.id, evidence_link.c.digest).where(evidence_link.c.id.in_(part))
        found |= {row.id: row.digest for row in connection.execute(wanted)}
    return found


def count_process(connection: Connection) -> int:
    """Count one more process that sends; gives the number."""
    return _set(connection, 1)


def hold_all(
    connection: Connection, platforms: Collection[str], *, above: int, reason: str, by: str, now: datetime
) -> int:
    """Hold every platform until it was asked what it holds, and number the store anew, above what a home has met."""
    for name in sorted({*platforms, *registered(connection)}):
        recovering.begin(connection, name, reason=reason, by=by, now=now)
    number = _set(connection, 1, above)
    links = connection.execute(select(func.max(evidence_link.c.id))).scalar() or 0
    connection.execute(update(incarnation).values(restored=number, links=links))
    return number


def _set(connection: Connection, by: int, above: int = 0) -> int:
    wanted = select(incarnation.c.number).with_for_update()
    if connection.execute(wanted).scalar() is None:
        with suppress(IntegrityError), connection.begin_nested():  # another process makes it at the same time
            connection.execute(insert(incarnation).values(id=1, number=0))
    number: int = max(connection.execute(wanted).scalar_one(), above) + by
    connection.execute(update(incarnation).values(number=number))
    return number
