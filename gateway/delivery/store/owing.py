"""Which delivery may go: new ones take their place behind older versions and behind the person they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, insert, or_, select, update

from gateway.contract.connector import ConnectorInfo
from gateway.delivery.store import version_order, void_versions
from gateway.delivery.store.tables import delivery, owed
from gateway.delivery.store.version_order import (
    OLD,
    cancel_withdrawn,
    in_flight,
    step_up,
    supersede_contained,
    supersede_overtaken,
    told_otherwise,
)
from gateway.domain.records import RecordKind
from gateway.domain.states import TERMINAL, Event, State, sources
from gateway.store.batch_sql import BulkStatement, adding
from gateway.store.metadata import CHUNK, chunks, is_postgresql
from gateway.store.tables import record

_RECORDS_LOCK = 0x6761_7465
"""advisory lock of PostgreSQL under which records are added and owed, so that no row id appears below a marker"""


def lock_records(connection: Connection, *, wait: bool = True) -> bool:
    """Take the right to add records or to owe them until the end of the transaction; SQLite's writers have it anyway.

    Without ``wait``, False where another worker holds it: it will do what is to be done.
    """
    if not is_postgresql(connection):
        return True
    if wait:
        connection.execute(select(func.pg_advisory_xact_lock(_RECORDS_LOCK)))
        return True
    return bool(connection.execute(select(func.pg_try_advisory_xact_lock(_RECORDS_LOCK))).scalar_one())


def owe(connection: Connection, info: ConnectorInfo, now: datetime) -> int:
    """Create the deliveries of all records the platform takes and does not have yet; returns how many.

    Called where records are added and before each push, so a platform that was configured later, or has learned a new
    kind, gets what it is owed. The caller holds ``lock_records``.

    An older version that is still waiting is superseded; one in flight is waited for, so versions arrive in order.
    A withdrawal carries the key of what it takes back and counts as its next version: what still waits is cancelled,
    also on platforms that take no withdrawals, and a certificate that was filed again waits for its withdrawal.
    Of a change of status, a platform that takes such changes gets the change, and any other the certificate's version.
    A kind that must come ``after`` another waits for the newest version of its person that was there when it came,
    and, once that was accepted, for an older version of its own record.
    """
    count = 0
    for kind in RecordKind:
        if kind in info.kinds:
            count += _owe_kind(connection, info, kind, now)
    cancel_withdrawn(connection, info.platform, now)
    void_versions.settle_void(connection, info.platform, now)
    return count


def is_behind(connection: Connection, info: ConnectorInfo) -> bool:
    """Whether the next push will create deliveries: records came that the platform takes and that are not queued."""
    for kind in info.kinds:
        here = (owed.c.platform == info.platform, owed.c.kind == version_order.marker(info, kind))
        start = connection.execute(select(owed.c.up_to).where(*here)).scalar() or 0
        wanted = version_order.is_owed(info, kind)
        if kind is RecordKind.CERTIFICATE and RecordKind.STATUS_CHANGE in info.kinds:
            wanted = and_(wanted, or_(~told_otherwise(), void_versions.needs_in_full(info.platform)))
        if connection.execute(
            select(record.c.id).where(record.c.kind == kind, record.c.id > start, wanted).limit(1)
        ).first():
            return True
    return False


def _owe_kind(connection: Connection, info: ConnectorInfo, kind: RecordKind, now: datetime) -> int:
    word = version_order.marker(info, kind)
    here = (owed.c.platform == info.platform, owed.c.kind == word)
    marker = connection.execute(select(owed.c.up_to).where(*here)).scalar()
    if marker is None:
        connection.execute(insert(owed), {"platform": info.platform, "kind": word, "up_to": 0})
    start = marker or 0
    wanted = version_order.is_owed(info, kind)
    if kind is RecordKind.CERTIFICATE and RecordKind.STATUS_CHANGE in info.kinds:
        wanted = and_(wanted, or_(~told_otherwise(), void_versions.needs_in_full(info.platform)))
    count, after = 0, start
    columns = (record.c.id, record.c.kind, record.c.key, record.c.version, record.c.person_key, record.c.void)
    while True:
        part = connection.execute(
            select(*columns)
            .where(record.c.kind == kind, record.c.id > after, wanted)
            .order_by(record.c.id)
            .limit(CHUNK)
        ).all()
        if not part:
            break
        _enqueue(connection, part, info, now)
        count, after = count + len(part), part[-1].id
    if after > start:
        connection.execute(update(owed).where(*here).values(up_to=after))
    return count


_ADD_DELIVERIES = adding(
    delivery,
    *("platform", "kind", "record_id", "record_key", "version", "person_key", "business_key"),
    *("state", "due_at", "created_at", "updated_at"),
)


def _enqueue(
    connection: Connection, part: Sequence[Row[Any, Any, Any, Any, Any, Any]], info: ConnectorInfo, now: datetime
) -> None:
    rows: list[dict[str, Any]] = [
        {
            "platform": info.platform,
            "kind": r.kind,
            "record_id": r.id,
            "record_key": r.key,
            "version": r.version,
            "person_key": r.person_key,
            "business_key": f"{info.platform}/{r.kind}/{r.key}/{r.version}",
            "state": State.QUEUED,
            "due_at": now,
            "created_at": now,
            "updated_at": now,
        }
        for r in part
    ]
    if is_postgresql(connection):
        _lock_unfinished(connection, info.platform, [r.person_key for r in part])
    _ADD_DELIVERIES(connection, rows)
    keys = [row["business_key"] for row in rows]
    if info.kinds[RecordKind(part[0].kind)].by_project:
        version_order.register(connection, keys)
    newer = [row["record_key"] for row in rows if row["version"] > 1]
    if newer:
        _supersede_older(connection, info.platform, newer, now)
        supersede_contained(connection, info.platform, newer, now)
    ended = {r.key for r in part if r.void}
    if ended:
        void_versions.cancel_overtaken(connection, ended, now, info.platform)
    withdrawn = [r["business_key"] for r in rows if r["kind"] in (RecordKind.WITHDRAWAL, RecordKind.STATUS_CHANGE)]
    if withdrawn:
        supersede_overtaken(connection, info.platform, withdrawn, now)
    _wait_for_older(connection, info.platform, keys)
    for kind, kind_info in info.kinds.items():
        for earlier in kind_info.after:
            _wait_for_person(connection, info.platform, kind, earlier, keys)


def _lock_unfinished(connection: Connection, platform: str, person_keys: list[str]) -> None:
    """Lock the persons' unfinished deliveries until we commit.

    Otherwise one could end after we looked and before its end can see what waits for it. SQLite has one writer.
    """
    connection.execute(
        select(delivery.c.id)
        .where(
            delivery.c.platform == platform,
            delivery.c.person_key.in_(person_keys),
            delivery.c.state.not_in(TERMINAL),
        )
        .order_by(delivery.c.id)
        .with_for_update(read=True, key_share=True)
    ).all()


def _supersede_older(connection: Connection, platform: str, record_keys: list[str], now: datetime) -> None:
    """Waiting older versions give way to the newest; who waited for an older one waits for the newest instead."""
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
    connection.execute(
        update(delivery)
        .where(
            delivery.c.platform == platform,
            delivery.c.record_key.in_(record_keys),
            delivery.c.state.in_(sources(Event.NEWER_VERSION)),
            delivery.c.id != newest_id,
            # each change of status is told, in its order, but for one that came to a stop
            or_(delivery.c.kind != RecordKind.STATUS_CHANGE, delivery.c.state == State.PARKED),
        )
        .values(state=State.SUPERSEDED, code="newer_version", updated_at=now, blocked_by=None)
    )
    given_up = (OLD.c.platform == platform, OLD.c.record_key.in_(record_keys))
    step_up(connection, *given_up, OLD.c.state == State.SUPERSEDED)
    _follow_the_newest(connection, *given_up)


def _follow_the_newest(connection: Connection, *which: ColumnElement[bool]) -> None:
    """Who waits behind a version that will never be accepted waits behind the newest of its record instead."""
    newest, behind = delivery.alias("newest"), delivery.alias("behind")
    same_record = (
        newest.c.platform == behind.c.platform,
        newest.c.kind == behind.c.kind,
        newest.c.record_key == behind.c.record_key,
    )
    heir = (
        select(newest.c.id)
        .join(behind, and_(*same_record))
        .where(behind.c.id == delivery.c.blocked_by)
        .order_by(newest.c.version.desc())
        .limit(1)
        .scalar_subquery()
    )
    given_up = select(OLD.c.id).where(*which, OLD.c.state.in_([State.SUPERSEDED, State.REJECTED]))
    connection.execute(update(delivery).where(delivery.c.blocked_by.in_(given_up)).values(blocked_by=heir))


def _wait_for_older(connection: Connection, platform: str, business_keys: list[str]) -> None:
    connection.execute(
        update(delivery)
        .where(
            delivery.c.platform == platform,
            delivery.c.business_key.in_(business_keys),
            delivery.c.version > 1,
            delivery.c.state == State.QUEUED,
        )
        .values(blocked_by=in_flight())
    )


def _wait_for_person(
    connection: Connection, platform: str, kind: RecordKind, earlier: RecordKind, business_keys: list[str]
) -> None:
    first, later = delivery.alias("first"), delivery.alias("later")
    corrected = exists().where(
        later.c.platform == first.c.platform,
        later.c.kind == first.c.kind,
        later.c.record_key == first.c.record_key,
        later.c.version > first.c.version,
    )
    unfinished = (
        select(func.max(first.c.id))
        .where(
            first.c.platform == delivery.c.platform,
            first.c.person_key == delivery.c.person_key,
            first.c.kind == earlier,
            first.c.state.not_in([State.ACCEPTED, State.SUPERSEDED]),
            ~corrected,
        )
        .scalar_subquery()
    )
    connection.execute(
        update(delivery)
        .where(
            delivery.c.platform == platform,
            delivery.c.kind == kind,
            delivery.c.business_key.in_(business_keys),
        )
        .values(blocked_by=func.coalesce(unfinished, delivery.c.blocked_by))
    )


_RELEASE = BulkStatement(
    {"id": delivery.c.id.type, "now": delivery.c.due_at.type},
    lambda given: (
        update(delivery)
        .where(delivery.c.blocked_by == given["id"])
        .values(blocked_by=in_flight(), due_at=given["now"], updated_at=given["now"])
    ),
)


def release_waiting(connection: Connection, ended: Mapping[int, State], now: datetime) -> None:
    """Let go on what waited for these deliveries: all of it after an acceptance, newer versions after any end.

    What waited for its person waits on for an older version of its own record, where one is still on its way.
    What waited for a version that was refused, and has a newer one, waits for that one from now on.
    """
    accepted = [i for i, state in ended.items() if state is State.ACCEPTED]
    stopped = [i for i, state in ended.items() if state in (State.REJECTED, State.PARKED)]
    if accepted:
        _RELEASE(connection, [{"id": i, "now": now} for i in accepted])
    blocker = delivery.alias("blocker")
    for part in chunks(stopped):
        newer = delivery.alias("newer")
        connection.execute(
            update(delivery)
            .where(
                delivery.c.id.in_(part),
                delivery.c.state == State.PARKED,
                exists().where(
                    newer.c.platform == delivery.c.platform,
                    newer.c.kind.in_(list(RecordKind)),  # says nothing, but the index begins with it
                    newer.c.record_key == delivery.c.record_key,
                    newer.c.version > delivery.c.version,
                    newer.c.state.not_in(TERMINAL),
                ),
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
        _follow_the_newest(connection, OLD.c.id.in_(part))
