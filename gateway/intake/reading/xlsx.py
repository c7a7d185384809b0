"""An .xlsx workbook as tables, read as a stream. Every part is unpacked once at the start, so that damage shows there.

The library for old workbooks could read these too, but holds every cell of a sheet at once: a reported batch of
100 000 rows would take most of a gigabyte.
"""

from __future__ import annotations

import json
import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from lxml import etree

from gateway.domain.errors import InputError
from gateway.intake.reading.marks import Range
from gateway.intake.reading.sheet import Line, Notation, drop, read_lines, string_of
from gateway.intake.reading.spool import Spool

_CHUNK = 1 << 20
_OVERLAP = 200
"""bytes searched again with the next chunk, longer than any sign"""
_PROLOGUE = 4096
_UNUSUAL = (b"<!--", b"<![CDATA[", b"='")
"""comments and literal text, in which a row could only seem to begin; attributes in single quotes"""
_DECLARED = re.compile(rb'^\s*(?:\xef\xbb\xbf)?<\?xml[^>]*encoding="([^"]+)"')
_MERGED = re.compile(rb"""<(?:\w+:)?mergeCell\s[^>]*?ref=["']([A-Z]+)([0-9]+):([A-Z]+)([0-9]+)["']""")
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_RELATION = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"
_TRUE = frozenset({"1", "true"})
_TEXTS = 256
"""shared texts in one block of the spool"""
_DAY_FORMATS = frozenset({*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)})
"""built-in formats of days and times, those of East Asian languages included"""
_SPAN_FORMAT = 46
_QUIET = re.compile(r'"[^"]*"|\\.|[_*].|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
"""parts of a format that are shown as they stand, and colours, conditions and languages"""
_SPAN = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One visible sheet; ``lines`` may be called again and begins anew."""

    name: str
    lines: Callable[[], Iterator[Line]]
    merged: Sequence[Range]
    old_days: bool


@dataclass(kw_only=True)
class _Scan:
    """What unpacking a sheet once has shown."""

    usual: bool = True
    filled: bool = False
    merged: list[Range] = field(default_factory=list)


def open_sheets(path: Path, largest: int) -> Sequence[Sheet]:
    """The visible sheets that hold cells.

    largest: bytes it may unpack to
    Raises InputError without the file's name, or what zipfile and lxml raise for damage.
    """
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > largest:
            raise InputError(f"unpacks to more than {largest} bytes; split the batch")
        return _sheets(archive, path)


def _sheets(archive: zipfile.ZipFile, path: Path) -> Sequence[Sheet]:
    parts = {_part(member.filename): member for member in archive.infolist()}
    if "xl/workbook.xml" not in parts:
        raise InputError("an archive or document, but no workbook of the kind .xlsx; save it again as .xlsx")
    book = _document(archive, parts["xl/workbook.xml"])
    old_days = any(one.get("date1904") in _TRUE for one in book.iter("{*}workbookPr"))
    targets = {
        one.get("Id"): _part(posixpath.join("xl", one.get("Target", "")))
        for one in _document(archive, parts["xl/_rels/workbook.xml.rels"]).iter("{*}Relationship")
    }
    scans = {part: _scan(archive, member) for part, member in parts.items()}
    notation = Notation(
        text=_shared_texts(archive, parts.get("xl/sharedstrings.xml")),
        days=_day_formats(archive, parts.get("xl/styles.xml")),
        old_days=old_days,
    )
    found = []
    for one in book.iter("{*}sheet"):
        part = targets.get(one.get(_RELATION) or one.get(_STRICT_RELATION), "")
        scan = scans.get(part)
        if scan is None or not scan.filled or one.get("state", "visible") != "visible":
            continue
        lines = _lines(path, parts[part], notation, usual=scan.usual)
        found.append(Sheet(name=one.get("name", ""), lines=lines, merged=scan.merged, old_days=old_days))
    return found


def _lines(path: Path, member: zipfile.ZipInfo, notation: Notation, *, usual: bool) -> Callable[[], Iterator[Line]]:
    def lines() -> Iterator[Line]:
        with zipfile.ZipFile(path) as archive:
            yield from read_lines(archive, member, notation, usual=usual)

    return lines


def _part(name: str) -> str:
    return posixpath.normpath(name.replace("\\", "/")).lstrip("/").lower()


def _document(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    with archive.open(member) as handle:
        return etree.parse(handle, parser).getroot()


def _scan(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> _Scan | None:
    """Unpack a part to its end, which checks its sum; None for a part that is no sheet.

    A sheet in another spelling than the usual one must go through the XML parser, and does so once here, so that a
    damaged one is refused before its first row is believed.
    """
    is_sheet = _part(member.filename).startswith("xl/worksheets/") and member.filename.lower().endswith(".xml")
    found, kept, begun, ended = _Scan(), b"", False, False
    with archive.open(member) as handle:
        for chunk in iter(lambda: handle.read(_CHUNK), b""):
            if b"<!DOCTYPE" in chunk[:_PROLOGUE]:
                raise InputError("a part of the workbook declares a document type, which no spreadsheet program writes")
            if not is_sheet:
                continue
            if not kept and (encoding := _DECLARED.match(chunk)) and encoding[1].upper() != b"UTF-8":
                found.usual = False
            kept += chunk
            found.usual = found.usual and not any(sign in kept for sign in _UNUSUAL)
            begun = begun or b"<sheetData>" in kept or b"<sheetData/>" in kept
            found.filled = found.filled or b"<c " in kept or b":c " in kept or b"<c>" in kept
            found.merged += [_range(*groups) for groups in _MERGED.findall(kept)]
            ended = kept.rstrip().endswith(b"</worksheet>")
            kept = kept[-_OVERLAP:]
    if not is_sheet:
        return None
    found.merged = list(dict.fromkeys(found.merged))
    if not (found.usual and begun and ended):
        found.usual = False
        with archive.open(member) as handle:
            for _, row in etree.iterparse(handle, tag="{*}row", resolve_entities=False, no_network=True):
                found.filled = found.filled or next(row.iterchildren("{*}c"), None) is not None
                drop(row)
    return found


def _range(left: bytes, top: bytes, right: bytes, bottom: bytes) -> Range:
    def column(letters: bytes) -> int:
        number = 0
        for letter in letters:
            number = number * 26 + letter - 64
        return number - 1

    return (int(top) - 1, column(left)), (int(bottom) - 1, column(right))


def _shared_texts(archive: zipfile.ZipFile, member: zipfile.ZipInfo | None) -> Callable[[int], str]:
    """Shared texts by number. There may be millions of them: they lie sealed on disk, and rows ask for near ones."""
    spool = Spool()
    if member is not None:
        texts: list[str] = []
        with archive.open(member) as handle:
            for _, item in etree.iterparse(handle, tag="{*}si", resolve_entities=False, no_network=True):
                texts.append(string_of(item))
                drop(item)
                if len(texts) == _TEXTS:
                    spool.add(json.dumps(texts).encode())
                    texts = []
        spool.add(json.dumps(texts).encode())

    @lru_cache(maxsize=256)
    def block(number: int) -> list[str]:
        found: list[str] = json.loads(spool.read(number))
        return found

    return lambda number: block(number // _TEXTS)[number % _TEXTS]


def _day_formats(archive: zipfile.ZipFile, member: zipfile.ZipInfo | None) -> Mapping[int, bool]:
    """Number of a cell format -> whether it shows a span of time; for those that show days or times."""
    if member is None:
        return {}
    styles = _document(archive, member)
    own = {int(one.get("numFmtId", "-1")): one.get("formatCode", "") for one in styles.iter("{*}numFmt")}
    found = {}
    for place, one in enumerate(styles.iterfind("{*}cellXfs/{*}xf")):
        number = int(one.get("numFmtId") or 0)
        if number in own:
            plain = _QUIET.sub("", own[number])
            if _SPAN.search(plain):
                found[place] = True
            elif any(letter in plain.lower() for letter in "dmyhs"):
                found[place] = False
        elif number in _DAY_FORMATS or number == _SPAN_FORMAT:
            found[place] = number == _SPAN_FORMAT
    return found
