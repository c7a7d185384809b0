"""Parses one foreign file in a child process with limits of memory, time and output; whatever happens there is told.

The child writes frames to a pipe: four bytes of length, then JSON. The first frame lists the sheets with their first
rows; after a line with the number of a sheet on its input follow that sheet's rows, and an empty frame at the end. A
frame with an error may come at any place. The child ends when its parent is gone, however that went.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
import time as time_module
import weakref
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import IO, Any

import orjson

from gateway.intake.reading.cells import Broken, Cell
from gateway.intake.reading.marks import Sheet, marked
from gateway.intake.reading.problems import UnreadableFile
from gateway.intake.reading.rules import DATE, ERROR_VALUE, FORMULA, MERGED, Rule
from gateway.intake.reading.sheet import Line

MEMORY = 1 << 30
"""bytes of address space; a batch of 100 000 rows needs about a fifth of it"""
SECONDS, SECONDS_PER_MEGABYTE = 30, 15
"""processor time, and the more of it for each megabyte of the file"""
SILENCE = 120
"""seconds after which a child that says nothing is given up"""
OUTPUT = 4 << 30
"""bytes of frames, and of files the child may write"""
HEAD_ROWS = 10
"""rows of each sheet in the first frame, in which the reader looks for the header"""
_FRAME_CELLS = 8192
_LARGEST_FRAME = 64 << 20
_PASSED_ON = ("PATH", "TMPDIR", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""of the environment the child gets only these; keys and passwords stay with the parent"""
_RULES: Mapping[str, Rule] = {rule.id: rule for rule in (ERROR_VALUE, FORMULA, MERGED, DATE)}


class Parser:
    """A child that parses one file; ``sheets`` first, then ``lines`` of one of them, once."""

    def __init__(self, path: Path, largest: int, *, named_text: bool) -> None:
        about = (str(os.getpid()), str(largest), str(int(named_text)), os.fspath(path))
        command = (sys.executable, "-P", "-X", "utf8", "-m", __name__, *about)
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._child = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        self.close = weakref.finalize(self, _end, self._child)
        self._received = 0
        self._kept = bytearray()

    def sheets(self) -> Sequence[Mapping[str, Any]]:
        """Name, whether hidden, ragged or with old days, and first rows of each sheet. Raises Unreadable."""
        sheets: Sequence[Mapping[str, Any]] = self._frame()["sheets"]
        return sheets

    def lines(self, sheet: int) -> Iterator[Line]:
        """The rows of the sheet of that number. Raises Unreadable where the file is damaged further down."""
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):  # a child that ended has said why
            self._child.stdin.write(f"{sheet}\n".encode())
            self._child.stdin.flush()
        while frame := self._frame():
            yield from map(line_of, frame["lines"])
        self.close()

    def _frame(self) -> Mapping[str, Any]:
        (size,) = struct.unpack(">I", self._read(4))
        frame: Mapping[str, Any] = orjson.loads(self._read(size)) if size else {}
        if "problem" in frame:
            self.close()
            raise UnreadableFile(frame["problem"], **frame["about"])
        return frame

    def _read(self, size: int) -> bytes:
        assert self._child.stdout is not None
        descriptor = self._child.stdout.fileno()
        waiting = select.poll()  # select() itself knows no descriptor beyond 1023
        waiting.register(descriptor, select.POLLIN)
        while len(self._kept) < size:
            ready = waiting.poll(SILENCE * 1000)
            more = os.read(descriptor, 1 << 18) if ready else b""
            self._received += len(more)
            if not more or self._received > OUTPUT or size > _LARGEST_FRAME:
                raise self._gone(silent=not ready or bool(more))
            self._kept += more
        data = bytes(self._kept[:size])
        del self._kept[:size]
        return data

    def _gone(self, *, silent: bool) -> UnreadableFile:
        """Why there is nothing more to read: ended by a limit, or by a fault in a library."""
        if not silent:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(10)
        ended = self._child.returncode
        self.close()
        is_fault = ended is not None and (ended >= 0 or -ended in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS))
        return UnreadableFile("ended" if is_fault else "resources")


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def line_of(frame: Sequence[Any]) -> Line:
    """A row out of a frame."""
    number, cells, hidden = frame
    if hidden & 2:
        cells = [_cell_of(cell) if cell.__class__ is dict else cell for cell in cells]
    return Line(number, cells, bool(hidden & 1))


def _cell_of(said: Mapping[str, Any]) -> Cell:
    [(kind, value)] = said.items()
    match kind:
        case "day":
            return date.fromisoformat(value)
        case "moment":
            return datetime.fromisoformat(value)
        case "time":
            return time.fromisoformat(value)
        case "span":
            return timedelta(microseconds=value)
        case _:
            return Broken(value, _RULES[kind])


def _said(cell: object) -> object:
    match cell:
        case datetime():
            return {"moment": cell.isoformat()}
        case date():
            return {"day": cell.isoformat()}
        case time():
            return {"time": cell.isoformat()}
        case timedelta():
            return {"span": cell // timedelta(microseconds=1)}
        case Broken():
            return {cell.rule.id: cell.text}
        case _:
            raise TypeError(type(cell).__name__)


_PLAIN = frozenset({str, float, bool})


def _framed(line: Line) -> tuple[int, Sequence[object], int]:
    cells: Sequence[object] = line.cells
    if _PLAIN.issuperset(map(type, cells)):
        return line.number, cells, int(line.hidden)
    return line.number, [cell if type(cell) in _PLAIN else _said(cell) for cell in cells], int(line.hidden) | 2


def main() -> None:
    """The child: parse the file named on the command line and write what it holds to the standard output."""
    out = os.fdopen(os.dup(1), "wb", buffering=1 << 18)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    parent, largest, named_text, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1", Path(sys.argv[4])
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    from gateway.intake.reading import kinds  # the libraries are loaded before the limits hold

    _limit(path)
    try:
        problem = _served(out, kinds, path, largest, named_text=named_text)
    except BrokenPipeError:
        os._exit(0)
    if problem is not None:
        _send(out, {"problem": problem.reason, "about": problem.about})
    out.flush()
    os._exit(0)


def _served(out: IO[bytes], kinds: Any, path: Path, largest: int, *, named_text: bool) -> UnreadableFile | None:
    try:
        with kinds.damage():
            _serve(out, kinds.open_sheets(path, largest, named_text=named_text))
    except UnreadableFile as problem:
        return problem
    except MemoryError:
        return UnreadableFile("resources")
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno in (errno.EINVAL, None):  # a place in the file that is none
            return UnreadableFile("damaged")
        return UnreadableFile("disk", why=error.strerror)
    except Exception:  # noqa: BLE001 - the guard of this process: what a parser did not expect is the file's own fault
        return UnreadableFile("damaged")
    return None


def _serve(out: IO[bytes], sheets: Sequence[Sheet]) -> None:
    _send(out, {"sheets": [_described(sheet) for sheet in sheets]})
    out.flush()
    wanted = sys.stdin.readline().strip()
    if not wanted:
        return
    sheet = sheets[int(wanted)]
    block: list[tuple[int, Sequence[object], int]] = []
    cells = 0
    for line in marked(sheet.lines(), sheet.merged):
        block.append(_framed(line))
        cells += len(line.cells) + 1
        if cells > _FRAME_CELLS:
            _send(out, {"lines": block})
            block, cells = [], 0
    if block:
        _send(out, {"lines": block})
    out.write(struct.pack(">I", 0))


def _described(sheet: Sheet) -> Mapping[str, object]:
    with contextlib.closing(marked(sheet.lines(), sheet.merged)) as lines:
        head = [_framed(line) for line in itertools.takewhile(lambda line: line.number <= HEAD_ROWS, lines)]
    return {
        **{name: getattr(sheet, name) for name in ("name", "hidden", "ragged", "old_days")},
        "head": head,
    }


def _send(out: IO[bytes], frame: Mapping[str, object]) -> None:
    data = orjson.dumps(frame)
    if len(data) > _LARGEST_FRAME:
        raise UnreadableFile("resources")
    out.write(struct.pack(">I", len(data)))
    out.write(data)


def _limit(path: Path) -> None:
    megabytes = (path.stat().st_size if path.exists() else 0) // 1_000_000
    seconds = SECONDS + SECONDS_PER_MEGABYTE * megabytes
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, OUTPUT),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))


def _end_with(parent: int) -> None:
    """End this process within a second of its parent's end, whatever it is at."""
    while os.getppid() == parent:
        time_module.sleep(1)
    os._exit(0)


if __name__ == "__main__":
    main()
