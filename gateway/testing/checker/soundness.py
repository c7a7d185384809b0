"""Whether leases, attempts and kept differences are as they were once written: parts of the checker of invariants."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from sqlalchemy import Connection, and_, exists, false, func, select

from gateway.delivery.store.tables import (
    attempt,
    delivery,
    exchange,
    reconciliation,
    reconciliation_item,
    replay_item,
    verdict,
)
from gateway.domain.states import Event, State
from gateway.testing.checker.effects import count


def fences_hold(connection: Connection, platform: str) -> Iterator[str]:
    """A lease settles once; what has ended stays ended; what was not applied changed nothing."""
    here = delivery.c.platform == platform
    judged = (
        select(
            delivery.c.id,
            attempt.c.id.label("attempt"),
            attempt.c.fence,
            verdict.c.id.label("verdict"),
            verdict.c.event,
            verdict.c.applied,
        )
        .join(attempt, attempt.c.delivery_id == delivery.c.id)
        .join(verdict, verdict.c.attempt_id == attempt.c.id)
        .where(here)
        .subquery()
    )
    twice = connection.execute(
        select(judged.c.id).where(judged.c.applied).group_by(judged.c.id, judged.c.fence).having(func.count() > 1)
    ).all()
    if twice:
        yield f"I12: {len(twice)} leases were settled more than once"
    other, newer = attempt.alias(), verdict.alias()
    overtaken = connection.execute(
        select(func.count(judged.c.id.distinct())).where(
            judged.c.applied,
            exists()
            .where(other.c.delivery_id == judged.c.id, other.c.fence > judged.c.fence)
            .where(newer.c.attempt_id == other.c.id, newer.c.id < judged.c.verdict),
        )
    ).scalar_one()
    if overtaken:
        yield f"I12: {overtaken} deliveries were settled under a lease that another had followed"
    final = [str(Event.ACCEPTED), str(Event.REJECTED)]
    replayed = exists().where(replay_item.c.delivery_id == judged.c.id, replay_item.c.outcome == "done")
    moved = connection.execute(
        select(func.count(judged.c.id.distinct())).where(
            judged.c.applied,
            ~and_(judged.c.event == str(Event.REJECTED), replayed),
            judged.c.event.in_(final),
            exists().where(attempt.c.delivery_id == judged.c.id, attempt.c.id > judged.c.attempt),
        )
    ).scalar_one()
    if moved:
        yield f"I12: {moved} deliveries were sent or asked about after they had ended"


def ends_are_told(connection: Connection, platform: str) -> Iterator[str]:
    """I12: what has ended ended by a verdict that counted, and every such verdict ended it."""
    here = delivery.c.platform == platform
    for state, event in ((State.ACCEPTED, Event.ACCEPTED), (State.REJECTED, Event.REJECTED)):
        told = (
            exists()
            .where(attempt.c.delivery_id == delivery.c.id)
            .where(verdict.c.attempt_id == attempt.c.id, verdict.c.event == event, verdict.c.applied)
        )
        here_only = and_(delivery.c.code == "check", delivery.c.state == State.REJECTED)
        unfounded = count(connection, here, delivery.c.state == state, ~told, ~here_only)
        if unfounded:
            yield f"I12: {unfounded} deliveries are {state} without a verdict that counted"
        again = exists().where(replay_item.c.delivery_id == delivery.c.id, replay_item.c.outcome == "done")
        excused = again if event is Event.REJECTED else false()
        ignored = count(connection, here, delivery.c.state != state, told, ~excused)
        if ignored:
            yield f"I12: {ignored} deliveries had the verdict {event} and are something else"


def differences_add_up(connection: Connection, platform: str) -> Iterator[str]:
    """I7: of every reconciliation all differences are kept, each in one class, as many as were counted."""
    item = reconciliation_item.c
    kept: dict[int, Counter[str]] = defaultdict(Counter)
    rows = connection.execute(
        select(item.reconciliation_id, item["class"], func.count().label("n")).group_by(
            item.reconciliation_id, item["class"]
        )
    )
    for run, name, number in rows:
        kept[run][name] = number
    runs = connection.execute(
        select(reconciliation.c.id, reconciliation.c.counts).where(reconciliation.c.platform == platform)
    )
    for run, counts in runs:
        if kept[run] != Counter({name: number for name, number in counts.items() if name != "match" and number}):
            yield f"I7: the differences of reconciliation {run} are not those that it counted"


def attempts_only_added(connection: Connection, platform: str) -> Iterator[str]:
    """I5: no attempt was changed or taken away: places in an exchange have no gap, fences only grow."""
    places = (
        select(func.count().label("n"), func.min(attempt.c.position).label("least"), func.max(attempt.c.position))
        .join(exchange, exchange.c.id == attempt.c.exchange_id)
        .where(exchange.c.platform == platform)
        .group_by(attempt.c.exchange_id)
    )
    gaps = sum(least != 0 or most != number - 1 for number, least, most in connection.execute(places))
    if gaps:
        yield f"I5: {gaps} exchanges have lost a delivery that they carried"
    rows = connection.execute(
        select(attempt.c.delivery_id, attempt.c.fence, delivery.c.fence.label("now"))
        .join(delivery, delivery.c.id == attempt.c.delivery_id)
        .where(delivery.c.platform == platform)
        .order_by(attempt.c.id)
    )
    latest: dict[int, int] = {}
    back = 0
    for number, fence, now in rows:
        back += fence < latest.get(number, 0) or fence > now
        latest[number] = fence
    if back:
        yield f"I5: {back} attempts have a fence that is older than one before, or newer than any"
