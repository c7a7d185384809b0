"""Our ledger beside a platform's own books: effects, their order, and every request they saw."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, exists, func, select

from gateway.contract.connector import Connector, Endpoint
from gateway.delivery.store.tables import attempt, delivery, exchange, verdict
from gateway.domain.states import Event, State

Effects = Mapping[str, Any]
"""what a sandbox gives under ``/__sandbox/effects``"""

_MIRRORED = frozenset({"person", "certificate"})


def one_effect_each(connection: Connection, platform: str, effects: Effects) -> Iterator[str]:
    """I2: what was accepted had its effect, and nothing had two."""
    here = delivery.c.platform == platform
    kinds = set(connection.execute(select(delivery.c.kind).where(here).distinct()).scalars())
    mirrored = [one for one in effects["holdings"].values() if one["kind"] in _MIRRORED & (kinds | {"certificate"})]
    writes = sum(one["writes"] for one in mirrored)
    accepted = count(connection, here, delivery.c.state == State.ACCEPTED)
    if writes < accepted:
        yield f"I2: {accepted} accepted, but the platform stored or changed only {writes}"
    pushed = count(connection, here, exists(_pushes().where(attempt.c.delivery_id == delivery.c.id)))
    if writes > pushed:
        yield f"I2: {pushed} deliveries were sent, and the platform stored or changed {writes}"
    doubled = sum(1 for one in mirrored if one["writes"] > len(set(one["versions"])))
    if doubled:
        yield f"I2: {doubled} keys have more than one effect for one version"
    missing = 0
    rows = connection.execute(
        select(delivery.c.record_key, delivery.c.version).where(here, delivery.c.state == State.ACCEPTED)
    )
    for key, version in rows:
        held = effects["holdings"].get(_hash(key))
        missing += held is not None and held["kind"] in _MIRRORED and version not in held["versions"]
    if missing:
        yield f"I2: {missing} accepted versions had no effect"


def versions_in_order(connection: Connection, platform: str, effects: Effects) -> Iterator[str]:
    """By our book no older version left after a newer one; by the platform's none arrived after a newer one."""
    sent = connection.execute(
        select(delivery.c.kind, delivery.c.record_key, delivery.c.version, attempt.c.exchange_id)
        .join(attempt, attempt.c.delivery_id == delivery.c.id)
        .join(exchange, exchange.c.id == attempt.c.exchange_id)
        .where(delivery.c.platform == platform, exchange.c.purpose == "push")
        .order_by(attempt.c.id)
    )
    latest: dict[tuple[str, str], int] = {}
    back = 0
    for kind, key, version, _ in sent:
        back += version < latest.get((kind, key), 0)
        latest[kind, key] = max(version, latest.get((kind, key), 0))
    if back:
        yield f"I4: {back} attempts sent a version older than one sent before"
    backwards = sum(
        1
        for one in effects["holdings"].values()
        if one["kind"] in _MIRRORED and one["versions"] != sorted(one["versions"])
    )
    if backwards:
        yield f"I4: {backwards} keys got an older version after a newer one"


def kinds_in_order(connection: Connection, connector: Connector, effects: Effects) -> Iterator[str]:
    """A kind that must come after another was not sent before one of the same person was accepted."""
    info = connector.info
    first_sent, first_accepted = _firsts(connection, info.platform)
    holders = connection.execute(
        select(delivery.c.id, delivery.c.kind, delivery.c.person_key, delivery.c.record_key).where(
            delivery.c.platform == info.platform
        )
    ).all()
    proofs: dict[tuple[str, str], int] = {}
    for row in holders:
        if row.id in first_accepted:
            known = proofs.get((row.kind, row.person_key), first_accepted[row.id])
            proofs[row.kind, row.person_key] = min(known, first_accepted[row.id])
    owed = {(row.kind, row.person_key): row.record_key for row in holders}
    early = 0
    for row in holders:
        for before in info.kinds[row.kind].after if row.kind in info.kinds else ():
            if row.id not in first_sent or (before, row.person_key) not in owed:
                continue
            proof = proofs.get((before, row.person_key))
            early += proof is None or proof > first_sent[row.id]
            ours, theirs = (effects["holdings"].get(_hash(k)) for k in (row.record_key, owed[before, row.person_key]))
            early += ours is not None and (theirs is None or theirs["first"] > ours["first"])
    if early:
        yield f"I4: {early} deliveries went before the one they belong to was accepted"


def _firsts(connection: Connection, platform: str) -> tuple[dict[int, int], dict[int, int]]:
    """By delivery: its first push, and the exchange that proved its acceptance."""
    carried = (
        select(attempt.c.delivery_id, func.min(attempt.c.exchange_id))
        .join(exchange, exchange.c.id == attempt.c.exchange_id)
        .where(exchange.c.platform == platform)
        .group_by(attempt.c.delivery_id)
    )
    sent = connection.execute(carried.where(exchange.c.purpose == "push"))
    accepted = connection.execute(
        carried.join(verdict, verdict.c.attempt_id == attempt.c.id).where(
            verdict.c.event == Event.ACCEPTED, verdict.c.applied
        )
    )
    return {row[0]: row[1] for row in sent}, {row[0]: row[1] for row in accepted}


def attempts_match(connection: Connection, platform: str) -> Iterator[str]:
    """I5, our side: a try has its attempt, a push carries something."""
    pushes = _pushes().where(attempt.c.delivery_id == delivery.c.id).with_only_columns(func.count()).scalar_subquery()
    miscounted = count(connection, delivery.c.platform == platform, delivery.c.tries > pushes)
    if miscounted:
        yield f"I5: {miscounted} deliveries count more tries than they have attempts"
    empty = connection.execute(
        select(func.count())
        .select_from(exchange)
        .where(
            exchange.c.platform == platform,
            exchange.c.purpose == "push",
            ~exists().where(attempt.c.exchange_id == exchange.c.id),
        )
    ).scalar_one()
    if empty:
        yield f"I5: {empty} pushes carried nothing"


def pace_kept(endpoint: Endpoint, moments: Iterable[datetime]) -> Iterator[str]:
    """I10: in no stretch of time did the platform see more requests than its budget and its pace allow.

    On their way requests may come closer to each other; the budget leaves room for that, the pace is given a second.
    """
    at = sorted(moments)
    budget, interval = endpoint.traffic.budget, endpoint.pace.interval
    if budget is not None:
        close = sum(later - first < budget.window for first, later in zip(at, at[budget.requests :], strict=False))
        if close:
            yield f"I10: {close} times more than {budget.requests} requests came within {budget.window}"
    ahead: datetime | None = None
    hurried = 0
    for moment in at if interval else ():
        hurried += ahead is not None and moment < ahead - _UNDERWAY
        ahead = (moment if ahead is None else max(ahead, moment)) + interval
    if hurried:
        yield f"I10: {hurried} requests came sooner than the pace allows"


_UNDERWAY = timedelta(seconds=1)


def requests_match(
    connection: Connection, platform: str, seen: Collection[Mapping[str, Any]], *, handed: object = None
) -> Iterator[str]:
    """Every request they understood was written down before; every exchange with an answer was seen by them.

    handed: the platform is handed things over. It sees these alone, once each, however often the hand-over was asked
            for; what is read of folders or tables it does not see
    """
    ours: dict[str, list[datetime]] = defaultdict(list)
    answered: Counter[str] = Counter()
    rows = connection.execute(
        select(exchange.c.request_digest, exchange.c.opened_at, exchange.c.status)
        .where(exchange.c.platform == platform, *([exchange.c.purpose == "push"] if handed else []))
        .order_by(exchange.c.opened_at)
    )
    for digest, opened_at, status in rows:
        ours[digest].append(opened_at)
        answered[digest] = min(answered[digest] + (status is not None), 1 if handed else len(ours[digest]))
    arrived = Counter(request["body_sha256"] for request in seen)
    theirs: dict[str, list[datetime]] = defaultdict(list)
    for request in seen:
        if request["operation"]:
            theirs[request["body_sha256"]].append(datetime.fromisoformat(request["at"]))
    unknown = sum(max(0, len(times) - len(ours[digest])) for digest, times in theirs.items())
    if unknown:
        yield f"I11: {unknown} requests were seen that no exchange tells of"
    late = sum(
        opened > at for digest, times in theirs.items() for opened, at in zip(ours[digest], sorted(times), strict=False)
    )
    if late:
        yield f"I11: {late} requests were seen before their exchange was written"
    unseen = sum(max(0, count - arrived[digest]) for digest, count in answered.items())
    if unseen:
        yield f"I5: {unseen} exchanges have an answer to a request that was never seen"


def _pushes() -> Any:
    return (
        select(attempt.c.id)
        .join(exchange, exchange.c.id == attempt.c.exchange_id)
        .where(exchange.c.purpose == "push")
        .correlate(delivery)
    )


def _hash(natural_key: str) -> str:
    return hashlib.sha256(natural_key.encode()).hexdigest()


def count(connection: Connection, *conditions: Any) -> int:
    """How many deliveries meet the conditions."""
    return int(connection.execute(select(func.count()).select_from(delivery).where(*conditions)).scalar_one())
