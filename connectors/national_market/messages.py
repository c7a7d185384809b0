"""Around the records: serial number, head and content hash of a request, and stored records in comparable form."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from lxml import etree
from ulid import ULID

from connectors.national_market.description import SCHEMA_VERSION
from connectors.national_market.mapping import CHINA, moment
from connectors.national_market.settings import NationalMarketSettings
from gateway.codec.moments import read_moment
from gateway.codec.soap.compiled_writer import Written
from gateway.contract.messages import JSON, Stamp
from gateway.domain.names import folded_name

_NO_HASH = "0" * 64
_NUMBER = re.compile(r"\[\d+\]")
_REPEATED = frozenset({"CertFile", "Extension"})
ATTACHMENTS = frozenset({"Photo", "CertFile"})
"""elements that the platform never returns"""
_MOMENTS = frozenset({"Checked.CheckedAt"})
_NAMES = frozenset({"PersonName", "Holder.PersonName"})
_ENDS = frozenset({"ValidTo"})
_SERIAL = re.compile(r"(\d{14})[0-9A-F]{12}")
_NO_END = "9999-12-31"
"""how systems that must have a date write that there is no end"""
_GREATEST_VERSION = 2**31 - 1
_PLATFORM_DEFAULTS = frozenset({"Nationality"})
"""fields the platform fills in where they are not sent"""


@lru_cache(maxsize=1024)
def serial_number(sender: str, message_id: str) -> str:
    """Region, the message id's own time in China, and its last 48 random bits: the same message, the same number."""
    ulid = ULID.from_str(message_id)
    at = datetime.fromtimestamp(ulid.milliseconds / 1000, CHINA)
    return f"{sender}{at:%Y%m%d%H%M%S}{ulid.bytes[-6:].hex().upper()}"


def made_at(number: str, sender: str) -> datetime | None:
    """The moment in a serial number of ours, to the second; None for anything else."""
    found = _SERIAL.fullmatch(number.removeprefix(sender)) if number.startswith(sender) else None
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=CHINA)
    except ValueError:
        return None


def head(count: int, stamp: Stamp, settings: NationalMarketSettings) -> dict[str, JSON]:
    """The ``Head`` of a request; its ContentHash is filled in once the records stand in the message."""
    return {
        "SenderCode": settings.sender_code,
        "SerialNo": serial_number(settings.sender_code, stamp.message_id),
        "SchemaVersion": SCHEMA_VERSION,
        "SentAt": moment(stamp.now),
        "RecordCount": count,
        "ContentHash": _NO_HASH,
    }


def with_content_hash(written: Written, settings: NationalMarketSettings) -> str:
    """The text of a message with the SHA-256 of its records' leaves in its head, which stands before the records."""
    heads = next(number for number, line in enumerate(written.leaves) if not line.startswith("Head/"))
    lines = written.leaves[heads:]
    if "Content>" in written.text:
        lines = [line for line in lines if not line.partition("=")[0].endswith("/Content")]
    if not settings.hash_numbers_records:
        lines = [_NUMBER.sub("", line, count=1) for line in lines]
    return written.text.replace(_NO_HASH, hashlib.sha256("".join(lines).encode()).hexdigest(), 1)


def fill_content_hash(envelope: etree._Element, settings: NationalMarketSettings) -> None:
    """The same for a message that zeep wrote. Prefixes and white space around elements do not count."""
    (wrapper,) = envelope.findall("{*}Body/*")
    digest = hashlib.sha256()
    for number, record in enumerate((r for r in wrapper if _name(r) != "Head"), start=1):
        root = f"{_name(record)}[{number}]" if settings.hash_numbers_records else _name(record)
        digest.update("".join(_leaf_lines(record, root)).encode())
    target = wrapper.find("{*}Head/{*}ContentHash")
    assert target is not None
    target.text = digest.hexdigest()


def _leaf_lines(element: etree._Element, path: str) -> Iterator[str]:
    """One line for each leaf; repeating elements are numbered, and the content of an attachment counts by its hash."""
    if not len(element):
        yield f"{path}={element.text or ''}\n"
    seen: Counter[str] = Counter()
    for child in element:
        name = _name(child)
        seen[name] += 1
        if name != "Content":
            yield from _leaf_lines(child, f"{path}/{name}[{seen[name]}]" if name in _REPEATED else f"{path}/{name}")


def comparable(record: etree._Element, parent: str = "") -> dict[str, str]:
    """A stored record as the platform returns it: dotted path -> text; attachments are never returned, so left out."""
    found: dict[str, str] = {}
    for child in record:
        name = _name(child)
        if name in ATTACHMENTS:
            continue
        if len(child):
            found |= comparable(child, f"{parent}{name}.")
        else:
            found[f"{parent}{name}"] = (child.text or "").strip()
    return found


def normal(fields: dict[str, str], like: dict[str, str]) -> dict[str, str]:
    """Make two views comparable: moments as points in time, names folded, plain numbers, defaults and no ends left out.

    The operation that brought a record there says nothing about the record.
    """
    return {
        path: _normal(path, text)
        for path, text in fields.items()
        if path != "OperateType" and (path in like or path not in _PLATFORM_DEFAULTS) and folded(path, text)
    }


def version_of(text: str) -> int:
    """A record's version, of which the schema bounds no length; 0 for no number, at most what the books can hold."""
    digits = text.strip().lstrip("+0")
    if not digits.isdecimal():
        return 0
    return min(int(digits), _GREATEST_VERSION) if len(digits) < 20 else _GREATEST_VERSION


def folded(path: str, text: str) -> str:
    """A value without what platforms write in different ways: spellings of a name, and dates that mean no end."""
    if path in _NAMES:
        return folded_name(text)
    return "" if path in _ENDS and text.startswith(_NO_END) else text


def _normal(path: str, text: str) -> str:
    if path in _MOMENTS:
        at = read_moment(text)
        return text if at is None else f"{at.timestamp():.0f}"
    if path in _NAMES or path in _ENDS:
        return folded(path, text)
    if path == "RecordVersion":
        return text.lstrip("+0")
    if path == "Training.Passed":
        return {"True": "true", "1": "true", "0": "false"}.get(text, text)
    return text


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname
