"""Deliveries of certificates that became void, and of those that are valid again.

A certificate that is void and has not left never goes out as valid; a platform that never had it is not told of its
end. After a void version comes, at most, the one that makes the certificate valid again. A platform that was told of
the end is owed the way back: the change of status, or the certificate in full where an earlier version of it had been
cancelled. One that was not told, and has the certificate, is owed nothing; one that never got it is owed it in full.
While nobody knows whether a platform heard of the end, it counts as told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, false, select, update

from gateway.delivery.store.tables import attempt, delivery, exchange
from gateway.delivery.store.version_order import OLD, step_up
from gateway.domain.records import RecordKind
from gateway.domain.states import TERMINAL, Event, State, sources
from gateway.domain.traffic import OURS
from gateway.store.metadata import chunks
from gateway.store.tables import VOID, record

VOIDED, REINSTATED = "certificate_void", "reinstated"
"""codes of deliveries that were cancelled"""
_FORMS = (RecordKind.CERTIFICATE, RecordKind.STATUS_CHANGE)
_WAITING = sorted(sources(Event.NEWER_VERSION))
_THERE = (State.ACCEPTED, State.SENDING, State.AWAITING_ACK, State.IN_DOUBT)
"""accepted, or on its way: what becomes of it decides nothing any more"""
_VERSIONS = (*_FORMS, RecordKind.WITHDRAWAL)


def cancel_overtaken(connection: Connection, keys: Collection[str], now: datetime, platform: str | None = None) -> int:
    """Cancel what waits of certificates that are void by now, on one platform or all; gives how many deliveries.

    The certificate in an earlier form does not go at all; a change of status only where the platform has, or may get,
    something that it changes.
    """
    here = () if platform is None else (delivery.c.platform == platform,)
    count = 0
    for part in chunks(keys):
        mine = (*here, delivery.c.record_key.in_(part), _is_void_by_now())
        count += _cancel(connection, now, VOIDED, *mine, delivery.c.kind == RecordKind.CERTIFICATE, ~_is_end())
        count += _cancel_needless(connection, now, *mine)
    return count


def settle_void(connection: Connection, platform: str, now: datetime) -> None:
    """Cancel what a platform need not be told of certificates that are void, or valid again."""
    if connection.execute(select(record.c.id).where(VOID).limit(1)).first() is None:
        return
    ends = select(record.c.key).where(VOID)
    _cancel_needless(
        connection, now, delivery.c.platform == platform, delivery.c.record_key.in_(ends), _is_void_by_now()
    )
    for row in _newly_valid(connection, platform):
        key, version = row.key, row.version
        cancel_end(connection, key, version - 1, now, platform=platform)
        has = connection.execute(select(_has_newest(platform, key, version - 1))).scalar_one()
        mine = (delivery.c.platform == platform, delivery.c.record_key == key, delivery.c.version == version)
        if has and not _was_told(connection, platform, key, version - 1):
            _cancel(connection, now, REINSTATED, *mine, delivery.c.kind.in_(_FORMS))
        elif _in_both_forms(connection, mine):
            _cancel(connection, now, REINSTATED, *mine, delivery.c.kind == RecordKind.STATUS_CHANGE)


def _cancel_needless(connection: Connection, now: datetime, *mine: ColumnElement[bool]) -> int:
    """What is owed of void certificates to a platform that never had them does not go."""
    earlier = delivery.alias("earlier")
    had = exists().where(
        earlier.c.platform == delivery.c.platform,
        earlier.c.kind.in_(_FORMS),
        earlier.c.record_key == delivery.c.record_key,
        earlier.c.version < delivery.c.version,
        (earlier.c.state == State.ACCEPTED) | earlier.c.state.not_in(TERMINAL),
    )
    count = 0
    while cancelled := _cancel(connection, now, VOIDED, *mine, delivery.c.kind.in_(_FORMS), ~had):
        count += cancelled  # what came after one of these may have nothing left that it changes
    return count


def _is_end() -> ColumnElement[bool]:
    """Whether a delivery is of a version with which the certificate is void."""
    return exists().where(record.c.id == delivery.c.record_id, record.c.void)


def _is_void_by_now() -> ColumnElement[bool]:
    """Whether the certificate is void with this version or a later one, and nothing has come after that."""
    end, later = record.alias("end"), record.alias("later")
    return exists().where(
        end.c.kind.in_(_FORMS),
        end.c.key == delivery.c.record_key,
        end.c.version >= delivery.c.version,
        end.c.void,
        ~exists()
        .where(later.c.kind.in_(_VERSIONS), later.c.key == end.c.key, later.c.version > end.c.version, ~later.c.void)
        .correlate(end),
    )


def cancel_end(connection: Connection, key: str, version: int, now: datetime, *, platform: str | None = None) -> int:
    """Take back from the queues, of one platform or of all, that the certificate is void; gives how many deliveries."""
    where = [delivery.c.kind.in_(_FORMS), delivery.c.record_key == key, delivery.c.version == version]
    if platform is not None:
        where.append(delivery.c.platform == platform)
    return _cancel(connection, now, REINSTATED, *where)


def _cancel(connection: Connection, now: datetime, code: str, *which: ColumnElement[bool]) -> int:
    """Cancel what waits of these deliveries; what waited behind them goes on. Gives how many."""
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


def _follows_end(version: Any) -> ColumnElement[bool]:
    """Whether a version (of ``record``, or an alias of it) makes a certificate valid again."""
    end = record.alias("end")
    return and_(
        version.c.void == false(),
        exists()
        .where(end.c.kind.in_(_FORMS), end.c.key == version.c.key, end.c.version == version.c.version - 1, end.c.void)
        .correlate(version),
    )


def needs_in_full(platform: str) -> ColumnElement[bool]:
    """Whether a record is a certificate made valid again of which the platform lacks the newest version before that."""
    return and_(
        record.c.kind == RecordKind.CERTIFICATE,
        _follows_end(record),
        ~_has_newest(platform, record.c.key, record.c.version),
    )


def _has_newest(platform: str, key: ColumnElement[str] | str, version: ColumnElement[int] | int) -> ColumnElement[bool]:
    held, newer = delivery.alias("held"), delivery.alias("newer")
    of = (held.c.platform == platform, held.c.kind == RecordKind.CERTIFICATE, held.c.record_key == key)
    lost = (
        exists()
        .where(
            newer.c.platform == platform,
            newer.c.kind == RecordKind.CERTIFICATE,
            newer.c.record_key == held.c.record_key,
            newer.c.version > held.c.version,
            newer.c.version < version,
            newer.c.state.not_in(_THERE),
        )
        .correlate(held, record)
    )
    return exists().where(*of, held.c.version < version, held.c.state.in_(_THERE), ~lost)


def _newly_valid(connection: Connection, platform: str) -> Iterable[Row[Any, Any]]:
    """Versions that make a certificate valid again and of which the platform has a delivery that was never tried."""
    end, again = record.alias("ended"), record.alias("again")
    tried = exists().where(attempt.c.delivery_id == delivery.c.id)
    follows = and_(again.c.kind.in_(_FORMS), again.c.key == end.c.key, again.c.version == end.c.version + 1)
    delivers = and_(
        delivery.c.platform == platform,
        delivery.c.kind.in_(_FORMS),
        delivery.c.record_key == again.c.key,
        delivery.c.version == again.c.version,
    )
    return connection.execute(
        select(again.c.key, again.c.version)
        .select_from(end)
        .join(again, follows)
        .join(delivery, delivers)
        .where(end.c.void, again.c.void == false(), delivery.c.state.in_(_WAITING), ~tried)
        .distinct()
        .order_by(again.c.key)
    ).all()


def _was_told(connection: Connection, platform: str, key: str, void_version: int) -> bool:
    """Whether the platform took the end of the certificate, or may have: something about it may have left."""
    may_have_left = exists().where(
        attempt.c.delivery_id == delivery.c.id,
        exchange.c.id == attempt.c.exchange_id,
        exchange.c.failure.is_(None) | exchange.c.failure.not_in(sorted(OURS)),
    )
    told = select(delivery.c.id).where(
        delivery.c.platform == platform,
        delivery.c.kind.in_(_FORMS),
        delivery.c.record_key == key,
        delivery.c.version == void_version,
        delivery.c.state.in_(_THERE) | (delivery.c.state.not_in([*_THERE, State.REJECTED]) & may_have_left),
    )
    return connection.execute(told.limit(1)).first() is not None


def _in_both_forms(connection: Connection, mine: Iterable[ColumnElement[bool]]) -> bool:
    kinds = select(delivery.c.kind).where(*mine, delivery.c.kind.in_(_FORMS), delivery.c.state != State.SUPERSEDED)
    return len(set(connection.execute(kinds).scalars())) == len(_FORMS)
