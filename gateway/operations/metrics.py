"""Metrics in the Prometheus text format, read from the ledger: every process that asks gets the same figures.

What is read beside it: free space and the drop folder on this machine, and whether Prefect's server answers.

Figures called ``recent`` count the last quarter of an hour and are gauges; nothing is kept in memory, so a restart
loses none of them. Labels are platforms, states, codes and kinds: never a person.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.credit.tickets import overdue_by_kind
from gateway.delivery.explain import Rules, stops
from gateway.delivery.store import platforms as delivery_platforms
from gateway.delivery.store import views
from gateway.domain.china import CHINA
from gateway.domain.states import State
from gateway.domain.traffic import Phase
from gateway.domain.working_days import WorkCalendar
from gateway.operations.overdue import PromiseWatch, known_clocks
from gateway.operations.store import evidence, metrics
from gateway.store.engine import Store

RECENT = timedelta(minutes=15)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NEWEST = timedelta(days=1)
"""an answer older than this says nothing about the clocks of now"""
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
    "tickets_overdue": ("Open tickets past their last working day, by kind.", ("kind",)),
    "answers_late": (
        "Answers that are late: the platform's result, its credit feed, our acknowledgement of a credit event.",
        ("platform", "promise"),
    ),
    "answers_due_soon": ("The same, due within a day.", ("platform", "promise")),
    "calendar_ends_timestamp_seconds": ("Until when the calendar knows the working days.", ()),
    "evidence_unsealed_seconds": ("Age of the oldest exchange that the evidence chain does not cover.", ()),
    "last_done_timestamp_seconds": (
        "When a work was last done: intake, seal and backup; push, feedback and reconcile by platform. 0: never.",
        ("work", "platform"),
    ),
    "open_differences": (
        "Differences of the newest reconciliation by class, without those that need nobody.",
        ("platform", "class"),
    ),
    "clock_difference_seconds": ("The platform's clock minus ours, by the Date of its newest answer.", ("platform",)),
    "store_bytes": ("Size of the database.", ()),
    "disk_free_ratio": (
        "Free share of the disk under a folder; 0 where the folder is missing.",
        ("folder",),
    ),
    "drop_oldest_seconds": (
        "How long the oldest file has lain in the drop folder (new) or is being read (taken).",
        ("folder",),
    ),
    "prefect_up": ("1 where the Prefect server of this home, or of PREFECT_API_URL, answers.", ()),
}
NAMES = frozenset(f"gateway_{name}" for name in _GAUGES)

Values = Mapping[Any, float]
"""labels, in the family's order -> value"""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What is read beside the store.

    folders:    what has to keep free space, by the name it is shown under
    drop:       the drop folder; None where none is set
    prefect_up: whether Prefect's server answers; None where none is known here
    promises:   what is promised in the traffic with the platforms
    """

    calendar: WorkCalendar
    folders: Mapping[str, Path]
    drop: Path | None = None
    prefect_up: bool | None = None
    promises: PromiseWatch | None = None


def exposition(store: Store, traffic: Rules, around: Surroundings, now: datetime) -> bytes:
    """All metrics as text. ``traffic``: the rules of the configured platforms."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Ledger(store, traffic, around, now))
    return generate_latest(registry)


class _Ledger(Collector):
    """One reading of the ledger, in one snapshot."""

    def __init__(self, store: Store, rules: Rules, around: Surroundings, now: datetime) -> None:
        self._store, self._rules, self._around, self._now = store, rules, around, now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every family; one without values is told with its help all the same."""
        read = self._read() | self._read_around()
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
            late = overdue_by_kind(connection, self._around.calendar, now)
            done = metrics.last_done(connection, platforms)
            differences = metrics.differences(connection, platforms)
            skews = metrics.clock_differences(connection, self._store.vault, platforms, now - _NEWEST)
            size = metrics.store_bytes(connection)
            watch = self._around.promises
            promised = [] if watch is None else known_clocks(connection, watch)
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
            "tickets_overdue": {(kind,): late.get(kind, 0) for kind in {*tickets, *late}},
            "answers_late": {(one.platform, one.promise): one.late for one in promised},
            "answers_due_soon": {(one.platform, one.promise): one.soon for one in promised},
            "evidence_unsealed_seconds": {(): self._age(unsealed)},
            "last_done_timestamp_seconds": {key: at.timestamp() if at else 0.0 for key, at in done.items()},
            "open_differences": differences,
            "clock_difference_seconds": {(name,): skew.total_seconds() for name, skew in skews.items()},
            "store_bytes": {(): size},
        }

    def _read_around(self) -> dict[str, Values]:
        around = self._around
        drop: list[tuple[str, Path]] = []
        if around.drop is not None:
            from gateway.intake.drop import TAKEN  # what takes files in, and reads them

            drop = [("new", around.drop), ("taken", around.drop / TAKEN)]
        return {
            "disk_free_ratio": {(name,): _free_ratio(folder) for name, folder in around.folders.items()},
            "calendar_ends_timestamp_seconds": {(): _end_of(around.calendar, self._now)},
            "drop_oldest_seconds": {(name,): self._oldest_file(folder) for name, folder in drop},
            "prefect_up": {} if around.prefect_up is None else {(): float(around.prefect_up)},
        }

    def _oldest_file(self, folder: Path) -> float:
        """By the moment it came there, which is when its name was last changed; 0 where there is none."""
        try:
            came = [
                path.stat().st_ctime
                for path in folder.iterdir()
                if path.is_file() and not path.name.startswith((".", "~$"))
            ]
        except OSError:  # not there yet, or a file went meanwhile
            return 0.0
        return max(0.0, self._now.timestamp() - min(came)) if came else 0.0

    def _age(self, since: datetime | None) -> float:
        return 0.0 if since is None else max(0.0, (self._now - since).total_seconds())


def _end_of(calendar: WorkCalendar, now: datetime) -> float:
    last = calendar.ends(now.astimezone(CHINA).date())
    return datetime.combine(last, time.max, CHINA).timestamp()


def _free_ratio(folder: Path) -> float:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return 0.0
    return usage.free / usage.total if usage.total else 0.0


def _quantile(seconds: list[float], share: float) -> float:
    """By nearest rank; the list is not empty."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
