"""The rows of one sheet of an .xlsx, read as a stream: as much memory for a hundred thousand rows as for one.

Sheets as spreadsheet programs write them are taken apart by searching bytes, row by row; a row or sheet in any other
spelling (formulas, rich text, prefixes, comments) goes through the XML parser, with the same meaning.
"""

from __future__ import annotations

import codecs
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import IO, NamedTuple

from lxml import etree

from gateway.intake.reading.cells import Broken, Cell
from gateway.intake.reading.characters import LOST, storable
from gateway.intake.reading.number_formats import ShownNumber, iso_cell, number_cell
from gateway.intake.reading.problems import UnreadableFile
from gateway.intake.reading.rules import ERROR_VALUE, FORMULA

_CHUNK = 1 << 18
LONGEST_ROW = 8 << 20
"""bytes of one row of a sheet; a row of the form has less than 100 000 with a photo in it"""
MOST_COLUMNS = 16_384
_HEAD = re.compile(rb"\s*<row\b([^<>]*)>")
_BLANK_ROWS = re.compile(
    rb'(?:\s*+<row r="[0-9]++"[^<>]*+>(?:(?<=/>)|(?:<c r="[A-Z]++[0-9]++"(?: s="[0-9]++")?/>)*+</row>))++'
)
"""rows that only carry formats; there may be a million of them below the table"""
_NUMBER = re.compile(rb'\br="([0-9]{1,7})"')
_HIDDEN = re.compile(rb'\bhidden="(?:1|true)"')
_ROOT = re.compile(rb"<worksheet\b[^<>]*>")
_END = re.compile(rb"\s*</sheetData>")
_CELL = re.compile(
    rb'(<c r="([A-Z]{1,3})[0-9]{1,7}"(?: s="([0-9]+)")?(?: t="([a-zA-Z]+)")?'
    rb'(?:/>|>(?:<v>([^<]*)</v>|<is><t(?: xml:space="preserve")?>([^<]*)</t></is>)?</c>))'
)
_REFERENCE = re.compile(r"&(#x[0-9A-Fa-f]+|#[0-9]+|amp|lt|gt|quot|apos);")
_WHOLE = itemgetter(0)
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_TRUE = frozenset({"1", "true"})
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_NUMERIC = re.compile(r"&#(?:x0*([0-9A-Fa-f]{1,8})|0*([0-9]{1,9}));")


class Line(NamedTuple):
    """One row of a table: its number from 1, its cells from the first column on, and whether it is not shown."""

    number: int
    cells: Sequence[Cell]
    hidden: bool = False


@dataclass(frozen=True, kw_only=True)
class Notation:
    """What a workbook says once for all its cells.

    text:     shared text by number
    shown:    number of a cell format -> how it shows numbers, where they are more than numbers
    old_days: days are counted from 1904
    """

    text: Callable[[int], str]
    shown: Mapping[int, ShownNumber]
    old_days: bool


def read_lines(archive: zipfile.ZipFile, member: zipfile.ZipInfo, notation: Notation, *, usual: bool) -> Iterator[Line]:
    """The rows that the sheet holds; ``usual`` where ``xlsx`` found it in the spelling of spreadsheet programs.

    Raises Unreadable, ValueError, LookupError or what zipfile and lxml raise where the sheet is damaged.
    """
    with archive.open(member) as handle:
        last = 0
        for line in _sliced(handle, notation) if usual else _parsed(Repaired(handle), notation):
            number = line.number or last + 1
            if number <= last:
                raise ValueError("rows out of order")
            last = number
            yield line if line.number else line._replace(number=number)


def _sliced(handle: IO[bytes], notation: Notation) -> Iterator[Line]:
    kept, at, before = b"", 0, None
    for chunk in iter(lambda: handle.read(_CHUNK), b""):
        kept, at = kept[at:] + chunk, 0
        if before is None:
            at = kept.find(b"<sheetData>") + len(b"<sheetData>")
            if at < len(b"<sheetData>"):
                if b"<sheetData/>" in kept:
                    return
                at = 0
                if len(kept) > LONGEST_ROW:
                    raise UnreadableFile("long_row", limit=LONGEST_ROW)
                continue
            opening = _ROOT.search(kept, 0, at)
            before = opening[0] if opening else kept[: at - len(b"<sheetData>")]
        if blank := _BLANK_ROWS.match(kept, at):
            at = blank.end()
        while head := _HEAD.match(kept, at):
            attributes = head[1]
            end = head.end() if attributes.endswith(b"/") else kept.find(b"</row>", head.end())
            if end < 0:
                break
            yield _line(attributes, kept[head.end() : end], before, notation)
            at = end if attributes.endswith(b"/") else end + len(b"</row>")
            if kept.startswith(b"<row", at) and (blank := _BLANK_ROWS.match(kept, at)):
                at = blank.end()
        if len(kept) - at > LONGEST_ROW:
            raise UnreadableFile("long_row", limit=LONGEST_ROW)
        if _END.match(kept, at):
            return
    raise ValueError("the sheet has no end")


def _line(attributes: bytes, body: bytes, before: bytes, notation: Notation) -> Line:
    number = _NUMBER.search(attributes)
    found = _CELL.findall(body)
    if sum(map(len, map(_WHOLE, found))) != len(body.rstrip()):
        # the opening tags of the sheet stand before the row, because they name the prefixes it may use
        row = etree.fromstring(repaired(before + b"<row>" + body + b"</row>" + _closing(before)), _parser())
        cells = _cells(next(row.iter("{*}row")), notation)
    else:
        cells = _plain_cells(found, notation)
    return Line(int(number[1]) if number else 0, cells, _HIDDEN.search(attributes) is not None)


def _closing(before: bytes) -> bytes:
    opened = re.search(rb"<(worksheet)\b", before)
    return b"</worksheet>" if opened else b""


def _plain_cells(found: Sequence[tuple[bytes, ...]], notation: Notation) -> list[Cell]:
    cells: list[Cell] = []
    for _, letters, style, kind, value, inline in found:
        column = _COLUMNS[letters]
        if column > len(cells):
            cells.extend([""] * (column - len(cells)))
        cell: Cell
        if kind == b"inlineStr":
            cell = _inline(inline)
        elif not value:
            cell = ""
        elif kind == b"s":
            cell = notation.text(int(value))
        elif not kind:
            cell = _number(value, int(style or 0), notation)
        else:
            cell = _valued(kind.decode(), _plain(value), int(style or 0), notation)
        if column == len(cells):
            cells.append(cell)
        else:
            cells[column] = cell
    return cells


@lru_cache(maxsize=4096)
def _inline(text: bytes) -> str:
    """A text that stands in its cell; most of them stand in many rows."""
    return _text(_plain(text))


def _plain(text: bytes) -> str:
    """A text of XML; other references than these do not exist without a document type."""
    decoded = text.decode(errors="replace")
    return _REFERENCE.sub(_meant, decoded) if "&" in decoded else decoded


def _meant(found: re.Match[str]) -> str:
    name = found[1]
    if name[0] != "#":
        return _NAMED[name]
    code = int(name[2:], 16) if name[1] == "x" else int(name[1:])
    return storable(chr(code)) if code < 0x110000 else LOST


class _Letters(dict[bytes, int]):
    """Letters of a column -> its number from 0."""

    def __missing__(self, letters: bytes) -> int:
        number = 0
        for letter in letters[:8]:
            number = number * 26 + letter - 64
        if not 1 <= number <= MOST_COLUMNS:
            raise ValueError("no such column")
        self[letters] = number - 1
        return number - 1


_COLUMNS = _Letters()


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


class Repaired:
    """A stream of XML in UTF-8 in which characters that XML does not allow, and broken bytes, are U+FFFD.

    Spreadsheet programs of other makers write and read them. A part in another encoding stays as it is.
    """

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle, self._kept, self._as_it_is, self._begun = handle, "", False, False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read(self, size: int = -1) -> bytes:
        """The next bytes; never cut inside a character or reference."""
        chunk = self._handle.read(size if size < 0 else max(size, 64))
        if not self._begun:
            self._begun = True
            self._as_it_is = chunk.startswith((b"\xff\xfe", b"\xfe\xff")) or _OTHER_ENCODING.match(chunk) is not None
        if self._as_it_is:
            return chunk
        text, self._kept = self._kept + self._decoder.decode(chunk, final=not chunk), ""
        if chunk and (cut := text.rfind("&", max(len(text) - 16, 1))) > 0:
            text, self._kept = text[:cut], text[cut:]
        return _repaired(text).encode()


_OTHER_ENCODING = re.compile(rb"""\s*<\?xml[^<>]*encoding=["'](?!utf-8["'])""", re.IGNORECASE)


def repaired(xml: bytes) -> bytes:
    """XML in UTF-8 without characters and references that XML does not allow."""
    return _repaired(xml.decode(errors="replace")).encode()


def _repaired(text: str) -> str:
    text = _ILLEGAL.sub(LOST, text)
    return _NUMERIC.sub(_legal, text) if "&#" in text else text


def _legal(found: re.Match[str]) -> str:
    code = int(found[1], 16) if found[1] else int(found[2])
    legal = code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000
    return found[0] if legal else LOST


def _parsed(handle: Repaired, notation: Notation) -> Iterator[Line]:
    for _, row in etree.iterparse(handle, tag="{*}row", resolve_entities=False, no_network=True, load_dtd=False):
        yield Line(int(row.get("r") or 0), _cells(row, notation), row.get("hidden") in _TRUE)
        drop(row)


def _cells(row: etree._Element, notation: Notation) -> list[Cell]:
    cells: list[Cell] = []
    for one in row.iterchildren("{*}c"):
        letters = one.get("r", "").rstrip("0123456789").upper().encode()
        column = _COLUMNS[letters] if letters else len(cells)
        if column > len(cells):
            cells.extend([""] * (column - len(cells)))
        cells[column : column + 1] = [_cell(one, notation)]
    return cells


def _cell(one: etree._Element, notation: Notation) -> Cell:
    kind, value, formula = one.get("t") or "n", one.findtext("{*}v") or "", one.find("{*}f")
    if kind == "inlineStr":
        inside = one.find("{*}is")
        return "" if inside is None else string_of(inside)
    if formula is not None and not value and kind != "e" and not (kind == "str" and one.find("{*}v") is not None):
        return Broken(f"={formula.text or ''}", FORMULA)
    if kind == "e":
        return Broken(value, ERROR_VALUE)
    if not value:
        return ""
    return _valued(kind, value, int(one.get("s") or 0), notation)


def _valued(kind: str, value: str, style: int, notation: Notation) -> Cell:
    if kind == "s":
        return notation.text(int(value))
    if kind == "str":
        return _text(value)
    if kind == "b":
        return value in _TRUE
    if kind == "e":
        return Broken(value, ERROR_VALUE)
    if kind == "d":
        return iso_cell(value)
    return _number(value, style, notation)


def drop(element: etree._Element) -> None:
    """Forget an element that was read, and what stands before it, so that a long part takes no memory."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def string_of(item: etree._Element) -> str:
    """The text of a shared or inline string: its runs without their looks and without readings (phonetic hints)."""
    if len(item) == 1 and len(item[0]) == 0 and etree.QName(item[0]).localname == "t":
        return _text(item[0].text or "")
    runs = (run for one in item.iterchildren("{*}t", "{*}r") for run in ([one] if len(one) == 0 else one.iter("{*}t")))
    return _text("".join(run.text or "" for run in runs))


def _text(text: str) -> str:
    """A text whose characters outside of XML are written as ``_x000D_``."""
    return storable(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text)


def _number(value: bytes | str, style: int, notation: Notation) -> Cell:
    return number_cell(float(value), notation.shown.get(style), old_days=notation.old_days)
