"""Take people out of text before it is kept in clear or logged."""

from __future__ import annotations

import json
import re

_ESCAPE = r"(?<=\\u[0-9A-Fa-f]{4})"
"""a number may follow a character that JSON writes as letters and digits"""
_START = rf"(?:(?<![0-9A-Za-z])|(?<=\\[bfnrt])|{_ESCAPE})"
_IDENTITY = re.compile(_START + r"(?:[1-9]\d{16}[\dXx]|[1-9]\d{14})(?![0-9A-Za-z])")
_MOBILE = re.compile(rf"(?:(?<!\d)|{_ESCAPE})1[3-9]\d{{9}}(?!\d)")
_PICTURE = re.compile(r"(?:data:image/\w{2,8};base64,)?(?:/9j/|iVBORw0KGgo)[A-Za-z0-9+/]{16,}={0,2}")
"""a JPEG or PNG in Base64, known by how each begins"""
_LONG = re.compile(_START + r"\d{16,19}(?![0-9A-Za-z])")


def redact(text: str, *known: str) -> str:
    """Replace identity, bank card and mobile numbers, photos, and every non-empty ``known`` value (a name) in ``text``.

    A known value is found as it stands and in the ASCII escapes of JSON and XML.
    """
    escaped = "\\u" in text or "&#" in text
    for value in known:
        if value:
            text = text.replace(value, "***")
            text = re.sub(_escaped(value), "***", text, flags=re.IGNORECASE) if escaped else text
    for pattern in (_PICTURE, _IDENTITY, _LONG, _MOBILE):
        text = pattern.sub("***", text)
    return text


def _escaped(value: str) -> str:
    return "".join(f"(?:{re.escape(json.dumps(c)[1:-1])}|&#{ord(c)};|&#x0*{ord(c):x};)" for c in value)
