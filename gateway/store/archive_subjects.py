"""Whose records they are: events compared with the search index by digest, many at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection, select

from gateway.contract.messages import SubjectType
from gateway.domain.matching_subject import Match, judge
from gateway.domain.records import RecordKind
from gateway.store.archive_rows import Event
from gateway.store.chunks import chunks
from gateway.store.tables import record, search_index

ENTERPRISE = "enterprise"


def match(connection: Connection, events: Sequence[Event]) -> list[Event]:
    """The events with their match, the local subject and the certificate they name."""
    numbers = {e.values["number_digest"] for e in events} - {None}
    papers = {e.values["certificate_digest"] for e in events} - {None}
    by_digest = _indexed(connection, numbers | papers)
    holders = _holders(connection, {key for digest in papers for kind, key in by_digest[digest] if _paper(kind)})
    names = _names(connection, {key for keys in by_digest.values() for kind, key in keys if kind == RecordKind.PERSON})
    for persons in holders.values():
        missing = persons - set(names)
        names |= _names(connection, missing)
    return [_matched(event, by_digest, holders, names) for event in events]


def _matched(
    event: Event,
    by_digest: dict[str, set[tuple[str, str]]],
    holders: dict[str, set[str]],
    names: dict[str, set[str]],
) -> Event:
    values = event.values
    found = by_digest[values["number_digest"]] if values["number_digest"] else set()
    if values["subject_type"] == SubjectType.ENTERPRISE:
        keys = sorted(key for kind, key in found if kind == ENTERPRISE)
        exact = len(keys) == 1
        return _with(event, Match.EXACT if exact else Match.NONE, keys[0] if exact else None, None)
    named_in = by_digest[values["certificate_digest"]] if values["certificate_digest"] else set()
    papers = {key for kind, key in named_in if _paper(kind)}
    by_number = {key for kind, key in found if kind == RecordKind.PERSON}
    by_certificate = set().union(*(holders.get(paper, set()) for paper in papers))
    candidates = by_number | by_certificate
    judged = judge(
        by_number=sorted(by_number),
        by_certificate=sorted(by_certificate),
        named={key for key in candidates if values["name_digest"] in names.get(key, ())},
        variant={key for key in candidates if values["variant_digest"] in names.get(key, ())},
    )
    theirs = sorted(paper for paper in papers if judged.key in holders.get(paper, set()))
    return _with(event, judged.match, judged.key, theirs[0] if theirs else None)


def _with(event: Event, judged: Match, subject: str | None, certificate: str | None) -> Event:
    return replace(
        event, values={**event.values, "match": judged, "subject_key": subject, "certificate_key": certificate}
    )


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


def _holders(connection: Connection, certificates: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for part in chunks(certificates):
        rows = connection.execute(
            select(record.c.key, record.c.person_key)
            .where(record.c.kind == RecordKind.CERTIFICATE, record.c.key.in_(part))
            .distinct()
        )
        for row in rows:
            found[row.key].add(row.person_key)
    return found


def _names(connection: Connection, persons: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
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
