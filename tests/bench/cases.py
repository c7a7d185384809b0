"""The cases of ``make bench``. Each has a floor that a reader can check: the same client, or the plain script."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench import credit, intake, killed, pushes, scale, soap, soappush, stores
from tests.bench.around import Around, Case


def all_cases(around: Around, count: int, *, full: bool = False) -> Iterator[Case]:
    """Every case, cheapest first; ``full`` gives the intake five times and a store ten times as many rows."""
    yield from stores.cases(around, full=full)
    yield from pushes.cases(around, count)
    yield from soappush.cases(around, count)
    yield from (Case(**one) for one in soap.cases())
    yield from (Case(**one) for one in intake.cases(around.folder, full=full))
    yield from (Case(**one) for one in credit.cases())
    yield from killed.cases(around)
    yield from scale.cases(around)
