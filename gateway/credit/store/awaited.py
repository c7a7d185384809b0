"""Compares what a platform still awaits with what was answered: lost acknowledgements go again, a few times.

How far the platform's list was read is kept (``credit_watch``), so that a long one is read in pieces.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, select, update

from gateway.contract.credit import Awaited
from gateway.credit.rules.statements import AckCode
from gateway.credit.store import acknowledgements as answers
from gateway.credit.store.events import fit
from gateway.credit.store.streams import lock_feed
from gateway.credit.store.tables import credit_ack, credit_watch
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.metadata import chunks, insert_into
from gateway.store.scope import Scope

TIMES = 3
"""how often one acknowledgement is sent again, or one record asked for in vain, before a person is told"""


def reading(scope: Scope, every: timedelta) -> tuple[bool, str | None]:
    """Whether the list is to be read now, and from which cursor on."""
    row = scope.connection.execute(select(credit_watch).where(credit_watch.c.platform == scope.platform)).first()
    if row is None or row.awaited_at is None or row.awaited_cursor is not None:
        return True, None if row is None else row.awaited_cursor
    return bool(row.awaited_at + every <= scope.at), None


def keep_cursor(scope: Scope, cursor: str | None) -> None:
    """Keep how far the list was read; None: to its end, or as far as it can be."""
    values = {"awaited_cursor": cursor, "tries": 0} | ({"awaited_at": scope.at} if cursor is None else {})
    _keep(scope, values)


def count_failure(scope: Scope) -> bool:
    """Count one more failure on the page that is being read; True, and none, where ``TIMES`` are reached."""
    tries = scope.connection.execute(
        select(credit_watch.c.tries).where(credit_watch.c.platform == scope.platform)
    ).scalar_one_or_none()
    reached = (tries or 0) + 1 >= TIMES
    _keep(scope, {"tries": 0 if reached else (tries or 0) + 1})
    return reached


def resend_lost(scope: Scope, awaited: Sequence[Awaited]) -> tuple[list[Awaited], int]:
    """Send again what was sent and the platform has not kept; gives the events never answered, and how many go again.

    An answer that still waits to be sent is left alone, and so is one the platform knows and that is not final. What
    was sent again ``TIMES`` times in vain becomes a ticket, once.
    """
    _, scope = lock_feed(scope)
    newest = _newest(scope, {fit(event.event_id, 64) for event in awaited})
    unanswered: list[Awaited] = []
    again: list[int] = []
    given_up: dict[tuple[str, str], str | None] = {}
    for event in awaited:
        ack = newest.get(fit(event.event_id, 64))
        if ack is None:
            unanswered.append(event)
        elif ack.sent_at is not None and ack.code != event.last_code and ack.repeats <= TIMES:
            again.append(ack.id)
            if ack.repeats == TIMES:
                given_up[ack.record_id, str(TicketKind.REVIEW)] = ack.event_id
    for part in chunks(again):
        mine = credit_ack.c.id.in_(part)
        scope.connection.execute(update(credit_ack).where(mine, credit_ack.c.repeats < TIMES).values(sent_at=None))
        scope.connection.execute(update(credit_ack).where(mine).values(repeats=credit_ack.c.repeats + 1))
    answers.open_new(scope, given_up, answers.open_tickets(scope, {record for record, _ in given_up}))
    return unanswered, len(again) - len(given_up)


def give_up(scope: Scope, awaited: Iterable[Awaited]) -> int:
    """Put off what the platform waits for and did not give when asked, with a ticket; gives how many.

    Only those are meant that have no answer yet; one that comes after all is answered anew.
    """
    _, scope = lock_feed(scope)
    asked = {fit(event.event_id, 64): event for event in awaited}
    known = _newest(scope, asked)
    lost = {event_id: event for event_id, event in asked.items() if event_id not in known}
    if not lost:
        return 0
    records = {event_id: fit(event.record_id, 64) for event_id, event in lost.items()}
    tickets = answers.open_tickets(scope, set(records.values()))
    gap = str(TicketKind.GAP)
    wanted: dict[tuple[str, str], str | None] = {(record, gap): event_id for event_id, record in records.items()}
    tickets |= answers.open_new(scope, wanted, tickets)
    rows = [
        answers.ack_row(
            scope,
            {"event_id": event_id, "record_id": records[event_id], "version": event.version},
            AckCode.DEFERRED,
            tickets[records[event_id], gap],
        )
        for event_id, event in lost.items()
    ]
    answers.queue(scope, rows)
    return len(rows)


def _keep(scope: Scope, values: dict[str, Any]) -> None:
    added = insert_into(scope.connection, credit_watch).values(platform=scope.platform, **values)
    scope.connection.execute(added.on_conflict_do_update(index_elements=["platform"], set_=values))


def _newest(scope: Scope, event_ids: Collection[str]) -> dict[str, Row[Any]]:
    """The last answer to each event, sent or not."""
    found: dict[str, Row[Any]] = {}
    for part in chunks(event_ids):
        rows = scope.connection.execute(
            select(credit_ack)
            .where(credit_ack.c.platform == scope.platform, credit_ack.c.event_id.in_(part))
            .order_by(credit_ack.c.id)
        )
        found |= {row.event_id: row for row in rows}
    return found
