"""Hands rows over through a table of a front-end database (前置库): a message in one transaction, no row twice.

The table is the platform's, not ours: it is never made or changed here, and its columns are read from the database. A
row is known by the key columns that the request names; what is there under them is left as it stands. The platform
should have a unique constraint over them, which keeps two writers apart that a lease could not.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal, InvalidOperation
from types import TracebackType
from typing import Any, Self

import sqlalchemy
from sqlalchemy import Connection, MetaData, Table, create_engine, insert, select
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    IntegrityError,
    NoSuchModuleError,
    NoSuchTableError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.pool import NullPool

from gateway.contract.connector import Endpoint
from gateway.contract.handover import MEDIA_TYPE, PLACE, seal_of
from gateway.contract.messages import WireRequest, WireResponse
from gateway.domain.errors import ConfigurationError, NotSent, Unanswered
from gateway.locale import tr

_AT_ONCE = 200
"""keys in one query"""


class TableCarrier:
    """Carries hand-over requests to one database. Work is done beside the event loop, under the total deadline."""

    def __init__(self, endpoint: Endpoint) -> None:
        place = endpoint.hand_over
        if place is None or place.database is None:
            raise ConfigurationError(tr("hand-over: no database is named"))
        self._deadline = endpoint.deadline.total_seconds()
        try:
            self._engine = create_engine(place.database, poolclass=NullPool, hide_parameters=True)
        except (ArgumentError, NoSuchModuleError, ImportError):
            raise ConfigurationError(
                tr("hand-over: the endpoint is no SQLAlchemy URL, or its driver is not installed")
            ) from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._engine.dispose()

    async def send(self, request: WireRequest) -> WireResponse:
        """Do what is asked; NotSent where surely nothing was written, Unanswered where that is not known."""
        until = time.monotonic() + self._deadline
        try:
            async with asyncio.timeout(self._deadline):
                return await asyncio.to_thread(self._done, request, until)
        except TimeoutError:
            raise Unanswered("deadline", "the database did not answer within the deadline") from None

    def _done(self, request: WireRequest, until: float) -> WireResponse:
        try:
            connection = self._engine.connect()
        except SQLAlchemyError:
            raise NotSent("database", "the front-end database cannot be reached") from None
        with connection:
            if request.path == PLACE:
                return _answer(200, ok=True, detail="")
            asked, digest = json.loads(request.body), hashlib.sha256(request.body).hexdigest()
            try:
                table = _reflected(connection, asked["table"])
                if request.method == "PUT":
                    try:
                        _put(connection, table, asked, until)
                    except IntegrityError:
                        # perhaps another worker was quicker, and the rows are there now
                        connection.rollback()
                        _put(connection, table, asked, until)
                    return _answer(200, digest=digest)
                return _answer(200, digest=digest, **_read(connection, table, asked))
            except _Refused as refused:
                return _answer(409, digest=digest, reason=str(refused), columns=refused.columns)
            except NoSuchTableError:
                return _answer(409, digest=digest, reason="the table is not there", columns=[])
            except (DataError, IntegrityError, ProgrammingError) as error:
                # the database itself rolled the transaction back
                return _answer(409, digest=digest, reason=f"the database refused: {type(error).__name__}", columns=[])
            except SQLAlchemyError as error:
                # before the commit, so nothing was written
                raise NotSent("database", f"the database failed: {type(error).__name__}") from None


class _Refused(Exception):
    """The rows do not fit the table's columns; nothing was written."""

    def __init__(self, reason: str, columns: Sequence[str]) -> None:
        super().__init__(reason)
        self.columns = list(columns)


def _reflected(connection: Connection, name: str) -> Table:
    schema, _, bare = name.rpartition(".")
    return Table(bare, MetaData(), schema=schema or None, autoload_with=connection)


def _require(table: Table, names: Sequence[str]) -> None:
    absent = [name for name in names if name not in table.c]
    if absent:
        raise _Refused("the table has no columns of these names", absent)


def _put(connection: Connection, table: Table, asked: Mapping[str, Any], until: float) -> None:
    key, rows = asked["key"], asked["rows"]
    names = list(dict.fromkeys((*key, *(name for row in rows for name in row))))
    _require(table, names)
    ready = [{name: _stored(table, name, row.get(name)) for name in names} for row in rows]
    there = _there(connection, table, key, ready)
    new = [row for row in ready if tuple(row[name] for name in key) not in there]
    if new:
        connection.execute(insert(table), new)
    if time.monotonic() > until:
        connection.rollback()
        raise NotSent("deadline", "writing the rows took longer than the deadline")
    try:
        connection.commit()
    except SQLAlchemyError:
        raise Unanswered("commit", "whether the rows were committed is not known") from None


def _there(
    connection: Connection, table: Table, key: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> set[tuple[Any, ...]]:
    """Which keys are there already."""
    columns = [table.c[name] for name in key]
    wanted = list(dict.fromkeys(tuple(row[name] for name in key) for row in rows))
    found: set[tuple[Any, ...]] = set()
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        same = sqlalchemy.or_(
            *(sqlalchemy.and_(*(c == v for c, v in zip(columns, values, strict=True))) for values in part)
        )
        found |= {tuple(row) for row in connection.execute(select(*columns).where(same))}
    return found


def _read(connection: Connection, table: Table, asked: Mapping[str, Any]) -> dict[str, Any]:
    names, order, limit = asked["columns"], asked["order"], asked["limit"]
    _require(table, [*names, *asked["where"], order])
    wanted = (
        select(*(table.c[name] for name in dict.fromkeys((*names, order))))
        .where(*(table.c[name] == _stored(table, name, value) for name, value in asked["where"].items()))
        .order_by(table.c[order])
        .limit(limit + 1)
    )
    if asked["after"] is not None:
        wanted = wanted.where(table.c[order] > _stored(table, order, asked["after"]))
    found = [{name: _text(value) for name, value in row.items()} for row in connection.execute(wanted).mappings()]
    rows = found[:limit]
    following = rows[-1][order] if len(found) > limit else None
    return {"table": asked["table"], "rows": rows, "next": following, "sha256": seal_of([rows, following])}


def _stored(table: Table, name: str, value: str | None) -> Any:
    """A text as the column's type wants it."""
    if value is None:
        return None
    try:
        kind = table.c[name].type.python_type
    except NotImplementedError:
        return value
    try:
        if kind in (date, datetime, time_of_day):
            return kind.fromisoformat(value)
        return kind(value) if kind in (int, Decimal, float) else value
    except (ValueError, InvalidOperation):
        raise _Refused("a value is not of the column's type", [name]) from None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return value.isoformat() if isinstance(value, date | time_of_day) else str(value)


def _answer(status: int, **document: Any) -> WireResponse:
    body = json.dumps(document, ensure_ascii=False, sort_keys=True).encode()
    return WireResponse(status=status, headers={"content-type": MEDIA_TYPE}, body=body)
