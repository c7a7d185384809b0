"""Finds one decision given under two record ids (F29): kept apart, counted once, and shown to a person.

Which of them counts does not depend on the order in which they came: it is the one with the smaller id. A person who
finds two decisions parts them for good. The same decision about several subjects is no such case (F30).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import and_, insert, select, update

from gateway.credit.rules.statements import AckCode
from gateway.credit.rules.tickets import Act
from gateway.credit.store import acknowledgements as answers
from gateway.credit.store.case_tables import credit_twin
from gateway.credit.store.tables import credit_event, credit_link, credit_version, ticket
from gateway.domain.records import RecordKind
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.metadata import chunks
from gateway.store.scope import Scope

_DUPLICATE = str(TicketKind.DUPLICATE)


def mark_twins(scope: Scope, digests: Collection[str]) -> None:
    """Note which of the records with these decisions (keyed digests) are suspected to be one."""
    group = _same_decision(scope, digests)
    if not group:
        return
    wanted = _wanted(scope, group)
    known: dict[str, Any] = {}
    for part in chunks(group):
        rows = scope.connection.execute(
            select(credit_twin).where(
                credit_twin.c.platform == scope.platform,
                credit_twin.c.record_id.in_(part),
                credit_twin.c.sys_to.is_(None),
            )
        )
        known |= {row.record_id: row for row in rows}
    gone = [row for record_id, row in known.items() if wanted.get(record_id) != row.first_id]
    for part in chunks(row.id for row in gone):
        scope.connection.execute(update(credit_twin).where(credit_twin.c.id.in_(part)).values(sys_to=scope.at))
    kept = {row.record_id for row in known.values()} - {row.record_id for row in gone}
    fresh = {record_id: first for record_id, first in wanted.items() if record_id not in kept}
    for part in chunks(fresh):
        values = [
            {"platform": scope.platform, "record_id": twin, "first_id": fresh[twin], "sys_from": scope.at}
            for twin in part
        ]
        scope.connection.execute(insert(credit_twin), values)
    _tickets(scope, fresh, {row.record_id for row in gone} - set(fresh))


def part(scope: Scope, record_id: str) -> None:
    """A person found that the record is a decision of its own."""
    scope.connection.execute(
        update(credit_twin)
        .where(
            credit_twin.c.platform == scope.platform,
            credit_twin.c.record_id == record_id,
            credit_twin.c.sys_to.is_(None),
        )
        .values(sys_to=scope.at)
    )


def _tickets(scope: Scope, fresh: Collection[str], gone: Collection[str]) -> None:
    known = answers.open_tickets(scope, {*fresh, *gone})
    answers.open_new(scope, {(record_id, _DUPLICATE): None for record_id in fresh}, known)
    answers.close_tickets(
        scope, [n for (record_id, kind), n in known.items() if kind == _DUPLICATE and record_id in gone]
    )


def _same_decision(scope: Scope, digests: Collection[str]) -> dict[str, tuple[str, str | None]]:
    """Record -> digest of its decision and code of conduct, as last stated, for all records with these decisions."""
    stated: dict[str, tuple[str, str | None]] = {}
    for some in chunks(digests):
        # the outcome is looked at here: asked for, it would lead SQLite to the index of outcomes and through all events
        rows = scope.connection.execute(
            select(
                credit_event.c.record_id,
                credit_event.c.decision_digest,
                credit_event.c.credit_code,
                credit_event.c.outcome,
                credit_event.c.local,
            )
            .where(credit_event.c.platform == scope.platform, credit_event.c.decision_digest.in_(some))
            .order_by(credit_event.c.version, credit_event.c.id)
        )
        applied = [row for row in rows if row.outcome == AckCode.APPLIED and not row.local]
        stated |= {row.record_id: (row.decision_digest, row.credit_code) for row in applied}
    if _believed(scope, stated):
        return stated
    times = Counter(digest for digest, _ in stated.values())
    return {record_id: stated_as for record_id, stated_as in stated.items() if times[stated_as[0]] > 1}


def _believed(scope: Scope, records: Collection[str]) -> bool:
    here = and_(credit_twin.c.platform == scope.platform, credit_twin.c.record_id.in_(records))
    return (
        scope.connection.execute(select(credit_twin.c.id).where(here, credit_twin.c.sys_to.is_(None))).first()
        is not None
    )


def _wanted(scope: Scope, group: Mapping[str, tuple[str, str | None]]) -> dict[str, str]:
    """Record -> the one it repeats: same decision, same conduct, same subject, and neither void nor parted."""
    apart: set[str] = set()
    subjects: dict[str, tuple[str, str]] = {}
    for some in chunks(group):
        parted = select(ticket.c.record_id).where(
            ticket.c.platform == scope.platform,
            ticket.c.record_id.in_(some),
            ticket.c.kind == _DUPLICATE,
            ticket.c.act == Act.DIFFERENT,
        )
        void = select(credit_version.c.record_id).where(
            credit_version.c.platform == scope.platform,
            credit_version.c.record_id.in_(some),
            credit_version.c.sys_to.is_(None),
            credit_version.c.valid_from == credit_version.c.valid_to,
        )
        apart |= {*scope.connection.execute(parted).scalars(), *scope.connection.execute(void).scalars()}
        rows = scope.connection.execute(
            select(credit_link.c.record_id, credit_link.c.kind, credit_link.c.key).where(
                credit_link.c.platform == scope.platform,
                credit_link.c.record_id.in_(some),
                credit_link.c.kind != str(RecordKind.CERTIFICATE),
                credit_link.c.sys_to.is_(None),
            )
        )
        subjects |= {row.record_id: (row.kind, row.key) for row in rows}
    clusters: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for record_id in sorted(group):
        if record_id in subjects and record_id not in apart:
            clusters[*group[record_id], *subjects[record_id]].append(record_id)
    return {other: same[0] for same in clusters.values() for other in same[1:]}
