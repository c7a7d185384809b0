"""Serve the deployments from this machine: one process that starts each run in a process of its own.

Where Prefect's server goes away, runs that are under way finish, and serving begins anew when it is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectNotFound
from prefect.runner import Runner

from gateway.bootstrap import Gateway
from gateway.domain.errors import GatewayError
from gateway.flows import alarms, closing, deployments
from gateway.flows.deployments import Planned
from gateway.settings import ServeSettings

log = logging.getLogger(__name__)

_WAIT_SECONDS = 5.0


async def serve(gateway: Gateway, *, ready: Callable[[Sequence[Planned]], None] = lambda _: None) -> None:
    """Register the deployments and run what is due, until this process is ended; ``ready`` is told of beginnings."""
    planned = deployments.plan(gateway)
    while True:
        try:
            await _serve_once(gateway, planned, ready)
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


async def _serve_once(gateway: Gateway, planned: Sequence[Planned], ready: Callable[[Sequence[Planned]], None]) -> None:
    # Stopping must not pause what a person has not paused: a schedule stays as it was over a restart.
    runner = Runner(
        name="gateway",
        pause_on_shutdown=False,
        limit=gateway.loader(ServeSettings).processes,
        heartbeat_seconds=alarms.HEARTBEAT_SECONDS,
    )
    closed = await closing.close_lost(gateway)
    if closed:
        log.warning("lost runs closed", extra={"count": closed})
    await deployments.register(planned, each=runner.aadd_deployment)
    await alarms.close_silent_runs()
    ready(planned)
    await runner.start()
