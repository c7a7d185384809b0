"""The flow ``feedback``: credit findings of the platforms that give them."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from gateway.flows.parameters import Platforms, run_name
from gateway.flows.session import conduct
from gateway.flows.steps import feedback_part


@flow(name="feedback", flow_run_name=run_name)
async def feedback(platforms: Platforms = []) -> State[Any]:  # noqa: B006 - never changed; a null in the form is no list
    """Pull, apply and acknowledge credit findings."""
    return await conduct("feedback", platforms, feedback_part)
