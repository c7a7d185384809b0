"""Settle deliveries: lock what a commit rests on, write verdicts and receipts, move on what still has its lease."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Connection, Integer, Update, bindparam, case, func, insert, null, select, update

from gateway.delivery.rules.work import Settlement, storable
from gateway.delivery.store.owing import release_waiting
from gateway.delivery.store.tables import attempt, delivery, platform, receipt, verdict
from gateway.domain.states import State, advance
from gateway.store.batch_sql import (
    BoundStatement,
    BulkStatement,
    RowColumns,
    WriteSet,
    adding,
    as_parts,
    drawn_ids,
    ids_of,
    next_ids,
)
from gateway.store.metadata import Moment, is_postgresql

Fences = Mapping[int, tuple[int, State]]
"""fence and state of deliveries by id"""


@dataclass(frozen=True, kw_only=True)
class LockedRows:
    """What stood at the beginning of a transaction; the deliveries stay locked until its end."""

    platform: Mapping[str, Any]
    """its row; empty where it has none"""
    held: Fences
    ids: Mapping[str, Iterator[int]] = field(default_factory=dict)


def lock_rows(connection: Connection, name: str, carried: Sequence[int], wanted: Mapping[str, int]) -> LockedRows:
    """Read all of it, on PostgreSQL in one statement.

    ``carried`` are ids of deliveries; ``wanted`` says how many ids are needed for which tables.
    """
    wanted = {table: count for table, count in wanted.items() if count}
    if not is_postgresql(connection):
        row, held = platform_row(connection, name), lock_fences(connection, carried)
        return LockedRows(platform=row, held=held, ids=next_ids(connection, wanted) if wanted else {})
    parts, given = as_parts(
        [_ROW.compiled(connection, [{"name": name}]), _CURRENT.compiled(connection, _ordered(carried))]
    )
    columns = ", ".join([_SEEN_ROW, _SEEN_HELD, *drawn_ids(wanted)])
    found = connection.exec_driver_sql(f"WITH {parts} SELECT {columns}", given | wanted).one()
    return LockedRows(platform=_to_row(found[0] or {}), held=_to_held(found[1] or ()), ids=ids_of(wanted, found[2:]))


_SEEN_ROW = "(SELECT row_to_json(p) FROM part_0 p)"
_SEEN_HELD = "(SELECT json_agg(json_build_array(d.id, d.fence, d.state)) FROM part_1 d)"
_BY_NAME = select(platform).where(platform.c.name == bindparam("b_name"))
_LOCKED = _BY_NAME.with_for_update()
_ROW = BulkStatement(
    {"name": platform.c.name.type}, lambda given: select(platform).where(platform.c.name == given["name"])
)


def platform_row(connection: Connection, name: str, *, lock: bool = False) -> Mapping[str, Any]:
    """A platform's row; empty where it has none."""
    row = connection.execute(_LOCKED if lock else _BY_NAME, {"b_name": name}).mappings().first()
    return {} if row is None else dict(row)


def lock_fences(connection: Connection, ids: Iterable[int]) -> Fences:
    """Fence and state of deliveries as they stand now, locked until the end of the transaction."""
    asked = _ordered(ids)
    if not asked:
        return {}
    if not is_postgresql(connection):
        return _to_held(json.loads(_CURRENT_IN_ONE(connection, asked).scalar_one()))
    return _to_held(_CURRENT(connection, asked))


_HELD = (delivery.c.id, delivery.c.fence, delivery.c.state)
_CURRENT = BulkStatement(
    {"id": delivery.c.id.type},
    lambda given: (
        select(*_HELD).where(delivery.c.id.in_(select(given["id"]))).order_by(delivery.c.id).with_for_update()
    ),
)
_CURRENT_IN_ONE = BulkStatement(
    {"id": delivery.c.id.type},
    lambda given: select(func.json_group_array(func.json_array(*_HELD))).where(delivery.c.id == given["id"]),
)


def _to_row(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: datetime.fromisoformat(v) if v and name in _MOMENTS else v for name, v in document.items()}


_MOMENTS = frozenset(name for name, column in platform.c.items() if isinstance(column.type, Moment))


def _ordered(ids: Iterable[int]) -> list[dict[str, int]]:
    # always locked in this order, so that two transactions cannot wait for each other
    return [{"id": number} for number in sorted(ids)]


def _to_held(rows: Iterable[Any]) -> Fences:
    return {number: (fence, State(state)) for number, fence, state in rows}


def settle(connection: Connection, settlements: Sequence[Settlement], platform: str, now: datetime) -> list[bool]:
    """Write verdicts and move deliveries on; returns for each whether it still held the lease.

    A settle with an old fence token leaves its verdict as evidence (``applied`` false) and changes nothing.
    """
    writes = WriteSet()
    held = lock_fences(connection, [s.claimed.id for s in settlements])
    applied = settling(connection, settlements, platform, now, held=held, writes=writes)
    writes.execute(connection)
    return applied


def settling(
    connection: Connection,
    settlements: Sequence[Settlement],
    platform: str,
    now: datetime,
    *,
    held: Fences,
    writes: WriteSet,
) -> list[bool]:
    """As ``settle``, by what is held in this transaction; the caller does the writes."""
    applied = [held.get(s.claimed.id) == (s.claimed.fence, s.claimed.state) for s in settlements]
    live = [s for s, good in zip(settlements, applied, strict=True) if good]
    receipts = keep_receipts(connection, live, platform, now) if live else {}
    writes.independent += [verdicts_told(settlements, applied, now), settled(live, receipts, now)]
    ended = {s.claimed.id: advance(s.claimed.state, s.event) for s in live}
    writes.then.append(lambda c: release_waiting(c, ended, now))
    return applied


_AS_GIVEN = ("state", "due_at", "code", "reason", "polls", "lookups", "negatives", "updated_at")
_IF_ANY = ("platform_ref", "receipt_id", "message_limit")


def _settle(given: RowColumns) -> Update:
    values = {name: given[name] for name in _AS_GIVEN}
    values |= {name: func.coalesce(given[name], delivery.c[name]) for name in _IF_ANY}
    values |= {
        "lease_owner": null(),
        "lease_until": null(),
        "tries": delivery.c.tries - given["uncounted"],
        "message_id": case((given["forget"], null()), else_=delivery.c.message_id),
    }
    return update(delivery).where(delivery.c.id == given["id"]).values(values)


_SETTLE = BulkStatement(
    {name: delivery.c[name].type for name in ("id", *_AS_GIVEN, *_IF_ANY)}
    | {"uncounted": Integer(), "forget": Boolean()},
    _settle,
)


def settled(settlements: Sequence[Settlement], receipts: Mapping[str, int], now: datetime) -> BoundStatement:
    """Move deliveries on and end their leases; ``receipts`` are the row ids of the receipts by number."""
    return _SETTLE.bind([_row_of(settlement, receipts, now) for settlement in settlements])


def _row_of(settlement: Settlement, receipts: Mapping[str, int], now: datetime) -> dict[str, Any]:
    claimed, given = settlement.claimed, settlement.verdict
    return {
        "id": claimed.id,
        "state": advance(claimed.state, settlement.event),
        "due_at": settlement.due_at,
        "code": storable(given.code, 80),
        "reason": storable(given.reason),
        "polls": settlement.polls,
        "lookups": settlement.lookups,
        "negatives": settlement.negatives,
        "platform_ref": None if given.platform_id is None else storable(given.platform_id, 80),
        "receipt_id": receipts.get(given.receipt or ""),
        "forget": not settlement.keep_message,
        "message_limit": settlement.message_limit,
        "uncounted": 0 if settlement.counted else 1,
        "updated_at": now,
    }


_ADD_VERDICTS = adding(verdict, "attempt_id", "event", "code", "reason", "fields", "platform_ref", "applied", "at")


_ADD_RECEIPTS = BulkStatement(
    {
        "id": receipt.c.id.type,
        "platform": receipt.c.platform.type,
        "number": receipt.c.number.type,
        "attempt": attempt.c.id.type,
        "at": receipt.c.received_at.type,
    },
    lambda given: insert(receipt).from_select(
        ["id", "platform", "number", "exchange_id", "received_at"],
        select(given["id"], given["platform"], given["number"], attempt.c.exchange_id, given["at"]).where(
            attempt.c.id == given["attempt"]
        ),
    ),
)


_KNOWN = BulkStatement(
    {"platform": receipt.c.platform.type, "number": receipt.c.number.type},
    lambda given: select(receipt.c.number, receipt.c.id).where(
        receipt.c.platform == given["platform"], receipt.c.number == given["number"]
    ),
)


def verdicts_told(settlements: Sequence[Settlement], applied: Sequence[bool], now: datetime) -> BoundStatement:
    """One row for each verdict that was given on an attempt, whether or not it counted."""
    rows = [
        {
            "attempt_id": s.claimed.attempt_id,
            "event": s.verdict.event,
            "code": storable(s.verdict.code, 80),
            "reason": storable(s.verdict.reason),
            "fields": [storable(name) for name in s.verdict.fields],
            "platform_ref": None if s.verdict.platform_id is None else storable(s.verdict.platform_id, 80),
            "applied": good,
            "at": now,
        }
        for s, good in zip(settlements, applied, strict=True)
        if s.claimed.attempt_id is not None
    ]
    return _ADD_VERDICTS.bind(rows)


def keep_receipts(
    connection: Connection, settlements: Sequence[Settlement], platform: str, now: datetime
) -> dict[str, int]:
    """Row ids of the receipts that came with these settlements, by number; new ones are written."""
    by_number = {s.verdict.receipt: s for s in settlements if s.verdict.receipt and s.claimed.attempt_id is not None}
    if not by_number:
        return {}
    asked = [{"platform": platform, "number": number} for number in by_number]
    known: dict[str, int] = {row.number: row.id for row in _KNOWN(connection, asked)}
    fresh = [number for number in by_number if number not in known]
    if fresh:
        ids = dict(zip(fresh, next_ids(connection, {"receipt": len(fresh)})["receipt"], strict=True))
        shared = {"platform": platform, "at": now}
        received = [{"id": ids[n], "number": n, "attempt": by_number[n].claimed.attempt_id} | shared for n in fresh]
        _ADD_RECEIPTS(connection, received)
        known |= ids
    return known
