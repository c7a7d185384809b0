"""Tickets about certificates that a platform did not take back as valid after a wrong voiding."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, select, update

from gateway.credit.rules.tickets import Act
from gateway.credit.store.acknowledgements import open_new
from gateway.credit.store.case_tables import reinstatement
from gateway.credit.store.tables import ticket
from gateway.delivery.store.tables import delivery
from gateway.domain.records import RecordKind
from gateway.domain.states import State
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.audit import note
from gateway.store.scope import Scope


def _delivers(platform: str) -> ColumnElement[bool]:
    """Whether a delivery tells the platform of a reinstatement."""
    return and_(
        delivery.c.platform == platform,
        delivery.c.kind.in_([RecordKind.CERTIFICATE, RecordKind.STATUS_CHANGE]),
        delivery.c.record_key == reinstatement.c.certificate_key,
        delivery.c.version == reinstatement.c.version,
    )


@dataclass(frozen=True, kw_only=True)
class WayBack:
    """Certificates that a platform was to make valid again, of which a person is not notified yet."""

    refused: tuple[tuple[str, int], ...]
    """certificates, by key and version, that it did not take back as valid, and that have no ticket yet"""
    taken: tuple[str, ...]
    """tickets about such a certificate that it took after all"""

    def __bool__(self) -> bool:
        return bool(self.refused or self.taken)


def way_back(scope: Scope) -> WayBack:
    """What needs a ticket, or no longer needs its open one."""
    connection, platform = scope.connection, scope.platform
    ours = (ticket.c.platform == platform, ticket.c.kind == TicketKind.WAY_BACK)
    refused = _ended_as(connection, platform, State.REJECTED, State.PARKED)
    noted = set(connection.execute(select(ticket.c.event_id).where(*ours)).scalars()) if refused else set()
    open_ = select(ticket.c.event_id, ticket.c.number).where(*ours, ticket.c.closed_at.is_(None))
    numbers = {row.event_id: row.number for row in connection.execute(open_)}
    accepted = _ended_as(connection, platform, State.ACCEPTED) if numbers else []
    return WayBack(
        refused=tuple(place for place in refused if _name(place) not in noted),
        taken=tuple(numbers[_name(place)] for place in accepted if _name(place) in numbers),
    )


def _ended_as(connection: Connection, platform: str, *states: State) -> list[tuple[str, int]]:
    rows = connection.execute(
        select(reinstatement.c.certificate_key, reinstatement.c.version)
        .join(delivery, _delivers(platform))
        .where(delivery.c.state.in_(states))
        .order_by(reinstatement.c.id)
    )
    return [(row.certificate_key, row.version) for row in rows]


def _name(place: tuple[str, int]) -> str:
    return f"{place[0]}/{place[1]}"


def open_way_back_tickets(scope: Scope) -> None:
    """Open a ticket for every certificate that the platform did not take back as valid, once; close those it took."""
    connection, found = scope.connection, way_back(scope)
    for number in found.taken:
        reason = "the platform took it after all"
        closing = {"closed_at": scope.at, "closed_by": "gateway", "act": str(Act.DONE), "note": reason}
        ours = update(ticket).where(ticket.c.number == number, ticket.c.closed_at.is_(None)).values(closing)
        if connection.execute(ours).rowcount:  # else a person was quicker
            note(connection, at=scope.at, actor="gateway", action="ticket", subject=number, reason=reason)
    for key, version in found.refused:
        place = (key, str(TicketKind.WAY_BACK))
        still = select(ticket.c.number).where(
            ticket.c.platform == scope.platform,
            ticket.c.record_id == key,
            ticket.c.kind == TicketKind.WAY_BACK,
            ticket.c.closed_at.is_(None),
        )
        open_ = connection.execute(still).scalar()
        open_new(scope, {place: f"{key}/{version}"}, {} if open_ is None else {place: open_})
