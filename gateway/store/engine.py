"""Open the store: connections that keep what they commit, and transactions that say whether they write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, create_engine, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
)
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.domain.errors import ConfigurationError, StoreError
from gateway.store.vault import Vault

__all__ = ["Connection", "Engine", "Store", "migrate", "open_engine", "verify_schema"]

_COLLISIONS = frozenset({"40001", "40P01"})
"""PostgreSQL: serialization failure, deadlock detected"""
_OUR_MISTAKES = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
"""what a database says of a wrong statement; all else means that it cannot be reached, or is full, locked or broken"""
_USED, _FRESH = "used", 1.0
"""when a connection to PostgreSQL was used last, and for how many seconds it is believed to be alive"""
_MIGRATIONS = Path(__file__).with_name("migrations")


def open_engine(url: str) -> Engine:
    """An engine for SQLite (WAL, synchronous FULL, immediate write transactions) or PostgreSQL (psycopg 3).

    Statement parameters never appear in errors.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError("GATEWAY_DATABASE_URL: not a database URL") from None
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    elif parsed.get_backend_name() != "sqlite":
        raise ConfigurationError("GATEWAY_DATABASE_URL: only sqlite and postgresql are supported")
    elif parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        parsed,
        hide_parameters=True,
        json_serializer=lambda value: json.dumps(value, ensure_ascii=False, sort_keys=True),
    )
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _prepare_postgresql)
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", partial(_ping_rested, engine.dialect))
    return engine


def _prepare_postgresql(connection: Any, record: ConnectionPoolEntry) -> None:
    # The default is made for disks that turn; with it, rows named by their ids are looked for in the whole table.
    connection.execute("SET random_page_cost = 1.1")
    connection.commit()
    _note_use(connection, record)


def _note_use(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info[_USED] = monotonic()


def _ping_rested(dialect: Dialect, connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    # SQLAlchemy's own ping asks before every transaction, and a push has dozens in a second.
    if connection.closed or monotonic() - record.info[_USED] > _FRESH:
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise DisconnectionError("the connection was lost while it rested") from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver
    cursor = connection.cursor()
    for pragma in (
        "busy_timeout=30000",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "cache_size=-32000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that turns into a write fails at once when another one wrote meanwhile; the busy time-out
    # does not help there. So writers take the lock at the start.
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@dataclass(frozen=True, kw_only=True)
class Store:
    """An open store: engine and vault, with one transaction per ``with``."""

    engine: Engine
    vault: Vault

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; committed at the end, rolled back on an exception.

        A store that cannot be reached, is full or locked too long is a StoreError; nothing was kept then.
        """
        with _reached(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent snapshot for reading."""
        options: dict[str, Any] = {"reading": True}
        if self.engine.dialect.name == "postgresql":
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with _reached(), self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Return all connections."""
        self.engine.dispose()


class Collision(StoreError):
    """Two transactions stood in each other's way and this one was rolled back whole; it may simply be run again."""


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if isinstance(error, _OUR_MISTAKES) and not error.connection_invalidated:
            raise
        if getattr(error.orig, "sqlstate", None) in _COLLISIONS:
            raise Collision("two workers stood in each other's way") from None
        first = str(error.orig).strip().partition("\n")[0]
        raise StoreError(f"the store cannot do this now: {first}") from None


def migrate(engine: Engine) -> str:
    """Create or upgrade the tables to this release; returns the revision reached."""
    from alembic import command

    config = _config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return head_revision()


def head_revision() -> str:
    """The schema of this release."""
    from alembic.script import ScriptDirectory

    return str(ScriptDirectory.from_config(_config()).get_current_head())


def verify_schema(engine: Engine) -> None:
    """Refuse a store that is empty or of another release, with what to do."""
    from alembic.runtime.migration import MigrationContext

    head = head_revision()
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            raise StoreError("the store is empty: run `gateway init`")
        current = MigrationContext.configure(connection).get_current_revision()
    if current != head:
        raise StoreError(f"the store has schema {current}, this release needs {head}: run `gateway init`")


def _config() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config
