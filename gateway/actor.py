"""Who runs this process, for the audit trail and for four eyes: the real user, never what the environment claims."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

_UNSET = 2**32 - 1
"""what the kernel says of a process that began with no login"""


@dataclass(frozen=True, kw_only=True)
class Person:
    """A user of this machine; two persons are one where their numbers are."""

    uid: int
    name: str


def person() -> Person:
    """The person who runs this process."""
    uid = person_of(os.getuid(), os.environ.get("SUDO_UID", ""), _login())
    try:
        return Person(uid=uid, name=pwd.getpwuid(uid).pw_name)
    except (KeyError, OverflowError):
        return Person(uid=uid, name=f"uid {uid}")


def person_of(uid: int, invoking: str, login: int | None) -> int:
    """The number of the person behind a process.

    uid:       real user of the process
    invoking:  what ``sudo`` wrote into the environment; anybody can write it there
    login:     who logged in, as the kernel keeps it; None where nobody did (a service, a container)
    Whom sudo names is believed where the kernel says the same, and of root where the kernel says nothing.
    """
    if not (invoking.isascii() and invoking.isdigit()):
        return uid
    called = int(invoking)
    return called if called == login or (login is None and uid == 0) else uid


def _login() -> int | None:
    try:
        number = int(Path("/proc/self/loginuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return None if number == _UNSET else number
