"""The returns (退回表): rows written back for the city, each with its reasons at the cells concerned.

Refused and held rows are there, and those that went but with a warning. The original columns stand unchanged to the
right, so the corrected sheet can be reported again as it is. The file holds the rows as the city wrote them and is
meant for that city only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from gateway.domain.errors import InputError
from gateway.intake.reading import columns
from gateway.intake.reading.rows import Row
from gateway.intake.reading.scratch import Scratch
from gateway.intake.rules.gate_table import GATES, GateFailure, Severity
from gateway.intake.rules.gates import Outcome, outcome
from gateway.private_files import make_private, open_private

LEADING = ("原表行号", "处理结果", "规则编号", "退回原因")
_RESULTS = {Outcome.REFUSE: "退回修改", Outcome.HOLD: "暂缓，转人工核查", Outcome.ADMIT: "已接收，有提示"}
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


def verify_writable(path: Path) -> None:
    """Refuse a place where no workbook can be written, before a batch is kept whose returns would be lost."""
    is_new = not path.exists()
    try:
        path.open("ab").close()
        make_private(path)
    except OSError as error:
        raise _unwritable(path) from error
    if is_new:
        path.unlink()


def _unwritable(path: Path) -> InputError:
    return InputError(f"{path.name}: the returns cannot be written there")


def write_returns(path: Path, batch_columns: Sequence[str], refused: Iterable[RefusedRow]) -> int:
    """Write the returns of one batch as .xlsx and return how many rows it holds."""
    with Returns(path, batch_columns) as book:
        return book.add(refused)


class Returns:
    """A returns workbook, open for the rows of one or several batches with the same columns.

    batch_columns: ``Batch.columns`` of the file the rows come from
    Where that file is such a returns workbook itself, its own leading columns are not kept.
    Rows are not kept in memory, but comments are. The file is there, whole, when the workbook is closed without an
    error, and as it was before until then.
    """

    def __init__(self, path: Path, batch_columns: Sequence[str]) -> None:
        verify_writable(path)
        self._path = path
        self._columns = [name for name in batch_columns if name not in LEADING]
        self._places = {name: indexes[0] for name, indexes in columns.positions(self._columns).items()}
        try:
            self._scratch = Scratch(path.parent, ".returns-")
        except OSError as error:
            raise _unwritable(path) from error
        self._half = self._scratch.path / "returns.xlsx"
        options = {**_SAFE, "constant_memory": True, "tmpdir": str(self._scratch.path)}
        open_private(self._half).close()
        self._book = xlsxwriter.Workbook(str(self._half), options)
        self._book.set_properties({"title": "审核汇总表退回表", "created": _MADE})
        self._styles = _Styles(self._book)
        self._sheet = self._book.add_worksheet("退回表")
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
                _write_summary(self._book.add_worksheet("退回原因汇总"), self._reasons, self._styles.bold)
                self._close()

    def add(self, refused: Iterable[RefusedRow]) -> int:
        """Write rows below those that are there; returns how many."""
        before = self.rows
        for row in refused:
            self.rows += 1
            self._reasons.update(row.failures)
            _write_reasons(self._sheet, self.rows, row, self._styles.wrapped)
            at_cell = _by_place(row.failures, self._places)
            for place, header in enumerate(self._columns):
                here = at_cell.get(place, ())
                cell = (self.rows, len(LEADING) + place)
                self._sheet.write_string(*cell, row.cells.get(header, ""), self._styles.of(here))
                if here and self._comments < _MOST_COMMENTS:
                    self._comments += 1
                    self._sheet.write_comment(*cell, "\n".join(map(_reason, here)), {"author": "数据网关"})
        return self.rows - before

    def _close(self) -> None:
        target = self._path.resolve()
        try:
            self._book.close()
            self._half.replace(target)
        except (FileCreateError, OSError) as error:
            raise _unwritable(self._path) from error


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


def _write_reasons(sheet: xlsxwriter.worksheet.Worksheet, at: int, row: RefusedRow, style: object) -> None:
    rules = "、".join(dict.fromkeys(failure.gate for failure in row.failures))
    values = (str(row.number), _RESULTS[outcome(row.failures)], rules, "\n".join(map(_reason, row.failures)))
    for place, value in enumerate(values):
        sheet.write_string(at, place, value, style)


def _write_summary(sheet: xlsxwriter.worksheet.Worksheet, reasons: Counter[GateFailure], bold: object) -> None:
    clauses = {gate.id: gate.clause for gate in GATES}
    sheet.write_row(0, 0, ("规则编号", "通知条款", "原因", "行数"), bold)
    sheet.set_column(2, 2, 60)
    for at, (failure, count) in enumerate(sorted(reasons.items(), key=lambda item: (-item[1], item[0].gate)), start=1):
        sheet.write_row(at, 0, (failure.gate, clauses.get(failure.gate, ""), _reason(failure), count))


def _reason(failure: GateFailure) -> str:
    """The failure in Chinese, with the form's name of its field in front."""
    name = columns.title(failure.field) if failure.field else ""
    text = failure.message_zh
    return f"{failure.gate} {text}" if not name or text.startswith(name) else f"{failure.gate} {name}：{text}"


def _by_place(failures: Iterable[GateFailure], places: Mapping[str, int]) -> Mapping[int, tuple[GateFailure, ...]]:
    found: dict[int, tuple[GateFailure, ...]] = {}
    for failure in failures:
        place = places.get(failure.field)
        if place is not None:
            found[place] = (*found.get(place, ()), failure)
    return found
