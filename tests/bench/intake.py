"""Taking in a reported batch against plain scripts over the same file, each in a process of its own.

python -m tests.bench.intake SIDE FILE    (what the cases start; prints speed and peak memory)
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gateway.testing.batch import write_sample

FULL, QUICK = (100_000, 10_000), (20_000, 4_000)
"""rows of the large and the small file"""


def cases(folder: Path, *, full: bool = False) -> Iterator[dict[str, Any]]:
    """For each kind of file: reading and the whole intake against a script, and the memory of many rows against few."""
    rows, few = FULL if full else QUICK
    for suffix, reading, judging, keeping in (("csv", 0.025, 0.011, 0.016), ("xlsx", 0.16, 0.085, 0.06)):
        large, small = (partial(_file, folder, count, suffix) for count in (rows, few))
        for name, what, goal, ours, floor in (
            ("read", "read into filings against a plain read of the same file", reading, "read", "plain"),
            ("dry run", "judged against a plain read of the same file", judging, "judge", "plain"),
            ("intake", "judged and kept on SQLite against a script that keeps each as JSON", keeping, "keep", "script"),
        ):
            yield {
                "name": f"{name} {suffix}",
                "what": f"{rows} rows {what}",
                "unit": "rows/s",
                "goal": goal,
                "at_least": True,
                "ours": partial(_figure, "rows/s", ours, large),
                "floor": partial(_figure, "rows/s", floor, large),
            }
        yield {
            "name": f"intake {suffix} memory",
            "what": f"peak memory of taking in {rows} rows against {few}",
            "unit": "MB",
            "goal": 1.2,
            "at_least": False,
            "ours": partial(_figure, "MB", "keep", large),
            "floor": partial(_figure, "MB", "keep", small),
        }


def _file(folder: Path, rows: int, suffix: str) -> Path:
    """The synthetic batch in that size, made once."""
    path = folder / f"batch{rows}.{suffix}"
    return path if path.exists() else write_sample(path, rows=rows, seed=5, encoding="utf-8")


def _figure(what: str, side: str, file: Callable[[], Path], number: int) -> float:
    return _measured(side, file(), number)[what]


@cache
def _measured(side: str, path: Path, _: int) -> dict[str, float]:
    """One run in a fresh process; speed and memory of a round come from the same one."""
    command = [sys.executable, "-m", "tests.bench.intake", side, str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def _read(path: Path) -> int:
    from gateway.intake.reading.reader import read_batch

    return sum(1 for _ in read_batch(path).rows)


def _judge(path: Path) -> int:
    return _keep(path, dry_run=True)


def _keep(path: Path, *, dry_run: bool = False) -> int:
    from datetime import UTC, datetime

    from ulid import ULID

    from gateway.delivery.store import platforms
    from gateway.intake.admit import take_in
    from gateway.intake.rules.gate_rules import GateRules
    from gateway.store.engine import Store, migrate, open_engine
    from gateway.store.vault import KeyRing, Vault
    from gateway.testing.model import Model

    info = Model(base_url="http://unused.invalid").info
    with TemporaryDirectory(dir=path.parent) as folder:
        store = Store(engine=open_engine(f"sqlite:///{folder}/gateway.db"), vault=Vault(KeyRing.generate()))
        migrate(store.engine)
        with store.write() as connection:
            platforms.register(connection, [info.platform])
        now = datetime.now(UTC)
        try:
            report = take_in(
                path, store, [info], rules=GateRules(now=now), now=now, new_id=lambda: str(ULID()), dry_run=dry_run
            )
        finally:
            store.close()
    assert report.admitted > report.rows * 0.9, report
    return report.rows


def _plain(path: Path) -> int:
    """The libraries under ours, with nothing understood."""
    return sum(1 for _ in _lines(path))


def _script(path: Path) -> int:
    """What a script would do: each row as one JSON text, all in one commit."""
    import sqlite3

    with TemporaryDirectory(dir=path.parent) as folder:
        db = sqlite3.connect(f"{folder}/script.db")
        db.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, cells TEXT)")
        documents = ((json.dumps(list(line), ensure_ascii=False, default=str),) for line in _lines(path))
        db.executemany("INSERT INTO row (cells) VALUES (?)", documents)
        db.commit()
        count = int(db.execute("SELECT count(*) FROM row").fetchone()[0])
        db.close()
        return count


def _lines(path: Path) -> Iterator[Sequence[Any]]:
    if path.suffix == ".csv":
        import csv

        with path.open(encoding="utf-8", newline="") as handle:
            yield from csv.reader(handle)
        return
    from python_calamine import CalamineWorkbook

    yield from CalamineWorkbook.from_path(path).get_sheet_by_index(0).iter_rows()


_SIDES = {"read": _read, "judge": _judge, "keep": _keep, "plain": _plain, "script": _script}


def main() -> None:
    """Work on one file and tell what it took."""
    side, path = sys.argv[1], Path(sys.argv[2])
    start = _seconds()
    rows = _SIDES[side](path)
    seconds = _seconds() - start
    sys.stdout.write(json.dumps({"rows/s": rows / seconds, "MB": _peak()}))


def _seconds() -> float:
    """Processor time of this process and of the children it waited for: waiting for a busy machine says nothing."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _peak() -> float:
    """Peak memory of this process in MB; on Linux getrusage would also count the process that started this one."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / (1 << 10)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


if __name__ == "__main__":
    main()
