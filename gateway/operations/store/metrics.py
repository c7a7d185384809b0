"""What a monitoring system asks for: counts and ages, read in a few statements, however large the ledger is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from sqlalchemy import Connection, func, select, text

from gateway.credit.store.events import CENTRE
from gateway.credit.store.tables import feed, ticket
from gateway.delivery.rules.differences import Difference
from gateway.delivery.store.exchanges import headers_of
from gateway.delivery.store.tables import OPEN, attempt, delivery, exchange, platform, reconciliation, verdict
from gateway.domain.states import TERMINAL, Event
from gateway.operations.store.tables import evidence_link
from gateway.store.metadata import is_postgresql
from gateway.store.tables import audit, batch
from gateway.store.vault import Vault

_MOST = 20_000
"""exchanges that are looked at for latencies"""
_MOST_ACTS = 200_000
"""lines of the audit trail that are searched for a backup; one before them counts as none"""
_NEEDS_NOBODY = frozenset({Difference.MATCH, Difference.LAG, Difference.NOT_OWED})
BACKUP_DONE = "backup_done"
"""what the audit trail calls a backup that is whole"""


@dataclass(kw_only=True)
class Recent:
    """What travelled since a moment, by platform."""

    exchanges: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """by platform, purpose and result: the status, the code of the failure, or ``open``"""
    seconds: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    """by platform and purpose, for those that were answered"""
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """by platform and event; only those that changed something"""


def recent(connection: Connection, since: datetime) -> Recent:
    """Exchanges opened since a moment (the newest, where there are very many) and the verdicts on them."""
    found = Recent()
    names = [*connection.execute(select(platform.c.name)).scalars(), CENTRE]  # the index of exchanges begins with them
    columns = (exchange.c.platform, exchange.c.purpose, exchange.c.status, exchange.c.failure)
    times = (exchange.c.opened_at, exchange.c.closed_at)
    rows: list[Any] = []
    for name in names:
        here = (exchange.c.platform == name, exchange.c.opened_at >= since)
        newest = select(*columns, *times).where(*here).order_by(exchange.c.opened_at.desc()).limit(_MOST)
        rows += connection.execute(newest)
    for row in sorted(rows, key=lambda row: row.opened_at, reverse=True)[:_MOST]:
        result = "open" if row.closed_at is None else row.failure or str(row.status)
        found.exchanges[row.platform, row.purpose, result] += 1
        if row.closed_at is not None and row.failure is None:
            passed = (row.closed_at - row.opened_at).total_seconds()
            found.seconds.setdefault((row.platform, row.purpose), []).append(passed)
    judged = (
        select(exchange.c.platform, verdict.c.event, func.count().label("n"))
        .join(attempt, attempt.c.exchange_id == exchange.c.id)
        .join(verdict, verdict.c.attempt_id == attempt.c.id)
        .where(exchange.c.platform.in_(names), exchange.c.opened_at >= since, verdict.c.applied)
        .group_by(exchange.c.platform, verdict.c.event)
    )
    found.verdicts.update({(row.platform, row.event): row.n for row in connection.execute(judged)})
    return found


@dataclass(frozen=True, kw_only=True)
class Oldest:
    """Since when the oldest delivery of a platform stands in a state, and since when the oldest one has been due."""

    platform: str
    state: str
    since: datetime
    due: datetime | None


def oldest(connection: Connection) -> list[Oldest]:
    """For every platform and waiting state that has deliveries."""
    rows = connection.execute(
        select(
            delivery.c.platform,
            delivery.c.state,
            func.min(delivery.c.created_at).label("since"),
            func.min(delivery.c.due_at).filter(delivery.c.blocked_by.is_(None)).label("due"),
        )
        .where(OPEN, delivery.c.state.not_in(TERMINAL))
        .group_by(delivery.c.platform, delivery.c.state)
    )
    return [Oldest(platform=row.platform, state=row.state, since=row.since, due=row.due) for row in rows]


def last_accepted(connection: Connection, platforms: Sequence[str]) -> dict[str, datetime]:
    """When each platform last accepted something, as its newest answers tell."""
    found = {}
    for name in platforms:
        newest = (
            select(exchange.c.id, exchange.c.opened_at)
            .where(exchange.c.platform == name)
            .order_by(exchange.c.opened_at.desc())
            .limit(_MOST)
            .subquery()
        )
        said = (
            select(verdict.c.at)
            .select_from(newest.join(attempt, attempt.c.exchange_id == newest.c.id))
            .join(verdict, verdict.c.attempt_id == attempt.c.id)
            .where(verdict.c.event == Event.ACCEPTED, verdict.c.applied)
            .order_by(newest.c.opened_at.desc())
            .limit(1)
        )
        at = connection.execute(said).scalar()
        if at is not None:
            found[name] = at
    return found


def open_tickets(connection: Connection) -> dict[str, int]:
    """Open tickets by kind."""
    wanted = select(ticket.c.kind, func.count()).where(ticket.c.closed_at.is_(None)).group_by(ticket.c.kind)
    return {str(kind): int(count) for kind, count in connection.execute(wanted)}


def last_done(connection: Connection, platforms: Sequence[str]) -> dict[tuple[str, str], datetime | None]:
    """When each work was last done, by work and platform (empty where it is nobody's)."""
    lately = audit.c.id > select(func.max(audit.c.id)).scalar_subquery() - _MOST_ACTS
    newest_backup = select(func.max(audit.c.at)).where(lately, audit.c.action == BACKUP_DONE)
    found: dict[tuple[str, str], datetime | None] = {
        ("intake", ""): connection.execute(select(func.max(batch.c.read_at))).scalar(),
        ("seal", ""): connection.execute(
            select(evidence_link.c.at).order_by(evidence_link.c.id.desc()).limit(1)
        ).scalar(),
        ("backup", ""): connection.execute(newest_backup).scalar(),
    }
    for name in platforms:
        newest = (
            select(exchange.c.opened_at, exchange.c.purpose)
            .where(exchange.c.platform == name)
            .order_by(exchange.c.opened_at.desc())
            .limit(_MOST)
            .subquery()
        )
        questions = {
            "push": select(func.max(newest.c.opened_at)).where(newest.c.purpose == "push"),
            "feedback": select(feed.c.updated_at).where(feed.c.platform == name),
            "reconcile": select(func.max(reconciliation.c.theirs_at)).where(reconciliation.c.platform == name),
        }
        for work, question in questions.items():
            at = connection.execute(question).scalar()
            if at is not None:
                found[work, name] = at
    return found


def differences(connection: Connection, platforms: Sequence[str]) -> dict[tuple[str, str], float]:
    """By platform and class, those of the newest reconciliation that somebody has to look at."""
    found: dict[tuple[str, str], float] = {}
    for name in platforms:
        newest = (
            select(reconciliation.c.counts)
            .where(reconciliation.c.platform == name)
            .order_by(reconciliation.c.ours_at.desc())
            .limit(1)
        )
        counts = connection.execute(newest).scalar()
        if counts is not None:
            found |= {(name, each): float(counts.get(each, 0)) for each in Difference if each not in _NEEDS_NOBODY}
    return found


def clock_differences(
    connection: Connection, vault: Vault, platforms: Sequence[str], since: datetime
) -> dict[str, timedelta]:
    """Each platform's clock minus ours, by the header Date of its newest answer since a moment; to a second or two."""
    found = {}
    for name in platforms:
        newest = (
            select(exchange.c.id, exchange.c.closed_at, exchange.c.response_headers)
            .where(exchange.c.platform == name, exchange.c.opened_at >= since, exchange.c.response_headers.is_not(None))
            .order_by(exchange.c.opened_at.desc())
            .limit(1)
        )
        row = connection.execute(newest).mappings().first()
        headers = None if row is None else headers_of(dict(row), vault)
        if row is None or headers is None:
            continue
        try:
            theirs = parsedate_to_datetime(headers.kept.get("date", ""))
        except (ValueError, TypeError, OverflowError):  # a platform need not tell the time
            continue
        found[name] = (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)) - row["closed_at"]
    return found


def store_bytes(connection: Connection) -> int:
    """Size of the database: its pages on SQLite, all its files on PostgreSQL."""
    if is_postgresql(connection):
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    pages = int(connection.execute(text("PRAGMA page_count")).scalar_one())
    return pages * int(connection.execute(text("PRAGMA page_size")).scalar_one())
