"""The audit trail, read: who did or read what, about whom, and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from gateway.delivery.store.tables import delivery
from gateway.store.audit import original_place
from gateway.store.tables import audit, record
from gateway.store.vault import Vault

_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """What is wanted of the trail; nothing given is everything. ``person``: a person_key."""

    person: str | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def entries(connection: Connection, wanted: AuditFilter) -> Iterator[dict[str, Any]]:
    """Rows of the trail, the newest first."""
    query = select(audit).order_by(audit.c.id.desc())
    for column, value in ((audit.c.actor, wanted.actor), (audit.c.action, wanted.action)):
        query = query if value is None else query.where(column == value)
    if wanted.since is not None:
        query = query.where(audit.c.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(audit.c.at < wanted.until)
    theirs = None if wanted.person is None else _of_person(connection, wanted.person)
    below: int | None = None
    while True:
        part = connection.execute((query if below is None else query.where(audit.c.id < below)).limit(_AT_ONCE))
        rows = part.mappings().all()
        yield from (_shown(row) for row in rows if theirs is None or _is_about(row, *theirs))
        if not rows:
            return
        below = rows[-1]["id"]


def _shown(row: Any) -> dict[str, Any]:
    """A row; ``masked``: what was typed is sealed beside it."""
    shown = {name: value for name, value in row.items() if name != "original"}
    return {**shown, "masked": row["original"] is not None}


def original(connection: Connection, vault: Vault, number: int) -> str | None:
    """The reason of a row as it was typed; None where there is no such row, or no reason."""
    row = connection.execute(select(audit).where(audit.c.id == number)).mappings().first()
    if row is None or row["original"] is None:
        return None if row is None else row["reason"]
    return vault.open(row["original"], original_place(dict(row))).decode("utf-8", "surrogatepass")


def _of_person(connection: Connection, person: str) -> tuple[set[str], set[int]]:
    """Keys and deliveries of a person."""
    keys = set(connection.execute(select(record.c.key).where(record.c.person_key == person).distinct()).scalars())
    ids = connection.execute(select(delivery.c.id).where(delivery.c.person_key == person)).scalars()
    return keys | {person}, set(ids)


def _is_about(row: Any, keys: set[str], deliveries: set[int]) -> bool:
    """Whether a row names the person, a record or a delivery of theirs, or everything there is."""
    words = set(row["object"].replace("/", " ").split())
    if words & keys or "everything" in words:
        return True
    if "delivery" in words and any(word.isdigit() and int(word) in deliveries for word in words):
        return True
    return _holds(row["detail"], keys, deliveries)


def _holds(value: Any, keys: set[str], deliveries: set[int], name: str = "") -> bool:
    if isinstance(value, dict):
        return any(_holds(inner, keys, deliveries, str(key)) for key, inner in value.items())
    if isinstance(value, list):
        return any(_holds(inner, keys, deliveries, name) for inner in value)
    return value in keys if isinstance(value, str) else name == "deliveries" and value in deliveries


def names_in(connection: Connection, column: str) -> set[str]:
    """Every name that stands in a column of the trail (``actor``, ``action``)."""
    return set(connection.execute(select(audit.c[column]).distinct()).scalars())
