"""The flow ``alarm``: what an automation starts when nobody named a notification; it writes the alarm down."""

from __future__ import annotations

import logging
from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from pydantic import Field

from gateway.flows.artifacts import tell_prefect
from gateway.flows.parameters import spoken
from gateway.flows.results import EXIT_FAILURES, RunResult, RunState
from gateway.flows.session import to_state
from gateway.locale import tr

log = logging.getLogger(__name__)

What = Annotated[str, Field(title="What", max_length=80, description="What the alarm is about.")]
Platform = Annotated[str, Field(title="Platform", max_length=40, description="The platform it is about.")]


@flow(name="alarm", flow_run_name="alarm: {what}, {platform}")
async def alarm(what: What, platform: Platform = "") -> State[Any]:
    """Write an alarm to the log of the worker and to an artifact; it ends with attention, so that it is seen."""
    log.warning("alarm", extra={"what": what, "platform": platform})
    if flow_run.id is not None:
        await tell_prefect(
            acreate_markdown_artifact(f"**{what}**: {platform}", key="alarm", description=spoken(tr("The last alarm")))
        )
    text = tr("{platform}: {what}; see gateway status", platform=platform, what=what)
    return to_state(RunResult(state=RunState.ATTENTION, message=text, exit=EXIT_FAILURES))
