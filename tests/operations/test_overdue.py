"""The promise clocks over a simulated year: who is late and who soon will be, with bystanders that are neither."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from gateway.codec.codes import table
from gateway.credit.store.tables import credit_ack, feed
from gateway.delivery.store.tables import delivery
from gateway.domain.china import CHINA
from gateway.domain.promises import Promise, PromiseKind, Promises
from gateway.domain.states import Event
from gateway.domain.working_days import WorkCalendar
from gateway.operations.overdue import PromiseWatch, clocks, due_answers, known_clocks

Book = Any
"""``tests.support.book.Book``"""
CALENDAR = WorkCalendar.from_rows(table("working_days").rows)
PROMISES = Promises(
    result=Promise(count=3, in_days=True), credit=Promise(count=7, in_days=True), answer=Promise(count=4)
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


def watching(book: Book, now: str, *, giving: bool = False, promises: Promises = PROMISES) -> PromiseWatch:
    name = book.info.platform
    return PromiseWatch(
        promises={name: promises}, giving={name} if giving else (), calendar=CALENDAR, now=at(now), soon=None
    )


def asked(book: Book, watch: PromiseWatch) -> list[Any]:
    with book.store.read() as connection:
        return clocks(connection, watch)


def listed(book: Book, watch: PromiseWatch) -> list[Any]:
    with book.store.read() as connection:
        return due_answers(connection, watch, 50)


def push(book: Book, when: str, event: Event = Event.PENDING) -> int:
    """One push at a moment, answered with a receipt or at once; gives the delivery's number."""
    book.now = at(when)
    book.add(*book.persons(1))
    [item] = book.claim(1)
    receipt = {"receipt": f"R-{item.id}"} if event is Event.PENDING else {}
    book.settle(book.send([item]), event, **receipt)
    return int(item.id)


# pushed at, and the working day at whose end three are over: by hand from the calendar of 2019
YEAR = [
    ("2019-01-31 10:00", "2019-02-03"),
    ("2019-02-01 10:00", "2019-02-11"),
    ("2019-04-03 10:00", "2019-04-09"),
    ("2019-04-29 23:00", "2019-05-06"),
    ("2019-06-05 10:00", "2019-06-11"),
    ("2019-09-12 10:00", "2019-09-18"),
    ("2019-09-28 10:00", "2019-10-08"),
    ("2019-12-30 10:00", "2020-01-03"),
]


def test_a_simulated_year_gives_the_list_made_by_hand(book: Book) -> None:
    numbers = {push(book, when): last for when, last in YEAR}
    push(book, "2019-01-02 10:00", Event.ACCEPTED)
    push(book, "2019-01-02 10:00", Event.REJECTED)
    for number, last in numbers.items():
        day = datetime.fromisoformat(last)
        late_by = {
            now: {one.delivery for one in listed(book, watching(book, now)) if one.late}
            for now in (f"{day:%Y-%m-%d} 23:59", f"{day + timedelta(days=1):%Y-%m-%d} 00:00")
        }
        before, after = late_by.values()
        assert number not in before
        assert number in after
        soon = {one.delivery for one in listed(book, watching(book, f"{day:%Y-%m-%d} 08:00")) if not one.late}
        assert number in soon, "it is told of before it is late"
    [whole] = asked(book, watching(book, "2020-02-01 08:00"))
    assert (whole.waiting, whole.late, whole.soon, whole.within) == (len(YEAR), len(YEAR), 0, "3d")
    assert whole.oldest_due == at("2019-02-04 00:00")


def test_a_second_push_begins_the_clock_again(book: Book) -> None:
    number = push(book, "2019-03-04 10:00", Event.RETRY)
    book.now = at("2019-03-11 10:00")
    [item] = book.claim(1)
    book.settle(book.send([item]), Event.PENDING, receipt="R-2")
    assert listed(book, watching(book, "2019-03-13 10:00")) == []
    assert [one.delivery for one in listed(book, watching(book, "2019-03-14 10:00"))] == [number]


def test_a_credit_answer_is_due_until_the_feed_was_read_through_after_the_acceptance(book: Book) -> None:
    first = push(book, "2019-09-27 10:00", Event.ACCEPTED)
    with book.store.write() as c:
        read = at("2019-09-28 01:00")
        name = book.info.platform
        c.execute(insert(feed).values(platform=name, cursor=None, updated_at=read, read_through_at=read))
    second = push(book, "2019-09-29 10:00", Event.ACCEPTED)
    push(book, "2019-09-29 10:00")  # no acceptance, no clock
    watch = watching(book, "2019-10-14 09:00", giving=True)
    credit = [one for one in listed(book, watch) if one.promise is PromiseKind.CREDIT]
    assert [(one.delivery, one.late) for one in credit] == [(second, False)]
    assert credit[0].due == at("2019-10-15 00:00")
    later = [
        (one.delivery, one.late)
        for one in listed(book, watching(book, "2019-10-15 00:00", giving=True))
        if one.promise is PromiseKind.CREDIT
    ]
    assert later == [(second, True)]
    assert first not in dict(later)
    with book.store.write() as c:
        c.execute(update(feed).values(read_through_at=at("2019-10-16 01:00")))
    [_, credit_clock, _] = asked(book, watching(book, "2019-10-20 00:00", giving=True))
    assert (credit_clock.promise, credit_clock.waiting) == (PromiseKind.CREDIT, 0)


def test_our_own_answers_to_credit_events_have_their_clock(book: Book) -> None:
    name, told = book.info.platform, at("2019-03-04 10:00")
    row = {"record_id": "C-1", "version": 1, "code": "APPLIED", "at": told}
    rows = [
        {**row, "platform": name, "event_id": "E-1", "sent_at": None},
        {**row, "platform": name, "event_id": "E-2", "sent_at": told},
        {**row, "platform": "other", "event_id": "E-3", "sent_at": None},
    ]
    with book.store.write() as c:
        c.execute(insert(credit_ack), rows)

    def seen(now: str) -> list[tuple[str, bool]]:
        watch = watching(book, now, giving=True)
        return [(one.event, one.late) for one in listed(book, watch) if one.promise is PromiseKind.ANSWER]

    assert seen("2019-03-04 12:30") == []
    assert seen("2019-03-04 13:30") == [("E-1", False)], "in its last quarter"
    assert seen("2019-03-04 14:01") == [("E-1", True)]


def test_a_year_that_is_missing_takes_away_only_what_needs_it(book: Book) -> None:
    with book.store.write() as c:
        c.execute(update(delivery).values(code=None))
    push(book, "2019-03-04 10:00")
    nothing = WorkCalendar(off=frozenset(), worked=frozenset())
    name = book.info.platform
    watch = PromiseWatch(
        promises={name: Promises()}, giving={name}, calendar=nothing, now=at("2019-03-06 10:00"), soon=None
    )
    with book.store.read() as connection:
        assert [(one.promise, one.late) for one in known_clocks(connection, watch)] == [(PromiseKind.RESULT, 1)]


@pytest.mark.parametrize("hours", [1, 24, 100])
def test_soon_can_be_asked_for(book: Book, hours: int) -> None:
    push(book, "2019-03-04 10:00")
    name = book.info.platform
    watch = PromiseWatch(
        promises={name: Promises(result=Promise(count=48))},
        giving=(),
        calendar=CALENDAR,
        now=at("2019-03-05 10:30"),
        soon=timedelta(hours=hours),
    )
    [one] = asked(book, watch)
    assert (one.soon, one.late) == (int(hours >= 24), 0)
