"""The archive's side of what a platform still waits for, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from gateway.contract.credit import Awaited
from gateway.credit.rules.statements import AckCode
from gateway.credit.store import awaited as credit_awaited
from gateway.credit.store import pages
from gateway.credit.store.awaited import TIMES
from gateway.credit.store.tables import credit_ack, ticket
from gateway.store.engine import Store
from tests.support.creditfeed import NOW, Feed
from tests.support.findings import finding

DAY = timedelta(days=1)


@pytest.fixture
def source(store: Store) -> Feed:
    """A feed with one applied event, its acknowledgement sent."""
    feed = Feed(store)
    _, worker = feed.person()
    feed.apply(finding(worker, 1, record_id="CR-1", event_id="EV-1", stream_seq=1))
    send(feed)
    return feed


def send(feed: Feed) -> None:
    with feed.store.write() as connection:
        connection.execute(update(credit_ack).values(sent_at=NOW))


def hear(feed: Feed, *awaited: Awaited) -> tuple[list[str], int]:
    with feed.store.write() as connection:
        unseen, again = credit_awaited.resend_lost(feed.scope(connection), awaited)
    return [one.event_id for one in unseen], again


def waiting(event_id: str = "EV-1", record: str = "CR-1", **changes: Any) -> Awaited:
    return Awaited(**{"event_id": event_id, "record_id": record, "version": 1, **changes})


@pytest.mark.parametrize(
    ("told", "again"),
    [
        (waiting(), 1),
        (waiting(last_code="DEFERRED"), 1),
        (waiting(last_code="APPLIED"), 0),
    ],
)
def test_only_an_answer_the_platform_has_not_is_sent_again(source: Feed, told: Awaited, again: int) -> None:
    assert hear(source, told) == ([], again)
    (ack,) = source.rows(credit_ack)
    assert (ack.sent_at is None, ack.repeats) == (bool(again), again)
    assert hear(source, told) == ([], 0), "what still waits to be sent is left alone"


def test_an_answer_that_is_never_kept_becomes_one_ticket(source: Feed) -> None:
    heard = []
    for _ in range(TIMES + 3):
        heard.append(hear(source, waiting())[1])
        send(source)
    assert heard == [1] * TIMES + [0] * 3
    assert source.tickets() == ["REVIEW"]


def test_the_last_of_several_answers_is_the_one_that_counts(source: Feed) -> None:
    with source.store.write() as connection:
        credit_awaited.give_up(source.scope(connection), [waiting("EV-2", "CR-2")])
    send(source)
    _, worker = source.person("李娜")
    source.apply(finding(worker, 1, record_id="CR-2", event_id="EV-2", stream_seq=2))
    send(source)
    assert hear(source, waiting("EV-2", "CR-2", last_code="DEFERRED")) == ([], 1)
    (going,) = source.rows(credit_ack, credit_ack.c.sent_at.is_(None))
    assert going.code == AckCode.APPLIED


def test_what_cannot_be_had_is_put_off_once_for_each_event_and_once_for_each_record(source: Feed) -> None:
    lost = [waiting("EV-8", "CR-8"), waiting("EV-9", "CR-8", version=2), waiting()]
    assert hear(source, *lost)[0] == ["EV-8", "EV-9"]
    for expected in (2, 0):
        with source.store.write() as connection:
            assert credit_awaited.give_up(source.scope(connection), lost) == expected
    deferred = source.rows(credit_ack, credit_ack.c.code == AckCode.DEFERRED)
    (opened,) = source.rows(ticket)
    assert {(row.event_id, row.version, row.ticket) for row in deferred} == {
        ("EV-8", 1, opened.number),
        ("EV-9", 2, opened.number),
    }


def test_ids_longer_than_a_column_are_cut_alike_everywhere(source: Feed) -> None:
    long = waiting("E" * 90, "C" * 90)
    with source.store.write() as connection:
        credit_awaited.give_up(source.scope(connection), [long])
    send(source)
    assert hear(source, long) == ([], 1)


def test_how_far_the_list_was_read_is_kept(source: Feed) -> None:
    def reading(hours: int) -> tuple[bool, str | None]:
        with source.store.read() as connection:
            return credit_awaited.reading(replace(source.at_now(connection), at=NOW + timedelta(hours=hours)), DAY)

    def go_on(cursor: str | None) -> None:
        with source.store.write() as connection:
            credit_awaited.keep_cursor(replace(source.at_now(connection), at=NOW), cursor)

    assert reading(0) == (True, None)
    go_on("page 2")
    assert reading(0) == (True, "page 2")
    go_on(None)
    assert [reading(hours) for hours in (23, 24)] == [(False, None), (True, None)]


def test_failures_are_counted_until_they_are_too_many_or_a_page_is_done(source: Feed) -> None:
    def stuck() -> bool:
        with source.store.write() as connection:
            return credit_awaited.count_failure(source.at_now(connection))

    assert [stuck() for _ in range(2 * TIMES)] == ([False] * (TIMES - 1) + [True]) * 2
    stuck()
    with source.store.write() as connection:
        credit_awaited.keep_cursor(source.at_now(connection), "page 2")
    assert [stuck() for _ in range(TIMES)] == [False] * (TIMES - 1) + [True]


def test_numbers_of_events_that_were_fetched_are_no_gap_of_the_stream(source: Feed) -> None:

    _, worker = source.person("李娜")
    fetched = finding(worker, 1, record_id="CR-2", event_id="EV-2", stream_seq=2)
    with source.store.write() as connection:
        pages.apply_fetched(source.at_now(connection), [fetched], exchange_id=source.exchange_in(connection), raw=b"[]")
    assert source.apply(finding(worker, 1, record_id="CR-4", event_id="EV-4", stream_seq=4)).gap, "3 is missing"
    both = [finding(worker, 1, record_id=f"CR-{n}", event_id=f"EV-{n}", stream_seq=n) for n in (3, 4)]
    assert not source.apply(*both).gap
