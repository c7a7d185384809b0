"""Exchanges: what left and what came back, written before the first byte leaves and closed once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, update

from gateway.contract.messages import Payload
from gateway.store.ledger import Claimed, Settlement, current, settle
from gateway.store.tables import Moment, attempt, delivery, exchange, payload
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
    lease_until: datetime | None = None
    """until when the leases of what it carries are prolonged"""
    payloads: tuple[Payload, ...] = field(default=(), repr=False)
    spec_version: str = ""
    anyway: bool = False
    """a person asks how the platform is: goes out in spite of a pause or an open breaker"""


def open_exchanges(connection: Connection, vault: Vault, openings: Sequence[Opening]) -> list[tuple[int, list[int]]]:
    """Write exchanges, their attempts and the payloads met for the first time; gives (exchange id, attempt ids).

    An exchange that carries a delivery whose lease was lost meanwhile is not opened: id 0, and nothing may be sent.

    Committed before the first byte leaves: whatever a platform has seen, the store knows about. One statement for each
    table, however many exchanges there are.
    """
    held = current(connection, [item.id for opening in openings for item in opening.carries])
    good = [o for o in openings if all(held.get(item.id) == (item.fence, item.state) for item in o.carries)]
    if not good:
        return [(0, []) for _ in openings]
    rows = [_exchange_row(opening, vault) for opening in good]
    exchange_ids = list(connection.execute(_INSERT_EXCHANGES, rows).scalars())
    carried = [
        (opening, exchange_id, place, item)
        for opening, exchange_id in zip(good, exchange_ids, strict=True)
        for place, item in enumerate(opening.carries)
    ]
    attempts = iter(_add_attempts(connection, carried))
    _keep_payloads(connection, vault, good)
    _note(connection, good)
    opened = {
        id(opening): (exchange_id, [next(attempts) for _ in opening.carries])
        for opening, exchange_id in zip(good, exchange_ids, strict=True)
    }
    return [opened.get(id(opening), (0, [])) for opening in openings]


_INSERT_EXCHANGES = insert(exchange).returning(exchange.c.id, sort_by_parameter_order=True)
_INSERT_ATTEMPTS = insert(attempt).returning(attempt.c.id, sort_by_parameter_order=True)
_PROLONG = (
    update(delivery)
    .where(delivery.c.id == bindparam("b_id"))
    .values(lease_until=func.coalesce(bindparam("b_until", type_=Moment), delivery.c.lease_until))
)
_NOTE_MESSAGE = _PROLONG.values(
    message_id=bindparam("b_message"), message_size=bindparam("b_size"), tries=delivery.c.tries + 1
)


def _exchange_row(opening: Opening, vault: Vault) -> dict[str, Any]:
    return {
        "platform": opening.platform,
        "purpose": opening.purpose,
        "operation": opening.operation,
        "message_id": opening.message_id,
        "opened_at": opening.at,
        "request_digest": opening.digest,
        "request": _seal(vault, opening.body, f"exchange.request:{opening.message_id}/{opening.digest}"),
    }


def _add_attempts(connection: Connection, carried: Sequence[tuple[Opening, int, int, Claimed]]) -> list[int]:
    if not carried:
        return []
    rows = [
        {"delivery_id": item.id, "exchange_id": exchange_id, "position": place, "fence": item.fence}
        for _, exchange_id, place, item in carried
    ]
    return list(connection.execute(_INSERT_ATTEMPTS, rows).scalars())


def _keep_payloads(connection: Connection, vault: Vault, openings: Sequence[Opening]) -> None:
    fresh = [
        {
            "delivery_id": item.id,
            "content": seal_payload(made, vault),
            "spec_version": opening.spec_version,
            "made_at": opening.at,
        }
        for opening in openings
        for item, made in zip(opening.carries, opening.payloads, strict=False)
        if item.payload is None
    ]
    if fresh:
        connection.execute(insert(payload), fresh)


def _note(connection: Connection, openings: Sequence[Opening]) -> None:
    """Prolong the leases of what is carried; a push is counted as a try and keeps the id of its message."""
    for pushes, statement in ((True, _NOTE_MESSAGE), (False, _PROLONG)):
        rows = [
            {"b_id": item.id, "b_until": opening.lease_until}
            | ({"b_message": opening.message_id, "b_size": len(opening.carries)} if pushes else {})
            for opening in openings
            if (opening.purpose == "push") is pushes
            for item in opening.carries
        ]
        if rows:
            connection.execute(statement, rows)


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
    answered: bool | None = None
    """whether the platform itself answered, for its circuit breaker; None says nothing either way"""
    code: str = ""
    """how it failed, where it was not answered"""
    wish: timedelta | None = None
    """how long the platform asks everybody to wait"""


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
