"""Statements collected while a transaction reads: what they do at its end, and in how many steps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, event, select, update
from sqlalchemy.exc import IntegrityError

from gateway.delivery.store.tables import seat
from gateway.store.batch_sql import BoundStatement, BulkStatement, WriteSet, adding
from gateway.store.engine import Store

_SEATS = adding(seat, "platform", "door", "owner", "wanted", "granted", "until")
_OWNERS = BulkStatement(
    {"door": seat.c.door.type, "owner": seat.c.owner.type},
    lambda given: update(seat).where(seat.c.door == given["door"]).values(owner=given["owner"]),
)
_SHARED = {"platform": "p", "owner": "", "wanted": 1, "granted": 1, "until": datetime(2019, 4, 2, tzinfo=UTC)}


def named(*doors: str) -> BoundStatement:
    return _SEATS.bind([{"door": door} | _SHARED for door in doors])


def owners(store: Store) -> dict[str, str]:
    with store.read() as c:
        return {row.door: row.owner for row in c.execute(select(seat.c.door, seat.c.owner))}


def test_what_is_told_is_written_and_what_follows_sees_it(store: Store) -> None:
    with store.write() as c:
        named("old")(c)
    seen: list[Any] = []

    def follow(c: Connection) -> None:
        seen.extend(tuple(row) for row in c.execute(select(seat.c.door, seat.c.owner)))
        c.execute(update(seat).where(seat.c.door == "new").values(owner="followed"))

    with store.write() as c:
        WriteSet(independent=[named("new"), _OWNERS.bind([{"door": "old", "owner": "told"}])], then=[follow]).execute(c)
    assert sorted(seen) == [("new", ""), ("old", "told")]
    assert owners(store) == {"old": "told", "new": "followed"}


def test_an_error_in_any_of_it_keeps_nothing(store: Store) -> None:
    with pytest.raises(IntegrityError), store.write() as c:
        WriteSet(independent=[named("a"), named("b", "b")]).execute(c)
    assert owners(store) == {}
    with store.write() as c:
        WriteSet(independent=[named("c")]).execute(c)
    assert owners(store) == {"c": ""}


@pytest.mark.parametrize(("told", "steps"), [((), 0), (("a",), 1), (("a", "b", "c"), 1)])
def test_postgresql_is_told_in_one_step_and_of_nothing_not_at_all(
    store: Store, told: tuple[str, ...], steps: int
) -> None:
    executed: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        executed.append(statement)

    with store.write() as c:
        event.listen(c, "before_cursor_execute", note)
        WriteSet(independent=[named(name) for name in told] + [_OWNERS.bind([])]).execute(c)
    assert len(executed) == (steps if c.dialect.name == "postgresql" else len(told))
    assert set(owners(store)) == set(told)
