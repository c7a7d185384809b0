"""What stands between us and the platform blames no record; two broken answers in a row hold the platform."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from gateway.codec.replies import breaks_contract, for_each
from gateway.contract.messages import Payload, Stamp, Verdict, WireRequest, WireResponse
from gateway.delivery.acknowledge import poll
from gateway.delivery.push import push
from gateway.delivery.reconcile import reconcile
from gateway.delivery.store.platforms import pause_of
from gateway.delivery.store.tables import delivery, exchange
from gateway.domain.states import State
from gateway.domain.traffic import BreakerRules, Traffic, waits
from gateway.store.engine import Store
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.serving import running
from tests.delivery.test_push_roads import Clock, World, people_of

NO_BREAKER = Traffic(breaker=BreakerRules(failures=0, share=0))
PLAN = waits(1, 1, jitter=0)


class Between(ModelSandbox):
    """The model platform behind a proxy that answers for it as long as it is told to."""

    status: int | None = None
    only: str = ""
    """a record key without which requests pass"""

    def handle(self, request: Request, body: bytes, fault: str | None) -> Response:
        if self.status is not None and self.only.encode() in body:
            return Response("<html>moved</html>", status_code=self.status, media_type="text/html")
        return super().handle(request, body, fault)


@pytest.fixture
def make(store: Store) -> Iterator[Callable[..., World]]:
    opened: list[Any] = []

    def made(model: type[Model] = Model, *, replay_safe: bool = True, asynchronous: bool = False, **more: Any) -> World:
        clock = Clock()
        sandbox = Between(replay_safe=replay_safe, asynchronous=asynchronous, clock=clock)
        opened.append(running(sandbox))
        url = opened[-1].__enter__()
        settings = {"retry": PLAN, "polls": PLAN, "traffic": NO_BREAKER, "batch_max": 1, "connections": 1} | more
        platform = model(base_url=url, replay_safe=replay_safe, **settings)
        return World(store, sandbox, url, clock, platform, random.Random(7))

    yield made
    for one in reversed(opened):
        one.__exit__(None, None, None)


def held(world: World) -> tuple[str, str] | None:
    with world.store.read() as c:
        pause = pause_of(c, "model", world.clock())
    return None if pause is None else (pause.code, pause.reason)


def rounds(world: World, step: Any, count: int) -> list[Any]:
    reports = []
    for _ in range(count):
        reports += world.run(step)
        world.clock.forward(5)
    return reports


@pytest.mark.parametrize("status", [301, 404, 413])
def test_what_stands_between_is_retried_and_then_holds_the_platform(make: Callable[..., World], status: int) -> None:
    world = make()
    world.enqueue(*people_of(3))
    world.sandbox.status = status  # type: ignore[attr-defined]
    world.run(push)
    assert world.states() == {State.QUEUED: 3}
    reports = rounds(world, push, 4)
    assert State.PARKED not in world.states()
    assert held(world) is not None
    code, reason = held(world) or ("", "")
    assert code == f"http_{status}"
    assert "no answer of the platform's own" in reason
    assert reports[-1].stopped is not None

    world.sandbox.status = None  # type: ignore[attr-defined]
    resume(world)
    world.until_quiet()
    assert world.states() == {State.ACCEPTED: 3}


def resume(world: World) -> None:
    from gateway.delivery.store import ledger, platforms
    from gateway.domain.states import Event

    with world.store.write() as c:
        platforms.resume(c, "model", by="test", reason=None, now=world.clock())
        ledger.let_go(c, Event.RESUMED, world.clock(), platform="model")


def test_a_record_that_alone_does_not_get_through_is_parked_and_the_platform_goes_on(
    make: Callable[..., World],
) -> None:
    world = make()
    first, *others = people_of(4)
    world.enqueue(first)
    world.sandbox.status, world.sandbox.only = 404, first.key  # type: ignore[attr-defined]
    for other in others:
        world.run(push)
        world.clock.forward(5)
        world.enqueue(other)
    world.run(push)
    assert world.states() == {State.ACCEPTED: 3, State.PARKED: 1}
    assert held(world) is None


def test_it_is_asked_about_where_a_repeat_could_double(make: Callable[..., World]) -> None:
    world = make(replay_safe=False)
    world.enqueue(*people_of(2))
    world.sandbox.status = 404  # type: ignore[attr-defined]
    world.run(push)
    assert world.states() == {State.IN_DOUBT: 2}
    world.sandbox.status = None  # type: ignore[attr-defined]
    world.until_quiet()
    assert world.states() == {State.ACCEPTED: 2}
    world.check()


def test_results_that_cannot_be_fetched_hold_the_platform_too(make: Callable[..., World]) -> None:
    world = make(asynchronous=True)
    world.enqueue(*people_of(1))
    world.run(push)
    world.sandbox.status = 405  # type: ignore[attr-defined]
    world.clock.forward(2)
    rounds(world, poll, 4)
    assert world.states() == {State.AWAITING_ACK: 1}
    assert (held(world) or ("", ""))[0] == "http_405"


def test_the_breaker_counts_them_as_no_answer(make: Callable[..., World]) -> None:
    rules = BreakerRules(failures=3, share=0, jitter=0)
    world = make(traffic=Traffic(breaker=rules))
    world.enqueue(*people_of(9))
    world.sandbox.status = 308  # type: ignore[attr-defined]
    [report] = world.run(push)
    assert world.effects()["counts"]["requests"] == 3
    assert "breaker_open" in (report.stopped or "")
    share = replace(rules, failures=99, share=0.5, sample=4)
    world = make(traffic=Traffic(breaker=share), retry=waits(0.1, then=0.1, jitter=0))
    world.enqueue(*people_of(9, seed=8))
    world.sandbox.status = 404  # type: ignore[attr-defined]
    rounds(world, push, 2)
    [report] = world.run(push)
    assert "breaker_open" in (report.stopped or "")


@dataclass(frozen=True, kw_only=True)
class Strict(Model):
    """A model platform whose contract asks for more than its answers hold; ``kept`` records keep it."""

    kept: frozenset[str] = frozenset()

    def decode_push(self, response: WireResponse, payloads: Any, stamp: Stamp, /) -> Any:
        if payloads[0].record_key in self.kept:
            return super().decode_push(response, payloads, stamp)
        return for_each(breaks_contract("schema", "the answer breaks its schema", replay_safe=True), payloads)


def test_two_answers_in_a_row_that_break_the_contract_hold_the_platform(make: Callable[..., World]) -> None:
    world = make(Strict)
    world.enqueue(*people_of(9))
    [report] = world.run(push)
    assert world.effects()["counts"]["requests"] == 2
    code, reason = held(world) or ("", "")
    assert code == "broken_replies"
    assert "last: schema" in reason
    assert report.stopped is not None
    assert world.states() == {State.QUEUED: 9}
    world.clock.forward(5)
    world.run(push)
    assert world.effects()["counts"]["requests"] == 2, "not sent a third time"


def test_an_answer_that_keeps_the_contract_between_them_begins_the_count_anew(make: Callable[..., World]) -> None:
    persons = people_of(3)
    world = make(Strict, kept=frozenset({persons[1].key}))
    for person in persons:
        world.enqueue(person)
        world.clock.forward(0.01)
    world.run(push)
    assert held(world) is None
    assert world.states() == {State.ACCEPTED: 1, State.QUEUED: 2}


def test_the_count_outlives_the_process(make: Callable[..., World]) -> None:
    world = make(Strict)
    for person in people_of(2):
        world.enqueue(person)
        world.run(lambda e: push(e, limit=1))
    assert (held(world) or ("", ""))[0] == "broken_replies"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_a_request_without_delivery_holds_the_platform(make: Callable[..., World], status: int) -> None:
    world = make()
    world.enqueue(*people_of(2))
    world.run(push)
    world.sandbox.status = status  # type: ignore[attr-defined]
    [report] = world.run(reconcile)
    assert (held(world) or ("", ""))[0] == f"http_{status}"
    assert f"http_{status}" in (report.stopped or "")


@dataclass(frozen=True, kw_only=True)
class Locked(Model):
    """A model platform that says in its own words that the account is locked, to whoever asks for its holdings."""

    def decode_holdings(self, response: WireResponse, payload: Payload | None, stamp: Stamp, /) -> Any:
        from gateway.domain.states import Event

        return Verdict(event=Event.HOLD, code="LOCKED", reason="the account is locked")


def test_a_hold_in_the_platforms_own_words_without_delivery_holds_it(make: Callable[..., World]) -> None:
    world = make(Locked)
    world.enqueue(*people_of(1))
    world.run(push, reconcile)
    assert held(world) == ("LOCKED", "the account is locked")
    with world.store.read() as c:
        assert c.execute(select(exchange.c.purpose)).scalars().all() == ["push", "holdings"]
        assert c.execute(select(delivery.c.state)).scalars().all() == [State.ACCEPTED]


def test_a_request_without_delivery_that_cannot_be_written_says_so(make: Callable[..., World]) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Unwritten(Model):
        def encode_holdings(self, cursor: str | None, payload: Payload | None, stamp: Stamp, /) -> WireRequest:
            raise KeyError("x")

    world = make(Unwritten)
    [report] = world.run(reconcile)
    assert "connector_error" in (report.stopped or "")
