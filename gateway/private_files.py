"""Files and folders that only their owner may read, from the first byte on; an older file's mode is put right first."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from gateway.domain.errors import ConfigurationError
from gateway.locale import tr

OTHERS = 0o077
_FILE, _FOLDER = 0o600, 0o700


def set_umask() -> None:
    """Let whatever this process and its children make be the owner's alone."""
    os.umask(OTHERS)


def open_private(path: Path) -> BinaryIO:
    """Open a file to be written anew; one that is there already is its owner's before anything is written."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, _FILE)
    try:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            os.fchmod(handle, _FILE)
            os.ftruncate(handle, 0)
        return os.fdopen(handle, "wb")
    except BaseException:
        os.close(handle)
        raise


def make_private(path: Path) -> None:
    """Take away what others may do with a file or folder; nothing where there is none."""
    try:
        found = path.lstat()
        if not stat.S_ISLNK(found.st_mode) and stat.S_IMODE(found.st_mode) & OTHERS:
            path.chmod(_FOLDER if stat.S_ISDIR(found.st_mode) else _FILE)
    except FileNotFoundError:
        return
    except OSError:
        raise ConfigurationError(
            tr(
                "{name} can be read by others, and its mode cannot be changed: `chmod go= {name}` as its owner",
                name=path.name,
            )
        ) from None
