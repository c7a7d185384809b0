"""Take people out of text before it is kept in clear or logged."""

from __future__ import annotations

import re

_IDENTITY = re.compile(r"(?<![0-9A-Za-z])(?:[1-9]\d{16}[\dXx]|[1-9]\d{14})(?![0-9A-Za-z])")
_MOBILE = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")
_LONG = re.compile(r"(?<![0-9A-Za-z])\d{16,19}(?![0-9A-Za-z])")


def redact(text: str, *known: str) -> str:
    """Replace identity, bank card and mobile numbers in ``text``, and every non-empty ``known`` value (a name)."""
    for value in known:
        if value:
            text = text.replace(value, "***")
    for pattern in (_IDENTITY, _LONG, _MOBILE):
        text = pattern.sub("***", text)
    return text
