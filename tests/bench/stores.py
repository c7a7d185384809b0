"""What commands take on a store of years, and how fast and in what memory work on the whole store goes.

Each is a process of its own. Seconds are its CPU time, which another's load disturbs least; what PostgreSQL's server
takes is not in them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from gateway import registry
from tests.bench import years
from tests.bench.around import POSTGRESQL, SQLITE, Around, Case

_PAPER = "鲁建岗0000000123"
_COMMANDS: Sequence[tuple[str, float]] = (
    ("status", 1),
    ("failures", 1),
    (f"why {_PAPER}", 1),
    ("show 1234", 1),
    ("batches list", 1),
    (f"batches show {years.batch_name(7)}", 1),
    ("differences", 1),
    ("tickets list", 1),
    ("replay plan --state parked --reason bench", 1),
    ("metrics", 1),
    ("report", 3),
)
"""commands, and how many seconds each may take"""
_MEGABYTES = 150
_ROOT = Path(__file__).parents[2]
_ROWS = {"backup": 40_000, "restore": 40_000, "evidence verify": 150_000}
"""rows a second"""


@dataclass(frozen=True, kw_only=True)
class _Ran:
    seconds: float
    megabytes: float


@dataclass
class _Home:
    """A home with its store, made when it is first needed."""

    around: Around
    kind: str
    deliveries: int
    _made: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Of a command in this home."""
        if not self._made:
            self._make()
        return self._made

    def _make(self) -> None:
        folder = Path(mkdtemp(dir=self.around.folder))
        keys = folder / "keys.json"
        keys.touch(0o600)
        keys.write_text(self.around.ring.to_text(), encoding="ascii")
        _store, url = self.around.filled(self.kind, lambda store: years.build(store, self.deliveries))
        _store.close()
        self._made |= {**_platforms(), "GATEWAY_HOME": str(folder), "GATEWAY_DATABASE_URL": url}
        run("init", self._made)
        run("evidence seal", self._made)

    def seconds(self, command: str, _: int) -> float:
        """What a command takes."""
        return run(command, self.environment).seconds


def cases(around: Around, *, full: bool) -> Iterator[Case]:
    """Start of a command; every command among a million deliveries (a tenth without ``full``); the whole store."""
    empty = _Home(around, SQLITE, 0)
    yield Case(
        name="start: --help",
        what="`gateway --help` against `python -c 'import httpx'`, CPU time",
        unit="s",
        goal=1.2,
        at_least=False,
        ours=partial(empty.seconds, "--help"),
        floor=partial(_imported, "import httpx"),
        rounds=9,
    )
    yield Case(
        name="start: status of an empty store",
        what="`gateway status` against importing SQLAlchemy, Typer and pydantic-settings, CPU time",
        unit="s",
        goal=1.5,
        at_least=False,
        ours=partial(empty.seconds, "status"),
        floor=partial(_imported, "import sqlalchemy, typer, pydantic_settings"),
        rounds=9,
    )
    deliveries = 1_000_000 if full else 100_000
    for kind in (SQLITE, POSTGRESQL):
        home = _Home(around, kind, deliveries)
        for command, seconds in _COMMANDS:
            yield Case(
                name=f"{kind}, {deliveries:,}: {command.partition(' --')[0]}",
                what=f"seconds of the command among {deliveries:,} deliveries against what it may take",
                unit="s",
                goal=1.0,
                at_least=False,
                ours=partial(home.seconds, command),
                floor=_constant(seconds),
                rounds=3,
            )
        yield from _whole(around, home)


def _whole(around: Around, home: _Home) -> Iterator[Case]:
    """Backup, restore and verification: rows a second and memory."""
    copy = _Home(around, home.kind, 0)
    file = around.folder / f"{home.kind}-{home.deliveries}.backup"
    done: dict[str, _Ran] = {}

    def ran(work: str) -> _Ran:
        if work not in done:
            given = {"backup": f"backup {file}", "restore": f"restore {file}"}.get(work, work)
            done[work] = run_watched(given, (copy if work == "restore" else home).environment)
        return done[work]

    def rows(work: str, _: int) -> float:
        return years.rows_of(home.deliveries) / ran(work).seconds

    for work, goal in _ROWS.items():
        yield Case(
            name=f"{home.kind}, {home.deliveries:,}: {work}",
            what=f"rows a second, against {goal:,}",
            unit="rows/s",
            goal=1.0,
            at_least=True,
            ours=partial(rows, work),
            floor=_constant(goal),
            rounds=1,
        )
        yield Case(
            name=f"{home.kind}, {home.deliveries:,}: {work}, memory",
            what=f"peak memory, against {_MEGABYTES} MB",
            unit="MB",
            goal=1.0,
            at_least=False,
            ours=lambda _, work=work: ran(work).megabytes,
            floor=_constant(_MEGABYTES),
            rounds=1,
        )


def _constant(value: float) -> Callable[[int], float]:
    return lambda _: value


_TOLD_AT_THE_END = """
import atexit, sys
from tests.bench.around import peak
atexit.register(lambda: sys.stderr.write(f"\\n{peak()}"))
from gateway.cli import main
main()
"""
"""a command that says its peak memory last: what the system notes counts the process that started it too"""


def run(command: str, environment: dict[str, str]) -> _Ran:
    """Run a command to its end; what it found may be a failure, which is no error."""
    seconds, _ = _measured([sys.executable, "-m", "gateway", *command.split()], environment)
    return _Ran(seconds=seconds, megabytes=0.0)


def run_watched(command: str, environment: dict[str, str]) -> _Ran:
    """The same, with its memory."""
    seconds, said = _measured([sys.executable, "-c", _TOLD_AT_THE_END, *command.split()], environment)
    return _Ran(seconds=seconds, megabytes=float(said.split()[-1]))


def _imported(code: str, _: int) -> float:
    return _measured([sys.executable, "-c", code], {})[0]


def _measured(command: Sequence[str], environment: dict[str, str]) -> tuple[float, str]:
    """CPU seconds of a process, and what it said on stderr."""
    given = {
        **os.environ,
        **environment,
        "GATEWAY_LANGUAGE": "en",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPATH": str(_ROOT),
    }
    home = environment.get("GATEWAY_HOME")  # commands write where they stand
    with subprocess.Popen(
        command, cwd=home, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 1), said
    return used.ru_utime + used.ru_stime, said


def _platforms() -> dict[str, str]:
    """Settings of all platforms, at addresses where nobody answers."""
    found: dict[str, str] = {}
    for name in registry.names():
        found |= registry.build_sandbox(name).access("http://127.0.0.1:9").environment
    return found
