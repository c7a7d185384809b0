"""Encrypted fields and record digests of the simulated platform."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connectors.provincial_credit.sandbox.gm import sm4_open, sm4_seal
from connectors.provincial_credit.sandbox.http import Credentials, Profile
from connectors.provincial_credit.sandbox.refusal import Refusal


@dataclass
class Sealing:
    """Fields encrypted between caller and platform, and digests of records.

    key_id: of the key the platform encrypts with now; what it receives may be under any agreed key
    """

    credentials: Credentials
    profile: Profile
    digest: Callable[[bytes], str]
    key_id: Callable[[], str]

    def open(self, cipher: dict[str, str], *bound: str) -> str:
        """Decrypt a field; Refusal where it was not sealed for this place with an agreed key."""
        key = self.credentials.field_keys.get(cipher["keyId"])
        if cipher["alg"] != self.profile.field_alg or key is None:
            raise Refusal("PARAM_INVALID", "another key or algorithm was agreed")
        text = "|".join(bound).encode()
        try:
            iv, sealed, tag = (base64.b64decode(cipher[name], validate=True) for name in ("iv", "ciphertext", "tag"))
            if self.profile.field_alg == "SM4-GCM":
                return sm4_open(key, iv, sealed, tag, text).decode("utf-8")
            return AESGCM(key).decrypt(iv, sealed + tag, text).decode("utf-8")
        except (InvalidTag, ValueError):
            raise Refusal("PARAM_INVALID", "a field cannot be decrypted") from None

    def seal(self, plain: str, rng: Random, *bound: str) -> dict[str, str]:
        """Encrypt a field under a random vector."""
        iv, text, key = rng.randbytes(12), "|".join(bound).encode(), self.credentials.field_keys[self.key_id()]
        if self.profile.field_alg == "SM4-GCM":
            sealed, tag = sm4_seal(key, iv, plain.encode(), text)
        else:
            both = AESGCM(key).encrypt(iv, plain.encode(), text)
            sealed, tag = both[:-16], both[-16:]
        parts = {"iv": iv, "ciphertext": sealed, "tag": tag}
        coded = {name: base64.b64encode(value).decode() for name, value in parts.items()}
        return {"alg": self.profile.field_alg, "keyId": self.key_id(), **coded}

    def of(self, record: dict[str, Any]) -> str:
        """Digest of a record without its digest and item number, each cipher as keyId:ciphertext."""

        def plain(value: Any) -> Any:
            if isinstance(value, dict) and {"keyId", "ciphertext"} <= set(value):
                return f"{value['keyId']}:{value['ciphertext']}"
            if isinstance(value, dict):
                return {name: plain(inner) for name, inner in value.items()}
            return [plain(inner) for inner in value] if isinstance(value, list) else value

        kept = {name: value for name, value in record.items() if name not in ("payloadDigest", "itemNo")}
        try:
            text = rfc8785.dumps(plain(kept))
        except rfc8785.CanonicalizationError:
            raise Refusal("PARAM_INVALID", "a number has no canonical form") from None
        return f"{self.profile.digest}:{self.digest(text)}"
