"""Checks that were made as rows: entered, approved by somebody else, published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select, update

from gateway.credit.rules.checks import SupervisionKind, SupervisionResult
from gateway.credit.store.case_tables import supervision_check
from gateway.credit.store.tables import ticket
from gateway.domain.ticket_kinds import TicketKind


@dataclass(frozen=True, kw_only=True)
class SupervisionCheck:
    """One check.

    of, object: ``enterprises``, ``cities`` or ``certificates``, and its key there (a city by its code)
    city:       code of the city that answers for the object, where it is known
    draw:       number of the draw that drew the object, for a random check
    """

    number: str
    kind: SupervisionKind
    of: str
    object: str
    city: str | None
    checked_on: date
    result: SupervisionResult
    finding: str
    document: str | None
    checkers: Sequence[str]
    draw: str | None
    entered_at: datetime
    entered_by: str
    approved_at: datetime | None = None
    approved_by: str | None = None
    published_at: datetime | None = None
    published_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class CheckFilter:
    """Which checks: absent parts do not restrict."""

    kind: SupervisionKind | None = None
    city: str | None = None
    since: date | None = None
    until: date | None = None
    approved: bool | None = None
    published: bool | None = None


def add(connection: Connection, check: SupervisionCheck) -> None:
    """Keep a check."""
    values = {name: getattr(check, name) for name in SupervisionCheck.__dataclass_fields__}
    connection.execute(insert(supervision_check).values({**values, "checkers": list(check.checkers)}))


def of_number(connection: Connection, number: str) -> SupervisionCheck | None:
    """The check of that number."""
    row = connection.execute(select(supervision_check).where(supervision_check.c.number == number)).mappings().first()
    return None if row is None else _to_check(dict(row))


def listed(connection: Connection, wanted: CheckFilter, limit: int | None = None) -> list[SupervisionCheck]:
    """The checks wanted, the newest first."""
    column = supervision_check.c
    where: list[ColumnElement[bool]] = []
    if wanted.kind is not None:
        where.append(column.kind == wanted.kind)
    if wanted.city is not None:
        where.append(column.city == wanted.city)
    if wanted.since is not None:
        where.append(column.checked_on >= wanted.since)
    if wanted.until is not None:
        where.append(column.checked_on <= wanted.until)
    for given, moment in ((wanted.approved, column.approved_at), (wanted.published, column.published_at)):
        if given is not None:
            where.append(moment.is_not(None) if given else moment.is_(None))
    newest = select(supervision_check).where(*where).order_by(column.checked_on.desc(), column.number.desc())
    return [_to_check(dict(row)) for row in connection.execute(newest.limit(limit)).mappings()]


def approve(connection: Connection, number: str, *, by: str, now: datetime) -> bool:
    """Approve a check that is not; False where it is, or there is none."""
    here = (supervision_check.c.number == number, supervision_check.c.approved_at.is_(None))
    values = {"approved_at": now, "approved_by": by}
    return bool(connection.execute(update(supervision_check).where(*here).values(values)).rowcount)


def publish(connection: Connection, numbers: Sequence[str], *, by: str, now: datetime) -> int:
    """Note that approved checks were published, for those of which it is not noted; gives how many."""
    here = (
        supervision_check.c.number.in_(numbers),
        supervision_check.c.approved_at.is_not(None),
        supervision_check.c.published_at.is_(None),
    )
    values = {"published_at": now, "published_by": by}
    return connection.execute(update(supervision_check).where(*here).values(values)).rowcount


def open_ticket(connection: Connection, platform: str, name: str) -> str | None:
    """The number of the open ticket by which a drawn object was given to a person."""
    found: str | None = connection.execute(
        select(ticket.c.number).where(
            ticket.c.platform == platform,
            ticket.c.record_id == name,
            ticket.c.kind == TicketKind.CHECK,
            ticket.c.closed_at.is_(None),
        )
    ).scalar()
    return found


def _to_check(row: dict[str, Any]) -> SupervisionCheck:
    kind, result = SupervisionKind(row.pop("kind")), SupervisionResult(row.pop("result"))
    return SupervisionCheck(**row, kind=kind, result=result)
