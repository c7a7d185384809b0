"""Reading the information system's view, and remembering how far: the only place that talks to another database.

A view is read from its watermark on, less an overlap. The watermark is stamped when a row is written but seen when it
is committed, so a slow transaction commits rows below what was read already; the overlap reads them again, and rows
that were seen in the same form are left out. That finds every row whose transaction lasts no longer than the overlap.
(Only PostgreSQL could tell its oldest open transaction, and a view does not pass that on; an overlap works everywhere.)
Nothing is ever written to the source, and all queries of a pull see one snapshot where the database has them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    bindparam,
    column,
    create_engine,
    event,
    false,
    insert,
    literal_column,
    or_,
    select,
)
from sqlalchemy import table as table_of
from sqlalchemy import update as update_of
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from gateway.domain.errors import ConfigurationError, StoreError
from gateway.intake.store.tables import source_row, source_state
from gateway.locale import tr
from gateway.store.metadata import chunks, is_postgresql
from gateway.store.vault import Vault

T = TypeVar("T")
_ROWS = 500
"""rows of the source in memory at a time"""
_MOMENT_TEXT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?)?"
)
"""ISO moments that compare as texts as they do in time, as long as all are written alike"""
_DIGITS, _FRACTION, _TO_SECONDS = re.compile(r"[0-9]"), re.compile(r"^[.,][0-9]+"), 19

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
    """Reads one view inside one transaction of the source. ConfigurationError names columns the view does not have."""

    def __init__(self, connection: Connection, view: SourceView) -> None:
        self._connection = connection
        self._view = view
        self._form: object = None
        """kind of the watermarks, and how text among them is written"""
        names = dict.fromkeys((*view.key, view.watermark, *view.columns.values()))
        self._require(names)
        self._table = table_of(view.view, *(column(name) for name in names), schema=view.schema)
        self._report = self._table.c[view.columns["batch_no"]]

    def _require(self, names: Iterable[str]) -> None:
        view = self._view
        nothing: Select[Any] = (
            select(literal_column("*")).select_from(table_of(view.view, schema=view.schema)).where(false())
        )
        there = {name.lower() for name in self._run(lambda: list(self._connection.execute(nothing).keys()))}
        absent = [name for name in names if name.lower() not in there]
        if absent:
            where = {theirs: f"columns.{ours}" for ours, theirs in view.columns.items()}
            where |= {view.watermark: "watermark", **dict.fromkeys(view.key, "key")}
            told = ", ".join(f"{name} ({where[name]})" for name in absent)
            raise ConfigurationError(
                tr(
                    "source {name}: the view {view} has no column of these names: {told}",
                    name=view.name,
                    view=view.view,
                    told=told,
                )
            )

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
        streaming = wanted.execution_options(yield_per=_ROWS)
        found = self._run(lambda: iter(self._connection.execute(streaming).mappings()))
        while (row := self._run(lambda: next(found, None))) is not None:
            yield SourceRow(
                key=tuple(row[name] for name in view.key),
                mark=self._mark(row[view.watermark]),
                values={ours: row[theirs] for ours, theirs in view.columns.items()},
            )

    def check_watermarks(self) -> None:
        """Refuse a watermark by which a later pull could not go on: ConfigurationError, before anything is kept."""
        mark = self._table.c[self._view.watermark]
        for end in (mark.asc(), mark.desc()):
            self._mark(self._run(partial(self._first, select(mark).where(mark.is_not(None)).order_by(end).limit(1))))

    def _first(self, wanted: Select[Any]) -> Any:
        return self._connection.execute(wanted).scalar()

    def _mark(self, value: Any) -> Mark | None:
        """A watermark that can be compared with those before it and with those to come."""
        if value is None:
            return None
        flaw = "is neither a moment, a day, a number nor text with an ISO moment such as 2019-03-12 10:00:00"
        mark: Mark
        match value:
            case bool() | bytes():
                form: object = None
            case int() | float() | Decimal():
                mark, form = int(value), "number"
            case datetime():
                mark, form = value, ("moment", value.tzinfo is None)
            case date():
                mark, form = value, "day"
            case str() if _MOMENT_TEXT.fullmatch(text := value.rstrip()) and _is_moment(text):
                # a fraction may be there or not; all else, the zone too, has to be written alike
                mark = text
                form = (_DIGITS.sub("9", text[:_TO_SECONDS]), _FRACTION.sub("", text[_TO_SECONDS:]))
            case _:
                form = None
        if form is not None and self._form not in (None, form):
            form, flaw = None, "is not written alike in all rows, so that one cannot be compared with another"
        if form is None:
            column_name = self._view.watermark
            raise ConfigurationError(
                tr(
                    "source {name}: the watermark {column_name} {flaw}; choose another column for it",
                    name=self._view.name,
                    column_name=column_name,
                    flaw=flaw,
                )
            )
        self._form = form
        return mark

    def _window(self, since: Mark | None) -> list[ColumnElement[bool]]:
        """Rows without watermark belong to every window: nothing else would ever find them."""
        mark = self._table.c[self._view.watermark]
        return [] if since is None else [or_(mark >= since, mark.is_(None))]

    @staticmethod
    def _run(query: Callable[[], T]) -> T:
        try:
            return query()
        except SQLAlchemyError as error:
            raise _unreadable(error) from None


@contextmanager
def reading(url: str, view: SourceView) -> Iterator[SourceReader]:
    """Open the source for one pull; StoreError where it cannot be reached or read."""
    engine = _open(url)
    options: dict[str, Any] = {}
    if is_postgresql(engine):
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
        tr(
            "the source cannot be read ({name}): see GATEWAY_SOURCE__URL and the view, key, "
            "watermark and columns of the mapping",
            name=type(error).__name__,
        )
    )


def _open(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
            raise ConfigurationError(tr("GATEWAY_SOURCE__URL: there is no such SQLite file"))
        engine = create_engine(parsed, hide_parameters=True)
    except (ArgumentError, ModuleNotFoundError):
        raise ConfigurationError(
            tr("GATEWAY_SOURCE__URL: not a database URL, or its driver is not installed")
        ) from None
    if not is_postgresql(engine):
        event.listen(engine, "connect", _read_only)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _read_only(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by us, so that a pull sees one snapshot
    connection.execute("PRAGMA query_only=ON")


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


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
        raise StoreError(
            tr("column {watermark} of the source holds text that is no ISO moment", watermark=view.watermark)
        ) from None


def _written(moment: datetime, *, like: str) -> str:
    """A moment in the form of another one, so that texts compare as moments do; cut to seconds, never later."""
    return moment.replace(tzinfo=None).isoformat(sep=like[10] if len(like) > 10 else " ", timespec="seconds")[
        : len(like)
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceProgress:
    """How far a source has been read; ``revision`` is 0 before the first pull."""

    mark: Mark | None
    revision: int


def progress(connection: Connection, name: str) -> SourceProgress:
    """How far a source has been read."""
    row = connection.execute(select(source_state).where(source_state.c.name == name)).mappings().first()
    if row is None:
        return SourceProgress(mark=None, revision=0)
    mark = None if row["watermark"] is None else mark_from_text(row["watermark"])
    return SourceProgress(mark=mark, revision=row["revision"])


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembered:
    """What is kept of a row that was taken in: the digest of its content, and its key in the source, in words."""

    digest: str
    key: str = field(repr=False)


def remember(connection: Connection, vault: Vault, name: str, taken: Mapping[str, Remembered], now: datetime) -> None:
    """These rows, by the digests of their keys, have been taken in with these contents."""
    known = seen(connection, name, list(taken))
    rows = [{"b_key": key, "b_digest": row.digest} for key, row in taken.items()]
    for part in chunks(row for row in rows if row["b_key"] in known):
        connection.execute(
            update_of(source_row)
            .where(source_row.c.source == name, source_row.c.row_key == bindparam("b_key"))
            .values(digest=bindparam("b_digest"), seen_at=now),
            part,
        )
    for part in chunks(row for row in rows if row["b_key"] not in known):
        fresh = [
            {
                "source": name,
                "row_key": row["b_key"],
                "digest": row["b_digest"],
                "seen_at": now,
                "source_key": vault.seal(taken[row["b_key"]].key.encode(), _key_place(name, row["b_key"])),
            }
            for row in part
        ]
        connection.execute(insert(source_row), fresh)


def gone(connection: Connection, vault: Vault, name: str, there: Container[str]) -> Iterator[str]:
    """The keys, in words, of rows that were taken in and are not ``there`` (digests of keys) any more."""
    wanted = select(source_row.c.row_key, source_row.c.source_key).where(source_row.c.source == name)
    for row in connection.execute(wanted.order_by(source_row.c.seen_at, source_row.c.row_key)):
        if row.row_key not in there:
            yield vault.open(row.source_key, _key_place(name, row.row_key)).decode()


def _key_place(name: str, row_key: str) -> str:
    return f"source_row.source_key:{name}/{row_key}"
