"""An .xlsx workbook as tables, read as a stream. Every part is unpacked once at the start, so that damage shows there.

The library for old workbooks could read these too, but holds every cell of a sheet at once: a reported batch of
100 000 rows would take most of a gigabyte.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from lxml import etree

from gateway.intake.reading.characters import storable
from gateway.intake.reading.marks import Range, Sheet
from gateway.intake.reading.number_formats import ShownNumber, shown_as
from gateway.intake.reading.problems import UnreadableFile
from gateway.intake.reading.sheet import Line, Notation, Repaired, drop, read_lines, string_of

if TYPE_CHECKING:
    from gateway.intake.reading.spool import Spool

_CHUNK = 1 << 20
_OVERLAP = 200
"""bytes searched again with the next chunk, longer than any sign"""
_PROLOGUE = 4096
_UNUSUAL = (b"<!--", b"<![CDATA[", b"='")
"""comments and literal text, in which a row could only seem to begin; attributes in single quotes"""
_DECLARED = re.compile(rb'^\s*(?:\xef\xbb\xbf)?<\?xml[^>]*encoding="([^"]+)"')
_MERGED = re.compile(
    rb"""<(?:\w{1,20}:)?mergeCell\s[^<>]*?ref=["']([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})["']"""
)
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_RELATION = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"
_TRUE = frozenset({"1", "true"})
_TEXTS = 256
"""shared texts in one block of the spool"""
_LARGEST_TREE = 8 << 20
"""bytes of a part that is held as a tree: the list of sheets and the relationships"""
_MOST_SHEETS = 1000


@dataclass(kw_only=True)
class _Scan:
    """What unpacking a sheet once has shown."""

    usual: bool = True
    filled: bool = False
    merged: list[Range] = field(default_factory=list)


def open_sheets(path: Path, largest: int) -> Sequence[Sheet]:
    """The sheets that hold cells, hidden ones too.

    largest: bytes it may unpack to
    Raises Unreadable, or what zipfile and lxml raise for damage.
    """
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > largest:
            raise UnreadableFile("unpacked", limit=largest)
        return _sheets(archive, path)


def _sheets(archive: zipfile.ZipFile, path: Path) -> Sequence[Sheet]:
    parts = {_part(member.filename): member for member in archive.infolist()}
    main = _main_part(archive, parts)
    book = _document(archive, parts[main])
    if etree.QName(book).localname != "workbook":
        raise UnreadableFile("other_archive")
    old_days = any(one.get("date1904") in _TRUE for one in book.iter("{*}workbookPr"))
    related = _related(archive, parts, main)
    listed = list(book.iter("{*}sheet"))
    if len(listed) > _MOST_SHEETS:
        raise UnreadableFile("many_sheets", limit=_MOST_SHEETS)
    wanted = [(one, related.get(one.get(_RELATION) or one.get(_STRICT_RELATION) or "", ("", ""))) for one in listed]
    sheets = {part for _, (part, kind) in wanted if kind == "worksheet"}
    scans = {part: _scan(archive, member, is_sheet=part in sheets) for part, member in parts.items()}
    by_kind = {kind: parts.get(part) for part, kind in related.values()}
    notation = Notation(
        text=_shared_texts(archive, by_kind.get("sharedStrings")),
        shown=_number_formats(archive, by_kind.get("styles")),
        old_days=old_days,
    )
    found = []
    for one, (part, _) in wanted:
        scan = scans.get(part) if part in sheets else None
        if scan is None or not scan.filled:
            continue
        lines = _lines(path, parts[part], notation, usual=scan.usual)
        hidden = one.get("state", "visible") != "visible"
        name = storable(one.get("name", ""))
        found.append(Sheet(name=name, lines=lines, merged=scan.merged, hidden=hidden, old_days=old_days))
    return found


def _main_part(archive: zipfile.ZipFile, parts: Mapping[str, zipfile.ZipInfo]) -> str:
    """The part that lists the sheets, wherever the archive says it lies."""
    if "_rels/.rels" in parts:
        for part, kind in _related(archive, parts, "").values():
            if kind == "officeDocument" and part in parts:
                if part.endswith(".bin"):
                    raise UnreadableFile("binary_workbook")
                if part.endswith(".xml"):
                    return part
    if "xl/workbook.xml" in parts:
        return "xl/workbook.xml"
    if "xl/workbook.bin" in parts:
        raise UnreadableFile("binary_workbook")
    is_open_document = "mimetype" in parts and b"opendocument.spreadsheet" in archive.open(parts["mimetype"]).read(200)
    raise UnreadableFile("open_document" if is_open_document else "other_archive")


def _related(
    archive: zipfile.ZipFile, parts: Mapping[str, zipfile.ZipInfo], part: str
) -> Mapping[str, tuple[str, str]]:
    """Relationships of a part: id -> the part it leads to and the last word of its kind."""
    folder, name = posixpath.split(part)
    member = parts.get(_part(posixpath.join(folder, "_rels", f"{name}.rels")))
    if member is None:
        return {}
    return {
        one.get("Id", ""): (
            _part(posixpath.join("/", folder, one.get("Target", ""))),
            one.get("Type", "").rpartition("/")[2],
        )
        for one in _document(archive, member).iter("{*}Relationship")
        if one.get("TargetMode") != "External"
    }


def _lines(path: Path, member: zipfile.ZipInfo, notation: Notation, *, usual: bool) -> Callable[[], Iterator[Line]]:
    def lines() -> Iterator[Line]:
        with zipfile.ZipFile(path) as archive:
            yield from read_lines(archive, member, notation, usual=usual)

    return lines


def _part(name: str) -> str:
    return posixpath.normpath(name.replace("\\", "/")).lstrip("/").lower()


def _document(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> etree._Element:
    if member.file_size > _LARGEST_TREE:
        raise UnreadableFile("unpacked", limit=_LARGEST_TREE)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    with archive.open(member) as handle:
        return etree.fromstring(Repaired(handle).read(), parser)


def _scan(archive: zipfile.ZipFile, member: zipfile.ZipInfo, *, is_sheet: bool) -> _Scan | None:
    """Unpack a part to its end, which checks its sum; None for a part that is no sheet.

    A sheet in another spelling than the usual one must go through the XML parser, and does so once here, so that a
    damaged one is refused before its first row is believed.
    """
    found, kept, begun, ended = _Scan(), b"", False, False
    with archive.open(member) as handle:
        for chunk in iter(lambda: handle.read(_CHUNK), b""):
            if b"<!DOCTYPE" in chunk[:_PROLOGUE]:
                raise UnreadableFile("doctype")
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
            for _, row in etree.iterparse(Repaired(handle), tag="{*}row", resolve_entities=False, no_network=True):
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
    spool: Spool | None = None
    texts: list[str] = []
    full = 0
    if member is not None:
        with archive.open(member) as handle:
            for _, item in etree.iterparse(Repaired(handle), tag="{*}si", resolve_entities=False, no_network=True):
                texts.append(string_of(item))
                drop(item)
                if len(texts) == _TEXTS:
                    if spool is None:
                        from gateway.intake.reading.spool import Spool

                        spool = Spool()
                    spool.add(orjson.dumps(texts))
                    texts, full = [], full + 1

    @lru_cache(maxsize=256)
    def block(number: int) -> list[str]:
        found: list[str] = texts if number == full or spool is None else orjson.loads(spool.read(number))
        return found

    def text(number: int) -> str:
        if not 0 <= number < full * _TEXTS + len(texts):
            raise LookupError("a text of that number")
        return block(number // _TEXTS)[number % _TEXTS]

    return text


def _number_formats(archive: zipfile.ZipFile, member: zipfile.ZipInfo | None) -> Mapping[int, ShownNumber]:
    """Number of a cell format -> how it shows numbers, for those that show more than numbers."""
    if member is None:
        return {}
    own: dict[int, str] = {}
    numbers: list[int] = []
    with archive.open(member) as handle:
        for _, one in etree.iterparse(
            Repaired(handle), tag=("{*}numFmt", "{*}xf", "{*}cellXfs"), resolve_entities=False, no_network=True
        ):
            kind, parent = etree.QName(one).localname, one.getparent()
            if kind == "numFmt":
                own[int(one.get("numFmtId", "-1"))] = one.get("formatCode", "")
            elif kind == "xf" and parent is not None and etree.QName(parent).localname == "cellXfs":
                numbers.append(int(one.get("numFmtId") or 0))
            drop(one)
    known = {number: shown_as(number, own) for number in set(numbers)}
    return {place: shown for place, number in enumerate(numbers) if (shown := known[number]) is not None}
