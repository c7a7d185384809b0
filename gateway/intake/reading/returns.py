"""The returns (退回表): rows written back for the city, each with its reasons at the cells concerned.

Refused and held rows are there, and those that went but with a warning. The original columns stand unchanged to the
right, so the corrected sheet can be reported again as it is. The file holds the rows as the city wrote them and is
meant for that city only.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from gateway.intake.reading import columns
from gateway.intake.reading.characters import readable_name
from gateway.intake.reading.problems import FileRefused
from gateway.intake.reading.rows import Row
from gateway.intake.reading.scratch import Scratch
from gateway.intake.rules.gate_table import GATES, GateFailure, Severity
from gateway.intake.rules.gates import RowOutcome, outcome
from gateway.private_files import open_private

TITLE, SHEET, SUMMARY = "审核汇总表退回表", "退回表", "退回原因汇总"
LEADING = ("原表行号", "处理结果", "规则编号", "退回原因")
_RESULTS = {RowOutcome.REFUSE: "退回修改", RowOutcome.HOLD: "暂缓，转人工核查", RowOutcome.ADMIT: "已接收，有提示"}
_COLOURS = {Severity.REFUSE: "#FFC7CE", Severity.HOLD: "#FFEB9C", Severity.WARN: "#DDEBF7"}
_WEIGHT = (Severity.REFUSE, Severity.HOLD, Severity.WARN)
_MOST_COMMENTS = 20_000
"""more make a workbook slow to open and are kept in memory; beyond them colours and the column of reasons remain"""
_MADE = datetime(2019, 1, 25)  # noqa: DTZ001 - fixed, so that equal rows give equal files
_SAFE: dict[str, object] = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedRow:
    """A row that does not go, with every reason.

    number: row in the city's sheet
    cells:  header as in the file -> original text
    """

    number: int
    cells: Mapping[str, str] = field(repr=False)
    failures: tuple[GateFailure, ...]

    @classmethod
    def of(cls, row: Row, failures: Iterable[GateFailure]) -> RefusedRow:
        """The row of a batch with all its failures, those of reading and those of the gates."""
        return cls(number=row.number, cells=row.cells, failures=tuple(failures))


def verify_writable(path: Path, *, force: bool = False) -> None:
    """Refuse a place where no returns may be written, before a batch is kept whose returns would be lost.

    force: another returns workbook may be written over; any other file never
    """
    name = readable_name(path)
    if path.exists():
        if not is_returns(path):
            raise FileRefused(name, "no_returns")
        if not force:
            raise FileRefused(name, "is_there")
    if not path.parent.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise FileRefused(name, "unwritable")


def is_returns(path: Path) -> bool:
    """Whether a file is a workbook that this module wrote."""
    try:
        with zipfile.ZipFile(path) as archive:
            about, sheets = archive.open("docProps/core.xml").read(4096), archive.open("xl/workbook.xml").read(8192)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, zlib.error, RuntimeError):
        return False
    return TITLE.encode() in about and f'"{SHEET}"'.encode() in sheets and f'"{SUMMARY}"'.encode() in sheets


def write_returns(
    path: Path, batch_columns: Sequence[str], refused: Iterable[RefusedRow], *, force: bool = False
) -> int:
    """Write the returns of one batch as .xlsx and return how many rows it holds."""
    with Returns(path, batch_columns, force=force) as book:
        return book.add(refused)


class Returns:
    """A returns workbook, open for the rows of one or several batches with the same columns.

    batch_columns: ``Batch.columns`` of the file the rows come from
    Where that file is such a returns workbook itself, its own leading columns are not kept.
    What a row has beside these columns, as cells beyond the header, stands behind them without a title.
    Rows are not kept in memory, but comments are. The file is there, whole, when the workbook is closed without an
    error, and as it was before until then.
    """

    def __init__(self, path: Path, batch_columns: Sequence[str], *, force: bool = False) -> None:
        verify_writable(path, force=force)
        self._path = path
        self._columns = [name for name in batch_columns if name not in LEADING]
        self._places = {name: indexes[0] for name, indexes in columns.positions(self._columns).items()}
        self._titles = {name: self._columns[index] for name, index in self._places.items()}
        try:
            self._scratch = Scratch(path.parent, ".returns-")
        except OSError as error:
            raise FileRefused(readable_name(path), "unwritable") from error
        self._half = self._scratch.path / "returns.xlsx"
        options = {**_SAFE, "constant_memory": True, "tmpdir": str(self._scratch.path)}
        open_private(self._half).close()
        self._book = xlsxwriter.Workbook(str(self._half), options)
        self._book.set_properties({"title": TITLE, "created": _MADE})
        self._styles = _Styles(self._book)
        self._sheet = self._book.add_worksheet(SHEET)
        self._sheet.freeze_panes(1, len(LEADING))
        for first, last, width in ((0, 2, 14), (3, 3, 60), (4, 3 + len(self._columns), 18)):
            self._sheet.set_column(first, last, width, self._styles.text)
        self._sheet.write_row(0, 0, (*LEADING, *self._columns), self._styles.bold)
        self._reasons: Counter[GateFailure] = Counter()
        self._comments = 0
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._scratch:
            if kind is None:
                _write_summary(self._book.add_worksheet(SUMMARY), self._reasons, self._titles, self._styles.bold)
                self._close()

    def add(self, refused: Iterable[RefusedRow]) -> int:
        """Write rows below those that are there; returns how many."""
        before = self.rows
        for row in refused:
            self.rows += 1
            self._reasons.update(row.failures)
            _write_reasons(self._sheet, self.rows, row, self._titles, self._styles.wrapped)
            at_cell = _by_place(row.failures, self._places)
            for place, header in enumerate(self._columns):
                here = at_cell.get(place, ())
                cell = (self.rows, len(LEADING) + place)
                self._sheet.write_string(*cell, row.cells.get(header, ""), self._styles.of(here))
                if here and self._comments < _MOST_COMMENTS:
                    self._comments += 1
                    self._sheet.write_comment(
                        *cell, "\n".join(_reason(one, self._titles) for one in here), {"author": "数据网关"}
                    )
            known = {*self._columns, *LEADING}
            beyond = [text for header, text in row.cells.items() if header not in known]
            self._sheet.write_row(self.rows, len(LEADING) + len(self._columns), beyond, self._styles.text)
        return self.rows - before

    def _close(self) -> None:
        target = self._path.resolve()
        try:
            self._book.close()
            self._half.replace(target)
        except (FileCreateError, OSError) as error:
            raise FileRefused(readable_name(self._path), "unwritable") from error


class _Styles:
    """The cell formats of one workbook; every cell is text, so that no number is ever rounded."""

    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self.text = book.add_format({"num_format": "@"})
        self.wrapped = book.add_format({"num_format": "@", "text_wrap": True, "valign": "top"})
        self.bold = book.add_format({"bold": True, "bg_color": "#D9D9D9", "num_format": "@"})
        self._marked = {s: book.add_format({"num_format": "@", "bg_color": c}) for s, c in _COLOURS.items()}

    def of(self, failures: Sequence[GateFailure]) -> object:
        """The colour of the gravest failure, or plain text."""
        worst = min((failure.severity for failure in failures), key=_WEIGHT.index, default=None)
        return self.text if worst is None else self._marked[worst]


def _write_reasons(
    sheet: xlsxwriter.worksheet.Worksheet, at: int, row: RefusedRow, titles: Mapping[str, str], style: object
) -> None:
    rules = "、".join(dict.fromkeys(failure.gate for failure in row.failures))
    reasons = "\n".join(_reason(failure, titles) for failure in row.failures)
    values = (str(row.number), _RESULTS[outcome(row.failures)], rules, reasons)
    for place, value in enumerate(values):
        sheet.write_string(at, place, value, style)


def _write_summary(
    sheet: xlsxwriter.worksheet.Worksheet, reasons: Counter[GateFailure], titles: Mapping[str, str], bold: object
) -> None:
    clauses = {gate.id: gate.clause for gate in GATES}
    sheet.write_row(0, 0, ("规则编号", "通知条款", "原因", "行数"), bold)
    sheet.set_column(2, 2, 60)
    for at, (failure, count) in enumerate(sorted(reasons.items(), key=lambda item: (-item[1], item[0].gate)), start=1):
        sheet.write_row(at, 0, (failure.gate, clauses.get(failure.gate, ""), _reason(failure, titles), count))


def _reason(failure: GateFailure, titles: Mapping[str, str]) -> str:
    """The failure in Chinese, with the city's own header of its column in front, or the form's where it has none."""
    form = columns.title(failure.field) if failure.field else ""
    name, text = titles.get(failure.field, form), failure.message_zh
    return f"{failure.gate} {text}" if not name or text.startswith((name, form)) else f"{failure.gate} {name}：{text}"


def _by_place(failures: Iterable[GateFailure], places: Mapping[str, int]) -> Mapping[int, tuple[GateFailure, ...]]:
    found: dict[int, tuple[GateFailure, ...]] = {}
    for failure in failures:
        place = places.get(failure.field)
        if place is not None:
            found[place] = (*found.get(place, ()), failure)
    return found
