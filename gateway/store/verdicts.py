"""What platforms said: verdicts and receipts as they are kept. Append-only; the ledger decides what they change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, select

from gateway.store.bulk import Bulk, Told, adding, next_ids
from gateway.store.tables import attempt, receipt, verdict

if TYPE_CHECKING:
    from gateway.store.ledger import Settlement

LONGEST_RECEIPT = 200
_LONGEST = 2000


def keepable(text: str, most: int = _LONGEST) -> str:
    """A platform's text as every database can hold it: without NUL and lone surrogates, at most ``most`` characters."""
    if text.isascii() and "\0" not in text:
        return text[:most]
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:most]


_ADD_VERDICTS = adding(verdict, "attempt_id", "event", "code", "reason", "fields", "platform_ref", "applied", "at")


_ADD_RECEIPTS = Bulk(
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


_KNOWN = Bulk(
    {"platform": receipt.c.platform.type, "number": receipt.c.number.type},
    lambda given: select(receipt.c.number, receipt.c.id).where(
        receipt.c.platform == given["platform"], receipt.c.number == given["number"]
    ),
)


def verdicts_told(settlements: Sequence[Settlement], applied: Sequence[bool], now: datetime) -> Told:
    """One row for each verdict that was given on an attempt, whether or not it counted."""
    rows = [
        {
            "attempt_id": s.claimed.attempt_id,
            "event": s.verdict.event,
            "code": keepable(s.verdict.code, 80),
            "reason": keepable(s.verdict.reason),
            "fields": [keepable(name) for name in s.verdict.fields],
            "platform_ref": None if s.verdict.platform_id is None else keepable(s.verdict.platform_id, 80),
            "applied": good,
            "at": now,
        }
        for s, good in zip(settlements, applied, strict=True)
        if s.claimed.attempt_id is not None
    ]
    return _ADD_VERDICTS.of(rows)


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
