"""Settle deliveries: verdict rows, receipts and the delivery's next state, where the lease still holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Connection,
    Integer,
    Update,
    case,
    func,
    insert,
    null,
    select,
    update,
)

from gateway.delivery.rules.work import Settlement, storable
from gateway.delivery.store.locked_rows import Fences, lock_fences
from gateway.delivery.store.owing import release_waiting
from gateway.delivery.store.tables import attempt, delivery, receipt, verdict
from gateway.domain.states import advance
from gateway.store.batch_sql import BoundStatement, BulkStatement, RowColumns, WriteSet, adding, next_ids


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
