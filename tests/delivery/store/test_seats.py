"""Seats of a platform's connections in the store: never more than it allows, given back by the dead, shared fairly."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from gateway.delivery.store import platforms, seats, waiting_views
from gateway.delivery.store.seats import Door, Share
from gateway.delivery.store.tables import seat
from gateway.store.engine import Store

NOW = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
LEASE = timedelta(minutes=3)


@dataclass
class Ward:
    """Doors to one platform with four connections, and what is on the wire through each."""

    store: Store
    now: datetime = NOW
    used: dict[str, int] = field(default_factory=dict)

    def ask(self, key: str, want: int = 9, *, yields: bool = False) -> Share:
        door = Door(platform="model", key=key, most=4, lease=LEASE)
        with self.store.write() as c:
            return seats.share(c, door, want=want, hold=lambda _: self.used.get(key, 0), now=self.now, yields=yields)

    def leave(self, key: str) -> None:
        with self.store.write() as c:
            seats.leave(c, Door(platform="model", key=key, most=4, lease=LEASE))

    def granted(self) -> dict[str, int]:
        with self.store.read() as c:
            return {row.door: row.granted for row in c.execute(select(seat).order_by(seat.c.id))}


@pytest.fixture
def ward(store: Store) -> Ward:
    with store.write() as c:
        platforms.register(c, ["model", "other"])
    return Ward(store)


def test_one_alone_gets_what_it_wants_and_a_second_what_is_left(ward: Ward) -> None:
    assert ward.ask("a", 3) == Share(seats=3, until=NOW + LEASE, short=False)
    assert ward.ask("b").seats == 1
    assert ward.granted() == {"a": 3, "b": 1}


def test_what_is_on_the_wire_stays_counted_until_it_is_back(ward: Ward) -> None:
    ward.ask("a")
    ward.used["a"] = 4
    assert ward.ask("b").seats == 0
    assert ward.ask("a").seats == 2, "nothing new beyond its fair share"
    assert ward.granted() == {"a": 4, "b": 0}
    assert ward.ask("b").seats == 0
    ward.used["a"] = 2
    ward.ask("a")
    assert ward.ask("b").seats == 2


def test_a_share_that_is_not_renewed_ends(ward: Ward) -> None:
    ward.ask("a")
    ward.now += LEASE - timedelta(seconds=1)
    assert ward.ask("b").seats == 0
    ward.now += timedelta(seconds=2)
    assert ward.ask("b").seats == 4


def test_one_that_only_waits_is_forgotten_soon(ward: Ward) -> None:
    ward.ask("a", 4)
    ward.ask("b")
    ward.now += seats.WAITING + timedelta(seconds=1)
    assert ward.ask("a").seats == 4


def test_the_seats_of_a_process_that_is_gone_are_free_at_once(ward: Ward) -> None:
    ward.ask("a")
    with ward.store.write() as c:
        mine = c.execute(select(seat.c.owner)).scalar_one()
        head, _, _ = mine.rpartition("/")
        c.execute(update(seat).values(owner=f"{head}/1"))
    assert ward.ask("b").seats == 4


def test_who_leaves_gives_everything_back(ward: Ward) -> None:
    ward.ask("a")
    ward.leave("a")
    assert ward.granted() == {}


def test_with_fewer_seats_than_workers_the_ones_that_had_a_turn_go_to_the_end(ward: Ward) -> None:
    for key in "abcd":
        assert ward.ask(key, 1).seats == 1
    assert ward.ask("e", 1).seats == 0
    assert ward.ask("b", 1).seats == 1, "its turn is not over"
    assert ward.ask("b", 1, yields=True).seats == 0
    assert ward.ask("e", 1).seats == 1
    assert ward.ask("b", 1).seats == 0


def test_a_turn_does_not_end_while_nobody_waits(ward: Ward) -> None:
    ward.ask("a")
    assert ward.ask("a", yields=True).seats == 4


def test_platforms_do_not_share(ward: Ward) -> None:
    ward.ask("a")
    other = Door(platform="other", key="b", most=4, lease=LEASE)
    with ward.store.write() as c:
        assert seats.share(c, other, want=4, hold=lambda _: 0, now=NOW).seats == 4
        assert seats.taken(c, "other", NOW) == 4
        assert seats.taken(c, "other", NOW + LEASE) == 0


def test_who_waits_says_that_all_connections_are_in_use_or_when_its_turn_comes(ward: Ward) -> None:
    def why() -> tuple[str, datetime | None] | None:
        with ward.store.read() as c:
            stop = waiting_views.queue(c, "model", ward.now)
        return None if stop is None else (stop.code, stop.until)

    assert why() is None
    ward.ask("a", 4)
    assert why() is None
    ward.ask("b")
    assert why() == ("in_flight", None)
    ward.leave("a")
    ward.leave("b")
    with ward.store.write() as c:
        platforms.take_slot(c, "model", timedelta(seconds=9), NOW)
    assert why() == ("paced", NOW + timedelta(seconds=9))
    ward.now += timedelta(seconds=9)
    assert why() is None


def test_asked_at_the_same_time_there_are_never_more_than_the_platform_allows(
    ward: Ward, store_url: str, make_store: Callable[[str], Store]
) -> None:
    wards = [replace(ward, store=make_store(store_url)) for _ in range(4)]
    got: dict[int, int] = {}

    def ask(number: int) -> None:
        got[number] = wards[number].ask(f"d{number}").seats

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sum(got.values()) == 4
