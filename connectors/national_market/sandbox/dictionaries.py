"""The platform's dictionaries: the published tables, and newer versions that take their place on a day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from importlib.resources import files

from gateway.codec.codes import table

_FIRST = date(2024, 1, 1)
_CHINA = timezone(timedelta(hours=8))
_PACKAGES = ("gateway.codec.tables", "connectors.national_market.codes")


@dataclass(kw_only=True)
class Dictionaries:
    """``newer``: table -> (first day, code -> name). A code that a newer version leaves out is shown as invalid."""

    newer: dict[str, tuple[date, Mapping[str, str]]] = field(default_factory=dict)

    def holds(self, name: str, code: str, now: datetime) -> bool:
        """Whether a code may be used now."""
        found = self.version(name, now)
        return found is not None and found[1].get(code, ("", False))[1]

    def version(self, name: str, now: datetime) -> tuple[date, dict[str, tuple[str, bool]]] | None:
        """The table's version now and its codes with name and validity; None for a table nobody knows."""
        package = next(
            (p for p in _PACKAGES if name.isidentifier() and files(p).joinpath(f"{name}.csv").is_file()), None
        )
        if package is None:
            return None
        rows = table(name, package)
        first = {row[rows.key]: row["name_zh"] for row in rows.rows if row[rows.key] and row.get("name_zh")}
        since, newest = self.newer.get(name, (date.max, {}))
        if now.astimezone(_CHINA).date() < since:
            return _FIRST, {code: (text, True) for code, text in first.items()}
        gone = {code: (text, False) for code, text in first.items() if code not in newest}
        return since, {code: (text, True) for code, text in newest.items()} | gone
