"""Which delivery may go: new ones take their place behind older versions and behind the person they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, func, insert, select, update

from gateway.contract.connector import ConnectorInfo
from gateway.domain.delivery import TERMINAL, Event, State, sources
from gateway.domain.records import Record, RecordKind
from gateway.store.chunks import chunks
from gateway.store.tables import delivery


def enqueue(connection: Connection, records: Sequence[tuple[int, Record]], info: ConnectorInfo, now: datetime) -> int:
    """Create one delivery for each record (with its row id) whose kind the platform takes; returns how many.

    An older version that is still waiting is superseded; one in flight is waited for, so versions arrive in order.
    A kind that must come ``after`` another waits for the same person's delivery of that kind.
    """
    wanted = [(row_id, r) for row_id, r in records if r.kind in info.kinds]
    for part in chunks(wanted):
        _enqueue_part(connection, part, info, now)
    return len(wanted)


def _enqueue_part(connection: Connection, part: list[tuple[int, Record]], info: ConnectorInfo, now: datetime) -> None:
    rows: list[dict[str, Any]] = [
        {
            "platform": info.platform,
            "kind": r.kind,
            "record_id": row_id,
            "record_key": r.key,
            "version": r.version,
            "person_key": r.person_key,
            "business_key": f"{info.platform}/{r.kind}/{r.key}/{r.version}",
            "state": State.QUEUED,
            "due_at": now,
            "created_at": now,
            "updated_at": now,
        }
        for row_id, r in part
    ]
    connection.execute(insert(delivery), rows)
    keys = [row["business_key"] for row in rows]
    newer = [row["record_key"] for row in rows if row["version"] > 1]
    if newer:
        _supersede_older(connection, info.platform, newer, now)
    _wait_for_older(connection, info.platform, keys)
    for kind, kind_info in info.kinds.items():
        for earlier in kind_info.after:
            _wait_for_person(connection, info.platform, kind, earlier, keys)


def _supersede_older(connection: Connection, platform: str, record_keys: list[str], now: datetime) -> None:
    """Waiting older versions give way to the newest; who waited for them waits for the newest instead."""
    newest = delivery.alias("newest")
    newest_id = (
        select(newest.c.id)
        .where(
            newest.c.platform == delivery.c.platform,
            newest.c.kind == delivery.c.kind,
            newest.c.record_key == delivery.c.record_key,
        )
        .order_by(newest.c.version.desc())
        .limit(1)
        .scalar_subquery()
    )
    stale = connection.execute(
        update(delivery)
        .where(
            delivery.c.platform == platform,
            delivery.c.record_key.in_(record_keys),
            delivery.c.state.in_(sources(Event.NEWER_VERSION)),
            delivery.c.id != newest_id,
        )
        .values(state=State.SUPERSEDED, code="newer_version", updated_at=now, blocked_by=None)
        .returning(delivery.c.id, delivery.c.kind, delivery.c.record_key)
    ).all()
    for row in stale:
        heir = (
            select(newest.c.id)
            .where(newest.c.platform == platform, newest.c.kind == row.kind, newest.c.record_key == row.record_key)
            .order_by(newest.c.version.desc())
            .limit(1)
            .scalar_subquery()
        )
        connection.execute(update(delivery).where(delivery.c.blocked_by == row.id).values(blocked_by=heir))


def _wait_for_older(connection: Connection, platform: str, business_keys: list[str]) -> None:
    older = delivery.alias("older")
    in_flight = (
        select(func.max(older.c.id))
        .where(
            older.c.platform == delivery.c.platform,
            older.c.kind == delivery.c.kind,
            older.c.record_key == delivery.c.record_key,
            older.c.version < delivery.c.version,
            older.c.state.not_in(TERMINAL),
        )
        .scalar_subquery()
    )
    connection.execute(
        update(delivery)
        .where(delivery.c.platform == platform, delivery.c.business_key.in_(business_keys), delivery.c.version > 1)
        .values(blocked_by=in_flight)
    )


def _wait_for_person(
    connection: Connection, platform: str, kind: RecordKind, earlier: RecordKind, business_keys: list[str]
) -> None:
    first = delivery.alias("first")
    unfinished = (
        select(func.max(first.c.id))
        .where(
            first.c.platform == delivery.c.platform,
            first.c.person_key == delivery.c.person_key,
            first.c.kind == earlier,
            first.c.state.not_in([State.ACCEPTED, State.SUPERSEDED]),
        )
        .scalar_subquery()
    )
    connection.execute(
        update(delivery)
        .where(
            delivery.c.platform == platform,
            delivery.c.kind == kind,
            delivery.c.blocked_by.is_(None),
            delivery.c.business_key.in_(business_keys),
        )
        .values(blocked_by=unfinished)
    )


def release_waiting(connection: Connection, ended: Mapping[int, State], now: datetime) -> None:
    """Let go on what waited for these deliveries: all of it after an acceptance, newer versions after any end."""
    accepted = [i for i, state in ended.items() if state is State.ACCEPTED]
    stopped = [i for i, state in ended.items() if state in (State.REJECTED, State.PARKED)]
    for part in chunks(accepted):
        connection.execute(
            update(delivery).where(delivery.c.blocked_by.in_(part)).values(blocked_by=None, due_at=now, updated_at=now)
        )
    blocker = delivery.alias("blocker")
    for part in chunks(stopped):
        newer = delivery.alias("newer")
        connection.execute(
            update(delivery)
            .where(
                delivery.c.id.in_(part),
                delivery.c.state == State.PARKED,
                exists().where(newer.c.blocked_by == delivery.c.id, newer.c.record_key == delivery.c.record_key),
            )
            .values(state=State.SUPERSEDED, code="newer_version", updated_at=now)
        )
        connection.execute(
            update(delivery)
            .where(
                delivery.c.blocked_by.in_(part),
                exists().where(blocker.c.id == delivery.c.blocked_by, blocker.c.record_key == delivery.c.record_key),
            )
            .values(blocked_by=None, due_at=now, updated_at=now)
        )
