"""The deployments: each flow for each configured platform, with the schedules of the settings.

A schedule that was paused in Prefect stays paused when it is registered again. Parameters are platform names, limits
and steps; settings and secrets stay with the process that runs the flow.

None has a concurrency limit in Prefect. Its server gives a slot by a lease; a lease that ran out, was lost with the
server (it keeps them in memory) or was taken from a run it believed crashed is answered with 410 when the run renews
it, and Prefect's engine then ends the living run. What keeps runs apart is the lease in our store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.runner.storage import LocalStorage
from prefect.schedules import Cron, Interval, Schedule
from prefect.types.entrypoint import EntrypointType

from gateway.bootstrap import Gateway
from gateway.contract.connector import GivesFeedback
from gateway.domain.errors import ConfigurationError
from gateway.domain.words import JOBS
from gateway.flows.alarm import alarm
from gateway.flows.delivery import acks, feedback, push, reconcile, resolve
from gateway.flows.forms import close, differences, pause, replay, report, resume, returns
from gateway.flows.intake import intake
from gateway.flows.parameters import DELIVERY, describe, is_chinese, platform_word, spoken
from gateway.flows.retention import retention
from gateway.flows.sync import sync
from gateway.locale import tr
from gateway.settings import ServeSettings

TAG = "gateway"
FORMS: tuple[Flow[..., Any], ...] = (pause, resume, replay, returns, differences, close, report)
"""work that is started from Prefect's page alone"""
ALL = "all"
OFF = "off"
ZONE = "Asia/Shanghai"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}
_ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)
Register = Callable[[RunnerDeployment], Awaitable[UUID]]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One deployment.

    platform:  empty for work that belongs to none
    scheduled: parameters of its schedule beside its own
    runs:      how many runs may be at it at once; as many are scheduled at the same moment
    """

    flow: Flow[..., Any]
    platform: str = ""
    schedule: str = OFF
    parameters: dict[str, Any] = field(default_factory=dict)
    scheduled: dict[str, Any] = field(default_factory=dict)
    runs: int = 1

    @property
    def name(self) -> str:
        """What people read in Prefect's lists: the job, then the platform."""
        if not is_chinese():
            return f"{self.flow.name}-{self.platform}" if self.platform else self.flow.name
        job = spoken(JOBS[self.flow.name])
        over = spoken(tr("all platforms")) if self.platform == ALL else platform_word(self.platform)
        return f"{job} · {over}" if self.platform else job

    @property
    def full_name(self) -> str:
        """As Prefect names it: flow and deployment."""
        return f"{self.flow.name}/{self.name}"

    def schedules(self, known: dict[str, bool]) -> list[Schedule]:
        """One schedule for each run that may be at it at once; ``known`` says which slugs are active in Prefect."""
        slugs = [f"{self.flow.name}-{lane}" for lane in range(1, self.runs + 1)] if self.schedule != OFF else []
        return [self._schedule(slug, active=known.get(slug, True)) for slug in slugs]

    def _schedule(self, slug: str, *, active: bool) -> Schedule:
        text, parameters = self.schedule, {**self.parameters, **self.scheduled}
        try:
            if text[-1] in _UNITS and text[:-1].isdigit():
                every = timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
                return Interval(every, anchor_date=_ANCHOR, active=active, slug=slug, parameters=parameters)
            CronSchedule(cron=text, timezone=ZONE)
            return Cron(text, timezone=ZONE, active=active, slug=slug, parameters=parameters)
        except ValueError:
            name = f"GATEWAY_SERVE__{self.flow.name.upper()}"
            raise ConfigurationError(
                tr("{name}: neither a cron line nor an interval of at least a second", name=name)
            ) from None


def plan(gateway: Gateway) -> list[Planned]:
    """Every flow for every configured platform, ``sync`` for all of them, and what belongs to no platform."""
    settings = gateway.loader(ServeSettings)
    planned = [Planned(flow=sync, platform=ALL), Planned(flow=alarm)]
    planned.append(Planned(flow=retention, schedule=settings.retention))
    planned += [Planned(flow=one) for one in FORMS]
    if settings.drop is not None:
        planned.append(Planned(flow=intake, schedule=settings.intake))
    for name in gateway.configured():
        own: dict[str, Any] = {"platforms": [name]}
        bounds = {"minutes": settings.minutes}
        lanes = settings.lanes
        planned += [
            Planned(
                flow=sync,
                platform=name,
                schedule=settings.sync,
                parameters=own,
                scheduled={"steps": list(DELIVERY), **bounds},
                runs=lanes,
            ),
            Planned(flow=push, platform=name, schedule=settings.push, parameters=own, scheduled=bounds, runs=lanes),
            Planned(flow=acks, platform=name, schedule=settings.acks, parameters=own, runs=lanes),
            Planned(flow=resolve, platform=name, schedule=settings.resolve, parameters=own, runs=lanes),
            Planned(flow=reconcile, platform=name, schedule=settings.reconcile, parameters=own),
        ]
        if isinstance(gateway.connector(name), GivesFeedback):
            planned.append(Planned(flow=feedback, platform=name, schedule=settings.feedback, parameters=own))
    return planned


async def register(
    planned: Sequence[Planned], *, each: Register | None = None, pool: str | None = None, folder: str | None = None
) -> dict[str, UUID]:
    """Register deployments and remove those of ours that are no longer planned; gives ids by full name.

    each:   registers one (a runner's own way); by default with the server only
    pool:   the work pool whose workers run them, and ``folder`` their working directory
    """
    async with get_client() as client:
        known = {f"{flow}/{one.name}": one for flow, one in await _registered(client)}
        made = [_deployment(one, known.get(one.full_name), pool, folder) for one in planned]
        ids = await asyncio.gather(*((each or _apply)(one) for one in made))
        names = {one.full_name for one in planned}
        for name, old in known.items():
            if name not in names:
                await client.delete_deployment(old.id)
    return {one.full_name: key for one, key in zip(planned, ids, strict=True)}


async def _apply(deployment: RunnerDeployment) -> UUID:
    return await deployment.aapply()


async def _registered(client: PrefectClient) -> list[tuple[str, DeploymentResponse]]:
    """Our deployments on the server, each with the name of its flow."""
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    found = await client.read_deployments(deployment_filter=ours, limit=200)
    names = {one.flow_id: (await client.read_flow(one.flow_id)).name for one in found}
    return [(names[one.flow_id], one) for one in found]


def _deployment(
    planned: Planned, known: DeploymentResponse | None, pool: str | None, folder: str | None
) -> RunnerDeployment:
    active = {str(one.slug): one.active for one in known.schedules} if known else {}
    made = RunnerDeployment.from_flow(
        planned.flow,
        name=planned.name,
        parameters=planned.parameters,
        schedules=planned.schedules(active),
        paused=known.paused if known else False,
        tags=[TAG],
        description=spoken(planned.flow.description or ""),
        entrypoint_type=EntrypointType.MODULE_PATH,
        work_pool_name=pool,
    )
    if folder is not None:
        # A step that goes there; without one, a worker copies its own working directory to each run.
        made.storage = LocalStorage(folder)
    describe(planned.flow, made._parameter_openapi_schema.properties)
    return made
