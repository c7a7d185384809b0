"""What holds a platform back: pauses with their reasons, the audit trail, and the shared budget of slots."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from gateway.delivery.store import platforms
from gateway.delivery.store.platforms import Pause
from gateway.delivery.store.tables import platform
from gateway.store import audit as store_audit
from gateway.store.engine import Store
from gateway.store.tables import audit

NOW = datetime(2019, 4, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def pause(store: Store, code: str, **kwargs: Any) -> None:
    given = {"reason": f"because of {code}", "by": "tester", "now": NOW} | kwargs
    with store.write() as c:
        platforms.pause(c, "p", code=code, **given)


def in_force(store: Store, now: datetime = NOW) -> Pause | None:
    with store.read() as c:
        return platforms.pause_of(c, "p", now)


def trail(store: Store) -> list[tuple[str, str, str | None]]:
    with store.read() as c:
        return [
            tuple(row) for row in c.execute(select(audit.c.action, audit.c.actor, audit.c.reason).order_by(audit.c.id))
        ]


@pytest.fixture(autouse=True)
def _registered(store: Store) -> None:
    with store.write() as c:
        platforms.register(c, ["p", "q"])


def test_registering_again_adds_only_what_is_new(store: Store) -> None:
    pause(store, "keep")
    with store.write() as c:
        platforms.register(c, ["p", "q", "r"])
    with store.read() as c:
        assert platforms.registered(c) == {"p", "q", "r"}
    assert in_force(store) is not None


def test_a_pause_says_why_by_whom_and_since_when_and_holds_no_other_platform(store: Store) -> None:
    pause(store, "locked", until=NOW + HOUR)
    assert in_force(store) == Pause(code="locked", reason="because of locked", by="tester", since=NOW, until=NOW + HOUR)
    with store.read() as c:
        assert platforms.pause_of(c, "q", NOW) is None


def test_the_first_reason_stays_and_later_ones_are_only_noted(store: Store) -> None:
    pause(store, "first")
    pause(store, "second", by="other", now=NOW + HOUR)
    held = in_force(store, NOW + HOUR)
    assert held is not None
    assert (held.code, held.since) == ("first", NOW)
    assert trail(store) == [
        ("pause", "tester", "because of first"),
        ("pause_again", "other", "because of second"),
    ]


@pytest.mark.parametrize(("later", "holds"), [(HOUR - timedelta(seconds=1), True), (HOUR, False), (2 * HOUR, False)])
def test_a_pause_with_an_end_counts_until_then(store: Store, later: timedelta, holds: bool) -> None:
    pause(store, "night", until=NOW + HOUR)
    assert (in_force(store, NOW + later) is not None) is holds


def test_a_pause_whose_time_is_over_does_not_keep_a_new_one_out(store: Store) -> None:
    pause(store, "night", until=NOW + HOUR)
    pause(store, "credentials", now=NOW + 2 * HOUR)
    held = in_force(store, NOW + 3 * HOUR)
    assert held == Pause(
        code="credentials", reason="because of credentials", by="tester", since=NOW + 2 * HOUR, until=None
    )


def test_a_platform_that_was_installed_later_can_be_held(store: Store) -> None:
    with store.write() as c:
        platforms.pause(c, "new", code="x", reason="y", by="tester", now=NOW)
        assert platforms.pause_of(c, "new", NOW) is not None


def test_resuming_frees_once_and_is_noted_once(store: Store) -> None:
    pause(store, "locked")
    for expected in (True, False):
        with store.write() as c:
            assert platforms.resume(c, "p", by="chief", reason="unlocked", now=NOW) is expected
    assert in_force(store) is None
    assert trail(store)[1:] == [("resume", "chief", "unlocked")]
    pause(store, "again")
    assert in_force(store) is not None


def test_the_trail_keeps_codes_and_counts(store: Store) -> None:
    with store.write() as c:
        store_audit.note(c, at=NOW, actor="a", action="release", subject="p", detail={"count": 3, "原因": "重发"})
        row = c.execute(select(audit)).mappings().one()
    assert (row["detail"], row["at"], row["object"]) == ({"count": 3, "原因": "重发"}, NOW, "p")


def test_a_pause_that_is_rolled_back_leaves_no_trace(store: Store) -> None:
    def fail() -> None:
        with store.write() as c:
            platforms.pause(c, "p", code="x", reason="y", by="z", now=NOW)
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        fail()
    assert in_force(store) is None
    assert trail(store) == []


def test_slots_start_now_follow_at_the_interval_and_are_not_saved_up(store: Store) -> None:
    second = timedelta(seconds=1)
    with store.write() as c:
        slots = [platforms.take_slot(c, "p", second, NOW) for _ in range(3)]
        assert slots == [NOW, NOW + second, NOW + 2 * second]
        later = NOW + HOUR
        assert [platforms.take_slot(c, "p", second, later) for _ in range(2)] == [later, later + second]
        assert platforms.take_slot(c, "q", second, NOW) == NOW, "platforms have budgets of their own"


def test_two_workers_never_get_slots_closer_than_the_interval(
    store: Store, store_url: str, make_store: Callable[[str], Store]
) -> None:
    interval, taken = timedelta(milliseconds=250), []
    start = threading.Barrier(2)

    def work(own: Store) -> None:
        start.wait()
        for _ in range(15):
            with own.write() as c:
                taken.append(platforms.take_slot(c, "p", interval, NOW))

    workers = [threading.Thread(target=work, args=(own,)) for own in (store, make_store(store_url))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(taken) == 30
    assert {b - a for a, b in itertools.pairwise(sorted(taken))} == {interval}


def test_a_row_made_by_hand_without_a_slot_is_free(store: Store) -> None:
    with store.write() as c:
        c.execute(insert(platform), {"name": "z"})
        assert platforms.take_slot(c, "z", HOUR, NOW) == NOW
