"""The cases of ``make bench``. Each has a floor that a reader can check: the same client, or the plain script."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from tests.bench import credit, intake, killed, pushes, scale, soap, soappush
from tests.bench.around import Around, Case


def all_cases(around: Around, count: int, *, full: bool = False) -> Iterator[Case]:
    """Every case, cheapest first; with ``full`` the intake reads five times as many rows."""
    yield Case(
        name="help",
        what="`gateway --help` against `python -c 'import httpx'`, wall time",
        unit="s",
        goal=2.0,
        at_least=False,
        ours=lambda _: _seconds([sys.executable, "-m", "gateway", "--help"]),
        floor=lambda _: _seconds([sys.executable, "-c", "import httpx"]),
    )
    yield from pushes.cases(around, count)
    yield from soappush.cases(around, count)
    yield from (Case(**one) for one in soap.cases())
    yield from (Case(**one) for one in intake.cases(around.folder, full=full))
    yield from (Case(**one) for one in credit.cases())
    yield from killed.cases(around)
    yield from scale.cases(around)


def _seconds(command: list[str]) -> float:
    """Wall time of a process, best of five."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)
