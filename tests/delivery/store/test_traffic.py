"""Traffic as the store keeps it for all workers: budgets that are never exceeded, breakers, wishes and timed pauses."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from gateway.delivery.rules.work import Closing, Opening
from gateway.delivery.store import platforms
from gateway.delivery.store.exchanges import lock_for
from gateway.delivery.store.platforms import Lane
from gateway.delivery.store.tables import exchange, platform, slot
from gateway.domain.traffic import BreakerRules, Budget, Phase, PlatformStanding, Stop, Traffic, parse
from gateway.store.batch_sql import WriteSet
from gateway.store.engine import Store
from gateway.store.tables import audit

NOW = datetime(2019, 4, 2, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
GO = "leaves"
BUDGET = Budget(requests=7, window=10 * SECOND)
RULES = Traffic(breaker=BreakerRules(failures=3, share=0, jitter=0))
LANE = Lane(platform="p", rules=RULES, probe=90 * SECOND, draw=lambda: 0.5)
HAMMER = """
import sys
from datetime import datetime, timedelta
from gateway.domain.traffic import Budget
from gateway.delivery.store import platforms
from gateway.store.engine import open_engine
now, second = datetime.fromisoformat(sys.argv[2]), timedelta(seconds=1)
engine = open_engine(sys.argv[1])
for step in range(int(sys.argv[3])):
    with engine.begin() as c:
        at = platforms.take_slot(c, "p", 0 * second, now + 0.4 * step * second, Budget(requests=7, window=10 * second))
    print(at.isoformat())
"""


@pytest.fixture(autouse=True)
def _registered(store: Store) -> None:
    with store.write() as c:
        platforms.register(c, ["p", "q"])


def opening(number: int = 1, *, anyway: bool = False) -> Opening:
    return Opening(
        platform="p",
        purpose="push",
        operation="push",
        message_id=f"M{number}",
        at=NOW,
        body=b"",
        digest="0",
        anyway=anyway,
    )


def ask(store: Store, now: datetime = NOW, *, count: int = 1, lane: Lane = LANE, anyway: bool = False) -> list[str]:
    """Ask to open exchanges: GO for each that may leave, or the code of what stops it."""
    with store.write() as c:
        wanted = [opening(n, anyway=anyway) for n in range(count)]
        locked, writes = lock_for(c, lane.platform, wanted), WriteSet()
        told = platforms.open_allowed(c, store.vault, wanted, lane, now, locked=locked, writes=writes)
        writes.execute(c)
    return [one.code if isinstance(one, Stop) else GO for one in told]


def closing(answered: bool | None, at: datetime = NOW, wish: timedelta | None = None) -> Closing:
    return Closing(exchange_id=0, closed_at=at, answered=answered, code="reset", wish=wish)


def hear(store: Store, *answers: bool | None, now: datetime = NOW, lane: Lane = LANE) -> None:
    with store.write() as c:
        closings = [closing(answered, now) for answered in answers]
        platforms.hear(c, lane, closings, now, locked=lock_for(c, lane.platform, []))


def standing(store: Store, now: datetime = NOW) -> PlatformStanding:
    with store.read() as c:
        return platforms.standing(c, "p", now)


def windows_hold(moments: Sequence[datetime], budget: Budget) -> bool:
    """Whether no window holds more requests than allowed, though each may leave late and be on its way for a while."""
    ordered = sorted(moments)
    stretch = budget.window + 2 * budget.slack
    return all(b - a >= stretch for a, b in zip(ordered, ordered[budget.requests :], strict=False))


def test_a_budget_is_kept_in_every_window_over_threads_and_stores(
    store: Store, store_url: str, make_store: Callable[[str], Store]
) -> None:
    taken: list[datetime] = []
    start = threading.Barrier(4)

    def work(own: Store, ahead: timedelta) -> None:
        start.wait()
        for step in range(15):
            with own.write() as c:
                taken.append(platforms.take_slot(c, "p", timedelta(), NOW + ahead + step * SECOND / 3, BUDGET))

    stores = [store, *(make_store(store_url) for _ in range(3))]
    workers = [threading.Thread(target=work, args=(own, n * 2 * SECOND)) for n, own in enumerate(stores)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(taken) == 60
    assert windows_hold(taken, BUDGET)


def test_a_budget_is_kept_over_processes_one_of_which_is_killed(store: Store, store_url: str) -> None:
    command = [sys.executable, "-c", HAMMER, store_url, NOW.isoformat()]
    started = [subprocess.Popen([*command, "20"], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    doomed = subprocess.Popen([*command, "1000000"], stdout=subprocess.PIPE, text=True)
    lines = [line for one in started for line in one.communicate()[0].splitlines()]
    doomed.kill()
    doomed.communicate()
    taken = [datetime.fromisoformat(line) for line in lines]
    assert len(taken) == 60
    assert windows_hold(taken, BUDGET)


def test_a_clock_that_jumps_back_gets_no_earlier_slot(store: Store) -> None:
    with store.write() as c:
        first = [platforms.take_slot(c, "p", timedelta(), NOW, BUDGET) for _ in range(7)]
        back = [platforms.take_slot(c, "p", timedelta(), NOW - timedelta(hours=1), BUDGET) for _ in range(7)]
    assert first == [NOW] * 7
    assert back == [NOW + 11 * SECOND] * 7


def test_slots_that_no_window_reaches_are_forgotten(store: Store) -> None:
    with store.write() as c:
        for step in range(50):
            platforms.take_slot(c, "p", timedelta(), NOW + step * 5 * SECOND, BUDGET)
        assert c.execute(select(func.count()).select_from(slot)).scalar_one() <= BUDGET.requests


def test_interval_and_budget_hold_together(store: Store) -> None:
    with store.write() as c:
        taken = [platforms.take_slot(c, "p", SECOND, NOW, Budget(requests=2, window=10 * SECOND)) for _ in range(4)]
    assert [(at - NOW) / SECOND for at in taken] == [0, 1, 11, 12]


def test_the_breaker_opens_for_all_workers_and_survives_a_restart(
    store: Store, store_url: str, make_store: Callable[[str], Store]
) -> None:
    hear(store, False, False)
    assert ask(store) == [GO]
    hear(store, False)
    other = make_store(store_url)
    assert ask(other, count=2) == ["breaker_open", "breaker_open"]
    known = standing(other).breaker
    assert (known.failures, known.code, known.until) == (3, "reset", NOW + 30 * SECOND)
    with other.read() as c:
        assert c.execute(select(func.count()).select_from(exchange)).scalar_one() == 1, "nothing was written down"


def test_when_its_time_is_over_one_exchange_tries_over_all_workers(
    store: Store, store_url: str, make_store: Callable[[str], Store]
) -> None:
    hear(store, False, False, False)
    later = NOW + 30 * SECOND
    start = threading.Barrier(4)
    told: list[str] = []

    def work(own: Store) -> None:
        start.wait()
        told.extend(ask(own, later, count=3))

    workers = [threading.Thread(target=work, args=(make_store(store_url),)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(told) == [*["breaker_open"] * 11, GO]


@pytest.mark.parametrize(
    ("answered", "then"),
    [(True, [GO, GO]), (False, ["breaker_open"] * 2), (None, [GO, "breaker_open"])],
    ids=["answered", "failed", "says nothing"],
)
def test_the_try_decides(store: Store, answered: bool | None, then: list[str]) -> None:
    hear(store, False, False, False)
    later = NOW + 30 * SECOND
    assert ask(store, later) == [GO]
    hear(store, answered, now=later)
    assert ask(store, later, count=2) == then


def test_a_try_whose_worker_died_makes_room_for_another(store: Store) -> None:
    hear(store, False, False, False)
    later = NOW + 30 * SECOND
    assert ask(store, later) == [GO]
    assert ask(store, later + 89 * SECOND) == ["breaker_open"]
    assert ask(store, later + 90 * SECOND) == [GO]


def test_an_answer_closes_it_and_both_are_noted(store: Store) -> None:
    hear(store, False, False, False)
    hear(store, True, now=NOW + SECOND)
    assert standing(store).breaker.phase(NOW) is Phase.CLOSED
    with store.read() as c:
        trail = c.execute(select(audit.c.action, audit.c.reason).order_by(audit.c.id)).all()
    assert trail == [("breaker_open", "reset"), ("breaker_closed", None)]


def test_failures_count_in_a_row_only(store: Store) -> None:
    hear(store, False, False, True, False, None, False)
    assert (standing(store).breaker.failures, ask(store)) == (2, [GO])


def test_half_of_the_last_exchanges_without_an_answer_open_it(store: Store) -> None:
    lane = replace(LANE, rules=Traffic(breaker=BreakerRules(failures=1000, sample=10, jitter=0)))
    outcomes = ["reset", None] * 5 + ["held"] * 9
    rows = [
        {
            "platform": "p",
            "purpose": "push",
            "operation": "x",
            "message_id": "m",
            "opened_at": NOW - n * SECOND,
            "request_digest": "0",
            "closed_at": NOW,
            "status": None if failure else 200,
            "failure": failure,
        }
        for n, failure in enumerate(outcomes)
    ]
    with store.write() as c:
        c.execute(exchange.insert(), rows[1:])
    hear(store, False, lane=lane)
    assert standing(store).breaker.phase(NOW) is Phase.CLOSED, "four of nine"
    with store.write() as c:
        c.execute(exchange.insert(), rows[:1])
    hear(store, False, lane=lane)
    assert standing(store).breaker.phase(NOW) is Phase.OPEN


def test_a_person_may_ask_in_spite_of_breaker_and_pause_but_not_in_maintenance(store: Store) -> None:
    hear(store, False, False, False)
    with store.write() as c:
        platforms.pause(c, "p", code="operator", reason="x", by="y", now=NOW)
    assert ask(store) == ["operator"]
    assert ask(store, anyway=True) == [GO]
    closed = replace(LANE, rules=replace(RULES, maintenance=(parse("17:00-17:30"),)))
    assert ask(store, anyway=True, lane=closed) == ["maintenance"]


def test_a_wish_holds_everybody_until_it_is_over_and_the_longest_counts(store: Store) -> None:
    with store.write() as c:
        for seconds in (60, 20):
            locked = lock_for(c, LANE.platform, [])
            platforms.hear(c, LANE, [closing(None, wish=seconds * SECOND)], NOW, locked=locked)
    assert standing(store).not_before == NOW + 60 * SECOND
    assert ask(store, NOW + 59 * SECOND) == ["asked_to_wait"]
    assert ask(store, NOW + 60 * SECOND) == [GO]


def test_a_platform_without_a_row_stands_free(store: Store) -> None:
    with store.read() as c:
        assert platforms.standing(c, "nowhere", NOW) == PlatformStanding()


def test_a_timed_pause_ends_once_and_is_noted(store: Store) -> None:
    with store.write() as c:
        platforms.pause(c, "p", code="operator", reason="night", by="x", now=NOW, until=NOW + SECOND)
        platforms.pause(c, "q", code="LOCKED", reason="account", by="gateway", now=NOW)
        assert not platforms.end_pause(c, "p", NOW)
        assert [platforms.end_pause(c, "p", NOW + SECOND) for _ in range(2)] == [True, False]
        assert not platforms.end_pause(c, "q", NOW + timedelta(days=400)), "one without an end needs a person"
        assert c.execute(select(platform.c.paused).order_by(platform.c.name)).scalars().all() == [False, True]
        assert c.execute(select(audit.c.actor, audit.c.action)).all()[-1] == ("gateway", "resume")


def test_a_breakers_state_that_was_cleared_by_hand_is_a_closed_one(store: Store) -> None:
    hear(store, False, False, False)
    with store.write() as c:
        c.execute(update(platform).values(open_until=None, failures=0))
    assert ask(store, count=2) == [GO, GO]
