"""Seal stored values anew with the active key, a piece at a time, while work goes on.

Nothing notes how far it has come: what is still under another key is what is left, so a killed run simply goes on. A
value that was changed or cleared meanwhile is left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, LargeBinary, String, cast, func, literal, select, update

from gateway.domain.errors import InputError, StoreError
from gateway.locale import tr
from gateway.operations.store.key_checks import retire_check
from gateway.operations.store.sealed_columns import SEALED, Sealed
from gateway.operations.store.tables import key_check
from gateway.store.engine import Store
from gateway.store.metadata import is_postgresql

_MOST = 200
"""values of one commit"""


@dataclass(kw_only=True)
class Resealed:
    """What a run did with one column."""

    resealed: int = 0
    moved: int = 0
    """changed or cleared by somebody else in the same moment"""
    closed: int = 0
    """does not open with any key of the ring"""


def usage(connection: Connection) -> dict[str, dict[str, int]]:
    """Column -> key -> how many values are sealed with it."""
    found: dict[str, dict[str, int]] = {}
    for column in SEALED:
        name = _key_name(connection, column)
        wanted = select(name, func.count()).where(_there(column)).group_by(name).order_by(name)
        found[column.name] = {row[0]: row[1] for row in connection.execute(wanted)}
    return found


def _there(column: Sealed) -> Any:
    return column.value.is_not(None) & (func.length(column.value) > 0)


def _key_name(connection: Connection, column: Sealed) -> Any:
    """The name in front of a value, as text."""
    colon = literal(b":", LargeBinary)
    if is_postgresql(connection):
        end = func.position(colon.op("IN")(column.value))
        return func.encode(func.substr(column.value, 1, end - 1), "escape")
    return cast(func.substr(column.value, 1, func.instr(column.value, colon) - 1), String)


def reseal(store: Store, progress: Callable[[int], None] = lambda _: None) -> dict[str, Resealed]:
    """Seal everything anew that is not under the active key; gives what was done by column."""
    found: dict[str, Resealed] = {}
    for column in SEALED:
        report = found[column.name] = Resealed()
        after: Any = None
        while True:
            last = _piece(store, column, after, report)
            if last is None:
                break
            after = last
            progress(_MOST)
    return found


def _piece(store: Store, column: Sealed, after: Any, report: Resealed) -> Any:
    """The next piece above the key ``after``; gives its last key, None at the end."""
    vault = store.vault
    prefix = f"{vault.ring.active}:".encode()
    other = func.substr(column.value, 1, len(prefix)) != literal(prefix, LargeBinary)
    wanted = column.rows().where(_there(column), other).order_by(column.key).limit(_MOST)
    with store.read() as connection:
        rows = connection.execute(wanted if after is None else wanted.where(column.key > after)).mappings().all()
    fresh = []
    for row in rows:
        place = column.place(dict(row))
        try:
            fresh.append(
                (row["sealed_key"], row["sealed_value"], vault.seal(vault.open(row["sealed_value"], place), place))
            )
        except StoreError:
            report.closed += 1
    if fresh:
        with store.write() as connection:
            for key, before, now in fresh:
                here = (column.key == key, column.value == before)
                done = connection.execute(update(column.table).where(*here).values({column.column: now})).rowcount
                report.resealed += done
                report.moved += 1 - done
    return rows[-1]["sealed_key"] if rows else None


def retire(connection: Connection, name: str, now: datetime) -> None:
    """Note that a key is no longer needed; InputError where a value is still sealed with it."""
    used = {column: names[name] for column, names in usage(connection).items() if names.get(name)}
    if used:
        told = ", ".join(f"{column} {count}" for column, count in used.items())
        raise InputError(tr("the key {name} is still needed: {told}; run `gateway keys reseal`", name=name, told=told))
    retire_check(connection, name, now)


def since(connection: Connection, name: str) -> datetime | None:
    """Since when a key is known to this store."""
    return connection.execute(select(key_check.c.since).where(key_check.c.name == name)).scalar()
