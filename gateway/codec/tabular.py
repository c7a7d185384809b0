"""Rows of text to the bytes of a CSV file or a workbook and back; the same rows give the same bytes.

All cells are text: a number that is written as a number loses its zeros. What is read comes from somebody else, so its
size is bounded before it is unpacked, and anything that is no such file is a ``TabularError``.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import xlsxwriter
from lxml import etree

_MOST_UNPACKED = 64 * 1024 * 1024
_MOST_ROWS = 200_000
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_PLACE = re.compile(r"([A-Z]{1,3})[0-9]+")
_MADE = datetime(2000, 1, 1)  # noqa: DTZ001 - a workbook's moments have no zone; a fixed one keeps its bytes the same
_DAY_FORMATS = frozenset({*range(14, 18), 22, *range(27, 37), *range(50, 59)})
_DAY_LETTERS = re.compile(r"(?i)[yd]")
_LITERAL = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.')


class TabularError(ValueError):
    """The bytes are no such file; the text says why and repeats nothing of it."""


def write_csv(rows: Sequence[Sequence[str]], *, encoding: str = "utf-8-sig", delimiter: str = ",") -> bytes:
    """Rows as CSV with CRLF; UnicodeEncodeError where the encoding lacks a character."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode(encoding)


def write_workbook(rows: Sequence[Sequence[str]], *, sheet: str = "Sheet1") -> bytes:
    """Rows as the one sheet of an .xlsx workbook."""
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    book.set_properties({"created": _MADE})
    made = book.add_worksheet(sheet)
    text = book.add_format({"num_format": "@"})
    for at, row in enumerate(rows):
        for column, value in enumerate(row):
            made.write_string(at, column, value, text)
    book.close()
    return buffer.getvalue()


def read_csv(content: bytes, *, encoding: str = "utf-8-sig", delimiter: str = ",") -> list[list[str]]:
    """All rows; a file whose last line is cut off is not whole and refused."""
    try:
        text = content.decode(encoding)
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise TabularError("not CSV in this encoding") from None
    if not text.endswith(("\n", "\r")):
        raise TabularError("the last line is not complete")
    return rows


def read_workbook(content: bytes) -> list[list[str]]:
    """The rows of the first sheet; a cell formatted as a day comes as an ISO date."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(one.file_size for one in packed.infolist()) > _MOST_UNPACKED:
                raise TabularError("the workbook is larger than any that is read")
            return _sheet(packed)
    except (zipfile.BadZipFile, KeyError, IndexError, ValueError, EOFError, NotImplementedError, etree.XMLSyntaxError):
        raise TabularError("not a workbook (.xlsx)") from None


def _sheet(packed: zipfile.ZipFile) -> list[list[str]]:
    texts = [_text(one) for one in _part(packed, "xl/sharedStrings.xml", missing=True).iter(f"{_MAIN}si")]
    days = _day_styles(packed)
    rows: list[list[str]] = []
    for number, row in enumerate(_part(packed, _first_sheet(packed)).iter(f"{_MAIN}row"), start=1):
        at = int(row.get("r") or number)
        if not len(rows) < at <= _MOST_ROWS:
            raise TabularError("the rows of the workbook are not in order, or too many")
        rows += [[] for _ in range(at - len(rows) - 1)]
        rows.append(_cells(row, texts, days))
    return rows


def _first_sheet(packed: zipfile.ZipFile) -> str:
    first = next(_part(packed, "xl/workbook.xml").iter(f"{_MAIN}sheet"), None)
    if first is None:
        raise TabularError("the workbook has no sheet")
    targets = {one.get("Id"): str(one.get("Target")) for one in _part(packed, "xl/_rels/workbook.xml.rels")}
    target = targets[str(first.get(_RELATION))]
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _part(packed: zipfile.ZipFile, name: str, *, missing: bool = False) -> Any:
    if missing and name not in packed.namelist():
        return etree.Element("none")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    with packed.open(name) as opened:
        data = opened.read(_MOST_UNPACKED + 1)
    if len(data) > _MOST_UNPACKED or b"<!DOCTYPE" in data[:1000]:
        raise TabularError("a part of the workbook is larger than any that is read, or declares entities")
    return etree.fromstring(data, parser)


def _day_styles(packed: zipfile.ZipFile) -> frozenset[int]:
    """Places of the cell formats that show a day."""
    styles = _part(packed, "xl/styles.xml", missing=True)
    own: Mapping[int, str] = {
        int(one.get("numFmtId")): str(one.get("formatCode")) for one in styles.iter(f"{_MAIN}numFmt")
    }
    formats = next(styles.iter(f"{_MAIN}cellXfs"), ())
    numbers = [int(one.get("numFmtId") or 0) for one in formats]
    return frozenset(
        place
        for place, number in enumerate(numbers)
        if number in _DAY_FORMATS or _DAY_LETTERS.search(_LITERAL.sub("", own.get(number, "")))
    )


def _cells(row: Any, texts: Sequence[str], days: frozenset[int]) -> list[str]:
    cells: list[str] = []
    for number, cell in enumerate(row.iter(f"{_MAIN}c")):
        named = _PLACE.fullmatch(cell.get("r") or "")
        at = _column(named[1]) if named else number
        if at < len(cells):
            raise TabularError("the cells of a row are not in order")
        cells += [""] * (at - len(cells))
        cells.append(_value(cell, texts, days))
    return cells


def _column(letters: str) -> int:
    at = 0
    for letter in letters:
        at = at * 26 + ord(letter) - 64
    return at - 1


def _value(cell: Any, texts: Sequence[str], days: frozenset[int]) -> str:
    kind = cell.get("t") or "n"
    if kind == "inlineStr":
        return _text(cell)
    value = "".join(str(one.text or "") for one in cell.iter(f"{_MAIN}v"))
    if kind == "s":
        return texts[int(value)]
    if kind == "n" and value and int(cell.get("s") or 0) in days:
        return (date(1899, 12, 30) + timedelta(days=int(float(value)))).isoformat()
    return value


def _text(element: Any) -> str:
    """The text of a cell without its phonetic guide."""
    return "".join(_runs(element))


def _runs(element: Any) -> Iterator[str]:
    for one in element.iter(f"{_MAIN}t"):
        if one.getparent().tag != f"{_MAIN}rPh":
            yield str(one.text or "")
