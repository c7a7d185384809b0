"""Which answers of a platform are waited for, and since when: results of pushes, and what follows an acceptance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, func, select

from gateway.delivery.store.tables import OPEN, attempt, delivery, exchange, verdict
from gateway.domain.states import Event, State

_UNANSWERED = (State.AWAITING_ACK, State.IN_DOUBT)


@dataclass(frozen=True, kw_only=True)
class AwaitedAnswers:
    """How many answers are waited for, how many of them since before a moment, and since when the first."""

    waiting: int = 0
    late: int = 0
    soon: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class AwaitedAnswer:
    """One delivery whose answer is waited for. ``since``: when what it answers was sent or said."""

    delivery: int
    kind: str
    record_key: str
    since: datetime


def _sent_at() -> ColumnElement[datetime]:
    """When a delivery was sent last; when it came into the ledger where its exchange has had its time."""
    sent = (
        select(func.max(exchange.c.opened_at))
        .join(attempt, attempt.c.exchange_id == exchange.c.id)
        .where(attempt.c.delivery_id == delivery.c.id, exchange.c.purpose == "push")
        .scalar_subquery()
    )
    return func.coalesce(sent, delivery.c.created_at)


def _unanswered(platform: str) -> Select[Any]:
    return select(delivery.c.id, delivery.c.kind, delivery.c.record_key, _sent_at().label("since")).where(
        OPEN, delivery.c.platform == platform, delivery.c.state.in_(_UNANSWERED)
    )


def _accepted(platform: str, after: datetime | None) -> Select[Any]:
    """Accepted since a moment, by the exchange that said so."""
    since = func.max(exchange.c.opened_at)
    wanted = (
        select(delivery.c.id, delivery.c.kind, delivery.c.record_key, since.label("since"))
        .select_from(exchange)
        .join(attempt, attempt.c.exchange_id == exchange.c.id)
        .join(delivery, delivery.c.id == attempt.c.delivery_id)
        .where(
            exchange.c.platform == platform,
            delivery.c.state == State.ACCEPTED,
            exists().where(verdict.c.attempt_id == attempt.c.id, verdict.c.event == Event.ACCEPTED, verdict.c.applied),
        )
        .group_by(delivery.c.id, delivery.c.kind, delivery.c.record_key)
    )
    return wanted if after is None else wanted.where(exchange.c.opened_at > after)


def _counted(connection: Connection, wanted: Select[Any], late: datetime, soon: datetime) -> AwaitedAnswers:
    each = wanted.subquery()
    row = connection.execute(
        select(
            func.count().label("waiting"),
            func.count().filter(each.c.since < late).label("late"),
            func.count().filter(each.c.since < soon).label("soon"),
            func.min(each.c.since).label("oldest"),
        )
    ).one()
    return AwaitedAnswers(waiting=row.waiting, late=row.late, soon=row.soon - row.late, oldest=row.oldest)


def _listed(connection: Connection, wanted: Select[Any], before: datetime, limit: int) -> list[AwaitedAnswer]:
    each = wanted.subquery()
    rows = connection.execute(select(each).where(each.c.since < before).order_by(each.c.since, each.c.id).limit(limit))
    return [AwaitedAnswer(delivery=row.id, kind=row.kind, record_key=row.record_key, since=row.since) for row in rows]


def results(connection: Connection, platform: str, late: datetime, soon: datetime) -> AwaitedAnswers:
    """Pushes whose result is not known; ``late`` and ``soon``: sent before these moments."""
    return _counted(connection, _unanswered(platform), late, soon)


def results_listed(connection: Connection, platform: str, before: datetime, limit: int) -> Sequence[AwaitedAnswer]:
    """Those of them that were sent before a moment, the oldest first."""
    return _listed(connection, _unanswered(platform), before, limit)


def unread(
    connection: Connection, platform: str, after: datetime | None, late: datetime, soon: datetime
) -> AwaitedAnswers:
    """Records that were accepted since the credit feed was last read through (``after``; None: never)."""
    return _counted(connection, _accepted(platform, after), late, soon)


def unread_listed(
    connection: Connection, platform: str, after: datetime | None, before: datetime, limit: int
) -> Sequence[AwaitedAnswer]:
    """Those of them that were accepted before a moment, the oldest first."""
    return _listed(connection, _accepted(platform, after), before, limit)
