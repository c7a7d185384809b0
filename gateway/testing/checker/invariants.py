"""What the store says about itself, for the checker that every end-to-end test ends with (ARCHITECTURE, invariants).

Everything is judged from two books that know nothing of each other: our ledger and a platform's own account.
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import reduce
from typing import Any

from sqlalchemy import JSON, Connection, Select, String, Text, and_, cast, exists, func, or_, select

from gateway.contract.connector import Connector
from gateway.delivery.store.replays import plans
from gateway.delivery.store.tables import attempt, delivery, exchange, verdict
from gateway.delivery.store.version_order import is_left_out
from gateway.domain.identifiers import ResidentNumber, parse_resident_id
from gateway.domain.records import RecordKind
from gateway.domain.states import TERMINAL, Event, State
from gateway.operations.store.retention import cleared
from gateway.store.metadata import metadata
from gateway.store.tables import record
from gateway.store.vault import Vault
from gateway.testing.checker.effects import (
    Effects,
    attempts_match,
    count,
    kinds_in_order,
    one_effect_each,
    pace_kept,
    requests_match,
    versions_in_order,
)
from gateway.testing.checker.proofs import unproven
from gateway.testing.checker.soundness import attempts_only_added, differences_add_up, ends_are_told, fences_hold

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

    vault, connector:  given both, every acceptance is judged again from the stored bytes (I3), the order of kinds is
                       checked (I4), and the platform's pace and budget by what it saw (I10)
    canaries:          names and numbers that must not stand in any clear column, beside all synthetic identity numbers

    The evidence chain (I9) has a check of its own. How many requests were on the wire at once (I10) is counted by those
    who carry or receive them.
    """
    asked = list(seen)
    found = [
        *unsound(connection, platform, canaries=canaries),
        *one_effect_each(connection, platform, effects),
        *_acceptances_are_proven(connection, platform),
        *versions_in_order(connection, platform, effects),
        *requests_match(connection, platform, asked, handed=connector is not None and connector.endpoint.hand_over),
        *ends_are_told(connection, platform),
        *_plans_add_up(connection),
    ]
    if connector is not None:
        found += kinds_in_order(connection, connector, effects)
        found += pace_kept(connector.endpoint, (datetime.fromisoformat(request["at"]) for request in asked))
    if connector is not None and vault is not None:
        found += unproven(connection, vault, connector)
    return found


def unsound(connection: Connection, platform: str, *, canaries: Collection[str] = ()) -> list[str]:
    """The part of ``broken`` that our ledger tells alone, at any moment of its life (I1, I5, I7, I8, I12)."""
    return [
        *_each_record_once(connection, platform),
        *_none_is_stuck(connection, platform),
        *attempts_match(connection, platform),
        *attempts_only_added(connection, platform),
        *differences_add_up(connection, platform),
        *_nobody_in_clear(connection, canaries),
        *fences_hold(connection, platform),
    ]


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
        if not texts:
            continue
        row_text = reduce(operator.add, (func.coalesce(text, "") + "\n" for text in texts))
        wanted = [row_text.contains(canary, autoescape=True) for canary in ("370000", *canaries)]
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


def _plans_add_up(connection: Connection) -> Iterator[str]:
    for plan in plans(connection):
        told = plan.done + sum(plan.skipped.values()) + plan.waiting
        if told != plan.items:
            yield f"I6: replay {plan.id} was of {plan.items} and tells of {told}"
