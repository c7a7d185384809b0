"""A connector that raises, or gives what its contract does not know, harms the record at hand and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.contract.connector import LooksUp, NeedsToken, PollsAcks
from gateway.contract.messages import Payload, Stamp, Token, Verdict, WireRequest, WireResponse
from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.connector_guard import CONNECTOR_FAULT, guarded
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.reconcile import reconcile
from gateway.delivery.store.platforms import pause_of
from gateway.delivery.store.tables import delivery, exchange
from gateway.domain.records import Record, Worker
from gateway.domain.states import Event, State
from gateway.store.engine import Store
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.serving import running
from tests.delivery.test_push_roads import Clock, World, people_of

SECRET = "370000198606186576"


def _overflow(_: Any) -> Any:
    raise OverflowError(SECRET)


def _recursion(depth: Any) -> Any:
    return _recursion(depth)


def _memory(_: Any) -> Any:
    raise MemoryError


def _key(_: Any) -> Any:
    return {}[SECRET]


RAISING = [_overflow, _recursion, _memory, _key]
WRONG = [lambda _: None, lambda _: "text", lambda _: object(), lambda _: [], lambda _: iter(())]


def _named(value: object) -> str | None:
    """Test ids that are the same in every process: a function's own text holds its address."""
    for kind, faults in (("raising", RAISING), ("wrong", WRONG)):
        if value in faults:
            return f"{kind}{faults.index(value)}"
    return None


@dataclass(frozen=True, kw_only=True)
class Faulty(Model):
    """The model platform, failing in one method for the person whose key is named; with an empty one, for all."""

    method: str
    fault: Callable[[Any], Any]
    victim: str = ""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name != super().__getattribute__("method"):
            return found

        def failing(*given: Any) -> Any:
            return self.fault(given) if self.concerns(given) else found(*given)

        return failing

    def concerns(self, given: tuple[Any, ...]) -> bool:
        return not self.victim or self.victim in repr([getattr(one, "record", one) for one in given]) + "".join(
            str(p.record_key) for one in given for p in (one if isinstance(one, list | tuple) else [one]) if _is(p)
        )


def _is(value: object) -> bool:
    return isinstance(value, Payload)


@pytest.fixture
def make(sqlite_url: str, make_store: Callable[[str], Store]) -> Iterator[Callable[..., World]]:
    """Worlds on SQLite: what a connector does before and after the store is the same on both."""
    yield from worlds(make_store(sqlite_url))


@pytest.fixture
def make_on_both(store: Store) -> Iterator[Callable[..., World]]:
    """Worlds on SQLite and on PostgreSQL, where it counts what a database can keep or how its rows are locked."""
    yield from worlds(store)


def worlds(store: Store) -> Iterator[Callable[..., World]]:
    opened: list[Any] = []

    def made(model: type[Model] = Faulty, *, asynchronous: bool = False, **options: Any) -> World:
        import random

        clock = Clock()
        sandbox = ModelSandbox(asynchronous=asynchronous, clock=clock)
        opened.append(running(sandbox))
        url = opened[-1].__enter__()
        return World(store, sandbox, url, clock, model(base_url=url, **options), random.Random(7))

    yield made
    for one in reversed(opened):
        one.__exit__(None, None, None)


def failed(world: World) -> dict[str, tuple[str, str, str]]:
    with world.store.read() as c:
        columns = (delivery.c.record_key, delivery.c.state, delivery.c.code, delivery.c.reason)
        rows = c.execute(select(*columns).where(delivery.c.state.in_([State.PARKED, State.REJECTED]))).all()
    return {row.record_key: (row.state, row.code, row.reason) for row in rows}


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        *(("check", fault) for fault in [*RAISING, *WRONG]),
        *(("map", fault) for fault in (_recursion, WRONG[0])),
        *(("encode_push", fault) for fault in (_memory, _key, WRONG[1])),
        *(("decode_push", fault) for fault in (_recursion, WRONG[0], WRONG[3], WRONG[4])),
    ],
    ids=_named,
)
def test_only_the_record_to_blame_is_parked(
    make: Callable[..., World], caplog: pytest.LogCaptureFixture, method: str, fault: Callable[[Any], Any]
) -> None:
    persons = people_of(12)
    victim = persons[6].key
    world = make(method=method, fault=fault, victim=victim)
    world.enqueue(*persons)
    world.until_quiet()
    if method == "decode_push":
        # something left: what is in doubt is asked about, and the platform has it
        assert world.states() == {State.ACCEPTED: 12}
    else:
        assert world.states() == {State.ACCEPTED: 11, State.PARKED: 1}
        [(key, (state, code, reason))] = failed(world).items()
        assert (key, state, code) == (victim, State.PARKED, CONNECTOR_FAULT)
        assert f"the connector failed in {method}: " in reason
        assert SECRET not in reason
        if fault in RAISING:
            assert "tests.delivery.test_connector_faults:" in reason
    assert SECRET not in caplog.text
    with world.store.read() as c:
        assert min(c.execute(select(delivery.c.tries)).scalars()) >= 0, "nothing that never left counts as a try"
    world.check()


@pytest.mark.parametrize(
    ("method", "fault"),
    [("encode_lookup", _key), ("decode_lookup", _recursion), ("decode_lookup", WRONG[1])],
    ids=_named,
)
def test_a_question_that_fails_parks_its_record_and_the_others_are_settled(
    make: Callable[..., World], method: str, fault: Callable[[Any], Any]
) -> None:
    persons = people_of(4)
    world = make(method=method, fault=fault, victim=persons[1].key)
    world.enqueue(*persons)
    world.faults("timeout_after_commit")
    world.model = Faulty(
        base_url=world.url, method=method, fault=fault, victim=persons[1].key, deadline=timedelta(seconds=1)
    )
    world.run(push)
    world.clock.forward(5)
    world.run(resolve)
    assert world.states() == {State.ACCEPTED: 3, State.PARKED: 1}
    assert failed(world)[persons[1].key][1] == CONNECTOR_FAULT


@pytest.mark.parametrize("method", ["encode_ack", "decode_ack"])
def test_a_result_that_cannot_be_fetched_parks_what_is_behind_its_receipt(
    make_on_both: Callable[..., World], method: str
) -> None:
    world = make_on_both(
        asynchronous=True, method=method, fault=_overflow, victim="R1" if method == "encode_ack" else ""
    )
    world.enqueue(*people_of(12))
    world.run(push)
    world.clock.forward(1)
    [report] = world.run(poll)
    first = len([1 for _, code, _ in failed(world).values() if code == CONNECTOR_FAULT])
    assert report.outcomes["unknown"] == first
    assert first == 12 if method == "decode_ack" else first in (2, 10)
    assert {code for _, code, _ in failed(world).values()} == {CONNECTOR_FAULT}


def test_a_wrong_number_of_verdicts_is_doubt_and_not_the_end(make_on_both: Callable[..., World]) -> None:
    one = Verdict(event=Event.ACCEPTED, code="OK")
    world = make_on_both(method="decode_push", fault=lambda given: [one] * (len(given[1]) + 1))
    world.enqueue(*people_of(12))
    world.run(push)
    assert world.states() == {State.IN_DOUBT: 12}
    world.clock.forward(1)
    world.run(resolve)
    assert world.states() == {State.ACCEPTED: 12}


@pytest.mark.parametrize(
    "wrong",
    [
        Verdict(event=Event.RESUMED, code="core only"),
        Verdict(event="accepted?", code="no event"),  # type: ignore[arg-type]
        Verdict(event=Event.ACCEPTED, code=7),  # type: ignore[arg-type]
        Verdict(event=Event.RETRY, code="x", retry_after=3.5),  # type: ignore[arg-type]
        Verdict(event=Event.RETRY, code="x", retry_after=timedelta.min),
        Verdict(event=Event.REJECTED, code="x", fields=("\ud800",)),
    ],
)
def test_a_verdict_that_the_core_cannot_keep_is_doubt(make_on_both: Callable[..., World], wrong: Verdict) -> None:
    world = make_on_both(method="decode_push", fault=lambda given: [wrong] * len(given[1]))
    world.enqueue(*people_of(3))
    world.run(push)
    assert world.states() == {State.IN_DOUBT: 3}


@pytest.mark.parametrize(
    "wrong",
    [
        WireRequest(operation="x", path="no slash"),
        WireRequest(operation="x", path="/a\r\nx: y"),
        WireRequest(operation="x", headers={"a": "b\r\nc: d"}),
        WireRequest(operation="x", headers={"a": "é"}),
        WireRequest(operation="x", headers={"a": 1}),  # type: ignore[dict-item]
        WireRequest(operation="x", body="text"),  # type: ignore[arg-type]
    ],
)
def test_a_request_that_cannot_be_written_never_leaves(make: Callable[..., World], wrong: WireRequest) -> None:
    persons = people_of(3)
    world = make(method="encode_push", fault=lambda _: wrong, victim=persons[0].key)
    world.enqueue(*persons)
    world.until_quiet()
    assert world.states() == {State.ACCEPTED: 2, State.PARKED: 1}
    assert failed(world)[persons[0].key][1] == CONNECTOR_FAULT


@pytest.mark.parametrize("value", [{1: object()}, {"name": "\ud800"}, {"name": timedelta(1)}, ["no", "mapping"]])
def test_a_payload_that_cannot_be_kept_is_never_sent(make_on_both: Callable[..., World], value: Any) -> None:
    persons = people_of(3)

    def unfit(given: Any) -> Payload:
        record: Record = given[0].record
        return Payload(key="k", kind=record.kind, record_key=record.key, version=record.version, fields=value)

    world = make_on_both(method="check", fault=unfit, victim=persons[0].key)
    world.enqueue(*persons)
    world.until_quiet()
    assert world.states() == {State.ACCEPTED: 2, State.PARKED: 1}


@pytest.mark.parametrize("method", ["encode_holdings", "decode_holdings"])
def test_a_reconciliation_that_fails_says_so_in_one_line(make: Callable[..., World], method: str) -> None:
    world = make(method=method, fault=_overflow)
    world.enqueue(*people_of(3))
    push_report, report = world.run(push, reconcile)
    assert push_report.outcomes["accepted"] == 3
    assert report.stopped is not None
    assert report.stopped.startswith(f"{CONNECTOR_FAULT}: the connector failed in {method}: OverflowError at ")
    assert SECRET not in report.stopped


def test_what_cannot_be_expected_is_not_compared_and_nothing_else_is_left_out(make: Callable[..., World]) -> None:
    persons = people_of(3)
    world = make(method="expected", fault=_overflow, victim=persons[0].key)
    world.enqueue(*persons)
    _, report = world.run(push, reconcile)
    assert (report.classes["match"], report.classes["not_asked"]) == (2, 1)


@dataclass(frozen=True, kw_only=True)
class Closed(Faulty):
    """The model platform behind a login that never works."""

    def encode_login(self, previous: Token | None, stamp: Stamp, /) -> WireRequest:
        return self._request("health", {"message": stamp.message_id})

    def decode_login(self, response: WireResponse, stamp: Stamp, /) -> Token | Verdict:
        return Verdict(event=Event.REJECTED, code="E1", reason="wrong password")


@pytest.mark.parametrize("method", ["encode_login", "decode_login", "none"])
def test_a_login_that_fails_holds_the_platform_and_parks_no_record(
    make_on_both: Callable[..., World], method: str
) -> None:
    world = make_on_both(Closed, method=method, fault=_overflow)
    world.enqueue(*people_of(3))
    [report] = world.run(push)
    assert set(world.states()) <= {State.HELD, State.QUEUED}
    with world.store.read() as c:
        held = pause_of(c, "model", world.clock())
    assert held is not None
    assert held.code == ("E1" if method == "none" else CONNECTOR_FAULT)
    assert report.stopped is not None
    assert SECRET not in held.reason


def test_the_guard_has_the_connectors_abilities_and_no_others() -> None:
    plain = Model(base_url="http://127.0.0.1:9")
    behind = guarded(plain)
    assert isinstance(behind, LooksUp)
    assert isinstance(behind, PollsAcks)
    assert not isinstance(behind, NeedsToken)
    assert guarded(behind) is behind


def test_health_tells_the_fault(make: Callable[..., World]) -> None:
    world = make(method="decode_health", fault=_overflow)

    async def ask(exchanger: Exchanger) -> Any:
        connector: Any = exchanger.connector
        answer = await exchanger.ask("health", connector.encode_health, anyway=True)
        return connector.decode_health(answer.response, answer.stamp)

    [health] = world.run(ask)
    assert not health.ok
    assert "decode_health: OverflowError" in health.detail
    with world.store.read() as c:
        assert json.dumps(c.execute(select(exchange.c.failure)).scalars().all()) == "[null]"


def test_names_of_the_person_in_a_place_are_masked(make: Callable[..., World]) -> None:
    [person] = people_of(1)
    assert isinstance(person.content, Worker)
    named = type(person.content.name, (Exception,), {})

    def fail(_: Any) -> Any:
        raise named

    world = make(method="map", fault=fail)
    world.enqueue(person)
    world.run(push)
    assert person.content.name not in failed(world)[person.key][2]
