"""What the store says about itself, for the checker that every end-to-end test ends with (ARCHITECTURE, invariants)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, func, select

from gateway.domain.delivery import Event, State
from gateway.store.tables import attempt, delivery, exchange, record, verdict


def broken(
    connection: Connection, platform: str, effects: Mapping[str, Any], seen: Iterable[Mapping[str, Any]]
) -> list[str]:
    """Sentences about every invariant that does not hold between our ledger and one platform's own books.

    effects, seen:  what a sandbox gives under ``/__sandbox/effects`` and ``/__sandbox/requests``
    """
    found = [*_each_record_once(connection, platform), *_acceptances_are_proven(connection, platform)]
    held = effects["holdings"]
    accepted = _count(connection, delivery.c.platform == platform, delivery.c.state == State.ACCEPTED)
    versions = _count(connection, delivery.c.platform == platform, delivery.c.version > 1)
    mirrored = sum(1 for one in held.values() if one["kind"] in ("person", "certificate"))
    if mirrored < accepted - versions:
        found.append(f"I2: {accepted} accepted, but the platform holds only {mirrored}")
    doubled = sum(1 for one in held.values() if one["writes"] > max(1, one["version"]))
    if doubled:
        found.append(f"I2: {doubled} keys have more than one effect for one version")
    digests = set(
        connection.execute(select(exchange.c.request_digest).where(exchange.c.platform == platform)).scalars()
    )
    unknown = sum(1 for request in seen if request["operation"] and request["body_sha256"] not in digests)
    if unknown:
        found.append(f"I11: {unknown} requests were seen that no exchange tells of")
    return found


def _each_record_once(connection: Connection, platform: str) -> Iterable[str]:
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
    lost = connection.execute(
        select(func.count())
        .select_from(record)
        .where(
            record.c.kind.in_(kinds),
            ~select(delivery.c.id).where(delivery.c.platform == platform, delivery.c.record_id == record.c.id).exists(),
        )
    ).scalar_one()
    if lost:
        yield f"I1: {lost} records are owed and have no delivery"


def _acceptances_are_proven(connection: Connection, platform: str) -> Iterable[str]:
    proof = (
        select(verdict.c.id)
        .join(attempt, attempt.c.id == verdict.c.attempt_id)
        .join(exchange, exchange.c.id == attempt.c.exchange_id)
        .where(
            attempt.c.delivery_id == delivery.c.id,
            verdict.c.event == Event.ACCEPTED,
            verdict.c.applied,
            exchange.c.response.is_not(None),
        )
    )
    unproven = _count(connection, delivery.c.platform == platform, delivery.c.state == State.ACCEPTED, ~proof.exists())
    if unproven:
        yield f"I3: {unproven} acceptances have no stored reply"


def _count(connection: Connection, *conditions: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(delivery).where(*conditions)).scalar_one())
