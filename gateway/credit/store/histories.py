"""Applies events to the histories of credit records: many records at once, a fixed number of SQL statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Table, bindparam, func, insert, select, update

from gateway.contract.messages import SubjectType
from gateway.credit.rules.history import ArchiveChange, HeldRecord, Outcome, decide
from gateway.credit.rules.statements import AckCode, EventType, StatementRow
from gateway.credit.store.acknowledgements import Values, answer
from gateway.credit.store.events import EventRow, disclosure_rules, from_statement, reference, to_row
from gateway.credit.store.subjects import AUTHORITY, ENTERPRISE, match, rulings, survivors
from gateway.credit.store.tables import credit_event, credit_link, credit_version
from gateway.credit.store.twins import mark_twins
from gateway.domain.errors import StoreError
from gateway.domain.records import RecordKind
from gateway.locale import tr
from gateway.store.batch_sql import adding
from gateway.store.metadata import chunks
from gateway.store.scope import Scope

RECORD_EVENTS = frozenset(EventType) - {
    EventType.SUBJECT_MERGED,
    EventType.SUBJECT_SPLIT,
    EventType.SUBJECT_RENAMED,
}
"""events of one record; the others are about subjects"""
_JUDGED = ("outcome", "effect", "match", "subject_key", "certificate_key")
"""what may change of an event's row"""

_KINDS = {SubjectType.ENTERPRISE: ENTERPRISE, SubjectType.AUTHORITY: AUTHORITY}
ByRecord = Mapping[str, Sequence[EventRow]]


@dataclass(kw_only=True)
class _Loaded:
    """What the store holds of the records at hand."""

    events: dict[str, list[EventRow]] = field(default_factory=lambda: defaultdict(list))
    rows: dict[str, list[StatementRow]] = field(default_factory=lambda: defaultdict(list))
    links: dict[str, list[Mapping[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    last_no: dict[str, int] = field(default_factory=dict)


def apply_events(scope: Scope, arrived: Sequence[EventRow], records: Collection[str] = ()) -> list[Outcome]:
    """Decide about records, write what follows and queue the acknowledgements; gives every new outcome.

    arrived: events that are not stored yet
    records: further records to judge again, because more is known of their subjects
    """
    fresh: dict[str, list[EventRow]] = defaultdict(list)
    for event in match(scope.connection, arrived):
        fresh[event.values["record_id"]].append(event)
    touched = list(dict.fromkeys((*records, *fresh)))
    loaded = _load(scope, touched)
    held = _matched_again(scope, loaded)
    decisions = {
        record_id: decide(
            HeldRecord(
                facts=tuple(event.fact for event in held[record_id]),
                rows=tuple(loaded.rows[record_id]),
                rules=disclosure_rules(scope.platform),
            ),
            [event.fact for event in fresh[record_id]],
        )
        for record_id in touched
    }
    ids = _keep_events(scope, decisions, fresh, held, loaded)
    _keep_versions(scope, decisions, loaded, ids)
    subjects = {event.ref: event for group in (fresh, held) for events in group.values() for event in events}
    _keep_links(scope, decisions, loaded, subjects, ids)
    outcomes = answer(scope, decisions)
    decisions_named = {event.values["decision_digest"] for event in subjects.values()}
    mark_twins(scope, decisions_named - {None})
    return outcomes


_ADD_EVENTS = adding(credit_event, *(column.name for column in credit_event.c if column.name not in ("id", "tries")))
_ADD_VERSIONS = adding(credit_version, *(c.name for c in credit_version.c if c.name not in ("id", "sys_to")))


def insert_events(scope: Scope, events: Sequence[EventRow]) -> dict[str, int]:
    """Insert events; gives their row ids by reference."""
    # RETURNING in the order of the parameters would insert row by row on SQLite; asking afterwards costs one statement.
    ids: dict[str, int] = {}
    for part in chunks(events):
        _ADD_EVENTS(scope.connection, [event.values for event in part])
        rows = scope.connection.execute(
            select(credit_event.c.id, credit_event.c.event_id, credit_event.c.digest).where(
                credit_event.c.platform == scope.platform,
                credit_event.c.event_id.in_({event.values["event_id"] for event in part}),
            )
        )
        ids |= {reference(row.event_id, row.digest): row.id for row in rows}
    return ids


def _load(scope: Scope, records: Sequence[str]) -> _Loaded:
    loaded = _Loaded()
    for part in chunks(records):
        _load_events(scope, part, loaded)
        refs = {event.id: event.ref for events in loaded.events.values() for event in events if event.id is not None}
        for row in _believed(scope, credit_version, part):
            loaded.rows[row["record_id"]].append(to_row(row, refs))
        for row in _believed(scope, credit_link, part):
            loaded.links[row["record_id"]].append(row)
        last = scope.connection.execute(
            select(credit_version.c.record_id, func.max(credit_version.c.version_no).label("last"))
            .where(credit_version.c.platform == scope.platform, credit_version.c.record_id.in_(part))
            .group_by(credit_version.c.record_id)
        )
        loaded.last_no |= {row.record_id: row.last for row in last}
    return loaded


def _load_events(scope: Scope, records: Sequence[str], loaded: _Loaded) -> None:
    rows = scope.connection.execute(
        select(*(column for column in credit_event.c if column.name != "payload"))
        .where(
            credit_event.c.platform == scope.platform,
            credit_event.c.record_id.in_(records),
            credit_event.c.outcome != AckCode.SCHEMA_INVALID,
            ~credit_event.c.flawed,
            credit_event.c.event_type.in_(RECORD_EVENTS),
        )
        .order_by(credit_event.c.id)
    ).mappings()
    for row in rows:
        loaded.events[row["record_id"]].append(EventRow(values=dict(row), id=row["id"]))


def _believed(scope: Scope, source: Table, records: Sequence[str]) -> list[Values]:
    rows = scope.connection.execute(
        select(source).where(
            source.c.platform == scope.platform, source.c.record_id.in_(records), source.c.sys_to.is_(None)
        )
    ).mappings()
    return [dict(row) for row in rows]


def _matched_again(scope: Scope, loaded: _Loaded) -> dict[str, list[EventRow]]:
    """The held events, those without a final answer matched anew: what was unknown then may be known now.

    What a person ruled about a record holds for events that were applied before, too: they may have been about another.
    """
    ruled = rulings(scope.connection, [event for events in loaded.events.values() for event in events[:1]])
    waiting = [
        event
        for record_id, events in loaded.events.items()
        for event in events
        if record_id in ruled or not AckCode(event.values["outcome"]).final
    ]
    again = {event.ref: event for event in match(scope.connection, waiting)}
    held: dict[str, list[EventRow]] = defaultdict(list)
    for record_id, events in loaded.events.items():
        held[record_id] = [again.get(event.ref, event) for event in events]
    return held


def _keep_events(
    scope: Scope, decisions: Mapping[str, ArchiveChange], fresh: ByRecord, held: ByRecord, loaded: _Loaded
) -> dict[str, int]:
    """Insert the new events with their outcome, and mark the held ones whose outcome or match is another now."""
    outcomes = {o.fact.ref: o for decision in decisions.values() for o in decision.outcomes}
    new = [_judged(event, outcomes) for events in fresh.values() for event in events]
    ids = insert_events(scope, [event for event in new if event.values["outcome"] is not AckCode.DUPLICATE])
    moved: list[Values] = []
    for record_id, events in held.items():
        for before, after in zip(loaded.events[record_id], (_judged(e, outcomes) for e in events), strict=True):
            assert before.id is not None
            ids[before.ref] = before.id
            if any(before.values[name] != after.values[name] for name in _JUDGED):
                moved.append({"at_id": before.id, **{f"new_{name}": after.values[name] for name in _JUDGED}})
    if moved:
        statement = (
            update(credit_event)
            .where(credit_event.c.id == bindparam("at_id"))
            .values({name: bindparam(f"new_{name}") for name in _JUDGED})
        )
        scope.connection.execute(statement, moved)
    return ids


def _judged(event: EventRow, outcomes: Mapping[str, Outcome]) -> EventRow:
    outcome = outcomes.get(event.ref)
    if outcome is None:
        return event
    return replace(event, values={**event.values, "outcome": outcome.code, "effect": outcome.effect})


def _keep_versions(
    scope: Scope, decisions: Mapping[str, ArchiveChange], loaded: _Loaded, ids: Mapping[str, int]
) -> None:
    ended = [row.id for decision in decisions.values() for row in decision.close]
    for part in chunks(ended):
        changed = scope.connection.execute(
            update(credit_version)
            .where(credit_version.c.id.in_(part), credit_version.c.sys_to.is_(None))
            .values(sys_to=scope.at)
        ).rowcount
        if changed != len(part):
            raise StoreError(tr("a statement of the credit archive was superseded twice"))
    added = [
        {
            "platform": scope.platform,
            "record_id": record_id,
            "version_no": loaded.last_no.get(record_id, 0) + number,
            "sys_from": scope.at,
            "actor": scope.platform,
            **from_statement(statement, ids),
        }
        for record_id, decision in decisions.items()
        for number, statement in enumerate(decision.insert, start=1)
    ]
    for rows in chunks(added):
        _ADD_VERSIONS(scope.connection, rows)


def _keep_links(
    scope: Scope,
    decisions: Mapping[str, ArchiveChange],
    loaded: _Loaded,
    events: Mapping[str, EventRow],
    ids: Mapping[str, int],
) -> None:
    """Point the records at their subjects. A link that no longer holds never did: it ends in recorded time only."""
    ended: list[int] = []
    added: list[Values] = []
    named = {decision.subject.ref for decision in decisions.values() if decision.subject is not None}
    merged = survivors(scope.connection, {events[ref].values["subject_key"] for ref in named} - {None})
    for record_id, decision in decisions.items():
        wanted = _wanted(decision, events, merged)
        for link in loaded.links[record_id]:
            if wanted.get((link["kind"], link["key"])) == link["match"]:
                del wanted[link["kind"], link["key"]]
            else:
                ended.append(link["id"])
        if wanted and decision.subject is not None:
            kept = [row.statement for row in loaded.rows[record_id] if row not in decision.close]
            common = {
                "platform": scope.platform,
                "record_id": record_id,
                "valid_from": min(statement.valid_from for statement in (*kept, *decision.insert)),
                "sys_from": scope.at,
                "event_id": ids[decision.subject.ref],
            }
            added += [{**common, "kind": kind, "key": key, "match": how} for (kind, key), how in wanted.items()]
    for part in chunks(ended):
        scope.connection.execute(update(credit_link).where(credit_link.c.id.in_(part)).values(sys_to=scope.at))
    for rows in chunks(added):
        scope.connection.execute(insert(credit_link), rows)


def _wanted(
    decision: ArchiveChange, events: Mapping[str, EventRow], merged: Mapping[str, str]
) -> dict[tuple[str, str], str]:
    values = events[decision.subject.ref].values if decision.subject is not None else {}
    if values.get("subject_key") is None:
        return {}
    kind = _KINDS.get(values["subject_type"], RecordKind.PERSON)
    subject = values["subject_key"]
    links = {(str(kind), merged.get(subject, subject)): str(values["match"])}
    if values["certificate_key"] is not None:
        links[str(RecordKind.CERTIFICATE), values["certificate_key"]] = str(values["match"])
    return links
