"""Exchanges: what left and what came back, written before the first byte leaves and closed once."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, func, update

from gateway.contract.messages import Stamp, Token
from gateway.delivery.rules.work import Closing, Conclusion, Opening, digest
from gateway.delivery.store.settlement import LockedRows, lock_rows, settling
from gateway.delivery.store.tables import attempt, delivery, exchange, payload
from gateway.domain.errors import StoreError
from gateway.locale import tr
from gateway.store.batch_sql import BoundStatement, BulkStatement, WriteSet, adding
from gateway.store.records import plain_payload, seal_payload
from gateway.store.vault import Vault

MOST = 16_384
"""characters of names and values that are kept of one answer's headers"""
_LONGEST_NAME = 100
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_CREDENTIAL = re.compile(r"cookie|authori[sz]ation|authentication-info|token|secret|passw|session|api-?key")


@dataclass(frozen=True, kw_only=True)
class Headers:
    """Headers of an answer, lower-case names; ``left_out`` names those whose value was not kept."""

    kept: Mapping[str, str] = field(default_factory=dict, repr=False)
    left_out: tuple[str, ...] = ()


_ZLIB = b"\x00z1\x00"
"""in front of a body that was compressed; no protocol begins a message so"""
_WORTH_PACKING = 512
"""bytes; shorter ones hardly shrink"""


def keepable_headers(headers: Mapping[str, str]) -> Headers:
    """What may be kept of an answer's headers."""
    kept: dict[str, str] = {}
    left_out: list[str] = []
    room = MOST
    for name, value in headers.items():
        size = len(name) + len(value)
        if size > room or _is_credential(name):
            left_out.append(name[:_LONGEST_NAME])
            continue
        kept[name] = value
        room -= size
    return Headers(kept=kept, left_out=tuple(left_out[:_LONGEST_NAME]))


@lru_cache(1024)
def _is_credential(name: str) -> bool:
    return _CREDENTIAL.search(name) is not None


def seal_headers(vault: Vault, exchange_id: int, headers: Mapping[str, str] | None) -> bytes | None:
    """The sealed form of what may be kept; None where no answer came, or none that may be kept."""
    if headers is None:
        return None
    chosen = keepable_headers(headers)
    plain = _ENCODE([dict(chosen.kept), chosen.left_out])
    return vault.seal(plain.encode("utf-8", "surrogatepass"), _headers_place(exchange_id))


def headers_of(row: Mapping[str, Any], vault: Vault) -> Headers | None:
    """The headers of a row of table ``exchange``; None where none were kept."""
    if row["response_headers"] is None:
        return None
    plain = vault.open(row["response_headers"], _headers_place(row["id"]))
    kept, left_out = json.loads(plain.decode("utf-8", "surrogatepass"))
    return Headers(kept=kept, left_out=tuple(left_out))


def seal_proof(vault: Vault, message_id: str, digest: str, proof: Mapping[str, str]) -> bytes | None:
    """The sealed form of a token's ``proof``; None where it has none."""
    return vault.seal(json.dumps(dict(proof)).encode(), _proof_place(message_id, digest)) if proof else None


def stamp_of(row: Mapping[str, Any], vault: Vault) -> Stamp:
    """The stamp under which a row of table ``exchange`` was encoded, as far as answers are judged by it."""
    at, token = row["opened_at"], None
    if row["proof"] is not None:
        place = _proof_place(row["message_id"], row["request_digest"])
        token = Token(values=json.loads(vault.open(row["proof"], place)), expires_at=at, renew_at=at)
    return Stamp(message_id=row["message_id"], now=at, nonce=row["nonce"] or bytes(16), token=token)


def _headers_place(exchange_id: int) -> str:
    return f"exchange.response_headers:{exchange_id}"


def _proof_place(message_id: str, digest: str) -> str:
    return f"exchange.proof:{message_id}/{digest}"


def lock_for(
    connection: Connection, platform: str, openings: Sequence[Opening], conclusions: Sequence[Conclusion] = ()
) -> LockedRows:
    """What one commit for these must know; they are about different deliveries."""
    carried = [item.id for opening in openings for item in opening.carries]
    settled = [s.claimed.id for conclusion in conclusions for s in conclusion.settlements]
    both = [*settled, *carried]
    if len(set(both)) < len(both):
        raise StoreError(tr("two pieces of work in one commit are about the same delivery"))
    return lock_rows(connection, platform, both, {"exchange": len(openings), "attempt": len(carried)})


def open_exchanges(
    vault: Vault, openings: Sequence[Opening], *, locked: LockedRows, writes: WriteSet
) -> list[tuple[int, list[int]]]:
    """Write exchanges, their attempts and the payloads met for the first time; gives (exchange id, attempt ids).

    An exchange that carries a delivery whose lease was lost meanwhile is not opened: id 0, and nothing may be sent.

    Committed before the first byte leaves: whatever a platform has seen, the store knows about. One statement for
    each table, however many exchanges there are.
    """
    held = locked.held
    good = [o for o in openings if all(held.get(item.id) == (item.fence, item.state) for item in o.carries)]
    if not good:
        return [(0, []) for _ in openings]
    numbered = [(opening, next(locked.ids["exchange"])) for opening in good]
    exchanges = [_exchange_row(opening, exchange_id, vault) for opening, exchange_id in numbered]
    rows = [
        {
            "id": next(locked.ids["attempt"]),
            "delivery_id": item.id,
            "exchange_id": number,
            "position": place,
            "fence": item.fence,
        }
        for opening, number in numbered
        for place, item in enumerate(opening.carries)
    ]
    writes.independent += [
        _ADD_EXCHANGES.bind(exchanges),
        _ADD_ATTEMPTS.bind(rows),
        _payloads(vault, good),
        *_noted(good),
    ]
    attempts = iter(row["id"] for row in rows)
    opened = {id(opening): (number, [next(attempts) for _ in opening.carries]) for opening, number in numbered}
    return [opened.get(id(opening), (0, [])) for opening in openings]


_ADD_EXCHANGES = adding(
    exchange,
    *("id", "platform", "purpose", "operation", "message_id", "opened_at"),
    *("request_digest", "request", "nonce", "proof", "item_digests"),
)
_ADD_ATTEMPTS = adding(attempt, "id", "delivery_id", "exchange_id", "position", "fence")
_ADD_PAYLOADS = adding(payload, "delivery_id", "content", "spec_version", "made_at")
_PROLONG = BulkStatement(
    {"id": delivery.c.id.type, "until": delivery.c.lease_until.type},
    lambda given: (
        update(delivery)
        .where(delivery.c.id == given["id"])
        .values(lease_until=func.coalesce(given["until"], delivery.c.lease_until))
    ),
)
_NOTE_MESSAGE = BulkStatement(
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
    items: list[str] = []
    if opening.purpose == "push":
        for carried, made in zip(opening.carries, opening.payloads, strict=False):
            items.append(item(vault, opening.message_id, made.key, plain_payload(made, carried.record))[1])
    return {
        "id": exchange_id,
        "platform": opening.platform,
        "purpose": opening.purpose,
        "operation": opening.operation,
        "message_id": opening.message_id,
        "opened_at": opening.at,
        "request_digest": opening.digest,
        "request": seal_body(vault, opening.body, f"exchange.request:{opening.message_id}/{opening.digest}"),
        "nonce": opening.nonce,
        "proof": seal_proof(vault, opening.message_id, opening.digest, opening.proof),
        "item_digests": " ".join(items) or None,
    }


def item(vault: Vault, message_id: str, business_key: str, plain: bytes) -> tuple[str, str]:
    """Salt and digest (SHA-256, hex, over salt, line feed and payload as it is kept) of a payload in a message.

    Committed before the first byte leaves, so that one can be shown alone: without the salt, a mark of the key ring, no
    payload can be guessed from its digest.
    """
    salt = vault.mark("item", f"{message_id}/{business_key}".encode())
    return salt, hashlib.sha256(salt.encode() + b"\n" + plain).hexdigest()


def _payloads(vault: Vault, openings: Sequence[Opening]) -> BoundStatement:
    fresh = [
        {
            "delivery_id": item.id,
            "content": seal_payload(made, item.record, vault),
            "spec_version": opening.spec_version,
            "made_at": opening.at,
        }
        for opening in openings
        for item, made in zip(opening.carries, opening.payloads, strict=False)
        if item.payload is None
    ]
    return _ADD_PAYLOADS.bind(fresh)


def _noted(openings: Sequence[Opening]) -> Iterator[BoundStatement]:
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
        yield statement.bind(rows)


def closed(vault: Vault, closings: Sequence[Closing]) -> BoundStatement:
    """What came back; an exchange is closed once and never changed again."""
    rows = [
        {
            "id": c.exchange_id,
            "closed_at": c.closed_at,
            "status": c.status,
            "failure": c.failure,
            "response_digest": None if c.body is None else digest(c.body),
            "response": seal_body(vault, c.body if c.keep_body else None, f"exchange.response:{c.exchange_id}"),
            "response_headers": seal_headers(vault, c.exchange_id, c.headers if c.keep_body else None),
        }
        for c in closings
    ]
    return _CLOSE.bind(rows)


_CLOSED = ("closed_at", "status", "failure", "response_digest", "response", "response_headers")
_CLOSE = BulkStatement(
    {name: exchange.c[name].type for name in ("id", *_CLOSED)},
    lambda given: (
        update(exchange)
        .where(exchange.c.id == given["id"], exchange.c.closed_at.is_(None))
        .values({name: given[name] for name in _CLOSED})
    ),
)


def conclude(
    connection: Connection,
    vault: Vault,
    conclusions: Sequence[Conclusion],
    platform: str,
    *,
    locked: LockedRows,
    writes: WriteSet,
) -> list[tuple[bool, ...]]:
    """Close exchanges and settle their deliveries in one transaction; tells which settlements held their lease."""
    closings = [c.closing for c in conclusions]
    settlements = [s for c in conclusions for s in c.settlements]
    now = max(closing.closed_at for closing in closings)
    writes.independent.append(closed(vault, closings))
    applied = iter(settling(connection, settlements, platform, now, held=locked.held, writes=writes))
    return [tuple(next(applied) for _ in c.settlements) for c in conclusions]


def seal_body(vault: Vault, body: bytes | None, place: str) -> bytes | None:
    """The sealed form of a request or answer; None where there is none."""
    return None if body is None else vault.seal(_packed(body), place)


def open_body(vault: Vault, sealed: bytes, place: str) -> bytes:
    """A request or answer as it travelled; one that was sealed before bodies were compressed opens as well."""
    plain = vault.open(sealed, place)
    if not plain.startswith(_ZLIB):
        return plain
    try:
        return zlib.decompress(plain[len(_ZLIB) :])
    except zlib.error:
        raise StoreError(
            tr("a stored value of {place} does not open: not what was packed", place=place.partition(":")[0])
        ) from None


def _packed(body: bytes) -> bytes:
    """Compressed where that is worth it; always where the body looks as if it were, so that no two read alike."""
    if len(body) < _WORTH_PACKING and not body.startswith(_ZLIB):
        return body
    packed = _ZLIB + zlib.compress(body, 1)
    return packed if len(packed) < len(body) or body.startswith(_ZLIB) else body
