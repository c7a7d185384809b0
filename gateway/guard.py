"""End every process a command started once the command is gone, however it went: by SIGKILL too.

The command holds one end of a pipe; a small process in a session of its own waits at the other end. When the pipe
closes, it ends every process that carries the command's mark in its environment. Descendants inherit the mark,
whatever session they begin and whoever becomes their parent, on Linux and on macOS.

Run as a file, so that the waiting process imports nothing but psutil: ``python guard.py MARK``.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

MARK = "INTEGRATION_GATEWAY_GUARD"
_GRACE_SECONDS = 5.0
"""between the request to end and the end by force"""
_LOOK_AGAIN_SECONDS = 0.2


@contextmanager
def descendants_end_with_us() -> Iterator[None]:
    """Whatever is started within ends with the block, or with this process; a command within a command adds nothing.

    A child that is forked without running a program of its own has no mark: start children by ``subprocess``, or by
    ``multiprocessing`` with ``spawn``.
    """
    if os.environ.get(MARK):
        yield
        return
    mark = secrets.token_hex(16)
    guard = subprocess.Popen(  # noqa: S603 - our own interpreter and file
        [sys.executable, __file__, mark],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert guard.stdin is not None
    os.environ[MARK] = mark
    try:
        yield
    finally:
        del os.environ[MARK]
        guard.stdin.close()
        guard.wait()


def end_marked(mark: str, *, grace_seconds: float = _GRACE_SECONDS) -> None:
    """Ask every marked process to end, and end by force those that are still there after the grace."""
    import psutil

    force_at = time.monotonic() + grace_seconds
    asked: set[psutil.Process] = set()
    empty = 0
    while empty < 2:  # a process between fork and exec shows its mark only at the second look
        found = _marked(mark)
        empty = 0 if found else empty + 1
        for process in found:
            with suppress(psutil.Error):
                if time.monotonic() >= force_at:
                    process.kill()
                elif process not in asked:
                    asked.add(process)
                    process.terminate()
        time.sleep(_LOOK_AGAIN_SECONDS)


def _marked(mark: str) -> set[psutil.Process]:
    import psutil

    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # gone meanwhile, or another user's
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.add(process)
    return found


def main(mark: str) -> None:
    """Wait for the end of the command, then end what it left behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 1024):
        continue
    end_marked(mark)


if __name__ == "__main__":
    main(sys.argv[1])
