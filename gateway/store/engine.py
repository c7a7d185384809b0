"""Open the store: connections that keep what they commit, and transactions that say whether they write."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import ExceptionContext, make_url
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
from gateway.locale import tr
from gateway.store.metadata import is_postgresql
from gateway.store.vault import Vault

__all__ = ["Connection", "Engine", "Store", "migrate", "open_engine", "verify_schema"]

_COLLISIONS = frozenset({"40001", "40P01"})
"""PostgreSQL: serialization failure, deadlock detected"""
_OUR_MISTAKES = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
"""what a database says of a wrong statement; all else means that it cannot be reached, or is full, locked or broken"""
_MIGRATING = 0x6761746577617
"""the advisory lock of whoever creates or upgrades the tables"""
_USED, _FRESH = "used", 1.0
"""when a connection to PostgreSQL was used last, and for how many seconds it is believed to be alive"""
_MIGRATIONS = Path(__file__).with_name("migrations")


def open_engine(url: str | Path, *, prepare: bool = True) -> Engine:
    """An engine for SQLite (WAL, synchronous FULL, immediate write transactions) or PostgreSQL (psycopg 3).

    A path is a SQLite file, whatever its name. Statement parameters never appear in errors, nor parts of the URL.

    prepare: whether statements are prepared on the server; not behind a PgBouncer in transaction mode
    """
    parsed = URL.create("sqlite", database=str(url)) if isinstance(url, Path) else _parsed(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    elif parsed.get_backend_name() != "sqlite":
        raise ConfigurationError(tr("GATEWAY_DATABASE_URL: only sqlite and postgresql are supported"))
    elif parsed.database:
        try:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                tr("the folder of the store cannot be made: {strerror}", strerror=error.strerror)
            ) from None
    options: dict[str, Any] = {}
    if not prepare and parsed.get_backend_name() == "postgresql":
        options["connect_args"] = {"prepare_threshold": None}
    try:
        engine = create_engine(
            parsed,
            **options,
            hide_parameters=True,
            json_serializer=lambda value: json.dumps(value, ensure_ascii=False, sort_keys=True),
        )
    except ModuleNotFoundError:
        raise ConfigurationError(
            tr(
                "GATEWAY_DATABASE_URL names PostgreSQL, and its driver is not installed: `pip install "
                "'integration-gateway[postgres]'`"
            )
        ) from None
    if not is_postgresql(engine):
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _prepare_postgresql)
        event.listen(engine, "handle_error", _leave_pool)
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", partial(_ping_rested, engine.dialect))
    return engine


def _parsed(url: str) -> URL:
    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower()
    scheme = f"postgresql{scheme.removeprefix('postgres')}" if scheme in ("postgres", "postgres+psycopg") else scheme
    try:
        return make_url(f"{scheme}{mark}{rest}")
    except (ArgumentError, ValueError):  # its text repeats parts of the URL
        raise ConfigurationError(
            tr("GATEWAY_DATABASE_URL: not a database URL; characters like @ : / in a password must be percent-encoded")
        ) from None


def _prepare_postgresql(connection: Any, record: ConnectionPoolEntry) -> None:
    # The default is made for disks that turn; with it, rows named by their ids are looked for in the whole table.
    connection.execute("SET random_page_cost = 1.1")
    # Elsewhere the first and last day of the calendar are told in the years 0 and 10000, which cannot be read back.
    connection.execute("SET TIME ZONE 'UTC'")
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


VAULT = "vault"
"""under which a writing connection's ``info`` has the store's vault, for what seals beside a statement of others"""


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
        with reached(self.engine), self.engine.begin() as connection:
            connection.info[VAULT] = self.vault
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent snapshot for reading."""
        options: dict[str, Any] = {"reading": True}
        if is_postgresql(self.engine):
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with (
            reached(self.engine),
            self.engine.connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        """Return all connections."""
        self.engine.dispose()


class Collision(StoreError):
    """Two transactions stood in each other's way and this one was rolled back whole; it may simply be run again."""


@contextmanager
def reached(engine: Engine) -> Iterator[None]:
    """Turn what the database or its driver says into one sentence; a mistake of our own stays as it is."""
    try:
        yield
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        if state in _COLLISIONS:
            raise Collision("two workers stood in each other's way") from None
        connecting = error.statement is None
        if isinstance(error, _OUR_MISTAKES) and not (error.connection_invalidated or connecting or state in _BY_STATE):
            raise
        raise StoreError(_explain(error.orig, connecting=connecting)) from None
    except engine.dialect.loaded_dbapi.Error as error:  # while a fresh connection was prepared
        raise StoreError(_explain(error, connecting=True)) from None


_BY_STATE = {
    "25006": tr("the database takes no writes (read-only, or a standby)"),
    "42501": tr("the database role lacks the rights: grant them, or run `gateway init` as the owner of the tables"),
    "53100": tr("the disk of the database is full"),
    "53300": tr("the database has no connection left for this role"),
    "57014": tr("the database ended the statement at its time limit"),
}
_BY_WORDS = (
    ("invalid connection option", tr("the URL has an option that PostgreSQL does not know")),
    ("invalid uri query parameter", tr("the URL has an option that PostgreSQL does not know")),
    ("invalid sslmode", tr("the URL has an sslmode that PostgreSQL does not know")),
    ("invalid port", tr("the port in the URL is no port")),
    ("password", tr("the database refuses this user or password")),
    ("pg_hba.conf", tr("the database does not admit this user from here, or not with this encryption (pg_hba.conf)")),
    ("translate host name", tr("the host in the URL is not known")),
    ("resolve host", tr("the host in the URL is not known")),
    ("certificate", tr("the certificate of the database, or the file to check it with, is missing or not trusted")),
    ("ssl", tr("the database does not speak TLS as the URL asks for")),
    ("connection refused", tr("nothing answers there: is the database running?")),
    ("no such file or directory", tr("nothing answers there: is the database running?")),
    ("time", tr("no answer in time")),
    ("too many connections", tr("the database has no connection left for this role")),
    ("connection slots", tr("the database has no connection left for this role")),
    ("role", tr("the database does not know this user")),
    ("database", tr("the database has no database of this name")),
)
"""what a driver says while it connects, and what of it may be shown: its own words repeat parts of the URL"""


_SQLITE = {
    str(told): told
    for told in (
        tr("attempt to write a readonly database"),
        tr("database or disk is full"),
        tr("disk I/O error"),
        tr("unable to open database file"),
        tr("database is locked"),
        tr("file is not a database"),
        tr("database disk image is malformed"),
    )
}
"""what SQLite says most often, with its words in the catalogue"""


def _explain(error: BaseException | None, *, connecting: bool) -> str:
    state = getattr(error, "sqlstate", None)
    first = str(error).strip().partition("\n")[0]
    why: str
    if state in _BY_STATE:
        why = _BY_STATE[state]
    elif isinstance(error, sqlite3.Error):
        why = tr(
            "{error} (is the folder of GATEWAY_HOME writable, and its disk not full?)", error=_SQLITE.get(first, first)
        )
    elif connecting:
        text = str(error).lower()
        why = next((shown for words, shown in _BY_WORDS if words in text), type(error).__name__)
        why = tr("{why}; check GATEWAY_DATABASE_URL", why=why)
    else:
        why = first
    return tr("the store cannot do this now: {why}", why=why)


def _leave_pool(context: ExceptionContext) -> None:
    """A connection that takes no writes any more belongs to a server that was demoted; the next one may be better."""
    if getattr(context.original_exception, "sqlstate", None) == "25006":
        context.is_disconnect = True


def migrate(engine: Engine) -> str:
    """Create or upgrade the tables to this release; returns the revision reached.

    Of several that do it at once on an empty PostgreSQL one does the work and the others wait for it.
    """
    from alembic import command

    config = _config()
    with reached(engine), engine.begin() as connection:
        if is_postgresql(engine):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
        _refuse_newer(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return head_revision()


def head_revision() -> str:
    """The schema of this release."""
    return _revisions()[-1]


def verify_schema(engine: Engine) -> None:
    """Refuse a store that is empty or of another release, with what to do."""
    head = head_revision()
    with reached(engine), engine.connect() as connection:
        current = _refuse_newer(connection)
    if current is None:
        raise StoreError(tr("the store is empty: run `gateway init`"))
    if current != head:
        raise StoreError(
            tr(
                "the store has schema {current}, this release needs {head}: run `gateway init`",
                current=current,
                head=head,
            )
        )


def _refuse_newer(connection: Connection) -> str | None:
    """The store's schema; None where it has none, StoreError where this release does not know it."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    current: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if current is not None and current not in _revisions():
        raise StoreError(
            tr(
                "the store has schema {current}, which a newer release made: install that release (this "
                "one is {version} and knows schemas up to {head_revision})",
                current=current,
                version=version("integration-gateway"),
                head_revision=head_revision(),
            )
        )
    return current


@cache
def _revisions() -> list[str]:
    """The schemas that this release knows, oldest first: what the names of the migrations' files begin with.

    Every command asks, and Alembic takes longer to load than the command to run.
    """
    return sorted(path.stem.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def _config() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config
