"""A drop folder: reported files are taken once, read, and moved with their report to ``done`` or ``failed``.

A file travels by renaming only, so it is at each moment in exactly one place: the folder itself, ``taken`` while it is
read, ``done`` or ``failed``. A process killed in between leaves it in ``taken``, and the next run reads it again, which
changes nothing where it had been kept already. Nothing is ever deleted.

The report is a JSON file of counts and rule ids beside the file; refused rows go back in a returns workbook.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from gateway.codec.redact import clean
from gateway.domain.errors import InputError
from gateway.intake.admit import IntakeReport
from gateway.private_files import open_private

TAKEN, DONE, FAILED = "taken", "done", "failed"
_KINDS = frozenset({".xlsx", ".xls", ".csv"})
_UNFINISHED = frozenset({".part", ".tmp", ".crdownload", ".filepart"})


class TakeIn(Protocol):
    """Reads one file and keeps it; raises InputError where it is no batch."""

    def __call__(self, path: Path, *, returns: Path | None = None) -> IntakeReport: ...


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """What became of one file. ``failure`` names the reason without the file's content."""

    name: str
    report: IntakeReport | None = None
    failure: str = ""


@dataclass(kw_only=True)
class DropReport:
    """The files of one run, in the order in which they were read."""

    files: list[Dropped] = field(default_factory=list)
    waiting: int = 0
    """files still too young or beyond the limit"""


@dataclass(frozen=True, kw_only=True)
class Drop:
    """A drop folder.

    settle_seconds: a file younger than this may still be written to
    for_group:      whether the group may read what comes of a file; else it is the owner's alone
    reach:          told before each change of the folder (tests kill there)
    """

    folder: Path
    take_in: TakeIn
    now: Callable[[], datetime]
    settle_seconds: float = 10
    for_group: bool = False
    reach: Callable[[str], None] = lambda _: None

    def run(self, *, limit: int = 0) -> DropReport:
        """Read what a killed run left behind, then what lies there, at most ``limit`` files (0: all).

        A store that cannot be reached raises; the file stays in ``taken`` for the next run.
        """
        for name in (TAKEN, DONE, FAILED):
            place = self.folder / name
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._hand_over(place)
        report = DropReport()
        left = sorted(path for path in (self.folder / TAKEN).iterdir() if path.is_file())
        ready, young = self._ready()
        wanted = left + ready
        chosen = wanted[:limit] if limit else wanted
        report.waiting = young + len(wanted) - len(chosen)
        for path in chosen:
            taken = path if path.parent.name == TAKEN else self._take(path)
            became = None if taken is None else self._read(taken)
            if became is not None:
                report.files.append(became)
        return report

    def _hand_over(self, path: Path) -> None:
        """Let nobody but the owner read it, and the group where that is set."""
        with suppress(FileNotFoundError):
            path.chmod((0o700 if path.is_dir() else 0o600) | (0o050 if path.is_dir() else 0o040) * self.for_group)

    def _ready(self) -> tuple[list[Path], int]:
        ready, young = [], 0
        for path in sorted(self.folder.iterdir()):
            if not path.is_file() or path.name.startswith((".", "~$")) or path.suffix.lower() in _UNFINISHED:
                continue
            if self.now().timestamp() - path.stat().st_mtime < self.settle_seconds:
                young += 1
                continue
            ready.append(path)
        return ready, young

    def _take(self, path: Path) -> Path | None:
        """Take a file under a name of its own, so that a second one of the same name loses nothing."""
        stamp = self.now().strftime("%Y%m%dT%H%M%S%fZ")
        self.reach("take")
        return _move(path, self.folder / TAKEN / f"{stamp}-{path.name}")

    def _read(self, taken: Path) -> Dropped | None:
        """What became of a taken file; None where another worker finished it meanwhile."""
        if taken.suffix.lower() not in _KINDS:
            return self._refuse(taken, "no workbook or CSV file: .xlsx, .xls or .csv is read")
        returns = self.folder / DONE / f"{taken.name}.returns.xlsx"
        self.reach("read")
        try:
            report = self.take_in(taken, returns=returns)
        except InputError as error:
            if not taken.exists():
                return None
            return self._refuse(taken, str(error).replace(taken.name, "the file"))
        if not report.returned:
            returns.unlink(missing_ok=True)
        self._finish(taken, DONE, dict(vars(report)))
        return Dropped(name=clean(taken.name), report=report)

    def _refuse(self, taken: Path, reason: str) -> Dropped:
        self._finish(taken, FAILED, {"failure": reason})
        return Dropped(name=clean(taken.name), failure=clean(reason))

    def _finish(self, taken: Path, where: str, document: Mapping[str, Any]) -> None:
        """The report first, whole or not at all; then the file, so that one in its last place has its report."""
        last = self.folder / where / taken.name
        written, report = last.with_name(f".{taken.name}.new"), last.with_name(f"{taken.name}.report.json")
        self.reach("report")
        with open_private(written) as file:
            file.write(f"{json.dumps(document, ensure_ascii=False, indent=2, default=str)}\n".encode())
        written.replace(report)
        for path in (report, last.with_name(f"{taken.name}.returns.xlsx"), taken):
            self._hand_over(path)
        self.reach("move")
        _move(taken, last)
        self.reach("moved")


def _move(path: Path, target: Path) -> Path | None:
    """Rename within the folder; None where another worker was quicker."""
    try:
        return path.rename(target)
    except FileNotFoundError:
        return None
