"""Exchanges: what left and what came back, written before the first byte leaves and closed once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, update

from gateway.contract.messages import Payload
from gateway.domain.errors import StoreError
from gateway.store.answer_tables import exchange
from gateway.store.answers import seal_headers, seal_proof
from gateway.store.bulk import Bulk, Told, adding
from gateway.store.ledger import Claimed, Settlement, settling
from gateway.store.seen import Seen, look
from gateway.store.tables import attempt, delivery, payload
from gateway.store.translate import seal_payload
from gateway.store.vault import Vault
from gateway.store.writing import Writing


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
    nonce: bytes | None = field(default=None, repr=False)
    """of the stamp; ``at`` is the stamp's moment, so that the answer can be judged again"""
    proof: Mapping[str, str] = field(default_factory=dict, repr=False)
    """of the stamp's token"""


def look_at(
    connection: Connection, platform: str, openings: Sequence[Opening], conclusions: Sequence[Conclusion] = ()
) -> Seen:
    """What one commit for these must know; they are about different deliveries."""
    carried = [item.id for opening in openings for item in opening.carries]
    settled = [s.claimed.id for conclusion in conclusions for s in conclusion.settlements]
    both = [*settled, *carried]
    if len(set(both)) < len(both):
        raise StoreError("two pieces of work in one commit are about the same delivery")
    return look(connection, platform, both, {"exchange": len(openings), "attempt": len(carried)})


def open_exchanges(
    vault: Vault, openings: Sequence[Opening], *, seen: Seen, writing: Writing
) -> list[tuple[int, list[int]]]:
    """Write exchanges, their attempts and the payloads met for the first time; gives (exchange id, attempt ids).

    An exchange that carries a delivery whose lease was lost meanwhile is not opened: id 0, and nothing may be sent.

    Committed before the first byte leaves: whatever a platform has seen, the store knows about. One statement for each
    table, however many exchanges there are.
    """
    held = seen.held
    good = [o for o in openings if all(held.get(item.id) == (item.fence, item.state) for item in o.carries)]
    if not good:
        return [(0, []) for _ in openings]
    numbered = [(opening, next(seen.ids["exchange"])) for opening in good]
    exchanges = [_exchange_row(opening, exchange_id, vault) for opening, exchange_id in numbered]
    rows = [
        {
            "id": next(seen.ids["attempt"]),
            "delivery_id": item.id,
            "exchange_id": number,
            "position": place,
            "fence": item.fence,
        }
        for opening, number in numbered
        for place, item in enumerate(opening.carries)
    ]
    writing.told += [_ADD_EXCHANGES.of(exchanges), _ADD_ATTEMPTS.of(rows), _payloads(vault, good), *_noted(good)]
    attempts = iter(row["id"] for row in rows)
    opened = {id(opening): (number, [next(attempts) for _ in opening.carries]) for opening, number in numbered}
    return [opened.get(id(opening), (0, [])) for opening in openings]


_ADD_EXCHANGES = adding(
    exchange,
    *("id", "platform", "purpose", "operation", "message_id", "opened_at"),
    *("request_digest", "request", "nonce", "proof"),
)
_ADD_ATTEMPTS = adding(attempt, "id", "delivery_id", "exchange_id", "position", "fence")
_ADD_PAYLOADS = adding(payload, "delivery_id", "content", "spec_version", "made_at")
_PROLONG = Bulk(
    {"id": delivery.c.id.type, "until": delivery.c.lease_until.type},
    lambda given: (
        update(delivery)
        .where(delivery.c.id == given["id"])
        .values(lease_until=func.coalesce(given["until"], delivery.c.lease_until))
    ),
)
_NOTE_MESSAGE = Bulk(
    {
        "id": delivery.c.id.type,
        "until": delivery.c.lease_until.type,
        "message": delivery.c.message_id.type,
        "size": delivery.c.message_size.type,
    },
    lambda given: (
        update(delivery)
        .where(delivery.c.id == given["id"])
        .values(
            lease_until=func.coalesce(given["until"], delivery.c.lease_until),
            message_id=given["message"],
            message_size=given["size"],
            tries=delivery.c.tries + 1,
        )
    ),
)


def _exchange_row(opening: Opening, exchange_id: int, vault: Vault) -> dict[str, Any]:
    return {
        "id": exchange_id,
        "platform": opening.platform,
        "purpose": opening.purpose,
        "operation": opening.operation,
        "message_id": opening.message_id,
        "opened_at": opening.at,
        "request_digest": opening.digest,
        "request": _seal(vault, opening.body, f"exchange.request:{opening.message_id}/{opening.digest}"),
        "nonce": opening.nonce,
        "proof": seal_proof(vault, opening.message_id, opening.digest, opening.proof),
    }


def _payloads(vault: Vault, openings: Sequence[Opening]) -> Told:
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
    return _ADD_PAYLOADS.of(fresh)


def _noted(openings: Sequence[Opening]) -> Iterator[Told]:
    """Prolong the leases of what is carried; a push is counted as a try and keeps the id of its message."""
    for pushes, statement in ((True, _NOTE_MESSAGE), (False, _PROLONG)):
        rows = [
            {
                "id": item.id,
                "until": opening.lease_until,
                "message": opening.message_id,
                "size": len(opening.carries),
            }
            for opening in openings
            if (opening.purpose == "push") is pushes
            for item in opening.carries
        ]
        yield statement.of(rows)


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
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    answered: bool | None = None
    """whether the platform itself answered, for its circuit breaker; None says nothing either way"""
    code: str = ""
    """how it failed, where it was not answered"""
    broken: bool | None = None
    """whether the answer broke the platform's contract; None where nobody looked"""
    wish: timedelta | None = None
    """how long the platform asks everybody to wait"""


def closed(vault: Vault, closings: Sequence[Closing]) -> Told:
    """What came back; an exchange is closed once and never changed again."""
    rows = [
        {
            "id": c.exchange_id,
            "closed_at": c.closed_at,
            "status": c.status,
            "failure": c.failure,
            "response_digest": None if c.body is None else digest(c.body),
            "response": _seal(vault, c.body if c.keep_body else None, f"exchange.response:{c.exchange_id}"),
            "response_headers": seal_headers(vault, c.exchange_id, c.headers if c.keep_body else None),
        }
        for c in closings
    ]
    return _CLOSE.of(rows)


_CLOSED = ("closed_at", "status", "failure", "response_digest", "response", "response_headers")
_CLOSE = Bulk(
    {name: exchange.c[name].type for name in ("id", *_CLOSED)},
    lambda given: (
        update(exchange)
        .where(exchange.c.id == given["id"], exchange.c.closed_at.is_(None))
        .values({name: given[name] for name in _CLOSED})
    ),
)


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """An answered exchange with what follows from it for the deliveries it carried."""

    closing: Closing
    settlements: tuple[Settlement, ...] = ()


def conclude(
    connection: Connection,
    vault: Vault,
    conclusions: Sequence[Conclusion],
    platform: str,
    *,
    seen: Seen,
    writing: Writing,
) -> list[tuple[bool, ...]]:
    """Close exchanges and settle their deliveries in one transaction; tells which settlements held their lease."""
    closings = [c.closing for c in conclusions]
    settlements = [s for c in conclusions for s in c.settlements]
    now = max(closing.closed_at for closing in closings)
    writing.told.append(closed(vault, closings))
    applied = iter(settling(connection, settlements, platform, now, held=seen.held, writing=writing))
    return [tuple(next(applied) for _ in c.settlements) for c in conclusions]


def digest(body: bytes) -> str:
    """SHA-256 of bytes on the wire, hex."""
    return hashlib.sha256(body).hexdigest()


def _seal(vault: Vault, body: bytes | None, place: str) -> bytes | None:
    return None if body is None else vault.seal(body, place)
