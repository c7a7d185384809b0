"""The flow ``sync``: everything for one platform or all, in one run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from gateway.bootstrap import Gateway
from gateway.delivery.store import views
from gateway.flows.artifacts import link_report
from gateway.flows.parameters import DELIVERY, STEPS, Chunk, Limit, Minutes, Patience, Platforms, Steps, run_name
from gateway.flows.results import PlatformResult, merge_results
from gateway.flows.session import busy_message, run_lease, run_on_platforms
from gateway.flows.steps import RunBounds, Work, deliver, run_feedback, run_reconcile


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
    bounds = RunBounds(chunk=chunk, limit=limit, minutes=minutes, patience_seconds=patience_seconds)

    async def do(gateway: Gateway, platform: str) -> PlatformResult:
        results = [PlatformResult(platform=platform)]
        if moving:
            results.append(await deliver(gateway, platform, moving, bounds))
        if "feedback" in wanted:
            results.append(await _with_lease(gateway, platform, "feedback", run_feedback))
        return merge_results(results)

    async def then(gateway: Gateway, platform: str) -> PlatformResult:
        """What credit findings of any platform have changed is sent before both sides are compared."""
        results = [PlatformResult(platform=platform)]
        if moving and "feedback" in wanted:
            results.append(await deliver(gateway, platform, moving, bounds))
        if "reconcile" in wanted:
            results.append(await _with_lease(gateway, platform, "reconcile", run_reconcile))
        return merge_results(results)

    async def after(gateway: Gateway, results: Sequence[PlatformResult]) -> Mapping[str, Any]:
        report = await link_report(gateway) if "reconcile" in wanted else None
        return {**await asyncio.to_thread(_states, gateway), **_reports(results), "report": report}

    further = then if wanted.difference(DELIVERY) else None
    return await run_on_platforms("sync", platforms, do, then=further, after=after, side_by_side=further is None)


async def _with_lease(gateway: Gateway, platform: str, step: str, work: Work) -> PlatformResult:
    async with run_lease(gateway, step, platform) as other:
        return (
            await work(gateway, platform)
            if other is None
            else PlatformResult(platform=platform, skipped=busy_message(other))
        )


def _states(gateway: Gateway) -> dict[str, Any]:
    with gateway.store.read() as connection:
        return {"states": {one.platform: dict(one.states) for one in views.counts(connection)}}


def _reports(results: Sequence[PlatformResult]) -> dict[str, Any]:
    return {
        step: {result.platform: result.reports[step] for result in results if step in result.reports}
        for step in ("feedback", "reconcile")
    }
