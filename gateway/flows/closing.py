"""Close what crashed without a word: runs whose process is gone but which Prefect still shows as running.

The store knows them by their leases (``gateway.delivery.store.run_leases``): a process that is dead on this machine,
or one anywhere that has not renewed its lease. A worker may be gone while its runs go on; those have living leases
and are left alone.
"""

from __future__ import annotations

import logging
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from gateway.bootstrap import Gateway
from gateway.delivery.store import run_leases
from gateway.delivery.store.run_leases import Holder
from gateway.store.processes import is_dead

log = logging.getLogger(__name__)

_MESSAGE = "its process is gone; the ledger knows what is still to do, and the next run does it"


async def close_lost(gateway: Gateway) -> int:
    """Mark lost runs and their tasks as crashed, then forget them; returns how many were closed."""
    with gateway.store.read() as connection:
        lost = run_leases.lost(connection, now=gateway.edge.now(), is_dead=is_dead)
    closed = 0
    if not lost:
        return closed
    async with get_client() as client:
        for holder in lost:
            closed += await _close(client, holder)
            with gateway.store.write() as connection:
                run_leases.forget(connection, holder)
    return closed


async def _close(client: PrefectClient, holder: Holder) -> bool:
    if not holder.run:
        return False
    run = UUID(holder.run)
    try:
        known = await client.read_flow_run(run)
    except ObjectNotFound:
        return False
    tasks = await client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run])))
    for task in tasks:
        if task.state is not None and not task.state.is_final():
            await client.set_task_run_state(task.id, Crashed(message=_MESSAGE), force=True)
    if known.state is None or known.state.is_final():
        return False
    await client.set_flow_run_state(run, Crashed(message=_MESSAGE), force=True)
    log.warning("lost run closed", extra={"work": holder.work, "platform": holder.platform, "run": holder.run})
    return True
