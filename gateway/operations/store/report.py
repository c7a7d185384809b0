"""What a report counts: aggregates over the whole store. No row of a person is opened here; codes and counts only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select

from gateway.credit.store.tables import credit_ack, credit_event, credit_version, ticket
from gateway.delivery.store.tables import OPEN, attempt, delivery, exchange, platform, reconciliation, verdict
from gateway.domain.states import TERMINAL, Event
from gateway.intake.store.tables import filing
from gateway.store.tables import batch

Counted = list[Mapping[str, Any]]
_LONGEST = timedelta(days=1)
"""between the beginning of an exchange and the word on it"""


def batches(connection: Connection) -> Counted:
    """Every batch with what became of its rows, newest first."""
    columns = (batch.c[name] for name in ("name", "read_at", "rows", "admitted", "refused", "held", "unchanged"))
    return _rows(connection, select(*columns).order_by(batch.c.id.desc()))


def broken_rules(connection: Connection) -> Counted:
    """How many refused and held rows broke each rule; a row counts once under each rule text it broke."""
    found: Counter[tuple[str, str, str, str, str]] = Counter()
    rows = connection.execute(
        select(filing.c.outcome, filing.c.failures)
        .where(filing.c.outcome.in_(("refuse", "hold")))
        .execution_options(yield_per=2000)
    )
    for outcome, failures in rows:
        found.update({(f["gate"], f["field"], f["message"], f["message_zh"], outcome) for f in failures})
    rules = sorted({key[:4] for key in found})
    return [
        {
            "rule": gate,
            "field": field,
            "message": message,
            "message_zh": message_zh,
            "refused": found[gate, field, message, message_zh, "refuse"],
            "held": found[gate, field, message, message_zh, "hold"],
        }
        for gate, field, message, message_zh in rules
    ]


def ages(connection: Connection, now: datetime, limits: Sequence[timedelta]) -> Counted:
    """Waiting deliveries by platform, state and age: (``bucket`` 0 up to the first limit, … , beyond the last).

    The age counts from the last push that carried the delivery, or from its entry where none did.
    """
    pushed = (
        select(func.max(exchange.c.opened_at))
        .join(attempt, attempt.c.exchange_id == exchange.c.id)
        .where(attempt.c.delivery_id == delivery.c.id, exchange.c.purpose == "push")
        .scalar_subquery()
    )
    waiting = (
        select(delivery.c.platform, delivery.c.state, func.coalesce(pushed, delivery.c.created_at).label("since"))
        .where(OPEN, delivery.c.state.not_in(TERMINAL))
        .subquery()
    )
    since = waiting.c.since
    bucket = case(*((since > now - limit, n) for n, limit in enumerate(limits)), else_=len(limits))
    aged = select(waiting.c.platform, waiting.c.state, bucket.label("bucket")).subquery()
    return _counted(connection, aged.c.platform, aged.c.state, aged.c.bucket)


def daily(connection: Connection, days: Sequence[datetime]) -> Counted:
    """What ended, by platform, event and day: ``day`` is the place in ``days``, which are beginnings in order."""
    at = verdict.c.at
    day = case(*((at >= first, n) for n, first in reversed(list(enumerate(days)))), else_=-1).label("day")
    ended = (
        select(delivery.c.platform, verdict.c.event, day)
        .select_from(exchange)
        .join(attempt, attempt.c.exchange_id == exchange.c.id)
        .join(verdict, verdict.c.attempt_id == attempt.c.id)
        .join(delivery, delivery.c.id == attempt.c.delivery_id)
        .where(
            exchange.c.platform.in_(select(platform.c.name)),  # the index of exchanges begins with it
            exchange.c.opened_at >= days[0] - _LONGEST,
            at >= days[0],
            verdict.c.applied,
            verdict.c.event.in_([Event.ACCEPTED, Event.REJECTED]),
        )
        .subquery()
    )
    return _counted(connection, ended.c.platform, ended.c.event, ended.c.day)


def exchanges(connection: Connection, since: datetime) -> Counted:
    """Exchanges opened since a moment by platform, purpose and how they ended: a status, a failure, or not yet."""
    e = exchange.c
    lately = and_(e.platform.in_(select(platform.c.name)), e.opened_at >= since)
    return _counted(connection, e.platform, e.purpose, e.status, e.failure, where=lately)


def platforms(connection: Connection, now: datetime) -> Counted:
    """Every known platform; ``paused`` says whether a pause is in force now, and the rest why."""
    in_force = and_(platform.c.paused, or_(platform.c.until.is_(None), platform.c.until > now)).label("paused")
    columns = (platform.c[name] for name in ("name", "code", "reason", "since", "until"))
    return _rows(connection, select(in_force, *columns).order_by(platform.c.name))


def last_reconciliations(connection: Connection) -> Counted:
    """The newest run of each platform with its counts by class."""
    r = reconciliation.c
    newest = select(func.max(r.id)).group_by(r.platform)
    columns = (r[name] for name in ("id", "platform", "ours_at", "theirs_at", "counts"))
    return _rows(connection, select(*columns).where(r.id.in_(newest)).order_by(r.platform))


def findings(connection: Connection) -> Counted:
    """Credit events by platform and the code we answer with."""
    return _counted(connection, credit_event.c.platform, credit_event.c.outcome)


def finding_acks(connection: Connection) -> Counted:
    """Acknowledgements of credit events by platform, code and whether the platform has them."""
    return _counted(connection, credit_ack.c.platform, credit_ack.c.code, credit_ack.c.sent_at.is_not(None), sent=2)


def credit_statuses(connection: Connection, now: datetime) -> Counted:
    """Credit records by platform and the status believed now."""
    c = credit_version.c
    in_force = and_(c.sys_to.is_(None), c.valid_from <= now, or_(c.valid_to.is_(None), c.valid_to > now))
    return _counted(connection, c.platform, c.status, where=in_force)


def open_tickets(connection: Connection) -> Counted:
    """Tickets nobody has closed, by platform and kind."""
    return _counted(connection, ticket.c.platform, ticket.c.kind, where=ticket.c.closed_at.is_(None))


def _counted(
    connection: Connection, *columns: Any, where: ColumnElement[bool] | None = None, sent: int = -1
) -> Counted:
    named = [column.label("sent") if n == sent else column for n, column in enumerate(columns)]
    statement = select(*named, func.count().label("count")).group_by(*columns).order_by(*columns)
    return _rows(connection, statement if where is None else statement.where(where))


def _rows(connection: Connection, statement: Select[Any]) -> Counted:
    return [dict(row) for row in connection.execute(statement).mappings()]
