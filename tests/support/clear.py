"""What somebody who reads a database file can read: texts as they are, and bytes in the encodings that people use."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any


def readable(rows: Iterable[Sequence[Any]]) -> str:
    """Everything in these rows as text. ``repr`` alone hides a name in bytes behind escapes, where nothing finds it."""
    return "\n".join(text for row in rows for value in row for text in _texts(value))


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, bytes | bytearray | memoryview):
        raw = bytes(value)
        for encoding in ("utf-8", "gb18030", "utf-16-le"):
            yield raw.decode(encoding, errors="replace")
        yield raw.hex()
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for part in pair for text in _texts(part))
    elif isinstance(value, list | tuple):
        yield from (text for part in value for text in _texts(part))
    else:
        yield str(value)


def forms_of(secret: str) -> set[str]:
    """A name or number as it is and as escapes, hexadecimal and Base64 would show it."""
    raw = secret.encode()
    escaped = secret.encode("ascii", "backslashreplace").decode()
    return {secret, escaped, raw.hex(), base64.b64encode(raw).decode().rstrip("=")}
