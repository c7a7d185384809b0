"""Matches events to the subjects we hold: compared with the search index by digest, many at once.

What a person ruled about a record goes before every comparison. Subjects that were merged count as one (F21).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, select

from gateway.contract.messages import SubjectType
from gateway.credit.rules.matching import Match, judge
from gateway.credit.store.case_tables import credit_merge, credit_ruling
from gateway.credit.store.events import EventRow
from gateway.domain.records import RecordKind
from gateway.store.metadata import chunks
from gateway.store.tables import record, search_index

ENTERPRISE = "enterprise"
AUTHORITY = "authority"

Keys = dict[str, set[str]]


@dataclass(kw_only=True)
class _Known:
    """What the store knows of the digests at hand: ``holders`` and ``names`` by key, ``rulings`` by record."""

    by_digest: dict[str, set[tuple[str, str]]]
    holders: Keys
    names: Keys
    survivors: Mapping[str, str]
    rulings: Mapping[str, str | None] = field(default_factory=dict)


def match(connection: Connection, events: Sequence[EventRow]) -> list[EventRow]:
    """The events with their match, the local subject and the certificate they name."""
    numbers = {e.values["number_digest"] for e in events} - {None}
    papers = {e.values["certificate_digest"] for e in events} - {None}
    by_digest = _indexed(connection, numbers | papers)
    holders = _holders(connection, {key for digest in papers for kind, key in by_digest[digest] if _paper(kind)})
    names = _names(connection, {key for keys in by_digest.values() for kind, key in keys if kind == RecordKind.PERSON})
    for persons in holders.values():
        missing = persons - set(names)
        names |= _names(connection, missing)
    known = _Known(
        by_digest=by_digest,
        holders=holders,
        names=names,
        survivors=survivors(connection, {key for keys in by_digest.values() for _, key in keys}),
        rulings=rulings(connection, events),
    )
    return [_matched(event, known) for event in events]


def survivors(connection: Connection, keys: Iterable[str]) -> dict[str, str]:
    """The subject that stands for each of these now; those that were not merged are left out."""
    first: dict[str, str] = {}
    asked = set(keys)
    while asked:
        found: dict[str, str] = {}
        for part in chunks(asked):
            rows = connection.execute(
                select(credit_merge.c.from_key, credit_merge.c.to_key).where(
                    credit_merge.c.from_key.in_(part), credit_merge.c.sys_to.is_(None)
                )
            )
            found |= {row.from_key: row.to_key for row in rows}
        first |= found
        asked = set(found.values()) - set(first)
    return {key: _last(first, key) for key in first}


def _last(steps: Mapping[str, str], key: str) -> str:
    passed = {key}
    while key in steps and steps[key] not in passed:
        key = steps[key]
        passed.add(key)
    return key


def _matched(event: EventRow, known: _Known) -> EventRow:
    values = event.values
    named_in = known.by_digest[values["certificate_digest"]] if values["certificate_digest"] else set()
    papers = {key for kind, key in named_in if _paper(kind)}
    if values["record_id"] in known.rulings:
        ruled = known.rulings[values["record_id"]]
        held = sorted(paper for paper in papers if ruled in known.holders.get(paper, set()))
        return _with(event, Match.NONE if ruled is None else Match.CONFIRMED, ruled, held[0] if held else None)
    found = known.by_digest[values["number_digest"]] if values["number_digest"] else set()
    if values["subject_type"] == SubjectType.ENTERPRISE:
        keys = _one(sorted(key for kind, key in found if kind == ENTERPRISE), known.survivors)
        exact = len(keys) == 1
        return _with(event, Match.EXACT if exact else Match.NONE, keys[0] if exact else None, None)
    by_number = _one(sorted(key for kind, key in found if kind == RecordKind.PERSON), known.survivors)
    by_certificate = set().union(*(known.holders.get(paper, set()) for paper in papers))
    called = _called(known)
    candidates = set(by_number) | by_certificate
    judged = judge(
        by_number=by_number,
        by_certificate=sorted(by_certificate),
        named={key for key in candidates if values["name_digest"] in called.get(key, ())},
        variant={key for key in candidates if values["variant_digest"] in called.get(key, ())},
    )
    theirs = sorted(paper for paper in papers if judged.key in known.holders.get(paper, set()))
    return _with(event, judged.match, judged.key, theirs[0] if theirs else None)


def _one(keys: list[str], merged: Mapping[str, str]) -> list[str]:
    """Several subjects under one number are one where they were merged; a single one stays itself."""
    return keys if len(keys) < 2 else sorted({merged.get(key, key) for key in keys})


def _called(known: _Known) -> Keys:
    """Names by key; who stands for others answers to their names too."""
    if not known.survivors:
        return known.names
    called: Keys = defaultdict(set)
    for key, names in known.names.items():
        called[key] |= names
        called[known.survivors.get(key, key)] |= names
    return called


def _with(event: EventRow, judged: Match, subject: str | None, certificate: str | None) -> EventRow:
    return replace(
        event, values={**event.values, "match": judged, "subject_key": subject, "certificate_key": certificate}
    )


def rulings(connection: Connection, events: Sequence[EventRow]) -> dict[str, str | None]:
    """Whom a person found the records of these events to be about, by record."""
    found: dict[str, str | None] = {}
    platforms = {event.values["platform"] for event in events}
    for part in chunks({event.values["record_id"] for event in events}):
        rows = connection.execute(
            select(credit_ruling.c.record_id, credit_ruling.c.key).where(
                credit_ruling.c.platform.in_(platforms),
                credit_ruling.c.record_id.in_(part),
                credit_ruling.c.sys_to.is_(None),
            )
        )
        found |= {row.record_id: row.key for row in rows}
    return found


def _indexed(connection: Connection, digests: Iterable[str]) -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for part in chunks(digests):
        rows = connection.execute(
            select(search_index.c.digest, search_index.c.kind, search_index.c.key).where(
                search_index.c.digest.in_(part)
            )
        )
        for row in rows:
            found[row.digest].add((row.kind, row.key))
    return found


def _holders(connection: Connection, certificates: Iterable[str]) -> Keys:
    found: Keys = defaultdict(set)
    for part in chunks(certificates):
        rows = connection.execute(
            select(record.c.key, record.c.person_key)
            .where(record.c.kind == RecordKind.CERTIFICATE, record.c.key.in_(part))
            .distinct()
        )
        for row in rows:
            found[row.key].add(row.person_key)
    return found


def _names(connection: Connection, persons: Iterable[str]) -> Keys:
    found: Keys = defaultdict(set)
    for part in chunks(persons):
        rows = connection.execute(
            select(search_index.c.key, search_index.c.digest).where(
                search_index.c.key.in_(part), search_index.c.what == "name", search_index.c.kind == RecordKind.PERSON
            )
        )
        for row in rows:
            found[row.key].add(row.digest)
    return found


def _paper(kind: str) -> bool:
    return kind == RecordKind.CERTIFICATE
