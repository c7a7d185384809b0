"""The rows of one sheet of an .xlsx, read as a stream: as much memory for a hundred thousand rows as for one.

Sheets as spreadsheet programs write them are taken apart by searching bytes, row by row; a row or sheet in any other
spelling (formulas, rich text, prefixes, comments) goes through the XML parser, with the same meaning.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import IO, NamedTuple

from lxml import etree

from gateway.intake.reading.rules import ERROR_VALUE, FORMULA
from gateway.intake.reading.values import Broken, Cell

_CHUNK = 1 << 18
_HEAD = re.compile(rb"\s*<row\b([^>]*)>")
_NUMBER = re.compile(rb'\br="([0-9]{1,7})"')
_HIDDEN = re.compile(rb'\bhidden="(?:1|true)"')
_END = re.compile(rb"\s*</sheetData>")
_CELL = re.compile(
    rb'(\s*<c r="([A-Z]{1,3})[0-9]{1,7}"(?: s="([0-9]+)")?(?: t="([a-zA-Z]+)")?'
    rb'(?:/>|>(?:<v>([^<]*)</v>|<is><t(?: xml:space="preserve")?>([^<]*)</t></is>)?</c>))'
)
_REFERENCE = re.compile(r"&(#x[0-9A-Fa-f]+|#[0-9]+|amp|lt|gt|quot|apos);")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_TRUE = frozenset({"1", "true"})
_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 - the workbook's own day zero; readers add the zone
_LAST_DAY = 2_958_466
_OLD_DAYS = 1462
"""days between the two beginnings that workbooks count from"""


class Line(NamedTuple):
    """One row of a table: its number from 1, its cells from the first column on, and whether it is not shown."""

    number: int
    cells: Sequence[Cell]
    hidden: bool = False


@dataclass(frozen=True, kw_only=True)
class Notation:
    """What a workbook says once for all its cells.

    text:     shared text by number
    days:     number of a cell format -> whether its numbers are days; True for spans of time
    old_days: days are counted from 1904
    """

    text: Callable[[int], str]
    days: Mapping[int, bool]
    old_days: bool


def read_lines(archive: zipfile.ZipFile, member: zipfile.ZipInfo, notation: Notation, *, usual: bool) -> Iterator[Line]:
    """The rows that the sheet holds; ``usual`` where ``xlsx`` found it in the spelling of spreadsheet programs.

    Raises ValueError, LookupError or what zipfile and lxml raise where the sheet is damaged.
    """
    with archive.open(member) as handle:
        last = 0
        for line in _sliced(handle, notation) if usual else _parsed(handle, notation):
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
                continue
            before = kept[: at - len(b"<sheetData>")]
        while head := _HEAD.match(kept, at):
            attributes = head[1]
            end = head.end() if attributes.endswith(b"/") else kept.find(b"</row>", head.end())
            if end < 0:
                break
            yield _line(attributes, kept[head.end() : end], before, notation)
            at = end if attributes.endswith(b"/") else end + len(b"</row>")
        if _END.match(kept, at):
            return
    raise ValueError("the sheet has no end")


def _line(attributes: bytes, body: bytes, before: bytes, notation: Notation) -> Line:
    number = _NUMBER.search(attributes)
    found = _CELL.findall(body)
    if sum(len(one[0]) for one in found) != len(body.rstrip()):
        # the opening tags of the sheet stand before the row, because they name the prefixes it may use
        row = etree.fromstring(before + b"<row>" + body + b"</row>" + _closing(before), _parser())
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
            cell = _text(_plain(inline))
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


def _plain(text: bytes) -> str:
    """A text of XML; other references than these do not exist without a document type."""
    decoded = text.decode()
    return _REFERENCE.sub(_meant, decoded) if "&" in decoded else decoded


def _meant(found: re.Match[str]) -> str:
    name = found[1]
    if name[0] != "#":
        return _NAMED[name]
    return chr(int(name[2:], 16) if name[1] == "x" else int(name[1:]))


class _Letters(dict[bytes, int]):
    """Letters of a column -> its number from 0."""

    def __missing__(self, letters: bytes) -> int:
        number = 0
        for letter in letters:
            number = number * 26 + letter - 64
        self[letters] = number - 1
        return number - 1


_COLUMNS = _Letters()


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


def _parsed(handle: IO[bytes], notation: Notation) -> Iterator[Line]:
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
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo or moment.time() != time() else moment.date()
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
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _number(value: bytes | str, style: int, notation: Notation) -> Cell:
    number = float(value)
    is_span = notation.days.get(style)
    if is_span is None or not 0 <= number < _LAST_DAY:
        return number
    part = timedelta(days=int(number), milliseconds=round(number % 1 * 86_400_000))
    if is_span:
        return part
    if number < 1:
        return (_ZERO + part).time()
    return _day(_ZERO + part + timedelta(days=_OLD_DAYS if notation.old_days else 0))


def _day(moment: datetime) -> date | datetime:
    return moment if moment.time() != time() else moment.date()
