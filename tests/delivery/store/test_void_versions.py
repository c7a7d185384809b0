"""Certificates that became void: what has not left never goes out as valid, whoever decided it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from gateway.contract.connector import ConnectorInfo, KindInfo
from gateway.delivery.store import void_versions
from gateway.domain.records import Record, RecordKind
from gateway.domain.states import Event, State
from gateway.domain.status import Decision, StatusStep, decided

Book = Any
"""``tests.support.book.Book``"""
A = Event.ACCEPTED


def step(held: Record, what: StatusStep) -> tuple[Record, Record]:
    decision = Decision.of_step(what, reason="decided", since=date(2019, 5, 5), why=str(what))
    return decided(held, decision, version=held.version + 1, at=held.effective_from)


def taking(info: ConnectorInfo, *, changes: bool) -> ConnectorInfo:
    change = KindInfo(batch_max=1, replay_safe=True)
    return replace(info, kinds={**info.kinds, RecordKind.STATUS_CHANGE: change}) if changes else info


@pytest.fixture(params=[True, False], ids=["takes changes", "takes certificates only"])
def papers(book: Book, request: pytest.FixtureRequest) -> list[Record]:
    """Two certificates of two persons that are there; the second is a bystander."""
    book.info = taking(book.info, changes=request.param)
    persons = book.persons(2)
    for person in persons:
        book.add(person)
        book.bring(person, A)
    found: list[Record] = [book.certificate(person) for person in persons]
    return found


def left(book: Book, paper: Record) -> list[tuple[int, str]]:
    return [(row["version"], row["state"]) for row in book.rows() if row["record_key"] == paper.key]


@pytest.mark.parametrize("what", [StatusStep.REVOKE, StatusStep.RESCIND, StatusStep.CANCEL])
def test_a_void_certificate_that_never_left_is_told_to_nobody(
    book: Book, papers: list[Record], what: StatusStep
) -> None:
    paper, other = papers
    book.add(paper, other)
    book.add(*step(paper, what))
    assert {state for _, state in left(book, paper)} == {State.SUPERSEDED}
    assert left(book, other) == [(1, State.QUEUED)]
    assert [item.record.key for item in book.claim()] == [other.key]


def test_both_versions_in_one_commit_end_the_same(book: Book, papers: list[Record]) -> None:
    paper, _ = papers
    book.add(paper, *step(paper, StatusStep.RESCIND))
    assert {state for _, state in left(book, paper)} == {State.SUPERSEDED}
    assert book.claim() == []


@pytest.mark.parametrize("what", [StatusStep.SUSPEND, StatusStep.LAPSE, StatusStep.OTHER])
def test_what_is_no_end_cancels_nothing_that_is_told_in_order(
    book: Book, papers: list[Record], what: StatusStep
) -> None:
    paper, _ = papers
    book.add(paper)
    book.add(*step(paper, what))
    assert State.QUEUED in {state for _, state in left(book, paper)}
    assert book.claim() != []


def test_a_suspension_on_the_way_to_the_end_does_not_go_either(book: Book, papers: list[Record]) -> None:
    paper, _ = papers
    suspended, first = step(paper, StatusStep.SUSPEND)
    book.add(paper)
    book.add(suspended, first)
    book.add(*step(suspended, StatusStep.REVOKE))
    assert {state for _, state in left(book, paper)} == {State.SUPERSEDED}
    assert book.claim() == []


def test_who_has_the_certificate_is_told_of_its_end_and_nothing_else(book: Book, papers: list[Record]) -> None:
    paper, other = papers
    book.add(paper, other)
    book.bring(paper, A)
    book.add(*step(paper, StatusStep.RESCIND))
    told = [item for item in book.claim() if item.record.key == paper.key]
    assert [item.record.version for item in told] == [2]
    assert left(book, other) == [(1, State.SENDING)]


def test_while_the_certificate_is_on_its_way_its_end_waits_and_is_dropped_after_a_refusal(
    book: Book, papers: list[Record]
) -> None:
    paper, _ = papers
    book.add(paper)
    [item] = book.claim()
    book.add(*step(paper, StatusStep.RESCIND))
    assert book.claim() == []
    book.settle([item], Event.REJECTED)
    book.owe()
    assert [state for _, state in left(book, paper)] == [State.REJECTED, State.SUPERSEDED]


def test_a_platform_that_is_asked_about_nothing_else_keeps_what_it_is_owed(book: Book, papers: list[Record]) -> None:
    paper, other = papers
    book.add(paper, other)
    with book.store.write() as connection:
        assert void_versions.cancel_overtaken(connection, [paper.key, other.key], book.now) == 0
    assert (left(book, paper), left(book, other)) == ([(1, State.QUEUED)], [(1, State.QUEUED)])


def test_a_void_certificate_is_cancelled_on_every_platform_at_once(book: Book, papers: list[Record]) -> None:
    paper, other = papers
    elsewhere = replace(book.info, platform="elsewhere")
    book.add(paper, other)
    book.owe(elsewhere)
    with book.store.write() as connection:
        from gateway.delivery.store import owing
        from gateway.store import records

        owing.lock_records(connection)
        records.add(connection, book.store.vault, step(paper, StatusStep.RESCIND), batch_id=None, now=book.now)
        assert void_versions.cancel_overtaken(connection, [paper.key], book.now) == 2
    states = {(row["platform"], row["record_key"]): row["state"] for row in book.rows() if row["kind"] != "person"}
    assert states == {
        (book.info.platform, paper.key): State.SUPERSEDED,
        ("elsewhere", paper.key): State.SUPERSEDED,
        (book.info.platform, other.key): State.QUEUED,
        ("elsewhere", other.key): State.QUEUED,
    }
