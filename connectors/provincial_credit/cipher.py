"""Encrypted fields and digests of records (this contract, sections "Cipher" and "Digests" of the connector's README).

The initialisation vector is synthetic: twelve bytes of an HMAC over business key, field and plain text under a key
derived from the shared one. Equal input gives equal ciphertext, so a record version has one digest for ever and the
platform recognises a repeat; different input never shares a vector but by a collision of 96 bits, and the platform
decrypts as with any other vector.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connectors.provincial_credit.envelope import sm4_open, sm4_seal
from gateway.codec import signing
from gateway.codec.jsonbody import Row, canonical, text
from gateway.contract.messages import JSON

FieldAlg = Literal["AES-256-GCM", "SM4-GCM"]
KEY_BYTES: Mapping[str, int] = {"AES-256-GCM": 32, "SM4-GCM": 16}
_IV_LABEL = b"provincial-credit synthetic iv v1"
_NOT_DIGESTED = frozenset({"payloadDigest", "itemNo"})


class CipherError(ValueError):
    """An encrypted field cannot be opened: other key, moved from its place, or changed. Never shows content."""


class FieldCipher:
    """Seals ``Cipher`` values with the key shared with the platform, and opens those sealed with it or an earlier one.

    others: further keys by id, for the time in which the platform changes its key; each for AES or SM4 by its size
    """

    def __init__(
        self, key: bytes, key_id: str, algorithm: FieldAlg = "AES-256-GCM", others: Mapping[str, bytes] | None = None
    ) -> None:
        self._algorithm = algorithm
        self._key_id = key_id
        self._keys = {**(others or {}), key_id: key}
        self._iv_key = signing.keyed_digest("sha-256", key, _IV_LABEL)

    def seal(self, plain: str, *, schema: str, field: str, business_key: str) -> dict[str, JSON]:
        """Encrypt one field; bound to schema, field and business key, so that it cannot be moved to another record."""
        seed = f"{business_key}|{field}|{plain}".encode()
        iv = signing.keyed_digest("sha-256", self._iv_key, seed)[:12]
        key, bound = self._keys[self._key_id], _bound(schema, field, business_key)
        if self._algorithm == "SM4-GCM":
            sealed, tag = sm4_seal(key, iv, plain.encode(), bound)
        else:
            both = AESGCM(key).encrypt(iv, plain.encode(), bound)
            sealed, tag = both[:-16], both[-16:]
        return {
            "alg": self._algorithm,
            "keyId": self._key_id,
            "iv": signing.base64_text(iv),
            "ciphertext": signing.base64_text(sealed),
            "tag": signing.base64_text(tag),
        }

    def open(self, cipher: Row, *, schema: str, field: str, business_key: str) -> str:
        """Decrypt one field; CipherError where key, place or bytes are not the ones it was sealed with."""
        algorithm, key = text(cipher, "alg") or "", self._keys.get(text(cipher, "keyId") or "")
        if key is None or KEY_BYTES.get(algorithm) != len(key):
            raise CipherError("other algorithm or key")
        bound = _bound(schema, field, business_key)
        try:
            iv, sealed, tag = (
                base64.b64decode(text(cipher, name) or "", validate=True) for name in ("iv", "ciphertext", "tag")
            )
            if algorithm == "SM4-GCM":
                return sm4_open(key, iv, sealed, tag, bound).decode()
            return AESGCM(key).decrypt(iv, sealed + tag, bound).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise CipherError("not sealed for this field of this record") from None


def payload_digest(record: Row, algorithm: str) -> str:
    """``sha-256:`` or ``sm3:`` and the digest in hex of the record's canonical form.

    Left out: the digest itself, and the item number, which is a place in one batch: a version sent again among other
    records must keep its digest. Each cipher counts as ``keyId:ciphertext``. JsonError where no canonical form exists.
    """
    kept = {name: value for name, value in record.items() if name not in _NOT_DIGESTED}
    return f"{algorithm}:{signing.digest(algorithm, canonical(_plain(kept))).hex()}"


def total_digest(digests: tuple[str, ...], algorithm: str) -> str:
    """Digest of the item digests joined by line feeds."""
    return f"{algorithm}:{signing.digest(algorithm, chr(10).join(digests).encode()).hex()}"


def _plain(value: JSON) -> JSON:
    if isinstance(value, Mapping):
        if "ciphertext" in value and "keyId" in value:
            return f"{value['keyId']}:{value['ciphertext']}"
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _bound(schema: str, field: str, business_key: str) -> bytes:
    return f"{schema}|{field}|{business_key}".encode()
