"""Batch SQL: many rows in one statement whose text never changes, and many statements in one round trip.

The rows travel as one JSON document, with what is binary as one run of bytes beside it, and the database takes them
apart. Two reasons, both measured: a statement is compiled and planned once; and Python's SQLite driver lets go of the
interpreter for each row of an ``executemany``, then waits until the thread that talks to the platform gives it back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import (
    JSON,
    ClauseElement,
    ColumnElement,
    Connection,
    CursorResult,
    Dialect,
    FromClause,
    Integer,
    LargeBinary,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    insert,
    literal_column,
    select,
    text,
)
from sqlalchemy.types import TypeEngine

from gateway.store.metadata import Moment, is_postgresql, to_utc

RowColumns = Mapping[str, ColumnElement[Any]]
"""the columns of the rows that are handed in, for use in a statement"""


class BulkStatement:
    """A statement over rows. ``make`` gets their columns and gives the statement, once for each kind of database."""

    def __init__(self, columns: Mapping[str, TypeEngine[Any]], make: Callable[[RowColumns], ClauseElement]) -> None:
        self._columns = columns
        self._make = make
        self._made: dict[str, _Ready] = {}

    def __call__(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> CursorResult[Any]:
        """Execute for these rows; each has every column. Values of a result come as the driver gives them."""
        return connection.exec_driver_sql(*self.compiled(connection, rows))

    def bind(self, rows: Sequence[Mapping[str, Any]]) -> BoundStatement:
        """For these rows, to be executed later."""
        return BoundStatement(statement=self, rows=rows)

    def compiled(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> tuple[str, Any]:
        """What would be executed: text and parameters, as the driver takes them."""
        dialect = connection.dialect
        ready = self._made.get(dialect.name)
        if ready is None:
            statement = self._make(_given(dialect, self._columns))
            ready = self._made[dialect.name] = _Ready(dialect, statement, self._columns)
        return ready.text, ready.parameters(rows)


@dataclass(frozen=True, kw_only=True)
class BoundStatement:
    """A statement with its rows; nothing where there are none."""

    statement: BulkStatement
    rows: Sequence[Mapping[str, Any]] = field(repr=False)

    def __call__(self, connection: Connection) -> None:
        """Execute it."""
        if self.rows:
            self.statement(connection, self.rows)


class _Ready:
    """A statement as text: to look for it among those compiled before costs more than to run it."""

    def __init__(self, dialect: Dialect, statement: ClauseElement, columns: Mapping[str, TypeEngine[Any]]) -> None:
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        self.text = str(compiled)
        self._order: Sequence[str] | None = getattr(compiled, "positiontup", None)
        self._constants = dict(compiled.params)
        first, *others = columns
        self._pick = itemgetter(first, *others) if others else lambda row: (row[first],)
        kinds = list(enumerate(columns.values()))
        self._written = [(place, write) for place, kind in kinds if (write := _writer(kind, dialect)) is not None]
        self._binary = [place for place, kind in reversed(kinds) if isinstance(kind, LargeBinary)]
        # A column's own name is a kind of string that the JSON writer takes for no key.
        self._names = None if dialect.name == "sqlite" else [str(name) for name in _flat(columns)]

    def parameters(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | tuple[Any, ...]:
        """What the statement is executed with."""
        document: list[Any] = []
        beside: list[bytes] = []
        end = 0
        for row in rows:
            values = list(self._pick(row))
            for place, write in self._written:
                if values[place] is not None:
                    values[place] = write(values[place])
            for place in self._binary:  # from the last on: each takes one place more
                value = values[place]
                if value is None:
                    values.insert(place, None)
                    continue
                values[place : place + 1] = (end + 1, len(value))
                beside.append(value)
                end += len(value)
            document.append(values if self._names is None else dict(zip(self._names, values, strict=True)))
        given = self._constants | {"rows": orjson.dumps(document).decode(), "bytes": b"".join(beside)}
        return given if self._order is None else tuple(given[name] for name in self._order)


def adding(table: Table, *names: str) -> BulkStatement:
    """Insert rows with these columns."""

    def make(given: RowColumns) -> ClauseElement:
        return insert(table).from_select(list(names), select(*(given[name] for name in names)))

    return BulkStatement({name: table.c[name].type for name in names}, make)


def next_ids(connection: Connection, wanted: Mapping[str, int]) -> dict[str, Iterator[int]]:
    """Fresh row ids for these tables, so many for each, in growing order.

    On SQLite the caller is the one writer and takes the numbers after the last; on PostgreSQL the sequences give them.
    """
    if not is_postgresql(connection):
        lasts = ", ".join(f"(SELECT coalesce(max(id), 0) FROM {table})" for table in wanted)  # noqa: S608 - our tables
        row = connection.execute(text(f"SELECT {lasts}")).one()
        return {table: iter(range(last + 1, last + 1 + wanted[table])) for table, last in zip(wanted, row, strict=True)}
    drawn = ", ".join(drawn_ids(wanted))
    return ids_of(wanted, connection.exec_driver_sql(f"SELECT {drawn}", dict(wanted)).one())


def drawn_ids(wanted: Iterable[str]) -> list[str]:
    """What PostgreSQL is to select for fresh ids, a column for each table; how many are its parameters by table."""
    return [
        f"ARRAY(SELECT nextval((SELECT pg_get_serial_sequence('{table}', 'id')::regclass))"  # noqa: S608 - our tables
        f" FROM generate_series(1, %({table})s::integer))"
        for table in wanted
    ]


def ids_of(wanted: Iterable[str], answer: Sequence[Sequence[int]]) -> dict[str, Iterator[int]]:
    """The ids in its answer."""
    return {table: iter(ids) for table, ids in zip(wanted, answer, strict=True)}


def as_parts(statements: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[str, dict[str, Any]]:
    """Several statements as the parts (``part_0`` and on) of one for PostgreSQL; none sees what another changes."""
    parts, given = [], dict[str, Any]()
    for number, (text_, parameters) in enumerate(statements):
        parts.append(_part(text_, number))
        given |= {f"{name}_{number}": value for name, value in parameters.items()}
    return ", ".join(parts), given


@cache
def _part(text_: str, number: int) -> str:
    renamed = re.sub(r"%\((\w+)\)s", rf"%(\1_{number})s", text_)
    return f"part_{number} AS ({renamed})"


def _writer(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """How a value stands in the document, where it does not stand as it is."""
    if not isinstance(kind, Moment):
        return None
    zoned = dialect.name != "sqlite"
    length = len("2019-04-02 01:00:00.000000")
    last: tuple[datetime | None, str] = (None, "")

    def written(value: datetime) -> str:
        nonlocal last
        known, text_ = last  # one moment stands in many rows
        if known is not value:
            if value.tzinfo is None:
                raise ValueError("a moment without zone")
            whole = to_utc(value).isoformat(" ", "microseconds")
            text_ = whole if zoned else whole[:length]
            last = value, text_
        return text_

    return written


def _flat(columns: Mapping[str, TypeEngine[Any]]) -> dict[str, TypeEngine[Any]]:
    """The columns of the document: bytes as place and size."""
    flat: dict[str, TypeEngine[Any]] = {}
    for name, kind in columns.items():
        flat |= {name: Integer(), f"{name}_size": Integer()} if isinstance(kind, LargeBinary) else {name: kind}
    return flat


def _given(dialect: Dialect, columns: Mapping[str, TypeEngine[Any]]) -> RowColumns:
    """The document as a table: for SQLite arrays, read by place; for PostgreSQL objects, read by name."""
    flat = _flat(columns)
    document = bindparam("rows", type_=Text)
    source: FromClause
    parts: dict[str, ColumnElement[Any]]
    if dialect.name == "sqlite":
        source = func.json_each(document).table_valued("value", name="given")
        parts = {
            name: func.json_extract(source.c.value, literal_column(f"'$[{place}]'"), type_=kind)
            for place, (name, kind) in enumerate(flat.items())
        }
        cut = func.substr
    else:
        typed = [column(name, kind) for name, kind in flat.items()]
        source = (
            func.json_to_recordset(cast(document, JSON))
            .table_valued(*typed, name="given")
            .render_derived(with_types=True)
        )
        parts = {name: source.c[name] for name in flat}
        cut = func.substring
    beside = bindparam("bytes", type_=LargeBinary)
    return {
        name: cut(beside, parts[name], parts[f"{name}_size"], type_=kind)
        if isinstance(kind, LargeBinary)
        else parts[name]
        for name, kind in columns.items()
    }


@dataclass(kw_only=True)
class WriteSet:
    """Statements collected while a transaction reads, and executed at its end.

    independent: statements over disjoint rows; sent as one statement with data-changing parts on PostgreSQL
    then:        what must see all of that, in this order
    """

    independent: list[BoundStatement] = field(default_factory=list)
    then: list[Callable[[Connection], None]] = field(default_factory=list)

    def execute(self, connection: Connection) -> None:
        """Write it."""
        bound = [statement for statement in self.independent if statement.rows]
        if is_postgresql(connection) and len(bound) > 1:
            parts, given = as_parts(one.statement.compiled(connection, one.rows) for one in bound)
            connection.exec_driver_sql(f"WITH {parts} SELECT", given)
        else:
            for statement in bound:
                statement(connection)
        for follow_up in self.then:
            follow_up(connection)
