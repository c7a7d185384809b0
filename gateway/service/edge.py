"""What an exchange begins with and what comes of it: everything that varies from call to call, and the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from gateway.contract.messages import Stamp, Verdict, WireResponse
from gateway.domain.crashpoints import Point, nobody
from gateway.domain.traffic import Stop
from gateway.store.exchanges import Closing


@dataclass(frozen=True, kw_only=True)
class Edge:
    """What varies from call to call, drawn at the edge: clock, random numbers, identifiers, waiting."""

    now: Callable[[], datetime]
    new_id: Callable[[], str]
    """a fresh ULID"""
    random_bytes: Callable[[int], bytes]
    draw: Callable[[], float]
    """a number in [0, 1)"""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    reach: Callable[[Point], None] = nobody
    """told of every crash point that is passed"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of one request. ``verdict`` is set where no usable answer came; then nothing is to be decoded."""

    exchange_id: int
    stamp: Stamp
    attempt_ids: tuple[int, ...] = ()
    response: WireResponse | None = field(default=None, repr=False)
    verdict: Verdict | None = None
    closing: Closing | None = None
    stop: Stop | None = None
    """nothing was written down nor sent, because the platform takes nothing now; what it carried just waits"""
