"""A synthetic reported batch: the summary form of several cities, filled in as cities do, with known flaws.

Everything is drawn from a seeded generator, so equal arguments give equal rows. Each flawed row breaks exactly one
rule, and the row says which one; rows that contradict each other come in pairs. All numbers are of the unissued area
370000.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import xlsxwriter

from gateway.intake.reading.columns import COLUMNS, title
from gateway.testing.flaws import FLAWS, PAIRS
from gateway.testing.forms import CITIES, Cells, filed

Cell = str | int | float | date | datetime

HEADERS = ("序号", *(column.title for column in COLUMNS), "备注")
"""the form's columns between two that the gateway does not know"""
_GOOD_BETWEEN = 4
_MADE = datetime(2019, 3, 11)  # noqa: DTZ001 - fixed, so that the content does not depend on the day


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleRow:
    """One row by column title, and the one rule it is meant to break; None means that it may go."""

    cells: Mapping[str, Cell]
    expected: str | None = None


def sample_rows(rows: int = 330, seed: int = 2019) -> Iterator[SampleRow]:
    """Yield exactly ``rows`` rows: mostly good ones, and after every few of them the next flaw until all have come."""
    rng = random.Random(seed)
    used: set[str] = set()
    flaws = _flawed(rng, used)
    made = 0
    while made < rows:
        case: Sequence[SampleRow] = ()
        if made % (_GOOD_BETWEEN + 1) == _GOOD_BETWEEN:
            case = next(flaws, ())
        if not case or len(case) > rows - made:
            case = _good(rng, used)
        for row in case[: rows - made]:
            made += 1
            yield replace(row, cells={"序号": made, **row.cells})


def _good(rng: random.Random, used: set[str]) -> Sequence[SampleRow]:
    """A person with one certificate, or now and then with two."""
    first = filed(rng, used)
    if rng.random() < 0.12:
        return SampleRow(cells=_titled(first)), SampleRow(cells=_titled(_second(rng, used, first)))
    return (SampleRow(cells=_titled(first)),)


def _second(rng: random.Random, used: set[str], first: Cells) -> Cells:
    """Another certificate of the same person, filed by the same employer."""
    other = filed(rng, used, employed=first["employed"] == "有")
    certificate = ("certificate_number", "level", "issue_date", "application_date", "valid_to")
    trade = {"trade": "抹灰工" if first["trade"] != "抹灰工" else "钢筋工"}
    return first | {name: other[name] for name in certificate} | trade


def _flawed(rng: random.Random, used: set[str]) -> Iterator[Sequence[SampleRow]]:
    for flaw in FLAWS:
        cells = flaw.spoil(rng, filed(rng, used, employed=flaw.employed, city=CITIES[0]))
        yield (SampleRow(cells=_titled(cells), expected=flaw.rule),)
    for pair in PAIRS:
        first = filed(rng, used, employed=True, city=CITIES[0])
        other = filed(rng, used, employed=True, city=CITIES[0])
        second = pair.contradict(rng, first, _second(rng, used, first), other)
        yield (
            SampleRow(cells=_titled(first), expected=pair.rule if pair.both else None),
            SampleRow(cells=_titled(second), expected=pair.rule),
        )


def _titled(cells: Cells) -> Mapping[str, Cell]:
    return {title(name): value for name, value in cells.items()}


def write_sample(path: Path, rows: int = 330, seed: int = 2019, encoding: str = "utf-8-sig") -> Path:
    """Write the batch as .xlsx, or as .csv in ``encoding`` (``utf-8``, ``utf-8-sig``, ``gb18030``), by the suffix."""
    if path.suffix.lower() == ".csv":
        _write_csv(path, sample_rows(rows, seed), encoding)
    else:
        _write_workbook(path, sample_rows(rows, seed))
    return path


def _write_csv(path: Path, rows: Iterator[SampleRow], encoding: str) -> None:
    with path.open("w", encoding=encoding, newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(HEADERS)
        for row in rows:
            writer.writerow([_csv_text(row.cells.get(header, "")) for header in HEADERS])


def _csv_text(value: Cell) -> str:
    if isinstance(value, float) and value >= 1e15:
        return f"{value:.5E}"
    return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)


def _write_workbook(path: Path, rows: Iterator[SampleRow]) -> None:
    options = {"strings_to_formulas": False, "strings_to_urls": False, "constant_memory": True}
    book = xlsxwriter.Workbook(str(path), options)
    book.set_properties({"title": "审核汇总表（合成样本）", "created": _MADE})
    sheet = book.add_worksheet("审核汇总表")
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
    text = book.add_format({"num_format": "@"})
    head = book.add_format({"bold": True, "bg_color": "#D9E1F2", "text_wrap": True, "border": 1})
    sheet.merge_range(0, 0, 0, len(HEADERS) - 1, "建设职业技能岗位证书审核汇总表（合成样本，人员均为虚构）")
    sheet.write_string(1, 0, "填表说明：日期可写日期格式或文字；等级填写初级、中级、高级")
    sheet.write_row(2, 0, HEADERS, head)
    sheet.freeze_panes(3, 2)
    for at, row in enumerate(rows, start=3):
        for place, header in enumerate(HEADERS):
            value = row.cells.get(header, "")
            if isinstance(value, datetime):
                sheet.write_datetime(at, place, value, moment)
            elif isinstance(value, date):
                sheet.write_datetime(at, place, datetime(value.year, value.month, value.day), day)  # noqa: DTZ001
            elif isinstance(value, str):
                sheet.write_string(at, place, value, text)
            else:
                sheet.write_number(at, place, value)
    book.close()
