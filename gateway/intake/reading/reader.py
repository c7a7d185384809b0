"""A reported batch as rows: finds the table in the file, its header in the first rows, and reads row by row.

Troubles of the file as a whole raise InputError and name file, sheet, column and rule; those of a row stand in the row.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.codec.redact import clean
from gateway.intake.reading import columns
from gateway.intake.reading.cells import Broken, Cell
from gateway.intake.reading.characters import readable_name
from gateway.intake.reading.files import SheetTable, digest_of, open_tables
from gateway.intake.reading.footers import is_aside, is_header, is_same_header
from gateway.intake.reading.parser_process import HEAD_ROWS
from gateway.intake.reading.problems import FileRefused
from gateway.intake.reading.rows import DATED, PERSONAL, Row, failure, read_row
from gateway.intake.reading.rules import DATE, HIDDEN, REQUIRED, WIDTH
from gateway.intake.reading.values import is_blank, original_text
from gateway.intake.rules.gate_table import Severity

__all__ = ["Batch", "Row", "read_batch"]

_LEAST_COMPACT = 10_000_000
"""numbers from here on are days written as 20180301"""
_LEAST_COLUMNS = 5
"""known columns a row must name to be taken for a header at all"""
_FEW = 10
"""columns that may be missing where a table is still likely to be meant as the form"""
_SEVERAL = 3
"""unreadable cells that tell of shifted columns"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """One reported file.

    name:    name of the file without its folder, readable whatever bytes it is written in
    digest:  SHA-256 (hex) of the file
    sheet:   name of the sheet; empty for a CSV
    columns: headers in the order of the file, made unique; the keys of ``Row.cells``
    rows:    read anew on every iteration, one row at a time; empty rows,
             totals, remarks at the foot and repeated headers are not filings and are left out
    left_out: kind of line -> how many the last iteration left out: ``foot`` (totals and remarks), ``prefilled``
             (rows that say nothing about a person or certificate), ``header`` (repeated ones)
    """

    name: str
    digest: str
    sheet: str
    columns: tuple[str, ...]
    rows: Iterable[Row]
    left_out: Counter[str] = field(default_factory=Counter)


def read_batch(path: Path) -> Batch:
    """Open a workbook or CSV as a batch; raises InputError where it is none."""
    digest, name = digest_of(path), readable_name(path)
    tables = open_tables(path)
    layouts = [layout for table in tables if (layout := _find_header(name, table)) is not None]
    shown = [layout for layout in layouts if not layout.table.hidden]
    if not shown:
        raise _no_table(name, tables, layouts)
    layout = _the_form(shown)
    if layout is None:
        raise FileRefused(name, "two_tables", sheets=_sheets(layout.table for layout in shown))
    _require_columns(layout)
    return Batch(
        name=clean(name),
        digest=digest,
        sheet=layout.table.sheet,
        columns=layout.headers,
        rows=layout,
        left_out=layout.left_out,
    )


def _sheets(tables: Iterable[SheetTable]) -> str:
    return "、".join(table.sheet for table in tables if table.sheet)


def _no_table(name: str, tables: Sequence[SheetTable], hidden: Sequence[_Layout]) -> FileRefused:
    if hidden:
        return FileRefused(name, "hidden_table", sheets=_sheets(layout.table for layout in hidden))
    sheets = _sheets(table for table in tables if not table.hidden)
    place = (f" (sheets {sheets}): ", f"（工作表{sheets}）") if sheets else ("", "")
    return FileRefused(name, "no_table", place=place, rows=HEAD_ROWS)


def _the_form(layouts: Sequence[_Layout]) -> _Layout | None:
    """The table that is meant: the only one with rows, or the only one with every column the form must have.

    Another sheet may hold a list of the same people; None where two sheets could be the form.
    """
    if len(layouts) == 1:
        return layouts[0]
    filled = [layout for layout in layouts if next(iter(layout), None) is not None] or list(layouts[:1])
    whole = [layout for layout in filled if not _absent(layout)]
    likely = [layout for layout in filled if len(_absent(layout)) <= _FEW]
    return filled[0] if len(filled) == 1 else whole[0] if len(whole) == 1 == len(likely) else None


@dataclass(frozen=True, slots=True)
class _Layout:
    """A table whose header is found; iterating reads its rows."""

    file: str
    table: SheetTable
    header_row: int
    headers: tuple[str, ...]
    places: Mapping[str, tuple[int, ...]]
    left_out: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Row]:
        fields = [(field, indexes[0]) for field, indexes in self.places.items()]
        personal = [index for field, index in fields if field in PERSONAL]
        self.left_out.clear()
        for number, cells, hidden in self.table.rows():
            if number <= self.header_row:
                continue
            width = len(cells)
            if all(index >= width or is_blank(cells[index]) for index in personal):
                # nobody is named: empty, a line of another kind, or a row with nothing but what was filled in before
                if any(index < width and not is_blank(cells[index]) for _, index in fields):
                    self.left_out["foot" if is_aside(cells, {}) else "prefilled"] += 1
                continue
            given = {field: cells[index] for field, index in fields if index < width}
            if is_aside(cells, given):
                self.left_out["foot"] += 1
                continue
            if is_header(cells, given):
                self._refuse_other_header(number, given)
                self.left_out["header"] += 1
                continue
            row = self._read(number, cells, given)
            # not on the paper that was stamped; nobody can say from here whether it was meant to be reported
            yield replace(row, failures=(*row.failures, failure(HIDDEN, "", Severity.HOLD))) if hidden else row

    def _read(self, number: int, cells: Sequence[Cell], given: Mapping[str, Cell]) -> Row:
        texts = {header: original_text(cell) for header, cell in zip(self.headers, cells, strict=False) if cell != ""}
        if len(cells) > len(self.headers):  # under no header, yet the city finds it again in the returns
            beyond = enumerate(cells[len(self.headers) :], start=len(self.headers) + 1)
            texts |= {nameless(number): original_text(cell) for number, cell in beyond if not is_blank(cell)}
        if self.table.old_days:
            given = {field: _undated(field, cell) for field, cell in given.items()}
        row = read_row(number, texts, given)
        if self.table.ragged and self._is_shifted(row, cells):
            return Row(number=number, cells=texts, filing=None, failures=(failure(WIDTH, ""),))
        return row

    def _is_shifted(self, row: Row, cells: Sequence[Cell]) -> bool:
        """Whether cells of a text file stand under other headers than their own.

        Spreadsheet programs leave out empty cells at the end, and in blocks of rows write some too many: neither shifts
        anything. A filled cell too many does, one too few where a cell that must be filled would be the missing one,
        and an empty one too many where the row cannot be read as it stands.
        """
        missing, surplus = len(cells) < len(self.headers), cells[len(self.headers) :]
        refused = [failure for failure in row.failures if failure.severity is Severity.REFUSE]
        if missing:
            return any(
                failure.gate == REQUIRED and self.places.get(failure.field, (0,))[0] >= len(cells)
                for failure in refused
            )
        return any(not is_blank(cell) for cell in surplus) or (bool(surplus) and len(refused) >= _SEVERAL)

    def _refuse_other_header(self, number: int, given: Mapping[str, Cell]) -> None:
        if not is_same_header(given):
            sheet = self.table.sheet
            place = (
                (f", sheet {sheet}, row {number}: ", f"工作表{sheet}第{number}行：")
                if sheet
                else (
                    f", row {number}: ",
                    f"第{number}行：",
                )
            )
            raise FileRefused(self.file, "other_header", place=place)


def _undated(field: str, cell: Cell) -> Cell:
    """A bare day number of a workbook that counts from 1904 is off by four years: no day at all."""
    is_day = field in DATED and isinstance(cell, (int, float)) and abs(cell) < _LEAST_COMPACT
    return Broken(original_text(cell), DATE) if is_day else cell


def _find_header(file: str, table: SheetTable) -> _Layout | None:
    """The row, or pair of rows under a merged group title, that names most columns of the form; the first one wins."""
    top: list[list[str]] = [[] for _ in range(HEAD_ROWS)]
    for number, cells, _ in table.head:
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
        names.append(header if header and header not in names else nameless(index, header))
    return tuple(names)


def nameless(column: int, header: str = "") -> str:
    """What a column is called whose header is empty or stands for another one already; ``column`` counts from 1."""
    return f"{header}（第{column}列）"


def _require_columns(layout: _Layout) -> None:
    sheet = layout.table.sheet
    place = (f", sheet {sheet}: ", f"工作表{sheet}：") if sheet else ("", "")
    twice = [
        f"{columns.title(field)} ({'、'.join(layout.headers[index] for index in indexes)})"
        for field, indexes in layout.places.items()
        if len(indexes) > 1
    ]
    if twice:
        raise FileRefused(layout.file, "twice", place=place, columns="、".join(twice))
    if absent := _absent(layout):
        raise FileRefused(layout.file, "missing", place=place, columns="、".join(absent))


def _absent(layout: _Layout) -> list[str]:
    """Columns without which a table is not the form."""
    return [column.title for column in columns.COLUMNS if column.needed and column.field not in layout.places]
