"""The flows that move deliveries: ``push``, ``acks`` and ``resolve``."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from gateway.flows.parameters import Chunk, Limit, Minutes, Platforms, Step, run_name
from gateway.flows.session import conduct
from gateway.flows.steps import Bounds, deliver


@flow(name="push", flow_run_name=run_name)
async def push(platforms: Platforms = [], chunk: Chunk = 500, limit: Limit = 0, minutes: Minutes = 0) -> State[Any]:  # noqa: B006 - never changed; a null in the form is no list
    """Send everything that is due, chunk after chunk, the platforms side by side."""
    return await _conduct("push", platforms, Bounds(chunk=chunk, limit=limit, minutes=minutes))


@flow(name="acks", flow_run_name=run_name)
async def acks(platforms: Platforms = [], chunk: Chunk = 500) -> State[Any]:  # noqa: B006
    """Fetch the results that are due by receipt."""
    return await _conduct("acks", platforms, Bounds(chunk=chunk))


@flow(name="resolve", flow_run_name=run_name)
async def resolve(platforms: Platforms = [], chunk: Chunk = 500) -> State[Any]:  # noqa: B006
    """Settle what is in doubt by asking the platform."""
    return await _conduct("resolve", platforms, Bounds(chunk=chunk))


async def _conduct(step: Step, platforms: list[str], bounds: Bounds) -> State[Any]:
    return await conduct(
        step, platforms, lambda gateway, name: deliver(gateway, name, {step}, bounds, leased=True), side_by_side=True
    )
