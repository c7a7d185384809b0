"""Leases and fences: who may settle, what a lost worker leaves behind, and what a settle writes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from gateway.delivery.rules import work as delivery_work
from gateway.delivery.rules.work import Closing
from gateway.delivery.store import exchanges, ledger, settlement
from gateway.delivery.store.tables import attempt, delivery, exchange, payload, receipt, verdict
from gateway.domain.errors import StoreError
from gateway.domain.states import Event, State
from gateway.store.engine import Store

Book = Any
"""``tests.support.book.Book``"""
MINUTE = timedelta(minutes=1)
A = Event.ACCEPTED


def due(book: Book, *moments: Any) -> None:
    """Give the deliveries these due times, in the order of their ids."""
    with book.store.write() as c:
        for row, moment in zip(book.rows(), moments, strict=True):
            c.execute(update(delivery).where(delivery.c.id == row["id"]).values(due_at=moment))


def test_a_claim_takes_what_has_waited_longest_and_no_more_than_asked(book: Book) -> None:
    book.add(*book.persons(4))
    ids = [r["id"] for r in book.rows()]
    due(book, book.now, book.now - MINUTE, book.now + MINUTE, book.now - 2 * MINUTE)
    assert [i.id for i in book.claim(1)] == [ids[3]]
    assert [i.id for i in book.claim(5)] == [ids[0], ids[1]]
    assert book.claim() == []
    book.now += MINUTE
    assert [i.id for i in book.claim()] == [ids[2]]


def test_equal_due_times_are_taken_in_the_order_of_arrival(book: Book) -> None:
    book.add(*book.persons(6))
    ids = [r["id"] for r in book.rows()]
    assert [[i.id for i in book.claim(2)] for _ in range(3)] == [ids[:2], ids[2:4], ids[4:]]


@pytest.mark.parametrize("limit", [1, 7, 100])
@pytest.mark.parametrize("analyzed", [True, False])
def test_the_limit_holds_whatever_the_planner_chooses(book: Book, limit: int, analyzed: bool) -> None:
    book.add(*book.persons(300))
    if analyzed:
        with book.store.write() as c:
            c.execute(text("ANALYZE"))
    assert len(book.claim(limit)) == limit


def test_the_limit_holds_even_where_rows_are_joined_one_by_one(
    postgres_url: str, make_store: Callable[[str], Store], make_book: Callable[[Store], Book]
) -> None:
    book = make_book(make_store(postgres_url))
    book.add(*book.persons(40))
    given = {"platform": "model", "state": State.QUEUED, "limit": 3, "now": book.now, "lease": MINUTE, "owner": "x"}
    for switch in ("hashjoin", "hashagg", "mergejoin", "sort", "material"):
        with book.store.write() as c:
            c.execute(text(f"SET LOCAL enable_{switch} = off"))
            if switch != "hashjoin":
                c.execute(text("SET LOCAL enable_hashjoin = off"))
            assert len(ledger.claim(c, book.store.vault, **given)) == 3


def test_a_claim_leases_raises_the_fence_and_hides_from_others(book: Book) -> None:
    book.add(*book.persons())
    [item] = book.claim(owner="me")
    row = book.rows()[0]
    assert (item.state, row["state"], item.fence, row["fence"]) == (State.SENDING, "sending", 1, 1)
    assert (row["lease_owner"], row["lease_until"]) == ("me", book.now + 5 * MINUTE)
    assert book.claim() == []


@pytest.mark.parametrize("event", [Event.PENDING, Event.IN_DOUBT])
def test_what_awaits_an_answer_keeps_its_state_and_is_out_of_sight_while_leased(book: Book, event: Event) -> None:
    book.add(*book.persons())
    book.settle(book.send(book.claim()), event, receipt="R1")
    state = State(book.rows()[0]["state"])
    [item] = book.claim(state=state)
    assert (item.state, item.fence, item.receipt) == (state, 2, "R1")
    assert book.claim(state=state) == []
    book.now += 5 * MINUTE
    assert [i.fence for i in book.claim(state=state)] == [3]


def test_another_platforms_deliveries_are_not_leased(book: Book) -> None:
    book.add(*book.persons())
    assert book.claim(platform="other") == []


def test_what_a_preview_shows_is_what_a_claim_leases(book: Book) -> None:
    book.add(*book.persons(5))
    due(book, *(book.now - n * MINUTE for n in range(5)))
    with book.store.read() as c:
        shown = ledger.due_now(c, book.store.vault, "model", 2, book.now)
    assert {i.id for i in shown} == {i.id for i in book.claim(2)}
    assert {i.fence for i in shown} == {0}


def test_more_than_one_statement_can_carry_are_loaded_in_order(book: Book) -> None:
    book.add(*book.persons(1100))
    claimed = book.claim(1100)
    assert [i.id for i in claimed] == sorted(r["id"] for r in book.rows())
    assert book.settle(claimed, A) == [True] * 1100
    assert {r["state"] for r in book.rows()} == {"accepted"}


def test_two_claimers_never_share_a_delivery(
    store_url: str, make_store: Callable[[str], Store], make_book: Callable[[Store], Book]
) -> None:
    books = [make_book(make_store(store_url)) for _ in range(2)]
    books[0].add(*books[0].persons(150))
    taken: list[int] = []
    start = threading.Barrier(2)

    def work(one: Book) -> None:
        start.wait()
        while claimed := one.claim(7):
            taken.extend(i.id for i in claimed)

    threads = [threading.Thread(target=work, args=(one,)) for one in books]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(taken) == Counter(r["id"] for r in books[0].rows())


def test_a_claimer_passes_by_what_another_is_just_leasing(
    postgres_url: str, make_store: Callable[[str], Store], make_book: Callable[[Store], Book]
) -> None:
    one, two = (make_book(make_store(postgres_url)) for _ in range(2))
    one.add(*one.persons(6))
    ids = [r["id"] for r in one.rows()]
    with one.store.write() as c:
        given = {"platform": "model", "state": State.QUEUED, "now": one.now, "lease": MINUTE, "owner": "x"}
        first = ledger.claim(c, one.store.vault, limit=4, **given)
        assert [i.id for i in two.claim(10)] == ids[4:]
    assert [i.id for i in first] == ids[:4]


def test_an_old_fence_settles_nothing_and_leaves_its_verdict(book: Book) -> None:
    book.add(*book.persons(2))
    late = book.send(book.claim())
    with book.store.write() as c:
        ledger.sweep(c, platform="model", dead=["tester"], settling=timedelta(), now=book.now)
    before = book.rows()
    assert book.settle(late, A, platform_id="X", reason="well") == [False, False]
    assert book.rows() == before
    with book.store.read() as c:
        rows = c.execute(select(verdict.c.event, verdict.c.applied, verdict.c.reason)).all()
    assert [tuple(row) for row in rows] == [("accepted", False, "well")] * 2


def test_of_one_settle_the_held_ones_count_and_the_lost_ones_do_not(book: Book) -> None:
    book.add(*book.persons(3))
    claimed = book.send(book.claim())
    lost = replace(claimed[1], fence=claimed[1].fence - 1)
    assert book.settle([claimed[0], lost, claimed[2]], A) == [True, False, True]
    assert [r["state"] for r in book.rows()] == ["accepted", "sending", "accepted"]


def test_settling_twice_counts_once(book: Book) -> None:
    book.add(*book.persons())
    claimed = book.send(book.claim())
    assert [book.settle(claimed, A), book.settle(claimed, Event.REJECTED)] == [[True], [False]]
    assert book.rows()[0]["state"] == "accepted"


def test_a_move_that_the_table_does_not_know_writes_nothing(book: Book) -> None:
    book.add(*book.persons(2))
    one, two = book.send(book.claim())
    settlements = [book.settlement(one, A), book.settlement(two, Event.NOT_FOUND)]
    with pytest.raises(StoreError, match="cannot meet not_found"), book.store.write() as c:
        settlement.settle(c, settlements, "model", book.now)
    assert {r["state"] for r in book.rows()} == {"sending"}
    with book.store.read() as c:
        assert c.execute(select(func.count()).select_from(verdict)).scalar_one() == 0


def test_a_settle_writes_outcome_due_time_and_counts_and_ends_the_lease(book: Book) -> None:
    book.add(*book.persons())
    [item] = book.send(book.claim())
    later = book.now + MINUTE
    book.settle([item], Event.RETRY, code="BUSY", reason="later", platform_id="X1", due_at=later, polls=3, negatives=1)
    row = book.rows()[0]
    wanted = {
        "state": "queued", "code": "BUSY", "reason": "later", "platform_ref": "X1", "due_at": later, "polls": 3,
        "negatives": 1, "lease_owner": None, "lease_until": None, "tries": 1, "fence": 1,
    }  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted


@pytest.mark.parametrize("keep", [True, False])
def test_a_message_is_kept_only_where_its_outcome_is_unknown(book: Book, keep: bool) -> None:
    book.add(*book.persons(2))
    claimed = book.send(book.claim())
    book.settle(claimed, Event.RETRY, keep_message=keep)
    again = book.claim()
    assert len({i.message_id for i in again}) == 1
    assert (again[0].message_id is not None) is keep
    assert again[0].message_size == 2


def test_a_receipt_is_kept_once_for_all_it_covers_and_outlives_answers_without_one(book: Book) -> None:
    book.add(*book.persons(3))
    book.settle(book.send(book.claim()), Event.PENDING, receipt="R1")
    again = book.send(book.claim(state=State.AWAITING_ACK), "poll")
    assert [i.receipt for i in again] == ["R1"] * 3
    book.settle(again[:1], Event.PENDING)
    book.settle(again[1:2], Event.PENDING, receipt="R1")
    book.settle(again[2:], Event.PENDING, receipt="R2")
    assert [i.receipt for i in book.claim(state=State.AWAITING_ACK)] == ["R1", "R1", "R2"]
    with book.store.read() as c:
        rows = c.execute(select(receipt.c.number, receipt.c.exchange_id).order_by(receipt.c.id)).all()
        first, second = c.execute(select(exchange.c.id).order_by(exchange.c.id)).scalars()
    assert [tuple(row) for row in rows] == [("R1", first), ("R2", second)]


def test_the_platforms_own_id_is_not_forgotten_by_a_later_answer(book: Book) -> None:
    book.add(*book.persons())
    book.settle(book.send(book.claim()), Event.PENDING, receipt="R", platform_id="X1")
    book.settle(book.claim(state=State.AWAITING_ACK), A)
    assert book.rows()[0]["platform_ref"] == "X1"


STRANGE = "a\x00b\ud800c" + "长" * 3000


def test_whatever_a_platform_writes_can_be_kept(book: Book) -> None:
    book.add(*book.persons(2))
    claimed = book.send(book.claim())
    assert book.settle(
        claimed, Event.REJECTED, code=STRANGE, reason=STRANGE, platform_id=STRANGE, fields=(STRANGE, "name")
    ) == [True, True]
    row = book.rows()[0]
    assert (len(row["code"]), len(row["platform_ref"])) == (80, 80)
    assert row["reason"].startswith("a\ufffdb")
    with book.store.read() as c:
        kept = c.execute(select(verdict)).mappings().first()
    assert kept is not None
    assert kept["fields"][1] == "name"


@pytest.mark.parametrize("over", [True, False], ids=["lease over", "lease runs"])
@pytest.mark.parametrize("dead", [True, False], ids=["owner dead", "owner alive"])
@pytest.mark.parametrize("sent", [True, False], ids=["sent", "not sent"])
def test_a_lost_lease_is_taken_back_and_what_may_have_left_is_in_doubt(
    book: Book, over: bool, dead: bool, sent: bool
) -> None:
    book.add(*book.persons())
    claimed = book.claim()
    claimed = book.send(claimed) if sent else claimed
    book.now += 6 * MINUTE if over else MINUTE
    with book.store.write() as c:
        assert ledger.lease_owners(c, "model") == {"tester"}
        owners = ["tester"] if dead else []
        moved = ledger.sweep(c, platform="model", dead=owners, settling=3 * MINUTE, now=book.now)
    row = book.rows()[0]
    lost = over or dead
    state = State.SENDING if not lost else State.IN_DOUBT if sent else State.QUEUED
    assert State(row["state"]) is state
    assert sum(moved.values()) == (1 if lost else 0)
    assert row["fence"] == (2 if lost else 1)
    if lost:
        assert row["due_at"] == book.now + (3 * MINUTE if sent else timedelta())
        assert (row["lease_owner"], row["lease_until"]) == (None, None)
        assert row["code"] == ("lease_lost_open" if sent else "lease_lost")
    assert book.settle(claimed, A) == [not lost]


@pytest.mark.parametrize("event", [Event.PENDING, Event.IN_DOUBT])
def test_a_worker_lost_while_asking_gives_the_question_back(book: Book, event: Event) -> None:
    book.add(*book.persons())
    book.settle(book.send(book.claim()), event, receipt="R")
    state = State(book.rows()[0]["state"])
    late = book.send(book.claim(state=state), "poll")
    with book.store.write() as c:
        ledger.sweep(c, platform="model", dead=["tester"], settling=MINUTE, now=book.now)
    assert State(book.rows()[0]["state"]) is state
    assert book.settle(late, A) == [False]
    assert len(book.claim(state=state)) == 1


def test_an_attempt_of_an_earlier_lease_does_not_put_a_new_one_in_doubt(book: Book) -> None:
    book.add(*book.persons())
    book.settle(book.send(book.claim()), Event.RETRY)
    book.claim()
    with book.store.write() as c:
        ledger.sweep(c, platform="model", dead=["tester"], settling=MINUTE, now=book.now)
    assert book.rows()[0]["state"] == "queued"


def test_a_sweep_leaves_other_platforms_and_what_is_not_leased_alone(book: Book) -> None:
    book.add(*book.persons(2))
    book.claim(1)
    book.now += 10 * MINUTE
    with book.store.write() as c:
        assert sum(ledger.sweep(c, platform="other", dead=["tester"], settling=MINUTE, now=book.now).values()) == 0
    assert Counter(r["state"] for r in book.rows()) == {"sending": 1, "queued": 1}


@pytest.mark.parametrize("state", [State.QUEUED, State.AWAITING_ACK, State.IN_DOUBT])
def test_what_was_not_sent_after_all_is_given_back(book: Book, state: State) -> None:
    book.add(*book.persons())
    if state is not State.QUEUED:
        event = Event.PENDING if state is State.AWAITING_ACK else Event.IN_DOUBT
        book.settle(book.send(book.claim()), event, receipt="R")
    claimed = book.claim(state=state)
    with book.store.write() as c:
        ledger.give_back(c, claimed, book.now)
    row = book.rows()[0]
    assert (row["state"], row["lease_owner"], row["due_at"]) == (state, None, book.now)
    assert len(book.claim(state=state)) == 1


def test_an_old_lease_cannot_be_given_back(book: Book) -> None:
    book.add(*book.persons())
    old = book.claim()
    with book.store.write() as c:
        ledger.sweep(c, platform="model", dead=["tester"], settling=MINUTE, now=book.now)
    new = book.claim(owner="another")
    with book.store.write() as c:
        ledger.give_back(c, old, book.now)
    assert book.rows()[0]["lease_owner"] == "another"
    assert book.settle(new, A) == [True]


@pytest.mark.parametrize(
    ("event", "expected"),
    [(Event.RELEASED, ["queued", "held", "rejected"]), (Event.RESUMED, ["parked", "queued", "rejected"])],
)
def test_a_person_lets_go_what_is_parked_and_a_resume_what_is_held(
    book: Book, event: Event, expected: list[str]
) -> None:
    book.add(*book.persons(3))
    for item, outcome in zip(book.claim(), (Event.UNKNOWN, Event.HOLD, Event.REJECTED), strict=True):
        book.settle([item], outcome)
    with book.store.write() as c:
        assert ledger.let_go(c, event, book.now, platform="other") == 0
        assert ledger.let_go(c, event, book.now, platform="model") == 1
    assert [r["state"] for r in book.rows()] == expected
    assert len(book.claim()) == 1


def test_only_the_chosen_ones_are_let_go(book: Book) -> None:
    book.add(*book.persons(3))
    claimed = book.claim()
    book.settle(claimed, Event.UNKNOWN)
    with book.store.write() as c:
        assert ledger.let_go(c, Event.RELEASED, book.now, platform="model", ids=[claimed[1].id, 999]) == 1
    assert [r["state"] for r in book.rows()] == ["parked", "queued", "parked"]


def test_an_exchange_is_closed_once_and_its_first_answer_stays(book: Book) -> None:
    book.add(*book.persons())
    book.send(book.claim())
    with book.store.write() as c:
        number = c.execute(select(exchange.c.id)).scalar_one()
        for body in (b"first", b"second"):
            closing = Closing(exchange_id=number, closed_at=book.now, status=200, body=body)
            exchanges.closed(book.store.vault, [closing])(c)
        row = c.execute(select(exchange)).mappings().one()
    assert book.store.vault.open(row["response"], f"exchange.response:{number}") == b"first"
    assert row["response_digest"] == delivery_work.digest(b"first")


def test_attempts_are_written_in_the_order_of_the_request_with_their_fence(book: Book) -> None:
    book.add(*book.persons(3))
    claimed = book.send(list(reversed(book.claim())))
    with book.store.read() as c:
        rows = c.execute(select(attempt).order_by(attempt.c.position)).mappings().all()
    assert [r["id"] for r in rows] == [i.attempt_id for i in claimed]
    assert [(r["delivery_id"], r["fence"]) for r in rows] == [(i.id, 1) for i in claimed]


def test_a_record_moved_to_another_row_does_not_open(book: Book) -> None:
    book.add(*book.persons(2))
    with book.store.write() as c:
        c.execute(text("UPDATE record SET content = (SELECT content FROM record WHERE id = 1) WHERE id = 2"))
    with pytest.raises(StoreError, match=r"record\.content does not open"):
        book.claim()
    assert {r["state"] for r in book.rows()} == {"queued"}, "the claim is undone"


def test_no_payload_is_kept_before_something_is_sent(book: Book) -> None:
    book.add(*book.persons())
    [item] = book.claim()
    assert item.payload is None
    with book.store.read() as c:
        assert c.execute(select(func.count()).select_from(payload)).scalar_one() == 0
