"""The steps of a run on one platform. A task is a chunk of deliveries, no record, and Prefect never repeats it.

What may be tried again, and when, stands in the ledger.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from gateway.bootstrap import Gateway
from gateway.contract.connector import GivesFeedback
from gateway.contract.credit import PublishesBooks
from gateway.credit.books import reconcile_yesterday
from gateway.credit.feedback import pull
from gateway.delivery.acknowledge import poll
from gateway.delivery.acknowledge import resolve as ask
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.reconcile import reconcile as compare
from gateway.delivery.rules.differences import Difference
from gateway.delivery.store import views, waiting_views
from gateway.domain.states import Event, State
from gateway.flows.artifacts import PushProgress
from gateway.flows.parameters import Step
from gateway.flows.results import PlatformResult
from gateway.flows.session import current, run_lease
from gateway.locale import tr
from gateway.settings import ServeSettings

Counts = dict[str, Any]
Work = Callable[[Gateway, str], Awaitable[PlatformResult]]
_PAUSE_BETWEEN_ROUNDS = 0.3
_FURTHER_PULLS = 2
"""a pull that ended early goes on where it was, so a passing trouble costs nothing"""
_NEEDS_A_PERSON = frozenset({Event.REJECTED, Event.UNKNOWN, Event.CONFLICT, Event.EXHAUSTED, State.REJECTED})
_SETTLED = frozenset({Difference.MATCH, Difference.LAG, Difference.NEVER_SENT, Difference.NOT_OWED})
_STATES: Mapping[Step, State] = {"push": State.QUEUED, "acks": State.AWAITING_ACK, "resolve": State.IN_DOUBT}


async def _exchange(platform: str, work: Callable[[Exchanger], Awaitable[Any]]) -> Counts:
    async with current().exchanger(platform) as exchanger:
        report = await work(exchanger)
    return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(report).items()}


@task(name="push", task_run_name="push {platform}: {due} due, up to {chunk}", cache_policy=NO_CACHE)
async def push_chunk(platform: str, chunk: int, due: int) -> Counts:
    """Send one chunk of what is due."""
    return await _exchange(platform, lambda e: current().push(e, limit=chunk, chunk=chunk))


@task(name="acks", task_run_name="acks {platform}: {due} due", cache_policy=NO_CACHE)
async def poll_receipts(platform: str, chunk: int, due: int) -> Counts:
    """Fetch the results that are due."""
    lease = current().lease
    return await _exchange(platform, lambda e: poll(e, claim_limit=chunk, lease=lease))


@task(name="resolve", task_run_name="resolve {platform}: {due} due", cache_policy=NO_CACHE)
async def ask_about_doubts(platform: str, chunk: int, due: int) -> Counts:
    """Settle what is in doubt and due to be asked about."""
    lease = current().lease
    return await _exchange(platform, lambda e: ask(e, claim_limit=chunk, lease=lease))


@task(name="feedback", task_run_name="feedback {platform}", cache_policy=NO_CACHE)
async def pull_feedback(platform: str) -> Counts:
    """Pull, apply and acknowledge credit findings, and draw the checks that void certificates ask for."""
    gateway = current()
    counts = await _exchange(platform, pull)
    await asyncio.to_thread(gateway.draw_checks)
    return counts


@task(name="reconcile", task_run_name="reconcile {platform}", cache_policy=NO_CACHE)
async def compare_holdings(platform: str) -> Counts:
    """Compare ours with theirs."""
    return await _exchange(platform, compare)


@task(name="books", task_run_name="books {platform}", cache_policy=NO_CACHE)
async def compare_books(platform: str) -> Counts:
    """Compare the books that the platform published for the day before; nothing where that is done already."""
    gateway = current()
    async with gateway.exchanger(platform) as exchanger:
        report = await reconcile_yesterday(exchanger)
    return {} if report is None else {"rows": report.rows, "open": report.open, "stopped": report.stopped}


@dataclass(frozen=True, kw_only=True)
class RunBounds:
    """How far a run goes: deliveries of one task, deliveries in all (0: no limit), minutes (0: no limit), patience."""

    chunk: int = 500
    limit: int = 0
    minutes: float = 0
    patience_seconds: float = 0


@dataclass(kw_only=True)
class _Rounds:
    """Rounds of push, polls and look-ups on one platform, chunk after chunk, so that none waits for another's end."""

    gateway: Gateway
    platform: str
    steps: Collection[Step]
    bounds: RunBounds
    leased: bool
    counts: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    claimed: int = 0
    skipped: str = ""

    async def go(self) -> PlatformResult:
        """Go on until nothing is due, a bound is reached or something stands in the way."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        progress = PushProgress(self.platform, self._due("push") if "push" in self.steps else 0)
        first = True
        while True:
            before = self.counts["exchanges"]
            # The first round pushes in any case: it takes back what a lost worker left behind.
            if "push" in self.steps and (first or self._due("push")):
                await self._push(progress)
            first = False
            for step in ("acks", "resolve"):
                if step in self.steps and (due := self._due(step)):
                    await self._ask(step, due)
            spent = clock() - begun
            if self.bounds.minutes and spent >= self.bounds.minutes * 60:
                break
            if self.counts["exchanges"] > before and any(self._open(step) for step in self.steps):
                continue
            if spent >= self.bounds.patience_seconds or self.skipped or not self._waiting():
                break
            await asyncio.sleep(_PAUSE_BETWEEN_ROUNDS)
        troubles = {n.value: c for n in _NEEDS_A_PERSON if (c := self.outcomes[n])}
        return PlatformResult(platform=self.platform, counts=self.counts, troubles=troubles, skipped=self.skipped)

    def _open(self, step: Step) -> int:
        """What is due in a step and may be done in this run."""
        full = step == "push" and self.bounds.limit and self.claimed >= self.bounds.limit
        return 0 if full else self._due(step)

    async def _push(self, progress: PushProgress) -> None:
        """Send a chunk, and show how far it went where it was not the only one."""
        bounds = self.bounds
        chunk = min(bounds.chunk, bounds.limit - self.claimed) if bounds.limit else bounds.chunk
        if chunk <= 0:
            return
        report = await self._with_lease("push", lambda: push_chunk(self.platform, chunk, self._due("push")))
        if report is None:
            return
        self.claimed += report["claimed"]
        self._add(report, "sent", "exchanges", "swept")
        if self.claimed > report["claimed"] or report["claimed"] == chunk:
            await progress(self.claimed)

    async def _ask(self, step: Step, due: int) -> None:
        work = poll_receipts if step == "acks" else ask_about_doubts
        report = await self._with_lease(step, lambda: work(self.platform, self.bounds.chunk, due))
        if report is not None:
            self._add(report, "asked", "exchanges")

    async def _with_lease(self, step: Step, work: Callable[[], Awaitable[Counts]]) -> Counts | None:
        if self.leased:
            return await work()
        lanes = self.gateway.loader(ServeSettings).lanes
        async with run_lease(self.gateway, step, self.platform, lanes=lanes) as other:
            if other is not None:
                self.skipped = f"another run is at {step}"
                return None
            return await work()

    def _add(self, report: Counts, *names: str) -> None:
        self.counts.update({name: report[name] for name in names})
        self.counts.update({str(name): count for name, count in report["outcomes"].items()})
        self.outcomes.update(report["outcomes"])

    def _due(self, step: Step) -> int:
        with self.gateway.store.read() as connection:
            return waiting_views.due(connection, self.platform, _STATES[step], self.gateway.edge.now())

    def _waiting(self) -> int:
        with self.gateway.store.read() as connection:
            return views.movable(connection, self.platform)


async def deliver(
    gateway: Gateway, platform: str, steps: Collection[Step], bounds: RunBounds, *, leased: bool = False
) -> PlatformResult:
    """Move a platform's deliveries as far as steps and bounds allow; ``leased`` where the run has the step's lease."""
    return await _Rounds(gateway=gateway, platform=platform, steps=steps, bounds=bounds, leased=leased).go()


async def run_feedback(gateway: Gateway, platform: str) -> PlatformResult:
    """Pull credit findings; a platform that gives none has nothing to do."""
    if not isinstance(gateway.connector(platform), GivesFeedback):
        return PlatformResult(platform=platform)
    report = await pull_feedback(platform)
    for _ in range(_FURTHER_PULLS):
        if not report["stopped"]:
            break
        again = await pull_feedback(platform)
        report = {name: again[name] if name == "stopped" else report[name] + again[name] for name in report}
    stopped = report["stopped"]
    counts = {name: count for name, count in report.items() if name != "stopped" and count}
    named = ("conflicts", "quarantined", "acks_refused", "objections_refused", "missed")
    troubles = {n: c for n in named if (c := report[n])}
    if stopped and report["pulled"]:
        troubles["ended_early"] = 1
    return PlatformResult(
        platform=platform,
        counts=counts,
        troubles=troubles,
        error=tr("nothing could be pulled: {stopped}", stopped=stopped) if stopped and not report["pulled"] else "",
        reports={"feedback": report},
    )


async def run_reconcile(gateway: Gateway, platform: str) -> PlatformResult:
    """Compare both sides, and the books of the day before; a difference that needs a person is a trouble."""
    report = await compare_holdings(platform)
    books = await compare_books(platform) if isinstance(gateway.connector(platform), PublishesBooks) else {}
    classes = {str(name): count for name, count in report["classes"].items()}
    troubles = {name: count for name, count in classes.items() if name not in _SETTLED}
    troubles |= {name: count for name, count in _of_books(books).items() if count and name != "book_rows"}
    stopped = report["stopped"]
    return PlatformResult(
        platform=platform,
        counts=classes | _of_books(books),
        troubles=troubles,
        error=tr("not compared: {stopped}", stopped=stopped) if stopped else "",
        reports={"reconcile": report},
    )


def _of_books(books: Counts) -> dict[str, int]:
    """Rows compared, differences that stay open, and whether the comparison had to stop."""
    if not books:
        return {}
    found = {"book_rows": books["rows"], "books_open": books["open"], "books_stopped": int(bool(books["stopped"]))}
    return {name: count for name, count in found.items() if count}
