"""A reported batch as rows: finds the table in the file, its header in the first rows, and reads row by row.

Troubles of the file as a whole raise InputError and name file, sheet, column and rule; those of a row stand in the row.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.codec.redact import clean
from gateway.domain.errors import InputError
from gateway.intake.reading import columns
from gateway.intake.reading.files import Table, digest_of, open_tables
from gateway.intake.reading.footers import is_aside, is_header, is_same_header
from gateway.intake.reading.rows import DATED, Row, failure, read_row
from gateway.intake.reading.rules import DATE, HIDDEN, WIDTH
from gateway.intake.reading.values import Broken, Cell, is_blank, original_text
from gateway.intake.rules.gate_table import Severity

__all__ = ["Batch", "Row", "read_batch"]

_LEAST_COMPACT = 10_000_000
"""numbers from here on are days written as 20180301"""
_HEADER_ROWS = 10
"""the header stands in one of these first rows, below titles and remarks"""
_LEAST_COLUMNS = 5
"""known columns a row must name to be taken for a header at all"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """One reported file.

    name:    name of the file without its folder
    digest:  SHA-256 (hex) of the file
    sheet:   name of the sheet; empty for a CSV
    columns: headers in the order of the file, made unique; the keys of ``Row.cells``
    rows:    read anew on every iteration, one row at a time; empty rows,
             totals, remarks at the foot and repeated headers are not filings and are left out
    """

    name: str
    digest: str
    sheet: str
    columns: tuple[str, ...]
    rows: Iterable[Row]


def read_batch(path: Path) -> Batch:
    """Open a workbook or CSV as a batch; raises InputError where it is none."""
    digest = digest_of(path)
    tables = open_tables(path)
    layouts = [layout for table in tables if (layout := _find_header(path.name, table)) is not None]
    if not layouts:
        names = "、".join(table.sheet for table in tables if table.sheet)
        where = f" (sheets {names})" if names else ""
        raise InputError(
            f"{path.name}{where}: no table found: none of the first {_HEADER_ROWS} rows names the columns of the form"
        )
    if len(layouts) > 1:
        names = "、".join(layout.table.sheet for layout in layouts)
        raise InputError(f"{path.name}: sheets {names} each hold a table; report one sheet per file")
    layout = layouts[0]
    _require_columns(path, layout)
    return Batch(name=clean(path.name), digest=digest, sheet=layout.table.sheet, columns=layout.headers, rows=layout)


@dataclass(frozen=True, slots=True)
class _Layout:
    """A table whose header is found; iterating reads its rows."""

    file: str
    table: Table
    header_row: int
    headers: tuple[str, ...]
    places: Mapping[str, tuple[int, ...]]

    def __iter__(self) -> Iterator[Row]:
        fields = [(field, indexes[0]) for field, indexes in self.places.items()]
        for number, cells, hidden in self.table.rows():
            if number <= self.header_row:
                continue
            given = {field: cells[index] for field, index in fields if index < len(cells)}
            if all(is_blank(cell) for cell in given.values()) or is_aside(cells, given):
                continue
            if is_header(cells, given):
                self._refuse_other_header(number, given)
                continue
            row = self._read(number, cells, given)
            # not on the paper that was stamped; nobody can say from here whether it was meant to be reported
            yield replace(row, failures=(*row.failures, failure(HIDDEN, "", Severity.HOLD))) if hidden else row

    def _read(self, number: int, cells: Sequence[Cell], given: Mapping[str, Cell]) -> Row:
        texts = {header: original_text(cell) for header, cell in zip(self.headers, cells, strict=False) if cell != ""}
        if self.table.ragged and _is_shifted(cells, len(self.headers)):
            return Row(number=number, cells=texts, filing=None, failures=(failure(WIDTH, ""),))
        if self.table.old_days:
            given = {field: _undated(field, cell) for field, cell in given.items()}
        return read_row(number, texts, given)

    def _refuse_other_header(self, number: int, given: Mapping[str, Cell]) -> None:
        if not is_same_header(given):
            where = f", sheet {self.table.sheet}" if self.table.sheet else ""
            raise InputError(
                f"{self.file}{where}, row {number}: a second header with other columns; report one table per file"
            )


def _undated(field: str, cell: Cell) -> Cell:
    """A bare day number of a workbook that counts from 1904 is off by four years: no day at all."""
    is_day = field in DATED and isinstance(cell, (int, float)) and abs(cell) < _LEAST_COMPACT
    return Broken(original_text(cell), DATE) if is_day else cell


def _is_shifted(cells: Sequence[Cell], width: int) -> bool:
    return len(cells) < width or any(not is_blank(cell) for cell in cells[width:])


def _find_header(file: str, table: Table) -> _Layout | None:
    """The row, or pair of rows under a merged group title, that names most columns of the form; the first one wins."""
    top: list[list[str]] = [[] for _ in range(_HEADER_ROWS)]
    for number, cells, _ in itertools.takewhile(lambda line: line.number <= _HEADER_ROWS, table.rows()):
        top[number - 1] = [original_text(cell).strip() for cell in cells]
    best: _Layout | None = None
    for index, lower in enumerate(top):
        for headers in (lower, _under(top[index - 1], lower) if index else lower):
            places = columns.positions(headers)
            if len(places) >= _LEAST_COLUMNS and (best is None or len(places) > len(best.places)):
                best = _Layout(file, table, index + 1, _unique(headers), places)
    return best


def _under(upper: Sequence[str], lower: Sequence[str]) -> list[str]:
    """A header of two rows: a cell merged downwards stands in the upper one."""
    return [low or up for up, low in itertools.zip_longest(upper, lower, fillvalue="")]


def _unique(headers: Sequence[str]) -> tuple[str, ...]:
    """Headers without the empty ones at the end; nameless and repeated ones get the number of their column."""
    last = max((index for index, header in enumerate(headers, start=1) if header), default=0)
    names: list[str] = []
    for index, header in enumerate(headers[:last], start=1):
        names.append(header if header and header not in names else f"{header}（第{index}列）")
    return tuple(names)


def _require_columns(path: Path, layout: _Layout) -> None:
    where = f"{path.name}, sheet {layout.table.sheet}" if layout.table.sheet else path.name
    twice = [columns.title(field) for field, indexes in layout.places.items() if len(indexes) > 1]
    if twice:
        raise InputError(f"{where}: columns that stand twice: {'、'.join(twice)}")
    absent = [column.title for column in columns.COLUMNS if column.needed and column.field not in layout.places]
    if absent:
        raise InputError(f"{where}: columns of the form are missing: {'、'.join(absent)}")
