"""What a settlement writes into its delivery. The ledger decides which settlements count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, Integer, Update, case, func, null, update

from gateway.domain.delivery import advance
from gateway.store.bulk import Bulk, Given, Told
from gateway.store.tables import delivery
from gateway.store.verdicts import keepable

if TYPE_CHECKING:
    from gateway.store.ledger import Settlement

_AS_GIVEN = ("state", "due_at", "code", "reason", "polls", "lookups", "negatives", "updated_at")
_IF_ANY = ("platform_ref", "receipt_id", "message_limit")


def _settle(given: Given) -> Update:
    values = {name: given[name] for name in _AS_GIVEN}
    values |= {name: func.coalesce(given[name], delivery.c[name]) for name in _IF_ANY}
    values |= {
        "lease_owner": null(),
        "lease_until": null(),
        "tries": delivery.c.tries - given["uncounted"],
        "message_id": case((given["forget"], null()), else_=delivery.c.message_id),
    }
    return update(delivery).where(delivery.c.id == given["id"]).values(values)


_SETTLE = Bulk(
    {name: delivery.c[name].type for name in ("id", *_AS_GIVEN, *_IF_ANY)}
    | {"uncounted": Integer(), "forget": Boolean()},
    _settle,
)


def settled(settlements: Sequence[Settlement], receipts: Mapping[str, int], now: datetime) -> Told:
    """Move deliveries on and end their leases; ``receipts`` are the row ids of the receipts by number."""
    return _SETTLE.of([_row_of(settlement, receipts, now) for settlement in settlements])


def _row_of(settlement: Settlement, receipts: Mapping[str, int], now: datetime) -> dict[str, Any]:
    claimed, given = settlement.claimed, settlement.verdict
    return {
        "id": claimed.id,
        "state": advance(claimed.state, settlement.event),
        "due_at": settlement.due_at,
        "code": keepable(given.code, 80),
        "reason": keepable(given.reason),
        "polls": settlement.polls,
        "lookups": settlement.lookups,
        "negatives": settlement.negatives,
        "platform_ref": None if given.platform_id is None else keepable(given.platform_id, 80),
        "receipt_id": receipts.get(given.receipt or ""),
        "forget": not settlement.keep_message,
        "message_limit": settlement.message_limit,
        "uncounted": 0 if settlement.counted else 1,
        "updated_at": now,
    }
