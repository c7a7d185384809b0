"""What a workbook says beside its values: rows not shown, cells without a value, merged cells.

The library that reads workbooks gives an empty cell for an error value and for a formula whose result was never stored.
An empty last day of validity means "without end", so such cells must be told apart from empty ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.intake.reading.rules import MERGED
from gateway.intake.reading.sheet import Line
from gateway.intake.reading.values import Broken, Cell

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


def marked(lines: Iterable[Line], merged: Iterable[Range]) -> Iterator[Line]:
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
