"""A change of status among the versions of its certificate: who gets which form of it, and in which order."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from gateway.contract.connector import ConnectorInfo, KindInfo
from gateway.delivery.store import reconciliations
from gateway.domain.records import Certificate, Record, RecordKind, StatusChange
from gateway.domain.states import Event, State
from gateway.testing.checker.invariants import broken

Book = Any
"""``tests.support.book.Book``"""
A = Event.ACCEPTED


def changed(paper: Record, status: str) -> tuple[Record, Record]:
    """Both forms of the next version of a certificate."""
    assert isinstance(paper.content, Certificate)
    after = replace(paper.content, status=status, status_reason="decided")
    change = StatusChange(
        certificate_key=paper.key,
        certificate=paper.content,
        new_status=status,
        operate_type="03",
        reason="decided",
        effective_date=date(2019, 5, 5),
        certificate_version=paper.version,
    )
    certificate = replace(paper, version=paper.version + 1, content=after)
    return certificate, replace(certificate, kind=RecordKind.STATUS_CHANGE, content=change)


def corrected(paper: Record) -> Record:
    assert isinstance(paper.content, Certificate)
    content = replace(paper.content, confirm_organization=f"body {paper.version}")
    return replace(paper, version=paper.version + 1, content=content)


def taking(info: ConnectorInfo) -> ConnectorInfo:
    return replace(info, kinds={**info.kinds, RecordKind.STATUS_CHANGE: KindInfo(batch_max=1, replay_safe=True)})


@pytest.fixture
def paper(book: Book) -> Record:
    """A certificate whose person is there already, on a platform that takes changes of status."""
    book.info = taking(book.info)
    [person] = book.persons()
    book.add(person)
    book.bring(person, A)
    first = book.certificate(person)
    assert isinstance(first, Record)
    return first


def owed(book: Book) -> list[tuple[str, int, str]]:
    return [(row["kind"], row["version"], row["state"]) for row in book.rows() if row["kind"] != "person"]


def test_who_takes_changes_gets_the_change_and_not_the_certificate_it_made(book: Book, paper: Record) -> None:
    book.add(paper)
    book.add(*changed(paper, "02"))
    assert owed(book) == [("certificate", 1, "queued"), ("status_change", 2, "queued")]
    with book.store.read() as c:
        assert [text for text in broken(c, book.info.platform, {"holdings": {}}, []) if text.startswith("I1:")] == []


def test_who_takes_none_gets_the_certificate_as_it_became(book: Book, paper: Record) -> None:
    kinds = {k: v for k, v in book.info.kinds.items() if k is not RecordKind.STATUS_CHANGE}
    book.info = replace(book.info, kinds=kinds)
    book.add(paper)
    book.bring(paper, A)
    book.add(*changed(paper, "02"))
    assert owed(book) == [("certificate", 1, "accepted"), ("certificate", 2, "queued")]


def test_a_change_waits_for_its_certificate_and_each_change_for_the_one_before(book: Book, paper: Record) -> None:
    book.add(paper)
    suspended, first = changed(paper, "02")
    lapsed, second = changed(suspended, "06")
    book.add(suspended, first)
    book.add(lapsed, second)
    for version in (1, 2, 3):
        [item] = book.claim()
        assert item.record.version == version
        book.settle([item], A)
    assert [state for _, _, state in owed(book)] == ["accepted"] * 3


def test_a_change_that_came_to_a_stop_gives_way_to_the_next(book: Book, paper: Record) -> None:
    book.add(paper)
    book.bring(paper, A)
    suspended, first = changed(paper, "02")
    book.add(suspended, first)
    book.bring(first, Event.UNKNOWN)
    book.add(*changed(suspended, "03"))
    assert owed(book)[1:] == [("status_change", 2, "superseded"), ("status_change", 3, "queued")]
    assert [item.record.version for item in book.claim()] == [3]


def test_a_correction_follows_a_change_where_the_certificate_is_there(book: Book, paper: Record) -> None:
    book.add(paper)
    book.bring(paper, A)
    suspended, change = changed(paper, "02")
    book.add(suspended, change)
    book.add(corrected(suspended))
    [item] = book.claim()
    assert (item.record.kind, item.record.version) == (RecordKind.STATUS_CHANGE, 2)
    book.settle([item], A)
    assert [item.record.version for item in book.claim()] == [3]


@pytest.mark.parametrize("event", [None, Event.UNKNOWN, Event.REJECTED])
def test_a_change_of_what_never_arrived_goes_into_the_correction(
    book: Book, paper: Record, event: Event | None
) -> None:
    book.add(paper)
    suspended, change = changed(paper, "02")
    book.add(suspended, change)
    if event is not None:
        book.bring(paper, event)
    book.add(corrected(suspended))
    states = {(kind, version): state for kind, version, state in owed(book)}
    assert (states["status_change", 2], states["certificate", 3]) == (State.SUPERSEDED, State.QUEUED)
    assert [item.record.version for item in book.claim()] == [3]


def test_both_sides_are_compared_by_the_newest_version_of_either_form(book: Book, paper: Record) -> None:
    book.add(paper)
    book.bring(paper, A)
    suspended, change = changed(paper, "02")
    book.add(suspended, change)
    with book.store.read() as c:
        page = reconciliations.page_of_ours(c, book.store.vault, book.info.platform, 0, 10)
    compared = [(one.record.kind, one.record.version) for one in page if one.record.kind is not RecordKind.PERSON]
    assert compared == [(RecordKind.STATUS_CHANGE, 2)]
