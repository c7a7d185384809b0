"""The other side of a hand-over: an owner that takes files or rows in, and answers with files or in a status column.

A sandbox of such a platform serves nothing over HTTP but the account of the kit. It works by itself, a round at a time
(``work``): it takes in what lies there, keeps its books, and returns results. Whatever appears is taken in, as often as
it appears, so that a hand-over that comes twice shows in its books.

The kit's faults, in the terms of a hand-over (``meaning``), are drawn for each file or message:

unavailable, timeout_before_commit     it is left lying until a later round
slow, timeout_after_commit             taken in, and the result comes some rounds later
login_page, empty, gateway_error       taken in, and what is returned first is no result at all
truncated                              taken in, and the returned file is half written first
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import threading
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Column, Engine, MetaData, String, Table, UniqueConstraint, create_engine, insert, select, update
from sqlalchemy.pool import NullPool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.contract.handover import hand_over_rows
from gateway.testing.sandbox import Sandbox

LEFT = ("unavailable", "timeout_before_commit")
LATE = {"slow": 2, "timeout_after_commit": 4}
BROKEN: Mapping[str, bytes] = {
    "login_page": b"<!doctype html><html><body><form>login</form></body></html>",
    "empty": b"",
    "gateway_error": b"<html><body>502 Bad Gateway</body></html>",
}


@dataclass(frozen=True, kw_only=True)
class Taken:
    """One hand-over as the owner found it: a file's rows, or the rows of one message in a table."""

    name: str
    """of the file, or the message"""
    kind: str
    rows: Sequence[Mapping[str, str]]


class OwnerSandbox(Sandbox):
    """Base of a platform that is handed things over. A subclass gives ``found``, ``take``, ``give`` and ``export``."""

    own_faults: ClassVar[Mapping[str, str]] = {
        "busy": "taken in, and every row waits at first",
        "duplicate": "taken in, and answered twice",
        "refuse": "every row is refused for its content",
        "strange": "every row gets a result nobody was told of",
        "partial": "the first row is refused, the others are taken in",
    }

    def __init__(self, *, state: Path | None = None, **options: Any) -> None:
        self.folder = state or Path(tempfile.mkdtemp(prefix="owner-"))
        self._working = threading.Lock()
        super().__init__(state=state, **options)

    def handle(self, request: Request, body: bytes, fault: str | None) -> Response:
        """Nothing is served: whoever calls has taken the wrong way."""
        return JSONResponse({"error": "this platform is handed things over, see its folders or tables"}, 404)

    def is_exempt(self, request: Request) -> bool:
        """Faults are drawn for what is handed over, not for who calls."""
        return True

    async def by_itself(self) -> None:
        """Work a round ten times a second until cancelled."""
        while True:
            self.work()
            await asyncio.sleep(0.1)

    def work(self) -> None:
        """One round: take in what is there, return what is due, and write the lists anew where something changed."""
        with self._working:
            self._round()

    def _round(self) -> None:
        now_round = self.books.bump("rounds")
        changed = False
        for key, taken, digest in self.found():
            fault = self.faults.draw()
            if fault in LEFT:
                continue
            self._take_in(key, taken, digest, fault, now_round)
            self.put_away(key)
            changed = True
        for key, due in list(self.books.items("due")):
            if due["round"] <= now_round:
                self.give(due["name"], due["kind"], due["results"], due["broken"], suffix=due["suffix"])
                self.books.remove("due", key)
        if changed:
            self.export()

    def _take_in(self, key: str, taken: Taken, digest: str, fault: str | None, now_round: int) -> None:
        if self.books.get("done", key):
            return
        self.books.begin()
        try:
            results = [self._result(taken, number, row, fault) for number, row in enumerate(taken.rows)]
            number = self.books.bump("requests")
            entry = {
                **{"no": number, "at": self.clock().isoformat(), "method": "PUT", "path": f"/{taken.name}"},
                **{"operation": taken.kind, "body_sha256": digest, "fault": fault, "status": 200},
            }
            self.books.put("requests", f"{number:010d}", entry)
            self._plan(taken, results, fault, now_round)
            self.books.put("done", key, True)
        except BaseException:
            self.books.roll_back()
            raise
        self.books.commit()

    def _result(self, taken: Taken, number: int, row: Mapping[str, str], fault: str | None) -> tuple[str, str, str]:
        """(our number of the record, what became of it, why)"""
        if fault == "refuse" or (fault == "partial" and number == 0):
            return self.record_of(row), "refused", "the content is refused"
        if fault == "strange":
            return self.record_of(row), "strange", ""
        return self.record_of(row), *self.take(taken.kind, row)

    def _plan(self, taken: Taken, results: Sequence[tuple[str, str, str]], fault: str | None, now_round: int) -> None:
        def plan(after: int, told: Sequence[tuple[str, str, str]], broken: str | None = None, suffix: str = "") -> None:
            due = {"round": now_round + after, "name": taken.name, "kind": taken.kind, "suffix": suffix}
            number = self.books.bump("answers")
            self.books.put("due", f"{number:010d}", {**due, "results": list(map(list, told)), "broken": broken})

        if fault in BROKEN or fault == "truncated":
            plan(0, results, fault)
        if fault == "busy":
            plan(0, [(record, "waiting", "") for record, _, _ in results])
        if fault == "duplicate":
            plan(0, results, suffix="_2")
        plan(LATE.get(fault or "", 1 if fault in BROKEN or fault in ("truncated", "busy") else 0), results)

    def wrote(self, record: str) -> None:
        """Note the effect of a record, known by the business key that our connectors hand over."""
        _, kind, key, version = record.split("/")
        held = self.books.get("versions", record)
        if held:
            self.books.bump("duplicates")
        self.books.put("versions", record, True)
        self.books.wrote(kind, key, int(version))

    @abstractmethod
    def found(self) -> Iterator[tuple[str, Taken, str]]:
        """What lies there: a key of its appearance, what it holds, the digest of the bytes handed over."""

    @abstractmethod
    def put_away(self, key: str) -> None:
        """Take it away, after the books were written."""

    @abstractmethod
    def record_of(self, row: Mapping[str, str]) -> str:
        """Our number of the record in a row."""

    @abstractmethod
    def take(self, kind: str, row: Mapping[str, str]) -> tuple[str, str]:
        """Take one row into the books: ``accepted``, or ``refused`` and why."""

    @abstractmethod
    def give(
        self, name: str, kind: str, results: Sequence[Sequence[str]], broken: str | None, *, suffix: str = ""
    ) -> None:
        """Return results; ``broken`` names the fault by which what is returned is no result yet."""

    @abstractmethod
    def export(self) -> None:
        """Write the lists of what is held."""


class OwnerFolders:
    """The two folders as the owner sees them."""

    def __init__(self, folder: Path) -> None:
        self.outbox, self.inbox, self._work = folder / "to_owner", folder / "from_owner", folder / "owner"
        for path in (self.outbox, self.inbox, self._work):
            path.mkdir(parents=True, exist_ok=True)

    def found(self) -> Iterator[tuple[str, str, bytes]]:
        """(key, name, content) of files that lie there. A file is taken aside first, so that its next is another."""
        for path in sorted(self._work.iterdir()):
            yield path.name, path.name.partition("@")[2], path.read_bytes()
        for path in sorted(self.outbox.iterdir()):
            if path.is_file() and not path.name.startswith("."):
                told = path.stat()
                moved = path.rename(self._work / f"{told.st_ino}-{told.st_mtime_ns}@{path.name}")
                yield moved.name, path.name, moved.read_bytes()

    def put_away(self, key: str) -> None:
        """Remove what was taken aside."""
        (self._work / key).unlink(missing_ok=True)

    def give(self, name: str, content: bytes, at: float, *, whole: bool = True) -> None:
        """Leave a file; a careless owner writes it where it lies."""
        path = self.inbox / name
        fresh = path.with_name(f".{name}") if whole else path
        fresh.write_bytes(content)
        os.utime(fresh, (at, at))
        if whole:
            fresh.replace(path)


class OwnerTables:
    """Tables of texts in the owner's own database."""

    def __init__(self, url: str) -> None:
        self.engine: Engine = create_engine(url, poolclass=NullPool)
        self._metadata = MetaData()

    def table(self, name: str, columns: Sequence[str], unique: Sequence[str] = ()) -> Table:
        """Make a table where it is missing."""
        made = Table(name, self._metadata, *(Column(one, String(300)) for one in columns), *_unique(unique))
        made.create(self.engine, checkfirst=True)
        return made

    def messages(
        self, table: Table, *, message: str, key: Sequence[str], ours: Sequence[str], order: str, waits: str
    ) -> Iterator[tuple[str, str, list[dict[str, str]], str]]:
        """(key, message, rows, digest) of messages with rows that have no result yet."""
        with self.engine.connect() as connection:
            open_ones = connection.execute(
                select(table.c[message]).where(table.c[waits].is_(None)).distinct().order_by(table.c[message])
            ).scalars()
            for one in list(open_ones):
                here = select(*(table.c[name] for name in ours)).where(table.c[message] == one)
                found = connection.execute(here.where(table.c[waits].is_(None))).mappings()
                rows = sorted((dict(row) for row in found), key=lambda row: int(row[order]))
                before = len(connection.execute(here.where(table.c[waits].is_not(None))).all())
                yield (
                    f"{before}@{one}",
                    one,
                    rows,
                    hashlib.sha256(hand_over_rows("", table.name, key, rows).body).hexdigest(),
                )

    def settle(self, table: Table, where: Mapping[str, str | None], values: Mapping[str, str]) -> None:
        """Write a result into the rows; None in ``where`` stands for a blank column."""
        with self.engine.begin() as connection:
            same = [table.c[name] == value for name, value in where.items()]
            connection.execute(update(table).where(*same).values(**values))

    def replace(self, table: Table, rows: Sequence[Mapping[str, str]]) -> None:
        """Write a table anew."""
        with self.engine.begin() as connection:
            connection.execute(table.delete())
            if rows:
                connection.execute(insert(table), [dict(row) for row in rows])


def _unique(columns: Sequence[str]) -> list[UniqueConstraint]:
    return [UniqueConstraint(*columns)] if columns else []
