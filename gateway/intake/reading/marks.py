"""A sheet as every format gives it, and merged cells: a value merged downwards holds for each row it spans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from gateway.intake.reading.cells import Broken, Cell
from gateway.intake.reading.rules import MERGED
from gateway.intake.reading.sheet import Line

Place = tuple[int, int]
"""row and column, both from 0"""
Range = tuple[Place, Place]
"""first and last cell, both included"""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One sheet of a file, before its merged cells are spread.

    lines:    may be called again and begins anew
    hidden:   whether the sheet is not shown
    ragged:   whether a row may have another number of cells than the header (text files only)
    old_days: days are counted from 1904, so a bare number is no day that could be trusted
    """

    name: str
    lines: Callable[[], Iterator[Line]]
    merged: Sequence[Range] = ()
    hidden: bool = False
    ragged: bool = False
    old_days: bool = False


def marked(lines: Iterable[Line], merged: Iterable[Range]) -> Generator[Line, None, None]:
    """Put merged values into the rows of a sheet, from the first column on.

    A value merged downwards holds for each row it spans. One merged over columns says
    nothing about the further columns.
    """
    tops: defaultdict[int, list[Range]] = defaultdict(list)
    for one in merged:
        tops[one[0][0]].append(one)
    open_ranges: list[tuple[Range, Cell]] = []
    for line in lines:
        number = line.number - 1
        open_ranges = [(one, value) for one, value in open_ranges if one[1][0] >= number]
        if not open_ranges and number not in tops:
            yield line
            continue
        cells = list(line.cells)
        for one in tops.get(number, ()):
            at = one[0][1]
            open_ranges.append((one, cells[at] if at < len(cells) else ""))
        for one, value in open_ranges:
            _spread(cells, one, value, number)
        yield line._replace(cells=cells)


def _spread(cells: list[Cell], one: Range, value: Cell, number: int) -> None:
    (top, left), (_, right) = one
    if value != "" and left == right and len(cells) <= left:
        cells.extend([""] * (left + 1 - len(cells)))
    for column in range(left, min(right + 1, len(cells))):
        if (number, column) != (top, left):
            cells[column] = value if left == right else Broken("", MERGED)
