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

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.codec import signing
from gateway.codec.jsonbody import Row, canonical, text
from gateway.contract.messages import JSON

_ALGORITHM = "AES-256-GCM"
_IV_LABEL = b"provincial-credit synthetic iv v1"
_NOT_DIGESTED = frozenset({"payloadDigest", "itemNo"})


class CipherError(ValueError):
    """An encrypted field cannot be opened: other key, moved from its place, or changed. Never shows content."""


class FieldCipher:
    """Seals and opens ``Cipher`` values with the key shared with the platform."""

    def __init__(self, key: bytes, key_id: str) -> None:
        self._aead = AESGCM(key)
        self._iv_key = signing.keyed_digest("sha-256", key, _IV_LABEL)
        self._key_id = key_id

    def seal(self, plain: str, *, schema: str, field: str, business_key: str) -> dict[str, JSON]:
        """Encrypt one field; bound to schema, field and business key, so that it cannot be moved to another record."""
        seed = f"{business_key}|{field}|{plain}".encode()
        iv = signing.keyed_digest("sha-256", self._iv_key, seed)[:12]
        sealed = self._aead.encrypt(iv, plain.encode(), _bound(schema, field, business_key))
        return {
            "alg": _ALGORITHM,
            "keyId": self._key_id,
            "iv": signing.base64_text(iv),
            "ciphertext": signing.base64_text(sealed[:-16]),
            "tag": signing.base64_text(sealed[-16:]),
        }

    def open(self, cipher: Row, *, schema: str, field: str, business_key: str) -> str:
        """Decrypt one field; CipherError where key, place or bytes are not the ones it was sealed with."""
        if text(cipher, "alg") != _ALGORITHM or text(cipher, "keyId") != self._key_id:
            raise CipherError("other algorithm or key")
        try:
            iv, ciphertext, tag = (
                base64.b64decode(text(cipher, name) or "", validate=True) for name in ("iv", "ciphertext", "tag")
            )
            return self._aead.decrypt(iv, ciphertext + tag, _bound(schema, field, business_key)).decode()
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
