"""Reading the information system's view, and remembering how far: the only place that talks to another database.

A view is read from its watermark on, less an overlap. The watermark is stamped when a row is written but seen when it
is committed, so a slow transaction commits rows below what was read already; the overlap reads them again, and rows
that were seen in the same form are left out. That finds every row whose transaction lasts no longer than the overlap.
(Only PostgreSQL could tell its oldest open transaction, and a view does not pass that on; an overlap works everywhere.)
Nothing is ever written to the source, and all queries of a pull see one snapshot where the database has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, bindparam, column, create_engine, event, insert, or_, select
from sqlalchemy import table as table_of
from sqlalchemy import update as update_of
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from gateway.domain.errors import ConfigurationError, StoreError
from gateway.intake.store.tables import source_row, source_state
from gateway.store.metadata import chunks

Mark = datetime | date | int | str
"""a watermark as the database gives it; text is an ISO moment (SQLite has no other)"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceView:
    """What is read of the information system.

    name:          of the source in our books; a new name starts from the beginning
    key:           columns that identify a row for ever
    watermark:     column that grows whenever a row is written
    overlap:       how far back moments are read again; ``overlap_steps`` where the watermark is a number
    columns:       field of our form -> column of the view
    """

    name: str
    view: str
    schema: str | None = None
    key: Sequence[str]
    watermark: str
    overlap: timedelta
    overlap_steps: int
    columns: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceRow:
    """One row of the view; ``values`` by field of our form."""

    key: tuple[Any, ...] = field(repr=False)
    mark: Mark | None
    values: Mapping[str, Any] = field(repr=False)


class SourceReader:
    """Reads one view inside one transaction of the source."""

    def __init__(self, connection: Connection, view: SourceView) -> None:
        self._connection = connection
        self._view = view
        names = dict.fromkeys((*view.key, view.watermark, *view.columns.values()))
        self._table = table_of(view.view, *(column(name) for name in names), schema=view.schema)
        self._report = self._table.c[view.columns["batch_no"]]

    def reports(self, since: Mark | None) -> list[Any]:
        """The numbers of reports that have rows from ``since`` on; None stands for rows without one."""
        wanted = select(self._report).where(*self._window(since)).distinct()
        found = self._run(lambda: self._connection.execute(wanted).scalars().all())
        return sorted(found, key=lambda number: (number is None, str(number)))

    def rows(self, report: Any, since: Mark | None) -> Iterator[SourceRow]:
        """The rows of one report from ``since`` on, oldest first."""
        view, columns = self._view, self._table.c
        mark = columns[view.watermark]
        wanted = (
            select(*columns)
            .where(*self._window(since), self._report.is_(None) if report is None else self._report == report)
            .order_by(mark, *(columns[name] for name in view.key))
        )
        found = self._run(lambda: self._connection.execute(wanted).mappings().all())
        for row in found:
            yield SourceRow(
                key=tuple(row[name] for name in view.key),
                mark=_plain_mark(row[view.watermark]),
                values={ours: row[theirs] for ours, theirs in view.columns.items()},
            )

    def _window(self, since: Mark | None) -> list[ColumnElement[bool]]:
        """Rows without watermark belong to every window: nothing else would ever find them."""
        mark = self._table.c[self._view.watermark]
        return [] if since is None else [or_(mark >= since, mark.is_(None))]

    @staticmethod
    def _run(query: Any) -> Any:
        try:
            return query()
        except SQLAlchemyError as error:
            raise _unreadable(error) from None


@contextmanager
def reading(url: str, view: SourceView) -> Iterator[SourceReader]:
    """Open the source for one pull; StoreError where it cannot be reached or read."""
    engine = _open(url)
    options: dict[str, Any] = {}
    if engine.dialect.name == "postgresql":
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    try:
        try:
            connection = engine.connect().execution_options(**options)
        except SQLAlchemyError as error:
            raise _unreadable(error) from None
        with connection, connection.begin():
            yield SourceReader(connection, view)
    finally:
        engine.dispose()


def _unreadable(error: SQLAlchemyError) -> StoreError:
    # its text may hold the address, the account or values of rows
    return StoreError(
        f"the source cannot be read ({type(error).__name__}): see GATEWAY_SOURCE__URL and the view, key, watermark and "
        "columns of the mapping"
    )


def _open(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
            raise ConfigurationError("GATEWAY_SOURCE__URL: there is no such SQLite file")
        engine = create_engine(parsed, hide_parameters=True)
    except (ArgumentError, ModuleNotFoundError):
        raise ConfigurationError("GATEWAY_SOURCE__URL: not a database URL, or its driver is not installed") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _read_only)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _read_only(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by us, so that a pull sees one snapshot
    connection.execute("PRAGMA query_only=ON")


def _plain_mark(value: Any) -> Mark | None:
    return int(value) if isinstance(value, Decimal | float) else value


def mark_to_text(mark: Mark) -> str:
    """The form in which a watermark is kept."""
    kind = "number" if isinstance(mark, int) else "text" if isinstance(mark, str) else type(mark).__name__
    return json.dumps([kind, mark if isinstance(mark, int | str) else mark.isoformat()])


def mark_from_text(text: str) -> Mark:
    """The watermark that was kept."""
    kind, value = json.loads(text)
    if kind == "datetime":
        return datetime.fromisoformat(value)
    if kind == "date":
        return date.fromisoformat(value)
    return int(value) if kind == "number" else str(value)


def earlier(mark: Mark, view: SourceView) -> Mark:
    """Where the next pull starts to read: the watermark less the overlap."""
    if isinstance(mark, int):
        return mark - view.overlap_steps
    if isinstance(mark, str):
        return _written(_moment(mark, view) - view.overlap, like=mark)
    if isinstance(mark, datetime):
        return mark - view.overlap
    return mark - timedelta(days=1) - view.overlap


def _moment(text: str, view: SourceView) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise StoreError(f"column {view.watermark} of the source holds text that is no ISO moment") from None


def _written(moment: datetime, *, like: str) -> str:
    """A moment in the form of another one, so that texts compare as moments do; cut to seconds, never later."""
    return moment.replace(tzinfo=None).isoformat(sep=like[10] if len(like) > 10 else " ", timespec="seconds")[
        : len(like)
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a source has been read; ``revision`` is 0 before the first pull."""

    mark: Mark | None
    revision: int


def progress(connection: Connection, name: str) -> Progress:
    """How far a source has been read."""
    row = connection.execute(select(source_state).where(source_state.c.name == name)).mappings().first()
    if row is None:
        return Progress(mark=None, revision=0)
    mark = None if row["watermark"] is None else mark_from_text(row["watermark"])
    return Progress(mark=mark, revision=row["revision"])


def step(connection: Connection, name: str, revision: int, now: datetime, mark: Mark | None = None) -> bool:
    """Go on from a revision, with a new watermark where given; False where another pull went on meanwhile.

    The caller holds ``queueing.lock_records``.
    """
    known = progress(connection, name)
    if known.revision != revision:
        return False
    values: dict[str, Any] = {"revision": revision + 1, "updated_at": now}
    if mark is not None:
        values["watermark"] = mark_to_text(mark)
    if revision == 0:
        connection.execute(insert(source_state).values(name=name, **values))
    else:
        connection.execute(update_of(source_state).where(source_state.c.name == name).values(**values))
    return True


def seen(connection: Connection, name: str, keys: Sequence[str]) -> dict[str, str]:
    """Row key -> digest of the content it was last seen with."""
    found: dict[str, str] = {}
    for part in chunks(keys):
        rows = connection.execute(
            select(source_row.c.row_key, source_row.c.digest).where(
                source_row.c.source == name, source_row.c.row_key.in_(part)
            )
        )
        found |= {row.row_key: row.digest for row in rows}
    return found


def remember(connection: Connection, name: str, digests: Mapping[str, str], now: datetime) -> None:
    """These rows have been taken in with these contents."""
    known = seen(connection, name, list(digests))
    rows = [{"b_key": key, "b_digest": digest} for key, digest in digests.items()]
    for part in chunks(row for row in rows if row["b_key"] in known):
        connection.execute(
            update_of(source_row)
            .where(source_row.c.source == name, source_row.c.row_key == bindparam("b_key"))
            .values(digest=bindparam("b_digest"), seen_at=now),
            part,
        )
    for part in chunks(row for row in rows if row["b_key"] not in known):
        fresh = [{"source": name, "row_key": row["b_key"], "digest": row["b_digest"], "seen_at": now} for row in part]
        connection.execute(insert(source_row), fresh)
