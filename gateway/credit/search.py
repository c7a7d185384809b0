"""Searches a platform for the credit records of a subject we hold, for a stated purpose (R17).

The answer is compared with the archive in the words of the daily books; what the archive lacks is fetched by the id of
its record, as a gap is, so that nothing enters by a second road.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from gateway.codec.redact import clean
from gateway.contract.credit import SearchesSubjects, SearchPage, SearchTerms
from gateway.contract.messages import Finding, SubjectType, Verdict
from gateway.credit.fetch import MOST, fetch_versions, react_to
from gateway.credit.rules.books import BookDifference, BookLine, classify
from gateway.credit.store import books, parties
from gateway.credit.store.events import fit
from gateway.credit.store.subjects import ENTERPRISE
from gateway.credit.views import Who
from gateway.delivery.exchanger import Exchanger
from gateway.domain.errors import ContractError, InputError
from gateway.domain.records import RecordKind, Worker
from gateway.locale import tr
from gateway.store import records
from gateway.store.audit import note
from gateway.store.scope import Scope

UNREADABLE = "UNREADABLE"
"""class of a record whose events cannot be applied as they stand; the others are those of the daily books"""
_LACKING = frozenset({BookDifference.MISSING_LOCAL, BookDifference.BEHIND, BookDifference.CONTENT_DIFF})


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """Who asks, and why. The reason is written down before anything is asked."""

    reason: str
    by: str


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """One record the platform gave: its version there and in the archive, and how the two related when asked.

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
    records: list[SearchResult] = field(default_factory=list)
    stopped: str | None = None


async def search_subject(exchanger: Exchanger, who: Who, purpose: Purpose) -> SearchReport:
    """Ask, compare, fetch what is lacking, and write down purpose and result.

    Raises InputError without a purpose, and for a subject that cannot be asked for; ContractError for a platform that
    cannot be searched.
    """
    connector = exchanger.connector
    if not isinstance(connector, SearchesSubjects):
        raise ContractError(f"{exchanger.platform} cannot be asked for the records of a subject")
    if not purpose.reason.strip():
        raise InputError(tr("the purpose of the question must be stated"))
    terms = await exchanger.transact(_begin, who, purpose)
    report = SearchReport(platform=exchanger.platform)
    findings, trouble = await _search(exchanger, connector, terms)
    report.records = await exchanger.query(_compared, findings)
    if trouble is None:
        lacking = [found.record_id for found in report.records if found.difference in _LACKING]
        fetched = await fetch_versions(exchanger, lacking[:MOST])
        trouble = fetched.trouble
        after = {found.record_id: found for found in await exchanger.query(_compared, findings)}
        report.records = [
            replace(found, fetched=found.difference in _LACKING and after[found.record_id].difference not in _LACKING)
            for found in report.records
        ]
    report.stopped = None if trouble is None else clean(f"{trouble.code}: {trouble.reason}")
    await exchanger.transact(_end, who, purpose, report)
    return report


def _begin(scope: Scope, who: Who, purpose: Purpose) -> SearchTerms:
    terms = _terms(scope, who)
    note(
        scope.connection,
        at=scope.at,
        actor=purpose.by,
        action="credit_ask",
        subject=who.key,
        reason=purpose.reason.strip(),
        detail={"platform": scope.platform},
    )
    return terms


def _end(scope: Scope, who: Who, purpose: Purpose, report: SearchReport) -> None:
    classes = Counter(found.difference for found in report.records)
    detail = {"platform": report.platform, **dict(sorted(classes.items())), "complete": report.stopped is None}
    note(scope.connection, at=scope.at, actor=purpose.by, action="credit_answer", subject=who.key, detail=detail)


def _terms(scope: Scope, who: Who) -> SearchTerms:
    """What names the subject to a platform, from what we hold of it."""
    if who.kind == ENTERPRISE and parties.is_ours(scope.connection, who.key):
        party = parties.read(scope.connection, scope.vault, [who.key]).get(who.key)
        if party is not None:
            return SearchTerms(subject_type=SubjectType.ENTERPRISE, corp_code=party.code)
    for person in records.newest_records(scope.connection, scope.vault, RecordKind.PERSON, [who.key]):
        assert isinstance(person.content, Worker)
        document = {"id_type": person.content.id_type, "id_number": person.content.id_number}
        return SearchTerms(subject_type=SubjectType.PERSON, **document)
    raise InputError(tr("only persons and enterprises we hold can be asked for"))


async def _search(
    exchanger: Exchanger, connector: SearchesSubjects, terms: SearchTerms
) -> tuple[list[Finding], Verdict | None]:
    """Everything the platform gives, and what ended it early."""
    findings: list[Finding] = []
    page: str | None = None
    progress = exchanger.progress(page)
    while True:
        answer = await exchanger.ask("feedback_search", partial(connector.encode_search, terms, page))
        if answer.response is None or answer.verdict is not None:
            return findings, answer.verdict
        found = await exchanger.decoded(answer.response, connector.decode_search, answer.response, answer.stamp)
        if not isinstance(found, SearchPage):
            return findings, await react_to(exchanger, found)
        findings += found.findings
        if found.next_page is None:
            return findings, None
        stalled = progress.after(answer.response, found.next_page)
        if stalled is not None:
            return findings, stalled
        page = found.next_page


def _compared(scope: Scope, findings: Sequence[Finding]) -> list[SearchResult]:
    newest = {fit(theirs.record_id, 64): theirs for theirs in sorted(findings, key=lambda finding: finding.version)}
    held = books.held_at(scope.connection, scope.platform, list(newest), None)
    found = []
    for record_id, theirs in sorted(newest.items()):
        row = BookLine(record_id=record_id, version=theirs.version, digest=fit(theirs.digest, 80), active=True)
        ours = held.get(record_id)
        difference = UNREADABLE if theirs.flaw is not None else str(classify(row, ours))
        newest_ours = ours.newest if ours else None
        found.append(SearchResult(record_id=record_id, theirs=theirs.version, ours=newest_ours, difference=difference))
    return found
