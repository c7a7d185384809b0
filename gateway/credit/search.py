"""Asking a platform which records it has of one subject: for a stated purpose, and of subjects we hold only (R17).

The answer is compared with the archive in the words of the daily books; what the archive lacks is fetched by the id of
its record, as a gap is, so that nothing enters by a second road.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from gateway.codec.redact import clean
from gateway.contract.credit import SearchesSubjects, SearchPage, SearchTerms
from gateway.contract.messages import Finding, SubjectType, Verdict
from gateway.credit.fetch import MOST, Desk, fetch_versions, heed
from gateway.credit.rules.books import Difference, Row, classify
from gateway.credit.store import books, parties
from gateway.credit.store.events import fit
from gateway.credit.store.subjects import ENTERPRISE
from gateway.credit.views import Who
from gateway.delivery.exchanger import Exchanger
from gateway.domain.errors import ContractError, InputError
from gateway.domain.records import RecordKind, Worker
from gateway.store import records
from gateway.store.audit import note
from gateway.store.engine import Connection, Store

UNREADABLE = "UNREADABLE"
"""class of a record whose events cannot be applied as they stand; the others are those of the daily books"""
_LACKING = frozenset({Difference.MISSING_LOCAL, Difference.BEHIND, Difference.CONTENT_DIFF})


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """Who asks, why, and when. The reason is written down before anything is asked."""

    reason: str
    by: str
    now: Callable[[], datetime]


@dataclass(frozen=True, kw_only=True)
class Found:
    """One record the platform told of: its version there and in the archive, and how the two related when asked.

    fetched: what the archive lacked was asked for by the record's id and is there now
    """

    record_id: str
    theirs: int
    ours: int | None
    difference: str
    fetched: bool = False


@dataclass(kw_only=True)
class SearchReport:
    """What asking came to; ``stopped`` says why it ended before the answer did."""

    platform: str
    records: list[Found] = field(default_factory=list)
    stopped: str | None = None


async def ask_about(exchanger: Exchanger, store: Store, who: Who, purpose: Purpose) -> SearchReport:
    """Ask, compare, fetch what is lacking, and write down purpose and result.

    Raises InputError without a purpose, and for a subject that cannot be asked for; ContractError for a platform that
    cannot be searched.
    """
    connector = exchanger.connector
    if not isinstance(connector, SearchesSubjects):
        raise ContractError(f"{exchanger.platform} cannot be asked for the records of a subject")
    if not purpose.reason.strip():
        raise InputError("the purpose of the question must be stated")
    terms = await exchanger.in_store(_begin, store, who, purpose, exchanger.platform)
    report = SearchReport(platform=exchanger.platform)
    told, trouble = await _told(exchanger, connector, terms)
    report.records = await exchanger.in_store(_compared, store, exchanger.platform, told)
    if trouble is None:
        lacking = [one.record_id for one in report.records if one.difference in _LACKING]
        desk = Desk(store=store, platform=exchanger.platform, now=purpose.now)
        fetched = await fetch_versions(exchanger, desk, lacking[:MOST])
        trouble = fetched.trouble
        after = {one.record_id: one for one in await exchanger.in_store(_compared, store, exchanger.platform, told)}
        report.records = [
            replace(one, fetched=one.difference in _LACKING and after[one.record_id].difference not in _LACKING)
            for one in report.records
        ]
    report.stopped = None if trouble is None else clean(f"{trouble.code}: {trouble.reason}")
    await exchanger.in_store(_end, store, who, purpose, report)
    return report


def _begin(store: Store, who: Who, purpose: Purpose, platform: str) -> SearchTerms:
    with store.write() as connection:
        terms = _terms(connection, store, who)
        note(
            connection,
            at=purpose.now(),
            actor=purpose.by,
            action="credit_ask",
            subject=who.key,
            reason=purpose.reason.strip(),
            detail={"platform": platform},
        )
    return terms


def _end(store: Store, who: Who, purpose: Purpose, report: SearchReport) -> None:
    classes = Counter(one.difference for one in report.records)
    detail = {"platform": report.platform, **dict(sorted(classes.items())), "complete": report.stopped is None}
    with store.write() as connection:
        note(
            connection,
            at=purpose.now(),
            actor=purpose.by,
            action="credit_answer",
            subject=who.key,
            detail=detail,
        )


def _terms(connection: Connection, store: Store, who: Who) -> SearchTerms:
    """What names the subject to a platform, from what we hold of it."""
    if who.kind == ENTERPRISE and parties.is_ours(connection, who.key):
        party = parties.read(connection, store.vault, [who.key]).get(who.key)
        if party is not None:
            return SearchTerms(subject_type=SubjectType.ENTERPRISE, corp_code=party.code)
    for one in records.newest_records(connection, store.vault, RecordKind.PERSON, [who.key]):
        assert isinstance(one.content, Worker)
        document = {"id_type": one.content.id_type, "id_number": one.content.id_number}
        return SearchTerms(subject_type=SubjectType.PERSON, **document)
    raise InputError("only persons and enterprises we hold can be asked for")


async def _told(
    exchanger: Exchanger, connector: SearchesSubjects, terms: SearchTerms
) -> tuple[list[Finding], Verdict | None]:
    """Everything the platform tells, and what ended it early."""
    told: list[Finding] = []
    page: str | None = None
    progress = exchanger.progress(page)
    while True:
        answer = await exchanger.ask("feedback_search", partial(connector.encode_search, terms, page))
        if answer.response is None or answer.verdict is not None:
            return told, answer.verdict
        found = await exchanger.decoded(answer.response, connector.decode_search, answer.response, answer.stamp)
        if not isinstance(found, SearchPage):
            return told, await heed(exchanger, found)
        told += found.findings
        if found.next_page is None:
            return told, None
        stalled = progress.after(answer.response, found.next_page)
        if stalled is not None:
            return told, stalled
        page = found.next_page


def _compared(store: Store, platform: str, told: Sequence[Finding]) -> list[Found]:
    newest = {fit(one.record_id, 64): one for one in sorted(told, key=lambda one: one.version)}
    with store.read() as connection:
        held = books.held_at(connection, platform, list(newest), None)
    found = []
    for record_id, one in sorted(newest.items()):
        row = Row(record_id=record_id, version=one.version, digest=fit(one.digest, 80), active=True)
        ours = held.get(record_id)
        difference = UNREADABLE if one.flaw is not None else str(classify(row, ours))
        found.append(
            Found(record_id=record_id, theirs=one.version, ours=ours.newest if ours else None, difference=difference)
        )
    return found
