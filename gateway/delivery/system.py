"""What varies from call to call, drawn outside: clock, identifiers, random numbers, waiting; named crash points."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CrashPoint(StrEnum):
    """Around every commit of a delivery's life, and around the wire. ``before`` is inside the transaction."""

    BEFORE_OWE = "owe.before"
    AFTER_OWE = "owe.after"
    BEFORE_CLAIM = "claim.before"
    AFTER_CLAIM = "claim.after"
    BEFORE_OPEN = "open.before"
    AFTER_OPEN = "open.after"
    """written down, and nothing has left yet"""
    AFTER_SEND = "send.after"
    """the answer, or the failure, is known to this process alone"""
    BEFORE_SETTLE = "settle.before"
    AFTER_SETTLE = "settle.after"
    BEFORE_SWEEP = "sweep.before"
    AFTER_SWEEP = "sweep.after"


def nobody(point: CrashPoint, /) -> None:
    """Listen to nothing."""


@dataclass(frozen=True, kw_only=True)
class System:
    """What varies from call to call, drawn at the edge: clock, random numbers, identifiers, waiting."""

    now: Callable[[], datetime]
    new_id: Callable[[], str]
    """a fresh ULID"""
    random_bytes: Callable[[int], bytes]
    draw: Callable[[], float]
    """a number in [0, 1)"""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    reach: Callable[[CrashPoint], None] = nobody
    """told of every crash point that is passed"""
