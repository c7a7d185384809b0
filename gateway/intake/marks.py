"""What a workbook says beside its values: rows not shown, cells without a value, merged cells.

The library that reads workbooks gives an empty cell for an error value and for a formula whose result was never stored.
An empty last day of validity means "without end", so such cells must be told apart from empty ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.intake.rules import MERGED
from gateway.intake.values import Broken, Cell

Place = tuple[int, int]
"""row and column, both from 0"""
Range = tuple[Place, Place]
"""first and last cell, both included"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Marks:
    """Marks of one sheet.

    hidden:   rows that are not shown, from 0
    broken:   row from 0 -> column from 0 -> what stands there instead of a value
    old_days: the workbook counts its days from 1904, so a bare number is no day that could be trusted
    """

    hidden: frozenset[int] = frozenset()
    broken: Mapping[int, Mapping[int, Broken]] = field(default_factory=lambda: MappingProxyType({}))
    old_days: bool = False


def marked(
    rows: Iterable[Sequence[Cell]], marks: Marks, merged: Iterable[Range], first_column: int
) -> Iterator[Sequence[Cell]]:
    """Put marks and merged values into the rows of a sheet.

    rows:         from the sheet's first row on
    first_column: the sheet's column in which the rows begin
    A value merged downwards holds for each row it spans. One merged over columns says
    nothing about the further columns.
    """
    tops: defaultdict[int, list[Range]] = defaultdict(list)
    for one in merged:
        tops[one[0][0]].append(one)
    open_ranges: list[tuple[Range, Cell]] = []
    for number, row in enumerate(rows):
        broken = marks.broken.get(number)
        if not open_ranges and number not in tops and broken is None:
            yield row
            continue
        cells = list(row)
        for column, cell in (broken or {}).items():
            if 0 <= column - first_column < len(cells):
                cells[column - first_column] = cell
        for one in tops.get(number, ()):
            at = one[0][1] - first_column
            open_ranges.append((one, cells[at] if 0 <= at < len(cells) else ""))
        for one, value in open_ranges:
            _spread(cells, one, value, number, first_column)
        open_ranges = [(one, value) for one, value in open_ranges if one[1][0] > number]
        yield cells


def _spread(cells: list[Cell], one: Range, value: Cell, number: int, first_column: int) -> None:
    (top, left), (_, right) = one
    for column in range(max(left - first_column, 0), min(right - first_column + 1, len(cells))):
        if (number, column + first_column) != (top, left):
            cells[column] = value if left == right else Broken("", MERGED)
