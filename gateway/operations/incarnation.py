"""Recognise a store that is older than the one in use, before anything is sent from it.

Each home keeps ``incarnation.json`` beside its keys: the highest number of a store it has met. Number and anchors are
two nets; a copy of the whole home with the store in it slips through both, unless the anchors are kept elsewhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from gateway.operations.anchors import read_anchors
from gateway.operations.rules.incarnation import HomeMark, why_older
from gateway.operations.store import incarnation
from gateway.private_files import open_private
from gateway.store.engine import Store

_TAIL = 64 * 1024
"""bytes at the end of the file of anchors that are compared: some hundred links"""


@dataclass(frozen=True, kw_only=True)
class Home:
    """The files of a home that tell which store it has worked with."""

    file: Path
    anchors: Path

    def read(self) -> HomeMark | None:
        """What it remembers; None where it has met no store yet."""
        try:
            return HomeMark(**json.loads(self.file.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            return HomeMark()  # torn or altered: nothing is known but that there was a store

    def write(self, mark: HomeMark) -> None:
        """Remember; the file is there whole or as it was."""
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        with open_private(fresh) as file:
            file.write(json.dumps(vars(mark)).encode())
        fresh.replace(self.file)

    @property
    def size(self) -> int:
        """Bytes of anchors."""
        return self.anchors.stat().st_size if self.anchors.exists() else 0

    def noted(self, judged: int) -> list[tuple[int, str]] | None:
        """The last anchors behind what was judged before; None where there are no anchors at all."""
        if not self.size:
            return None
        return list(read_anchors(self.anchors, max(judged if judged <= self.size else 0, self.size - _TAIL)))


def find_older(store: Store, home: Home, now: datetime) -> str | None:
    """Why the store is older than the one in use, in words; None where nothing says so. Changes nothing."""
    known = home.read()
    noted = home.noted(0 if known is None else known.judged)
    with store.read() as connection:
        chain = incarnation.digests(connection, (number for number, _ in noted or ()))
        return why_older(incarnation.mark(connection, now), known, noted, chain)


def prove_current(store: Store, home: Home, platforms: Collection[str], now: datetime) -> str | None:
    """Hold all platforms where the store is an older one, and say why; else count this process. Once per process."""
    why = find_older(store, home, now)
    if why is not None:
        hold_restored(store, home, platforms, reason=why, by="gateway", now=now)
        return why
    known = home.read()
    with store.write() as connection:
        number, restored = incarnation.count_process(connection), incarnation.mark(connection, now).restored
    judged = 0 if known is None else known.judged
    if known is not None and known.number < restored:
        judged = home.size
    anchored = home.size > 0 or (known is not None and known.anchored and judged == known.judged)
    highest = max(number, 0 if known is None else known.number)
    home.write(HomeMark(number=highest, judged=judged, anchored=anchored))
    return None


def hold_restored(store: Store, home: Home, platforms: Collection[str], *, reason: str, by: str, now: datetime) -> None:
    """Hold all platforms as restored, and let the home know this store by a new number."""
    known = home.read() or HomeMark()
    with store.write() as connection:
        number = incarnation.hold_all(connection, platforms, above=known.number, reason=reason, by=by, now=now)
    home.write(HomeMark(number=number, judged=home.size, anchored=home.size > 0))


def note_anchored(home: Home) -> None:
    """Remember that anchors were noted, so that their loss is noticed."""
    known = home.read() or HomeMark()
    if not known.anchored and home.size:
        home.write(replace(known, anchored=True))
