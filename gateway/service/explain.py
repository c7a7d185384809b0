"""One transmission as it may be shown: everything that was sent and answered, with the person masked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.codec.redact import clean
from gateway.codec.wiretext import HIDDEN, readable, readable_headers
from gateway.service.outcome import names
from gateway.store.engine import Store
from gateway.store.records import changed_fields
from gateway.store.views import carried, transmission

_SHOWN = 20_000
"""characters of a request or answer"""


def explain(store: Store, delivery_id: int) -> dict[str, Any] | None:
    """Delivery, payload and exchanges, oldest first; None where there is no such delivery.

    ``changed`` names the fields in which the record differs from its version before; None where there is none.
    Requests and answers are laid out for reading, with names, identity and phone numbers of everybody who travelled
    along replaced, and signatures left out; of an answer's headers those that help. Values the platform's protocol
    encrypts stay as sent.
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
        "exchanges": [_shown(one, people) for one in found.exchanges],
    }


def _shown(one: Mapping[str, Any], people: tuple[str, ...]) -> dict[str, Any]:
    shown = {name: value for name, value in one.items() if name not in ("nonce", "proof")}
    for side in ("request", "response"):
        body = one[side]
        shown[side] = None if body is None else clean(readable(body), *people)[:_SHOWN]
    headers = one["response_headers"]
    if headers is not None:
        laid_out = readable_headers({**headers.kept, **dict.fromkeys(headers.left_out, HIDDEN)})
        shown["response_headers"] = clean(laid_out, *people)[:_SHOWN]
    return shown
