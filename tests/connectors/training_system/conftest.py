"""The connector over each way at the example owner, without a socket: a carrier, and rounds of the owner's work."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ulid import ULID

from connectors.training_system.adapter import build
from connectors.training_system.sandbox import build as build_owner
from gateway.contract.messages import Stamp, WireRequest, WireResponse
from gateway.settings import loader
from gateway.testing.owner import OwnerSandbox
from gateway.transport.carrier import carrier_for

PREFIX = "GATEWAY_TRAINING_SYSTEM__"


@dataclass(kw_only=True)
class Bench:
    """A connector, its owner, and the carrier between them."""

    connector: Any
    owner: OwnerSandbox
    environment: dict[str, str]
    now: datetime = datetime(2026, 11, 30, 1, 0, tzinfo=UTC)
    rng: random.Random = field(default_factory=lambda: random.Random(4))

    def ask(self, request: WireRequest) -> WireResponse:
        async def carried() -> WireResponse:
            async with carrier_for(self.connector.endpoint) as carrier:
                return await carrier.send(request)

        return asyncio.run(carried())

    def stamp(self, about: str | None = None) -> Stamp:
        self.now += timedelta(seconds=1)
        message = ULID.from_bytes(int(self.now.timestamp() * 1000).to_bytes(6, "big") + self.rng.randbytes(10))
        return Stamp(message_id=str(message), now=self.now, nonce=self.rng.randbytes(16), about=about)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """A bench of one way; keyword arguments are further settings."""
    owners: list[OwnerSandbox] = []

    def made(dialect: str = "files", **settings: str) -> Bench:
        owners.append(build_owner(dialect=dialect, state=tmp_path / f"{dialect}{len(owners)}"))
        given = {f"{PREFIX}{name.upper()}": value for name, value in settings.items()}
        environment = {**owners[-1].access("http://127.0.0.1:1").environment, **given}
        return Bench(connector=build(loader(environment)), owner=owners[-1], environment=environment)

    yield made
    for owner in owners:
        owner.books.close()
