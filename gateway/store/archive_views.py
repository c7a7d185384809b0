"""What the credit archive can be asked: how much stands where, and what holds for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, and_, func, or_, select

from gateway.domain.credit import Statement, TicketKind, is_public, is_usable
from gateway.store.archive_answers import Values
from gateway.store.archive_rows import to_statement
from gateway.store.chunks import chunks
from gateway.store.credit_tables import credit_ack, credit_event, credit_link, credit_version, ticket


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A record of a person as it stands: the statement in force, its open tickets, and who may use or see it."""

    platform: str
    record_id: str
    statement: Statement
    tickets: frozenset[TicketKind]
    usable: bool
    public: bool


def counts(connection: Connection, platform: str, at: datetime) -> dict[str, dict[str, int]]:
    """How many records stand in which status at ``at``, events by acknowledgement, and open tickets by kind."""
    version = credit_version
    status = select(version.c.status, func.count()).where(
        version.c.platform == platform,
        version.c.sys_to.is_(None),
        or_(
            and_(version.c.valid_from <= at, or_(version.c.valid_to.is_(None), version.c.valid_to > at)),
            version.c.valid_from == version.c.valid_to,
        ),
    )
    outcome = select(credit_event.c.outcome, func.count()).where(credit_event.c.platform == platform)
    tickets = select(ticket.c.kind, func.count()).where(ticket.c.platform == platform, ticket.c.closed_at.is_(None))
    unsent = select(credit_ack.c.code, func.count()).where(
        credit_ack.c.platform == platform, credit_ack.c.sent_at.is_(None)
    )
    return {
        "status": _counted(connection, status.group_by(version.c.status)),
        "outcome": _counted(connection, outcome.group_by(credit_event.c.outcome)),
        "tickets": _counted(connection, tickets.group_by(ticket.c.kind)),
        "unsent": _counted(connection, unsent.group_by(credit_ack.c.code)),
    }


def current(connection: Connection, person_key: str, at: datetime) -> list[Standing]:
    """A person's records as they stand at ``at``."""
    version, link = credit_version, credit_link
    same = and_(version.c.platform == link.c.platform, version.c.record_id == link.c.record_id)
    rows = connection.execute(
        select(version)
        .join(link, same)
        .where(
            link.c.kind == "person",
            link.c.key == person_key,
            link.c.sys_to.is_(None),
            version.c.sys_to.is_(None),
            version.c.valid_from <= at,
            or_(version.c.valid_to.is_(None), version.c.valid_to > at),
        )
        .order_by(version.c.platform, version.c.record_id)
    ).mappings()
    found = [dict(row) for row in rows]
    holds = _holds(connection, found)
    return [
        Standing(
            platform=row["platform"],
            record_id=row["record_id"],
            statement=statement,
            tickets=(kinds := holds.get((row["platform"], row["record_id"]), frozenset())),
            usable=is_usable(statement, at, kinds),
            public=is_public(statement, at, kinds),
        )
        for row in found
        for statement in (to_statement(row, {row["event_id"]: "", row["content_id"]: ""}),)
    ]


def _counted(connection: Connection, query: Select[str, int]) -> dict[str, int]:
    return {str(row[0]): int(row[1]) for row in connection.execute(query)}


def _holds(connection: Connection, rows: Sequence[Values]) -> dict[tuple[str, str], frozenset[TicketKind]]:
    found: dict[tuple[str, str], frozenset[TicketKind]] = {}
    for part in chunks({row["record_id"] for row in rows}):
        open_ones = connection.execute(
            select(ticket.c.platform, ticket.c.record_id, ticket.c.kind).where(
                ticket.c.record_id.in_(part), ticket.c.closed_at.is_(None)
            )
        )
        for row in open_ones:
            place = (row.platform, row.record_id)
            found[place] = found.get(place, frozenset()) | {TicketKind(row.kind)}
    return found
