"""Metadata, column types and chunking that all tables and statements share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Dialect,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    TypeDecorator,
)

_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def to_utc(moment: datetime) -> datetime:
    """The moment in UTC; one that has no form there within the years 1 to 9999 becomes the first or last that has."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return _LATEST if moment.year > 1 else _EARLIEST


Id = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """An aware moment, kept as UTC (``to_utc``); SQLite has no zones, so it is stored there without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive moment: it would be read back as another one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without zone")
        value = to_utc(value)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def is_postgresql(at: Connection | Engine) -> bool:
    """Whether this is PostgreSQL; else it is SQLite."""
    return at.dialect.name == "postgresql"


def insert_into(connection: Connection, table: Table) -> Any:
    """An INSERT with this database's ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    statement: Callable[[Table], Any]
    if is_postgresql(connection):
        from sqlalchemy.dialects.postgresql import insert as statement
    else:
        from sqlalchemy.dialects.sqlite import insert as statement
    return statement(table)


def id_column() -> Column[Any]:
    return Column("id", Id, primary_key=True, autoincrement=True)


def reference(name: str, target: str, **kwargs: Any) -> Column[Any]:
    return Column(name, Id, ForeignKey(target), **kwargs)


T = TypeVar("T")

CHUNK = 500
"""most values in one IN list or one executemany"""


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Lists of at most ``size`` values, in order."""
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part
