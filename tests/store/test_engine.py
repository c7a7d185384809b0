"""Opening, migrating and reading a store."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from gateway.domain.errors import ConfigurationError, StoreError
from gateway.store.engine import Store, migrate, open_engine, verify_schema
from gateway.store.tables import metadata


def test_the_migrations_lead_to_the_tables_in_the_code(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrating_twice_changes_nothing(store: Store) -> None:
    assert migrate(store.engine) == migrate(store.engine)
    verify_schema(store.engine)


def test_an_empty_store_is_refused_with_what_to_do(tmp_path: object) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/new.db")
    with pytest.raises(StoreError, match="gateway init"):
        verify_schema(engine)
    engine.dispose()


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://x/y"])
def test_an_unknown_database_is_refused_without_repeating_the_url(url: str) -> None:
    with pytest.raises(ConfigurationError, match="GATEWAY_DATABASE_URL") as caught:
        open_engine(url)
    assert not url or url not in str(caught.value)


def test_a_reader_cannot_write(store: Store) -> None:
    if store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite readers are told apart by their transaction only")
    with pytest.raises(DBAPIError), store.read() as connection:
        connection.execute(text("INSERT INTO platform (name) VALUES ('x')"))


def test_statement_errors_do_not_show_parameters(store: Store) -> None:
    with pytest.raises(DBAPIError) as caught, store.write() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (:secret)"), {"secret": "370000199001010013"})
    assert "370000199001010013" not in str(caught.value)
