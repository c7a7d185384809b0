"""Opening, migrating and reading a store."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Dialect, text
from sqlalchemy.exc import DBAPIError

from gateway.domain.errors import ConfigurationError, StoreError
from gateway.schema import metadata
from gateway.store import engine
from gateway.store.engine import Connection, Store, migrate, open_engine, verify_schema
from gateway.store.thread import StoreThread


def test_the_migrations_lead_to_the_tables_in_the_code(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrating_twice_changes_nothing(store: Store) -> None:
    assert migrate(store.engine) == migrate(store.engine)
    verify_schema(store.engine)


def test_an_empty_store_is_refused_with_what_to_do(tmp_path: object) -> None:
    opened = open_engine(f"sqlite:///{tmp_path}/new.db")
    with pytest.raises(StoreError, match="gateway init"):
        verify_schema(opened)
    opened.dispose()


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://x/y"])
def test_an_unknown_database_is_refused_without_repeating_the_url(url: str) -> None:
    with pytest.raises(ConfigurationError, match="GATEWAY_DATABASE_URL") as caught:
        open_engine(url)
    assert not url or url not in str(caught.value)


def test_a_reader_cannot_write(store: Store) -> None:
    if store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite readers are told apart by their transaction only")
    with pytest.raises(StoreError, match="read-only"), store.read() as connection:
        connection.execute(text("INSERT INTO platform (name) VALUES ('x')"))


def test_statement_errors_do_not_show_parameters(store: Store) -> None:
    with pytest.raises((DBAPIError, StoreError)) as caught, store.write() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (:secret)"), {"secret": "370000199001010013"})
    assert "370000199001010013" not in str(caught.value)


def test_a_store_that_cannot_be_reached_is_our_error_in_one_line(make_store: Callable[[str], Store]) -> None:
    store = make_store("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(StoreError, match="cannot do this now") as caught, store.read():
        raise AssertionError("never reached")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rested", [True, False], ids=["rested", "just used"])
def test_only_a_connection_that_rested_is_asked_whether_it_still_lives(
    postgres_url: str, make_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch, rested: bool
) -> None:
    monkeypatch.setattr(engine, "_FRESH", 0.0 if rested else 3600.0)
    store, other = make_store(postgres_url), make_store(postgres_url)
    with store.read() as c:
        mine = c.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with other.write() as c:
        c.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": mine})
    if not rested:
        with pytest.raises(StoreError, match="cannot do this now"), store.write() as c:
            c.execute(text("SELECT 1"))
    with store.write() as c:
        assert c.execute(text("SELECT pg_backend_pid()")).scalar_one() != mine


def test_a_connection_that_was_just_made_is_believed(
    postgres_url: str, make_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that comes and goes would else be asked until SQLAlchemy gives up, which is no error of the store."""
    times = [0.0]
    monkeypatch.setattr(engine, "monotonic", lambda: times[-1])
    store = make_store(postgres_url)
    with store.read() as c:
        c.execute(text("SELECT 1"))
    times.append(10.0)
    asked: list[Any] = []

    def never_answers(_dialect: Dialect, connection: Any) -> None:
        asked.append(connection)
        raise psycopg.OperationalError("gone")

    monkeypatch.setattr(type(store.engine.dialect), "do_ping", never_answers)
    with store.read() as c:
        assert c.execute(text("SELECT 1")).scalar_one() == 1
    assert len(asked) == 1


def test_two_transactions_in_each_others_way_are_both_done_in_the_end(
    postgres_url: str, make_store: Callable[[str], Store]
) -> None:
    store = make_store(postgres_url)
    with store.write() as c:
        c.execute(text("INSERT INTO platform (name) VALUES ('a'), ('b')"))
    met = threading.Barrier(2, timeout=20)

    def crosswise(connection: Connection, first: str, second: str, passes: list[int]) -> None:
        passes.append(1)
        connection.execute(text("UPDATE platform SET code = 'x' WHERE name = :n"), {"n": first})
        if len(passes) == 1:
            met.wait()
        connection.execute(text("UPDATE platform SET reason = :n WHERE name = :s"), {"n": first, "s": second})

    async def both() -> tuple[list[int], list[int]]:
        one: list[int] = []
        two: list[int] = []
        with StoreThread(store) as left, StoreThread(store) as right:
            await asyncio.gather(left.write(crosswise, "a", "b", one), right.write(crosswise, "b", "a", two))
        return one, two

    one, two = asyncio.run(both())
    assert max(len(one), len(two)) >= 2, "one of them at least was rolled back and run again"
