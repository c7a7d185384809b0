"""Read and lock what a commit rests on: the platform's row, the deliveries' fences and states, and fresh row ids.

On PostgreSQL all of it is one statement; SQLite has one writer, so its transaction is the lock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from gateway.delivery.store.tables import delivery, platform
from gateway.domain.states import State
from gateway.store.batch_sql import BulkStatement, as_parts, drawn_ids, ids_of, next_ids
from gateway.store.metadata import Moment

Fences = Mapping[int, tuple[int, State]]
"""fence and state of deliveries by id"""


@dataclass(frozen=True, kw_only=True)
class LockedRows:
    """What stood at the beginning of a transaction; the deliveries stay locked until its end."""

    platform: Mapping[str, Any]
    """its row; empty where it has none"""
    held: Fences
    ids: Mapping[str, Iterator[int]] = field(default_factory=dict)


def lock_rows(connection: Connection, name: str, carried: Sequence[int], wanted: Mapping[str, int]) -> LockedRows:
    """Read all of it, on PostgreSQL in one statement.

    ``carried`` are ids of deliveries; ``wanted`` says how many ids are needed for which tables.
    """
    wanted = {table: count for table, count in wanted.items() if count}
    if connection.dialect.name == "sqlite":
        row, held = platform_row(connection, name), lock_fences(connection, carried)
        return LockedRows(platform=row, held=held, ids=next_ids(connection, wanted) if wanted else {})
    parts, given = as_parts(
        [_ROW.compiled(connection, [{"name": name}]), _CURRENT.compiled(connection, _ordered(carried))]
    )
    columns = ", ".join([_SEEN_ROW, _SEEN_HELD, *drawn_ids(wanted)])
    found = connection.exec_driver_sql(f"WITH {parts} SELECT {columns}", given | wanted).one()
    return LockedRows(platform=_to_row(found[0] or {}), held=_to_held(found[1] or ()), ids=ids_of(wanted, found[2:]))


_SEEN_ROW = "(SELECT row_to_json(p) FROM part_0 p)"
_SEEN_HELD = "(SELECT json_agg(json_build_array(d.id, d.fence, d.state)) FROM part_1 d)"
_BY_NAME = select(platform).where(platform.c.name == bindparam("b_name"))
_LOCKED = _BY_NAME.with_for_update()
_ROW = BulkStatement(
    {"name": platform.c.name.type}, lambda given: select(platform).where(platform.c.name == given["name"])
)


def platform_row(connection: Connection, name: str, *, lock: bool = False) -> Mapping[str, Any]:
    """A platform's row; empty where it has none."""
    row = connection.execute(_LOCKED if lock else _BY_NAME, {"b_name": name}).mappings().first()
    return {} if row is None else dict(row)


def lock_fences(connection: Connection, ids: Iterable[int]) -> Fences:
    """Fence and state of deliveries as they stand now, locked until the end of the transaction."""
    asked = _ordered(ids)
    if not asked:
        return {}
    if connection.dialect.name == "sqlite":
        return _to_held(json.loads(_CURRENT_IN_ONE(connection, asked).scalar_one()))
    return _to_held(_CURRENT(connection, asked))


_HELD = (delivery.c.id, delivery.c.fence, delivery.c.state)
_CURRENT = BulkStatement(
    {"id": delivery.c.id.type},
    lambda given: (
        select(*_HELD).where(delivery.c.id.in_(select(given["id"]))).order_by(delivery.c.id).with_for_update()
    ),
)
_CURRENT_IN_ONE = BulkStatement(
    {"id": delivery.c.id.type},
    lambda given: select(func.json_group_array(func.json_array(*_HELD))).where(delivery.c.id == given["id"]),
)


def _to_row(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: datetime.fromisoformat(v) if v and name in _MOMENTS else v for name, v in document.items()}


_MOMENTS = frozenset(name for name, column in platform.c.items() if isinstance(column.type, Moment))


def _ordered(ids: Iterable[int]) -> list[dict[str, int]]:
    # always locked in this order, so that two transactions cannot wait for each other
    return [{"id": number} for number in sorted(ids)]


def _to_held(rows: Iterable[Any]) -> Fences:
    return {number: (fence, State(state)) for number, fence, state in rows}
