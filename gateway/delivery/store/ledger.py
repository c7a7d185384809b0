"""The life of deliveries: claim, settle, sweep, release. Every change of state goes through here.

One lease belongs to one worker and carries a fence token that grows with every claim; a settle with an older token is
kept as evidence and changes nothing. All functions take the caller's transaction; the caller commits.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Connection, Select, Text, any_, bindparam, exists, func, or_, select, update

from gateway.delivery.rules.work import Claimed
from gateway.delivery.store.tables import MAY_BE_DUE, OPEN, attempt, delivery, payload, receipt
from gateway.delivery.store.version_order import accepted_before
from gateway.domain.records import Certificate, Record
from gateway.domain.states import Event, State, advance
from gateway.store.attachments import contents, named_digests, with_contents
from gateway.store.audit import note
from gateway.store.metadata import chunks, is_postgresql
from gateway.store.processes import is_dead
from gateway.store.records import to_payload, to_record
from gateway.store.tables import record
from gateway.store.vault import Vault


def claim(
    connection: Connection,
    vault: Vault,
    *,
    platform: str,
    state: State,
    limit: int,
    now: datetime,
    lease: timedelta,
    owner: str,
) -> list[Claimed]:
    """Lease due deliveries in one state; the fence token grows with each claim.

    QUEUED ones move to SENDING. Those awaiting an answer keep their state and are out of sight until the lease ends.
    """
    # A subquery may be run once for each row, and then locks more than its limit; a table expression runs once.
    due = _due(platform, state, now).limit(limit).with_for_update(skip_locked=True).cte("due")
    until = now + lease
    values: dict[str, Any] = {"fence": delivery.c.fence + 1, "lease_owner": owner, "lease_until": until}
    if state is State.QUEUED:
        values["state"] = advance(state, Event.CLAIMED)
    else:
        values["due_at"] = until
    leased = connection.execute(
        update(delivery)
        .where(delivery.c.id.in_(select(due.c.id)), delivery.c.state == state)
        .values(**values)
        .returning(delivery.c.id)
    ).scalars()
    loaded = _load(connection, sorted(leased))
    records = [to_record(row, vault) for row in loaded]
    fitting = _fitting(records)
    beyond = [_to_claimed(row, one, vault) for row, one in zip(loaded[fitting:], records[fitting:], strict=True)]
    if beyond:
        give_back(connection, beyond, now)
    return _with_scans(connection, vault, loaded[:fitting], records[:fitting])


_MOST_SCAN_BYTES = 32 * 1024**2
"""bytes of scans in one claim, so that memory stays flat however large they are"""


def _fitting(records: Sequence[Record]) -> int:
    """How many of these, from the first on, have scans that are held in memory together; at least one."""
    room = _MOST_SCAN_BYTES
    for number, one in enumerate(records):
        if isinstance(one.content, Certificate) and one.content.files:
            room -= sum(scan.size for scan in one.content.files)
            if room < 0 and number:
                return number
    return len(records)


def due_now(connection: Connection, vault: Vault, platform: str, limit: int, now: datetime) -> list[Claimed]:
    """What a claim would lease now, without leasing it."""
    ids = connection.execute(_due(platform, State.QUEUED, now).limit(limit)).scalars().all()
    return load(connection, vault, list(ids))


def _due(platform: str, state: State, now: datetime) -> Select[int]:
    return (
        select(delivery.c.id)
        .where(
            delivery.c.platform == platform,
            delivery.c.state == state,
            MAY_BE_DUE,
            delivery.c.due_at <= now,
            delivery.c.blocked_by.is_(None),
        )
        .order_by(delivery.c.due_at, delivery.c.id)
    )


def load(connection: Connection, vault: Vault, ids: list[int]) -> list[Claimed]:
    """Deliveries with record, payload and receipt, in the order of their ids; nothing is leased."""
    loaded = _load(connection, ids)
    return _with_scans(connection, vault, loaded, [to_record(row, vault) for row in loaded])


def _load(connection: Connection, ids: list[int]) -> list[dict[str, Any]]:
    sqlite = not is_postgresql(connection)
    given = {"ids": json.dumps(ids) if sqlite else ids}
    rows = connection.execute(_LOAD_BY_DOCUMENT if sqlite else _LOAD_BY_ARRAY, given)
    return [dict(zip(_LOADED, row, strict=True)) for row in rows]


def _with_scans(
    connection: Connection, vault: Vault, loaded: Sequence[Mapping[str, Any]], records: Sequence[Record]
) -> list[Claimed]:
    if any(isinstance(one.content, Certificate) and one.content.files for one in records):
        held = contents(connection, vault, named_digests(records))
        records = [with_contents(one, held) for one in records]
    return [_to_claimed(row, one, vault) for row, one in zip(loaded, records, strict=True)]


_LOAD = (
    select(
        *(delivery.c[name] for name in ("id", "fence", "state", "kind", "version", "person_key", "business_key")),
        *(delivery.c[name] for name in ("tries", "polls", "lookups", "negatives")),
        *(delivery.c[name] for name in ("message_id", "message_size", "message_limit", "created_at")),
        *(record.c[name] for name in ("key", "content", "effective_from", "change", "change_reason")),
        payload.c.content.label("payload"),
        receipt.c.number.label("receipt"),
        accepted_before().label("replaces"),
    )
    .join(record, record.c.id == delivery.c.record_id)
    .outerjoin(payload, payload.c.delivery_id == delivery.c.id)
    .outerjoin(receipt, receipt.c.id == delivery.c.receipt_id)
    .order_by(delivery.c.id)
)
_LOADED = tuple(_LOAD.selected_columns.keys())
# one text for any number of ids, so that it is compiled and planned once
_LOAD_BY_DOCUMENT = _LOAD.where(
    delivery.c.id.in_(select(func.json_each(bindparam("ids", type_=Text)).table_valued("value").c.value))
)
_LOAD_BY_ARRAY = _LOAD.where(delivery.c.id == any_(bindparam("ids", type_=ARRAY(BigInteger))))


def _to_claimed(row: Mapping[str, Any], whole: Record, vault: Vault) -> Claimed:
    kept = row["payload"]
    return Claimed(
        id=row["id"],
        fence=row["fence"],
        state=State(row["state"]),
        record=whole,
        business_key=row["business_key"],
        tries=row["tries"],
        polls=row["polls"],
        lookups=row["lookups"],
        negatives=row["negatives"],
        message_id=row["message_id"],
        message_size=row["message_size"],
        message_limit=row["message_limit"],
        replaces=row["replaces"],
        payload=None if kept is None else to_payload(kept, whole, row["business_key"], vault, replaces=row["replaces"]),
        receipt=row["receipt"],
        created_at=row["created_at"],
    )


def lease_owners(connection: Connection, platform: str) -> set[str]:
    """Who holds leases at present; the caller knows which of them are dead."""
    rows = connection.execute(
        select(delivery.c.lease_owner)
        .where(delivery.c.platform == platform, delivery.c.lease_owner.is_not(None))
        .distinct()
    )
    return set(rows.scalars())


def abandoned(connection: Connection, platform: str, now: datetime) -> int:
    """How many deliveries are leased by a worker that is gone, or whose lease ran out: the next push sweeps them."""
    dead = [owner for owner in lease_owners(connection, platform) if is_dead(owner)]
    gone = or_(delivery.c.lease_until < now, delivery.c.lease_owner.in_(dead))
    wanted = select(func.count()).where(delivery.c.platform == platform, delivery.c.lease_owner.is_not(None), gone)
    return int(connection.execute(wanted).scalar_one())


def sweep(
    connection: Connection, *, platform: str, dead: Collection[str], settling: timedelta, now: datetime
) -> dict[State, int]:
    """Take back leases that ran out or whose owner is dead; counts by the state they went to.

    With an exchange open the outcome is unknown: IN_DOUBT, to be asked after the settling time. Otherwise QUEUED.
    The fence grows, so the lost worker's settle will change nothing.
    """
    lost = [
        delivery.c.platform == platform,
        delivery.c.lease_owner.is_not(None),
        or_(delivery.c.lease_until < now, delivery.c.lease_owner.in_(list(dead))),
    ]
    sent = exists().where(attempt.c.delivery_id == delivery.c.id, attempt.c.fence == delivery.c.fence)
    freed = {"lease_owner": None, "lease_until": None, "fence": delivery.c.fence + 1, "updated_at": now}
    moved: dict[State, int] = {}
    for event, condition, due_at in (
        (Event.LEASE_LOST_OPEN, sent, now + settling),
        (Event.LEASE_LOST, ~sent, now),
    ):
        state = advance(State.SENDING, event)
        moved[state] = connection.execute(
            update(delivery)
            .where(*lost, delivery.c.state == State.SENDING, condition)
            .values(state=state, due_at=due_at, code=str(event), reason="the worker that held it is gone", **freed)
        ).rowcount
    connection.execute(
        update(delivery)
        .where(*lost, delivery.c.state.in_([State.AWAITING_ACK, State.IN_DOUBT]))
        .values(due_at=now, **freed)
    )
    return moved


def others_accepted_since(connection: Connection, platform: str, ids: Collection[int]) -> set[int]:
    """Those of ``ids`` beside which the platform has accepted something since they last moved."""
    other = delivery.alias()
    accepted = exists().where(
        other.c.platform == platform, other.c.state == State.ACCEPTED, other.c.updated_at >= delivery.c.updated_at
    )
    found = connection.execute(select(delivery.c.id).where(delivery.c.id.in_(list(ids)), accepted))
    return set(found.scalars())


def let_go(connection: Connection, event: Event, now: datetime, *, platform: str, ids: Collection[int] = ()) -> int:
    """Requeue what a person releases (PARKED) or what a resumed platform held (HELD); returns how many."""
    source = {Event.RELEASED: State.PARKED, Event.RESUMED: State.HELD}[event]
    chosen = [delivery.c.platform == platform, delivery.c.state == source, OPEN]
    if ids:
        chosen.append(delivery.c.id.in_(list(ids)))
    return connection.execute(
        update(delivery)
        .where(*chosen)
        .values(state=advance(source, event), due_at=now, updated_at=now, fence=delivery.c.fence + 1)
    ).rowcount


def give_back(connection: Connection, claimed: Sequence[Claimed], now: datetime) -> None:
    """Return leases of deliveries that were not sent after all (the platform was paused meanwhile)."""
    for part in chunks(claimed):
        connection.execute(
            update(delivery)
            .where(delivery.c.id == bindparam("b_id"), delivery.c.fence == bindparam("b_fence"))
            .values(state=bindparam("b_state"), due_at=now, lease_owner=None, lease_until=None),
            [
                {
                    "b_id": c.id,
                    "b_fence": c.fence,
                    "b_state": advance(c.state, Event.LEASE_LOST) if c.state is State.SENDING else c.state,
                }
                for c in part
            ],
        )


def parked(connection: Connection, ids: Collection[int]) -> list[tuple[int, int]]:
    """(id, fence) of those that are parked, in order."""
    columns = (delivery.c.id, delivery.c.fence)
    found: list[tuple[int, int]] = []
    for part in chunks(dict.fromkeys(ids)):
        here = (delivery.c.id.in_(part), delivery.c.state == State.PARKED)
        found += [(row.id, row.fence) for row in connection.execute(select(*columns).where(*here))]
    return sorted(found)


def release(connection: Connection, ids: Collection[int], *, reason: str, by: str, now: datetime) -> list[int]:
    """Queue those that are parked, with fresh plans of waits, and write the audit trail; gives their ids in order."""
    released: list[int] = []
    for part in chunks(dict.fromkeys(ids)):
        released += connection.execute(
            update(delivery)
            .where(delivery.c.id.in_(part), delivery.c.state == State.PARKED)
            .values(
                state=advance(State.PARKED, Event.RELEASED),
                due_at=now,
                updated_at=now,
                fence=delivery.c.fence + 1,
                tries=0,
                polls=0,
                lookups=0,
                negatives=0,
                message_id=None,
                message_size=None,
                code="released",
                reason=None,
            )
            .returning(delivery.c.id)
        ).scalars()
    if released:
        note(
            connection,
            at=now,
            actor=by,
            action="release",
            subject="deliveries",
            reason=reason,
            detail={"deliveries": sorted(released)},
        )
    return sorted(released)
