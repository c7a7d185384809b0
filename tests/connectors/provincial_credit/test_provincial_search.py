"""The records of one subject: what names it travels in the body only, and everything it has is told, page by page."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.contract.credit import SearchesSubjects, SearchPage, SearchTerms
from gateway.contract.messages import Finding, SubjectType, WireResponse
from gateway.domain.states import Event


@pytest.fixture
def feed(bench: Any) -> list[Finding]:
    """Every case told, as the feed tells it."""
    bench.hold(4)
    return list(bench.ask("feedback", None).findings)


def person(feed: list[Finding], record_id: str) -> SearchTerms:
    told = next(f.subject for f in feed if f.record_id == record_id and f.subject is not None)
    return SearchTerms(subject_type=SubjectType.PERSON, id_type=told.id_type, id_number=told.id_number)


def search(bench: Any, terms: SearchTerms) -> list[Finding]:
    """All pages, each with its own stamp."""
    found: list[Finding] = []
    page = None
    while True:
        stamp = bench.stamp()
        answer = bench.connector.decode_search(bench.send(bench.connector.encode_search(terms, page, stamp)), stamp)
        assert isinstance(answer, SearchPage), answer
        found += answer.findings
        page = answer.next_page
        if page is None:
            return found


def newest(feed: list[Finding], *keep: Any) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    for one in sorted(feed, key=lambda f: f.version):
        if all(test(one) for test in keep):
            found[one.record_id] = one
    return found


def test_a_person_is_asked_for_by_a_number_that_nobody_on_the_way_can_read(bench: Any, feed: list[Finding]) -> None:
    (record_id,) = bench.sandbox.books.get("cases", "F40")
    terms = person(feed, record_id)
    found = {f.record_id: f for f in search(bench, terms)}
    assert found[record_id] == newest(feed)[record_id]
    request = bench.seen[-1][0]
    assert terms.id_number is not None
    assert terms.id_number.encode() not in request.body
    assert request.path == "/credit-records/queries"
    assert terms.id_number not in repr(terms)


@pytest.mark.parametrize(("case", "event_type"), [("F09", "REPAIRED"), ("F07", "REVOKED")])
def test_what_has_ended_is_told_as_well(bench: Any, feed: list[Finding], case: str, event_type: str) -> None:
    record_id = bench.sandbox.books.get("cases", case)[0]
    found = {f.record_id: f.event_type for f in search(bench, person(feed, record_id))}
    assert found[record_id] == event_type


def test_an_enterprise_is_asked_for_by_its_code(bench: Any, feed: list[Finding]) -> None:
    told = newest(feed, lambda f: f.subject is not None and f.subject.corp_code)
    subject = next(iter(told.values())).subject
    assert subject is not None
    theirs = {r for r, f in told.items() if f.subject is not None and f.subject.corp_code == subject.corp_code}
    terms = SearchTerms(subject_type=SubjectType.ENTERPRISE, corp_code=subject.corp_code)
    found = {f.record_id for f in search(bench, terms)}
    assert found
    assert found <= theirs


def test_a_long_answer_comes_in_pages(make_bench: Any) -> None:
    bench = make_bench(page_size="2")
    bench.hold(2)
    feed = list(bench.ask("feedback", None).findings)
    (record_id,) = bench.sandbox.books.get("cases", "F40")
    found = search(bench, person(feed, record_id))
    assert len(found) > 2
    assert len({f.record_id for f in found}) == len(found)


def test_a_subject_without_records_has_none(bench: Any, feed: list[Finding]) -> None:
    nobody = SearchTerms(subject_type=SubjectType.PERSON, id_type="111", id_number="370000199001010011")
    assert search(bench, nobody) == []


def test_a_refusal_is_a_verdict_and_an_event_that_breaks_the_document_a_flaw(
    bench: Any, answer: Any, refusal: Any
) -> None:
    stamp = bench.stamp()
    busy = bench.connector.decode_search(answer(stamp, 429, refusal("RATE_LIMITED", 429)), stamp)
    assert busy.event is Event.RETRY
    page = bench.connector.decode_search(answer(stamp, 200, {"rows": [{"eventId": "EV1"}]}), stamp)
    assert [f.flaw for f in page.findings] == ["SCHEMA_INVALID"]


@pytest.mark.parametrize("name", ["search", "awaited", "code_table"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"<html>", b"\xff", b"null"])
def test_what_cannot_be_read_is_a_verdict(bench: Any, name: str, body: bytes) -> None:
    stamp = bench.stamp()
    more = ("usage_scope",) if name == "code_table" else ()
    for status in (200, 202, 404, 500):
        response = WireResponse(status=status, headers={"content-type": "application/json"}, body=body)
        assert getattr(bench.connector, f"decode_{name}")(response, *more, stamp).event is Event.RETRY


def test_the_question_asks_for_one_thing_only(bench: Any) -> None:
    assert isinstance(bench.connector, SearchesSubjects)
    terms = SearchTerms(subject_type=SubjectType.PERSON, certificate_number="鲁A0001")
    asked = json.loads(bench.connector.encode_search(terms, "next", bench.stamp()).body)
    assert asked == {
        "subjectType": "PERSON",
        "certificationCode": "鲁A0001",
        "includeEnded": True,
        "pageToken": "next",
        "pageSize": 200,
    }
