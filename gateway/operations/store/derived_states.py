"""The state of each delivery as it follows from its verdicts and from what persons ordered, beside the one it has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, func, select

from gateway.credit.store.case_tables import reinstatement
from gateway.delivery.store.tables import attempt, delivery, replay_item, verdict
from gateway.delivery.store.void_versions import REINSTATED, VOIDED
from gateway.domain.states import Event, State
from gateway.store.tables import audit, record

_FINAL = {str(Event.ACCEPTED): str(State.ACCEPTED), str(Event.REJECTED): str(State.REJECTED)}
_STOPS = (str(Event.UNKNOWN), str(Event.CONFLICT))
_UNSENT = (State.QUEUED, State.SENDING, State.HELD)
_TOLD = ("code", "reason")


def contradicted(connection: Connection, platform: str | None = None) -> Iterator[tuple[int, str]]:
    """(delivery, what) where the state does not follow: from the last verdict that counted, a replay or release."""
    released = _ordered(connection)
    for row in connection.execute(_standing(platform)):
        replayed = row.at is not None and row.replayed_at is not None and row.replayed_at >= row.at
        let_go = released is None or (row.at is not None and row.id in released and released[row.id] >= row.at)
        what = _wrong(row, replayed=replayed, released=let_go)
        if what is not None:
            yield row.id, what


def _wrong(row: Any, *, replayed: bool, released: bool) -> str | None:
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
    newer = exists().where(record.c.key == delivery.c.record_key, record.c.version > delivery.c.version)
    ended = exists().where(record.c.key == delivery.c.record_key, record.c.void)
    reinstated = exists().where(reinstatement.c.certificate_key == delivery.c.record_key)
    wanted = (
        select(
            delivery.c.id,
            delivery.c.state,
            delivery.c.code,
            delivery.c.reason,
            delivery.c.platform_ref,
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
