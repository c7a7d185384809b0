"""The flow ``retention``: what has had its time is cleared, rule by rule; what is under a hold is not."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from prefect import flow, task
from prefect.artifacts import acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from pydantic import Field

from gateway.domain.approvals import GuardedAct
from gateway.domain.words import counted
from gateway.flows.artifacts import begin, tell_prefect
from gateway.flows.parameters import form_name, spoken
from gateway.flows.results import EXIT_DONE, EXIT_FAILURES, RunResult, RunState, failed_run
from gateway.flows.session import busy_message, current, opened, reason_of, run_lease, to_state
from gateway.locale import tr
from gateway.operations.approvals import Permit
from gateway.operations.retention import RetentionReport, retain
from gateway.settings import RetentionSettings

DryRun = Annotated[bool, Field(title="Dry run", description="Count what has had its time, and clear nothing.")]


@task(name="retention", task_run_name="retention", cache_policy=NO_CACHE)
async def apply_rules(dry_run: bool) -> RetentionReport | Permit:
    """Apply every rule once; a run that is killed is gone on with by the next. Or ask for a second person."""
    gateway = current()
    days = gateway.loader(RetentionSettings).model_dump()

    def work() -> RetentionReport | Permit:
        now = as_of = gateway.edge.now()
        if not dry_run:
            permit = gateway.second_person(
                GuardedAct.RETENTION,
                "everything",
                {"days": days},
                reason="what has had its time",
                about=lambda: retain(gateway.store, days, now, by="gateway", dry_run=True).rows,
            )
            if not permit.granted:
                gateway.seal()
                return permit
            as_of = permit.as_of(now)
        report = retain(gateway.store, days, now, by="gateway", dry_run=dry_run, as_of=as_of)
        gateway.seal()
        return report

    return await asyncio.to_thread(work)


@flow(name="retention", flow_run_name=form_name)
async def retention(dry_run: DryRun = False) -> State[Any]:
    """Clear what has had its time by the rules of the settings; the audit trail keeps every purge."""
    try:
        with opened() as gateway:
            await begin(gateway)
            async with run_lease(gateway, "retention", "") as other:
                if other is not None:
                    return to_state(RunResult(state=RunState.SKIPPED, message=busy_message(other), exit=EXIT_DONE))
                report = await apply_rules(dry_run)
    except Exception as error:  # noqa: BLE001 - the guard of a run
        return to_state(failed_run(reason_of(error, "retention")))
    if isinstance(report, Permit):
        assert report.request is not None
        text = tr("waits for a second person: gateway approvals approve {number}", number=report.request.id)
        text = tr("{message} (exit {code})", message=text, code=EXIT_FAILURES)
        return to_state(RunResult(state=RunState.HELD, message=text, exit=EXIT_FAILURES))
    if flow_run.id is not None:
        words = (spoken(tr("rule")), spoken(tr("rows")), spoken(tr("older_than")))
        cells = ((rule, n, str(report.before[rule])) for rule, n in report.rows.items())
        rows = [dict(zip(words, row, strict=True)) for row in cells]
        await tell_prefect(
            acreate_table_artifact(
                rows, key="retention", description=spoken(tr("would be cleared") if dry_run else tr("cleared"))
            )
        )
    if report.held:
        text = tr("a hold on everything is in force; nothing was cleared (exit {code})", code=EXIT_FAILURES)
        return to_state(RunResult(state=RunState.HELD, message=text, exit=EXIT_FAILURES))
    said = counted(report.rows) if any(report.rows.values()) else tr("nothing has had its time")
    said = tr("would be cleared: {rows}", rows=said) if dry_run else said
    text = tr("{message} (exit {code})", message=said, code=EXIT_DONE)
    return to_state(
        RunResult(state=RunState.COMPLETED, message=text, exit=EXIT_DONE, data={"exit": EXIT_DONE, **report.rows})
    )
