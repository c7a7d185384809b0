"""An empty store of the same kind as another, beside it, for as long as a test of the machine runs; its time passes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import text, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from gateway.delivery.store.tables import delivery, seat
from gateway.domain.errors import ConfigurationError
from gateway.store.engine import Store, migrate, open_engine


@contextmanager
def beside(url: str | Path, name: str) -> Iterator[str]:
    """URL of a migrated, empty store: a SQLite file in the same folder, or a schema ``name``; gone at the end.

    ConfigurationError where there is no room for it.
    """
    try:
        parsed = URL.create("sqlite", database=str(url)) if isinstance(url, Path) else make_url(url)
    except ArgumentError:
        raise ConfigurationError("not a database URL") from None
    if parsed.get_backend_name() == "postgresql":
        with _schema(parsed, name) as own:
            yield own
        return
    folder = Path(parsed.database).parent if parsed.database and parsed.database != ":memory:" else Path.cwd()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix=f"{name}-", dir=folder)
    except OSError as error:
        raise ConfigurationError(f"no file can be made in the folder of the store: {error.strerror}") from None
    with made as own_folder:
        own = f"sqlite:///{own_folder}/store.db"
        _migrated(own)
        yield own


def let_leases_end(store: Store, now: datetime) -> None:
    """As if so much time had passed that every lease is over, and every share of the connections."""
    over = now - timedelta(seconds=1)
    with store.write() as connection:
        connection.execute(update(seat).values(until=over))
        connection.execute(update(delivery).where(delivery.c.lease_owner.is_not(None)).values(lease_until=over))


@contextmanager
def _schema(parsed: URL, name: str) -> Iterator[str]:
    engine = open_engine(parsed.render_as_string(hide_password=False))
    try:
        with engine.begin() as connection:
            connection.execute(text(f'CREATE SCHEMA "{name}"'))
    except SQLAlchemyError:
        engine.dispose()
        raise ConfigurationError("the database cannot be reached, or no schema may be made in it") from None
    try:
        own = parsed.update_query_dict({"options": f"-csearch_path={name}"}).render_as_string(hide_password=False)
        _migrated(own)
        yield own
    finally:
        with engine.begin() as connection:
            connection.execute(text(f'DROP SCHEMA "{name}" CASCADE'))
        engine.dispose()


def _migrated(url: str) -> None:
    engine = open_engine(url)
    migrate(engine)
    engine.dispose()
