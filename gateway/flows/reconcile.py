"""The flow ``reconcile``: ours against theirs, and the report's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from gateway.bootstrap import Gateway
from gateway.flows.ending import Part
from gateway.flows.parameters import Platforms, run_name
from gateway.flows.session import conduct
from gateway.flows.showing import link_report
from gateway.flows.steps import reconcile_part


@flow(name="reconcile", flow_run_name=run_name)
async def reconcile(platforms: Platforms = []) -> State[Any]:  # noqa: B006 - never changed; a null in the form is no list
    """Compare ours with theirs on every platform, and write the report."""

    async def after(gateway: Gateway, _parts: Sequence[Part]) -> Mapping[str, Any]:
        return {"report": await link_report(gateway)}

    return await conduct("reconcile", platforms, reconcile_part, after=after)
