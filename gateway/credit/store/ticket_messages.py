"""Tickets that a platform was told of: the message, its number there, and how it stands on the platform's own list."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, and_, exists, insert, or_, select, update

from gateway.contract.desk import ConflictState
from gateway.credit.store.case_tables import told_ticket
from gateway.credit.store.tables import credit_event, ticket
from gateway.delivery.rules.work import storable
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.metadata import chunks
from gateway.store.vault import Vault

CLOSED = "CLOSED"


@dataclass(frozen=True, kw_only=True)
class Untold:
    """A ticket that the platform has no number for yet; ``event_id`` where the event is the platform's own."""

    number: str
    kind: TicketKind
    record_id: str
    event_id: str | None


@dataclass(frozen=True, kw_only=True)
class Told:
    """How a ticket of ours stands at the platform. ``code``: why it was not taken, or what was last said instead."""

    number: str | None
    status: str | None
    code: str | None
    outcome: str | None = field(repr=False)


def untold(connection: Connection, platform: str, kinds: Collection[TicketKind], limit: int) -> list[Untold]:
    """Open tickets of these kinds that are still to be told, the oldest first."""
    ours = exists().where(
        credit_event.c.platform == ticket.c.platform, credit_event.c.event_id == ticket.c.event_id, credit_event.c.local
    )
    told = told_ticket
    rows = connection.execute(
        select(ticket, ours.label("ours"))
        .outerjoin(told, told.c.ticket == ticket.c.number)
        .where(
            ticket.c.platform == platform,
            ticket.c.closed_at.is_(None),
            ticket.c.kind.in_([str(kind) for kind in kinds]),
            or_(told.c.ticket.is_(None), and_(told.c.number.is_(None), told.c.code.is_(None))),
        )
        .order_by(ticket.c.opened_at, ticket.c.number)
        .limit(limit)
    )
    return [
        Untold(
            number=row.number,
            kind=TicketKind(row.kind),
            record_id=row.record_id,
            event_id=None if row.ours else row.event_id,
        )
        for row in rows
    ]


def trying(
    connection: Connection, platform: str, about: Untold, new_id: Callable[[], str], now: datetime
) -> tuple[str, datetime]:
    """The message that tells of a ticket, and when it was first sent; written down before it is."""
    held = connection.execute(
        select(told_ticket.c.message_id, told_ticket.c.tried_at).where(told_ticket.c.ticket == about.number)
    ).first()
    if held is not None:
        return held.message_id, held.tried_at
    message_id = new_id()
    values = {"ticket": about.number, "platform": platform, "message_id": message_id, "tried_at": now}
    connection.execute(insert(told_ticket).values(values))
    return message_id, now


def taken(connection: Connection, about: Untold, number: str, *, now: datetime, ask_at: datetime) -> None:
    """Note the platform's number."""
    values = {"number": number[:64], "code": None, "status": "OPEN", "taken_at": now, "ask_at": ask_at}
    connection.execute(update(told_ticket).where(told_ticket.c.ticket == about.number).values(values))


def not_taken(connection: Connection, about: Untold, code: str, now: datetime) -> None:
    """Note that the platform would not take it, or that nobody can tell; it is not sent again."""
    connection.execute(
        update(told_ticket)
        .where(told_ticket.c.ticket == about.number, told_ticket.c.number.is_(None))
        .values(code=storable(code, 80), ended_at=now)
    )


def to_ask(connection: Connection, platform: str, now: datetime, limit: int) -> list[str]:
    """The platform's numbers of tickets that are open on both sides and due to be asked about."""
    rows = connection.execute(
        select(told_ticket.c.number)
        .join(ticket, ticket.c.number == told_ticket.c.ticket)
        .where(
            told_ticket.c.platform == platform,
            told_ticket.c.ended_at.is_(None),
            told_ticket.c.ask_at <= now,
            ticket.c.closed_at.is_(None),
        )
        .order_by(told_ticket.c.ask_at)
        .limit(limit)
    )
    return [row.number for row in rows]


def answered(
    connection: Connection, vault: Vault, platform: str, state: ConflictState, *, now: datetime, ask_at: datetime
) -> None:
    """Note how a ticket stands at the platform."""
    outcome = None if state.outcome is None else vault.seal(state.outcome.encode(), _place(platform, state.number))
    connection.execute(
        update(told_ticket)
        .where(told_ticket.c.platform == platform, told_ticket.c.number == state.number)
        .values(
            status=storable(state.status, 16),
            outcome=outcome,
            code=None,
            ask_at=ask_at,
            ended_at=now if state.closed else None,
        )
    )


def not_answered(connection: Connection, platform: str, number: str, code: str, ask_at: datetime) -> None:
    """Note that asking gave no state; it is asked again."""
    connection.execute(
        update(told_ticket)
        .where(told_ticket.c.platform == platform, told_ticket.c.number == number)
        .values(code=storable(code, 80), ask_at=ask_at)
    )


def of(connection: Connection, vault: Vault, numbers: Collection[str]) -> dict[str, Told]:
    """How tickets stand at the platform, by our number."""
    found: dict[str, Told] = {}
    for part in chunks(numbers):
        for row in connection.execute(select(told_ticket).where(told_ticket.c.ticket.in_(part))):
            sealed = row.outcome
            outcome = None if sealed is None else vault.open(sealed, _place(row.platform, row.number)).decode()
            found[row.ticket] = Told(number=row.number, status=row.status, code=row.code, outcome=outcome)
    return found


def _place(platform: str, number: str) -> str:
    return f"told_ticket.outcome:{platform}/{number}"
