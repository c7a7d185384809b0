"""Automations on the Prefect server: alarms that reach a person, and the end of runs that no longer give a sign.

Each is made anew under its own name, so that the command may be repeated; what people made themselves is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags, FlowFilter, FlowFilterName
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from gateway.domain.errors import ConfigurationError
from gateway.domain.words import RUNS
from gateway.flows.artifacts import FLOWING, HELD, OVERDUE, resource
from gateway.flows.deployments import TAG
from gateway.flows.parameters import spoken
from gateway.flows.results import RunState
from gateway.locale import shown, tr

STALE = "gateway: runs without a sign of life"
_PLATFORM = "{{ event.resource.name }}"
_ENDS = {f"prefect.flow-run.{name}" for name in ("Cancelled", "Crashed", *RunState)}
_ENDS |= {f"prefect.flow-run.{shown(word.word, chinese=True)}" for word in RUNS.values()}
_HEARTBEAT = "prefect.flow-run.heartbeat"
HEARTBEAT_SECONDS = 30
"""the least that Prefect allows"""
_SILENT = timedelta(minutes=5)
"""long, for a busy machine loses signs of life of living runs; a lease in our store tells sooner what is gone"""

Action = ChangeFlowRunState | RunDeployment | SendNotification


async def close_silent_runs() -> str:
    """Let Prefect state a run as crashed whose heartbeats ended; returns the automation's name."""
    trigger = EventTrigger(
        after={_HEARTBEAT},
        expect={_HEARTBEAT, *_ENDS},
        match={"prefect.resource.id": "prefect.flow-run.*"},
        match_related={"prefect.resource.id": f"prefect.tag.{TAG}"},
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=_SILENT,
    )
    message = "no sign of life for five minutes; the ledger knows what is still to do, and the next run does it"
    return await _make(
        STALE, trigger, ChangeFlowRunState(name=None, state=StateType.CRASHED, message=message, force=False)
    )


async def raise_alarms(
    platforms: Sequence[str], *, quiet: timedelta, repeat: timedelta, to: str | None = None
) -> list[str]:
    """Make the three alarms; returns the automations' names.

    quiet:  something is due and nothing has left for so long, or no run has told anything
    repeat: a platform's alarm is not raised again before
    to:     slug of a notification block (``slack-webhook/ops``); without one the flow ``alarm`` is run
    """
    names = []
    for event, what in ((HELD, tr("platform held")), (OVERDUE, tr("acknowledgement overdue"))):
        trigger = EventTrigger(
            expect={event},
            match={"prefect.resource.id": resource("*")},
            for_each={"prefect.resource.id", "prefect.resource.name"},
            posture=Posture.Reactive,
            threshold=1,
            within=repeat,
        )
        names.append(await _make(f"gateway: {what}", trigger, await _action(spoken(what), _PLATFORM, to)))
    hours = f"{quiet.total_seconds() / 3600:g}"
    for platform in platforms:
        what = tr("nothing sent for {hours} hours", hours=hours)
        trigger = EventTrigger(
            expect={FLOWING},
            match={"prefect.resource.id": resource(platform)},
            posture=Posture.Proactive,
            threshold=1,
            within=quiet,
        )
        names.append(
            await _make(f"gateway: nothing sent, {platform}", trigger, await _action(spoken(what), platform, to))
        )
    return names


async def _action(what: str, platform: str, to: str | None) -> Action:
    async with get_client() as client:
        if to is not None:
            kind, _, name = to.partition("/")
            try:
                block = await client.read_block_document_by_name(name, kind, include_secrets=False)
            except ObjectNotFound:
                raise ConfigurationError(tr("no notification block {to!r} on the Prefect server", to=to)) from None
            assert block.id is not None
            body = f"{platform}: {what}. gateway status says more."
            return SendNotification(block_document_id=block.id, subject=f"Gateway: {what}", body=body)
        deployment = await _alarm_deployment(client)
    template: Any = {"__prefect_kind": "jinja", "template": platform} if "{{" in platform else platform
    parameters = {"what": what, "platform": template}
    return RunDeployment(source="selected", deployment_id=deployment, parameters=parameters, job_variables=None)


async def _alarm_deployment(client: Any) -> UUID:
    named = FlowFilter(name=FlowFilterName(any_=["alarm"]))
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    found = await client.read_deployments(flow_filter=named, deployment_filter=ours, limit=1)
    if not found:
        raise ConfigurationError(tr("no deployment alarm: run gateway serve or gateway deploy first"))
    return UUID(str(found[0].id))


async def _make(name: str, trigger: EventTrigger, action: Action) -> str:
    async with get_client() as client:
        for old in await client.read_automations_by_name(name):
            await client.delete_automation(old.id)
    await Automation(name=name, trigger=trigger, actions=[action]).acreate()
    return name
