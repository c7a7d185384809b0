"""Around the records: serial number, head and content hash of a request, and stored records in comparable form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

from lxml import etree
from ulid import ULID

from connectors.national_market.mapping import CHINA, moment
from connectors.national_market.settings import NationalMarketSettings
from gateway.contract.messages import JSON, Stamp

SCHEMA_VERSION = "1.0"
_REPEATED = frozenset({"CertFile", "Extension"})
_ATTACHMENTS = frozenset({"Photo", "CertFile"})
_MOMENTS = frozenset({"Checked.CheckedAt"})
_PLATFORM_DEFAULTS = frozenset({"Nationality"})
"""fields the platform fills in where they are not sent"""


def serial_number(sender: str, message_id: str) -> str:
    """Region, the message id's own time in China, and its last 48 random bits: the same message, the same number."""
    ulid = ULID.from_str(message_id)
    at = datetime.fromtimestamp(ulid.milliseconds / 1000, CHINA)
    return f"{sender}{at:%Y%m%d%H%M%S}{ulid.bytes[-6:].hex().upper()}"


def head(count: int, stamp: Stamp, settings: NationalMarketSettings) -> dict[str, JSON]:
    """The ``Head`` of a request; its ContentHash is filled in once the records stand in the message."""
    return {
        "SenderCode": settings.sender_code,
        "SerialNo": serial_number(settings.sender_code, stamp.message_id),
        "SchemaVersion": SCHEMA_VERSION,
        "SentAt": moment(stamp.now),
        "RecordCount": count,
        "ContentHash": "0" * 64,
    }


def fill_content_hash(envelope: etree._Element, settings: NationalMarketSettings) -> None:
    """Put the SHA-256 of the records' leaf elements into the head; prefixes and white space do not count."""
    (wrapper,) = envelope.findall("{*}Body/*")
    digest = hashlib.sha256()
    for number, record in enumerate((r for r in wrapper if _name(r) != "Head"), start=1):
        root = f"{_name(record)}[{number}]" if settings.hash_numbers_records else _name(record)
        for path, text in _leaf_lines(record, root):
            digest.update(f"{path}={text}\n".encode())
    target = wrapper.find("{*}Head/{*}ContentHash")
    assert target is not None
    target.text = digest.hexdigest()


def _leaf_lines(element: etree._Element, path: str) -> Iterator[tuple[str, str]]:
    """Leaves in document order as (path, text); repeating elements are numbered, attachments count by hash."""
    if not len(element):
        yield path, element.text or ""
        return
    seen: dict[str, int] = {}
    for child in element:
        name = _name(child)
        seen[name] = seen.get(name, 0) + 1
        if name == "Content":
            continue
        yield from _leaf_lines(child, f"{path}/{name}[{seen[name]}]" if name in _REPEATED else f"{path}/{name}")


def comparable(record: etree._Element, parent: str = "") -> dict[str, str]:
    """A stored record as the platform returns it: dotted path -> text; attachments are never returned, so left out."""
    found: dict[str, str] = {}
    for child in record:
        name = _name(child)
        if name in _ATTACHMENTS:
            continue
        if len(child):
            found |= comparable(child, f"{parent}{name}.")
        else:
            found[f"{parent}{name}"] = (child.text or "").strip()
    return found


def normal(fields: dict[str, str], like: dict[str, str]) -> dict[str, str]:
    """Make two views comparable: moments as points in time, plain numbers, the platform's defaults left out."""
    return {
        path: _normal(path, text) for path, text in fields.items() if path in like or path not in _PLATFORM_DEFAULTS
    }


def _normal(path: str, text: str) -> str:
    if path in _MOMENTS:
        try:
            return f"{datetime.fromisoformat(text).timestamp():.0f}"
        except ValueError:
            return text
    if path == "RecordVersion":
        return text.lstrip("+0")
    if path == "Training.Passed":
        return {"True": "true", "1": "true", "0": "false"}.get(text, text)
    return text


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname
