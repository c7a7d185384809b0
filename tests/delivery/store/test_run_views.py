"""What a run asks about its platform: what is due, and whose results are late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from gateway.delivery.store import waiting_views
from gateway.domain.states import Event, State

Book = Any
"""``tests.support.book.Book``"""
HOUR = timedelta(hours=1)


def ask(book: Book, view: Any, *args: Any) -> int:
    with book.store.read() as connection:
        return int(view(connection, book.info.platform, *args))


def test_only_what_a_claim_could_lease_is_due(book: Book) -> None:
    person, other = book.persons(2)
    book.add(person, other, book.certificate(person))
    assert ask(book, waiting_views.due, State.QUEUED, book.now) == 2, "the certificate waits for its person"
    assert ask(book, waiting_views.due, State.QUEUED, book.now - HOUR) == 0
    book.claim(1)
    assert ask(book, waiting_views.due, State.QUEUED, book.now) == 1


def test_a_result_is_overdue_by_the_age_of_its_receipt(book: Book) -> None:
    book.add(*book.persons(2))
    first, second = book.claim(2)
    book.settle(book.send([first]), Event.PENDING, receipt="R-1")
    book.settle(book.send([second]), Event.ACCEPTED)
    assert ask(book, waiting_views.overdue, book.now) == 0
    assert ask(book, waiting_views.overdue, book.now + HOUR) == 1
