"""A drop folder: reported files are taken once, read, and moved with their report to ``done`` or ``failed``.

A file travels by renaming only, so it is at each moment in exactly one place: the folder itself, ``taken`` while it is
read, ``done`` or ``failed``. A process killed in between leaves it in ``taken``, and the next run reads it again, after
what is new, which changes nothing where it had been kept already; where the reading ends with the process several
times, the file goes to ``failed``. Nothing is ever deleted, and nothing that happens to one file stops the others.

The scans of a batch, a folder or ZIP archive of its name, travel with it; put them in first. An archive without its
batch waits for a day, then it goes to ``failed``.

The report is a JSON file beside the file: counts and rule ids, or the reason of a failure in English and Chinese.
Refused rows go back in a returns workbook.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from gateway.codec.redact import clean
from gateway.domain.china import CHINA
from gateway.domain.errors import GatewayError, InputError
from gateway.intake.admit import IntakeReport
from gateway.intake.reading.characters import readable_name
from gateway.intake.reading.files import TEXTS, WORKBOOKS, suffix_of
from gateway.intake.reading.problems import FileRefused, failure_of
from gateway.intake.reading.scan_source import companion_names, companions, holds_scans
from gateway.private_files import open_private

TAKEN, DONE, FAILED = "taken", "done", "failed"
_READING = ".reading"
_UNFINISHED = frozenset({".part", ".tmp", ".crdownload", ".filepart"})
_LONGEST_NAME = 180
"""bytes; with the moment in front and the longest ending of a report behind, a name has at most 255"""
_MOST_READINGS = 3
_LONGEST_ALONE = timedelta(days=1)
"""how long an archive of scans waits for its batch"""
_log = logging.getLogger(__name__)


class TakeIn(Protocol):
    """Reads one file and keeps it; raises InputError where it is no batch."""

    def __call__(self, path: Path, *, returns: Path | None = None) -> IntakeReport: ...


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """What became of one file. ``failure`` names the reason without the file's content, ``failure_zh`` in Chinese."""

    name: str
    report: IntakeReport | None = None
    failure: str = ""
    failure_zh: str = ""


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
    reach:          called before each change of the folder (tests kill there)
    """

    folder: Path
    take_in: TakeIn
    now: Callable[[], datetime]
    settle_seconds: float = 10
    for_group: bool = False
    reach: Callable[[str], None] = lambda _: None

    def run(self, *, limit: int = 0) -> DropReport:
        """Read what lies there, then what a killed run left behind, at most ``limit`` files (0: all).

        A store that cannot be reached raises; the file stays in ``taken`` for the next run.
        """
        for name in (TAKEN, f"{TAKEN}/{_READING}", DONE, FAILED):
            place = self.folder / name
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._hand_over(place)
        report = DropReport()
        ready, young = self._ready()
        wanted = ready + self._left()
        chosen = wanted[:limit] if limit else wanted
        report.waiting = young + len(wanted) - len(chosen)
        for path in chosen:
            became = self._pass_on(path)
            if became is not None:
                report.files.append(became)
        return report

    def _hand_over(self, path: Path) -> None:
        """Let nobody but the owner read it, and the group where that is set; what somebody else owns stays as it is.

        A folder keeps its setgid bit, by which reports belong to the group of the drop folder.
        """
        with suppress(FileNotFoundError, PermissionError):
            mode = (0o700 if path.is_dir() else 0o600) | (0o050 if path.is_dir() else 0o040) * self.for_group
            path.chmod(mode | (path.stat().st_mode & stat.S_ISGID))

    def _ready(self) -> tuple[list[Path], int]:
        ready, young = [], 0
        for path in sorted(self.folder.iterdir(), key=os.fsencode):
            if path.name.startswith((".", "~$")) or suffix_of(path.name) in _UNFINISHED:
                continue
            if not path.is_file():
                continue
            try:
                beside = [path, *_scans_beside(path)]
                written = max(map(_written, beside))
                alone = suffix_of(path.name) == ".zip" and self._waits_alone(path)
            except OSError:  # gone meanwhile
                continue
            age = self.now().timestamp() - written
            if alone or abs(age) < self.settle_seconds:  # one from the future was written by another clock
                young += not _is_scans_of_another(path)
                continue
            ready.append(path)
        return ready, young

    def _waits_alone(self, path: Path) -> bool:
        """Whether an archive is not read now: it goes with its batch, which may still be on its way."""
        if _is_scans_of_another(path):
            return True
        found = path.stat()
        arrived = max(found.st_mtime, found.st_ctime)
        return holds_scans(path) and self.now().timestamp() - arrived < _LONGEST_ALONE.total_seconds()

    def _left(self) -> list[Path]:
        """What killed runs left in ``taken``; those whose reading was never cut off first."""
        left = [path for path in (self.folder / TAKEN).iterdir() if path.is_file() and not path.name.startswith(".")]
        return sorted(left, key=lambda path: (self._readings(path), os.fsencode(path)))

    def _pass_on(self, path: Path) -> Dropped | None:
        """Take a file and read it; whatever goes wrong is told as what became of it."""
        try:
            taken = path if path.parent.name == TAKEN else self._take(path)
            return None if taken is None else self._read(taken)
        except InputError as error:
            failure, failure_zh = failure_of(error)
            return Dropped(name=readable_name(path), failure=failure, failure_zh=failure_zh)
        except GatewayError:
            raise
        except Exception as error:  # noqa: BLE001 - a full disk, above all: the file stays where it is for the next run
            _log.error("drop_fault", extra={"error": type(error).__name__})
            failure, failure_zh = failure_of(error)
            return Dropped(name=readable_name(path), failure=failure, failure_zh=failure_zh)

    def _take(self, path: Path) -> Path | None:
        """Take a file under a name of its own, so that a second one of the same name loses nothing."""
        stamp = self.now().astimezone(CHINA).strftime("%Y%m%dT%H%M%S%f+0800")
        self.reach("take")
        taken = _move(path, self.folder / TAKEN / f"{stamp}-{_short(readable_name(path))}")
        if taken is not None:
            self.reach("take scans")
            self._take_scans(taken, path.name)
        return taken

    def _take_scans(self, taken: Path, name: str) -> None:
        """Let the scans of a file travel with it, under its name."""
        if suffix_of(taken.name) in WORKBOOKS | TEXTS:
            for scans in _scans_beside(self.folder / name):
                _move(scans, taken.with_name(f"{taken.stem}{scans.suffix.lower() if scans.is_file() else ''}"))

    def _read(self, taken: Path) -> Dropped | None:
        """What became of a taken file; None where another worker finished it meanwhile."""
        if suffix_of(taken.name) not in WORKBOOKS | TEXTS:
            reason = "scans_alone" if suffix_of(taken.name) == ".zip" else "suffix"
            return self._refuse(taken, *failure_of(FileRefused(taken.name, reason)))
        if not _scans_beside(taken):  # a run was killed between taking the file and its scans, or putting both away
            self._take_scans(taken, taken.name.partition("-")[2])
            self._fetch_scans(taken)
        times = self._readings(taken)
        if times >= _MOST_READINGS:
            return self._refuse(taken, *failure_of(FileRefused(taken.name, "cut_off", times=times)))
        mark = self._mark(taken)
        mark.write_bytes(b"." * (times + 1))
        returns = self.folder / DONE / f"{taken.name}.returns.xlsx"
        returns.unlink(missing_ok=True)  # of a reading that was cut off
        self.reach("read")
        try:
            report = self.take_in(taken, returns=returns)
        except Exception as error:  # a fault that a file brings out is that file's own
            mark.unlink(missing_ok=True)
            if _is_no_fault_of_the_file(error):
                raise
            if not taken.exists():
                return None
            if not isinstance(error, InputError):
                _log.error("intake_fault", extra={"error": type(error).__name__})
            return self._refuse(taken, *failure_of(error))
        if not report.returned:
            returns.unlink(missing_ok=True)
        self._finish(taken, DONE, dict(vars(report)))
        return Dropped(name=clean(taken.name), report=report)

    def _fetch_scans(self, taken: Path) -> None:
        for where in (DONE, FAILED):
            for scans in _scans_beside(self.folder / where / taken.name):
                _move(scans, taken.with_name(scans.name))

    def _mark(self, taken: Path) -> Path:
        """A file that is there while ``taken`` is read, with a byte for each reading that was begun."""
        return self.folder / TAKEN / _READING / taken.name

    def _readings(self, taken: Path) -> int:
        try:
            return self._mark(taken).stat().st_size
        except OSError:
            return 0

    def _refuse(self, taken: Path, reason: str, reason_zh: str) -> Dropped:
        self._finish(taken, FAILED, {"file": taken.name, "failure": reason, "failure_zh": reason_zh})
        return Dropped(name=clean(taken.name), failure=clean(reason), failure_zh=clean(reason_zh))

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
        for scans in _scans_beside(taken):
            for path in (scans, *_within(scans)):
                self._hand_over(path)
            _move(scans, last.with_name(scans.name))
            self.reach("moved scans")
        _move(taken, last)
        self._mark(taken).unlink(missing_ok=True)
        self.reach("moved")


def _is_no_fault_of_the_file(error: Exception) -> bool:
    """A store or disk that fails: the file stays for the next run."""
    if isinstance(error, FileRefused):
        return error.reason == "disk"
    return isinstance(error, OSError) or (isinstance(error, GatewayError) and not isinstance(error, InputError))


def _scans_beside(path: Path) -> list[Path]:
    """The folders and archives with the scans of a file; those of the drop folder itself are none."""
    if suffix_of(path.name) not in WORKBOOKS | TEXTS:
        return []
    return [one for one in companions(path) if one.name not in (TAKEN, DONE, FAILED)]


def _is_scans_of_another(path: Path) -> bool:
    """Whether an archive lies beside a batch whose scans it holds."""
    if suffix_of(path.name) != ".zip":
        return False
    others = (one for one in path.parent.iterdir() if one.is_file() and suffix_of(one.name) in WORKBOOKS | TEXTS)
    return any(path.name.lower() in companion_names(one.stem) for one in others)


def _written(path: Path) -> float:
    """When a file, or anything in a folder, was written last."""
    return max(one.lstat().st_mtime for one in (path, *_within(path)))


def _within(path: Path) -> list[Path]:
    """Everything in a folder; nothing for a file."""
    return [Path(place) / name for place, folders, names in os.walk(path) for name in (*folders, *names)]


def _short(name: str) -> str:
    """A name that is short enough for every name made from it; its end stays."""
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    suffix = Path(name).suffix
    room = _LONGEST_NAME - len(suffix.encode()) if len(suffix.encode()) < _LONGEST_NAME // 2 else _LONGEST_NAME
    start = name.encode()[:room].decode("utf-8", "ignore")
    return start + suffix if room != _LONGEST_NAME else start


def _move(path: Path, target: Path) -> Path | None:
    """Rename within the folder, beside a file of the same name; None where another worker was quicker."""
    free, number = target, 1
    while free.exists():
        number += 1
        free = target.with_name(f"{target.stem}({number}){target.suffix}")
    try:
        return path.rename(free)
    except FileNotFoundError:
        return None
