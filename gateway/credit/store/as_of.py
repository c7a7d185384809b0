"""Bitemporal queries of the archive (in force when, as known when), and what left us on the ground of a statement."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, or_, select

from gateway.credit.rules.statements import Statement
from gateway.credit.store.case_tables import credit_reliance, credit_succession
from gateway.credit.store.events import payload_place, to_statement
from gateway.credit.store.subjects import ENTERPRISE
from gateway.credit.store.tables import credit_event, credit_link, credit_version
from gateway.credit.store.void import rely
from gateway.store.metadata import chunks
from gateway.store.scope import Scope
from gateway.store.vault import Vault


@dataclass(frozen=True, kw_only=True)
class Believed:
    """A statement about a subject's record with the span in which it was believed."""

    platform: str
    record_id: str
    version_id: int
    statement: Statement
    match: str
    sys_from: datetime
    sys_to: datetime | None


def as_of(connection: Connection, kind: str, key: str, valid_at: datetime, known_at: datetime) -> list[Believed]:
    """What the archive believed at ``known_at`` to hold of a subject at ``valid_at``.

    The answer for a ``known_at`` in the past never changes (P2).
    """
    version, link = credit_version, credit_link
    same = and_(version.c.platform == link.c.platform, version.c.record_id == link.c.record_id)
    rows = connection.execute(
        select(version, link.c.match)
        .join(link, same)
        .where(
            link.c.kind == kind,
            link.c.key.in_(_with_predecessors(connection, kind, key, known_at)),
            *_recorded(link, known_at),
            *_recorded(version, known_at),
            version.c.valid_from <= valid_at,
            or_(version.c.valid_to.is_(None), version.c.valid_to > valid_at),
        )
        .order_by(version.c.platform, version.c.record_id)
    ).mappings()
    return [_believed(row) for row in rows]


def history(connection: Connection, kind: str, key: str) -> list[Believed]:
    """Every statement ever believed about the records that are a subject's now, in the order of belief."""
    version, link = credit_version, credit_link
    same = and_(version.c.platform == link.c.platform, version.c.record_id == link.c.record_id)
    rows = connection.execute(
        select(version, link.c.match)
        .join(link, same)
        .where(link.c.kind == kind, link.c.key == key, link.c.sys_to.is_(None))
        .order_by(version.c.platform, version.c.record_id, version.c.sys_from, version.c.valid_from)
    ).mappings()
    return [_believed(row) for row in rows]


@dataclass(frozen=True, kw_only=True)
class Content:
    """What the event behind a statement says, opened. Memory only."""

    plain: Mapping[str, Any] = field(repr=False)


def contents(connection: Connection, vault: Vault, version_ids: Collection[int]) -> dict[int, Content]:
    """The opened contents of statements by row; those whose content was cleared are left out."""
    found: dict[int, Content] = {}
    for part in chunks(version_ids):
        rows = connection.execute(
            select(
                credit_version.c.id,
                credit_event.c.platform,
                credit_event.c.event_id,
                credit_event.c.digest,
                credit_event.c.payload,
            )
            .join(credit_event, credit_event.c.id == credit_version.c.content_id)
            .where(credit_version.c.id.in_(part), credit_event.c.payload.is_not(None))
        )
        for row in rows:
            opened = vault.open(row.payload, payload_place(row.platform, row.event_id, row.digest))
            found[row.id] = Content(plain=json.loads(opened))
    return found


def relied(connection: Connection, *, purpose: str | None = None, limit: int = 500) -> list[dict[str, Any]]:
    """What left the house on the ground of a statement that is no longer believed, the newest first."""
    query = (
        select(
            credit_reliance.c.at,
            credit_reliance.c.purpose,
            credit_reliance.c.recipient,
            credit_reliance.c.reference,
            credit_version.c.platform,
            credit_version.c.record_id,
            credit_version.c.sys_to.label("superseded_at"),
        )
        .join(credit_version, credit_version.c.id == credit_reliance.c.version_id)
        .where(credit_version.c.sys_to.is_not(None))
        .order_by(credit_reliance.c.id.desc())
        .limit(limit)
    )
    if purpose is not None:
        query = query.where(credit_reliance.c.purpose == purpose)
    return [dict(row) for row in connection.execute(query).mappings()]


def shared(connection: Connection, purpose: str, recipient: str) -> dict[tuple[str, str], int | None]:
    """Platform and record of what a recipient got, with the statement last given; None once it was taken back."""
    rows = connection.execute(
        select(
            credit_version.c.platform,
            credit_version.c.record_id,
            credit_reliance.c.version_id,
            credit_reliance.c.reference,
        )
        .join(credit_version, credit_version.c.id == credit_reliance.c.version_id)
        .where(credit_reliance.c.purpose == purpose, credit_reliance.c.recipient == recipient)
        .order_by(credit_reliance.c.id)
    )
    return {
        (row.platform, row.record_id): None if row.reference.startswith(_TAKEN_BACK) else row.version_id for row in rows
    }


def take_back(scope: Scope, purpose: str, recipient: str, version_ids: Iterable[int | None], actor: str) -> None:
    """Write down that a recipient was told not to use these statements any longer."""
    gone = [number for number in version_ids if number is not None]
    rely(scope, purpose, (recipient, _TAKEN_BACK + scope.at.isoformat()), gone, actor)


_TAKEN_BACK = "taken back "


def _with_predecessors(connection: Connection, kind: str, key: str, known_at: datetime) -> list[str]:
    keys, asked = [key], [key] if kind == ENTERPRISE else []
    while asked:
        rows = connection.execute(
            select(credit_succession.c.predecessor).where(
                credit_succession.c.successor.in_(asked), *_recorded(credit_succession, known_at)
            )
        ).scalars()
        asked = [predecessor for predecessor in dict.fromkeys(rows) if predecessor not in keys]
        keys += asked
    return keys


def _recorded(table: Table, at: datetime) -> tuple[ColumnElement[bool], ...]:
    return table.c.sys_from <= at, or_(table.c.sys_to.is_(None), table.c.sys_to > at)


def _believed(row: Mapping[Any, Any]) -> Believed:
    return Believed(
        platform=row["platform"],
        record_id=row["record_id"],
        version_id=row["id"],
        statement=to_statement(row, {row["event_id"]: "", row["content_id"]: ""}),
        match=row["match"],
        sys_from=row["sys_from"],
        sys_to=row["sys_to"],
    )
