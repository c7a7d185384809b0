"""Serve the deployments from this machine: one process that starts each run in a process of its own.

Where Prefect's server goes away, runs that are under way finish, and serving begins anew when it is back. A request to
end (SIGTERM) is what an interrupt is: runs under way are ended and told as crashed; the next run goes on.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectNotFound
from prefect.runner import Runner

from gateway.bootstrap import Gateway
from gateway.domain.errors import GatewayError
from gateway.flows import alarms, closing, deployments, showing
from gateway.flows.deployments import Planned
from gateway.settings import ServeSettings

log = logging.getLogger(__name__)

_WAIT_SECONDS = 5.0


class _Runner(Runner):
    """Takes SIGTERM as ``end`` says: Prefect's own way is an exit in the midst of the loop, with errors in the log."""

    def __init__(self, end: Callable[[], Any], **options: Any) -> None:
        super().__init__(**options)
        self._end = end

    def handle_sigterm(self, *_: Any, **_named: Any) -> None:
        """Called on SIGTERM, which the runner takes over when it starts."""
        self._end()


async def serve(gateway: Gateway, *, ready: Callable[[Sequence[Planned]], None] = lambda _: None) -> None:
    """Register the deployments and run what is due, until this process is ended; ``ready`` is told of beginnings.

    Raises CancelledError on SIGTERM.
    """
    planned = deployments.plan(gateway)
    task = asyncio.current_task()
    assert task is not None
    end = partial(asyncio.get_running_loop().call_soon_threadsafe, task.cancel)
    signal.signal(signal.SIGTERM, lambda *_: end())
    while True:
        try:
            await _serve_once(gateway, planned, ready, end)
        except GatewayError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever Prefect's client raises where its server does not answer
            log.warning("Prefect does not answer", extra={"error": type(error).__name__})
        await asyncio.sleep(_WAIT_SECONDS)


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
    gateway: Gateway, planned: Sequence[Planned], ready: Callable[[Sequence[Planned]], None], end: Callable[[], Any]
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
    closed = await closing.close_lost(gateway)
    if closed:
        log.warning("lost runs closed", extra={"count": closed})
    await deployments.register(planned, each=runner.aadd_deployment)
    await alarms.close_silent_runs()
    ready(planned)
    try:
        await runner.start()
    except asyncio.CancelledError:
        await showing.close_lost(gateway)
        raise
