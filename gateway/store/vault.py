"""Encryption of what is personal, and the keyed index by which it is found again.

Each value is sealed with AES-256-GCM and bound to its place (table, column, row), so that a ciphertext moved elsewhere
does not open. The key id stands in front, so keys can be rotated: new values take the active key, old ones stay
readable. Searching works on HMAC-SHA-256 of the normalised value with a separate key; without that key the number
space cannot be tried.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.domain.errors import ConfigurationError, StoreError

_NONCE = 12
_KEY = 32
_LEAST_DISTINCT = 16
"""32 random bytes hold about 30 distinct ones; fewer than this means a sample or typed key"""


@dataclass(frozen=True, kw_only=True)
class KeyRing:
    """``active`` seals new values; ``keys`` opens old ones too; ``index`` keys the search index."""

    active: str
    keys: Mapping[str, bytes] = field(repr=False)
    index: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> KeyRing:
        """A new ring with one random key."""
        return cls(active="k1", keys={"k1": secrets.token_bytes(_KEY)}, index=secrets.token_bytes(_KEY))

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """Read ``{"active": "k1", "keys": {"k1": base64}, "index": base64}``; keys that are not random are refused."""
        try:
            plain = json.loads(text)
            keys = {str(name): base64.b64decode(value, validate=True) for name, value in plain["keys"].items()}
            ring = cls(active=str(plain["active"]), keys=keys, index=base64.b64decode(plain["index"], validate=True))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigurationError("GATEWAY_KEYS: not a key ring (active, keys, index; keys in base64)") from None
        ring.verify()
        return ring

    def verify(self) -> None:
        """Refuse a ring that cannot protect anything."""
        if self.active not in self.keys:
            raise ConfigurationError("GATEWAY_KEYS: the active key is not in the ring")
        for name in self.keys:
            # it stands in front of every sealed value, with a colon behind it
            if not name or not name.isascii() or ":" in name:
                raise ConfigurationError("GATEWAY_KEYS: the name of a key must be plain text without a colon")
        for name, key in (*self.keys.items(), ("index", self.index)):
            if len(key) != _KEY:
                raise ConfigurationError(f"GATEWAY_KEYS: key {name} must have {_KEY} bytes")
            if len(set(key)) < _LEAST_DISTINCT:
                raise ConfigurationError(f"GATEWAY_KEYS: key {name} is a sample, not random")

    def to_text(self) -> str:
        """The form that ``parse`` reads."""
        encoded = {name: base64.b64encode(key).decode() for name, key in self.keys.items()}
        return json.dumps({"active": self.active, "keys": encoded, "index": base64.b64encode(self.index).decode()})


def read_or_make_keys(path: Path, *, make: bool) -> KeyRing:
    """The ring in ``path``; where there is none and ``make`` is set, a new one readable by its owner only.

    The file appears whole or not at all, and of several that make it at once all get the same.
    """
    if path.exists():
        return KeyRing.parse(path.read_text(encoding="utf-8"))
    if not make:
        raise ConfigurationError(f"no keys: set GATEWAY_KEYS or run `gateway init` to make {path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(KeyRing.generate().to_text())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        os.unlink(fresh)
    return KeyRing.parse(path.read_text(encoding="utf-8"))


class _Random:
    """Random bytes, drawn from the system many at a time: a call for each nonce would cost more than the cipher."""

    def __init__(self) -> None:
        self._drawn = b""
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget)

    def __call__(self, count: int) -> bytes:
        with self._lock:
            if len(self._drawn) < count:
                self._drawn = secrets.token_bytes(4096 + count)
            taken, self._drawn = self._drawn[:count], self._drawn[count:]
            return taken

    def _forget(self) -> None:
        """A child process must not use the bytes its parent holds."""
        self._drawn = b""


random_bytes = _Random()
"""``count`` random bytes of the system's own generator; safe over threads and forks"""


class Vault:
    """Seals, opens and indexes with one key ring."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._ciphers = {name: AESGCM(key) for name, key in ring.keys.items()}

    def seal(self, plain: bytes, place: str) -> bytes:
        """Encrypt for one place (``table.column:row key``)."""
        nonce = random_bytes(_NONCE)
        name = self._ring.active
        return name.encode() + b":" + nonce + self._ciphers[name].encrypt(nonce, plain, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Decrypt; StoreError where the key is gone or the value was changed or moved."""
        name, _, rest = sealed.partition(b":")
        cipher = self._ciphers.get(name.decode(errors="replace"))
        if cipher is None:
            raise StoreError("a stored value was sealed with a key that is not in the ring")
        try:
            return cipher.decrypt(rest[:_NONCE], rest[_NONCE:], place.encode())
        except (InvalidTag, ValueError):
            raise StoreError(
                f"a stored value of {place.partition(':')[0]} does not open: changed, moved or wrong key"
            ) from None

    def index(self, what: str, value: str) -> str:
        """Keyed digest (64 hex) by which ``value`` is found; ``what`` names the kind (``id_number``)."""
        return hmac.digest(self._ring.index, f"{what}\n{value}".encode(), "sha256").hex()
