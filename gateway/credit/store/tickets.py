"""Tickets as rows: listed, closed by a person and never reopened; what a person ruled about a record is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from gateway.codec.redact import clean
from gateway.credit.rules.statements import AckCode
from gateway.credit.store.case_tables import credit_ruling
from gateway.credit.store.histories import apply_events
from gateway.credit.store.tables import credit_event, ticket
from gateway.credit.store.void import follow
from gateway.domain.errors import InputError
from gateway.domain.ticket_kinds import TicketKind
from gateway.locale import tr
from gateway.store.audit import note
from gateway.store.scope import Scope


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """One ticket. ``record_id`` is the platform's, or the name of what else it is about."""

    number: str
    platform: str
    record_id: str
    kind: TicketKind
    event_id: str | None
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    act: str | None
    note: str | None


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which tickets: open ones unless ``closed`` too."""

    platform: str | None = None
    kind: TicketKind | None = None
    closed: bool = False


def listed(connection: Connection, wanted: Filter, limit: int) -> tuple[int, list[Ticket]]:
    """How many there are, and the oldest of them."""
    where = []
    if wanted.platform is not None:
        where.append(ticket.c.platform == wanted.platform)
    if wanted.kind is not None:
        where.append(ticket.c.kind == wanted.kind)
    if not wanted.closed:
        where.append(ticket.c.closed_at.is_(None))
    total = connection.execute(select(func.count()).select_from(ticket).where(*where)).scalar_one()
    rows = connection.execute(select(ticket).where(*where).order_by(ticket.c.opened_at, ticket.c.number).limit(limit))
    return total, [_to_ticket(row._mapping) for row in rows]


def by_number(connection: Connection, number: str) -> Ticket | None:
    """The ticket of that number."""
    row = connection.execute(select(ticket).where(ticket.c.number == number)).first()
    return None if row is None else _to_ticket(row._mapping)


_SHORTEST = 4
"""characters of a number's beginning by which a ticket may be named"""


def find(connection: Connection, text: str) -> Ticket | None:
    """The ticket of that number, or the only one whose number begins or ends so; InputError where several do.

    Lists show the end of a number: numbers made at the same time begin alike.
    """
    number = text.strip().upper()
    found = by_number(connection, number)
    if found is not None or len(number) < _SHORTEST:
        return found
    begins, ends = (ticket.c.number.startswith, ticket.c.number.endswith)
    alike = or_(begins(number, autoescape=True), ends(number, autoescape=True))
    rows = connection.execute(select(ticket).where(alike).limit(2)).all()
    if len(rows) > 1:
        raise InputError(tr("several tickets begin or end with {number}: give more of the number", number=number))
    return _to_ticket(rows[0]._mapping) if rows else None


def close(scope: Scope, number: str, *, act: str, reason: str, by: str) -> bool:
    """Close an open ticket and write the audit trail; False where it was not open."""
    changed = scope.connection.execute(
        update(ticket)
        .where(ticket.c.number == number, ticket.c.closed_at.is_(None))
        .values(closed_at=scope.at, closed_by=by, act=act, note=None if reason is None else clean(reason))
    ).rowcount
    if changed:
        note(
            scope.connection, at=scope.at, actor=by, action="ticket", subject=number, reason=reason, detail={"act": act}
        )
    return bool(changed)


def rule(scope: Scope, record_id: str, key: str | None, *, number: str, by: str) -> None:
    """Keep whom a person found the record to be about (None: nobody we hold), and judge the record again."""
    scope.connection.execute(
        update(credit_ruling)
        .where(
            credit_ruling.c.platform == scope.platform,
            credit_ruling.c.record_id == record_id,
            credit_ruling.c.sys_to.is_(None),
        )
        .values(sys_to=scope.at)
    )
    values = {"platform": scope.platform, "record_id": record_id, "key": key, "sys_from": scope.at}
    scope.connection.execute(insert(credit_ruling).values({**values, "actor": by, "ticket": number}))
    follow(scope, apply_events(scope, [], [record_id]), [(scope.platform, record_id)])


def suspected(connection: Connection, about: Ticket) -> str | None:
    """Our key of the subject that the ticket's event was compared with."""
    key: str | None = connection.execute(
        select(credit_event.c.subject_key)
        .where(
            credit_event.c.platform == about.platform,
            credit_event.c.record_id == about.record_id,
            credit_event.c.subject_key.is_not(None),
        )
        .order_by(credit_event.c.version.desc(), credit_event.c.id.desc())
        .limit(1)
    ).scalar()
    return key


def prefer(scope: Scope, about: Ticket, *, other: bool) -> bool:
    """Prefer one of the events under the version of a fork; False where there is no other one.

    other: the event that came later and is not in force
    """
    forked = scope.connection.execute(
        select(credit_event.c.version).where(
            credit_event.c.platform == scope.platform,
            credit_event.c.record_id == about.record_id,
            credit_event.c.event_id == about.event_id,
            credit_event.c.outcome == AckCode.VERSION_FORK,
        )
    ).scalar()
    rows = scope.connection.execute(
        select(credit_event.c.id, credit_event.c.outcome, credit_event.c.event_id)
        .where(
            credit_event.c.platform == scope.platform,
            credit_event.c.record_id == about.record_id,
            credit_event.c.version == forked,
            ~credit_event.c.local,
            ~credit_event.c.flawed,
        )
        .order_by(credit_event.c.id)
    ).all()
    if len(rows) < 2:
        return not other
    chosen = next((row.id for row in rows[1:] if row.event_id == about.event_id), rows[-1].id) if other else rows[0].id
    every = [row.id for row in rows]
    scope.connection.execute(update(credit_event).where(credit_event.c.id.in_(every)).values(preferred=False))
    scope.connection.execute(update(credit_event).where(credit_event.c.id == chosen).values(preferred=True))
    follow(scope, apply_events(scope, [], [about.record_id]), [(scope.platform, about.record_id)])
    return True


def event_row(connection: Connection, about: Ticket) -> Mapping[str, Any] | None:
    """The event that a ticket was opened for, with its sealed payload."""
    row = (
        connection.execute(
            select(credit_event)
            .where(credit_event.c.platform == about.platform, credit_event.c.event_id == about.event_id)
            .order_by(credit_event.c.id)
            .limit(1)
        )
        .mappings()
        .first()
    )
    return None if row is None else dict(row)


def _to_ticket(row: Mapping[Any, Any]) -> Ticket:
    values = {name: row[name] for name in Ticket.__dataclass_fields__}
    return Ticket(**{**values, "kind": TicketKind(row["kind"])})
