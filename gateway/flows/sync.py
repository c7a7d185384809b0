"""The flow ``sync``: everything for one platform or all, in one run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from gateway.bootstrap import Gateway
from gateway.delivery.store import views
from gateway.flows.ending import Part, merged
from gateway.flows.parameters import DELIVERY, STEPS, Chunk, Limit, Minutes, Patience, Platforms, Steps, run_name
from gateway.flows.session import alone, at_it, conduct
from gateway.flows.showing import link_report
from gateway.flows.steps import Bounds, Work, deliver, feedback_part, reconcile_part


@flow(name="sync", flow_run_name=run_name)
async def sync(
    *,
    platforms: Platforms = [],  # noqa: B006 - never changed; a null in the form is no list
    steps: Steps = [],  # noqa: B006
    chunk: Chunk = 500,
    limit: Limit = 0,
    minutes: Minutes = 0,
    patience_seconds: Patience = 0,
) -> State[Any]:
    """Do it all: push, results, doubts, credit feedback, comparison of both sides, report."""
    wanted = set(steps or STEPS)
    moving = wanted.intersection(DELIVERY)
    bounds = Bounds(chunk=chunk, limit=limit, minutes=minutes, patience_seconds=patience_seconds)

    async def do(gateway: Gateway, platform: str) -> Part:
        parts = [Part(platform=platform)]
        if moving:
            parts.append(await deliver(gateway, platform, moving, bounds))
        if "feedback" in wanted:
            parts.append(await _alone(gateway, platform, "feedback", feedback_part))
        return merged(parts)

    async def then(gateway: Gateway, platform: str) -> Part:
        """What credit findings of any platform have changed is sent before both sides are compared."""
        parts = [Part(platform=platform)]
        if moving and "feedback" in wanted:
            parts.append(await deliver(gateway, platform, moving, bounds))
        if "reconcile" in wanted:
            parts.append(await _alone(gateway, platform, "reconcile", reconcile_part))
        return merged(parts)

    async def after(gateway: Gateway, parts: Sequence[Part]) -> Mapping[str, Any]:
        report = await link_report(gateway) if "reconcile" in wanted else None
        return {**await asyncio.to_thread(_states, gateway), **_reports(parts), "report": report}

    further = then if wanted.difference(DELIVERY) else None
    return await conduct("sync", platforms, do, then=further, after=after, side_by_side=further is None)


async def _alone(gateway: Gateway, platform: str, step: str, work: Work) -> Part:
    async with alone(gateway, step, platform) as other:
        return await work(gateway, platform) if other is None else Part(platform=platform, skipped=at_it(other))


def _states(gateway: Gateway) -> dict[str, Any]:
    with gateway.store.read() as connection:
        return {"states": {one.platform: dict(one.states) for one in views.counts(connection)}}


def _reports(parts: Sequence[Part]) -> dict[str, Any]:
    return {
        step: {part.platform: part.reports[step] for part in parts if step in part.reports}
        for step in ("feedback", "reconcile")
    }
