"""What does not fit into memory while a batch is taken in: blocks of bytes in a file that nobody else can read.

The file has no name, so it is gone with the process, however that ends; its blocks are sealed with a key that never
leaves this process. Reported rows are personal and must not lie on a disk in clear, not even for a minute.
"""

from __future__ import annotations

import tempfile
import weakref
from array import array

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class Spool:
    """Append-only blocks, read again by number. Takes 8 bytes of memory for each block."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this object
        weakref.finalize(self, self._file.close)
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self._ends = array("Q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, plain: bytes) -> None:
        """Append one block."""
        sealed = self._cipher.encrypt(_nonce(len(self)), plain, None)
        self._file.seek(self._ends[-1])
        self._file.write(sealed)
        self._ends.append(self._ends[-1] + len(sealed))

    def read(self, number: int) -> bytes:
        """The block of that number, from 0."""
        start, end = self._ends[number], self._ends[number + 1]
        self._file.seek(start)
        return self._cipher.decrypt(_nonce(number), self._file.read(end - start), None)


def _nonce(number: int) -> bytes:
    """Each number is used once, and each spool has a key of its own."""
    return number.to_bytes(12, "big")
