"""Compares a platform's daily books with the archive as it was recorded at a moment; keeps what each day came to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select

from gateway.contract.credit import BookRow, Manifest
from gateway.credit.rules.books import BookDifference, BookMismatch, Comparison, HeldAtCutoff
from gateway.credit.rules.statements import Status
from gateway.credit.store import acknowledgements as answers
from gateway.credit.store.acknowledgements import Tickets
from gateway.credit.store.case_tables import credit_book
from gateway.credit.store.decisions import send_again, versions_taken
from gateway.credit.store.streams import lock_feed
from gateway.credit.store.tables import credit_ack, credit_event, credit_version
from gateway.delivery.store.tables import delivery
from gateway.domain.records import RecordKind
from gateway.domain.states import State
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.metadata import chunks
from gateway.store.scope import Scope

_TAKEN = "20"
"""result of a pushed item that the platform holds"""


def held_at(
    connection: Connection, platform: str, records: Collection[str], at: datetime | None
) -> dict[str, HeldAtCutoff]:
    """What was recorded of records up to ``at`` (None: until now), whoever they are about."""
    own = versions_taken(connection, platform, list(records), at)
    versions: dict[str, dict[int, set[str]]] = {key: {} for key in own}
    states: dict[str, Status] = {}
    for part in chunks(records):
        given = select(credit_event.c.record_id, credit_event.c.version, credit_event.c.digest).where(
            credit_event.c.platform == platform,
            credit_event.c.record_id.in_(part),
            ~credit_event.c.local,
        )
        given = given if at is None else given.where(credit_event.c.received_at <= at)
        for row in connection.execute(given):
            versions.setdefault(row.record_id, {}).setdefault(row.version, set()).add(row.digest)
        if at is not None:
            states |= _states(connection, platform, part, at)
    return {
        record_id: HeldAtCutoff(
            versions={version: frozenset(digests) for version, digests in by_version.items()},
            status=states.get(record_id),
            own=own.get(record_id),
        )
        for record_id, by_version in versions.items()
    }


def active_at(connection: Connection, platform: str, streams: Collection[str], at: datetime) -> dict[str, int]:
    """Records of these streams believed at ``at`` to be active then and shown by the platform, with their versions."""
    version = credit_version
    rows = connection.execute(
        select(version.c.record_id, func.max(version.c.source_version).label("version"))
        .join(credit_event, credit_event.c.id == version.c.content_id)
        .where(
            version.c.platform == platform,
            credit_event.c.stream.in_(streams),
            version.c.status == Status.ACTIVE,
            *_believed(at),
        )
        .group_by(version.c.record_id)
    )
    return {row.record_id: row.version for row in rows}


def compare_pushed(scope: Scope, rows: Iterable[BookRow], comparison: Comparison) -> None:
    """Classify rows about certificates we pushed, by what our ledger says of them."""
    for part in chunks(rows):
        found = scope.connection.execute(
            select(delivery.c.record_key, delivery.c.version, delivery.c.state).where(
                delivery.c.platform == scope.platform,
                delivery.c.kind.in_([RecordKind.CERTIFICATE, RecordKind.STATUS_CHANGE, RecordKind.WITHDRAWAL]),
                delivery.c.record_key.in_({row.key for row in part}),
            )
        )
        states = {(row.record_key, row.version): row.state for row in found}
        for row in part:
            state = states.get((row.key, row.version))
            settled = State.ACCEPTED if row.code == _TAKEN else State.REJECTED
            if state is None:
                kind = BookDifference.PUSH_ORPHAN
            else:
                kind = BookDifference.MATCH if state in (settled, State.SUPERSEDED) else BookDifference.PUSH_UNCONFIRMED
            item = BookMismatch(key=row.key, kind=kind, remote_version=row.version)
            comparison.add(kind, None if kind is BookDifference.MATCH else item)


def compare_answers(scope: Scope, rows: Iterable[BookRow], comparison: Comparison) -> None:
    """Classify rows about acknowledgements: each is one that we sent."""
    for part in chunks(rows):
        sent: dict[str, set[str]] = defaultdict(set)
        for row in scope.connection.execute(
            select(credit_ack.c.event_id, credit_ack.c.code).where(
                credit_ack.c.platform == scope.platform, credit_ack.c.event_id.in_({row.key for row in part})
            )
        ):
            sent[row.event_id].add(row.code)
        for book_row in part:
            known = sent.get(book_row.key)
            kind = BookDifference.MISSING_LOCAL if known is None else BookDifference.CONTENT_DIFF
            kind = BookDifference.MATCH if known and book_row.code in known else kind
            item = BookMismatch(key=book_row.key, kind=kind, remote_version=book_row.version)
            comparison.add(kind, None if kind is BookDifference.MATCH else item)


def open_for(scope: Scope, wanted: Sequence[tuple[str, TicketKind]]) -> Tickets:
    """Open tickets for differences; gives the numbers of all that are open for them."""
    _, scope = lock_feed(scope)
    for key, kind in wanted:
        if kind is TicketKind.AHEAD:
            # ours is newer: it is kept and sent once more (F38)
            send_again(scope.connection, scope.platform, key)
    places: dict[tuple[str, str], str | None] = {(key[:64], str(kind)): None for key, kind in wanted}
    known = answers.open_tickets(scope, {key for key, _ in places})
    return known | answers.open_new(scope, places, known)


def last_digest(scope: Scope, before: date) -> str | None:
    """Digest of the manifest of the day before, as we compared it; None where we did not."""
    found: str | None = scope.connection.execute(
        select(credit_book.c.digest)
        .where(credit_book.c.platform == scope.platform, credit_book.c.day == before - timedelta(days=1))
        .order_by(credit_book.c.id.desc())
        .limit(1)
    ).scalar()
    return found


def settled(scope: Scope, day: date) -> bool:
    """Whether the day's books were compared and every difference had an outcome."""
    closed = select(credit_book.c.id).where(
        credit_book.c.platform == scope.platform, credit_book.c.day == day, credit_book.c.closed
    )
    return scope.connection.execute(closed.limit(1)).first() is not None


def keep(scope: Scope, manifest: Manifest, comparison: Comparison, *, closed: bool) -> None:
    """Note what comparing a day's books came to."""
    scope.connection.execute(
        insert(credit_book).values(
            platform=scope.platform,
            day=manifest.day,
            at=scope.at,
            digest=manifest.digest[:80],
            previous=manifest.previous[:80] if manifest.previous else None,
            rows=comparison.rows,
            totals=comparison.totals,
            closed=closed,
        )
    )


def _believed(at: datetime) -> tuple[ColumnElement[bool], ...]:
    version = credit_version
    return (
        version.c.sys_from <= at,
        or_(version.c.sys_to.is_(None), version.c.sys_to > at),
        version.c.valid_from <= at,
        or_(version.c.valid_to.is_(None), version.c.valid_to > at),
    )


def _states(connection: Connection, platform: str, records: Collection[str], at: datetime) -> dict[str, Status]:
    version = credit_version
    rows = connection.execute(
        select(version.c.record_id, version.c.status).where(
            version.c.platform == platform, version.c.record_id.in_(records), and_(*_believed(at))
        )
    )
    return {row.record_id: Status(row.status) for row in rows}
