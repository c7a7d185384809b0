"""The flows. Parameters are platform names and limits; results are counts.

Prefect retries nothing here: what may be tried again, and when, stands in the ledger.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from pydantic import Field

from gateway.bootstrap import Gateway, open_gateway
from gateway.contract.connector import GivesFeedback
from gateway.domain.delivery import State
from gateway.service.acknowledge import poll
from gateway.service.acknowledge import resolve as ask
from gateway.service.exchange import Exchanger
from gateway.service.feedback import pull
from gateway.service.push import push as send
from gateway.service.reconcile import reconcile as compare
from gateway.store import views

Platforms = Annotated[list[str] | None, Field(description="Platforms; all that are configured where none is named.")]
Chunk = Annotated[int, Field(ge=1, le=5000, description="Deliveries claimed by one task.")]
Counts = dict[str, Any]

_GATEWAY: ContextVar[Gateway] = ContextVar("gateway")
_PAUSE_BETWEEN_ROUNDS = 0.3


@contextmanager
def _opened() -> Iterator[Gateway]:
    """The gateway of this run; one that a calling flow opened already is used."""
    outer = _GATEWAY.get(None)
    if outer is not None:
        yield outer
        return
    with open_gateway() as gateway:
        token = _GATEWAY.set(gateway)
        try:
            yield gateway
        finally:
            _GATEWAY.reset(token)


async def _with(platform: str, work: Callable[[Exchanger], Awaitable[Any]]) -> Counts:
    async with _GATEWAY.get().exchanger(platform) as exchanger:
        report = await work(exchanger)
    return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(report).items()}


@task(name="push", task_run_name="push {platform}, up to {chunk}", cache_policy=NO_CACHE)
async def push_chunk(platform: str, chunk: int) -> Counts:
    """Send one chunk of what is due."""
    gateway = _GATEWAY.get()
    return await _with(platform, lambda e: send(e, claim_limit=chunk, lease=gateway.lease, limit=chunk))


@task(name="acks", task_run_name="acks {platform}", cache_policy=NO_CACHE)
async def poll_receipts(platform: str, chunk: int) -> Counts:
    """Fetch the results that are due."""
    gateway = _GATEWAY.get()
    return await _with(platform, lambda e: poll(e, claim_limit=chunk, lease=gateway.lease))


@task(name="resolve", task_run_name="resolve {platform}", cache_policy=NO_CACHE)
async def ask_about_doubts(platform: str, chunk: int) -> Counts:
    """Settle what is in doubt and due to be asked about."""
    gateway = _GATEWAY.get()
    return await _with(platform, lambda e: ask(e, claim_limit=chunk, lease=gateway.lease))


@task(name="feedback", task_run_name="feedback {platform}", cache_policy=NO_CACHE)
async def pull_feedback(platform: str) -> Counts:
    """Pull, apply and acknowledge credit findings."""
    gateway = _GATEWAY.get()
    return await _with(platform, lambda e: pull(e, gateway.store, gateway.edge.now))


@task(name="reconcile", task_run_name="reconcile {platform}", cache_policy=NO_CACHE)
async def compare_holdings(platform: str) -> Counts:
    """Compare ours with theirs."""
    return await _with(platform, compare)


@flow(name="push", flow_run_name="push")
async def push(platforms: Platforms = None, chunk: Chunk = 500) -> dict[str, Counts]:
    """Send everything that is due, chunk after chunk, all platforms side by side."""
    with _opened() as gateway:
        return await _each(gateway.configured(platforms or ()), lambda name: _push_all(name, chunk))


@flow(name="acks", flow_run_name="acks")
async def acks(platforms: Platforms = None, chunk: Chunk = 500) -> dict[str, Counts]:
    """Fetch the results that are due by receipt."""
    with _opened() as gateway:
        return await _each(gateway.configured(platforms or ()), lambda name: poll_receipts(name, chunk))


@flow(name="resolve", flow_run_name="resolve")
async def resolve(platforms: Platforms = None, chunk: Chunk = 500) -> dict[str, Counts]:
    """Settle what is in doubt by asking."""
    with _opened() as gateway:
        return await _each(gateway.configured(platforms or ()), lambda name: ask_about_doubts(name, chunk))


@flow(name="feedback", flow_run_name="feedback")
async def feedback(platforms: Platforms = None) -> dict[str, Counts]:
    """Pull, apply and acknowledge credit findings of the platforms that give them."""
    with _opened() as gateway:
        giving = [n for n in gateway.configured(platforms or ()) if isinstance(gateway.connector(n), GivesFeedback)]
        return await _each(giving, pull_feedback)


@flow(name="reconcile", flow_run_name="reconcile")
async def reconcile(platforms: Platforms = None) -> dict[str, Counts]:
    """Compare ours with theirs on every platform."""
    with _opened() as gateway:
        return await _each(gateway.configured(platforms or ()), compare_holdings)


@flow(name="sync", flow_run_name="sync")
async def sync(
    platforms: Platforms = None,
    chunk: Chunk = 500,
    patience_seconds: Annotated[
        float, Field(ge=0, description="Go on with acknowledgements and doubts for so long; 0 makes one round.")
    ] = 0,
) -> dict[str, Any]:
    """Do it all: push, acknowledgements, doubts, credit feedback, reconciliation."""
    log = get_run_logger()
    with _opened() as gateway:
        names = gateway.configured(platforms or ())
        await _each(names, lambda name: _deliver(gateway, name, chunk, patience_seconds))
        pulled = await feedback(names)
        compared = await reconcile(names)
        with gateway.store.read() as connection:
            states = {one.platform: dict(one.states) for one in views.counts(connection)}
    log.info("synchronised %s", ", ".join(names))
    return {"states": states, "feedback": pulled, "reconcile": compared}


async def _deliver(gateway: Gateway, name: str, chunk: int, patience_seconds: float) -> Counts:
    """Rounds of push, polls and look-ups until nothing waits, or patience is over."""
    clock = asyncio.get_running_loop().time
    end = clock() + patience_seconds
    rounds = 0
    while True:
        rounds += 1
        # The first round pushes in any case: it takes back what a lost worker left behind.
        if rounds == 1 or _any_due(gateway, name, State.QUEUED):
            await _push_all(name, chunk)
        if _any_due(gateway, name, State.AWAITING_ACK):
            await poll_receipts(name, chunk)
        if _any_due(gateway, name, State.IN_DOUBT):
            await ask_about_doubts(name, chunk)
        if not _waiting(gateway, name) or clock() >= end:
            return {"rounds": rounds}
        await asyncio.sleep(_PAUSE_BETWEEN_ROUNDS)


async def _push_all(name: str, chunk: int) -> Counts:
    total: Counter[str] = Counter()
    stopped = None
    while True:
        report = await push_chunk(name, chunk)
        total.update({key: report[key] for key in ("claimed", "sent", "exchanges", "swept")})
        stopped = report["stopped"]
        if stopped or report["claimed"] < chunk:
            return {"platform": name, **total, "stopped": stopped}


async def _each(names: Sequence[str], work: Callable[[str], Awaitable[Counts]]) -> dict[str, Counts]:
    reports = await asyncio.gather(*(work(name) for name in names))
    return dict(zip(names, reports, strict=True))


def _any_due(gateway: Gateway, name: str, state: State) -> bool:
    with gateway.store.read() as connection:
        return views.any_due(connection, name, state, gateway.edge.now())


def _waiting(gateway: Gateway, name: str) -> int:
    with gateway.store.read() as connection:
        return views.movable(connection, name)
