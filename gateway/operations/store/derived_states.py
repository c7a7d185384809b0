"""What follows from lasting rows, beside what stands: the state of each delivery, lists of replays, who is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, func, select

from gateway.credit.store.case_tables import reinstatement
from gateway.delivery.store.tables import attempt, delivery, replay_item, replay_plan, verdict
from gateway.delivery.store.void_versions import REINSTATED, VOIDED
from gateway.domain.records import RecordKind
from gateway.domain.states import Event, State
from gateway.operations.store.tables import four_eyes
from gateway.store.tables import audit, record

_FINAL = {str(Event.ACCEPTED): str(State.ACCEPTED), str(Event.REJECTED): str(State.REJECTED)}
_STOPS = (str(Event.UNKNOWN), str(Event.CONFLICT))
_UNSENT = (State.QUEUED, State.SENDING, State.HELD)
_TOLD = ("code", "reason")
_AT_ONCE = 2000


def contradicted(connection: Connection, platform: str | None = None) -> Iterator[tuple[int, str]]:
    """(delivery, what) where the state does not follow: from the last verdict that counted, a replay or release."""
    released = _ordered(connection)
    for row in connection.execute(_standing(platform).execution_options(yield_per=_AT_ONCE)):
        replayed = row.at is not None and row.replayed_at is not None and row.replayed_at >= row.at
        let_go = released is None or (row.at is not None and row.id in released and released[row.id] >= row.at)
        what = _wrong(row, replayed=replayed, released=let_go)
        if what is not None:
            yield row.id, what


def _wrong(row: Any, *, replayed: bool, released: bool) -> str | None:
    if row.person_key != row.owner:
        return "is not of the person of its record"
    by_itself = row.state == State.REJECTED and row.code == "check"
    if row.state in _FINAL.values() and not by_itself:
        if _FINAL.get(row.event) != row.state:
            return f"is {row.state} without a verdict that says so"
        if any(getattr(row, name) != getattr(row, f"verdict_{name}") for name in _TOLD):
            return "does not say what its verdict said"
        if row.verdict_ref is not None and row.platform_ref != row.verdict_ref:
            return "does not have the number that its verdict gave"
        return None
    if row.event in _FINAL and not replayed:
        return f"had the verdict {row.event} and is {row.state}"
    moved_on = replayed or released or row.message_limit is not None  # a message refused as a whole goes in halves
    if row.event in _STOPS and row.state not in (State.PARKED, State.SUPERSEDED) and not moved_on:
        return f"had the verdict {row.event}, is {row.state}, and nobody let it go"
    if row.event == Event.PENDING and row.state in _UNSENT and not (replayed or released):
        return f"was taken by the platform, is {row.state}, and nobody let it go"
    cancelled = (row.code == VOIDED and row.ended) or (row.code == REINSTATED and row.reinstated)
    if row.state == State.SUPERSEDED and not (row.newer or cancelled):
        return "is superseded, and there is no newer version"
    return None


def _standing(platform: str | None) -> Any:
    last = (
        select(attempt.c.delivery_id, func.max(verdict.c.id).label("verdict_id"))
        .join(verdict, verdict.c.attempt_id == attempt.c.id)
        .where(verdict.c.applied)
        .group_by(attempt.c.delivery_id)
        .subquery()
    )
    again = (
        select(func.max(replay_item.c.at))
        .where(replay_item.c.delivery_id == delivery.c.id, replay_item.c.outcome == "done")
        .scalar_subquery()
    )
    other = record.alias("other")
    # all kinds there are: the index of versions begins with it
    versions = (other.c.kind.in_([str(kind) for kind in RecordKind]), other.c.key == delivery.c.record_key)
    newer = exists().where(*versions, other.c.version > delivery.c.version)
    ended = exists().where(*versions, other.c.void)
    reinstated = exists().where(reinstatement.c.certificate_key == delivery.c.record_key)
    wanted = (
        select(
            delivery.c.id,
            delivery.c.state,
            delivery.c.code,
            delivery.c.reason,
            delivery.c.platform_ref,
            delivery.c.person_key,
            record.c.person_key.label("owner"),
            delivery.c.message_limit,
            verdict.c.event,
            verdict.c.code.label("verdict_code"),
            verdict.c.reason.label("verdict_reason"),
            verdict.c.platform_ref.label("verdict_ref"),
            verdict.c.at,
            again.label("replayed_at"),
            newer.label("newer"),
            ended.label("ended"),
            reinstated.label("reinstated"),
        )
        .join(record, record.c.id == delivery.c.record_id)
        .outerjoin(last, last.c.delivery_id == delivery.c.id)
        .outerjoin(verdict, verdict.c.id == last.c.verdict_id)
        .order_by(delivery.c.id)
    )
    return wanted if platform is None else wanted.where(delivery.c.platform == platform)


def _ordered(connection: Connection) -> dict[int, datetime] | None:
    """When a person let deliveries go, as the audit trail says; None where its beginning has had its time."""
    first = connection.execute(select(func.min(audit.c.id))).scalar()
    if first is not None and first > 1:
        return None
    found: dict[int, datetime] = {}
    ordered = select(audit.c.at, audit.c.detail).where(audit.c.action == "release").order_by(audit.c.at)
    for at, detail in connection.execute(ordered):
        found.update(dict.fromkeys(detail.get("deliveries", ()), at))
    return found


def altered_plans(connection: Connection) -> Iterator[tuple[int, str]]:
    """(plan, what) where the list of a replay is not the one whose digest the plan has."""
    for head in connection.execute(select(replay_plan)).mappings():
        items = select(replay_item.c.delivery_id).where(replay_item.c.plan_id == head["id"])
        digest, count = hashlib.sha256(), 0
        for number in connection.execute(items.order_by(replay_item.c.position)).scalars():
            digest.update(f"{number}\n".encode())
            count += 1
        if (digest.hexdigest(), count) != (head["digest"], head["items"]):
            yield head["id"], "does not have the list of its digest"


def altered_demands(connection: Connection) -> Iterator[tuple[str, str]]:
    """(act, what) where a second person is asked for, or is not, otherwise than the audit trail says."""
    said: dict[str, int | None] = {}
    told = select(audit.c.action, audit.c.object, audit.c.detail).where(audit.c.action.in_(["four_eyes", "waive"]))
    for row in connection.execute(told.order_by(audit.c.id)):
        said[row.object] = row.detail.get("above", 0) if row.action == "four_eyes" else None
    stands: dict[str, int] = {row.act: row.above for row in connection.execute(select(four_eyes))}
    for act, above in said.items():
        if stands.get(act) != above:
            yield act, "asks for a second person otherwise than the audit trail says"
