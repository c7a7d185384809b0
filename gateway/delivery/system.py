"""What varies from call to call, drawn outside: clock, identifiers, random numbers, waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.delivery.rules.crashpoints import Point, nobody


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
