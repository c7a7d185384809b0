"""Close runs whose process is gone but which Prefect still shows as running; cancel what was missed meanwhile.

The store knows them by their leases (``gateway.delivery.store.run_leases``): a process that is dead on this machine,
or one anywhere that has not renewed its lease for minutes. Runs that go on have living leases and are left alone.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.runtime import deployment
from prefect.states import Cancelled, Crashed

from gateway.bootstrap import Gateway
from gateway.delivery.store import run_leases
from gateway.delivery.store.run_leases import Holder
from gateway.store.processes import is_dead

log = logging.getLogger(__name__)

_LATE = timedelta(minutes=2)
"""how late a living run on a busy machine may be with its lease; one that is dead on this machine is known at once"""
_MISSED_AT_ONCE = 200
_MESSAGE = "its process is gone; the ledger knows what is still to do, and the next run does it"


async def close_lost(gateway: Gateway) -> int:
    """Mark lost runs and their tasks as crashed, then forget them; returns how many were closed."""
    with gateway.store.read() as connection:
        lost = run_leases.lost(connection, now=gateway.edge.now() - _LATE, is_dead=is_dead)
    closed = 0
    if not lost:
        return closed
    async with get_client() as client:
        for holder in lost:
            closed += await _close(client, holder)
            with gateway.store.write() as connection:
                run_leases.forget(connection, holder)
    return closed


async def cancel_missed(now: datetime, *, lanes: int) -> None:
    """Cancel the scheduled runs of this run's deployment whose moment is past: this run does their work.

    As many are left as may be at it beside this one, the newest. What a person asked for is left in any case.
    """
    if not deployment.id:
        return
    ours = DeploymentFilter(id=DeploymentFilterId(any_=[UUID(str(deployment.id))]))
    missed = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        next_scheduled_start_time=FlowRunFilterNextScheduledStartTime.model_validate({"before_": now}),
    )
    async with get_client() as client:
        found = await client.read_flow_runs(
            deployment_filter=ours,
            flow_run_filter=missed,
            sort=FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC,
            limit=_MISSED_AT_ONCE,
        )
        scheduled = [run for run in found if run.auto_scheduled]
        for run in scheduled[: max(0, len(scheduled) - (lanes - 1))]:
            await client.set_flow_run_state(run.id, Cancelled(message="missed; a later run does its work"))


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
