"""Reading a reported batch against a plain read of the same file, each in a process of its own.

python -m tests.bench.intake SIDE FILE    (what the cases start; prints speed and peak memory)
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from gateway.testing.batch import write_sample

LARGE, SMALL = 100_000, 10_000


def cases(folder: Path) -> Iterator[dict[str, Any]]:
    """For each kind of file its speed against the floor, and its memory against that of a tenth of the rows."""
    for suffix, goal, growth in (("csv", 0.03, 1.2), ("xlsx", 0.15, 9.0)):
        large, small = (partial(_file, folder, rows, suffix) for rows in (LARGE, SMALL))
        yield {
            "name": f"intake {suffix}",
            "what": f"100 000 rows read into filings against a plain read of the same .{suffix}",
            "unit": "rows/s",
            "goal": goal,
            "at_least": True,
            "ours": partial(_figure, "rows/s", "ours", large),
            "floor": partial(_figure, "rows/s", "floor", large),
        }
        yield {
            "name": f"intake {suffix} memory",
            "what": "peak memory of reading 100 000 rows against 10 000",
            "unit": "MB",
            "goal": growth,
            "at_least": False,
            "ours": partial(_figure, "MB", "ours", large),
            "floor": partial(_figure, "MB", "ours", small),
        }


def _file(folder: Path, rows: int, suffix: str) -> Path:
    """The synthetic batch in that size, made once."""
    path = folder / f"batch{rows}.{suffix}"
    return path if path.exists() else write_sample(path, rows=rows, seed=5, encoding="utf-8")


def _figure(what: str, side: str, file: Callable[[], Path], number: int) -> float:
    return _measured(side, file(), number)[what]


@cache
def _measured(side: str, path: Path, _: int) -> dict[str, float]:
    """One reading in a fresh process; speed and memory of a round come from the same one."""
    command = [sys.executable, "-m", "tests.bench.intake", side, str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def _ours(path: Path) -> int:
    from gateway.intake.reader import read_batch

    return sum(1 for row in read_batch(path).rows)


def _floor(path: Path) -> int:
    """The libraries under ours, with nothing understood."""
    if path.suffix == ".csv":
        import csv

        with path.open(encoding="utf-8", newline="") as handle:
            return sum(1 for _ in csv.reader(handle))
    from python_calamine import CalamineWorkbook

    return sum(1 for _ in CalamineWorkbook.from_path(path).get_sheet_by_index(0).iter_rows())


def main() -> None:
    """Read one file and tell what it took."""
    side, path = sys.argv[1], Path(sys.argv[2])
    start = time.process_time()  # reading is one thread; waiting for a busy machine says nothing about it
    rows = _ours(path) if side == "ours" else _floor(path)
    seconds = time.process_time() - start
    sys.stdout.write(json.dumps({"rows/s": rows / seconds, "MB": _peak()}))


def _peak() -> float:
    """Peak memory of this process in MB; on Linux getrusage would also count the process that started this one."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / (1 << 10)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


if __name__ == "__main__":
    main()
