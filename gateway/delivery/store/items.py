"""A digest for each payload of a message, committed before its first byte leaves, so that one can be shown alone.

Each is SHA-256 over a salt, a line feed and the payload as it is kept. The salt is a mark of message and business key:
who does not hold the keys can guess no payload from its digest, and whoever is given one salt can verify that payload
and learns nothing of the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from gateway.contract.messages import Payload
from gateway.domain.records import Record
from gateway.store.records import plain_payload
from gateway.store.vault import Vault


def item_salt(vault: Vault, message_id: str, business_key: str) -> str:
    """The salt of one payload in one message, 64 hex."""
    return vault.mark("item", f"{message_id}/{business_key}".encode())


def item_digest(salt: str, plain: bytes) -> str:
    """SHA-256, hex, over a salt, a line feed and a payload as it is kept."""
    return hashlib.sha256(salt.encode() + b"\n" + plain).hexdigest()


def item_digests(vault: Vault, message_id: str, made: Iterable[tuple[Payload, Record]]) -> str:
    """The digests of a message's payloads in their order, apart by blanks."""
    return " ".join(
        item_digest(item_salt(vault, message_id, payload.key), plain_payload(payload, record))
        for payload, record in made
    )
