"""Encryption of what is personal, and the keyed index by which it is found again.

Each value is sealed with AES-256-GCM and bound to its place (table, column, row), so that a ciphertext moved elsewhere
does not open. The key id stands in front, so keys can be rotated: new values take the active key, old ones stay
readable. Searching works on HMAC-SHA-256 of the normalised value with a separate key; without that key the number
space cannot be tried. Marks of evidence are HMAC-SHA-256 with that key too.

A ring kept in a file is looked at once a second, so that a running process takes a new key without a restart.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
import stat
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.domain.errors import ConfigurationError, StoreError
from gateway.locale import tr

_NONCE = 12
_KEY = 32
_LEAST_DISTINCT = 16
"""32 random bytes hold about 30 distinct ones; fewer than this means a sample or typed key"""

_FEW_STEPS = 4
"""between neighbouring bytes of a random key there are about 29 distinct steps"""
LOOK_SECONDS = 1.0


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
            raise ConfigurationError(tr("GATEWAY_KEYS: not a key ring (active, keys, index; keys in base64)")) from None
        ring.verify()
        return ring

    def verify(self) -> None:
        """Refuse a ring that cannot protect anything."""
        if self.active not in self.keys:
            raise ConfigurationError(tr("GATEWAY_KEYS: the active key is not in the ring"))
        for name in self.keys:
            # it stands in front of every sealed value, with a colon behind it
            if not name or not name.isascii() or ":" in name:
                raise ConfigurationError(tr("GATEWAY_KEYS: the name of a key must be plain text without a colon"))
        known: dict[bytes, str] = {}
        for name, key in (*self.keys.items(), ("index", self.index)):
            if len(key) != _KEY:
                raise ConfigurationError(tr("GATEWAY_KEYS: key {name} must have {key} bytes", name=name, key=_KEY))
            if weak(key):
                raise ConfigurationError(tr("GATEWAY_KEYS: key {name} is a sample, not random", name=name))
            if key in known:
                raise ConfigurationError(
                    tr("GATEWAY_KEYS: keys {known} and {name} are the same", known=known[key], name=name)
                )
            known[key] = name

    def to_text(self) -> str:
        """The form that ``parse`` reads."""
        encoded = {name: base64.b64encode(key).decode() for name, key in self.keys.items()}
        return json.dumps({"active": self.active, "keys": encoded, "index": base64.b64encode(self.index).decode()})


def weak(key: bytes) -> bool:
    """Whether bytes cannot be a random key: few distinct ones, typed text, or bytes that count up or down."""
    steps = {(later - first) % 256 for first, later in pairwise(key)}
    return len(set(key)) < _LEAST_DISTINCT or all(0x20 <= byte < 0x7F for byte in key) or len(steps) <= _FEW_STEPS


def read_keys(path: Path) -> KeyRing:
    """The ring in a file that only its owner may read; others are refused."""
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigurationError(tr("{name} can be read by others than its owner: `chmod 600 {name}`", name=path.name))
    return KeyRing.parse(path.read_text(encoding="utf-8"))


def write_keys(path: Path, ring: KeyRing) -> None:
    """Put another ring in the place of the one in a file; it is there whole, before or after."""
    fresh = _written(path, ring)
    os.replace(fresh, path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Let what was renamed in a folder stay so when the machine loses power."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _written(path: Path, ring: KeyRing) -> str:
    handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(ring.to_text())
        file.flush()
        os.fsync(file.fileno())
    return fresh


def read_or_make_keys(path: Path, *, make: bool) -> KeyRing:
    """The ring in ``path``; where there is none and ``make`` is set, a new one readable by its owner only.

    The file appears whole or not at all, and of several that make it at once all get the same.
    """
    if path.exists():
        return read_keys(path)
    if not make:
        raise ConfigurationError(tr("no keys: set GATEWAY_KEYS or run `gateway init` to make {name}", name=path.name))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = _written(path, KeyRing.generate())
    try:
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        os.unlink(fresh)
    return read_keys(path)


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
    """Seals, opens and indexes with one key ring.

    source: file the ring was read from; a newer ring in it is taken while the process runs
    """

    def __init__(self, ring: KeyRing, source: Path | None = None) -> None:
        self._source, self._looked, self._stamp = source, time.monotonic(), _stamp_of(source)
        self._take(ring)

    def _take(self, ring: KeyRing) -> None:
        self._ciphers = {name: AESGCM(key) for name, key in ring.keys.items()}
        self.ring = ring

    def _look(self, *, at_once: bool = False) -> None:
        """Take the ring anew where its file was changed."""
        if self._source is None or not (at_once or time.monotonic() - self._looked > LOOK_SECONDS):
            return
        self._looked = time.monotonic()
        stamp = _stamp_of(self._source)
        if stamp is not None and stamp != self._stamp:
            self._stamp = stamp
            self._take(read_keys(self._source))

    def seal(self, plain: bytes, place: str) -> bytes:
        """Encrypt for one place (``table.column:row key``)."""
        self._look()
        nonce = random_bytes(_NONCE)
        name = self.ring.active
        return name.encode() + b":" + nonce + self._ciphers[name].encrypt(nonce, plain, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Decrypt; StoreError where the key is gone or the value was changed or moved."""
        name, _, rest = sealed.partition(b":")
        cipher = self._ciphers.get(name.decode(errors="replace"))
        if cipher is None:
            self._look(at_once=True)
            cipher = self._ciphers.get(name.decode(errors="replace"))
        if cipher is None:
            raise StoreError(tr("a stored value was sealed with a key that is not in the ring"))
        try:
            return cipher.decrypt(rest[:_NONCE], rest[_NONCE:], place.encode())
        except (InvalidTag, ValueError):
            raise StoreError(
                tr(
                    "a stored value of {place} does not open: changed, moved or wrong key",
                    place=place.partition(":")[0],
                )
            ) from None

    def index(self, what: str, value: str) -> str:
        """Keyed digest (64 hex) by which ``value`` is found; ``what`` names the kind (``id_number``)."""
        return hmac.digest(self.ring.index, f"{what}\n{value}".encode(), "sha256").hex()

    def mark(self, what: str, value: bytes) -> str:
        """Keyed digest (64 hex) for evidence: who can only write the tables cannot make one."""
        return hmac.digest(self.ring.index, what.encode() + b"\n" + value, "sha256").hex()

    def checks(self) -> dict[str, str]:
        """Check values of the keys by name, from which no key can be worked out; the index key has no name."""
        named = {"": self.ring.index, **self.ring.keys}
        return {name: hmac.digest(key, b"gateway key check", "sha256").hex() for name, key in named.items()}


def _stamp_of(path: Path | None) -> tuple[int, int] | None:
    if path is None or not path.exists():
        return None
    found = path.stat()
    return found.st_mtime_ns, found.st_ino
