"""Who holds a lease: machine, process and its start, so that a dead owner is told from one that reuses its number."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

_ENDED = frozenset("ZX")
"""states of a process that has ended and is still to be waited for by its parent"""


def myself() -> str:
    """This process as a lease owner: ``machine/boot/pid/start``."""
    return f"{_machine()}/{os.getpid()}/{_started(os.getpid())}"


def is_dead(owner: str) -> bool:
    """Whether the owner ran on this machine since its last start and is gone; others are judged by their lease."""
    machine, _, process = owner.rpartition("/")[0].rpartition("/")
    if machine != _machine() or not process.isdigit():
        return False
    return _started(int(process)) != owner.rpartition("/")[2]


@cache
def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
    except OSError:
        boot = "-"
    return f"{socket.gethostname()[:60]}/{boot}"


def _started(pid: int) -> str:
    """Start of a process in clock ticks since boot; empty where there is none, it has ended, or no /proc tells."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in _ENDED else fields[19]
