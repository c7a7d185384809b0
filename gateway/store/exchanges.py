"""Exchanges: what left and what came back, written before the first byte leaves and closed once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, update

from gateway.contract.messages import Payload
from gateway.store.ledger import Claimed, Settlement, settle
from gateway.store.tables import attempt, delivery, exchange, payload
from gateway.store.translate import seal_payload
from gateway.store.vault import Vault


@dataclass(frozen=True, kw_only=True)
class Opening:
    """An exchange about to leave: its bytes and the deliveries it carries, in their order on the wire."""

    platform: str
    purpose: str
    operation: str
    message_id: str
    at: datetime
    body: bytes | None = field(repr=False)
    """None where the request may not be kept (a login)"""
    digest: str
    carries: tuple[Claimed, ...] = ()
    payloads: tuple[Payload, ...] = field(default=(), repr=False)
    spec_version: str = ""


def open_exchanges(connection: Connection, vault: Vault, openings: Sequence[Opening]) -> list[tuple[int, list[int]]]:
    """Write exchanges, their attempts and the payloads met for the first time; gives (exchange id, attempt ids).

    Committed before the first byte leaves: whatever a platform has seen, the store knows about.
    """
    opened: list[tuple[int, list[int]]] = []
    for opening in openings:
        exchange_id = connection.execute(
            insert(exchange).returning(exchange.c.id),
            {
                "platform": opening.platform,
                "purpose": opening.purpose,
                "operation": opening.operation,
                "message_id": opening.message_id,
                "opened_at": opening.at,
                "request_digest": opening.digest,
                "request": _seal(vault, opening.body, f"exchange.request:{opening.message_id}/{opening.digest}"),
            },
        ).scalar_one()
        attempt_ids: list[int] = []
        if opening.carries:
            rows = [
                {"delivery_id": c.id, "exchange_id": exchange_id, "position": n, "fence": c.fence}
                for n, c in enumerate(opening.carries)
            ]
            statement = insert(attempt).returning(attempt.c.id, sort_by_parameter_order=True)
            attempt_ids = list(connection.execute(statement, rows).scalars())
        opened.append((exchange_id, attempt_ids))
        _keep_payloads(connection, vault, opening)
        if opening.purpose == "push":
            _note_message(connection, opening)
    return opened


def _keep_payloads(connection: Connection, vault: Vault, opening: Opening) -> None:
    fresh = [
        {
            "delivery_id": c.id,
            "content": seal_payload(p, vault),
            "spec_version": opening.spec_version,
            "made_at": opening.at,
        }
        for c, p in zip(opening.carries, opening.payloads, strict=False)
        if c.payload is None
    ]
    if fresh:
        connection.execute(insert(payload), fresh)


def _note_message(connection: Connection, opening: Opening) -> None:
    connection.execute(
        update(delivery)
        .where(delivery.c.id.in_([c.id for c in opening.carries]))
        .values(message_id=opening.message_id, message_size=len(opening.carries), tries=delivery.c.tries + 1)
    )


def close_exchanges(connection: Connection, vault: Vault, closings: Sequence[Closing]) -> None:
    """Write what came back; an exchange is closed once and never changed again."""
    rows = [
        {
            "b_id": c.exchange_id,
            "closed_at": c.closed_at,
            "status": c.status,
            "failure": c.failure,
            "response_digest": None if c.body is None else digest(c.body),
            "response": _seal(vault, c.body if c.keep_body else None, f"exchange.response:{c.exchange_id}"),
        }
        for c in closings
    ]
    if rows:
        connection.execute(
            update(exchange).where(exchange.c.id == bindparam("b_id"), exchange.c.closed_at.is_(None)), rows
        )


@dataclass(frozen=True, kw_only=True)
class Closing:
    """The end of an exchange: an answer, or the code of its failure."""

    exchange_id: int
    closed_at: datetime
    status: int | None = None
    body: bytes | None = field(default=None, repr=False)
    failure: str | None = None
    keep_body: bool = True
    """False where the answer holds a secret (a login): only its digest is kept"""


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """An answered exchange with what follows from it for the deliveries it carried."""

    closing: Closing
    settlements: tuple[Settlement, ...] = ()


def conclude(
    connection: Connection, vault: Vault, conclusions: Sequence[Conclusion], platform: str
) -> list[tuple[bool, ...]]:
    """Close exchanges and settle their deliveries in one transaction; tells which settlements held their lease."""
    close_exchanges(connection, vault, [c.closing for c in conclusions])
    settlements = [s for c in conclusions for s in c.settlements]
    now = max(c.closing.closed_at for c in conclusions)
    applied = iter(settle(connection, settlements, platform, now))
    return [tuple(next(applied) for _ in c.settlements) for c in conclusions]


def digest(body: bytes) -> str:
    """SHA-256 of bytes on the wire, hex."""
    return hashlib.sha256(body).hexdigest()


def _seal(vault: Vault, body: bytes | None, place: str) -> bytes | None:
    return None if body is None else vault.seal(body, place)
