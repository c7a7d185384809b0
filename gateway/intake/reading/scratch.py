"""A folder for what is half written, beside the file it becomes; one that a killed process left is removed."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Self


class Scratch:
    """A folder of its own in ``parent``, gone at the end; at its start those of dead processes go too.

    Half a file is as personal as the whole one. Its owner holds a lock on the folder, which the system lets go when the
    process ends, however it ends: a folder nobody holds is nobody's. Raises OSError where none can be made.
    """

    def __init__(self, parent: Path, prefix: str) -> None:
        for left in parent.glob(f"{prefix}*"):
            held = _hold(left)
            if held is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(held)
        self.path, self._held = _made(parent, prefix)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._held)


def _made(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        path = Path(mkdtemp(dir=parent, prefix=prefix))
        held = _hold(path)
        # another process may have taken it for a dead one's before we held it
        if held is not None and path.exists():
            return path, held
        if held is not None:
            os.close(held)


def _hold(folder: Path) -> int | None:
    """A descriptor that holds the folder, or None where another process does or it is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
