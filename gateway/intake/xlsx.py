"""The marks of an .xlsx workbook, read from its parts; every part is unpacked once, so that a damaged one shows here.

Most sheets hold no mark at all: their bytes are searched for signs of one, and only a sheet with signs is parsed.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import IO

from lxml import etree

from gateway.domain.errors import InputError
from gateway.intake.marks import Marks
from gateway.intake.rules import ERROR_VALUE, FORMULA
from gateway.intake.values import Broken

LARGEST_TABLE = 20_000_000
"""cells between the first and the last; the reading library takes memory for each of them, filled or not"""
_CHUNK = 1 << 20
_OVERLAP = 200
"""bytes searched again with the next chunk, longer than any sign"""
_PROLOGUE = 4096
_SIGNS = (b"<f>", b"<f ", b"<f/", b't="e"', b'hidden="', b"='")
"""formula, error, hidden; and attributes in single quotes, in which the other signs would not be seen"""
_ROW = re.compile(rb'<row [^>]*?\br="([0-9]{1,7})"')
_WIDE = re.compile(rb'<c r="(?:[A-Z]{3}|[D-Z][A-Z])[0-9]')
_NARROW = 104
"""columns A to CZ: no cell beyond them where ``_WIDE`` found none"""
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_RELATION = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"
_TRUE = frozenset({"1", "true"})


def read_marks(archive: zipfile.ZipFile) -> Mapping[str, Marks]:
    """Marks by sheet name. Raises InputError without the file's name, or what zipfile and lxml raise for damage."""
    parts = {_part(member.filename): member for member in archive.infolist()}
    if "xl/workbook.xml" not in parts:
        raise InputError("an archive or document, but no workbook of the kind .xlsx; save it again as .xlsx")
    book = _document(archive, parts["xl/workbook.xml"])
    old_days = any(one.get("date1904") in _TRUE for one in book.iter("{*}workbookPr"))
    targets = {
        one.get("Id"): _part(posixpath.join("xl", one.get("Target", "")))
        for one in _document(archive, parts["xl/_rels/workbook.xml.rels"]).iter("{*}Relationship")
    }
    sheets = {
        one.get("name", ""): targets.get(one.get(_RELATION) or one.get(_STRICT_RELATION))
        for one in book.iter("{*}sheet")
    }
    signed = {part: _has_signs(archive, member) for part, member in parts.items()}
    return {
        name: _parsed(archive, parts[part], name, old_days=old_days) if signed[part] else Marks(old_days=old_days)
        for name, part in sheets.items()
        if part in parts
    }


def _part(name: str) -> str:
    return posixpath.normpath(name.replace("\\", "/")).lstrip("/").lower()


def _document(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    with archive.open(member) as handle:
        return etree.parse(handle, parser).getroot()


def _has_signs(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """Unpack a part to its end, which checks its sum; whether a sheet must be parsed.

    A sheet in another spelling than the usual one (prefixes, single quotes) is always parsed.
    """
    is_sheet = _part(member.filename).startswith("xl/worksheets/")
    found, usual, last_row, kept = False, False, 0, b""
    with archive.open(member) as handle:
        for chunk in iter(lambda: handle.read(_CHUNK), b""):
            if b"<!DOCTYPE" in chunk[:_PROLOGUE]:
                raise InputError("a part of the workbook declares a document type, which no spreadsheet program writes")
            if not is_sheet or found:
                continue
            kept += chunk
            usual = usual or b"<sheetData" in kept
            rows = _ROW.findall(kept)
            last_row = max(last_row, int(rows[-1]) if rows else 0)
            found = any(sign in kept for sign in _SIGNS) or _WIDE.search(kept) is not None
            found = found or last_row * _NARROW > LARGEST_TABLE
            kept = kept[-_OVERLAP:]
    return found or not usual


def _parsed(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, *, old_days: bool) -> Marks:
    hidden: set[int] = set()
    broken: defaultdict[int, dict[int, Broken]] = defaultdict(dict)
    first, last, width = None, 0, 0
    with archive.open(member) as handle:
        for number, row in _rows(handle):
            if row.get("hidden") in _TRUE:
                hidden.add(number)
            column = -1
            for cell in row.iterchildren("{*}c"):
                column = _column(cell.get("r", "")) if cell.get("r") else column + 1
                if len(cell):
                    first, last, width = number if first is None else first, number, max(width, column + 1)
                if (wrong := _broken(cell)) is not None:
                    broken[number][column] = wrong
            if (last + 1 - (first or 0)) * width > LARGEST_TABLE:
                raise InputError(
                    f"sheet {name}, row {last + 1}: a cell stands so far from the others that the table has more than "
                    f"{LARGEST_TABLE} cells; delete the rows and columns outside the table"
                )
    return Marks(hidden=frozenset(hidden), broken=dict(broken), old_days=old_days)


def _rows(handle: IO[bytes]) -> Iterator[tuple[int, etree._Element]]:
    number = -1
    for _, row in etree.iterparse(handle, tag="{*}row", resolve_entities=False, no_network=True, load_dtd=False):
        given = row.get("r")
        number = int(given) - 1 if given else number + 1
        yield number, row
        row.clear()
        parent = row.getparent()
        while parent is not None and row.getprevious() is not None:
            del parent[0]


def _broken(cell: etree._Element) -> Broken | None:
    """What stands in a cell without a value, for the city to see again."""
    value = cell.findtext("{*}v") or ""
    if cell.get("t") == "e":
        return Broken(value, ERROR_VALUE)
    formula = cell.find("{*}f")
    if formula is None or value or (cell.get("t") == "str" and cell.find("{*}v") is not None):
        return None
    return Broken(f"={formula.text or ''}", FORMULA)


def _column(reference: str) -> int:
    """``B7`` is column 1."""
    number = 0
    for letter in reference:
        if not letter.isalpha():
            break
        number = number * 26 + ord(letter.upper()) - 64
    return number - 1
