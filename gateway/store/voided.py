"""Deliveries of certificates that were declared void: what has not left does not go, and who never had one is not told.

A platform that accepted an earlier version is owed the change; one that has a version on its way waits for its end.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, String, cast, exists, select, update

from gateway.domain.delivery import TERMINAL, Event, State, sources
from gateway.domain.records import RecordKind
from gateway.store.chunks import chunks
from gateway.store.credit_desk_tables import credit_reliance
from gateway.store.precedence import OLD, step_up
from gateway.store.tables import delivery

STATUS_CHANGE = "status_change"
"""purpose under which a change of status rests on a credit record"""
CODE = "certificate_void"
_OF_CERTIFICATES = (RecordKind.CERTIFICATE, RecordKind.STATUS_CHANGE)


def rests_on(key: str, version: int) -> str:
    """The reference of a version that follows from a credit record."""
    return f"{key}/{version}"


def cancel_open(connection: Connection, key: str, now: datetime) -> int:
    """Cancel what waits of a certificate on every platform; gives how many deliveries."""
    return cancel(connection, now, CODE, delivery.c.kind == RecordKind.CERTIFICATE, delivery.c.record_key == key)


def cancel_needless(connection: Connection, platform: str, now: datetime) -> int:
    """Cancel what is owed of void certificates to a platform that never had them; gives how many deliveries."""
    here = credit_reliance.c.purpose == STATUS_CHANGE
    if connection.execute(select(credit_reliance.c.id).where(here).limit(1)).first() is None:
        return 0
    reference = delivery.c.record_key + "/" + cast(delivery.c.version, String)
    earlier = delivery.alias("earlier")
    had = exists().where(
        earlier.c.platform == delivery.c.platform,
        earlier.c.kind.in_(_OF_CERTIFICATES),
        earlier.c.record_key == delivery.c.record_key,
        earlier.c.version < delivery.c.version,
        (earlier.c.state == State.ACCEPTED) | earlier.c.state.not_in(TERMINAL),
    )
    return cancel(
        connection,
        now,
        CODE,
        delivery.c.platform == platform,
        delivery.c.kind.in_(_OF_CERTIFICATES),
        exists().where(here, credit_reliance.c.reference == reference),
        ~had,
    )


def cancel(connection: Connection, now: datetime, code: str, *which: ColumnElement[bool]) -> int:
    """Cancel what waits of these deliveries; who waited behind them goes on. Gives how many."""
    cancelled = (
        connection.execute(
            update(delivery)
            .where(delivery.c.state.in_(sources(Event.NEWER_VERSION)), *which)
            .values(state=State.SUPERSEDED, code=code, updated_at=now, blocked_by=None)
            .returning(delivery.c.id)
        )
        .scalars()
        .all()
    )
    for part in chunks(cancelled):
        step_up(connection, OLD.c.id.in_(part))
        connection.execute(update(delivery).where(delivery.c.blocked_by.in_(part)).values(blocked_by=None))
    return len(cancelled)
