"""What a monitoring system asks for: counts and ages, read in a few statements, however large the ledger is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from gateway.credit.store.events import CENTRE
from gateway.credit.store.tables import ticket
from gateway.delivery.store.tables import attempt, delivery, exchange, platform, verdict
from gateway.domain.states import TERMINAL, State

_MOST = 20_000
"""exchanges that are looked at for latencies"""


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
        .where(delivery.c.state.not_in(TERMINAL))
        .group_by(delivery.c.platform, delivery.c.state)
    )
    return [Oldest(platform=row.platform, state=row.state, since=row.since, due=row.due) for row in rows]


def last_accepted(connection: Connection, platforms: Sequence[str]) -> dict[str, datetime]:
    """When each platform last accepted something."""
    found = {}
    for name in platforms:
        here = (delivery.c.platform == name, delivery.c.state == State.ACCEPTED)
        at = connection.execute(select(func.max(delivery.c.updated_at)).where(*here)).scalar()
        if at is not None:
            found[name] = at
    return found


def open_tickets(connection: Connection) -> dict[str, int]:
    """Open tickets by kind."""
    wanted = select(ticket.c.kind, func.count()).where(ticket.c.closed_at.is_(None)).group_by(ticket.c.kind)
    return {str(kind): int(count) for kind, count in connection.execute(wanted)}
