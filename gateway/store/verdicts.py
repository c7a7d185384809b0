"""What platforms said: verdicts and receipts as they are kept. Append-only; the ledger decides what they change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, select

from gateway.store.chunks import chunks
from gateway.store.tables import attempt, receipt, verdict

if TYPE_CHECKING:
    from gateway.store.ledger import Settlement

LONGEST_RECEIPT = 200
_LONGEST = 2000


def keepable(text: str, most: int = _LONGEST) -> str:
    """A platform's text as every database can hold it: without NUL and lone surrogates, at most ``most`` characters."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:most]


def write_verdicts(
    connection: Connection, settlements: Sequence[Settlement], applied: Sequence[bool], now: datetime
) -> None:
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
    if rows:
        connection.execute(insert(verdict), rows)


def keep_receipts(
    connection: Connection, settlements: Sequence[Settlement], platform: str, now: datetime
) -> dict[str, int]:
    """Row ids of the receipts that came with these settlements, by number; new ones are written."""
    by_number = {s.verdict.receipt: s for s in settlements if s.verdict.receipt}
    if not by_number:
        return {}
    known: dict[str, int] = {}
    for part in chunks(by_number):
        rows = connection.execute(
            select(receipt.c.number, receipt.c.id).where(receipt.c.platform == platform, receipt.c.number.in_(part))
        )
        known |= {row.number: row.id for row in rows}
    for number, settlement in by_number.items():
        if number not in known:
            exchange_of = (
                select(attempt.c.exchange_id).where(attempt.c.id == settlement.claimed.attempt_id).scalar_subquery()
            )
            known[number] = connection.execute(
                insert(receipt)
                .values(platform=platform, number=number, exchange_id=exchange_of, received_at=now)
                .returning(receipt.c.id)
            ).scalar_one()
    return known
