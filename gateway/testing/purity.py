"""Notice what a connector must not do: reach the network, start processes, write files, read a clock, draw numbers.

Sockets, processes and files are seen through the interpreter's audit events, clocks and random numbers through its
profile events, whatever the names under which they were imported. What a compiled library draws inside itself (the
secret number of a signature) is not seen, and is allowed.
"""

from __future__ import annotations

import gc
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from types import FrameType
from typing import Any

_CLOCKS = frozenset(
    getattr(time, name)
    for name in (
        *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "gmtime"),
        *("ctime", "strftime"),
    )
)
_DRAWS = frozenset({"urandom", "getrandom", "uuid_generate_time_safe", "generate_time_safe"})
_REACHES = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "urllib.")
_WRITES = 0o3  # the bits of O_WRONLY and O_RDWR

_watching = threading.local()


@contextmanager
def watched() -> Iterator[list[str]]:
    """Collect what is done inside the block against the rule, each as what and where, never with its arguments."""
    _install()
    found: list[str] = []
    before = sys.getprofile()
    collecting = gc.isenabled()
    gc.disable()  # what others do whenever it runs (hypothesis reads a clock) is not done by the connector
    _watching.found = found
    sys.setprofile(_profile)
    try:
        yield found
    finally:
        sys.setprofile(before)
        _watching.found = None
        if collecting:
            gc.enable()


def _note(what: str, frame: FrameType | None) -> None:
    found: list[str] | None = getattr(_watching, "found", None)
    if found is not None:
        where = "?" if frame is None else f"{frame.f_globals.get('__name__', '?')}:{frame.f_lineno}"
        found.append(f"{what} at {where}")


def _profile(frame: FrameType, event: str, called: Any) -> None:
    if event != "c_call":
        return
    owner, name = getattr(called, "__self__", None), getattr(called, "__name__", "")
    if isinstance(owner, type):
        if issubclass(owner, date) and name in ("now", "utcnow", "today"):
            _note(f"{'datetime' if issubclass(owner, datetime) else 'date'}.{name}", frame)
    elif name in _DRAWS:
        _note(f"random bytes ({name})", frame)
    elif owner is time:
        if called in _CLOCKS:
            _note(f"time.{name}", frame)
    elif owner is _SHARED:
        _note(f"random.{name}", frame)


_SHARED = getattr(random, "_inst", None)
"""the generator behind ``random.random()`` and its like; one seeded from the stamp is the connector's own affair"""
_installed: list[bool] = []


def _install() -> None:
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_audit)


def _audit(event: str, given: tuple[Any, ...]) -> None:
    if getattr(_watching, "found", None) is None:
        return
    if event.startswith(_REACHES):
        _note(event, sys._getframe(1))
    elif event == "open" and isinstance(given[2], int) and given[2] & _WRITES:
        _note("a file opened for writing", sys._getframe(1))
