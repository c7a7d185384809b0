"""The recovery of a platform whose ledger is an older one: its hold, what is still to be asked, and how far it came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, not_, or_, select, update

from gateway.delivery.rules.work import Claimed
from gateway.delivery.store.ledger import load
from gateway.delivery.store.platforms import Pause, pause, pause_of
from gateway.delivery.store.tables import attempt, delivery, payload, platform, recovery, verdict
from gateway.domain.states import Event, State, advance, sources
from gateway.locale import tr
from gateway.store.audit import note
from gateway.store.vault import Vault

RESTORED = "restored"
"""code of the pause"""
_ADVICE = "`gateway recover` asks each platform what it holds; `gateway resume` then lets it go on"
_UNSETTLED = (State.SENDING, State.AWAITING_ACK, State.IN_DOUBT)


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """How far the recovery of a platform has come."""

    since: datetime
    accepted_up_to: int
    done_at: datetime | None


def begin(connection: Connection, name: str, *, reason: str, by: str, now: datetime) -> None:
    """Hold a platform as restored, whatever held it before, and forget how far an earlier recovery came."""
    before = pause_of(connection, name, now)
    connection.execute(update(platform).where(platform.c.name == name).values(paused=False))
    pause(connection, name, code=RESTORED, reason=f"{reason}. {_ADVICE}", by=by, now=now)
    if before is not None and before.code != RESTORED:
        said = f"was held before: {before.code} {before.reason}"
        note(connection, at=now, actor=by, action="pause_again", subject=name, reason=said)
    connection.execute(delete(recovery).where(recovery.c.platform == name))
    connection.execute(insert(recovery).values(platform=name, since=now))


def restored(connection: Connection, now: datetime) -> dict[str, Pause]:
    """The platforms that are held as restored, by name."""
    names = connection.execute(select(platform.c.name).where(platform.c.paused, platform.c.code == RESTORED))
    found = {name: pause_of(connection, name, now) for name in names.scalars()}
    return {name: one for name, one in found.items() if one is not None}


def standing(connection: Connection, name: str) -> Recovery | None:
    """How far it came; None where the platform was never held as restored."""
    row = connection.execute(select(recovery).where(recovery.c.platform == name)).first()
    if row is None:
        return None
    return Recovery(since=row.since, accepted_up_to=row.accepted_up_to, done_at=row.done_at)


def to_ask(connection: Connection, name: str) -> list[list[int]]:
    """Deliveries that could have left and were not settled since, by record, each the newest version first."""
    rows = connection.execute(
        select(delivery.c.id, delivery.c.record_key)
        .where(_open(name))
        .order_by(delivery.c.record_key, delivery.c.version.desc(), delivery.c.id.desc())
    )
    found: dict[str, list[int]] = {}
    for row in rows:
        found.setdefault(row.record_key, []).append(row.id)
    return list(found.values())


def left_to_ask(connection: Connection, name: str) -> int:
    """How many are still to be asked about."""
    return int(connection.execute(select(func.count()).select_from(delivery).where(_open(name))).scalar_one())


def _open(name: str) -> ColumnElement[bool]:
    asked = (
        select(verdict.c.id)
        .join(attempt, attempt.c.id == verdict.c.attempt_id)
        .join(recovery, recovery.c.platform == name)
        .where(attempt.c.delivery_id == delivery.c.id, verdict.c.applied, verdict.c.at >= recovery.c.since)
        .correlate(delivery)
    )
    since = select(recovery.c.since).where(recovery.c.platform == name).scalar_subquery()
    left_alone = or_(
        delivery.c.state.in_([State.QUEUED, State.HELD]),
        and_(delivery.c.state == State.PARKED, delivery.c.updated_at < since),
    )
    return and_(
        delivery.c.platform == name, or_(delivery.c.state.in_(_UNSETTLED), and_(left_alone, not_(asked.exists())))
    )


def claim_to_ask(
    connection: Connection, vault: Vault, number: int, *, now: datetime, lease: timedelta, owner: str
) -> tuple[Claimed, State] | None:
    """Lease one that may have left, as one in doubt; with the state it had. None where it is another's or has ended."""
    row = connection.execute(
        select(delivery.c.state, delivery.c.lease_owner).where(delivery.c.id == number).with_for_update()
    ).first()
    if row is None or row.lease_owner is not None or row.state not in sources(Event.RESTORED):
        return None
    before = State(row.state)
    until = now + lease
    connection.execute(
        update(delivery)
        .where(delivery.c.id == number)
        .values(
            state=advance(before, Event.RESTORED),
            fence=delivery.c.fence + 1,
            lease_owner=owner,
            lease_until=until,
            due_at=until,
            updated_at=now,
        )
    )
    [claimed] = load(connection, vault, [number])
    return claimed, before


def older_of(connection: Connection, vault: Vault, claimed: Claimed, name: str) -> list[Claimed]:
    """Older versions of the same record that have, or may have, reached the platform, the newest first."""
    older = connection.execute(
        select(delivery.c.id)
        .join(payload, payload.c.delivery_id == delivery.c.id)
        .where(
            delivery.c.platform == name,
            delivery.c.record_key == claimed.record.key,
            delivery.c.version < claimed.record.version,
            delivery.c.state.in_([State.ACCEPTED, State.PARKED, *_UNSETTLED]),
        )
    ).scalars()
    return sorted(load(connection, vault, list(older)), key=lambda item: -item.record.version)


def overtake(connection: Connection, claimed: Claimed, now: datetime) -> None:
    """Let go of one that may have left: the platform holds a newer version of its record, which is ours."""
    connection.execute(
        update(delivery)
        .where(delivery.c.id == claimed.id, delivery.c.fence == claimed.fence, delivery.c.state == State.IN_DOUBT)
        .values(
            state=advance(State.IN_DOUBT, Event.OVERTAKEN),
            code="newer_version",
            reason=None,
            lease_owner=None,
            lease_until=None,
            blocked_by=None,
            updated_at=now,
        )
    )
    connection.execute(update(delivery).where(delivery.c.blocked_by == claimed.id).values(blocked_by=None))


def page_of_accepted(connection: Connection, vault: Vault, name: str, after: int, limit: int) -> list[Claimed]:
    """Acceptances behind which no newer version of the record stands here, by id."""
    newer = delivery.alias("newer")
    ids = connection.execute(
        select(delivery.c.id)
        .join(payload, payload.c.delivery_id == delivery.c.id)
        .where(
            delivery.c.platform == name,
            delivery.c.state == State.ACCEPTED,
            delivery.c.id > after,
            ~exists().where(
                newer.c.platform == delivery.c.platform,
                newer.c.record_key == delivery.c.record_key,
                newer.c.version > delivery.c.version,
                newer.c.state != State.SUPERSEDED,
            ),
        )
        .order_by(delivery.c.id)
        .limit(limit)
    ).scalars()
    return load(connection, vault, list(ids))


def compared(connection: Connection, name: str, up_to: int) -> None:
    """Note up to which id acceptances were compared."""
    connection.execute(update(recovery).where(recovery.c.platform == name).values(accepted_up_to=up_to))


def done(connection: Connection, name: str, now: datetime) -> None:
    """Note that nothing was left to ask."""
    connection.execute(update(recovery).where(recovery.c.platform == name).values(done_at=now))


def not_recovered(connection: Connection, name: str, now: datetime) -> str | None:
    """Why a platform that is held as restored may not go on yet; None where it may, or is not held so."""
    held, known = pause_of(connection, name, now), standing(connection, name)
    if held is None or held.code != RESTORED or known is None:
        return None
    left = left_to_ask(connection, name)
    if left:
        return tr(
            "{count} deliveries may have left before, and {name} was not asked about them: `gateway recover {name}`",
            count=left,
            name=name,
        )
    return (
        None
        if known.done_at is not None
        else tr("{name} was not asked what it holds: `gateway recover {name}`", name=name)
    )
