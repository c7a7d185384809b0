"""What people ask the ledger: counts, what waits and why, what failed, one delivery in full. Read only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, ScalarSelect, func, or_, select

from gateway.delivery.store.exchanges import headers_of, open_body
from gateway.delivery.store.refused import is_taken_up
from gateway.delivery.store.tables import (
    MAY_BE_DUE,
    OPEN,
    attempt,
    delivery,
    earlier_payload,
    exchange,
    payload,
    receipt,
    verdict,
)
from gateway.domain.records import Record
from gateway.domain.states import TERMINAL, Event, State
from gateway.store.metadata import chunks
from gateway.store.records import payload_place, to_record
from gateway.store.tables import batch, record
from gateway.store.vault import Vault


@dataclass(frozen=True, kw_only=True)
class PlatformCounts:
    """Deliveries of one platform by state; ``behind`` waits for an older version or for its person."""

    platform: str
    states: Mapping[str, int]
    behind: int
    oldest_waiting: datetime | None
    next_due: datetime | None

    @property
    def total(self) -> int:
        """All deliveries."""
        return sum(self.states.values())


def counts(connection: Connection) -> list[PlatformCounts]:
    """Counts of every platform that has deliveries. What is accepted is all that nothing else is said of."""
    everything = select(delivery.c.platform, func.count().label("n")).group_by(delivery.c.platform)
    left: dict[str, int] = {row.platform: row.n for row in connection.execute(everything)}
    by_platform: dict[str, dict[str, int]] = {platform: {} for platform in left}
    for platform, state, number in connection.execute(
        select(delivery.c.platform, delivery.c.state, func.count().label("n"))
        .where(OPEN)
        .group_by(delivery.c.platform, delivery.c.state)
    ):
        by_platform[platform][state] = number
        left[platform] -= number
    for platform, number in left.items():
        by_platform[platform] |= {State.ACCEPTED: number} if number else {}
    waiting = {
        row.platform: row
        for row in connection.execute(
            select(
                delivery.c.platform,
                func.min(delivery.c.created_at).label("oldest"),
                func.min(delivery.c.due_at).filter(delivery.c.blocked_by.is_(None)).label("due"),
                func.count(delivery.c.blocked_by).label("behind"),
            )
            .where(OPEN, delivery.c.state.not_in(TERMINAL))
            .group_by(delivery.c.platform)
        )
    }
    return [
        PlatformCounts(
            platform=platform,
            states=states,
            behind=waiting[platform].behind if platform in waiting else 0,
            oldest_waiting=waiting[platform].oldest if platform in waiting else None,
            next_due=waiting[platform].due if platform in waiting else None,
        )
        for platform, states in sorted(by_platform.items())
    ]


def any_due(connection: Connection, platform: str, state: State, now: datetime) -> bool:
    """Whether a claim in this state would lease anything."""
    found = connection.execute(
        select(delivery.c.id)
        .where(
            delivery.c.platform == platform,
            delivery.c.state == state,
            MAY_BE_DUE,
            delivery.c.due_at <= now,
            delivery.c.blocked_by.is_(None),
        )
        .limit(1)
    ).first()
    return found is not None


def movable(connection: Connection, platform: str) -> int:
    """Deliveries that can still go on without a person: waiting, and behind nothing that is stuck."""
    blocker = delivery.alias("blocker")
    stuck = (State.REJECTED, State.PARKED, State.HELD)
    return int(
        connection.execute(
            select(func.count())
            .select_from(delivery.outerjoin(blocker, blocker.c.id == delivery.c.blocked_by))
            .where(
                OPEN,
                delivery.c.platform == platform,
                delivery.c.state.not_in([*TERMINAL, State.PARKED, State.HELD]),
                or_(blocker.c.id.is_(None), blocker.c.state.not_in(stuck)),
            )
        ).scalar_one()
    )


def reasons(connection: Connection, states: Collection[State]) -> list[Mapping[str, Any]]:
    """Counts by platform, state and code for deliveries in some states: why they stand there.

    What was rejected and corrected since is not among them.
    """
    rows = connection.execute(
        select(delivery.c.platform, delivery.c.state, delivery.c.code, func.count().label("count"))
        .where(delivery.c.state.in_(list(states)), *open_only(states), uncorrected())
        .group_by(delivery.c.platform, delivery.c.state, delivery.c.code)
        .order_by(delivery.c.platform, func.count().desc())
    ).mappings()
    return [dict(row) for row in rows]


@dataclass(frozen=True, kw_only=True)
class WaitingGroup:
    """Deliveries of one platform that have not ended and were answered alike: why, how many, and the next that is due.

    reason: one of the last answers' words, where there was an answer
    """

    state: State
    code: str | None
    reason: str | None
    count: int
    next_due: datetime


def waiting_groups(connection: Connection, platform: str) -> list[WaitingGroup]:
    """What of a platform waits, by state and by the code of the last answer; the largest group first."""
    number = func.count().label("count")
    rows = connection.execute(
        select(
            delivery.c.state,
            delivery.c.code,
            func.max(delivery.c.reason).label("reason"),
            number,
            func.min(delivery.c.due_at).label("next_due"),
        )
        .where(OPEN, delivery.c.platform == platform, delivery.c.state.not_in(TERMINAL))
        .group_by(delivery.c.state, delivery.c.code)
        .order_by(number.desc(), delivery.c.state, delivery.c.code)
    ).mappings()
    return [WaitingGroup(**{**row, "state": State(row["state"])}) for row in rows]


@dataclass(frozen=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries to list; absent parts do not restrict."""

    platform: str | None = None
    states: Collection[State] = field(default_factory=tuple)
    code: str | None = None
    since: datetime | None = None
    batch: str | None = None
    until: datetime | None = None
    ids: Sequence[int] = ()
    corrected: bool = True
    """whether what was rejected and has a newer version by now counts too"""


def uncorrected() -> ColumnElement[bool]:
    """Leaves out what was rejected and has a newer version."""
    return or_(delivery.c.state != State.REJECTED, ~is_taken_up())


def open_only(states: Collection[State]) -> list[ColumnElement[bool]]:
    """The words that lead to the index of what is not accepted, where nothing else is asked for."""
    return [OPEN] if states and State.ACCEPTED not in states else []


def matching(wanted: DeliveryFilter) -> list[ColumnElement[bool]]:
    """The conditions of a filter."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.platform:
        conditions.append(delivery.c.platform == wanted.platform)
    if wanted.states:
        conditions += [delivery.c.state.in_(list(wanted.states)), *open_only(wanted.states)]
    if wanted.code:
        conditions.append(delivery.c.code == wanted.code)
    if wanted.since:
        conditions.append(delivery.c.updated_at >= wanted.since)
    if wanted.until:
        conditions.append(delivery.c.updated_at < wanted.until)
    if wanted.ids:
        conditions.append(delivery.c.id.in_(list(wanted.ids)))
    if not wanted.corrected:
        conditions.append(uncorrected())
    if wanted.batch:
        of_batch = select(record.c.id).join(batch, batch.c.id == record.c.batch_id).where(batch.c.name == wanted.batch)
        conditions.append(delivery.c.record_id.in_(of_batch))
    return conditions


def listed(connection: Connection, wanted: DeliveryFilter, limit: int) -> tuple[int, list[Mapping[str, Any]]]:
    """How many deliveries match, and the first ``limit`` of them by id, with reasons and without people."""
    conditions = matching(wanted)
    total = connection.execute(select(func.count()).select_from(delivery).where(*conditions)).scalar_one()
    columns = (
        "id",
        "platform",
        "kind",
        "record_key",
        "version",
        "state",
        "code",
        "reason",
        "tries",
        "due_at",
        "updated_at",
    )
    # few are found: sorting them is less than going through all rows in their order
    order = delivery.c.id + 0 if open_only(wanted.states) else delivery.c.id
    rows = connection.execute(
        select(*(delivery.c[name] for name in columns)).where(*conditions).order_by(order).limit(limit)
    ).mappings()
    return int(total), [dict(row) for row in rows]


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """Deliveries that stand alike, with one of the reasons given and the lowest number among them."""

    platform: str
    state: State
    code: str | None
    reason: str | None
    count: int
    first: int
    kind: str
    conflict: bool
    """whether something that is not ours stands under the key there"""


def grouped(connection: Connection, wanted: DeliveryFilter) -> list[FailureGroup]:
    """What matches, by platform, state and code; the largest group first."""
    number, first = func.count().label("count"), func.min(delivery.c.id).label("first")
    key = (delivery.c.platform, delivery.c.state, delivery.c.code)
    groups = connection.execute(
        select(*key, number, first).where(*matching(wanted)).group_by(*key).order_by(number.desc(), first)
    ).all()
    told = {
        row.id: row
        for part in chunks([group.first for group in groups])
        for row in connection.execute(
            select(delivery.c.id, delivery.c.reason, delivery.c.kind, _last_event().label("event")).where(
                delivery.c.id.in_(part)
            )
        )
    }
    return [
        FailureGroup(
            platform=row.platform,
            state=State(row.state),
            code=row.code,
            reason=told[row.first].reason,
            count=row._mapping["count"],
            first=row.first,
            kind=told[row.first].kind,
            conflict=told[row.first].event == Event.CONFLICT,
        )
        for row in groups
    ]


def _last_event() -> ScalarSelect[str]:
    return (
        select(verdict.c.event)
        .join(attempt, attempt.c.id == verdict.c.attempt_id)
        .where(attempt.c.delivery_id == delivery.c.id)
        .order_by(verdict.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )


def records_of(connection: Connection, vault: Vault, ids: Collection[int]) -> dict[int, Record]:
    """Delivery -> the record it is about."""
    found: dict[int, Record] = {}
    for part in chunks(ids):
        wanted = (
            select(record, delivery.c.id.label("delivery_id"))
            .join(delivery, delivery.c.record_id == record.c.id)
            .where(delivery.c.id.in_(part))
        )
        for row in connection.execute(wanted).mappings():
            kept = {name: value for name, value in row.items() if name != "delivery_id"}
            found[row["delivery_id"]] = to_record(kept, vault)
    return found


@dataclass(frozen=True, kw_only=True)
class Transmission:
    """Everything about one delivery; record, payload and bytes are personal and to be masked before they are shown."""

    delivery: Mapping[str, Any]
    record: Record = field(repr=False)
    payload: bytes | None = field(repr=False)
    exchanges: list[Mapping[str, Any]] = field(repr=False)
    earlier: list[Mapping[str, Any]] = field(default_factory=list, repr=False)
    """payloads that were sent before replays mapped the record anew, oldest first: ``content``, ``made_at``,
    ``replaced_at``"""


def transmission(connection: Connection, vault: Vault, delivery_id: int) -> Transmission | None:
    """One delivery with its record, payload, exchanges (bytes opened) and verdicts, oldest first."""
    row = (
        connection.execute(
            select(delivery, receipt.c.number.label("receipt"))
            .outerjoin(receipt, receipt.c.id == delivery.c.receipt_id)
            .where(delivery.c.id == delivery_id)
        )
        .mappings()
        .first()
    )
    if row is None:
        return None
    kept = connection.execute(select(record).where(record.c.id == row["record_id"])).mappings().one()
    sealed = connection.execute(select(payload.c.content).where(payload.c.delivery_id == delivery_id)).scalar()
    before = connection.execute(
        select(earlier_payload).where(earlier_payload.c.delivery_id == delivery_id).order_by(earlier_payload.c.id)
    ).mappings()
    place = payload_place(row["business_key"])
    return Transmission(
        delivery=dict(row),
        record=to_record(dict(kept), vault),
        payload=None if sealed is None else vault.open(sealed, place),
        exchanges=_exchanges(connection, vault, delivery_id),
        earlier=[{**one, "content": vault.open(one["content"], place)} for one in before],
    )


def _exchanges(connection: Connection, vault: Vault, delivery_id: int) -> list[Mapping[str, Any]]:
    together = attempt.alias("together")
    count = select(func.count()).where(together.c.exchange_id == exchange.c.id).scalar_subquery()
    rows = connection.execute(
        select(
            exchange,
            count.label("deliveries"),
            verdict.c.event,
            verdict.c.code,
            verdict.c.reason,
            verdict.c.fields,
            verdict.c.applied,
        )
        .join(attempt, attempt.c.exchange_id == exchange.c.id)
        .outerjoin(verdict, verdict.c.attempt_id == attempt.c.id)
        .where(attempt.c.delivery_id == delivery_id)
        .order_by(exchange.c.id)
    ).mappings()
    found: list[Mapping[str, Any]] = []
    for row in rows:
        whole = dict(row)
        for side, place in (
            ("request", f"exchange.request:{row['message_id']}/{row['request_digest']}"),
            ("response", f"exchange.response:{row['id']}"),
        ):
            if row[side] is not None:
                whole[side] = open_body(vault, row[side], place)
        whole["response_headers"] = headers_of(whole, vault)
        found.append(whole)
    return found


def carried(connection: Connection, vault: Vault, exchange_ids: Collection[int]) -> list[Record]:
    """Every record that travelled in these exchanges: a request may be about many people."""
    ids = (
        select(delivery.c.record_id)
        .join(attempt, attempt.c.delivery_id == delivery.c.id)
        .where(attempt.c.exchange_id.in_(list(exchange_ids)))
    )
    rows = connection.execute(select(record).where(record.c.id.in_(ids))).mappings()
    return [to_record(dict(row), vault) for row in rows]
