"""Bytes on the wire as text for people: XML, JSON and forms laid out, secrets left out.

Only values under names that speak of a secret are left out here. Whom the text is about is for the caller to mask, and
only text laid out here can be: a name behind ``\\u6c88`` or ``%E6%B2%88`` would be overlooked.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

HIDDEN = "***"
_SECRET = re.compile(r"(sign|signature|signaturevalue|passw(or)?d|secret|token|nonce)$", re.IGNORECASE)
_FILE = "Content"
"""an attachment's bytes in the market platform's messages: a face or a scan, and much too long to be read"""
_VALUE = re.compile(r">([^<>]+)<")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_PLAIN_HEADERS = frozenset(
    {
        "accept",
        "content-digest",
        "content-length",
        "content-type",
        "date",
        "idempotency-key",
        "location",
        "retry-after",
        "soapaction",
        "x-request-id",
    }
)
"""headers that help and hold no credential; of all others only the name is shown"""


def readable(body: bytes) -> str:
    """The body laid out by what it is: XML, JSON or a form; anything else as text. All escapes are undone.

    UTF-8, or GB18030 where it is not; what is neither is shown with replacement characters.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("gb18030", errors="replace")
    if text.lstrip().startswith("<"):
        return _xml(body) or text
    return _json(text) or _form(text) or text


def readable_headers(headers: Mapping[str, str]) -> str:
    """One header a line; values only of those that help."""
    return "\n".join(f"{name}: {value if name in _PLAIN_HEADERS else HIDDEN}" for name, value in headers.items())


def readable_path(path: str) -> str:
    """A path whose query shows no secrets."""
    place, mark, query = path.partition("?")
    shown = [f"{name}={_form_value(name, value)}" for name, value in parse_qsl(query, keep_blank_values=True)]
    return place + mark + "&".join(shown)


def _xml(body: bytes) -> str | None:
    from lxml import etree  # much of what imports this module shows no bytes

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_blank_text=True)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError:
        return None
    for element in root.iter("{*}*"):
        if not len(element) and _SECRET.search(etree.QName(element).localname):
            element.text = HIDDEN
        elif etree.QName(element).localname == _FILE and element.text:
            element.text = f"({len(element.text)} characters)"
        elif (element.text or "").lstrip().startswith("<"):
            element.text = _VALUE.sub(_undone, element.text or "") if _is_encoded(element.text or "") else element.text
    return etree.tostring(root, pretty_print=True, encoding="unicode").rstrip()


def _is_encoded(inner: str) -> bool:
    """Whether an XML string inside a message writes all its values as Base64, as some table services want it."""
    values = [value for value in _VALUE.findall(inner) if value.strip()]
    return bool(values) and all(len(value) % 4 == 0 and _BASE64.fullmatch(value) for value in values)


def _undone(value: re.Match[str]) -> str:
    plain = base64.b64decode(value[1])
    try:
        return f">{plain.decode('utf-8')}<"
    except UnicodeDecodeError:
        return f">{plain.decode('gb18030', errors='replace')}<"


def _json(text: str) -> str | None:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.dumps(_without_secrets(json.loads(text)), ensure_ascii=False, indent=2)
    except ValueError:
        return None


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: HIDDEN if _SECRET.search(name) else _without_secrets(inner) for name, inner in value.items()}
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value


def _form(text: str) -> str | None:
    if "=" not in text or re.search(r"\s", text):
        return None
    pairs = parse_qsl(text, keep_blank_values=True)
    return "\n".join(f"{name} = {_form_value(name, value)}" for name, value in pairs)


def _form_value(name: str, value: str) -> str:
    return HIDDEN if _SECRET.search(name) else _json(value) or value
