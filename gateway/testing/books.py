"""The books of a simulated platform: what it holds, counts and has seen, kept so that a kill forgets nothing."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class Books:
    """A sandbox's memory: JSON values by section and key, in SQLite, so that a killed sandbox forgets nothing.

    With ``folder`` None the books live in memory. All changes of one request are committed together, before its
    answer leaves.
    """

    def __init__(self, folder: Path | None, platform: str) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        path = ":memory:" if folder is None else str(folder / f"{platform}.sandbox.db")
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS book"
            " (section TEXT, key TEXT, value TEXT, PRIMARY KEY (section, key)) WITHOUT ROWID"
        )

    def get(self, section: str, key: str) -> Any:
        """The value, or None."""
        row = self._db.execute("SELECT value FROM book WHERE section = ? AND key = ?", (section, key)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, section: str, key: str, value: Any) -> None:
        """Store or replace a JSON value."""
        self._db.execute(
            "INSERT INTO book VALUES (?, ?, ?) ON CONFLICT (section, key) DO UPDATE SET value = excluded.value",
            (section, key, json.dumps(value, ensure_ascii=False)),
        )

    def remove(self, section: str, key: str) -> None:
        """Forget a value; nothing happens where there is none."""
        self._db.execute("DELETE FROM book WHERE section = ? AND key = ?", (section, key))

    def items(self, section: str, *, after: str = "", limit: int = -1) -> Iterable[tuple[str, Any]]:
        """(key, value) of a section in key order: all, or at most ``limit`` of the keys beyond ``after``."""
        rows = self._db.execute(
            "SELECT key, value FROM book WHERE section = ?1 AND (?2 = '' OR key > ?2) ORDER BY key LIMIT ?3",
            (section, after, limit),
        ).fetchall()
        return [(key, json.loads(value)) for key, value in rows]

    def count(self, section: str) -> int:
        """How many values a section holds."""
        return int(self._db.execute("SELECT count(*) FROM book WHERE section = ?", (section,)).fetchone()[0])

    def bump(self, counter: str, by: int = 1) -> int:
        """Add to a counter and return its new value."""
        value = int(self.get("counters", counter) or 0) + by
        self.put("counters", counter, value)
        return value

    def counter(self, counter: str) -> int:
        """A counter's value."""
        return int(self.get("counters", counter) or 0)

    def wrote(self, kind: str, natural_key: str, version: int) -> None:
        """Note one effect: this natural key was stored or changed. The key itself is kept as a hash only."""
        hashed = hashlib.sha256(natural_key.encode()).hexdigest()
        known = self.get("effects", hashed) or {"kind": kind, "writes": 0, "first": self.bump("keys"), "versions": []}
        told = {"version": version, "writes": known["writes"] + 1, "versions": [*known["versions"], version]}
        self.put("effects", hashed, known | told)

    def begin(self) -> None:
        """Open the request's transaction."""
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Keep the request's changes."""
        self._db.execute("COMMIT")

    def roll_back(self) -> None:
        """Drop the request's changes."""
        self._db.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        self._db.close()
