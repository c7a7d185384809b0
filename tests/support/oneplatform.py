"""A gateway and one platform in one process, with a clock that is moved: no socket, no waiting, every request kept."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from connectors.national_market.adapter import build as national_market
from connectors.national_market.sandbox import build as national_market_sandbox
from connectors.provincial_credit.adapter import build as provincial_credit
from connectors.provincial_credit.sandbox import build as provincial_credit_sandbox
from connectors.worker_platform.adapter import build as worker_platform
from connectors.worker_platform.sandbox import build as worker_platform_sandbox
from gateway.contract.messages import WireRequest, WireResponse
from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.store import owing, platforms
from gateway.delivery.store.tables import delivery
from gateway.delivery.system import System
from gateway.domain.errors import Unanswered
from gateway.domain.records import Record
from gateway.domain.states import State
from gateway.settings import loader
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.inprocess import call

PLATFORMS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "national_market": (national_market, national_market_sandbox),
    "provincial_credit": (provincial_credit, provincial_credit_sandbox),
    "worker_platform": (worker_platform, worker_platform_sandbox),
}
URL = "http://127.0.0.1:1"
RESTING = frozenset({State.ACCEPTED, State.REJECTED, State.PARKED, State.SUPERSEDED})
Step = Callable[[Exchanger], Awaitable[Any]]


@dataclass(kw_only=True)
class OnePlatform:
    """One gateway, one store, one sandbox; ``now`` is the clock of all three."""

    store: Store
    sandbox: Any
    connector: Any
    now: datetime = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
    rng: random.Random = field(default_factory=lambda: random.Random(11))
    sent: list[WireRequest] = field(default_factory=list)
    """every request, in its order"""

    def __post_init__(self) -> None:
        self._app = self.sandbox.app()

    async def send(self, request: WireRequest) -> WireResponse:
        """As a sender: hand the request to the sandbox; no answer at all is an answer that was lost."""
        self.sent.append(request)
        answer = await call(self._app, self.connector.endpoint.base_url + request.path, request)
        if answer is None:
            raise Unanswered("reset")
        return answer

    def take(self, made: Sequence[Record]) -> None:
        """Owe records to the platform."""
        with self.store.write() as c:
            platforms.register(c, [self.connector.info.platform])
            owing.lock_records(c)
            records.add(c, self.store.vault, made, batch_id=None, now=self.now)
            owing.owe(c, self.connector.info, self.now)

    def run(self, *steps: Step) -> list[Any]:
        """One run of a command each, in their order."""

        async def sleep(seconds: float) -> None:
            self.now += timedelta(seconds=seconds)

        async def all_steps() -> list[Any]:
            edge = System(
                now=lambda: self.now,
                new_id=self.new_id,
                random_bytes=self.rng.randbytes,
                draw=self.rng.random,
                sleep=sleep,
            )
            with StoreThread(self.store) as thread:
                exchanger = Exchanger(self.connector, self, thread, edge)  # type: ignore[arg-type]
                return [await step(exchanger) for step in steps]

        return asyncio.run(all_steps())

    def new_id(self) -> str:
        """A message id of this moment."""
        random_part = people.ulid(self.rng)[10:]
        milliseconds = int(self.now.timestamp() * 1000)
        digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
        return "".join(digits[milliseconds >> 5 * place & 31] for place in range(9, -1, -1)) + random_part

    def until_quiet(self, *, rounds: int = 60) -> Counter[str]:
        """Push, poll and resolve until everything rests."""
        for _ in range(rounds):
            self.run(push, poll, resolve)
            states = self.states()
            if states.keys() <= RESTING:
                return states
            self.now += timedelta(seconds=5)
        raise AssertionError(self.states())

    def states(self) -> Counter[str]:
        with self.store.read() as c:
            return Counter(c.execute(select(delivery.c.state)).scalars())


def one_platform(name: str, store: Store, *, sandbox: dict[str, Any] | None = None, **settings: str) -> OnePlatform:
    """A gateway with one of the three platforms, by name, at its sandbox's account."""
    build, build_sandbox = PLATFORMS[name]
    clock: list[OnePlatform] = []
    stands = build_sandbox(seed=5, clock=lambda: clock[0].now if clock else OnePlatform.now, **(sandbox or {}))
    prefix = f"GATEWAY_{name.upper()}__"
    environment = {
        **stands.access(URL).environment,
        f"{prefix}BREAKER_FAILURES": "0",
        f"{prefix}BREAKER_SHARE": "0",
        **{f"{prefix}{key}": value for key, value in settings.items()},
    }
    made = OnePlatform(store=store, sandbox=stands, connector=build(loader(environment)))
    clock.append(made)
    return made
