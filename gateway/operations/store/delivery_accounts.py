"""What a delivery came to, written down once it has ended: its state, and what must not be missing beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError

from gateway.delivery.store.tables import attempt, delivery, verdict
from gateway.domain.states import State
from gateway.operations.rules.evidence import members
from gateway.operations.store.evidence_books import mark
from gateway.operations.store.sealed_columns import sealed_column
from gateway.operations.store.tables import evidence_account
from gateway.store.engine import Store
from gateway.store.metadata import chunks
from gateway.store.vault import Vault

_TOLD = ("state", "code", "reason", "platform_ref")
_ENDED = (str(State.ACCEPTED), str(State.REJECTED))
_PAYLOAD = sealed_column("payload.content")


def of(connection: Connection, vault: Vault, delivery_ids: Sequence[int], now: datetime) -> list[dict[str, Any]]:
    """Accounts of deliveries as they stand, without ids."""
    attempts: dict[int, list[tuple[int, int]]] = defaultdict(list)
    verdicts: dict[int, list[int]] = defaultdict(list)
    payloads: dict[int, str] = {}
    states: dict[int, Any] = {}
    columns: Any = (delivery.c.id, *(delivery.c[name] for name in _TOLD))
    for part in chunks(delivery_ids):
        for number, *told in connection.execute(select(*columns).where(delivery.c.id.in_(part))).all():
            states[number] = dict(zip(_TOLD, told, strict=True))
        carried = select(attempt.c.delivery_id, attempt.c.id, attempt.c.exchange_id, verdict.c.id)
        carried = carried.outerjoin(verdict, verdict.c.attempt_id == attempt.c.id)
        seen: set[int] = set()
        for number, attempt_id, exchange_id, verdict_id in connection.execute(
            carried.where(attempt.c.delivery_id.in_(part))
        ).all():
            if attempt_id not in seen:
                seen.add(attempt_id)
                attempts[number].append((attempt_id, exchange_id))
            if verdict_id is not None:
                verdicts[number].append(verdict_id)
        for kept in connection.execute(_PAYLOAD.rows().where(_PAYLOAD.key.in_(part))).mappings():
            payloads[kept["sealed_key"]] = mark(vault, _PAYLOAD, kept)
    return [
        {
            "at": now,
            "delivery_id": number,
            **states[number],
            "payload": payloads.get(number),
            "attempts": len(attempts[number]),
            "verdicts": len(verdicts[number]),
            "members": members(attempts[number], verdicts[number]),
        }
        for number in delivery_ids
    ]


def ended_by(connection: Connection, verdict_ids: Iterable[int]) -> list[int]:
    """Deliveries that these verdicts are about and that have ended, ascending."""
    found: set[int] = set()
    for part in chunks(verdict_ids):
        judged = (
            select(delivery.c.id)
            .join(attempt, attempt.c.delivery_id == delivery.c.id)
            .join(verdict, verdict.c.attempt_id == attempt.c.id)
            .where(verdict.c.id.in_(part), delivery.c.state.in_(_ENDED))
        )
        found.update(connection.execute(judged).scalars())
    return sorted(found)


def keep(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write accounts that have their ids."""
    for part in chunks(rows):
        connection.execute(insert(evidence_account), part)


def latest(connection: Connection, delivery_id: int) -> dict[str, Any] | None:
    """The newest account of a delivery."""
    wanted = select(evidence_account).where(evidence_account.c.delivery_id == delivery_id)
    row = connection.execute(wanted.order_by(evidence_account.c.id.desc()).limit(1)).mappings().first()
    return None if row is None else dict(row)


def altered(connection: Connection, vault: Vault) -> Iterable[tuple[int, str]]:
    """(delivery, what) where a delivery that has ended is not what its account says, though nothing came after it."""
    after = 0
    while True:
        wanted = select(evidence_account).where(evidence_account.c.id > after).order_by(evidence_account.c.id)
        part = connection.execute(wanted.limit(500)).mappings().all()
        if not part:
            return
        after = part[-1]["id"]
        ids = sorted({row["delivery_id"] for row in part})
        now = {row["delivery_id"]: row for row in of(connection, vault, ids, part[0]["at"])}
        for row in part:
            stands = now[row["delivery_id"]]
            if stands["state"] not in _ENDED or stands["verdicts"] > row["verdicts"] or stands["code"] == "check":
                continue
            named = ("state", "code", "reason", "platform_ref", "payload", "members")
            what = [name for name in named if stands[name] != row[name]]
            if what:
                yield row["delivery_id"], f"is not what was sealed of it: {', '.join(what)}"


def account_for(store: Store, delivery_id: int, now: datetime) -> bool:
    """Write down what a delivery came to, where its last account does not say so; False where there is none."""
    try:
        return _account_for(store, delivery_id, now)
    except IntegrityError:  # whoever sealed in the same moment took the number
        return _account_for(store, delivery_id, now)


def _account_for(store: Store, delivery_id: int, now: datetime) -> bool:
    with store.write() as connection:
        there = select(delivery.c.id).where(delivery.c.id == delivery_id)
        if connection.execute(there).first() is None:
            return False
        [row] = of(connection, store.vault, [delivery_id], now)
        last = latest(connection, delivery_id)
        if last is None or any(row[name] != last[name] for name in row if name != "at"):
            top = connection.execute(select(func.max(evidence_account.c.id))).scalar() or 0
            keep(connection, [{"id": top + 1, **row}])
    return True
