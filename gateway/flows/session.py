"""One run: the gateway it opens, the platforms it works on side by side, the lease that keeps a second run away.

Work that raises is told by its platform's result; the other platforms go on. Nothing here waits for Prefect.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from typing import Any

from prefect.client.schemas.objects import State, StateType
from prefect.runtime import deployment, flow_run

from gateway import logs
from gateway.bootstrap import Gateway, open_gateway
from gateway.delivery import explain
from gateway.delivery.store import run_leases
from gateway.delivery.store.run_leases import Claim, Holder
from gateway.domain import errors
from gateway.domain.errors import GatewayError, StoreError
from gateway.domain.words import RUNS
from gateway.flows import artifacts
from gateway.flows.parameters import spoken
from gateway.flows.results import NEEDS_A_PERSON, PlatformResult, RunResult, failed_run, merge_results, run_result
from gateway.locale import tr
from gateway.settings import ServeSettings
from gateway.store.processes import is_dead, myself

log = logging.getLogger(__name__)

Work = Callable[[Gateway, str], Awaitable[PlatformResult]]
After = Callable[[Gateway, Sequence[PlatformResult]], Awaitable[Mapping[str, Any]]]
_GATEWAY: ContextVar[Gateway] = ContextVar("gateway")
_LEASE = timedelta(seconds=20)
"""after so long without a renewal another machine goes on with the work"""
_RENEW_SECONDS = 5.0


def current() -> Gateway:
    """The gateway of this run."""
    return _GATEWAY.get()


@contextmanager
def opened() -> Iterator[Gateway]:
    """The gateway of this run; one that a caller opened already is used."""
    outer = _GATEWAY.get(None)
    if outer is not None:
        yield outer
        return
    with open_gateway() as gateway:
        if deployment.id:  # a process of its own; by hand, the caller has set up its logs
            logs.set_up(gateway.settings.log_level)
        token = _GATEWAY.set(gateway)
        try:
            yield gateway
        finally:
            _GATEWAY.reset(token)


async def run_on_platforms(
    work: str,
    chosen: Sequence[str],
    do: Work,
    *,
    then: Work | None = None,
    after: After | None = None,
    side_by_side: bool = False,
) -> State[Any]:
    """Do a piece of work on each platform, show what came of it, and give the state that tells the truth.

    chosen:       platforms; all that are configured where none is named
    then:         done once the first is through on all platforms, where it was not another run that had the work
    after:        called once with all results; what it gives is added to the result
    side_by_side: let as many runs as there are lanes do it at once, and not one alone
    """
    try:
        with opened() as gateway:
            lanes = gateway.loader(ServeSettings).lanes if side_by_side else 1
            await artifacts.begin(gateway, lanes=lanes)
            names = gateway.configured(chosen)
            if not names:
                return to_state(
                    failed_run(tr("no platform is configured for this: set its GATEWAY_<PLATFORM>__ENDPOINT"))
                )
            results = await asyncio.gather(*(_on_platform(gateway, work, name, do, lanes) for name in names))
            if then is not None:
                results = await asyncio.gather(*(_further(gateway, work, result, then, lanes) for result in results))
            await asyncio.to_thread(gateway.seal)
            data = {"platforms": {result.platform: dict(result.counts) for result in results}}
            if after is not None:
                data |= await after(gateway, results)
            await artifacts.show(gateway, work, results)
    except Exception as error:  # noqa: BLE001 - the guard of a run, see ``reason_of``
        return to_state(failed_run(reason_of(error, work)))
    return to_state(run_result(results, data))


def reason_of(error: Exception, work: str) -> str:
    """What Prefect may know of an error: our own sentence, or its kind, for a foreign text may hold a person."""
    cause = errors.alone(error) if isinstance(error, ExceptionGroup) else error
    if isinstance(cause, GatewayError):
        return str(cause)
    log.error("run failed", exc_info=error, extra={"work": work})
    return tr("{kind}: not foreseen; the log of the worker has more", kind=type(cause).__name__)


def to_state(end: RunResult) -> State[Any]:
    """The final state of Prefect for an ending."""
    kind = StateType.FAILED if end.state in NEEDS_A_PERSON else StateType.COMPLETED
    name = spoken(RUNS[end.state.value].word)
    return State(type=kind, name=name, message=spoken(end.message), data=dict(end.data))


async def _on_platform(gateway: Gateway, work: str, platform: str, do: Work, lanes: int) -> PlatformResult:
    try:
        async with run_lease(gateway, work, platform, lanes=lanes) as other:
            result = (
                PlatformResult(platform=platform, skipped=busy_message(other)) if other else await do(gateway, platform)
            )
        stop = await _stop(gateway, platform)
    except Exception as error:  # noqa: BLE001 - the guard of a platform, so that the others go on
        return PlatformResult(platform=platform, error=reason_of(error, work))
    return result if result.stop is not None else PlatformResult(**{**vars(result), "stop": stop})


async def _further(gateway: Gateway, work: str, result: PlatformResult, then: Work, lanes: int) -> PlatformResult:
    if result.error or (result.skipped and not result.counts):
        return result
    more = await _on_platform(gateway, work, result.platform, then, lanes)
    return PlatformResult(**{**vars(merge_results([result, more])), "stop": more.stop})


async def _stop(gateway: Gateway, platform: str) -> Any:
    rules = {platform: gateway.described(platform).endpoint.traffic}
    now = gateway.edge.now()

    def read() -> Any:
        with gateway.store.read() as connection:
            return explain.stops(connection, [platform], rules, now)[platform][0]

    return await asyncio.to_thread(read)


def busy_message(holder: Holder) -> str:
    """Who has the work, for people."""
    return tr("another run has been at it since {since}; nothing was started", since=holder.since)


@asynccontextmanager
async def run_lease(gateway: Gateway, work: str, platform: str, *, lanes: int = 1) -> AsyncIterator[Holder | None]:
    """Have this work on this platform for ourselves, or one of its lanes; gives who has it where it is taken."""
    run = str(flow_run.id or "")
    claim = Claim(work=work, platform=platform, run=run, owner=myself(), lanes=lanes)
    got = await asyncio.to_thread(_take, gateway, claim)
    if isinstance(got, Holder):
        yield got
        return
    keeper = asyncio.create_task(_keep(gateway, claim, got))
    try:
        yield None
    finally:
        keeper.cancel()
        await asyncio.to_thread(_give_back, gateway, claim, got)


def _take(gateway: Gateway, claim: Claim) -> int | Holder:
    with gateway.store.write() as connection:
        return run_leases.take(connection, claim, now=gateway.edge.now(), lease=_LEASE, is_dead=is_dead)


def _give_back(gateway: Gateway, claim: Claim, lane: int) -> None:
    try:
        with gateway.store.write() as connection:
            run_leases.release(connection, claim, lane)
    except StoreError as error:
        log.warning("lease not given back; it ends by itself", extra={"work": claim.work, "error": str(error)})


async def _keep(gateway: Gateway, claim: Claim, lane: int) -> None:
    def renew() -> bool:
        with gateway.store.write() as connection:
            return run_leases.renew(connection, claim, lane, now=gateway.edge.now(), lease=_LEASE)

    while True:
        await asyncio.sleep(_RENEW_SECONDS)
        try:
            kept = await asyncio.to_thread(partial(renew))
        except StoreError as error:
            log.warning("lease not renewed", extra={"work": claim.work, "error": str(error)})
            continue
        if not kept:
            # Another run took it for lost. Deliveries have leases of their own, so both may go on.
            log.warning("lease lost", extra={"work": claim.work, "platform": claim.platform})
            return
