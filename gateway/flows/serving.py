"""Serve the deployments from this machine, or work for a pool: one process that starts each run in one of its own.

Where Prefect's server goes away, runs that are under way finish, and serving begins anew when it is back. A request to
end (SIGTERM) ends the runs under way and tells Prefect that they crashed; the next run goes on.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import traceback
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectNotFound
from prefect.runner import Runner
from prefect.workers.process import ProcessWorker

from gateway.bootstrap import Gateway
from gateway.domain.errors import ConfigurationError, GatewayError
from gateway.flows import alarms, artifacts, deployments, lost_runs
from gateway.flows.deployments import Planned
from gateway.locale import tr
from gateway.settings import ServeSettings

log = logging.getLogger(__name__)

_WAIT_SECONDS = 5.0
_OF_PREFECT = frozenset({"prefect", "httpx", "httpcore", "h11", "h2", "anyio", "websockets"})
"""packages whose exceptions say that Prefect's server went away"""


class _Runner(Runner):
    """Ends on SIGTERM as on an interrupt: Prefect's own way gives each run in turn half a minute to be cancelled."""

    def __init__(self, end: Callable[[], object], **options: Any) -> None:
        super().__init__(**options)
        self._end_serving = end

    def handle_sigterm(self, *_: Any, **_named: Any) -> None:
        """Called on SIGTERM, which the runner takes over when it starts."""
        self._end_serving()


async def serve(gateway: Gateway, *, ready: Callable[[Sequence[Planned]], None] = lambda _: None) -> None:
    """Register the deployments and run what is due; ``ready`` is called at each beginning.

    Raises CancelledError on SIGTERM, as ``work`` does.
    """
    planned = deployments.plan(gateway)
    await _again_and_again(lambda end: _serve_once(gateway, planned, ready, end))


async def work(gateway: Gateway, pool: str, *, name: str | None = None, limit: int | None = None) -> None:
    """Run what is due in a work pool; ``limit``: runs at once, the setting's where none is given."""
    await _again_and_again(lambda _: _work_once(gateway, pool, name, limit))


async def _again_and_again(serve_once: Callable[[Callable[[], object]], Awaitable[None]]) -> None:
    """Serve until SIGTERM cancels this task, and begin anew where Prefect's server went away; other errors end it."""
    task = asyncio.current_task()
    assert task is not None
    end = partial(asyncio.get_running_loop().call_soon_threadsafe, task.cancel)
    signal.signal(signal.SIGTERM, lambda *_: end())
    while True:
        try:
            await serve_once(end)
        except Exception as error:
            if (ours := error_of_ours(error)) is not None:
                raise ours from error
            log.warning("Prefect does not answer", extra={"error": type(error).__name__})
        await asyncio.sleep(_WAIT_SECONDS)


def error_of_ours(error: BaseException) -> Exception | None:
    """What ends serving; None where Prefect's client or its HTTP library raised, because its server went away."""
    if isinstance(error, BaseExceptionGroup):
        found = (error_of_ours(one) for one in error.exceptions)
        return next((one for one in found if one is not None), None)
    if isinstance(error, GatewayError):
        return error
    away = isinstance(error, (ConnectionError, TimeoutError))
    if isinstance(error, OSError) and not away:
        log.error("serving ended", exc_info=error)
        return GatewayError(": ".join(str(text) for text in (error.filename, error.strerror or error) if text))
    if away or _root(type(error).__module__) in _OF_PREFECT or _root(_raised_in(error)) in _OF_PREFECT:
        return None
    log.error("serving ended", exc_info=error)
    return GatewayError(tr("{name}: not foreseen; the log has more", name=type(error).__name__))


def _root(module: str) -> str:
    return module.partition(".")[0]


def _raised_in(error: BaseException) -> str:
    """The module whose code raised it."""
    frame = None
    for frame, _ in traceback.walk_tb(error.__traceback__):  # noqa: B007 - the last one is wanted
        pass
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))


async def deploy(gateway: Gateway, pool: str, folder: str) -> Sequence[Planned]:
    """Register the deployments for a work pool of process workers; the pool is made where there is none."""
    planned = deployments.plan(gateway)
    async with get_client() as client:
        try:
            await client.read_work_pool(pool)
        except ObjectNotFound:
            await client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    await deployments.register(planned, pool=pool, folder=folder)
    await alarms.close_silent_runs()
    return planned


async def _serve_once(
    gateway: Gateway, planned: Sequence[Planned], ready: Callable[[Sequence[Planned]], None], end: Callable[[], object]
) -> None:
    runner = _Runner(
        end,
        name="gateway",
        # Stopping must not pause what a person has not paused: a schedule stays as it was over a restart.
        pause_on_shutdown=False,
        limit=gateway.loader(ServeSettings).processes,
        heartbeat_seconds=alarms.HEARTBEAT_SECONDS,
        # A run started before its time would wait in its process, and keep another one out.
        prefetch_seconds=0,
    )
    closed = await lost_runs.close_lost(gateway)
    if closed:
        log.warning("lost runs closed", extra={"count": closed})
    await deployments.register(planned, each=runner.aadd_deployment)
    await alarms.close_silent_runs()
    ready(planned)
    try:
        await runner.start()
    finally:
        await artifacts.close_lost(gateway)


async def _work_once(gateway: Gateway, pool: str, name: str | None, limit: int | None) -> None:
    async with get_client() as client:
        try:
            await client.read_work_pool(pool)
        except ObjectNotFound:
            raise ConfigurationError(
                tr("no work pool {pool!r} on the Prefect server: run gateway deploy first", pool=pool)
            ) from None
    worker = ProcessWorker(
        work_pool_name=pool,
        name=name,
        limit=limit or gateway.loader(ServeSettings).processes,
        create_pool_if_not_found=False,
        prefetch_seconds=0,
    )
    await lost_runs.close_lost(gateway)
    try:
        await worker.start(printer=lambda *_: None)
    finally:
        await artifacts.close_lost(gateway)
