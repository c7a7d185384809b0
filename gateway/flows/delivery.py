"""The flows of the steps: ``push``, ``acks``, ``resolve``, ``feedback`` and ``reconcile``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from gateway.bootstrap import Gateway
from gateway.flows.artifacts import link_report
from gateway.flows.parameters import Chunk, Limit, Minutes, Platforms, Step, run_name
from gateway.flows.results import PlatformResult
from gateway.flows.session import run_on_platforms
from gateway.flows.steps import RunBounds, deliver, run_feedback, run_reconcile


@flow(name="push", flow_run_name=run_name)
async def push(platforms: Platforms = [], chunk: Chunk = 500, limit: Limit = 0, minutes: Minutes = 0) -> State[Any]:  # noqa: B006 - never changed; a null in the form is no list
    """Send everything that is due, chunk after chunk, the platforms side by side."""
    return await _deliver("push", platforms, RunBounds(chunk=chunk, limit=limit, minutes=minutes))


@flow(name="acks", flow_run_name=run_name)
async def acks(platforms: Platforms = [], chunk: Chunk = 500) -> State[Any]:  # noqa: B006
    """Fetch the results that are due by receipt."""
    return await _deliver("acks", platforms, RunBounds(chunk=chunk))


@flow(name="resolve", flow_run_name=run_name)
async def resolve(platforms: Platforms = [], chunk: Chunk = 500) -> State[Any]:  # noqa: B006
    """Settle what is in doubt by asking the platform."""
    return await _deliver("resolve", platforms, RunBounds(chunk=chunk))


@flow(name="feedback", flow_run_name=run_name)
async def feedback(platforms: Platforms = []) -> State[Any]:  # noqa: B006
    """Pull, apply and acknowledge credit findings."""
    return await run_on_platforms("feedback", platforms, run_feedback)


@flow(name="reconcile", flow_run_name=run_name)
async def reconcile(platforms: Platforms = []) -> State[Any]:  # noqa: B006
    """Compare ours with theirs on every platform, and write the report."""

    async def after(gateway: Gateway, _parts: Sequence[PlatformResult]) -> Mapping[str, Any]:
        return {"report": await link_report(gateway)}

    return await run_on_platforms("reconcile", platforms, run_reconcile, after=after)


async def _deliver(step: Step, platforms: list[str], bounds: RunBounds) -> State[Any]:
    return await run_on_platforms(
        step, platforms, lambda gateway, name: deliver(gateway, name, {step}, bounds, leased=True), side_by_side=True
    )
