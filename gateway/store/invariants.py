"""What the store says about itself, for the checker that every end-to-end test ends with (ARCHITECTURE, invariants).

Everything is judged from two books that know nothing of each other: our ledger and a platform's own account.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import JSON, Connection, Select, String, Text, and_, cast, exists, false, func, or_, select

from gateway.contract.connector import Connector
from gateway.domain.delivery import TERMINAL, Event, State
from gateway.domain.identifiers import ResidentNumber, parse_resident_id
from gateway.domain.records import RecordKind
from gateway.store.effects import (
    Effects,
    attempts_match,
    count,
    kinds_in_order,
    one_effect_each,
    requests_match,
    versions_in_order,
)
from gateway.store.evidence_tables import replay_item
from gateway.store.projects import is_left_out
from gateway.store.proofs import unproven
from gateway.store.replays import plans
from gateway.store.retention import cleared
from gateway.store.tables import attempt, delivery, exchange, metadata, record, verdict
from gateway.store.vault import Vault

Seen = Iterable[Mapping[str, Any]]
"""what a sandbox gives under ``/__sandbox/requests``"""

_SYNTHETIC = re.compile(r"(?<!\d)370000\d{11}[\dXx](?!\d)")
"""an identity number of the unissued area that all synthetic people have"""


def broken(
    connection: Connection,
    platform: str,
    effects: Effects,
    seen: Seen,
    *,
    vault: Vault | None = None,
    connector: Connector | None = None,
    canaries: Collection[str] = (),
) -> list[str]:
    """Sentences about every invariant that does not hold between our ledger and one platform's own books.

    vault, connector:  given both, every acceptance is judged again from the stored bytes (I3), and the order of kinds
                       is checked (I4). Headers are not stored, so platforms that sign in a header cannot be judged.
    canaries:          names and numbers that must not stand in any clear column, beside all synthetic identity numbers
    """
    found = [
        *_each_record_once(connection, platform),
        *_none_is_stuck(connection, platform),
        *one_effect_each(connection, platform, effects),
        *_acceptances_are_proven(connection, platform),
        *versions_in_order(connection, platform, effects),
        *attempts_match(connection, platform),
        *requests_match(connection, platform, list(seen)),
        *_nobody_in_clear(connection, canaries),
        *_fences_hold(connection, platform),
        *_plans_add_up(connection),
    ]
    if connector is not None:
        found += kinds_in_order(connection, connector, effects)
    if connector is not None and vault is not None:
        found += unproven(connection, vault, connector)
    return found


def restless(connection: Connection, platform: str) -> int:
    """How many deliveries still have a way to go by themselves: neither ended, nor parked, nor behind such a one."""
    still = (*TERMINAL, State.PARKED)
    return count(
        connection, delivery.c.platform == platform, delivery.c.state.not_in(still), delivery.c.blocked_by.is_(None)
    )


def _each_record_once(connection: Connection, platform: str) -> Iterator[str]:
    twice = connection.execute(
        select(func.count())
        .select_from(delivery)
        .where(delivery.c.platform == platform)
        .group_by(delivery.c.record_id)
        .having(func.count() > 1)
    ).all()
    if twice:
        yield f"I1: {len(twice)} records are owed more than once"
    kinds = select(delivery.c.kind).where(delivery.c.platform == platform).distinct()
    # the change of status that made this version of a certificate is its other form
    told = and_(
        record.c.kind == RecordKind.CERTIFICATE,
        delivery.c.kind == RecordKind.STATUS_CHANGE,
        delivery.c.record_key == record.c.key,
        delivery.c.version == record.c.version,
    )
    lost = connection.execute(
        select(func.count())
        .select_from(record)
        .where(
            record.c.kind.in_(kinds),
            ~is_left_out(platform),
            ~exists().where(delivery.c.platform == platform, or_(delivery.c.record_id == record.c.id, told)),
        )
    ).scalar_one()
    if lost:
        yield f"I1: {lost} records are owed and have no delivery"


def _none_is_stuck(connection: Connection, platform: str) -> Iterator[str]:
    """Nobody may wait for what will never come: a lease of the dead, or a delivery that has ended."""
    here = delivery.c.platform == platform
    ended = count(connection, here, delivery.c.state.in_(TERMINAL), delivery.c.lease_owner.is_not(None))
    if ended:
        yield f"I1: {ended} deliveries have ended and are still leased"
    alone = count(connection, here, delivery.c.state == State.SENDING, delivery.c.lease_owner.is_(None))
    if alone:
        yield f"I1: {alone} deliveries are being sent by nobody"
    before = delivery.alias("before")
    given_up = and_(before.c.record_key == delivery.c.record_key, before.c.state == State.REJECTED)
    behind = exists().where(
        before.c.id == delivery.c.blocked_by,
        or_(before.c.state.in_([State.ACCEPTED, State.SUPERSEDED]), given_up),
    )
    stuck = count(connection, here, delivery.c.state.not_in(TERMINAL), behind)
    if stuck:
        yield f"I1: {stuck} deliveries wait for one that has ended"


def _acceptances_are_proven(connection: Connection, platform: str) -> Iterator[str]:
    proof = (
        select(verdict.c.id)
        .join(attempt, attempt.c.id == verdict.c.attempt_id)
        .join(exchange, exchange.c.id == attempt.c.exchange_id)
        .where(
            attempt.c.delivery_id == delivery.c.id,
            verdict.c.event == Event.ACCEPTED,
            verdict.c.applied,
            or_(exchange.c.response.is_not(None), exchange.c.response_digest.is_not(None)),
        )
    )
    bare = count(connection, delivery.c.platform == platform, delivery.c.state == State.ACCEPTED, ~proof.exists())
    lost = connection.execute(
        select(exchange.c.id).where(exchange.c.response.is_(None), exchange.c.id.in_(_proving(platform)))
    ).scalars()
    bare += len(set(lost) - cleared(connection, exchange))
    if bare:
        yield f"I3: {bare} acceptances have no stored reply"


def _proving(platform: str) -> Select[int]:
    """Exchanges whose answer made a delivery accepted."""
    return (
        select(attempt.c.exchange_id)
        .join(verdict, verdict.c.attempt_id == attempt.c.id)
        .join(delivery, delivery.c.id == attempt.c.delivery_id)
        .where(
            delivery.c.platform == platform,
            delivery.c.state == State.ACCEPTED,
            verdict.c.event == Event.ACCEPTED,
            verdict.c.applied,
        )
    )


def _nobody_in_clear(connection: Connection, canaries: Collection[str]) -> Iterator[str]:
    for table in metadata.sorted_tables:
        clear = [column for column in table.columns if isinstance(column.type, (String, JSON))]
        texts = [cast(column, Text) for column in clear]
        wanted = [text.contains(canary, autoescape=True) for text in texts for canary in ("370000", *canaries)]
        if not wanted:
            continue
        hits: Counter[str] = Counter()
        for row in connection.execute(select(*texts).where(or_(*wanted))):
            for column, text in zip(clear, row, strict=True):
                hits[column.name] += text is not None and _tells(text, canaries)
        for name, rows in hits.items():
            if rows:
                yield f"I8: {rows} rows show a person in {table.name}.{name}"


def _tells(text: str, canaries: Collection[str]) -> bool:
    if any(canary in text for canary in canaries):
        return True
    return any(isinstance(parse_resident_id(number), ResidentNumber) for number in _SYNTHETIC.findall(text))


def _fences_hold(connection: Connection, platform: str) -> Iterator[str]:
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
    for state, event in ((State.ACCEPTED, Event.ACCEPTED), (State.REJECTED, Event.REJECTED)):
        told = exists().where(judged.c.id == delivery.c.id, judged.c.event == event, judged.c.applied)
        here_only = and_(delivery.c.code == "check", delivery.c.state == State.REJECTED)
        unfounded = count(connection, here, delivery.c.state == state, ~told, ~here_only)
        if unfounded:
            yield f"I12: {unfounded} deliveries are {state} without a verdict that counted"
        again = exists().where(replay_item.c.delivery_id == delivery.c.id, replay_item.c.outcome == "done")
        excused = again if event is Event.REJECTED else false()
        ignored = count(connection, here, delivery.c.state != state, told, ~excused)
        if ignored:
            yield f"I12: {ignored} deliveries had the verdict {event} and are something else"


def _plans_add_up(connection: Connection) -> Iterator[str]:
    for plan in plans(connection):
        told = plan.done + sum(plan.skipped.values()) + plan.waiting
        if told != plan.items:
            yield f"I6: replay {plan.id} was of {plan.items} and tells of {told}"
