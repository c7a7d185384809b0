"""Around the records: serial number, head and content hash of a request, and stored records in comparable form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

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
        elements = list(record.iter())
        paths = _leaf_paths(tuple([(element.tag, len(element)) for element in elements]))
        lines = [f"{root}{path}={e.text or ''}\n" for path, e in zip(paths, elements, strict=True) if path is not None]
        digest.update("".join(lines).encode())
    target = wrapper.find("{*}Head/{*}ContentHash")
    assert target is not None
    target.text = digest.hexdigest()


@lru_cache(maxsize=256)
def _leaf_paths(shape: tuple[tuple[str, int], ...]) -> tuple[str | None, ...]:
    """Paths below the record for its elements in document order, given as (tag, number of children).

    None: no leaf, or the content of an attachment, which counts by hash. Repeating elements are numbered.
    """
    nodes = iter(shape)

    def walk(children: int, path: str, *, counts: bool) -> Iterator[str | None]:
        yield path if counts and not children else None
        seen: dict[str, int] = {}
        for _ in range(children):
            tag, below = next(nodes)
            name = tag.rpartition("}")[2]
            seen[name] = seen.get(name, 0) + 1
            step = f"{path}/{name}[{seen[name]}]" if name in _REPEATED else f"{path}/{name}"
            yield from walk(below, step, counts=counts and name != "Content")

    _, children = next(nodes)
    return tuple(walk(children, "", counts=True))


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
