"""A withdrawal among the versions of its certificate: nothing overtakes it, and it waits for what is on its way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.contract.connector import ConnectorInfo, KindInfo
from gateway.delivery.store import reconciliations
from gateway.domain.records import Certificate, Record, RecordKind, Withdrawal
from gateway.domain.states import Event, State

Book = Any
"""``tests.support.book.Book``"""
A, R, P = Event.ACCEPTED, Event.REJECTED, Event.UNKNOWN


def withdrawal(paper: Record) -> Record:
    assert isinstance(paper.content, Certificate)
    content = Withdrawal(
        withdrawn_kind=RecordKind.CERTIFICATE, withdrawn_key=paper.key, content=paper.content, reason="filed twice"
    )
    return replace(paper, kind=RecordKind.WITHDRAWAL, version=paper.version + 1, content=content)


def refiled(taken_back: Record) -> Record:
    assert isinstance(taken_back.content, Withdrawal)
    return replace(
        taken_back,
        kind=RecordKind.CERTIFICATE,
        version=taken_back.version + 1,
        content=taken_back.content.content,
    )


def taking(info: ConnectorInfo) -> ConnectorInfo:
    """The platform, taking withdrawals."""
    return replace(info, kinds={**info.kinds, RecordKind.WITHDRAWAL: KindInfo(batch_max=10, replay_safe=True)})


def declining(info: ConnectorInfo) -> ConnectorInfo:
    """The platform, not taking withdrawals."""
    return replace(info, kinds={k: v for k, v in info.kinds.items() if k is not RecordKind.WITHDRAWAL})


@pytest.fixture
def versions(book: Book) -> tuple[Record, Record, Record]:
    """A certificate, its withdrawal and the certificate filed again; the person is there already."""
    book.info = taking(book.info)
    [person] = book.persons()
    book.add(person)
    book.bring(person, A)
    first = book.certificate(person)
    taken_back = withdrawal(first)
    return first, taken_back, refiled(taken_back)


def state(book: Book, record: Record) -> State:
    [row] = [r for r in book.rows() if (r["record_key"], r["version"]) == (record.key, record.version)]
    return State(row["state"])


def test_what_waits_is_cancelled_and_the_withdrawal_is_owed(book: Book, versions: tuple[Record, ...]) -> None:
    first, taken_back, _ = versions
    book.add(first)
    assert book.add(taken_back) == 1
    assert state(book, first) is State.SUPERSEDED
    assert book.row(first)["code"] == "withdrawn"
    assert (state(book, taken_back), book.waits_for(taken_back)) == (State.QUEUED, None)


def test_a_platform_that_takes_no_withdrawals_is_not_sent_what_was_withdrawn(
    book: Book, versions: tuple[Record, ...]
) -> None:
    first, taken_back, _ = versions
    book.info = declining(book.info)
    book.add(first)
    assert book.add(taken_back) == 0
    assert state(book, first) is State.SUPERSEDED
    assert book.claim() == []


@pytest.mark.parametrize("event", [P, Event.HOLD])
def test_what_is_held_or_parked_is_cancelled_too(book: Book, versions: tuple[Record, ...], event: Event) -> None:
    first, taken_back, _ = versions
    book.add(first)
    book.bring(first, event)
    book.add(taken_back)
    assert state(book, first) is State.SUPERSEDED
    assert [item.record.kind for item in book.claim()] == [RecordKind.WITHDRAWAL]


@pytest.mark.parametrize("event", [A, R])
def test_a_withdrawal_waits_for_the_certificate_in_flight(
    book: Book, versions: tuple[Record, ...], event: Event
) -> None:
    first, taken_back, _ = versions
    book.add(first)
    [item] = book.claim()
    book.add(taken_back)
    assert state(book, first) is State.SENDING
    assert book.waits_for(taken_back) == (first.key, 1)
    assert book.claim() == []
    book.settle([item], event)
    assert [found.record.kind for found in book.claim()] == [RecordKind.WITHDRAWAL]


def test_a_certificate_that_comes_back_from_its_flight_is_cancelled_then(
    book: Book, versions: tuple[Record, ...]
) -> None:
    first, taken_back, _ = versions
    book.add(first)
    [item] = book.claim()
    book.add(taken_back)
    book.settle([item], Event.RETRY)
    book.owe()
    assert state(book, first) is State.SUPERSEDED
    assert [found.record.kind for found in book.claim()] == [RecordKind.WITHDRAWAL]


def test_a_certificate_filed_again_does_not_overtake_its_withdrawal(book: Book, versions: tuple[Record, ...]) -> None:
    first, taken_back, again = versions
    book.add(first)
    book.bring(first, A)
    book.add(taken_back)
    book.add(again)
    assert book.waits_for(again) == (taken_back.key, 2)
    assert state(book, taken_back) is State.QUEUED
    [item] = book.claim()
    assert item.record.kind is RecordKind.WITHDRAWAL
    book.settle([item], A)
    [item] = book.claim()
    assert (item.record.kind, item.record.version, item.replaces) == (RecordKind.CERTIFICATE, 3, False)


def test_all_three_go_in_order_while_the_first_is_in_flight(book: Book, versions: tuple[Record, ...]) -> None:
    first, taken_back, again = versions
    book.add(first)
    [item] = book.claim()
    book.add(taken_back)
    book.add(again)
    assert (book.waits_for(taken_back), book.waits_for(again)) == ((first.key, 1), (first.key, 2))
    order = []
    for _ in range(3):
        order.append(item.record.version)
        book.settle([item], A)
        item = next(iter(book.claim()), None)
    assert order == [1, 2, 3]


def test_none_waits_for_ever_when_the_first_comes_back_from_its_flight(
    book: Book, versions: tuple[Record, ...]
) -> None:
    first, taken_back, again = versions
    book.add(first)
    [item] = book.claim()
    book.add(taken_back)
    book.settle([item], Event.RETRY)
    book.add(again)
    assert state(book, first) is State.SUPERSEDED
    order = []
    while found := book.claim():
        order += [one.record.version for one in found]
        book.settle(found, A)
    assert order == [2, 3]


def test_a_refused_withdrawal_does_not_hold_up_the_certificate_filed_again(
    book: Book, versions: tuple[Record, ...]
) -> None:
    first, taken_back, again = versions
    book.add(first)
    book.bring(first, A)
    book.add(taken_back)
    book.add(again)
    [item] = book.claim()
    book.settle([item], R)
    [item] = book.claim()
    assert (item.record.version, item.replaces) == (3, True)


def test_a_platform_that_comes_later_gets_the_certificate_filed_again_and_no_withdrawal_of_it(
    book: Book, versions: tuple[Record, ...]
) -> None:
    book.add(*versions)
    first, taken_back, again = versions
    assert state(book, first) is State.SUPERSEDED
    assert state(book, taken_back) is State.SUPERSEDED
    assert [item.record.version for item in book.claim()] == [again.version]


def test_a_platform_that_comes_after_the_withdrawal_is_not_sent_the_certificate(
    book: Book, versions: tuple[Record, ...]
) -> None:
    first, taken_back, _ = versions
    book.add(first, taken_back)
    assert state(book, first) is State.SUPERSEDED
    assert [item.record.version for item in book.claim()] == [taken_back.version]


def test_a_second_withdrawal_takes_the_place_of_what_waits(book: Book, versions: tuple[Record, ...]) -> None:
    first, taken_back, again = versions
    last = withdrawal(again)
    book.add(first)
    book.bring(first, A)
    for one in (taken_back, again, last):
        book.add(one)
    assert [state(book, one) for one in (taken_back, again, last)] == [
        State.SUPERSEDED,
        State.SUPERSEDED,
        State.QUEUED,
    ]
    assert [item.record.version for item in book.claim()] == [4]


def test_another_certificate_is_left_alone(book: Book, versions: tuple[Record, ...]) -> None:
    first, taken_back, _ = versions
    [person] = book.persons()
    other = book.certificate(person)
    book.add(person, first, other)
    book.add(taken_back)
    assert state(book, other) is State.QUEUED


def ours(book: Book) -> list[tuple[RecordKind, int]]:
    with book.store.read() as c:
        found = reconciliations.page_of_ours(c, book.store.vault, book.info.platform, 0, 50)
    return [(item.record.kind, item.record.version) for item in found if item.record.kind is not RecordKind.PERSON]


def test_a_platform_that_accepted_the_withdrawal_is_not_expected_to_hold_the_certificate(
    book: Book, versions: tuple[Record, ...]
) -> None:
    first, taken_back, again = versions
    book.add(first)
    book.bring(first, A)
    book.add(taken_back)
    assert ours(book) == [(RecordKind.CERTIFICATE, 1)]
    book.bring(taken_back, A)
    assert ours(book) == []
    book.add(again)
    assert ours(book) == [(RecordKind.CERTIFICATE, 3)]


def _on(book: Book, platform: str) -> Any:
    """The same store as another platform sees it."""
    return replace(book, info=replace(book.info, platform=platform))


def test_what_others_hold_makes_no_correction_a_change(book: Book) -> None:
    """Refused here, its correction goes out as new, whatever another record, kind or platform has had accepted."""
    mine, bystander = book.persons(2)
    other = _on(book, "other_platform")
    book.add(mine, bystander)
    other.owe()
    book.bring(bystander, A)
    other.bring(mine, A)
    book.bring(mine, R)
    paper = book.certificate(bystander)
    book.add(paper)
    book.bring(paper, A)
    book.add(replace(mine, version=2))
    [item] = book.claim()
    assert (item.record.key, item.record.version, item.replaces) == (mine.key, 2, False)
    other.owe()
    [there] = [item for item in other.claim() if item.record.key == mine.key]
    assert (there.record.version, there.replaces) == (2, True)


@pytest.mark.parametrize(("who", "ended", "replaces"), [("own", A, False), ("own", R, True), ("another", A, True)])
def test_only_an_accepted_withdrawal_of_the_same_record_takes_the_version_before_away(
    book: Book, versions: tuple[Record, Record, Record], who: str, ended: Event, replaces: bool
) -> None:
    first, taken_back, again = versions
    [holder] = book.persons()
    another = book.certificate(holder)
    book.add(holder)
    book.bring(holder, A)
    book.add(first, another)
    book.bring(first, A)
    book.bring(another, A)
    gone = taken_back if who == "own" else withdrawal(another)
    book.add(gone)
    book.bring(gone, ended)
    book.add(again)
    [item] = book.claim()
    assert (item.record.key, item.record.version, item.replaces) == (first.key, 3, replaces)
