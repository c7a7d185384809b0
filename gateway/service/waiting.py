"""Why platforms and deliveries stand still and until when, for whoever asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from gateway.domain.breaker import Breaker
from gateway.domain.traffic import Stop, Traffic, stop_of
from gateway.domain.waiting import Reason, waiting_reason
from gateway.store import traffic
from gateway.store.engine import Connection
from gateway.store.waiting_views import queue, waiting

Rules = Mapping[str, Traffic]
"""traffic rules by platform; one that is not configured has none"""


def stops(
    connection: Connection, platforms: Iterable[str], rules: Rules, now: datetime
) -> dict[str, tuple[Stop | None, Breaker]]:
    """What stands in the way of each platform's next request, and how its breaker stands."""
    found = {}
    for name in platforms:
        known = traffic.standing(connection, name, now)
        found[name] = (stop_of(known, rules.get(name, Traffic()), now), known.breaker)
    return found


def reasons(connection: Connection, ids: Sequence[int], rules: Rules, now: datetime) -> dict[int, Reason | None]:
    """Why each delivery waits; None for one that has ended."""
    facts = waiting(connection, ids)
    names = {platform for platform, _ in facts.values()}
    held, queues = stops(connection, names, rules, now), {name: queue(connection, name, now) for name in names}
    return {key: waiting_reason(one, held[name][0], now, queues[name]) for key, (name, one) in facts.items()}
