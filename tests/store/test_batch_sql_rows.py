"""Many rows in one statement: what goes in comes back, and rows are found by their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import event, insert, select, update

from gateway.credit.store.tables import inbox
from gateway.delivery.store.tables import verdict
from gateway.store.batch_sql import BulkStatement, adding, next_ids
from gateway.store.engine import Store
from gateway.store.tables import audit

CHINA = timezone(timedelta(hours=8))
AT = datetime(2019, 4, 2, 9, 30, 0, 120, tzinfo=CHINA)
ADD = adding(audit, *(column.name for column in audit.c))
ADD_BYTES = adding(inbox, "id", "platform", "exchange_id", "received_at", "digest", "raw", "cursor_after")


def row(number: int, **changes: Any) -> dict[str, Any]:
    whole = {"id": number, "at": AT, "actor": "x", "action": "a", "object": "o", "reason": None, "detail": {}}
    return whole | {"original": None} | changes


def kept(store: Store) -> list[Mapping[str, Any]]:
    with store.read() as c:
        return [dict(found) for found in c.execute(select(audit).order_by(audit.c.id)).mappings()]


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "quotes ' \" and \\ and\nlines\tand 王小明 and 😀"},
        {"detail": {"k": [1, None, {"名": "值"}]}},
        {"at": datetime(2019, 4, 2, tzinfo=UTC)},
        {"at": datetime(2019, 4, 2, 1, 2, 3, 999_999, tzinfo=UTC)},
        {"original": b"\0sealed\xff"},
    ],
)
def test_values_come_back_as_they_went_in(store: Store, changes: dict[str, Any]) -> None:
    with store.write() as c:
        ADD(c, [row(1, **changes), row(2)])
    assert kept(store) == [row(1, **changes), row(2)]


@pytest.mark.parametrize("offset", [timedelta(hours=-15, minutes=-59), timedelta(hours=23, minutes=59)])
@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), AT, datetime.max.replace(tzinfo=UTC)])
def test_a_moment_at_the_ends_of_time_is_kept_as_by_any_other_statement(
    store: Store, at: datetime, offset: timedelta
) -> None:
    at = at.replace(tzinfo=timezone(offset))
    with store.write() as c:
        ADD(c, [row(1, at=at)])
        c.execute(insert(audit), row(2, at=at))
    first, second = kept(store)
    assert first["at"] == second["at"]


def test_a_moment_without_zone_is_refused(store: Store) -> None:
    with store.write() as c, pytest.raises(ValueError, match="without zone"):
        ADD(c, [row(1, at=AT.replace(tzinfo=None))])


def test_bytes_travel_beside_the_rows(store: Store) -> None:
    bodies: Sequence[bytes] = [b"", bytes(range(256)), b"\0", b"x" * 70_000]
    with store.write() as c:
        if store.engine.dialect.name == "sqlite":
            c.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        else:
            c.exec_driver_sql("SET session_replication_role = replica")
        rows = [
            {
                "id": n,
                "platform": "p",
                "exchange_id": 1,
                "received_at": AT,
                "digest": str(n),
                "raw": body,
                "cursor_after": "",
            }
            for n, body in enumerate(bodies)
        ]
        ADD_BYTES(c, rows)
        assert c.execute(select(inbox.c.raw).order_by(inbox.c.id)).scalars().all() == bodies
        c.rollback()


def test_one_statement_writes_any_number_of_rows(store: Store) -> None:
    seen: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    with store.write() as c:
        ADD(c, [row(1)])
        ADD(c, [row(n) for n in range(2, 2000)])
    inserts = [statement for statement in seen if statement.startswith("INSERT")]
    assert len(inserts) == 2
    assert len(set(inserts)) == 1
    assert len(kept(store)) == 1999


def test_an_update_finds_its_rows_by_their_key(store: Store) -> None:
    change = BulkStatement(
        {"id": audit.c.id.type, "reason": audit.c.reason.type},
        lambda given: update(audit).where(audit.c.id == given["id"]).values(reason=given["reason"]),
    )
    with store.write() as c:
        ADD(c, [row(n) for n in range(1, 6)])
        assert change(c, [{"id": 2, "reason": "two"}, {"id": 4, "reason": None}]).rowcount == 2
    assert [found["reason"] for found in kept(store)] == [None, "two", None, None, None]
    if store.engine.dialect.name == "sqlite":
        with store.read() as c:
            made = change._made["sqlite"]
            plan = c.exec_driver_sql("EXPLAIN QUERY PLAN " + made.text, made.parameters([{"id": 1, "reason": ""}]))
            assert any("SEARCH audit USING INTEGER PRIMARY KEY" in line.detail for line in plan)


def test_fresh_ids_follow_those_that_are_taken(store: Store) -> None:
    with store.write() as c:
        first = list(next_ids(c, {"audit": 3, "verdict": 2})["audit"])
        ADD(c, [row(number) for number in first])
        ids = next_ids(c, {"audit": 2, "verdict": 1})
    assert len(set(first)) == 3
    assert min(ids["audit"]) > max(first)
    assert len(list(ids["verdict"])) == 1
    assert verdict.name == "verdict"
