"""Who may go and who waits: versions in order, a certificate after its person, and nothing owed twice or never."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError

from gateway.delivery.store import ledger, owing
from gateway.delivery.store.tables import delivery, owed
from gateway.domain.records import Record, RecordKind
from gateway.domain.states import Event, State
from gateway.store.engine import Store
from gateway.store.tables import record

Book = Any
"""``tests.support.book.Book``"""
A, R, P = Event.ACCEPTED, Event.REJECTED, Event.UNKNOWN


def second(one: Record) -> Record:
    return replace(one, version=one.version + 1)


def pair(book: Book) -> tuple[Record, Record]:
    [person] = book.persons()
    return person, book.certificate(person)


def test_owing_twice_adds_nothing(book: Book) -> None:
    person, paper = pair(book)
    assert book.add(person, paper) == 2
    before = book.rows()
    assert [book.owe(), book.owe()] == [0, 0]
    assert book.rows() == before


def test_everything_is_owed_however_many_there_are(book: Book) -> None:
    persons = book.persons(owing.CHUNK + 3)
    assert book.add(*persons) == len(persons)
    with book.store.read() as c:
        assert c.execute(select(func.count()).select_from(delivery)).scalar_one() == len(persons)
        assert (
            c.execute(select(owed.c.up_to)).scalars().first() == c.execute(select(func.max(record.c.id))).scalar_one()
        )
    assert book.add(*book.persons(2)) == 2


def test_a_platform_that_comes_later_is_owed_everything(book: Book) -> None:
    person, paper = pair(book)
    book.add(person, paper)
    assert book.owe(replace(book.info, platform="later")) == 2
    assert Counter(r["platform"] for r in book.rows()) == {"model": 2, "later": 2}
    assert len({r["business_key"] for r in book.rows()}) == 4


def test_a_kind_that_a_platform_learns_later_is_owed_then(book: Book) -> None:
    person, paper = pair(book)
    persons_only = replace(book.info, kinds={RecordKind.PERSON: book.info.kinds[RecordKind.PERSON]})
    assert book.add(person, paper, info=persons_only) == 1
    book.bring(person, A)
    assert book.owe() == 1
    assert book.waits_for(paper) is None
    assert book.state(paper) is State.QUEUED


def test_a_kind_the_platform_does_not_take_is_not_owed(book: Book) -> None:
    nothing = replace(book.info, kinds={})
    assert book.add(*pair(book), info=nothing) == 0


def test_a_business_key_exists_once_for_ever(book: Book) -> None:
    [person] = book.persons()
    book.add(person)
    row = {k: v for k, v in book.rows()[0].items() if k != "id"}
    with pytest.raises(IntegrityError), book.store.write() as c:
        c.execute(insert(delivery), row)
    assert row["business_key"] == f"model/person/{person.key}/1"


def test_an_unknown_state_cannot_be_written(book: Book) -> None:
    book.add(*book.persons())
    with pytest.raises(IntegrityError), book.store.write() as c:
        c.execute(delivery.update().values(state="lost"))


def test_a_certificate_waits_for_its_own_person_only(book: Book) -> None:
    person, paper = pair(book)
    other, other_paper = pair(book)
    book.add(person, paper, other, other_paper)
    assert [book.waits_for(p) for p in (paper, other_paper)] == [(person.key, 1), (other.key, 1)]
    assert {i.record.key for i in book.claim()} == {person.key, other.key}


@pytest.mark.parametrize(
    ("events", "free"),
    [
        ((A,), True),
        ((Event.PENDING, A), True),
        ((Event.IN_DOUBT, A), True),
        ((R,), False),
        ((P,), False),
        ((Event.HOLD,), False),
        ((Event.PENDING,), False),
        ((Event.IN_DOUBT,), False),
        ((Event.RETRY,), False),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_a_certificate_goes_when_its_person_is_accepted_and_not_before(
    book: Book, events: tuple[Event, ...], free: bool
) -> None:
    person, paper = pair(book)
    book.add(person, paper)
    book.bring(person, *events)
    assert (book.waits_for(paper) is None) is free
    assert (paper.key in {i.record.key for i in book.claim()}) is free


def test_a_certificate_of_an_accepted_person_waits_for_nothing(book: Book) -> None:
    person, paper = pair(book)
    book.add(person)
    book.bring(person, A)
    book.add(paper)
    assert book.waits_for(paper) is None


@pytest.mark.parametrize(
    ("event", "first_ends"),
    [(R, State.REJECTED), (P, State.SUPERSEDED), (Event.HOLD, State.SUPERSEDED), (Event.RETRY, State.SUPERSEDED)],
)
def test_a_newer_version_takes_the_place_of_one_that_stopped_and_those_behind_it_follow(
    book: Book, event: Event, first_ends: State
) -> None:
    person, paper = pair(book)
    book.add(person, paper)
    book.bring(person, event)
    book.add(second(person))
    assert book.state(person) is first_ends
    assert book.waits_for(second(person)) is None
    assert book.waits_for(paper) == (person.key, 2)
    book.bring(second(person), A)
    assert book.waits_for(paper) is None


@pytest.mark.parametrize(
    ("event", "first_ends", "behind"),
    [(A, State.ACCEPTED, None), (R, State.REJECTED, 2), (P, State.SUPERSEDED, 2)],
)
def test_a_newer_version_waits_for_the_one_in_flight_and_goes_when_that_ends(
    book: Book, event: Event, first_ends: State, behind: int | None
) -> None:
    person, paper = pair(book)
    book.add(person, paper)
    [item] = book.claim()
    book.add(second(person))
    assert book.waits_for(second(person)) == (person.key, 1)
    book.settle([item], event)
    assert book.state(person) is first_ends
    assert book.waits_for(second(person)) is None
    assert book.waits_for(paper) == (None if behind is None else (person.key, behind))
    book.bring(second(person), A)
    assert book.waits_for(paper) is None


@pytest.mark.parametrize("event", [R, P])
def test_a_certificate_that_comes_after_a_corrected_person_waits_for_nothing(book: Book, event: Event) -> None:
    person, paper = pair(book)
    book.add(person)
    book.bring(person, event)
    book.add(second(person))
    book.bring(second(person), A)
    book.add(paper)
    assert book.waits_for(paper) is None


def test_a_certificate_waits_while_the_newest_version_of_its_person_stands_refused(book: Book) -> None:
    person, paper = pair(book)
    book.add(person)
    book.bring(person, R)
    book.add(paper)
    assert book.waits_for(paper) == (person.key, 1)
    book.add(second(person))
    book.bring(second(person), R)
    assert book.waits_for(paper) == (person.key, 2)
    third = second(second(person))
    book.add(third)
    book.bring(third, A)
    assert book.waits_for(paper) is None


def in_flight_with_newer_ones(book: Book) -> tuple[Record, Record, Any]:
    """A certificate in flight whose person was accepted; then newer versions of both come."""
    person, paper = pair(book)
    book.add(person, paper)
    book.bring(person, A)
    [item] = book.claim()
    book.add(second(person), second(paper))
    return second(person), second(paper), item


def test_a_newer_certificate_waits_for_the_newer_person_that_came_with_it(book: Book) -> None:
    person, paper, item = in_flight_with_newer_ones(book)
    assert book.waits_for(paper) == (person.key, 2)
    book.settle([item], A)
    assert book.waits_for(paper) == (person.key, 2), "the end of its older version does not let it overtake its person"
    book.bring(person, A)
    assert book.waits_for(paper) is None


def test_a_newer_certificate_waits_for_its_older_version_after_its_person_was_accepted(book: Book) -> None:
    person, paper, item = in_flight_with_newer_ones(book)
    book.bring(person, A)
    assert book.waits_for(paper) == (paper.key, 1)
    book.settle([item], A)
    assert book.waits_for(paper) is None


def test_an_older_certificate_that_is_parked_gives_way_to_one_that_waits_for_its_person(book: Book) -> None:
    person, paper, item = in_flight_with_newer_ones(book)
    book.settle([item], P)
    assert book.row(item.record)["state"] == State.SUPERSEDED
    book.bring(person, A)
    assert book.waits_for(paper) is None


def test_a_person_that_comes_later_does_not_hold_up_a_certificate_that_was_there_before(book: Book) -> None:
    person, paper = pair(book)
    book.add(person, paper)
    book.bring(person, A)
    [item] = book.claim()
    book.add(second(paper))
    book.add(second(person))
    assert book.waits_for(second(paper)) == (paper.key, 1)
    book.settle([item], A)
    assert book.waits_for(second(paper)) is None


def test_of_three_versions_that_come_at_once_only_the_last_goes(book: Book) -> None:
    [person] = book.persons()
    versions = [person, second(person), second(second(person))]
    book.add(*versions)
    assert [book.state(v) for v in versions] == [State.SUPERSEDED, State.SUPERSEDED, State.QUEUED]
    assert [i.record.version for i in book.claim()] == [3]


def test_versions_that_come_during_flight_leave_only_the_last_waiting(book: Book) -> None:
    person, paper = pair(book)
    book.add(person, paper)
    [item] = book.claim()
    two, three = second(person), second(second(person))
    book.add(two)
    book.add(three)
    assert [book.state(v) for v in (person, two, three)] == [State.SENDING, State.SUPERSEDED, State.QUEUED]
    assert book.waits_for(three) == (person.key, 1)
    book.settle([item], R)
    assert book.waits_for(three) is None
    assert book.waits_for(paper) == (person.key, 3)


def test_an_accepted_version_is_never_superseded(book: Book) -> None:
    [person] = book.persons()
    book.add(person)
    book.bring(person, A)
    book.add(second(person))
    assert book.state(person) is State.ACCEPTED
    [item] = book.claim()
    assert item.replaces


def test_two_platforms_do_not_wait_for_each_other(book: Book) -> None:
    person, paper = pair(book)
    book.add(person, paper)
    book.owe(replace(book.info, platform="other"))
    book.bring(person, A)
    waiting = {r["platform"]: r["blocked_by"] for r in book.rows() if r["kind"] == "certificate"}
    assert waiting["model"] is None
    assert waiting["other"] is not None


def test_a_person_let_go_again_frees_its_certificate_when_accepted(book: Book) -> None:
    person, paper = pair(book)
    book.add(person, paper)
    book.bring(person, P)
    with book.store.write() as c:
        assert ledger.let_go(c, Event.RELEASED, book.now, platform="model") == 1
    book.bring(person, A)
    assert book.waits_for(paper) is None


def _while_blocked(store: Store, work: Callable[[], None], then: Callable[[], None]) -> None:
    """Start ``work`` in a thread; when the database says that it waits for a lock, do ``then``."""
    thread = threading.Thread(target=work)
    thread.start()
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    while thread.is_alive():
        with store.read() as c:
            if c.execute(waiting).scalar_one():
                break
    then()
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.parametrize(("event", "newer_waits"), [(A, False), (R, False), (P, False), (Event.PENDING, True)])
def test_whoever_comes_while_a_settle_is_under_way_is_not_forgotten(
    postgres_url: str,
    make_store: Callable[[str], Store],
    make_book: Callable[[Store], Book],
    event: Event,
    newer_waits: bool,
) -> None:
    one, two = (make_book(make_store(postgres_url)) for _ in range(2))
    person, paper = pair(one)
    one.add(person)
    [item] = one.send(one.claim())
    with one.store.engine.connect() as c:
        begun = c.begin()
        one.settle_in(c, [item], event, receipt="R" if event is Event.PENDING else None)
        _while_blocked(make_store(postgres_url), lambda: two.add(second(person), paper), begun.commit)
    assert one.waits_for(second(person)) == ((person.key, 1) if newer_waits else None)
    assert one.waits_for(paper) == (person.key, 2)


def test_a_certificate_that_comes_while_its_person_is_being_accepted_goes(
    postgres_url: str, make_store: Callable[[str], Store], make_book: Callable[[Store], Book]
) -> None:
    one, two = (make_book(make_store(postgres_url)) for _ in range(2))
    person, paper = pair(one)
    one.add(person)
    [item] = one.claim()
    with one.store.engine.connect() as c:
        begun = c.begin()
        one.settle_in(c, [item], A)
        _while_blocked(make_store(postgres_url), lambda: two.add(paper), begun.commit)
    assert one.waits_for(paper) is None


def test_records_are_added_and_owed_by_one_at_a_time(postgres_url: str, make_store: Callable[[str], Store]) -> None:
    one, two = make_store(postgres_url), make_store(postgres_url)
    with one.write() as mine:
        assert owing.lock_records(mine)
        with two.write() as yours:
            assert not owing.lock_records(yours, wait=False)
    with two.write() as yours:
        assert owing.lock_records(yours, wait=False)


def test_intakes_at_the_same_time_owe_each_record_once(
    store_url: str, make_store: Callable[[str], Store], make_book: Callable[[Store], Book]
) -> None:
    books = [make_book(make_store(store_url)) for _ in range(3)]
    for seed, one in enumerate(books):
        one.rng.seed(seed)
    work = [one.persons(40) for one in books]
    books[0].owe()
    start = threading.Barrier(3)

    def intake(one: Book, persons: list[Record]) -> None:
        start.wait()
        for at in range(0, 40, 10):
            one.add(*persons[at : at + 10])

    threads = [threading.Thread(target=intake, args=pair) for pair in zip(books, work, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(r["record_key"] for r in books[0].rows()) == Counter(p.key for persons in work for p in persons)
