"""Merges, splits, renames and succeeds subjects as a platform says: links get new rows, and no fact is touched.

The highest version of such an event counts, in whatever order they come. One about somebody we do not hold waits like
a record of a stranger.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, exists, insert, select, union, update

from gateway.contract.messages import Finding
from gateway.credit.rules.statements import AckCode, EventType
from gateway.credit.rules.subjects import SUBJECT_EVENTS, How, SubjectChange
from gateway.credit.store import acknowledgements as answers
from gateway.credit.store import parties
from gateway.credit.store.acknowledgements import Values
from gateway.credit.store.case_tables import credit_alias, credit_merge, credit_party, credit_succession
from gateway.credit.store.events import EventRow, number_value, payload_place
from gateway.credit.store.histories import apply_events, insert_events
from gateway.credit.store.parties import Party, party_key
from gateway.credit.store.subjects import ENTERPRISE, survivors
from gateway.credit.store.tables import credit_event, credit_link
from gateway.credit.store.void import follow
from gateway.domain.china import day_start
from gateway.domain.names import plain_name, variant_name
from gateway.domain.records import RecordKind, Worker
from gateway.domain.ticket_kinds import TicketKind
from gateway.store import records
from gateway.store.records import IndexEntry
from gateway.store.scope import Scope
from gateway.store.tables import record, search_index

_TYPES = sorted(SUBJECT_EVENTS)
_PERSON = str(RecordKind.PERSON)


def apply_changes(scope: Scope, arrived: Sequence[tuple[Finding, EventRow]]) -> list[AckCode]:
    """Keep and carry out new events about subjects; gives their acknowledgements in the order of their versions."""
    codes: list[AckCode] = []
    rows: list[Values] = []
    for finding, event in sorted(arrived, key=lambda pair: pair[0].version):
        code, key = _overtaken(scope, event), None
        if code is None:
            code, key = _carry_out(scope, SubjectChange.of(dataclasses.asdict(finding)))
        if code is not AckCode.DUPLICATE:
            insert_events(scope, [EventRow(values={**event.values, "subject_key": key, "outcome": code})])
        codes.append(code)
        rows.append(answers.ack_row(scope, event.values, code, _ticket(scope, event, code)))
    answers.queue(scope, rows)
    return codes


def retry_changes(scope: Scope) -> int:
    """Carry out what waited for somebody who is known now; gives how many came into force."""
    waiting = scope.connection.execute(
        select(credit_event)
        .where(
            credit_event.c.platform == scope.platform,
            credit_event.c.outcome.in_([AckCode.ACCEPTED_UNMATCHED, AckCode.DEFERRED]),
            credit_event.c.event_type.in_(_TYPES),
            credit_event.c.payload.is_not(None),
        )
        .order_by(credit_event.c.version, credit_event.c.id)
    ).mappings()
    done = 0
    for row in waiting.all():
        event = EventRow(values=dict(row), id=row["id"])
        place = payload_place(scope.platform, row["event_id"], row["digest"])
        code = _overtaken(scope, event)
        key = None
        if code is None:
            code, key = _carry_out(scope, SubjectChange.of(json.loads(scope.vault.open(row["payload"], place))))
        if code is AckCode.ACCEPTED_UNMATCHED:
            continue
        scope.connection.execute(
            update(credit_event).where(credit_event.c.id == row["id"]).values(outcome=code, subject_key=key)
        )
        answers.queue(scope, [answers.ack_row(scope, event.values, code, _ticket(scope, event, code))])
        done += code is AckCode.APPLIED
    return done


def changes_waiting(connection: Connection, platform: str) -> bool:
    """Whether something about subjects waits for somebody to be known."""
    waits = exists().where(
        credit_event.c.platform == platform,
        credit_event.c.outcome == AckCode.ACCEPTED_UNMATCHED,
        credit_event.c.event_type.in_(_TYPES),
        credit_event.c.payload.is_not(None),
    )
    return bool(connection.execute(select(waits)).scalar_one())


def merge(scope: Scope, kind: str, keys: tuple[str, str], *, event_id: str | None, actor: str) -> None:
    """Let the records of the first key be linked to the second one's."""
    old, new = keys
    scope.connection.execute(
        update(credit_merge)
        .where(credit_merge.c.kind == kind, credit_merge.c.from_key == old, credit_merge.c.sys_to.is_(None))
        .values(sys_to=scope.at)
    )
    values = {"kind": kind, "from_key": old, "to_key": new, "sys_from": scope.at, "event_id": event_id, "actor": actor}
    scope.connection.execute(insert(credit_merge).values(values))
    _link_again(scope, kind, (old, new))


def split(scope: Scope, kind: str, key: str) -> bool:
    """Undo a merge: links are restored by new rows. False where there was none."""
    around = survivors(scope.connection, [key]).values()
    row = scope.connection.execute(
        update(credit_merge)
        .where(credit_merge.c.kind == kind, credit_merge.c.from_key == key, credit_merge.c.sys_to.is_(None))
        .values(sys_to=scope.at)
        .returning(credit_merge.c.to_key)
    ).first()
    if row is None:
        return False
    _link_again(scope, kind, {key, row.to_key, *around})
    return True


def _overtaken(scope: Scope, event: EventRow) -> AckCode | None:
    """DUPLICATE for content we have, STALE below a version in force; None where it is to be carried out."""
    values = event.values
    rows = scope.connection.execute(
        select(credit_event.c.version, credit_event.c.digest, credit_event.c.outcome).where(
            credit_event.c.platform == scope.platform,
            credit_event.c.record_id == values["record_id"],
            credit_event.c.id != (event.id or 0),
        )
    ).all()
    if event.id is None and any((row.version, row.digest) == (values["version"], values["digest"]) for row in rows):
        return AckCode.DUPLICATE
    above = any(row.outcome == AckCode.APPLIED and row.version > values["version"] for row in rows)
    return AckCode.STALE if above else None


def _carry_out(scope: Scope, change: SubjectChange) -> tuple[AckCode, str | None]:
    kind = ENTERPRISE if change.enterprise else _PERSON
    old, new = (local_key(scope, kind, key) for key in (change.from_key, change.to_key))
    if change.event_type is EventType.SUBJECT_RENAMED:
        return _rename(scope, change, old)
    if old is None or new is None or old == new:
        return AckCode.ACCEPTED_UNMATCHED, None
    if change.event_type is EventType.SUBJECT_MERGED:
        merge(scope, kind, (old, new), event_id=change.event_id, actor=scope.platform)
    else:
        split(scope, kind, old)
    return AckCode.APPLIED, new


def _rename(scope: Scope, change: SubjectChange, old: str | None) -> tuple[AckCode, str | None]:
    if change.enterprise:
        return _rename_enterprise(scope, change, old)
    if old is None and change.id_number:
        found = records.find(
            scope.connection, scope.vault, "id_number", [number_value(change.id_type, change.id_number)]
        )
        keys = {key for matches in found.values() for kind, key in matches if kind == _PERSON}
        old = keys.pop() if len(keys) == 1 else None
    if old is None:
        return AckCode.ACCEPTED_UNMATCHED, None
    since = day_start(change.since) if change.since else None
    for person in records.newest_records(scope.connection, scope.vault, RecordKind.PERSON, [old]):
        if isinstance(person.content, Worker):
            _alias(scope, change, old, ("name", person.content.name), (None, since))
            number = number_value(person.content.id_type, person.content.id_number)
            _alias(scope, change, old, ("id_number", number), (None, since))
    entries = [IndexEntry(kind=RecordKind.PERSON, key=old, what="name", value=form(change.name)) for form in _FORMS]
    _alias(scope, change, old, ("name", change.name), (since, None))
    if change.id_number:
        number = number_value(change.id_type, change.id_number)
        entries.append(IndexEntry(kind=RecordKind.PERSON, key=old, what="id_number", value=number))
        _alias(scope, change, old, ("id_number", number), (since, None))
    records.index(scope.connection, scope.vault, entries, scope.at)
    return AckCode.APPLIED, old


_FORMS = (plain_name, variant_name)


def _rename_enterprise(scope: Scope, change: SubjectChange, old: str | None) -> tuple[AckCode, str | None]:
    old = old or (local_key(scope, ENTERPRISE, change.corp_code) if not change.succeeds else None)
    if old is None:
        return AckCode.ACCEPTED_UNMATCHED, None
    since = day_start(change.since) if change.since else None
    if not change.succeeds:
        before = parties.read(scope.connection, scope.vault, [old])
        for party in before.values():
            _alias(scope, change, old, ("name", party.name), (None, since))
        _alias(scope, change, old, ("name", change.name), (since, None))
        return AckCode.APPLIED, old
    assert change.to_key is not None
    heir = Party(kind=ENTERPRISE, code=change.to_key, name=change.name)
    [new] = parties.hold(scope.connection, scope.vault, [heir], parties.TOLD, scope.at)
    scope.connection.execute(
        insert(credit_succession).values(
            predecessor=old,
            successor=new,
            how=change.how or How.REPLACED,
            since=change.since or scope.at.date(),
            inherits=change.inherits,
            sys_from=scope.at,
            event_id=change.event_id,
        )
    )
    return AckCode.APPLIED, new


def _alias(
    scope: Scope,
    change: SubjectChange,
    key: str,
    named: tuple[str, str],
    valid: tuple[datetime | None, datetime | None],
) -> None:
    """Keep a name or number with the time of its use; one that is kept already stays as it is."""
    what, value = named
    plain = plain_name(value) if what == "name" else value
    digest = scope.vault.mark(f"alias:{what}", plain.encode())
    kind = ENTERPRISE if change.enterprise else _PERSON
    same = (credit_alias.c.kind == kind, credit_alias.c.key == key, credit_alias.c.digest == digest)
    if scope.connection.execute(select(exists().where(*same, credit_alias.c.sys_to.is_(None)))).scalar_one():
        return
    values = {
        "kind": kind,
        "key": key,
        "what": what,
        "digest": digest,
        "value": scope.vault.seal(value.encode(), alias_place(key, digest)),
        "valid_from": valid[0],
        "valid_to": valid[1],
        "sys_from": scope.at,
        "event_id": change.event_id,
    }
    scope.connection.execute(insert(credit_alias).values(values))


def alias_place(key: str, digest: str) -> str:
    """Where the value of an alias is sealed to."""
    return f"credit_alias.value:{key}/{digest}"


def local_key(scope: Scope, kind: str, key: str | None) -> str | None:
    """Our key of the subject that a platform names, or None where we do not hold it."""
    if key is None:
        return None
    if kind == ENTERPRISE:
        wanted = party_key(scope.vault, kind, key)
        query = select(credit_party.c.key).where(credit_party.c.key == wanted)
    else:
        query = select(record.c.key).where(record.c.kind == RecordKind.PERSON, record.c.key == key[:26]).limit(1)
    found: str | None = scope.connection.execute(query).scalar()
    return found


def _link_again(scope: Scope, kind: str, keys: Collection[str]) -> None:
    """Let the records of these subjects be linked anew, and those waiting between them be matched anew."""
    around = {*keys, *survivors(scope.connection, keys).values()}
    linked = select(credit_link.c.platform, credit_link.c.record_id).where(
        credit_link.c.kind == kind, credit_link.c.key.in_(around), credit_link.c.sys_to.is_(None)
    )
    waiting = (
        select(credit_event.c.platform, credit_event.c.record_id)
        .join(search_index, search_index.c.digest == credit_event.c.number_digest)
        .where(
            credit_event.c.outcome == AckCode.IDENTITY_CONFLICT,
            search_index.c.kind == kind,
            search_index.c.key.in_(around),
        )
    )
    touched: dict[str, set[str]] = defaultdict(set)
    for row in scope.connection.execute(union(linked, waiting)):
        touched[row.platform].add(row.record_id)
    for platform, found in sorted(touched.items()):
        there = dataclasses.replace(scope, platform=platform)
        follow(there, apply_events(there, [], sorted(found)), [(platform, record_id) for record_id in found])


def _ticket(scope: Scope, event: EventRow, code: AckCode) -> str | None:
    """Merging and parting people is looked at by a person (PIPL art. 24: no decision by machine alone)."""
    if code is not AckCode.APPLIED or event.values["event_type"] == EventType.SUBJECT_RENAMED:
        return None
    place = event.values["record_id"], str(TicketKind.SUBJECT)
    known = answers.open_tickets(scope, [place[0]])
    return (known | answers.open_new(scope, {place: event.values["event_id"]}, known)).get(place)
