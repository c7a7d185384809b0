"""What a run asks about its platform: what is due."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from gateway.delivery.store import waiting_views
from gateway.domain.states import State

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
