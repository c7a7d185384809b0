"""Deliveries of certificates that were made valid again: each platform is told what it lacks, and nothing else.

Who was told that the certificate is void is owed the way back: the change of status, or the certificate in full where
an earlier version of it had been cancelled. Who was not told, and has the certificate, is owed nothing; who never got
it is owed the certificate in full. As long as nobody knows whether a platform heard of the end, it counts as told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, String, and_, cast, exists, select, update

from gateway.credit.rules.tickets import Act
from gateway.credit.store.acknowledgements import Scope, open_new
from gateway.credit.store.case_tables import credit_reliance, reinstatement
from gateway.credit.store.tables import ticket
from gateway.delivery.store.tables import attempt, delivery, exchange
from gateway.delivery.store.version_order import OLD, step_up
from gateway.domain.records import RecordKind
from gateway.domain.states import TERMINAL, Event, State, sources
from gateway.domain.ticket_kinds import TicketKind
from gateway.domain.traffic import OURS
from gateway.store.audit import note
from gateway.store.metadata import chunks
from gateway.store.tables import record
from gateway.store.vault import Vault

STATUS_CHANGE = "status_change"
"""purpose under which a change of status rests on a credit record"""
VOIDED = "certificate_void"
_OF_CERTIFICATES = (RecordKind.CERTIFICATE, RecordKind.STATUS_CHANGE)


def rests_on(key: str, version: int) -> str:
    """The reference of a version that follows from a credit record."""
    return f"{key}/{version}"


def cancel_open(connection: Connection, key: str, now: datetime) -> int:
    """Cancel what waits of a certificate on every platform; gives how many deliveries."""
    return cancel(connection, now, VOIDED, delivery.c.kind == RecordKind.CERTIFICATE, delivery.c.record_key == key)


def cancel_needless(connection: Connection, platform: str, now: datetime) -> int:
    """Cancel what is owed of void certificates to a platform that never had them; gives how many deliveries."""
    here = credit_reliance.c.purpose == STATUS_CHANGE
    if connection.execute(select(credit_reliance.c.id).where(here).limit(1)).first() is None:
        return 0
    reference = delivery.c.record_key + "/" + cast(delivery.c.version, String)
    earlier = delivery.alias("earlier")
    had = exists().where(
        earlier.c.platform == delivery.c.platform,
        earlier.c.kind.in_(_OF_CERTIFICATES),
        earlier.c.record_key == delivery.c.record_key,
        earlier.c.version < delivery.c.version,
        (earlier.c.state == State.ACCEPTED) | earlier.c.state.not_in(TERMINAL),
    )
    return cancel(
        connection,
        now,
        VOIDED,
        delivery.c.platform == platform,
        delivery.c.kind.in_(_OF_CERTIFICATES),
        exists().where(here, credit_reliance.c.reference == reference),
        ~had,
    )


def cancel(connection: Connection, now: datetime, code: str, *which: ColumnElement[bool]) -> int:
    """Cancel what waits of these deliveries; who waited behind them goes on. Gives how many."""
    cancelled = (
        connection.execute(
            update(delivery)
            .where(delivery.c.state.in_(sources(Event.NEWER_VERSION)), *which)
            .values(state=State.SUPERSEDED, code=code, updated_at=now, blocked_by=None)
            .returning(delivery.c.id)
        )
        .scalars()
        .all()
    )
    for part in chunks(cancelled):
        step_up(connection, OLD.c.id.in_(part))
        connection.execute(update(delivery).where(delivery.c.blocked_by.in_(part)).values(blocked_by=None))
    return len(cancelled)


REINSTATED = "reinstated"
_WAITING = sorted(sources(Event.NEWER_VERSION))
_FORMS = (RecordKind.CERTIFICATE, RecordKind.STATUS_CHANGE)
_THERE = (State.ACCEPTED, State.SENDING, State.AWAITING_ACK, State.IN_DOUBT)
"""accepted, or on the way: what becomes of it decides nothing any more"""


def needs_in_full(platform: str) -> ColumnElement[bool]:
    """Whether a record is a certificate made valid again of which the platform lacks the newest version before that."""
    return and_(
        record.c.kind == RecordKind.CERTIFICATE,
        exists().where(reinstatement.c.certificate_key == record.c.key, reinstatement.c.version == record.c.version),
        ~_has_newest(platform, record.c.key, record.c.version),
    )


def _has_newest(platform: str, key: ColumnElement[str] | str, version: ColumnElement[int] | int) -> ColumnElement[bool]:
    held, newer = delivery.alias("held"), delivery.alias("newer")
    of = (held.c.platform == platform, held.c.kind == RecordKind.CERTIFICATE, held.c.record_key == key)
    lost = (
        exists()
        .where(
            newer.c.platform == platform,
            newer.c.kind == RecordKind.CERTIFICATE,
            newer.c.record_key == held.c.record_key,
            newer.c.version > held.c.version,
            newer.c.version < version,
            newer.c.state.not_in(_THERE),
        )
        .correlate(held, record)
    )
    return exists().where(*of, held.c.version < version, held.c.state.in_(_THERE), ~lost)


def cancel_void(connection: Connection, key: str, version: int, now: datetime, *, platform: str | None = None) -> int:
    """Take back from the queues, of one platform or of all, that the certificate is void; gives how many deliveries."""
    where = [delivery.c.kind.in_(_FORMS), delivery.c.record_key == key, delivery.c.version == version]
    if platform is not None:
        where.append(delivery.c.platform == platform)
    return cancel(connection, now, REINSTATED, *where)


def settle_forms(connection: Connection, platform: str, now: datetime) -> None:
    """Cancel what a platform need not be told of certificates that were made valid again."""
    if connection.execute(select(reinstatement.c.id).limit(1)).first() is None:
        return
    for row in _newly_owed(connection, platform):
        key, version = row.certificate_key, row.version
        cancel_void(connection, key, row.void_version, now, platform=platform)
        has = connection.execute(select(_has_newest(platform, key, row.void_version))).scalar_one()
        mine = (delivery.c.platform == platform, delivery.c.record_key == key, delivery.c.version == version)
        if has and not _was_told(connection, platform, row):
            cancel(connection, now, REINSTATED, *mine, delivery.c.kind.in_(_FORMS))
        elif _in_both_forms(connection, mine):
            cancel(connection, now, REINSTATED, *mine, delivery.c.kind == RecordKind.STATUS_CHANGE)


def _newly_owed(connection: Connection, platform: str) -> Iterable[Row[Any]]:
    """Reinstatements of which the platform has a delivery that was never tried."""
    tried = exists().where(attempt.c.delivery_id == delivery.c.id)
    return connection.execute(
        select(reinstatement)
        .join(delivery, _tells(platform))
        .where(delivery.c.state.in_(_WAITING), ~tried)
        .distinct()
        .order_by(reinstatement.c.id)
    ).all()


def _tells(platform: str) -> ColumnElement[bool]:
    """Whether a delivery tells the platform of a reinstatement."""
    return and_(
        delivery.c.platform == platform,
        delivery.c.kind.in_(_FORMS),
        delivery.c.record_key == reinstatement.c.certificate_key,
        delivery.c.version == reinstatement.c.version,
    )


def _was_told(connection: Connection, platform: str, row: Row[Any]) -> bool:
    """Whether the platform took the end of the certificate, or may have: something about it may have left."""
    may_have_left = exists().where(
        attempt.c.delivery_id == delivery.c.id,
        exchange.c.id == attempt.c.exchange_id,
        exchange.c.failure.is_(None) | exchange.c.failure.not_in(sorted(OURS)),
    )
    told = select(delivery.c.id).where(
        delivery.c.platform == platform,
        delivery.c.kind.in_(_FORMS),
        delivery.c.record_key == row.certificate_key,
        delivery.c.version == row.void_version,
        delivery.c.state.in_(_THERE) | (delivery.c.state.not_in([*_THERE, State.REJECTED]) & may_have_left),
    )
    return connection.execute(told.limit(1)).first() is not None


def _in_both_forms(connection: Connection, mine: Iterable[ColumnElement[bool]]) -> bool:
    kinds = select(delivery.c.kind).where(*mine, delivery.c.kind.in_(_FORMS), delivery.c.state != State.SUPERSEDED)
    return len(set(connection.execute(kinds).scalars())) == len(_FORMS)


@dataclass(frozen=True, kw_only=True)
class News:
    """What a person is to hear of a platform's way back."""

    refused: tuple[tuple[str, int], ...]
    """certificates, by key and version, that it did not take back as valid, and that nobody was told of yet"""
    taken: tuple[str, ...]
    """tickets about such a certificate that it took after all"""


def news(connection: Connection, platform: str) -> News:
    """What has not been told yet."""
    ours = (ticket.c.platform == platform, ticket.c.kind == TicketKind.WAY_BACK)
    refused = _ended_as(connection, platform, State.REJECTED, State.PARKED)
    told = set(connection.execute(select(ticket.c.event_id).where(*ours)).scalars()) if refused else set()
    open_ = select(ticket.c.event_id, ticket.c.number).where(*ours, ticket.c.closed_at.is_(None))
    numbers = {row.event_id: row.number for row in connection.execute(open_)}
    accepted = _ended_as(connection, platform, State.ACCEPTED) if numbers else []
    return News(
        refused=tuple(place for place in refused if _name(place) not in told),
        taken=tuple(numbers[_name(place)] for place in accepted if _name(place) in numbers),
    )


def _ended_as(connection: Connection, platform: str, *states: State) -> list[tuple[str, int]]:
    rows = connection.execute(
        select(reinstatement.c.certificate_key, reinstatement.c.version)
        .join(delivery, _tells(platform))
        .where(delivery.c.state.in_(states))
        .order_by(reinstatement.c.id)
    )
    return [(row.certificate_key, row.version) for row in rows]


def _name(place: tuple[str, int]) -> str:
    return f"{place[0]}/{place[1]}"


def tell(connection: Connection, vault: Vault, platform: str, now: datetime) -> None:
    """Open a ticket for every certificate that the platform did not take back as valid, once; close those it took."""
    scope = Scope(connection=connection, vault=vault, platform=platform, at=now)
    found = news(connection, platform)
    for number in found.taken:
        reason = "the platform took it after all"
        said = {"closed_at": now, "closed_by": "gateway", "act": str(Act.DONE), "note": reason}
        ours = update(ticket).where(ticket.c.number == number, ticket.c.closed_at.is_(None)).values(said)
        if connection.execute(ours).rowcount:  # else a person was quicker
            note(connection, at=now, actor="gateway", action="ticket", subject=number, reason=reason)
    for key, version in found.refused:
        place = (key, str(TicketKind.WAY_BACK))
        still = select(ticket.c.number).where(
            ticket.c.platform == platform,
            ticket.c.record_id == key,
            ticket.c.kind == TicketKind.WAY_BACK,
            ticket.c.closed_at.is_(None),
        )
        open_ = connection.execute(still).scalar()
        open_new(scope, {place: f"{key}/{version}"}, {} if open_ is None else {place: open_})
