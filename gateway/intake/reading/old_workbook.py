"""Workbooks of Excel 2 to 2003 (.xls) as sheets, read by xlrd. They have 65 536 rows and 256 columns at most."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import xlrd
from xlrd.biffh import (
    XL_CELL_BLANK,
    XL_CELL_BOOLEAN,
    XL_CELL_DATE,
    XL_CELL_EMPTY,
    XL_CELL_ERROR,
    XL_CELL_NUMBER,
    XL_CELL_TEXT,
    XLRDError,
)
from xlrd.compdoc import CompDocError

from gateway.intake.reading.cells import Broken, Cell
from gateway.intake.reading.characters import storable
from gateway.intake.reading.marks import Sheet
from gateway.intake.reading.number_formats import ShownNumber, number_cell, of_code
from gateway.intake.reading.problems import UnreadableFile
from gateway.intake.reading.rules import ERROR_VALUE
from gateway.intake.reading.sheet import Line

_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_STREAMS = tuple(name.encode("utf-16-le") for name in ("Workbook", "Book"))
_ERRORS = {0: "#NULL!", 7: "#DIV/0!", 15: "#VALUE!", 23: "#REF!", 29: "#NAME?", 36: "#NUM!", 42: "#N/A"}
_DAMAGE = (XLRDError, CompDocError, AssertionError, ArithmeticError, AttributeError, TypeError, NameError)
"""what xlrd raises for damage beside ValueError, LookupError and struct.error"""


def open_sheets(path: Path) -> Sequence[Sheet]:
    """The sheets that hold cells, hidden ones too; raises Unreadable, or what any damaged file raises."""
    content = path.read_bytes()
    if _ENCRYPTED in content:
        raise UnreadableFile("password")
    if b"R\x00o\x00o\x00t\x00" in content and not any(name in content for name in _STREAMS):
        raise UnreadableFile("old_document")
    try:
        book = _book(content)
        return [_sheet(book, number) for number in range(book.nsheets) if book.sheet_by_index(number).nrows]
    except XLRDError as error:
        raise UnreadableFile("password" if "encrypted" in str(error).lower() else "damaged") from error
    except _DAMAGE as error:
        raise UnreadableFile("damaged") from error


def _book(content: bytes) -> Any:
    read = partial(
        xlrd.open_workbook, file_contents=content, logfile=io.StringIO(), formatting_info=True, ragged_rows=True
    )
    try:
        return read()
    except UnicodeDecodeError:  # texts of before 1997 that name no code page, or a wrong one
        return read(encoding_override="gb18030")


def _sheet(book: Any, number: int) -> Sheet:
    sheet, old_days = book.sheet_by_index(number), bool(book.datemode)
    shown = dict(enumerate(of_code(book.format_map[xf.format_key].format_str) for xf in book.xf_list))
    return Sheet(
        name=storable(sheet.name),
        lines=partial(_lines, sheet, shown, old_days),
        merged=[((top, left), (below - 1, right - 1)) for top, below, left, right in sheet.merged_cells],
        hidden=bool(sheet.visibility),
        old_days=old_days,
    )


def _lines(sheet: Any, shown: Mapping[int, ShownNumber | None], old_days: bool) -> Iterator[Line]:
    for row in range(sheet.nrows):
        info = sheet.rowinfo_map.get(row)
        cells = [_READERS[cell.ctype](cell.value, shown.get(cell.xf_index), old_days) for cell in sheet.row(row)]
        if cells:
            yield Line(row + 1, cells, info is not None and bool(info.hidden))


def _empty(value: Any, shown: ShownNumber | None, old_days: bool) -> Cell:
    return ""


def _text(value: Any, shown: ShownNumber | None, old_days: bool) -> Cell:
    return storable(value)


def _number(value: Any, shown: ShownNumber | None, old_days: bool) -> Cell:
    return number_cell(value, shown, old_days=old_days)


def _truth(value: Any, shown: ShownNumber | None, old_days: bool) -> Cell:
    return bool(value)


def _error(value: Any, shown: ShownNumber | None, old_days: bool) -> Cell:
    return Broken(_ERRORS.get(value, "#N/A"), ERROR_VALUE)


_READERS: Mapping[int, Callable[[Any, ShownNumber | None, bool], Cell]] = {
    XL_CELL_EMPTY: _empty,
    XL_CELL_BLANK: _empty,
    XL_CELL_TEXT: _text,
    XL_CELL_NUMBER: _number,
    XL_CELL_DATE: _number,
    XL_CELL_BOOLEAN: _truth,
    XL_CELL_ERROR: _error,
}
