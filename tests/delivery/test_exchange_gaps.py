"""Leases while a message is on its way, tokens that end in mid-push, and refusals inside a reconciliation."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from gateway.contract.connector import TOKEN_REFUSED
from gateway.contract.messages import HoldingsPage, Stamp, Token, Verdict, WireRequest, WireResponse
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import _claim_size, claim, push
from gateway.delivery.reconcile import reconcile
from gateway.delivery.store import platforms
from gateway.delivery.store.tables import delivery, exchange, reconciliation
from gateway.delivery.traffic_guard import TrafficGuard
from gateway.domain.states import Event, State
from gateway.domain.traffic import Budget, Traffic
from gateway.store.engine import Store
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.serving import running
from tests.delivery.test_push_roads import Clock, World, people_of

SECOND = timedelta(seconds=1)


@pytest.fixture
def make(store: Store) -> Iterator[Callable[..., World]]:
    opened: list[Any] = []

    def made(model: type[Model] = Model, **options: Any) -> World:
        clock = Clock()
        sandbox = ModelSandbox(clock=clock)
        opened.append(running(sandbox))
        url = opened[-1].__enter__()
        return World(store, sandbox, url, clock, model(base_url=url, **options), random.Random(7))

    yield made
    for one in reversed(opened):
        one.__exit__(None, None, None)


def test_a_message_prolongs_its_own_leases_and_no_others(make: Callable[..., World]) -> None:
    world = make(batch_max=1, interval=SECOND)
    world.enqueue(*people_of(3))
    leases: list[dict[int, timedelta]] = []

    async def step(exchanger: Exchanger) -> None:
        held = await claim(exchanger, State.QUEUED, 3, 90 * SECOND)
        first = held[0]
        item = exchanger.connector.check(_submission(first), exchanger.connector.map(_submission(first)))
        await exchanger.exchange(
            "push",
            lambda stamp: exchanger.connector.encode_push([item], stamp),  # type: ignore[list-item]
            replay_safe=False,
            carries=[first],
            payloads=[item],  # type: ignore[list-item]
        )
        with world.store.read() as c:
            rows = c.execute(select(delivery.c.id, delivery.c.lease_until).order_by(delivery.c.id)).all()
        leases.append({row.id: row.lease_until - world.clock() for row in rows})

    world.model = replace(world.model, deadline=200 * SECOND)
    world.run(step)
    [now] = leases
    assert now[1] == 200 * SECOND + timedelta(minutes=1)
    assert now[2] == now[3] == 90 * SECOND


def _submission(item: Any) -> Any:
    from gateway.domain.records import Submission

    return Submission(platform="model", record=item.record, replaces=item.replaces)


def test_a_message_whose_lease_was_lost_is_not_sent_and_the_others_are(make: Callable[..., World]) -> None:
    world = make(batch_max=1, connections=1)
    persons = people_of(3)
    world.enqueue(*persons)

    @dataclass(frozen=True, kw_only=True)
    class Losing(Model):
        def encode_push(self, payloads: Any, stamp: Stamp, /) -> WireRequest:
            if payloads[0].record_key == persons[0].key:
                with world.store.write() as c:
                    mine = delivery.c.record_key == persons[0].key
                    c.execute(update(delivery).where(mine).values(fence=delivery.c.fence + 1))
            return super().encode_push(payloads, stamp)

    world.model = Losing(base_url=world.url, batch_max=1, connections=1)
    world.run(push)
    with world.store.read() as c:
        assert Counter(c.execute(select(exchange.c.purpose)).scalars()) == {"push": 2}
        states = dict(c.execute(select(delivery.c.record_key, delivery.c.state)).all())
    assert states == {persons[0].key: "sending", persons[1].key: "accepted", persons[2].key: "accepted"}
    assert world.effects()["counts"]["persons"] == 2


@dataclass(frozen=True, kw_only=True)
class Guarded(Model):
    """The model platform behind a login; it refuses the first token from its third use on."""

    used: Counter[str]

    def encode_login(self, previous: Token | None, stamp: Stamp, /) -> WireRequest:
        return self._request("health", {"message": stamp.message_id})

    def decode_login(self, response: WireResponse, stamp: Stamp, /) -> Token | Verdict:
        self.used["logins"] += 1
        end = stamp.now + timedelta(hours=1)
        return Token(values={"no": str(self.used["logins"])}, expires_at=end, renew_at=end)

    def decode_push(self, response: WireResponse, payloads: Any, stamp: Stamp, /) -> Any:
        assert stamp.token is not None
        if stamp.token.values["no"] == "1" and self.used["pushes"] >= 2:
            return [Verdict(event=Event.RETRY, code=TOKEN_REFUSED, reason="the token ended")] * len(payloads)
        self.used["pushes"] += 1
        return super().decode_push(response, payloads, stamp)


def test_a_token_refused_in_mid_push_costs_exactly_one_login(make: Callable[..., World]) -> None:
    used: Counter[str] = Counter()
    world = make(Guarded, used=used, batch_max=1, connections=1, interval=SECOND)
    world.enqueue(*people_of(6))
    world.run(push)
    assert used["logins"] == 2
    assert world.states() == {State.ACCEPTED: 6}


@pytest.mark.parametrize(
    ("interval", "budget", "expected"),
    [
        (0, None, 0),
        (2, None, 2),
        (0, Budget(requests=10, window=60 * SECOND), 6),
        (2, Budget(requests=10, window=60 * SECOND), 6),
        (9, Budget(requests=10, window=60 * SECOND), 9),
    ],
)
def test_the_slower_of_pace_and_budget_sets_the_interval_and_the_claim(
    make: Callable[..., World], interval: int, budget: Budget | None, expected: int
) -> None:
    world = make(interval=interval * SECOND, traffic=Traffic(budget=budget), batch_max=3)

    async def sizes(exchanger: Exchanger) -> tuple[timedelta, int, int, int]:
        gate: TrafficGuard = exchanger.gate
        minute = timedelta(minutes=1)
        return (
            gate.interval,
            _claim_size(exchanger, 500, minute),
            _claim_size(exchanger, 4, minute),
            _claim_size(exchanger, 500, SECOND),
        )

    [(found, many, few, short)] = world.run(sizes)
    assert found == expected * SECOND
    assert many == (500 if not expected else 30 // expected * 3)
    assert few == (4 if not expected or 30 // expected * 3 > 4 else 30 // expected * 3)
    assert short == (500 if not expected else 1)


@pytest.mark.parametrize("circle", [["a"] * 9, ["a", "b", "a"]])
def test_a_listing_that_comes_back_to_a_page_ends_at_once(make: Callable[..., World], circle: list[str]) -> None:
    asked: list[str | None] = []

    @dataclass(frozen=True, kw_only=True)
    class Circling(Model):
        def encode_holdings(self, cursor: str | None, payload: Any, stamp: Stamp, /) -> WireRequest:
            asked.append(cursor)
            return super().encode_holdings(None, payload, stamp)

        def decode_holdings(self, response: WireResponse, payload: Any, stamp: Stamp, /) -> HoldingsPage | Verdict:
            return HoldingsPage(holdings=(), next_cursor=circle[len(asked) - 1])

    world = make(Circling)
    world.enqueue(*people_of(2))
    [report] = world.run(reconcile)
    assert report.stopped is not None
    assert report.stopped.startswith("cursor_repeated: ")
    assert len(asked) == len(set(asked)) <= 3
    with world.store.read() as c:
        assert c.execute(select(reconciliation.c.id)).all() == []


def test_a_platform_that_is_held_is_not_reconciled_and_keeps_its_last_run(make: Callable[..., World]) -> None:
    world = make()
    world.enqueue(*people_of(2))
    world.run(push, reconcile)
    with world.store.write() as c:
        platforms.register(c, ["bystander"])
        platforms.pause(c, "model", code="operator", reason="night", by="tester", now=world.clock())
    before = world.effects()["counts"]["requests"]
    [report] = world.run(reconcile)
    assert report.stopped == "operator: night"
    assert report.run is None
    assert world.effects()["counts"]["requests"] == before
    with world.store.read() as c:
        assert len(c.execute(select(reconciliation.c.id)).all()) == 1


def test_a_platform_held_while_it_is_listed_stops_the_reconciliation(make: Callable[..., World]) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Pausing(Model):
        def decode_holdings(self, response: WireResponse, payload: Any, stamp: Stamp, /) -> HoldingsPage | Verdict:
            with world.store.write() as c:
                platforms.pause(c, "model", code="operator", reason="now", by="tester", now=world.clock())
            return super().decode_holdings(response, payload, stamp)

    world = make(Pausing)
    world.enqueue(*people_of(2))
    [report] = world.run(reconcile)
    assert report.stopped == "operator: now"
    assert report.run is None


def test_nothing_is_asked_of_a_platform_that_shows_no_holdings(make: Callable[..., World]) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Silent(Model):
        @property
        def info(self) -> Any:
            return replace(super().info, holdings_by=None)

    [report] = make(Silent).run(reconcile)
    assert report.stopped == "the platform's holdings cannot be read"
