"""A listener believes nothing and pulls rarely: replays and floods of hints cost a bounded number of pulls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from gateway.contract.hints import Hint, HintRefusal, HintTerms
from gateway.contract.messages import WireRequest, WireResponse
from gateway.credit import hints
from gateway.credit.hints import Listener, pull_when_hinted

NOW = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
TERMS = HintTerms(body_bytes=100, remembered=timedelta(minutes=15), spacing=timedelta(seconds=60))
STATUS = {HintRefusal.TOO_LARGE: 413, HintRefusal.REPLAYED: 401, HintRefusal.BUSY: 429}


@dataclass
class Platform:
    """Takes every body as a nonce, but the empty one."""

    hints: HintTerms | None = TERMS

    def decode_hint(self, request: WireRequest, now: datetime, /) -> Hint | WireResponse:
        return Hint(nonce=request.body.decode()) if request.body else WireResponse(status=403)

    def encode_hint_answer(self, refusal: HintRefusal | None, /) -> WireResponse:
        return WireResponse(status=202 if refusal is None else STATUS[refusal])


@dataclass
class World:
    """A listener under a clock of its own."""

    now: datetime = NOW
    listener: Listener = field(init=False)

    def __post_init__(self) -> None:
        self.listener = Listener(connector=Platform(), terms=TERMS, now=lambda: self.now)

    def hear(self, body: bytes) -> int:
        return self.listener.hear(WireRequest(operation="hint", body=body)).status


def test_a_good_hint_makes_a_pull_due_and_a_refused_one_does_not() -> None:
    world = World()
    assert (world.hear(b""), world.listener.due.is_set()) == (403, False)
    assert (world.hear(b"x" * 101), world.listener.due.is_set()) == (413, False)
    assert (world.hear(b"1"), world.listener.due.is_set()) == (202, True)


def test_a_replay_is_refused_until_its_time_alone_refuses_it() -> None:
    world = World()
    assert world.hear(b"1") == 202
    world.listener.due.clear()
    for minutes in (0, 14):
        world.now = NOW + timedelta(minutes=minutes)
        assert world.hear(b"1") == 401
    assert not world.listener.due.is_set()
    world.now = NOW + timedelta(minutes=15)
    assert world.hear(b"1") == 202


def test_no_more_nonces_are_remembered_than_agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "MOST", 3)
    world = World()
    assert [world.hear(str(n).encode()) for n in range(5)] == [202, 202, 202, 429, 429]
    world.now += timedelta(minutes=15)
    assert world.hear(b"5") == 202


def pulled(count: int, during: Callable[[World, int], None]) -> tuple[int, list[float]]:
    """Pulls and rests until nothing is due any more; ``during`` is called within each pull."""
    world = World()
    for number in range(count):
        world.hear(f"before {number}".encode())
    pulls = 0
    rests: list[float] = []

    async def pull() -> None:
        nonlocal pulls
        pulls += 1
        during(world, pulls)

    async def sleep(seconds: float) -> None:
        rests.append(seconds)
        if not world.listener.due.is_set():
            raise asyncio.CancelledError

    async def run() -> None:
        await pull_when_hinted(world.listener, pull, sleep)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
    return pulls, rests


def test_a_thousand_hints_before_a_pull_are_one_pull() -> None:
    assert pulled(1000, lambda world, number: None) == (1, [60.0])


def test_a_hint_during_a_pull_makes_one_more_after_a_rest() -> None:
    def flood(world: World, number: int) -> None:
        if number == 1:
            for n in range(100):
                world.hear(f"during {n}".encode())

    assert pulled(1, flood) == (2, [60.0, 60.0])
