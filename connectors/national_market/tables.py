"""The code tables in force on a day: the pinned ones, or newer ones laid beside them with the day they begin.

``code_folder`` holds files ``<table>.<yyyy-mm-dd>.csv`` (``trade.2027-01-01.csv``); each takes the place of the table
from that day on. First column: the platform's code; ``name_zh``; where wanted ``ours`` (our code, where it differs),
``valid_from`` and ``valid_to`` (last day) of single rows. The day is that on which the record's version took effect.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache, lru_cache
from pathlib import Path

from gateway.codec.codes import table
from gateway.domain.errors import ConfigurationError
from gateway.locale import tr

_NAME = re.compile(r"([a-z0-9_]+)\.(\d{4}-\d{2}-\d{2})\.csv")
Row = Mapping[str, str]


class InForce:
    """One table as it stands on one day. ``since`` is the day it began, None for the pinned one."""

    def __init__(self, name: str, rows: Iterable[Row], since: date | None) -> None:
        self.name, self.since = name, since
        kept = list(rows)
        self._key = next(iter(kept[0])) if kept else ""
        self._rows = [row for row in kept if row[self._key]]
        self._by_ours = {row.get("ours") or row[self._key]: row for row in self._rows}
        self._by_code = {row[self._key]: row for row in self._rows}
        self.names = {row[self._key]: row.get("name_zh", "") for row in self._rows}
        """the platform's code -> its name"""

    def code(self, ours: str) -> str | None:
        """The platform's code for one of ours; None where it has none on this day."""
        row = self._by_ours.get(ours)
        return row[self._key] if row else None

    def code_of(self, name: str) -> str | None:
        """The platform's code under which a name stands."""
        return next((row[self._key] for row in self._rows if row.get("name_zh") == name), None)

    def ours_of(self, name: str) -> str | None:
        """Our code for the row under which a name stands."""
        return next((ours for ours, row in self._by_ours.items() if row.get("name_zh") == name), None)

    def get(self, code: str, column: str) -> str | None:
        """Another column of a platform's code; None where it is empty."""
        row = self._by_code.get(code)
        return (row.get(column) or None) if row else None


@lru_cache(maxsize=4096)
def in_force(name: str, day: date, folder: str | None = None) -> InForce:
    """The table on a day; ConfigurationError for a file that is none."""
    begun = [(since, rows) for since, rows in _files(folder).get(name, ()) if since <= day]
    if not begun:
        return _pinned(name)
    since, rows = begun[-1]
    return InForce(name, [row for row in rows if _holds(row, day)], since)


def check_folder(folder: str | None) -> None:
    """Read every file, so that a broken one shows when the platform is configured."""
    _files(folder)


@cache
def _pinned(name: str) -> InForce:
    return InForce(name, table(name).rows, None)


@cache
def _files(folder: str | None) -> Mapping[str, list[tuple[date, list[dict[str, str]]]]]:
    """Table -> its files by the day they begin."""
    if folder is None:
        return {}
    if not Path(folder).is_dir():
        raise ConfigurationError(tr("code_folder: no such folder"))
    found: dict[str, list[tuple[date, list[dict[str, str]]]]] = {}
    for file in sorted(Path(folder).glob("*.csv")):
        named = _NAME.fullmatch(file.name)
        if named is None:
            raise ConfigurationError(
                tr("code_folder: {name}: the name is not <table>.<yyyy-mm-dd>.csv", name=file.name)
            )
        try:
            since, rows = date.fromisoformat(named[2]), _read(file)
        except (ValueError, OSError) as error:
            raise ConfigurationError(tr("code_folder: {name}: {error}", name=file.name, error=error)) from None
        found.setdefault(named[1], []).append((since, rows))
    for name in found:
        try:
            table(name)
        except FileNotFoundError:
            raise ConfigurationError(tr("code_folder: there is no table {name}", name=name)) from None
    return found


def _read(file: Path) -> list[dict[str, str]]:
    rows = list(csv.DictReader(file.read_text("utf-8-sig").splitlines(), strict=True))
    if not rows or "name_zh" not in rows[0]:
        raise ValueError("needs rows and a column name_zh")
    for row in rows:
        if None in row.values() or None in row:
            raise ValueError("a row has too few or too many cells")
        for column in ("valid_from", "valid_to"):
            if row.get(column):
                date.fromisoformat(row[column])
    key = next(iter(rows[0]))
    spans = [(row[key], row.get("valid_from", ""), row.get("valid_to", "")) for row in rows]
    if len(set(spans)) < len(spans):
        raise ValueError("a code stands twice for the same days")
    return rows


def _holds(row: Row, day: date) -> bool:
    begin, end = row.get("valid_from"), row.get("valid_to")
    return (not begin or date.fromisoformat(begin) <= day) and (not end or day <= date.fromisoformat(end))
