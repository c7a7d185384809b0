"""Metrics in the Prometheus text format, read from the ledger: every process that asks gets the same figures.

Figures called ``recent`` count the last quarter of an hour and are gauges; nothing is kept in memory, so a restart
loses none of them. Labels are platforms, states, codes and kinds: never a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.delivery.explain import Rules, stops
from gateway.delivery.store import platforms as delivery_platforms
from gateway.delivery.store import views
from gateway.domain.states import State
from gateway.domain.traffic import Phase
from gateway.operations.store import evidence, metrics
from gateway.store.engine import Store

RECENT = timedelta(minutes=15)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_QUANTILES = (0.5, 0.95, 0.99)
_GAUGES = {
    "build_info": ("The release at work.", ("version",)),
    "deliveries": ("Deliveries by platform and state.", ("platform", "state")),
    "oldest_waiting_seconds": ("Age of the oldest delivery in a waiting state.", ("platform", "state")),
    "overdue_seconds": ("How long the oldest due delivery of a state has been left alone.", ("platform", "state")),
    "recent_exchanges": (
        "Requests of the last 15 minutes by result: HTTP status, failure, or open.",
        ("platform", "purpose", "result"),
    ),
    "recent_exchange_seconds": (
        "How long answered requests of the last 15 minutes took.",
        ("platform", "purpose", "quantile"),
    ),
    "recent_verdicts": ("Verdicts of the last 15 minutes by event.", ("platform", "event")),
    "platform_paused": ("1 while a person or a failed precondition holds the platform.", ("platform",)),
    "platform_stopped": ("1 while nothing may be sent; the label says why.", ("platform", "code")),
    "breaker_open": ("1 while the circuit breaker is open or on trial.", ("platform",)),
    "last_accepted_timestamp_seconds": ("When the platform last accepted something.", ("platform",)),
    "tickets_open": ("Open tickets by kind.", ("kind",)),
    "evidence_unsealed_seconds": ("Age of the oldest exchange that the evidence chain does not cover.", ()),
}
NAMES = frozenset(f"gateway_{name}" for name in _GAUGES)

Values = Mapping[Any, float]
"""labels, in the family's order -> value"""


def exposition(store: Store, traffic: Rules, now: datetime) -> bytes:
    """All metrics as text. ``traffic``: the rules of the configured platforms."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Ledger(store, traffic, now))
    return generate_latest(registry)


class _Ledger(Collector):
    """One reading of the ledger, in one snapshot."""

    def __init__(self, store: Store, rules: Rules, now: datetime) -> None:
        self._store, self._rules, self._now = store, rules, now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every family; one without values is told with its help all the same."""
        read = self._read()
        for name, (text, labels) in _GAUGES.items():
            family = GaugeMetricFamily(f"gateway_{name}", text, labels=labels)
            for key, value in sorted(read[name].items()):
                family.add_metric(list(key), value)
            yield family

    def _read(self) -> dict[str, Values]:
        now, platforms = self._now, sorted(self._rules)
        with self._store.read() as connection:
            counted = views.counts(connection)
            waiting = metrics.oldest(connection)
            travelled = metrics.recent(connection, now - RECENT)
            accepted = metrics.last_accepted(connection, platforms)
            tickets = metrics.open_tickets(connection)
            held = stops(connection, platforms, self._rules, now)
            paused = {
                (name,): float(delivery_platforms.pause_of(connection, name, now) is not None) for name in platforms
            }
            unsealed = evidence.uncovered_since(connection)
        return {
            "build_info": {(version("integration-gateway"),): 1},
            "deliveries": {(one.platform, state): one.states.get(state, 0) for one in counted for state in State},
            "oldest_waiting_seconds": {(one.platform, one.state): self._age(one.since) for one in waiting},
            "overdue_seconds": {(one.platform, one.state): self._age(one.due) for one in waiting},
            "recent_exchanges": travelled.exchanges,
            "recent_exchange_seconds": {
                (*key, str(share)): _quantile(seconds, share)
                for key, seconds in travelled.seconds.items()
                for share in _QUANTILES
            },
            "recent_verdicts": travelled.verdicts,
            "platform_paused": paused,
            "platform_stopped": {
                (name, stop.code if stop else ""): float(stop is not None) for name, (stop, _) in held.items()
            },
            "breaker_open": {
                (name,): float(breaker.phase(now) is not Phase.CLOSED) for name, (_, breaker) in held.items()
            },
            "last_accepted_timestamp_seconds": {(name,): at.timestamp() for name, at in accepted.items()},
            "tickets_open": {(kind,): count for kind, count in tickets.items()},
            "evidence_unsealed_seconds": {(): self._age(unsealed)},
        }

    def _age(self, since: datetime | None) -> float:
        return 0.0 if since is None else max(0.0, (self._now - since).total_seconds())


def _quantile(seconds: list[float], share: float) -> float:
    """By nearest rank; the list is not empty."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
