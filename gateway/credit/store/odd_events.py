"""Events that are not applied as the feed gave them: flawed ones, strangers given up, and those of our own making.

The gateway makes an event itself where a record is missing at the platform (F27) or has returned (F28). It is kept with
the platform's answer as its page, is never acknowledged, and holds until a later version explains what happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from sqlalchemy import func, insert, select, update

from gateway.contract.messages import Finding
from gateway.credit.rules.statements import AckCode, EventType
from gateway.credit.store import acknowledgements as answers
from gateway.credit.store.acknowledgements import Values
from gateway.credit.store.events import EventRow, fit
from gateway.credit.store.histories import apply_events, insert_events
from gateway.credit.store.streams import TRIES, lock_feed
from gateway.credit.store.tables import credit_ack, credit_event, inbox, ticket
from gateway.domain.china import in_calendar
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.metadata import chunks
from gateway.store.scope import Scope

LOCAL_STREAM = "LOCAL"


def keep_local_event(scope: Scope, record_id: str, event_type: EventType, *, exchange_id: int, raw: bytes) -> bool:
    """Keep a TOMBSTONE or RETURNED for the version we hold; False where it says nothing new.

    raw: the answer that showed it
    """
    _, scope = lock_feed(scope)
    held = _newest(scope, record_id)
    if held is None:
        return False
    last = scope.connection.execute(
        select(credit_event.c.event_type)
        .where(
            credit_event.c.platform == scope.platform,
            credit_event.c.record_id == record_id,
            credit_event.c.version == held.values["version"],
            credit_event.c.local,
        )
        .order_by(credit_event.c.id.desc())
        .limit(1)
    ).scalar()
    gone = last == EventType.TOMBSTONE
    if gone is (event_type is EventType.TOMBSTONE):
        return False
    mark = sha256(f"{scope.platform}/{record_id}/{event_type}/{scope.at.isoformat()}".encode()).hexdigest()[:32]
    page = {
        "platform": scope.platform,
        "exchange_id": exchange_id,
        "received_at": scope.at,
        "digest": sha256(raw).hexdigest(),
        "raw": scope.vault.seal(raw, f"inbox.raw:{exchange_id}"),
        "cursor_after": "",
    }
    inbox_id = scope.connection.execute(insert(inbox).values(page).returning(inbox.c.id)).scalar_one()
    values = {name: value for name, value in held.values.items() if name not in ("id", "tries", "payload")}
    changes = {
        "event_id": f"local-{mark}",
        "digest": f"local:{mark}",
        "stream": LOCAL_STREAM,
        "stream_seq": 0,
        "event_type": event_type,
        "event_time": scope.at,
        "received_at": scope.at,
        "effective_from": scope.at,
        "prev_version": None,
        "inbox_id": inbox_id,
        "outcome": None,
        "effect": "NONE",
        "local": True,
        "preferred": False,
        "payload": None,
    }
    apply_events(scope, [EventRow(values={**values, **changes})])
    return True


def flaw_of(finding: Finding) -> AckCode | None:
    """Why an event cannot be applied as it stands."""
    if finding.flaw is not None:
        return AckCode(finding.flaw) if finding.flaw in set(AckCode) else AckCode.SCHEMA_INVALID
    if finding.event_type not in set(EventType) - {EventType.RETURNED} or finding.subject is None:
        return AckCode.SCHEMA_INVALID
    begins = (finding.event_time, finding.effective_from, finding.decision_date, finding.publish_begin)
    return AckCode.SCHEMA_INVALID if finding.version < 1 or not all(map(in_calendar, begins)) else None


def keep_flawed(scope: Scope, flawed: Sequence[tuple[EventRow, AckCode]]) -> list[AckCode]:
    """Keep what cannot be applied. An event with a wrong signature is no event: its bytes are in the inbox (F35)."""
    last = answers.last_codes(scope, {event.values["event_id"] for event, _ in flawed})
    stored = [
        EventRow(values={**event.values, "outcome": code, "flawed": True})
        for event, code in flawed
        if code is not AckCode.SIGNATURE_INVALID
    ]
    insert_events(scope, stored)
    tickets = _unreadable(scope, [event for event, code in flawed if code is AckCode.SCHEMA_INVALID])
    rows: list[Values] = []
    for event, code in flawed:
        if last.get(event.values["event_id"]) is not code:
            number = tickets.get(_place(event)) if code is AckCode.SCHEMA_INVALID else None
            rows.append(answers.ack_row(scope, event.values, code, number))
    answers.queue(scope, rows)
    if any(code is AckCode.SIGNATURE_INVALID for _, code in flawed):
        _alarm(scope)
    return [code for _, code in flawed]


def reject_forgotten(scope: Scope) -> int:
    """Answer finally about strangers whose contents retention has cleared: keeping them had no purpose any more.

    Gives how many. The events stay with their digests, so that one that comes again is known.
    """
    rows = (
        scope.connection.execute(
            select(credit_event.c.id, credit_event.c.event_id, credit_event.c.record_id, credit_event.c.version).where(
                credit_event.c.platform == scope.platform,
                credit_event.c.outcome == AckCode.ACCEPTED_UNMATCHED,
                credit_event.c.payload.is_(None),
                ~credit_event.c.local,
            )
        )
        .mappings()
        .all()
    )
    for part in chunks(rows):
        here = credit_event.c.id.in_([row["id"] for row in part])
        scope.connection.execute(update(credit_event).where(here).values(outcome=AckCode.REJECTED_POLICY))
        answers.queue(scope, [answers.ack_row(scope, dict(row), AckCode.REJECTED_POLICY) for row in part])
    return len(rows)


def _newest(scope: Scope, record_id: str) -> EventRow | None:
    row = (
        scope.connection.execute(
            select(credit_event)
            .where(
                credit_event.c.platform == scope.platform,
                credit_event.c.record_id == record_id,
                credit_event.c.outcome == AckCode.APPLIED,
                ~credit_event.c.local,
            )
            .order_by(credit_event.c.version.desc(), credit_event.c.id)
            .limit(1)
        )
        .mappings()
        .first()
    )
    return None if row is None else EventRow(values=dict(row), id=row["id"])


def _unreadable(scope: Scope, events: Sequence[EventRow]) -> dict[str, str]:
    """A ticket for each record with an event that cannot be read; by the event's id where the record's is missing."""
    wanted: dict[tuple[str, str], str | None] = {
        (_place(event), str(TicketKind.UNREADABLE)): event.values["event_id"] for event in events
    }
    known = answers.open_tickets(scope, {place for place, _ in wanted})
    made = known | answers.open_new(scope, wanted, known)
    return {place: made[place, kind] for place, kind in wanted}


def _place(event: EventRow) -> str:
    record_id: str = event.values["record_id"]
    return record_id or str(event.values["event_id"])


def _alarm(scope: Scope) -> None:
    """Tell a person once three events with a wrong signature came since the last such ticket was closed."""
    closed = select(func.max(ticket.c.closed_at)).where(
        ticket.c.platform == scope.platform, ticket.c.kind == TicketKind.SIGNATURE
    )
    since = scope.connection.execute(closed).scalar_one()
    refused = select(func.count(credit_ack.c.event_id.distinct())).where(
        credit_ack.c.platform == scope.platform, credit_ack.c.code == AckCode.SIGNATURE_INVALID
    )
    if since is not None:
        refused = refused.where(credit_ack.c.at > since)
    if scope.connection.execute(refused).scalar_one() >= TRIES:
        place = fit(scope.platform, 64)
        wanted: dict[tuple[str, str], str | None] = {(place, str(TicketKind.SIGNATURE)): None}
        answers.open_new(scope, wanted, answers.open_tickets(scope, [place]))
