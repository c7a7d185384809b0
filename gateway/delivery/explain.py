"""One transmission as it may be shown: everything that was sent and answered, with the person masked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.codec.redact import clean
from gateway.codec.wiretext import HIDDEN, readable, readable_headers
from gateway.contract.connector import Connector
from gateway.contract.messages import Payload, Problems, Verdict
from gateway.delivery.rules.outcome import names
from gateway.delivery.rules.waiting import Reason, waiting_reason
from gateway.delivery.store import platforms as delivery_platforms
from gateway.delivery.store.ledger import due_now
from gateway.delivery.store.views import carried, transmission
from gateway.delivery.store.waiting_views import queue, waiting
from gateway.domain.china import CHINA
from gateway.domain.records import Submission
from gateway.domain.traffic import Breaker, Stop, Traffic, stop_of
from gateway.locale import tr
from gateway.store.attachments import without_bytes
from gateway.store.engine import Connection, Store
from gateway.store.records import changed_fields

_SHOWN = 20_000
"""characters of a request or answer"""


def explain(store: Store, delivery_id: int) -> dict[str, Any] | None:
    """Delivery, payload and exchanges, oldest first; None where there is no such delivery.

    ``earlier_payloads`` are those that were sent before a replay mapped the record anew.

    ``changed`` names the fields in which the record differs from its version before; None where there is none.
    Requests and answers are laid out for reading, with names, identity and phone numbers replaced, and signatures left
    out; of an answer's headers those that help. Values the platform's protocol encrypts stay as sent. Where other
    deliveries travelled along, only their number and the size are told: their contents are none of this one's.
    """
    with store.read() as connection:
        found = transmission(connection, store.vault, delivery_id)
        if found is None:
            return None
        changed = changed_fields(connection, found.delivery["record_id"])
        others = carried(connection, store.vault, [one["id"] for one in found.exchanges])
    people = tuple(name for one in (found.record, *others) for name in names(one.content))
    hidden = ("lease_owner", "message_size")
    return {
        "delivery": {name: value for name, value in found.delivery.items() if name not in hidden},
        "changed": changed,
        "payload": None if found.payload is None else clean(found.payload.decode(), *people),
        "earlier_payloads": [
            {
                "made_at": one["made_at"],
                "replaced_at": one["replaced_at"],
                "payload": clean(one["content"].decode(), *people),
            }
            for one in found.earlier
        ],
        "exchanges": [_shown(one, people) for one in found.exchanges],
    }


def _shown(one: Mapping[str, Any], people: tuple[str, ...]) -> dict[str, Any]:
    shown = {name: value for name, value in one.items() if name not in ("nonce", "proof")}
    for side in ("request", "response"):
        body = one[side]
        shared = body is not None and one["deliveries"] > 1
        if shared:
            shown[side] = tr("{size} bytes about {count} deliveries", size=len(body), count=one["deliveries"])
        else:
            shown[side] = None if body is None else clean(_laid_out(body), *people)[:_SHOWN]
    headers = one["response_headers"]
    if headers is not None:
        laid_out = readable_headers({**headers.kept, **dict.fromkeys(headers.left_out, HIDDEN)})
        shown["response_headers"] = clean(laid_out, *people)[:_SHOWN]
    return shown


def _laid_out(body: bytes) -> str:
    try:
        return readable(body)
    except RecursionError:  # as it stands it could not be masked
        return f"({len(body)} bytes, nested too deeply to be shown)"


def preview(store: Store, connector: Connector, limit: int, now: datetime) -> list[dict[str, Any]]:
    """The first ``limit`` due deliveries with their payload as text, or with what the check would refuse."""
    from gateway.delivery.connector_guard import checked  # all else here calls no connector

    with store.read() as connection:
        due = due_now(connection, store.vault, connector.info.platform, limit, now)
    shown = []
    for item in due:
        submission = Submission(
            platform=connector.info.platform,
            record=item.record,
            replaces=item.replaces,
            day=now.astimezone(CHINA).date(),
        )
        found = item.payload or checked(connector, submission)
        people = names(item.record.content)
        refused = [f"{p.field}: {p.message}" for p in found.items] if isinstance(found, Problems) else []
        if isinstance(found, Verdict):
            refused = [f"{found.code}: {found.reason}"]
        fields = (
            json.dumps(without_bytes(found.fields, item.record), ensure_ascii=False)
            if isinstance(found, Payload)
            else None
        )
        shown.append(
            {
                "delivery": item.id,
                "kind": item.record.kind,
                "record_key": item.record.key,
                "version": item.record.version,
                "payload": None if fields is None else clean(fields, *people),
                "problems": refused,
            }
        )
    return shown


Rules = Mapping[str, Traffic]
"""traffic rules by platform; one that is not configured has none"""


def stops(
    connection: Connection, platforms: Iterable[str], rules: Rules, now: datetime
) -> dict[str, tuple[Stop | None, Breaker]]:
    """What stands in the way of each platform's next request, and how its breaker stands."""
    found = {}
    for name in platforms:
        known = delivery_platforms.standing(connection, name, now)
        found[name] = (stop_of(known, rules.get(name, Traffic()), now), known.breaker)
    return found


def reasons(connection: Connection, ids: Sequence[int], rules: Rules, now: datetime) -> dict[int, Reason | None]:
    """Why each delivery waits; None for one that has ended."""
    facts = waiting(connection, ids)
    names = {platform for platform, _ in facts.values()}
    held, queues = stops(connection, names, rules, now), {name: queue(connection, name, now) for name in names}
    return {key: waiting_reason(one, held[name][0], now, queues[name]) for key, (name, one) in facts.items()}
