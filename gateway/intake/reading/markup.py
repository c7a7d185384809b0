"""Tables of web pages and XML Spreadsheet 2003, which systems export under the name of a workbook, as sheets.

Entities are not resolved and nothing is fetched.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from lxml import etree

from gateway.intake.reading.cells import Broken, Cell
from gateway.intake.reading.characters import storable
from gateway.intake.reading.delimited import encoding_of
from gateway.intake.reading.marks import Range, Sheet
from gateway.intake.reading.number_formats import ShownNumber, iso_cell, number_cell, of_code
from gateway.intake.reading.problems import UnreadableFile
from gateway.intake.reading.rules import ERROR_VALUE, FORMULA, MERGED
from gateway.intake.reading.sheet import MOST_COLUMNS, Line, drop, repaired

_SPREADSHEET = "{urn:schemas-microsoft-com:office:spreadsheet}"
_EXCEL = "{urn:schemas-microsoft-com:office:excel}"
_MOST_TABLES = 1000
_MOST_ROWS = 1 << 20
_LONGEST_SPAN = 10_000
_NAMED = {"General Date": "y", "Short Date": "y", "Long Date": "y", "Medium Date": "y", "Percent": "0.00%"}


class _Utf8:
    """A text file in any encoding as a stream of UTF-8, without characters that XML does not allow."""

    def __init__(self, handle: io.TextIOWrapper) -> None:
        self._handle = handle

    def read(self, size: int = -1) -> bytes:
        return repaired(self._handle.read(max(size, 1024)).encode("utf-8", "replace"))


def open_page(path: Path) -> list[Sheet]:
    """Every table of a web page that holds rows, in their order."""
    counts: dict[int, int] = {}
    for table, _ in _page_rows(path):
        counts[table] = counts.get(table, 0) + 1
        if len(counts) > _MOST_TABLES:
            raise UnreadableFile("many_sheets", limit=_MOST_TABLES)
    return [
        Sheet(name=f"{place}" if len(counts) > 1 else "", lines=partial(_page_lines, path, table))
        for place, table in enumerate(sorted(counts), start=1)
    ]


def _page_rows(path: Path) -> Iterator[tuple[int, etree._Element]]:
    """Number of its table and element, for each row of a page; a table within a cell is a table of its own."""
    with path.open(encoding=encoding_of(path), newline="") as text:
        tables: dict[etree._Element, int] = {}
        for event, one in etree.iterparse(
            _Utf8(text), events=("start", "end"), html=True, no_network=True, encoding="utf-8", remove_comments=True
        ):
            if one.tag == "table":
                if event == "start":
                    tables[one] = len(tables)
                else:
                    one.clear()
            elif one.tag == "tr" and event == "end":
                table = next(one.iterancestors("table"), None)
                if table is not None and table in tables:
                    yield tables[table], one
                    one.clear()


def _page_lines(path: Path, wanted: int) -> Iterator[Line]:
    number = 0
    spans: dict[int, tuple[int, Cell]] = {}
    for table, row in _page_rows(path):
        if table == wanted:
            number += 1
            cells = _page_cells(row, spans)
            if cells:
                yield Line(number, cells, _is_hidden(row))


def _page_cells(row: etree._Element, spans: dict[int, tuple[int, Cell]]) -> list[Cell]:
    """The cells of a row; ``spans`` holds, by column, for how many rows a cell above still holds, and its value."""
    cells: list[Cell] = []

    def fill() -> None:
        while len(cells) in spans:
            left, value = spans[len(cells)]
            if left > 1:
                spans[len(cells)] = (left - 1, value)
            else:
                del spans[len(cells)]
            cells.append(value)

    for one in row.iterchildren("td", "th"):
        fill()
        down, right = _span(one, "rowspan"), _span(one, "colspan")
        if len(cells) + right > MOST_COLUMNS:
            raise UnreadableFile("damaged")
        text: Cell = _page_text(one)
        for place in range(right):
            cell = text if place == 0 else (Broken("", MERGED) if text != "" else "")
            if down > 1:
                spans[len(cells)] = (down - 1, cell)
            cells.append(cell)
    fill()
    return cells


def _span(cell: etree._Element, name: str) -> int:
    text = (cell.get(name) or "1").strip()
    return min(max(int(text), 1), _LONGEST_SPAN) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def _page_text(cell: etree._Element) -> str:
    """Text as it is shown: line breaks only where the page breaks the line."""
    parts: list[str] = []
    for event, one in etree.iterwalk(cell, events=("start", "end")):
        if event == "start" and one.tag in ("br", "p", "div"):
            parts.append("\n")
        said = one.text if event == "start" else (one.tail if one is not cell else None)
        if said and one.tag not in ("style", "script"):
            parts.append(" ".join(said.split()) if said.strip() else " ")
    lines = "".join(parts).split("\n")
    return storable("\n".join(line.strip(" ") for line in lines).strip("\n"))


def _is_hidden(row: etree._Element) -> bool:
    return "display:none" in "".join((row.get("style") or "").split()).lower()


def open_xml(path: Path) -> list[Sheet]:
    """The sheets of an XML Spreadsheet 2003 that hold cells, hidden ones too."""
    sheets: list[tuple[str, bool, list[Range], bool]] = []
    styles: dict[str, ShownNumber | None] = {}
    name, filled, number, merged, hidden = "", False, 0, list[Range](), False
    for event, one in _parse(path):
        if one.tag == f"{_SPREADSHEET}Worksheet":
            if event == "start":
                name, filled, number, merged, hidden = one.get(f"{_SPREADSHEET}Name", ""), False, 0, [], False
            else:
                sheets.append((storable(name), hidden, merged, filled))
                if len(sheets) > _MOST_TABLES:
                    raise UnreadableFile("many_sheets", limit=_MOST_TABLES)
        elif event == "end" and one.tag == f"{_EXCEL}Visible":
            hidden = (one.text or "").strip() != "SheetVisible"
        elif event == "end" and one.tag == f"{_SPREADSHEET}Style":
            styles[one.get(f"{_SPREADSHEET}ID", "")] = _style(one)
        elif event == "end" and one.tag == f"{_SPREADSHEET}Row":
            number = _row_number(one, number)
            filled = filled or len(one) > 0
            merged += _merged(one, number)
    return [
        Sheet(name=name, lines=partial(_xml_lines, path, place, styles), merged=merged, hidden=hidden)
        for place, (name, hidden, merged, filled) in enumerate(sheets)
        if filled
    ]


def _parse(path: Path) -> Iterator[tuple[str, etree._Element]]:
    with path.open(encoding=encoding_of(path), newline="") as text:
        tags = (*(f"{_SPREADSHEET}{name}" for name in ("Worksheet", "Style", "Row")), f"{_EXCEL}Visible")
        for event, one in etree.iterparse(
            _Utf8(text), events=("start", "end"), tag=tags, resolve_entities=False, no_network=True, encoding="utf-8"
        ):
            yield event, one
            if event == "end":
                drop(one)


def _style(style: etree._Element) -> ShownNumber | None:
    code = next((one.get(f"{_SPREADSHEET}Format", "") for one in style.iterchildren(f"{_SPREADSHEET}NumberFormat")), "")
    return of_code(_NAMED.get(code, code))


def _row_number(row: etree._Element, before: int) -> int:
    number = int(row.get(f"{_SPREADSHEET}Index") or before + 1)
    if not before < number <= _MOST_ROWS:
        raise UnreadableFile("damaged")
    return number


def _placed(row: etree._Element) -> Iterator[tuple[int, etree._Element]]:
    """Column from 0 and element of each cell."""
    column = 0
    for one in row.iterchildren(f"{_SPREADSHEET}Cell"):
        column = int(one.get(f"{_SPREADSHEET}Index") or column + 1) - 1
        if not 0 <= column < MOST_COLUMNS:
            raise UnreadableFile("damaged")
        yield column, one
        column += 1 + int(one.get(f"{_SPREADSHEET}MergeAcross") or 0)


def _merged(row: etree._Element, number: int) -> Iterator[Range]:
    for column, one in _placed(row):
        right, down = (int(one.get(f"{_SPREADSHEET}{name}") or 0) for name in ("MergeAcross", "MergeDown"))
        if right > 0 or down > 0:
            yield (number - 1, column), (number - 1 + down, column + right)


def _xml_lines(path: Path, wanted: int, styles: Mapping[str, ShownNumber | None]) -> Iterator[Line]:
    place, number = -1, 0
    for event, one in _parse(path):
        if one.tag == f"{_SPREADSHEET}Worksheet" and event == "start":
            place, number = place + 1, 0
        elif one.tag == f"{_SPREADSHEET}Row" and event == "end" and place == wanted:
            number = _row_number(one, number)
            cells: list[Cell] = []
            for column, cell in _placed(one):
                cells.extend([""] * (column - len(cells)))
                cells[column : column + 1] = [
                    _xml_cell(cell, styles.get(one.get(f"{_SPREADSHEET}StyleID", "")), styles)
                ]
            if cells:
                yield Line(number, cells, one.get(f"{_SPREADSHEET}Hidden") == "1")


def _xml_cell(cell: etree._Element, of_row: ShownNumber | None, styles: Mapping[str, ShownNumber | None]) -> Cell:
    data = next(cell.iterchildren(f"{_SPREADSHEET}Data"), None)
    text = "" if data is None else storable("".join(map(str, data.itertext())))
    kind = "String" if data is None else data.get(f"{_SPREADSHEET}Type", "String")
    formula = cell.get(f"{_SPREADSHEET}Formula")
    if formula is not None and data is None:
        return Broken(formula, FORMULA)
    if kind == "Error":
        return Broken(text, ERROR_VALUE)
    if kind == "Boolean":
        return text.strip() == "1"
    style = cell.get(f"{_SPREADSHEET}StyleID")
    shown = of_row if style is None else styles.get(style)
    if kind == "Number":
        return number_cell(float(text), shown, old_days=False)
    if kind == "DateTime":
        return _moment(text)
    return text


def _moment(text: str) -> Cell:
    """A time alone stands on the day before the first."""
    bare = text.strip()
    return iso_cell(bare.partition("T")[2] if bare.startswith("1899-12-3") and "T" in bare else bare)
