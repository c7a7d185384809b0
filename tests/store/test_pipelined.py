"""Statements sent without waiting for each: what they do, and how their errors are told."""

from __future__ import annotations

import pytest
from sqlalchemy import Executable, insert, select, text
from sqlalchemy.exc import IntegrityError

from gateway.domain.errors import StoreError
from gateway.store.engine import Collision, Store, open_engine
from gateway.store.pipelined import pipelined
from gateway.store.tables import platform
from gateway.store.vault import KeyRing, Vault


def names(store: Store) -> set[str]:
    with store.read() as connection:
        return set(connection.execute(select(platform.c.name)).scalars())


def test_what_is_sent_together_is_there_afterwards_in_its_order(store: Store) -> None:
    with store.write() as connection:
        with pipelined(connection):
            connection.execute(insert(platform), {"name": "a"})
            connection.execute(platform.update().where(platform.c.name == "a").values(name="b"))
        found = connection.execute(select(platform.c.name)).scalars().all()
    assert found == ["b"]
    assert names(store) == {"b"}


def send(store: Store, *statements: Executable) -> None:
    with store.write() as connection, pipelined(connection):
        for statement in statements:
            connection.execute(statement)


def adding(name: str) -> Executable:
    return insert(platform).values(name=name)


def test_an_error_inside_is_told_as_any_other_and_keeps_nothing(store: Store) -> None:
    with pytest.raises(IntegrityError):
        send(store, adding("a"), adding("a"), adding("b"))
    assert names(store) == set()
    send(store, adding("c"))
    assert names(store) == {"c"}


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DO $$ BEGIN RAISE EXCEPTION 'two at once' USING ERRCODE = '40001'; END $$", Collision),
        ("SELECT pg_terminate_backend(pg_backend_pid())", StoreError),
    ],
)
def test_a_collision_or_a_lost_server_inside_is_told_by_its_kind(
    postgres_url: str, statement: str, told: type[StoreError]
) -> None:
    engine = open_engine(postgres_url)
    store = Store(engine=engine, vault=Vault(KeyRing.generate()))
    with pytest.raises(StoreError) as caught:
        send(store, adding("a"), text(statement), adding("b"))
    assert type(caught.value) is told
    assert names(store) == set()
    store.close()
