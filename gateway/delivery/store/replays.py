"""Replay by plan: choose what failed, fix the list, then let it go piece by piece; a second run finds nothing to do.

A plan only queues deliveries again; they travel through the same door as all others. A person may say whether they go
with the payload they had or are mapped anew. Where nobody does, what was parked keeps its payload, and so does what was
accepted and is lost or altered there by the last reconciliation; what was rejected is mapped anew, because the same
bytes would be rejected again. What was sent before stays beside it. What has moved on since the plan was made, or has a
newer version, is skipped and says so.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, false, func, insert, literal, select, update

from gateway.codec.redact import clean
from gateway.delivery.rules.differences import Difference
from gateway.delivery.store.tables import (
    OPEN,
    delivery,
    earlier_payload,
    payload,
    reconciliation,
    reconciliation_item,
    replay_item,
    replay_plan,
)
from gateway.delivery.store.views import DeliveryFilter, matching
from gateway.domain.records import RecordKind
from gateway.domain.states import Event, State, advance
from gateway.store.audit import note
from gateway.store.metadata import CHUNK, Moment

FAILED = {State.PARKED: Event.RELEASED, State.REJECTED: Event.REPLAYED, State.ACCEPTED: Event.REPLAYED}
"""what may be planned, and the event by which it is queued again"""


class ReplayMapping(StrEnum):
    """With which payload the deliveries of a plan go."""

    ORIGINAL = "original"
    """the one they had, where there is one"""
    CURRENT = "current"
    """one that is made anew from the record"""


class ReplayOutcome(StrEnum):
    """What became of an item of a plan."""

    DONE = "done"
    SKIPPED = "skipped"


class Why(StrEnum):
    """Why an item was skipped."""

    MOVED_ON = "moved_on"
    """it no longer stands as it did when the plan was made"""
    NEWER_VERSION = "newer_version"
    """the record has a newer version, which must not be overtaken"""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A plan and how far it is: ``items`` is always done + skipped + waiting (I6)."""

    id: int
    at: datetime
    by: str
    reason: str
    chosen_by: dict[str, Any]
    items: int
    digest: str
    cancelled_at: datetime | None
    done: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    waiting: int = 0


def plan(
    connection: Connection,
    wanted: DeliveryFilter,
    *,
    reason: str,
    by: str,
    now: datetime,
    difference: Difference | None = None,
    mapping: ReplayMapping | None = None,
) -> Plan | None:
    """Fix the list of what failed and matches, all of it, oldest first; None where nothing does.

    Nothing is queued yet. ``digest`` is the SHA-256 of the delivery numbers, one a line. With ``difference``: of
    what was accepted and is lost or altered there, as the last reconciliation of its platform says and nobody settled.
    """
    accepted = delivery.c.state == State.ACCEPTED
    failed = and_(OPEN, delivery.c.state.in_([State.PARKED, State.REJECTED]))
    which = [*matching(wanted), failed if difference is None else and_(accepted, _differs(difference))]
    row = {
        "at": now,
        "by": by,
        "reason": clean(reason),
        "chosen_by": {
            "platform": wanted.platform,
            "states": [str(state) for state in wanted.states],
            "code": wanted.code,
            "since": None if wanted.since is None else wanted.since.isoformat(),
            "until": None if wanted.until is None else wanted.until.isoformat(),
            "batch": wanted.batch,
            "deliveries": list(wanted.ids),
            "difference": difference,
            "mapping": mapping,
        },
        "items": 0,
        "digest": "",
    }
    number = int(connection.execute(insert(replay_plan).values(row).returning(replay_plan.c.id)).scalar_one())
    # few failed: sorting them is less than going through all rows in their order
    place = func.row_number().over(order_by=delivery.c.id + 0)
    chosen = select(literal(number), place, delivery.c.id, delivery.c.fence).where(*which)
    connection.execute(insert(replay_item).from_select(["plan_id", "position", "delivery_id", "fence"], chosen))
    count, digest = 0, hashlib.sha256()
    for part in _in_pieces(connection, number):
        digest.update("".join(f"{one}\n" for one in part).encode())
        count += len(part)
    if not count:
        connection.execute(delete(replay_plan).where(replay_plan.c.id == number))
        return None
    done = {"items": count, "digest": digest.hexdigest()}
    connection.execute(update(replay_plan).where(replay_plan.c.id == number).values(done))
    note(connection, at=now, actor=by, action="plan_replay", subject=f"replay {number}", reason=reason, detail=done)
    return find(connection, number)


def _in_pieces(connection: Connection, number: int) -> Iterator[Sequence[int]]:
    """The deliveries of a plan, in its order."""
    after = 0
    while True:
        rows = connection.execute(
            select(replay_item.c.position, replay_item.c.delivery_id)
            .where(replay_item.c.plan_id == number, replay_item.c.position > after)
            .order_by(replay_item.c.position)
            .limit(CHUNK)
        ).all()
        if not rows:
            return
        yield [row.delivery_id for row in rows]
        after = rows[-1].position


def first_of(connection: Connection, number: int, limit: int) -> list[int]:
    """The first deliveries of a plan that are still to go."""
    wanted = select(replay_item.c.delivery_id).where(replay_item.c.plan_id == number, replay_item.c.outcome.is_(None))
    return list(connection.execute(wanted.order_by(replay_item.c.position).limit(limit)).scalars())


def kinds_of(connection: Connection, number: int) -> dict[tuple[str, str], int]:
    """(platform, kind) -> how many deliveries of a plan are still to go."""
    rows = connection.execute(
        select(delivery.c.platform, delivery.c.kind, func.count().label("count"))
        .join(replay_item, replay_item.c.delivery_id == delivery.c.id)
        .where(replay_item.c.plan_id == number, replay_item.c.outcome.is_(None))
        .group_by(delivery.c.platform, delivery.c.kind)
    )
    return {(row.platform, row.kind): row._mapping["count"] for row in rows}


def _differs(difference: str | None) -> ColumnElement[bool]:
    newest = select(func.max(reconciliation.c.id)).group_by(reconciliation.c.platform)
    item = reconciliation_item.c
    return exists().where(
        item.delivery_id == delivery.c.id,
        item["class"] == difference,
        item.settled_at.is_(None),
        # not by the index of runs, which would look through a whole run for each delivery
        func.coalesce(item.reconciliation_id, 0).in_(newest),
    )


def run(connection: Connection, number: int, *, by: str, now: datetime) -> Counter[str] | None:
    """Queue the next piece of a plan again, in one commit; None where nothing of it is left or it was cancelled."""
    head = (
        connection.execute(select(replay_plan).where(replay_plan.c.id == number).with_for_update()).mappings().first()
    )
    if head is None or head["cancelled_at"] is not None:
        return None
    newer = delivery.alias("newer")
    overtaken = exists().where(
        newer.c.platform == delivery.c.platform,
        newer.c.kind.in_(list(RecordKind)),  # says nothing, but the index of versions goes on with it
        newer.c.record_key == delivery.c.record_key,
        newer.c.version > delivery.c.version,
        newer.c.state != State.SUPERSEDED,
    )
    difference = head["chosen_by"].get("difference")
    rows = connection.execute(
        select(
            replay_item.c.position,
            replay_item.c.fence.label("planned"),
            delivery,
            overtaken.label("overtaken"),
            (false() if difference is None else _differs(difference)).label("differs"),
        )
        .join(delivery, delivery.c.id == replay_item.c.delivery_id)
        .where(replay_item.c.plan_id == number, replay_item.c.outcome.is_(None))
        .order_by(replay_item.c.position)
        .limit(CHUNK)
        .with_for_update(of=delivery)
    ).all()
    if not rows:
        return None
    skipped = {row.position: why for row in rows if (why := _why_not(row)) is not None}
    going = [row for row in rows if row.position not in skipped]
    mapping = head["chosen_by"].get("mapping")
    for state, event in FAILED.items():
        anew = mapping == ReplayMapping.CURRENT or (mapping is None and state is State.REJECTED)
        _queue(connection, [row.id for row in going if row.state == state], state, event, now, anew=anew)
    _settle(connection, number, [row.position for row in going], {"outcome": ReplayOutcome.DONE, "at": now})
    for why in Why:
        values = {"outcome": ReplayOutcome.SKIPPED, "why": why, "at": now}
        _settle(connection, number, [place for place, one in skipped.items() if one is why], values)
    numbers = sorted(row.id for row in going)
    if numbers:
        detail = {"deliveries": numbers}
        note(
            connection,
            at=now,
            actor=by,
            action="replay",
            subject=f"replay {number}",
            reason=head["reason"],
            detail=detail,
        )
    return Counter([*(str(ReplayOutcome.DONE) for _ in going), *(str(why) for why in skipped.values())])


def _why_not(row: Any) -> Why | None:
    if row.state not in FAILED or row.fence != row.planned or (row.state == State.ACCEPTED and not row.differs):
        return Why.MOVED_ON
    return Why.NEWER_VERSION if row.overtaken else None


def _queue(
    connection: Connection, ids: Sequence[int], state: State, event: Event, now: datetime, *, anew: bool
) -> None:
    """``anew``: the payload is made again from the record; what it was stays among the earlier ones."""
    if not ids:
        return
    if anew:
        names = ["delivery_id", "content", "spec_version", "made_at"]
        kept = select(*(payload.c[name] for name in names), literal(now, Moment)).where(payload.c.delivery_id.in_(ids))
        connection.execute(insert(earlier_payload).from_select([*names, "replaced_at"], kept))
        connection.execute(delete(payload).where(payload.c.delivery_id.in_(ids)))
    connection.execute(
        update(delivery)
        .where(delivery.c.id.in_(ids))
        .values(
            state=advance(state, event),
            due_at=now,
            updated_at=now,
            fence=delivery.c.fence + 1,
            tries=0,
            polls=0,
            lookups=0,
            negatives=0,
            message_id=None,
            message_size=None,
            receipt_id=None,
            platform_ref=None,
            code=str(event),
            reason=None,
        )
    )


def _settle(connection: Connection, number: int, positions: Sequence[int], values: dict[str, Any]) -> None:
    here = (replay_item.c.plan_id == number, replay_item.c.position.in_(positions))
    connection.execute(update(replay_item).where(*here).values(values))


def cancel(connection: Connection, number: int, *, by: str, reason: str, now: datetime) -> bool:
    """Stop a plan before what is left of it; False where there is no such plan or nothing of it is left."""
    left = exists().where(replay_item.c.plan_id == number, replay_item.c.outcome.is_(None))
    here = (replay_plan.c.id == number, replay_plan.c.cancelled_at.is_(None), left)
    stopped = connection.execute(update(replay_plan).where(*here).values(cancelled_at=now)).rowcount
    if stopped:
        note(connection, at=now, actor=by, action="cancel_replay", subject=f"replay {number}", reason=reason)
    return bool(stopped)


def find(connection: Connection, number: int) -> Plan | None:
    """One plan with how far it is."""
    found = plans(connection, number)
    return found[0] if found else None


def plans(connection: Connection, number: int | None = None) -> list[Plan]:
    """All plans, the newest first, or one."""
    every = select(replay_plan).order_by(replay_plan.c.id.desc())
    heads = connection.execute(every if number is None else every.where(replay_plan.c.id == number)).mappings().all()
    counted: dict[int, Counter[tuple[str | None, str | None]]] = {}
    columns = (replay_item.c.plan_id, replay_item.c.outcome, replay_item.c.why)
    wanted = select(*columns, func.count().label("count")).group_by(*columns)
    if number is not None:
        wanted = wanted.where(replay_item.c.plan_id == number)
    for row in connection.execute(wanted):
        counted.setdefault(row.plan_id, Counter())[row.outcome, row.why] += row._mapping["count"]
    return [_told(dict(head), counted.get(head["id"], Counter())) for head in heads]


def _told(head: dict[str, Any], counts: Counter[tuple[str | None, str | None]]) -> Plan:
    skipped = {why: count for (outcome, why), count in counts.items() if outcome == ReplayOutcome.SKIPPED and why}
    return Plan(**head, done=counts[ReplayOutcome.DONE, None], skipped=skipped, waiting=counts[None, None])
