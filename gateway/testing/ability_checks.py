"""Checks of the suite for what only some connectors can do: feed, records, books, desk, codes, parts, hand-over.

``ConnectorConformance`` has them all; a check concerns a connector that has the ability, and passes for any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any, ClassVar
from urllib.parse import unquote
from xml.etree import ElementTree

from gateway.contract import handover
from gateway.contract.codes import PublishesCodes
from gateway.contract.connector import (
    Connector,
    GivesFeedback,
    HoldingsBy,
    ListsHoldings,
    ListsParts,
    NumbersMessages,
    PagesLookups,
    PublishesContract,
    SizesMessages,
    VerifiesUnowed,
)
from gateway.contract.credit import (
    AwaitedPage,
    BookFile,
    BookKind,
    FetchesRecords,
    Gone,
    ListsAwaited,
    Manifest,
    PublishesBooks,
    SearchesSubjects,
    SearchPage,
    SearchTerms,
    TakesDecisions,
)
from gateway.contract.desk import TakesObjections, TakesScans, TakesTickets
from gateway.contract.messages import (
    FeedbackPage,
    Finding,
    FindingAck,
    Holding,
    HoldingsPage,
    Payload,
    Stamp,
    SubjectType,
    Verdict,
    WireRequest,
)
from gateway.delivery.connector_guard import guarded
from gateway.domain.china import CHINA
from gateway.domain.records import RecordKind, Submission
from gateway.domain.states import Event
from gateway.testing import corpus
from gateway.testing.recordings import (
    CONTACT,
    OBJECTOR,
    Recording,
    a_conflict,
    a_decision,
    a_result,
    a_scan,
    an_objection,
    is_success,
    read,
    shown,
    told,
    wire,
)

ACTS = frozenset({"feedback_acks", "result", "decision", "scan", "objection", "ticket"})
"""calls by which something is handed in"""
NUMBERED = frozenset({"scan", "objection", "ticket"})
"""calls whose success names the platform's number, by which is asked later"""


class AbilityChecks:
    """One check for each rule of an ability."""

    untied: ClassVar[Mapping[str, str]] = {}
    """call whose answer repeats nothing of the question (``objection_state``) -> why"""
    page: ClassVar[str] = "2"
    """a page of a look-up, and a cursor, in the platform's form"""

    def admitted(self, connector: Connector, kind: RecordKind, count: int | None = None) -> tuple[Submission, ...]:
        """Records as the intake makes them: of the edges of its rules first, then of the shipped sample."""
        return corpus.submissions(connector.info.platform, kind, count)

    def taken(self, connector: Connector, kind: RecordKind, count: int = 6) -> list[Payload]:
        """Payloads of the first records of a kind that pass the check."""
        checked = (connector.check(s, connector.map(s)) for s in self.admitted(connector, kind, len(corpus.EDGES)))
        return [one for one in checked if isinstance(one, Payload)][:count]

    def requests_of_abilities(self, connector: Connector, sealed: Stamp) -> Iterator[tuple[str, WireRequest]]:
        """Every request beyond push, look-up, poll, holdings, health and login that the stamp alone can make."""
        yield from _credit_requests(connector, sealed)
        yield from _desk_requests(connector, sealed)
        for kind in connector.info.kinds:
            for payload in self.taken(connector, kind, 1):
                if isinstance(connector, PagesLookups):
                    yield f"lookup page {kind}", connector.encode_lookup_page(payload, self.page, sealed)
                part = connector.part_of(payload) if isinstance(connector, ListsParts) else None
                if part is not None and isinstance(connector, ListsHoldings):
                    yield f"part {kind}", connector.encode_holdings(part, None, sealed)

    # --- answers ---

    def test_an_answer_about_another_is_no_answer(
        self, connector: Connector, recordings: Mapping[str, Recording]
    ) -> None:
        """Another record, number, day, table, file or scan than the one the answer is about, under the same stamp."""
        for name, one in recordings.items():
            if one.call in self.untied or one.means in (Gone, Event.NOT_FOUND):  # no answer names what is not there
                continue
            for given in _others(connector, one):
                result = read(connector, replace(one, given=given), one.response)
                assert not is_success(result), f"{name}: an answer about another gives {told(result)}"

    def test_what_is_handed_in_is_acknowledged_by_its_own_answer(
        self, connector: Connector, recordings: Mapping[str, Recording]
    ) -> None:
        """The answer to another message about another thing acknowledges nothing."""
        for name, one in recordings.items():
            if one.call in ACTS - self.untied.keys():
                at = replace(one.stamp, message_id=one.stamp.message_id[:-4] + "ZZZZ", nonce=bytes(16))
                given = next(_others(connector, one), None) or _other_acts(one)
                result = read(connector, replace(one, given=given, stamp=at), one.response)
                assert not is_success(result), f"{name}: the answer to another message gives {told(result)}"

    def test_what_is_taken_is_named(self, connector: Connector, recordings: Mapping[str, Recording]) -> None:
        """A scan, objection or ticket by its number (``receipt``), a decision by its record (``platform_id``)."""
        for name, one in recordings.items():
            verdict = read(connector, one, one.response)
            if isinstance(verdict, Verdict) and verdict.event is Event.ACCEPTED:
                assert one.call not in NUMBERED or verdict.receipt, f"{name}: accepted without a number"
                assert one.call != "decision" or verdict.platform_id, f"{name}: accepted without the record's id"

    def test_findings_are_told_the_same_everywhere(
        self, connector: Connector, recordings: Mapping[str, Recording]
    ) -> None:
        """An event is known again by id and digest: in the feed, by its record's id, in its versions and a search."""
        found: dict[str, Finding] = {}
        for name, one in recordings.items():
            result = read(connector, one, one.response)
            for finding in _findings(result):
                assert finding.event_id, f"{name}: an event without an id"
                if finding.flaw is not None:
                    continue
                known = found.setdefault(finding.event_id, finding)
                assert known.digest == finding.digest, f"{name}: another digest than where it was told before"
                assert (known.record_id, known.version) == (finding.record_id, finding.version), name
                subject = finding.subject
                if subject is not None:
                    texts = [text for text in (subject.name, subject.id_number) if text and len(text) > 1]
                    assert not [1 for text in texts if text in repr(finding)], f"{name}: repr shows a person"
            if isinstance(result, FeedbackPage):
                assert result.next_cursor, f"{name}: without a cursor the feed begins again for ever"

    def test_a_cursor_is_passed_on(
        self, connector: Connector, recordings: Mapping[str, Recording], sealed: Stamp
    ) -> None:
        """The request for the next page is another than that for the first; otherwise one page is read for ever."""
        for one in recordings.values():
            page = read(connector, one, one.response)
            pair: list[WireRequest] = []
            if isinstance(page, FeedbackPage) and isinstance(connector, GivesFeedback):
                pair = [connector.encode_feedback(at, sealed) for at in (None, page.next_cursor)]
            elif isinstance(page, AwaitedPage) and isinstance(connector, ListsAwaited):
                pair = [connector.encode_awaited(at, sealed) for at in (None, page.next_cursor or self.page)]
            elif isinstance(page, SearchPage) and isinstance(connector, SearchesSubjects):
                pair = [connector.encode_search(_TERMS, at, sealed) for at in (None, page.next_page or self.page)]
            elif isinstance(page, HoldingsPage) and isinstance(connector, ListsHoldings) and _is_paged(connector):
                pair = [connector.encode_holdings(at, None, sealed) for at in (None, page.next_cursor or self.page)]
            for first, other in pairwise(map(wire, pair)):
                assert first != other, f"{one.call}: the cursor is not in the request"

    # --- books, codes, parts ---

    def test_a_book_is_the_file_its_manifest_tells_of(
        self, connector: Connector, recordings: Mapping[str, Recording]
    ) -> None:
        """As many rows of its kind as promised; no row of a file in which a byte is changed, cut off or added."""
        for name, one in recordings.items():
            result = read(connector, one, one.response)
            if one.call == "manifest" and isinstance(result, Manifest):
                day = one.given[0]
                assert day is None or result.day == day, f"{name}: a manifest of another day"
                assert result.cutoff.tzinfo is not None, name
                for file in result.files:
                    assert file.digest == file.digest.lower(), f"{name}: the digest is not in lower-case hex"
            if one.call != "book" or isinstance(result, Verdict):
                continue
            file = one.given[1]
            assert len(result) == file.rows, f"{name}: {len(result)} rows instead of {file.rows}"
            assert {row.kind for row in result} <= {file.kind}, f"{name}: rows of another kind"
            body = one.response.body
            spoilt = [body[:-1], body + b"\n", *(_flipped(body, at) for at in range(0, len(body), 1 + len(body) // 50))]
            for changed in spoilt:
                again = read(connector, one, replace(one.response, body=changed))
                assert isinstance(again, Verdict), f"{name}: rows of a changed file"

    def test_code_tables_are_those_that_are_sent(self, connector: Connector, sealed: Stamp) -> None:
        """Named once each, and each asked for by a request of its own."""
        if isinstance(connector, PublishesCodes):
            names = list(connector.code_tables())
            assert names == list(connector.code_tables()), "other tables at the second time"
            assert len(set(names)) == len(names), "a table is named twice"
            made = {wire(connector.encode_code_table(name, sealed)) for name in names}
            assert len(made) == len(names), "the table's name is not in the request"

    def test_a_part_shows_what_belongs_to_it(self, connector: Connector, recordings: Mapping[str, Recording]) -> None:
        """What was pushed stands in the part that ``part_of`` names, under the kind and key that are expected."""
        if not isinstance(connector, ListsParts) or not isinstance(connector, ListsHoldings):
            return
        assert list(connector.parts()) == list(connector.parts()), "other parts at the second time"
        for name, one in recordings.items():
            if one.call != "part":
                continue
            page = read(connector, one, one.response)
            assert isinstance(page, HoldingsPage), name
            held = {(holding.kind, holding.key) for holding in page.holdings}
            looked = [r.given[0] for r in recordings.values() if r.call == "lookup" and r.means is Event.ACCEPTED]
            for payload in looked:
                if connector.part_of(payload) == one.given[0]:
                    ours = connector.expected(payload)
                    assert (ours.kind, ours.key) in held, f"{name}: what was pushed is not in its part"

    def test_what_is_expected_has_a_key_of_its_own(self, connector: Connector) -> None:
        """Two records under one key would hide each other in a reconciliation."""
        if not isinstance(connector, ListsHoldings):
            return
        for kind in connector.info.kinds:
            keys = set()
            payloads = self.taken(connector, kind, 12)
            for payload in payloads:
                made = guarded(connector)
                assert isinstance(made, ListsHoldings)
                ours: Holding | None = made.expected(payload)
                assert ours is not None, f"{kind}: expected() fails"
                assert ours.key, f"{kind}: expected without a key"
                keys.add((ours.kind, ours.key))
            wanted = {payload.record_key for payload in payloads}
            assert len(keys) == len(wanted), f"{kind}: two records are expected under one key"

    def test_what_is_not_owed_can_be_asked_about(self, connector: Connector, sealed: Stamp) -> None:
        """Of every kind that ``verifies`` names; what it gives can be asked about and expected."""
        if not isinstance(connector, VerifiesUnowed) or not isinstance(connector, ListsHoldings):
            return
        for kind in connector.verifies():
            assert isinstance(kind, RecordKind)
            asked = [connector.verifiable(s) for s in self.admitted(connector, kind, 6)]
            for payload in filter(None, asked):
                assert connector.encode_holdings(None, payload, sealed).operation
                assert connector.expected(payload).key

    # --- sizes, numbers, contract files ---

    def test_sizes_and_numbers_are_possible(self, connector: Connector, sealed: Stamp) -> None:
        """At least one payload fits into a message; a message's number is its own, and any other text is none."""
        if isinstance(connector, SizesMessages):
            for kind in connector.info.kinds:
                for payload in self.taken(connector, kind, 3):
                    assert connector.most_together(payload) >= 1, f"{kind}: no message could hold it"
        if isinstance(connector, NumbersMessages):
            mine, other = sealed.message_id, sealed.message_id[:-4] + "ZZZZ"
            number = connector.message_number(mine)
            assert number == connector.message_number(mine), "another number at the second time"
            assert number != connector.message_number(other), "two messages have one number"
            for text in ("", "x", "0" * 400, number[:-1], "王"):
                made = connector.message_made(text)
                assert made is None or made.tzinfo is not None, "a moment without a time zone"
            assert connector.message_made("x") is None, "a moment of a text that is no number"

    def test_contract_files_can_be_read(self, connector: Connector) -> None:
        """The WSDL first, each of them a whole document."""
        if isinstance(connector, PublishesContract):
            files = connector.contract_files()
            assert files, "no contract file"
            roots = []
            for name, content in files.items():
                try:
                    roots.append(ElementTree.fromstring(content).tag)  # noqa: S314 - shipped with the connector
                except ElementTree.ParseError:
                    raise AssertionError(f"{name} is no whole XML document") from None
            assert roots[0].endswith("}definitions"), "the first is no WSDL"

    # --- persons ---

    def test_no_request_of_the_desk_shows_a_person(self, connector: Connector, sealed: Stamp) -> None:
        """Objector, subject and what is searched for travel in the body alone, never where requests are logged."""
        decision = a_decision(sealed)
        personal = (OBJECTOR, CONTACT, decision.subject.name, decision.subject.id_number or "", _SEARCHED)
        for name, request in self.requests_of_abilities(connector, sealed):
            seen = f"{request.operation} {unquote(request.path)} {unquote(repr(dict(request.headers)))}"
            assert not [1 for value in personal if value in seen], f"{name}: a person's data is shown"
        if isinstance(connector, VerifiesUnowed) and isinstance(connector, ListsHoldings):
            for kind in connector.verifies():
                for submission in self.admitted(connector, kind, 3):
                    payload = connector.verifiable(submission)
                    if payload is not None:
                        asked = connector.encode_holdings(None, payload, sealed)
                        assert not shown((repr(asked), asked.operation), submission.record), f"{kind}: holdings"

    # --- hand-over ---

    def test_what_is_handed_over_keeps_the_form(self, connector: Connector, sealed: Stamp) -> None:
        """A file has a name that every system takes, another for another message; the keys of its records go along."""
        if connector.endpoint.hand_over is None:
            return
        info = connector.info
        assert info.reply_statuses == handover.STATUSES, "info.reply_statuses must be handover.STATUSES"
        assert info.reply_media_types == {handover.MEDIA_TYPE}, "info.reply_media_types must be handover.MEDIA_TYPE"
        roads = (handover.FILES, handover.RECORDS, handover.RETURNED, handover.ROWS, handover.PLACE)
        other = replace(sealed, message_id=sealed.message_id[:-4] + "ZZZZ")
        for kind in info.kinds:
            payloads = self.taken(connector, kind, min(info.kinds[kind].batch_max, 3))
            request = connector.encode_push(payloads, sealed)
            assert request.path.startswith(roads), f"{kind}: not made by gateway.contract.handover"
            if request.path.startswith(handover.FILES):
                name = unquote(request.path.removeprefix(handover.FILES))
                assert handover.is_file_name(name), f"{kind}: a file name that not every system takes"
                again = connector.encode_push(payloads, other)
                assert again.path != request.path, f"{kind}: the file of another message has the same name"
                keys = request.headers.get(handover.RECORDS_HEADER, "").split()
                assert all(any(p.record_key in key for key in keys) for p in payloads), f"{kind}: a key is missing"

    def test_something_else_under_our_name_is_no_success(
        self, connector: Connector, recordings: Mapping[str, Recording]
    ) -> None:
        """Status 409 of a hand-over: something else is there under the same name or key."""
        if connector.endpoint.hand_over is not None:
            for name, one in recordings.items():
                result = read(connector, one, replace(one.response, status=409))
                events = {
                    v.event
                    for v in (result if isinstance(result, (list, tuple)) else [result])
                    if isinstance(v, Verdict)
                }
                assert Event.ACCEPTED not in events, f"{name}: accepted under 409"


_SEARCHED = "370000198606186576"
_TERMS = SearchTerms(subject_type=SubjectType.PERSON, id_type="111", id_number=_SEARCHED)


def _is_paged(connector: Connector) -> bool:
    return connector.info.holdings_by is HoldingsBy.PAGE


def _manifest(at: Stamp) -> Manifest:
    day = at.now.astimezone(CHINA).date() - timedelta(days=1)
    file = BookFile(name="BOOK_001", stream="ALL", kind=BookKind.PUSHED, rows=1, digest="ab" * 32)
    return Manifest(day=day, cutoff=at.now, files=(file,), cursor="C1", digest="cd" * 32)


def _credit_requests(connector: Connector, sealed: Stamp) -> Iterator[tuple[str, WireRequest]]:
    if isinstance(connector, GivesFeedback):
        ack = FindingAck(event_id="E1", record_id="R1", version=1, code="APPLIED", at=sealed.now)
        yield "feedback", connector.encode_feedback(None, sealed)
        yield "feedback_acks", connector.encode_feedback_acks([ack], sealed)
    if isinstance(connector, FetchesRecords):
        yield "record", connector.encode_record("R1", sealed)
        yield "versions", connector.encode_versions("R1", sealed)
    if isinstance(connector, ListsAwaited):
        yield "awaited", connector.encode_awaited(None, sealed)
    if isinstance(connector, SearchesSubjects):
        yield "search", connector.encode_search(_TERMS, None, sealed)
    if isinstance(connector, PublishesBooks):
        manifest = _manifest(sealed)
        yield "manifest", connector.encode_manifest(manifest.day, sealed)
        yield "snapshot", connector.encode_manifest(None, sealed)
        yield "book", connector.encode_book(manifest, manifest.files[0], sealed)
        yield "result", connector.encode_result(a_result(sealed, manifest.day), sealed)


def _desk_requests(connector: Connector, sealed: Stamp) -> Iterator[tuple[str, WireRequest]]:
    if isinstance(connector, TakesDecisions):
        yield "decision", connector.encode_decision(a_decision(sealed), sealed)
    if isinstance(connector, TakesScans):
        yield "scan", connector.encode_scan(a_scan(), sealed)
    if isinstance(connector, TakesObjections):
        yield "objection", connector.encode_objection(an_objection("R1"), sealed)
        yield "objection_state", connector.encode_objection_state("N1", sealed)
    if isinstance(connector, TakesTickets):
        yield "ticket", connector.encode_ticket(a_conflict("R1"), sealed)
        yield "ticket_state", connector.encode_ticket_state("N1", sealed)
    if isinstance(connector, PublishesCodes):
        for table in connector.code_tables()[:1]:
            yield "code_table", connector.encode_code_table(table, sealed)


def _findings(result: Any) -> tuple[Finding, ...]:
    if isinstance(result, Finding):
        return (result,)
    if isinstance(result, (FeedbackPage, SearchPage)):
        return result.findings
    return tuple(one for one in result if isinstance(one, Finding)) if isinstance(result, tuple) else ()


def _others(connector: Connector, one: Recording) -> Iterator[tuple[Any, ...]]:
    """What ``decode`` would get had something else been asked; nothing where the question names nothing."""
    if not one.given:
        return
    first = one.given[0]
    if one.call in ("record", "versions", "objection_state", "ticket_state"):
        yield (f"{first}0",)
        yield (f"{first[:-1]}{'3' if first.endswith('2') else '2'}",)
    elif one.call == "manifest" and first is not None:
        yield (first + timedelta(days=1),)
    elif one.call == "result":
        yield (replace(first, day=first.day + timedelta(days=1)),)
    elif one.call == "scan":
        yield (a_scan("another"),)
    elif one.call == "decision":
        yield (replace(first, version=first.version + 1),)
    elif one.call == "feedback_acks":
        yield ([*first, replace(first[0], event_id=f"{first[0].event_id}0")],)
    elif one.call == "book":
        yield (first, replace(one.given[1], digest="ab" * 32))
    elif one.call == "code_table" and isinstance(connector, PublishesCodes):
        yield from ((name,) for name in connector.code_tables() if name != first)


def _other_acts(one: Recording) -> tuple[Any, ...]:
    (first,) = one.given
    return (replace(first, record_id=f"{first.record_id}0"),)


def _flipped(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
