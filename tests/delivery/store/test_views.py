"""What people ask the ledger: counts that add up, lists that filter, and one transmission in full."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.delivery.rules.work import Closing
from gateway.delivery.store import ledger, owing, views
from gateway.delivery.store.exchanges import closed
from gateway.delivery.store.views import DeliveryFilter
from gateway.domain.errors import StoreError
from gateway.domain.states import Event, State
from gateway.intake.store import batches
from gateway.store import records

Book = Any
"""``tests.support.book.Book``"""
MINUTE = timedelta(minutes=1)


def stand(book: Book) -> list[Any]:
    """One delivery in each of six states, and a certificate behind its person."""
    persons = book.persons(6)
    paper = book.certificate(persons[0])
    book.add(*persons, paper)
    events = [Event.REJECTED, Event.UNKNOWN, Event.HOLD, Event.ACCEPTED, Event.IN_DOUBT]
    for item, event in zip(book.claim(5), events, strict=True):
        book.settle(book.send([item]), event, code=f"C-{event}", reason="told")
    return [*persons, paper]


def ask(book: Book, view: Any, *args: Any) -> Any:
    with book.store.read() as c:
        return view(c, *args)


def test_counts_of_an_empty_store_are_none(book: Book) -> None:
    assert ask(book, views.counts) == []


def test_counts_add_up_and_tell_what_waits_behind_whom(book: Book) -> None:
    stand(book)
    book.owe(replace(book.info, platform="other"))
    model, other = ask(book, views.counts)
    assert (model.platform, other.platform) == ("model", "other")
    assert model.states == {"rejected": 1, "parked": 1, "held": 1, "accepted": 1, "in_doubt": 1, "queued": 2}
    assert (model.total, other.total) == (7, 7)
    assert (model.behind, other.behind) == (1, 1)
    assert model.oldest_waiting == book.now
    assert model.next_due == book.now


def test_a_platform_with_nothing_left_waits_for_nothing(book: Book) -> None:
    book.add(*book.persons(2))
    book.settle(book.claim(), Event.ACCEPTED)
    [counted] = ask(book, views.counts)
    assert (counted.behind, counted.oldest_waiting, counted.next_due) == (0, None, None)


def test_what_is_due_is_what_a_claim_would_lease(book: Book) -> None:
    person, paper = book.persons()[0], None
    paper = book.certificate(person)
    book.add(person, paper)
    assert ask(book, views.any_due, "model", State.QUEUED, book.now)
    assert not ask(book, views.any_due, "model", State.QUEUED, book.now - MINUTE)
    assert not ask(book, views.any_due, "other", State.QUEUED, book.now)
    assert not ask(book, views.any_due, "model", State.IN_DOUBT, book.now)
    book.claim()
    assert not ask(book, views.any_due, "model", State.QUEUED, book.now), "the certificate is behind its person"


def test_what_can_go_on_without_a_person_is_counted(book: Book) -> None:
    stand(book)
    # the sixth person and the one in doubt; not the certificate, whose person was rejected
    assert ask(book, views.movable, "model") == 2
    assert ask(book, views.movable, "other") == 0


def test_a_certificate_behind_a_moving_person_can_go_on(book: Book) -> None:
    [person] = book.persons()
    book.add(person, book.certificate(person))
    assert ask(book, views.movable, "model") == 2
    book.bring(person, Event.UNKNOWN)
    assert ask(book, views.movable, "model") == 0


def test_reasons_are_counted_by_state_and_code(book: Book) -> None:
    book.add(*book.persons(4))
    claimed = book.claim()
    for item, code in zip(claimed, ("A", "A", "A", "B"), strict=True):
        book.settle([item], Event.REJECTED, code=code)
    found = ask(book, views.reasons, [State.REJECTED, State.PARKED])
    assert [(r["state"], r["code"], r["count"]) for r in found] == [("rejected", "A", 3), ("rejected", "B", 1)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (DeliveryFilter(), 7),
        (DeliveryFilter(platform="model"), 7),
        (DeliveryFilter(platform="other"), 0),
        (DeliveryFilter(states=(State.REJECTED, State.PARKED)), 2),
        (DeliveryFilter(code="C-hold"), 1),
        (DeliveryFilter(states=(State.REJECTED,), code="C-hold"), 0),
        (DeliveryFilter(batch="nothing"), 0),
    ],
)
def test_lists_filter_and_say_how_many_there_are(book: Book, wanted: DeliveryFilter, expected: int) -> None:
    stand(book)
    total, rows = ask(book, views.listed, wanted, 3)
    assert (total, len(rows)) == (expected, min(expected, 3))
    assert [r["id"] for r in rows] == sorted(r["id"] for r in rows)


def test_lists_filter_by_time_and_batch(book: Book) -> None:
    book.add(*book.persons(2))
    book.now += MINUTE
    with book.store.write() as c:
        counts = {"rows": 1, "admitted": 1, "refused": 0, "held": 0, "unchanged": 0}
        number = batches.add_batch(c, "济南.xlsx", "d" * 64, read_at=book.now)
        batches.count_batch(c, number, counts)
        records.add(c, book.store.vault, book.persons(1), batch_id=number, now=book.now)
        owing.owe(c, book.info, book.now)
    assert ask(book, views.listed, DeliveryFilter(since=book.now), 9)[0] == 1
    assert ask(book, views.listed, DeliveryFilter(batch="济南.xlsx"), 9)[0] == 1


def test_a_transmission_holds_record_payload_and_bytes_of_both_sides(book: Book) -> None:
    [person] = book.persons()
    book.add(person)
    [item] = book.send(book.claim())
    with book.store.write() as c:
        closed(book.store.vault, [Closing(exchange_id=1, closed_at=book.now, status=200, body=b"answer")])(c)
    found = ask(book, views.transmission, book.store.vault, item.id)
    assert found.record == person
    assert [(e["request"], e["response"], e["event"]) for e in found.exchanges] == [(b"request", b"answer", None)]
    assert person.content.name not in repr(found)
    assert ask(book, views.transmission, book.store.vault, 999) is None


def test_bytes_that_were_moved_to_another_exchange_do_not_open(book: Book) -> None:
    book.add(*book.persons(2))
    one, two = book.claim()
    book.send([one])
    book.send([two])
    with book.store.write() as c:
        closings = [Closing(exchange_id=n, closed_at=book.now, status=200, body=b"%d" % n) for n in (1, 2)]
        closed(book.store.vault, closings)(c)
        c.exec_driver_sql("UPDATE exchange SET response = (SELECT response FROM exchange WHERE id = 1) WHERE id = 2")
    assert ask(book, views.transmission, book.store.vault, one.id) is not None
    with pytest.raises(StoreError, match=r"exchange\.response does not open"):
        ask(book, views.transmission, book.store.vault, two.id)


def test_a_view_sees_one_moment(book: Book) -> None:
    book.add(*book.persons(2))
    with book.store.read() as c:
        before = views.counts(c)
        book.settle(book.claim(), Event.ACCEPTED)
        assert views.counts(c) == before
        assert len(ledger.due_now(c, book.store.vault, "model", 9, book.now)) == 2
    assert ask(book, views.counts) != before
