"""Tickets of ours that are reported to a platform: the message, its number there, and how it stands there."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, exists, insert, or_, select, update

from gateway.contract.desk import ConflictState
from gateway.credit.store.case_tables import told_ticket
from gateway.credit.store.streams import lock_feed
from gateway.credit.store.tables import credit_event, ticket
from gateway.delivery.rules.work import storable
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.metadata import chunks
from gateway.store.scope import Scope
from gateway.store.vault import Vault

CLOSED = "CLOSED"


@dataclass(frozen=True, kw_only=True)
class UnsentTicket:
    """A ticket that the platform has no number for yet; ``event_id`` where the event is the platform's own."""

    number: str
    kind: TicketKind
    record_id: str
    event_id: str | None


@dataclass(frozen=True, kw_only=True)
class PlatformTicket:
    """How a ticket of ours stands at the platform. ``code``: why it was not taken, or the answer it gave."""

    number: str | None
    status: str | None
    code: str | None
    outcome: str | None = field(repr=False)


def unsent(scope: Scope, kinds: Collection[TicketKind], limit: int) -> list[UnsentTicket]:
    """Open tickets of these kinds that are still to be reported, the oldest first."""
    ours = exists().where(
        credit_event.c.platform == ticket.c.platform, credit_event.c.event_id == ticket.c.event_id, credit_event.c.local
    )
    sent = told_ticket
    rows = scope.connection.execute(
        select(ticket, ours.label("ours"))
        .outerjoin(sent, sent.c.ticket == ticket.c.number)
        .where(
            ticket.c.platform == scope.platform,
            ticket.c.closed_at.is_(None),
            ticket.c.kind.in_([str(kind) for kind in kinds]),
            or_(sent.c.ticket.is_(None), and_(sent.c.number.is_(None), sent.c.code.is_(None))),
        )
        .order_by(ticket.c.opened_at, ticket.c.number)
        .limit(limit)
    )
    return [
        UnsentTicket(
            number=row.number,
            kind=TicketKind(row.kind),
            record_id=row.record_id,
            event_id=None if row.ours else row.event_id,
        )
        for row in rows
    ]


def begin_sending(scope: Scope, about: UnsentTicket, new_id: Callable[[], str]) -> tuple[str, datetime]:
    """The id of the message that reports a ticket, and when it was first sent; written down before it is."""
    at = scope.at
    lock_feed(scope)  # two that find the same ticket at once send it once
    held = scope.connection.execute(
        select(told_ticket.c.message_id, told_ticket.c.tried_at).where(told_ticket.c.ticket == about.number)
    ).first()
    if held is not None:
        return held.message_id, held.tried_at
    message_id = new_id()
    values = {"ticket": about.number, "platform": scope.platform, "message_id": message_id, "tried_at": at}
    scope.connection.execute(insert(told_ticket).values(values))
    return message_id, at


def mark_taken(scope: Scope, about: UnsentTicket, number: str, asking: timedelta) -> None:
    """Note the platform's number; ``asking``: after how long the platform is asked how it stands."""
    values = {"number": number[:64], "code": None, "status": "OPEN", "taken_at": scope.at, "ask_at": scope.at + asking}
    scope.connection.execute(update(told_ticket).where(told_ticket.c.ticket == about.number).values(values))


def mark_not_taken(scope: Scope, about: UnsentTicket, code: str) -> None:
    """Note that the platform would not take it, or that nobody can tell; it is not sent again."""
    scope.connection.execute(
        update(told_ticket)
        .where(told_ticket.c.ticket == about.number, told_ticket.c.number.is_(None))
        .values(code=storable(code, 80), ended_at=scope.at)
    )


def to_ask(scope: Scope, limit: int) -> list[str]:
    """The platform's numbers of tickets that are open on both sides and due to be asked about."""
    rows = scope.connection.execute(
        select(told_ticket.c.number)
        .join(ticket, ticket.c.number == told_ticket.c.ticket)
        .where(
            told_ticket.c.platform == scope.platform,
            told_ticket.c.ended_at.is_(None),
            told_ticket.c.ask_at <= scope.at,
            ticket.c.closed_at.is_(None),
        )
        .order_by(told_ticket.c.ask_at)
        .limit(limit)
    )
    return [row.number for row in rows]


def keep_state(scope: Scope, number: str, answer: ConflictState | str, asking: timedelta) -> None:
    """Note how a ticket stands at the platform, or the code of an answer that gave no state.

    asking: after how long the platform is asked again
    """
    values: dict[str, Any] = {"ask_at": scope.at + asking}
    if isinstance(answer, str):
        values["code"] = storable(answer, 80)
    else:
        number = answer.number
        outcome = answer.outcome
        sealed = None if outcome is None else scope.vault.seal(outcome.encode(), _place(scope.platform, number))
        ended_at = scope.at if answer.closed else None
        values |= {"code": None, "status": storable(answer.status, 16), "outcome": sealed, "ended_at": ended_at}
    here = (told_ticket.c.platform == scope.platform, told_ticket.c.number == number)
    scope.connection.execute(update(told_ticket).where(*here).values(values))


def at_platform(connection: Connection, vault: Vault, numbers: Collection[str]) -> dict[str, PlatformTicket]:
    """How tickets stand at the platform, by our number."""
    found: dict[str, PlatformTicket] = {}
    for part in chunks(numbers):
        for row in connection.execute(select(told_ticket).where(told_ticket.c.ticket.in_(part))):
            sealed = row.outcome
            outcome = None if sealed is None else vault.open(sealed, _place(row.platform, row.number)).decode()
            found[row.ticket] = PlatformTicket(number=row.number, status=row.status, code=row.code, outcome=outcome)
    return found


def _place(platform: str, number: str) -> str:
    return f"told_ticket.outcome:{platform}/{number}"
