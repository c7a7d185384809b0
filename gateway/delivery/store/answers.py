"""Answers as they are kept beside their bytes: headers, and what of the stamp it takes to judge them once more.

Headers are kept as they came, but for those that hold a credential and for what goes beyond a bound: of these the
names are kept, so that nobody takes the rest for everything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from gateway.contract.messages import Stamp, Token
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
