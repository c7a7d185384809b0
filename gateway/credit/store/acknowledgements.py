"""Acknowledgements of credit events queued for sending, and tickets opened and closed for persons."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select, update

from gateway.contract.messages import FindingAck
from gateway.credit.rules.history import ArchiveChange, Outcome
from gateway.credit.rules.statements import AckCode
from gateway.credit.store.case_tables import told_ticket
from gateway.credit.store.tables import credit_ack, ticket
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.metadata import chunks
from gateway.store.scope import Scope

GATEWAY = "gateway"
Values = dict[str, Any]
Tickets = dict[tuple[str, str], str]
"""numbers of open tickets by record and kind"""

_NAMED = {
    AckCode.VERSION_FORK: TicketKind.FORK,
    AckCode.IDENTITY_CONFLICT: TicketKind.IDENTITY,
    AckCode.VERSION_GAP: TicketKind.GAP,
    AckCode.UNAUTHORISED_SOURCE: TicketKind.OWNER,
    AckCode.SIGNATURE_INVALID: TicketKind.SIGNATURE,
}
"""the ticket that an acknowledgement refers to"""


def answer(scope: Scope, decisions: Mapping[str, ArchiveChange]) -> list[Outcome]:
    """Open and close the records' tickets and queue one acknowledgement for each outcome."""
    tickets = open_tickets(scope, decisions)
    settled = [
        number
        for record_id, decision in decisions.items()
        for kind in decision.settled
        if (number := tickets.pop((record_id, kind), None)) is not None
    ]
    close_tickets(scope, settled)
    wanted = {
        (record_id, str(kind)): event_id_of(outcome)
        for record_id, decision in decisions.items()
        for outcome in decision.outcomes
        for kind in outcome.tickets
    }
    tickets |= open_new(scope, wanted, tickets)
    answers = [(record_id, outcome) for record_id, decision in decisions.items() for outcome in decision.outcomes]
    foreign = [(record_id, outcome) for record_id, outcome in answers if not outcome.fact.local]
    queue(scope, [_ack(scope, record_id, outcome, tickets) for record_id, outcome in foreign])
    return [outcome for _, outcome in answers]


def open_tickets(scope: Scope, records: Iterable[str]) -> Tickets:
    """The open tickets of some records."""
    found: Tickets = {}
    for part in chunks(records):
        rows = scope.connection.execute(
            select(ticket.c.record_id, ticket.c.kind, ticket.c.number).where(
                ticket.c.platform == scope.platform, ticket.c.record_id.in_(part), ticket.c.closed_at.is_(None)
            )
        )
        found |= {(row.record_id, row.kind): row.number for row in rows}
    return found


def open_new(scope: Scope, wanted: Mapping[tuple[str, str], str | None], known: Tickets) -> Tickets:
    """Open the tickets that are not open yet; ``wanted`` gives the event behind each. Gives those it opened.

    A number follows from what the ticket is about, so that no random number is needed.
    """
    made: Tickets = {}
    rows: list[Values] = []
    for (record_id, kind), event_id in wanted.items():
        if (record_id, kind) in known:
            continue
        about = "/".join((scope.platform, record_id, kind, event_id or "", scope.at.isoformat()))
        number = "T" + scope.vault.mark("ticket", about.encode())[:25].upper()
        made[record_id, kind] = number
        rows.append(
            {
                "number": number,
                "platform": scope.platform,
                "record_id": record_id,
                "kind": kind,
                "event_id": event_id,
                "opened_at": scope.at,
            }
        )
    for part in chunks(rows):
        scope.connection.execute(insert(ticket), part)
    return made


def close_tickets(scope: Scope, numbers: Collection[str]) -> None:
    """Close tickets whose reason is gone."""
    for part in chunks(numbers):
        scope.connection.execute(
            update(ticket).where(ticket.c.number.in_(part)).values(closed_at=scope.at, closed_by=GATEWAY)
        )


def ack_row(scope: Scope, event: Mapping[str, Any], code: AckCode, number: str | None = None) -> Values:
    """An acknowledgement for an event that is not, or not yet, part of a record's history."""
    return {
        "platform": scope.platform,
        "event_id": event["event_id"],
        "record_id": event["record_id"],
        "version": event["version"],
        "code": code,
        "at": scope.at,
        "ticket": number,
        "message": None,
    }


def queue(scope: Scope, rows: Sequence[Values]) -> None:
    """Queue acknowledgements for sending."""
    for part in chunks(rows):
        scope.connection.execute(insert(credit_ack), part)


def last_codes(scope: Scope, event_ids: Collection[str]) -> dict[str, AckCode]:
    """How events were last acknowledged, sent or not."""
    found: dict[str, AckCode] = {}
    for part in chunks(event_ids):
        rows = scope.connection.execute(
            select(credit_ack.c.event_id, credit_ack.c.code)
            .where(credit_ack.c.platform == scope.platform, credit_ack.c.event_id.in_(part))
            .order_by(credit_ack.c.id)
        )
        found |= {row.event_id: AckCode(row.code) for row in rows}
    return found


def pending(scope: Scope, limit: int) -> tuple[list[int], list[FindingAck]]:
    """The oldest queued acknowledgements and their row ids; of several for one event only the last is to be sent.

    A ticket has the platform's number where the platform was told of it, else ours.
    """
    rows = scope.connection.execute(
        select(credit_ack, told_ticket.c.number)
        .outerjoin(told_ticket, told_ticket.c.ticket == credit_ack.c.ticket)
        .where(credit_ack.c.platform == scope.platform, credit_ack.c.sent_at.is_(None))
        .order_by(credit_ack.c.id)
        .limit(limit)
    ).all()
    acks = {
        row.event_id: FindingAck(
            event_id=row.event_id,
            record_id=row.record_id,
            version=row.version,
            code=row.code,
            at=row.at,
            ticket=row.number or row.ticket,
            message=row.message,
        )
        for row in rows
    }
    return [row.id for row in rows], list(acks.values())


def mark_sent(scope: Scope, ids: Sequence[int], refused: Collection[str] = ()) -> None:
    """Note that the platform has these acknowledgements.

    refused: event ids whose acknowledgement it would not take; sending them again would not help, so a ticket is opened
    """
    records: dict[str, str] = {}
    for part in chunks(ids):
        mine = credit_ack.c.id.in_(part)
        scope.connection.execute(
            update(credit_ack).where(mine, credit_ack.c.sent_at.is_(None)).values(sent_at=scope.at)
        )
        rows = scope.connection.execute(select(credit_ack.c.event_id, credit_ack.c.record_id).where(mine))
        records |= {row.event_id: row.record_id for row in rows if row.event_id in refused}
    wanted: dict[tuple[str, str], str | None] = {
        (record_id, str(TicketKind.REVIEW)): event_id for event_id, record_id in records.items()
    }
    open_new(scope, wanted, open_tickets(scope, set(records.values())))


def event_id_of(outcome: Outcome) -> str:
    """The platform's id of the event that an outcome is about."""
    return outcome.fact.ref.rpartition("#")[0]


def _ack(scope: Scope, record_id: str, outcome: Outcome, tickets: Tickets) -> Values:
    kind = _NAMED.get(outcome.code)
    below = TicketKind.PERIOD_BELOW_SANCTION
    return {
        "platform": scope.platform,
        "event_id": event_id_of(outcome),
        "record_id": record_id,
        "version": outcome.fact.version,
        "code": outcome.code,
        "at": scope.at,
        "ticket": tickets.get((record_id, kind)) if kind else None,
        "message": below if below in outcome.tickets else None,
    }
