"""Code tables: read once from CSV, looked up by code or by name. The column ``basis`` says how sure each row is."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


class CodeTable:
    """Rows of one table by their first column; values are text and keep their leading zeros.

    A row with an empty code is known to a platform only: ``code_of`` finds it, and nothing has that code.
    """

    def __init__(self, name: str, rows: tuple[Mapping[str, str], ...]) -> None:
        self.name = name
        self.rows = rows
        self.key = next(iter(rows[0]))
        self._by_code = {row[self.key]: row for row in rows if row[self.key]}

    def __contains__(self, code: object) -> bool:
        return code in self._by_code

    def get(self, code: str | None, column: str = "name_zh") -> str | None:
        """The value of ``column`` for a code; None where the code or the value is missing."""
        row = self._by_code.get(code or "")
        return (row.get(column) or None) if row else None

    def code_of(self, name: str, column: str = "name_zh") -> str | None:
        """The code of the first row whose ``column`` equals ``name``, or None."""
        return next((row[self.key] for row in self.rows if row.get(column) == name), None)


@cache
def table(name: str, package: str = "gateway.codec.tables") -> CodeTable:
    """Load the table ``name``; a connector passes its own package for the platform's own tables."""
    text = files(package).joinpath(f"{name}.csv").read_text(encoding="utf-8")
    return CodeTable(name, tuple(csv.DictReader(text.splitlines())))
