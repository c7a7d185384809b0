"""Queries of the credit archive: counts by state, and the records of a subject or the public as they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Select, and_, func, or_, select

from gateway.credit.rules.statements import AckCode, Statement, Status, is_public, is_usable
from gateway.credit.store.acknowledgements import Values
from gateway.credit.store.case_tables import credit_own, credit_succession, credit_twin
from gateway.credit.store.events import masked_subject, to_statement
from gateway.credit.store.subjects import AUTHORITY, ENTERPRISE, survivors
from gateway.credit.store.tables import credit_ack, credit_event, credit_link, credit_version, feed, ticket
from gateway.domain.records import RecordKind
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.metadata import chunks
from gateway.store.vault import Vault

PERSON = str(RecordKind.PERSON)


class Sharing(Enum):
    """How a subject's records are shown with another: its own, or those of a predecessor (F24)."""

    OWN = "own"
    INHERITED = "inherited"
    SHOWN = "shown"


@dataclass(frozen=True, kw_only=True)
class RecordStanding:
    """A record of a subject as it stands: the statement in force, its open tickets, and who may use or see it.

    version_id:     the statement's row
    same_as:        the record that it is suspected to repeat; views count the two as one (F29)
    group:          the same for all records of one decision (F30)
    of_predecessor: it is about an enterprise whose place this one took (F24)
    """

    platform: str
    record_id: str
    version_id: int
    statement: Statement
    tickets: frozenset[TicketKind]
    usable: bool
    public: bool
    same_as: str | None = None
    group: str | None = None
    of_predecessor: bool = False


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


def current(
    connection: Connection, key: str, at: datetime, *, kind: str = PERSON, hide_objected: bool = False
) -> list[RecordStanding]:
    """A subject's records as they stand at ``at``, with those of its predecessors.

    key:           of a person, an enterprise or an authority; one that was merged stands for who took its place (F21)
    hide_objected: do not show to the public what is objected to; by rule an objection only sets a flag (R12)
    """
    subjects = whose(connection, kind, key)
    version, link = credit_version, credit_link
    same = and_(version.c.platform == link.c.platform, version.c.record_id == link.c.record_id)
    rows = connection.execute(
        select(version, link.c.key.label("subject"))
        .join(link, same)
        .where(
            link.c.kind == kind,
            link.c.key.in_(subjects),
            link.c.sys_to.is_(None),
            version.c.sys_to.is_(None),
            version.c.valid_from <= at,
            or_(version.c.valid_to.is_(None), version.c.valid_to > at),
        )
        .order_by(version.c.platform, version.c.record_id)
    ).mappings()
    found = [dict(row) for row in rows]
    return _standing(connection, found, subjects, at, hide_objected=hide_objected)


def shown_now(connection: Connection, at: datetime, limit: int) -> list[RecordStanding]:
    """Records of all subjects within their disclosure period at ``at``; at most ``limit``."""
    version, link = credit_version, credit_link
    same = and_(version.c.platform == link.c.platform, version.c.record_id == link.c.record_id)
    rows = connection.execute(
        select(version, link.c.key.label("subject"))
        .join(link, same)
        .where(
            link.c.kind.in_([PERSON, ENTERPRISE, AUTHORITY]),
            link.c.sys_to.is_(None),
            version.c.sys_to.is_(None),
            version.c.status == Status.ACTIVE,
            version.c.publish_from <= at,
            or_(version.c.publish_to.is_(None), version.c.publish_to > at),
            version.c.valid_from <= at,
            or_(version.c.valid_to.is_(None), version.c.valid_to > at),
        )
        .order_by(version.c.platform, version.c.record_id)
        .limit(limit)
    ).mappings()
    found = [dict(row) for row in rows]
    subjects = dict.fromkeys((row["subject"] for row in found), Sharing.OWN)
    return _standing(connection, found, subjects, at, hide_objected=False)


def whose(connection: Connection, kind: str, key: str) -> dict[str, Sharing]:
    """The subjects whose records are shown with one, and how."""
    resolved = survivors(connection, [key]).get(key, key)
    subjects = {resolved: Sharing.OWN}
    asked = [resolved] if kind == ENTERPRISE else []
    while asked:
        rows = connection.execute(
            select(credit_succession).where(
                credit_succession.c.successor.in_(asked), credit_succession.c.sys_to.is_(None)
            )
        )
        before = {
            row.predecessor: Sharing.INHERITED
            if row.inherits and subjects[row.successor] is not Sharing.SHOWN
            else Sharing.SHOWN
            for row in rows
        }
        asked = [key for key in before if key not in subjects]
        subjects |= {key: before[key] for key in asked}
    return subjects


def _standing(
    connection: Connection, found: list[Values], subjects: Mapping[str, Sharing], at: datetime, *, hide_objected: bool
) -> list[RecordStanding]:
    holds = _holds(connection, found)
    twins = _twins(connection, found)
    groups = _groups(connection, found)
    made = []
    for row in found:
        place = row["platform"], row["record_id"]
        statement = to_statement(row, {row["event_id"]: "", row["content_id"]: ""})
        kinds = holds.get(place, frozenset())
        counts_here = subjects[row["subject"]] is not Sharing.SHOWN and place not in twins
        made.append(
            RecordStanding(
                platform=row["platform"],
                record_id=row["record_id"],
                version_id=row["id"],
                statement=statement,
                tickets=kinds,
                usable=counts_here and is_usable(statement, at, kinds),
                public=counts_here and is_public(statement, at, kinds, hide_objected=hide_objected),
                same_as=twins.get(place),
                group=groups.get(row["event_id"]),
                of_predecessor=subjects[row["subject"]] is not Sharing.OWN,
            )
        )
    return made


def _twins(connection: Connection, rows: Sequence[Values]) -> dict[tuple[str, str], str]:
    """Records that repeat others: suspected twins, and our own decisions as a platform tells them back."""
    found: dict[tuple[str, str], str] = {}
    for part in chunks({row["record_id"] for row in rows}):
        believed = connection.execute(
            select(credit_twin).where(credit_twin.c.record_id.in_(part), credit_twin.c.sys_to.is_(None))
        )
        found |= {(row.platform, row.record_id): row.first_id for row in believed}
        own = connection.execute(
            select(credit_own.c.platform, credit_own.c.platform_record_id, credit_own.c.key).where(
                credit_own.c.platform_record_id.in_(part)
            )
        )
        found |= {(row.platform, row.platform_record_id): row.key for row in own}
    return found


def _groups(connection: Connection, rows: Sequence[Values]) -> dict[int, str]:
    found: dict[int, str] = {}
    for part in chunks({row["event_id"] for row in rows}):
        named = connection.execute(
            select(credit_event.c.id, credit_event.c.decision_digest).where(
                credit_event.c.id.in_(part), credit_event.c.decision_digest.is_not(None)
            )
        )
        found |= {row.id: f"G{row.decision_digest[:12].upper()}" for row in named}
    return found


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


@dataclass(frozen=True, kw_only=True)
class ListedEvent:
    """An event of a feed as operators see it: what it is about, and what became of it."""

    platform: str
    event_id: str
    record_id: str
    version: int
    event_type: str
    outcome: str
    category: str
    received_at: datetime
    subject_type: str | None
    subject_key: str | None
    certificate_key: str | None
    about: str | None


def events_named(connection: Connection, vault: Vault, text: str) -> list[ListedEvent]:
    """The events of a record, or the one event, of that number; oldest first."""
    platforms = connection.execute(select(feed.c.platform)).scalars().all()
    event = credit_event.c
    named = or_(event.record_id == text, event.event_id == text)
    return _event_rows(connection, vault, select(credit_event).where(event.platform.in_(platforms), named))


def count_unmatched(connection: Connection) -> int:
    """How many events are about nobody we hold."""
    platforms = connection.execute(select(feed.c.platform)).scalars().all()
    here = (credit_event.c.platform.in_(platforms), credit_event.c.outcome == AckCode.ACCEPTED_UNMATCHED)
    return int(connection.execute(select(func.count()).select_from(credit_event).where(*here)).scalar_one())


def unmatched(connection: Connection, vault: Vault, limit: int) -> list[ListedEvent]:
    """Events about nobody we hold, oldest first."""
    platforms = connection.execute(select(feed.c.platform)).scalars().all()
    here = (credit_event.c.platform.in_(platforms), credit_event.c.outcome == AckCode.ACCEPTED_UNMATCHED)
    return _event_rows(connection, vault, select(credit_event).where(*here).limit(limit))


def _event_rows(connection: Connection, vault: Vault, wanted: Select[Any]) -> list[ListedEvent]:
    names = [name for name in ListedEvent.__dataclass_fields__ if name != "about"]
    return [
        ListedEvent(**{name: row[name] for name in names}, about=masked_subject(vault, dict(row)))
        for row in connection.execute(wanted.order_by(credit_event.c.id)).mappings()
    ]
