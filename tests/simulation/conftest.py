"""An empty store in memory for each seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import delete

from gateway.schema import metadata
from gateway.store.engine import Store, open_engine
from gateway.store.vault import KeyRing, Vault
from tests.support.simulation import Outcome, simulate


@pytest.fixture(scope="module")
def run_seed() -> Iterator[Callable[[int], Outcome]]:
    """Simulate one seed on an empty store. One engine serves all: what it has compiled once need not be again."""
    store = Store(engine=open_engine("sqlite://"), vault=Vault(KeyRing.generate()))
    metadata.create_all(store.engine)

    def run(seed: int) -> Outcome:
        try:
            return simulate(store, seed)
        finally:
            with store.write() as connection:
                for table in reversed(metadata.sorted_tables):
                    connection.execute(delete(table))

    yield run
    store.close()
