"""Applies a page of credit feedback whole, in one transaction with its cursor; judges again what waits.

A page that comes again changes nothing; one whose transaction is lost comes again, because the cursor is lost with it.
Recorded time only moves forward, even where the clock was set back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from sqlalchemy import and_, exists, insert, or_, select, update

from gateway.contract.messages import FeedbackPage, Finding
from gateway.credit.rules.matching import Match
from gateway.credit.rules.statements import AckCode
from gateway.credit.store import acknowledgements as answers
from gateway.credit.store.events import EventRow, reference, to_event
from gateway.credit.store.histories import RECORD_EVENTS, apply_events
from gateway.credit.store.odd_events import flaw_of, keep_flawed, reject_forgotten
from gateway.credit.store.streams import TRIES, Pair, divide, lock_feed
from gateway.credit.store.subject_changes import apply_changes, changes_waiting, retry_changes
from gateway.credit.store.tables import credit_event, feed, inbox, inbox_repeat
from gateway.credit.store.void import follow
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.metadata import chunks
from gateway.store.scope import Scope
from gateway.store.tables import search_index


@dataclass(kw_only=True)
class Applied:
    """What became of a page.

    codes:    the findings by acknowledgement
    released: earlier events that the page brought into force
    voided:   certificates that lost their status
    moved:    another process took the cursor on, so nothing was done
    """

    codes: Counter[AckCode] = field(default_factory=Counter)
    repeats: int = 0
    released: int = 0
    voided: int = 0
    gap: bool = False
    moved: bool = False


def cursor_of(scope: Scope) -> str | None:
    """Where the next pull begins; None for the beginning."""
    return scope.connection.execute(select(feed.c.cursor).where(feed.c.platform == scope.platform)).scalar_one_or_none()


def apply_page(scope: Scope, page: FeedbackPage, *, exchange_id: int, raw: bytes, cursor: str | None) -> Applied:
    """Store, judge and acknowledge a page and move the cursor, all or nothing.

    cursor: the one the page was asked with; where the feed has moved on meanwhile, nothing is done
    Where a stream's numbers have a gap, what stands behind it is deferred and the cursor stays (F36).
    """
    stands, scope = lock_feed(scope)
    if stands != cursor:
        return Applied(moved=True)
    applied = Applied()
    if page.findings:
        inbox_id = _receive(scope, page, exchange_id, raw, cursor)
        ready, deferred = divide(scope, _events(scope, page.findings, inbox_id))
        again = _take(scope, ready, applied)
        _defer(scope, deferred, applied)
        _note_repeats(scope, inbox_id, [*again, *(event for _, event in deferred)])
    _set_cursor(scope, cursor if applied.gap else page.next_cursor)
    return applied


def move_cursor(scope: Scope, cursor: str) -> None:
    """Go on from another cursor, after a snapshot has brought the archive level (the feed's own had run out)."""
    lock_feed(scope)
    _set_cursor(scope, cursor)


def note_read_through(scope: Scope, begun: datetime) -> None:
    """The feed was read to its end: all it had to say at ``begun`` is here."""
    scope.connection.execute(update(feed).where(feed.c.platform == scope.platform).values(read_through_at=begun))


def rematch(scope: Scope) -> int:
    """Judge again the records whose subject has become known since; gives how many events came into force (F16)."""
    event, index = credit_event, search_index
    numbered = index.c.digest == event.c.number_digest
    named = and_(
        index.c.key == event.c.subject_key,
        or_(index.c.digest == event.c.name_digest, index.c.digest == event.c.variant_digest),
    )
    unknown = event.c.outcome == AckCode.ACCEPTED_UNMATCHED
    conflict = event.c.outcome == AckCode.IDENTITY_CONFLICT
    known_now = or_(
        and_(unknown, or_(numbered, index.c.digest == event.c.certificate_digest)),
        and_(conflict, event.c.match == Match.CERT_NAME, numbered),
        and_(conflict, event.c.match == Match.ID_ONLY, named),
    )
    records = scope.connection.execute(
        select(event.c.record_id)
        .where(
            event.c.platform == scope.platform,
            or_(exists(select(index.c.digest).where(known_now)), event.c.outcome == AckCode.DEFERRED),
        )
        .distinct()
    ).scalars()
    touched = list(records)
    if not touched and not changes_waiting(scope.connection, scope.platform):
        return 0
    _, scope = lock_feed(scope)
    done = retry_changes(scope)
    outcomes = apply_events(scope, [], touched)
    follow(scope, outcomes, [(scope.platform, record_id) for record_id in touched])
    return done + sum(outcome.code is AckCode.APPLIED for outcome in outcomes)


def apply_fetched(scope: Scope, findings: Sequence[Finding], *, exchange_id: int, raw: bytes) -> int:
    """Apply events that were fetched by the id of their record; the cursor stays where it is.

    Gives how many events came to something, earlier ones that were released included.
    """
    cursor, scope = lock_feed(scope)
    applied = Applied()
    page = FeedbackPage(findings=tuple(findings), next_cursor=cursor or "", has_more=False)
    inbox_id = _receive(scope, page, exchange_id, raw, cursor)
    _note_repeats(scope, inbox_id, _take(scope, _events(scope, findings, inbox_id), applied))
    return applied.released + sum(applied.codes.values())


def gaps(scope: Scope, limit: int) -> list[str]:
    """Records with a version parked above a missing one, which was not yet asked for too often (F14)."""
    parked = (credit_event.c.platform == scope.platform, credit_event.c.outcome == AckCode.VERSION_GAP)
    rows = scope.connection.execute(
        select(credit_event.c.record_id).where(*parked, credit_event.c.tries < TRIES).distinct().limit(limit)
    )
    return list(rows.scalars())


def watch_gaps(scope: Scope) -> int:
    """Count one more try for every parked event; the third opens a ticket (F14). Gives how many were opened.

    Strangers whose time in quarantine is over get their final answer here too.
    """
    reject_forgotten(scope)
    parked = (credit_event.c.platform == scope.platform, credit_event.c.outcome == AckCode.VERSION_GAP)
    scope.connection.execute(update(credit_event).where(*parked).values(tries=credit_event.c.tries + 1))
    rows = scope.connection.execute(
        select(credit_event.c.event_id, credit_event.c.record_id, credit_event.c.version).where(
            *parked, credit_event.c.tries >= TRIES
        )
    ).mappings()
    overdue = [dict(row) for row in rows]
    if not overdue:
        return 0
    known = answers.open_tickets(scope, {row["record_id"] for row in overdue})
    wanted: dict[tuple[str, str], str | None] = {(row["record_id"], TicketKind.GAP): row["event_id"] for row in overdue}
    made = answers.open_new(scope, wanted, known)
    answers.queue(
        scope,
        [
            answers.ack_row(scope, row, AckCode.VERSION_GAP, made[row["record_id"], TicketKind.GAP])
            for row in overdue
            if (row["record_id"], TicketKind.GAP) in made
        ],
    )
    return len(made)


def _events(scope: Scope, findings: Sequence[Finding], inbox_id: int) -> list[Pair]:
    return [
        (finding, to_event(finding, scope.vault, platform=scope.platform, inbox_id=inbox_id, received_at=scope.at))
        for finding in findings
    ]


def _set_cursor(scope: Scope, cursor: str | None) -> None:
    scope.connection.execute(update(feed).where(feed.c.platform == scope.platform).values(cursor=cursor))


def _receive(scope: Scope, page: FeedbackPage, exchange_id: int, raw: bytes, cursor: str | None) -> int:
    values = {
        "platform": scope.platform,
        "exchange_id": exchange_id,
        "received_at": scope.at,
        "digest": sha256(raw).hexdigest(),
        "raw": scope.vault.seal(raw, f"inbox.raw:{exchange_id}"),
        "cursor_before": cursor,
        "cursor_after": page.next_cursor,
    }
    return int(scope.connection.execute(insert(inbox).values(values).returning(inbox.c.id)).scalar_one())


def _note_repeats(scope: Scope, inbox_id: int, events: Sequence[EventRow]) -> None:
    """Keep which events the page holds beside those that are kept under it, so that its bytes go when theirs do."""
    rows = [
        {"inbox_id": inbox_id, "platform": scope.platform, "event_id": event_id}
        for event_id in dict.fromkeys(event.values["event_id"] for event in events)
    ]
    for part in chunks(rows):
        scope.connection.execute(insert(inbox_repeat), part)


def _take(scope: Scope, events: Sequence[Pair], applied: Applied) -> list[EventRow]:
    """Sort the events that are in sequence: repeats, flawed ones, those of subjects, and those of records.

    Gives those that were known before.
    """
    known = _known(scope, [event for _, event in events])
    fresh: dict[str, Pair] = {}
    again: list[EventRow] = []
    for finding, event in events:
        if event.ref in known or event.ref in fresh:
            applied.repeats += 1
            again += [event] if event.ref in known else []
        else:
            fresh[event.ref] = finding, event
    flawed = [(event, code) for finding, event in fresh.values() if (code := flaw_of(finding)) is not None]
    applied.codes.update(keep_flawed(scope, flawed))
    refused = {event.ref for event, _ in flawed}
    changes = [pair for ref, pair in fresh.items() if ref not in refused and not _of_record(pair[1])]
    applied.codes.update(apply_changes(scope, changes))
    arrived = [event for ref, (_, event) in fresh.items() if ref not in refused and _of_record(event)]
    refs = {event.ref for event in arrived}
    outcomes = apply_events(scope, arrived)
    applied.voided += follow(scope, outcomes)
    for outcome in outcomes:
        if outcome.fact.ref in refs:
            applied.codes[outcome.code] += 1
        elif outcome.code is AckCode.APPLIED:
            applied.released += 1
    return again


def _known(scope: Scope, events: Sequence[EventRow]) -> set[str]:
    found: set[str] = set()
    for part in chunks({event.values["event_id"] for event in events}):
        rows = scope.connection.execute(
            select(credit_event.c.event_id, credit_event.c.digest).where(
                credit_event.c.platform == scope.platform, credit_event.c.event_id.in_(part)
            )
        )
        found |= {reference(row.event_id, row.digest) for row in rows}
    return found


def _of_record(event: EventRow) -> bool:
    return event.values["event_type"] in RECORD_EVENTS


def _defer(scope: Scope, events: Sequence[Pair], applied: Applied) -> None:
    """Put off what stands behind a gap; it comes again with the same cursor."""
    if not events:
        return
    applied.gap = True
    last = answers.last_codes(scope, {event.values["event_id"] for _, event in events})
    rows = [
        answers.ack_row(scope, event.values, AckCode.DEFERRED)
        for _, event in events
        if event.values["event_id"] not in last
    ]
    applied.codes[AckCode.DEFERRED] += len(events)
    answers.queue(scope, rows)
