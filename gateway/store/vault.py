"""Encryption of what is personal, and the keyed index by which it is found again.

Each value is sealed with AES-256-GCM and bound to its place (table, column, row), so that a ciphertext moved elsewhere
does not open. The key id stands in front, so keys can be rotated: new values take the active key, old ones stay
readable. Searching works on HMAC-SHA-256 of the normalised value with a separate key; without that key the number
space cannot be tried. While the index key is changed, everybody is found by the old and the new one. Marks, of evidence
and of what must stay the same for ever, are HMAC-SHA-256 with a third key, which is never changed.

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
FIRST_INDEX = "i1"
"""name of the first index key; its digests carry no name in front"""


@dataclass(frozen=True, kw_only=True)
class KeyRing:
    """``active`` seals new values; ``keys`` opens old ones too.

    index:          keys the digests by which people are found
    other_indexes:  further index keys, on their way in or out, by which everybody is found too
    mark:           keys marks; where it is not given (a ring of before it had one), the index key does
    """

    active: str
    keys: Mapping[str, bytes] = field(repr=False)
    index: bytes = field(repr=False)
    index_name: str = field(default=FIRST_INDEX, repr=False)
    other_indexes: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    mark: bytes | None = field(default=None, repr=False)

    @property
    def marking(self) -> bytes:
        """The key of marks."""
        return self.mark or self.index

    @property
    def indexes(self) -> dict[str, bytes]:
        """All index keys by name, the one in use first."""
        return {self.index_name: self.index, **self.other_indexes}

    @classmethod
    def generate(cls) -> KeyRing:
        """A new ring with one random key of each kind."""
        key, index, mark = (secrets.token_bytes(_KEY) for _ in range(3))
        return cls(active="k1", keys={"k1": key}, index=index, mark=mark)

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """Read ``{"active": "k1", "keys": {"k1": base64}, "index": base64}``; keys that are not random are refused.

        ``mark``, ``index_name`` and ``other_indexes`` may be left out.
        """
        try:
            plain = json.loads(text)
            mark = plain.get("mark")
            ring = cls(
                active=str(plain["active"]),
                keys=_decoded(plain["keys"]),
                index=base64.b64decode(plain["index"], validate=True),
                index_name=str(plain.get("index_name", FIRST_INDEX)),
                other_indexes=_decoded(plain.get("other_indexes", {})),
                mark=None if mark is None else base64.b64decode(mark, validate=True),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigurationError(tr("GATEWAY_KEYS: not a key ring (active, keys, index; keys in base64)")) from None
        ring.verify()
        return ring

    def verify(self) -> None:
        """Refuse a ring that cannot protect anything."""
        if self.active not in self.keys:
            raise ConfigurationError(tr("GATEWAY_KEYS: the active key is not in the ring"))
        for name in (*self.keys, *self.indexes):
            # it stands in front of every sealed value, with a colon behind it
            if not name or not name.isascii() or ":" in name:
                raise ConfigurationError(tr("GATEWAY_KEYS: the name of a key must be plain text without a colon"))
        known: dict[bytes, str] = {}
        if self.index_name in self.other_indexes:
            raise ConfigurationError(tr("GATEWAY_KEYS: the index key stands among the other ones too"))
        others = [(f"index {name}", key) for name, key in self.other_indexes.items()]
        for name, key in (*self.keys.items(), ("index", self.index), *others):
            if len(key) != _KEY:
                raise ConfigurationError(tr("GATEWAY_KEYS: key {name} must have {key} bytes", name=name, key=_KEY))
            if weak(key):
                raise ConfigurationError(tr("GATEWAY_KEYS: key {name} is a sample, not random", name=name))
            if key in known:
                raise ConfigurationError(
                    tr("GATEWAY_KEYS: keys {known} and {name} are the same", known=known[key], name=name)
                )
            known[key] = name
        # the first index key may have marked too
        if self.mark is not None and (len(self.mark) != _KEY or weak(self.mark) or self.mark in self.keys.values()):
            raise ConfigurationError(tr("GATEWAY_KEYS: key mark is not 32 random bytes of its own"))

    def to_text(self) -> str:
        """The form that ``parse`` reads."""
        plain: dict[str, object] = {"active": self.active, "keys": _encoded(self.keys), "index": _text(self.index)}
        if self.index_name != FIRST_INDEX or self.other_indexes:
            plain |= {"index_name": self.index_name, "other_indexes": _encoded(self.other_indexes)}
        if self.mark is not None:
            plain["mark"] = _text(self.mark)
        return json.dumps(plain)


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _encoded(keys: Mapping[str, bytes]) -> dict[str, str]:
    return {name: _text(key) for name, key in keys.items()}


def _decoded(keys: Mapping[str, str]) -> dict[str, bytes]:
    return {str(name): base64.b64decode(value, validate=True) for name, value in keys.items()}


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
        raise ConfigurationError(
            tr(
                "no keys: put back the {name} (or GATEWAY_KEYS) that the store was written with; only for a new store "
                "`gateway init` makes one",
                name=path.name,
            )
        )
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
        self._marking = ring.marking
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

    def renew(self) -> None:
        """Take the ring anew at once, where its file was changed."""
        self._look(at_once=True)

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
        """Keyed digest (64 letters) by which ``value`` is found; ``what`` names the kind (``id_number``)."""
        self._look()
        return _found_by(self.ring.index_name, self.ring.index, what, value)

    def indexes(self, what: str, value: str) -> list[str]:
        """Digests under every index key, the one in use first; more than one only while the key is changed."""
        self._look()
        return [_found_by(name, key, what, value) for name, key in self.ring.indexes.items()]

    def index_under(self, name: str, what: str, value: str) -> str:
        """Digest under the index key of this name."""
        return _found_by(name, self.ring.indexes[name], what, value)

    def mark(self, what: str, value: bytes) -> str:
        """Keyed digest (64 hex) that never changes: who can only write the tables cannot make one."""
        return hmac.digest(self._marking, what.encode() + b"\n" + value, "sha256").hex()

    def checks(self) -> dict[str, str]:
        """Check values of the keys by name, from which no key can be worked out; the key of marks has no name."""
        indexes = {f"index {name}": key for name, key in self.ring.indexes.items()}
        named = {"": self.ring.marking, **indexes, **self.ring.keys}
        return {name: hmac.digest(key, b"gateway key check", "sha256").hex() for name, key in named.items()}


def _found_by(name: str, key: bytes, what: str, value: str) -> str:
    digest = hmac.digest(key, f"{what}\n{value}".encode(), "sha256").hex()
    return digest if name == FIRST_INDEX else f"{name}:{digest}"[:64]


def _stamp_of(path: Path | None) -> tuple[int, int] | None:
    if path is None or not path.exists():
        return None
    found = path.stat()
    return found.st_mtime_ns, found.st_ino
