"""The flow ``intake``: what lies in the drop folder becomes records, and each file gets its report."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

from prefect import flow, task
from prefect.artifacts import acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from pydantic import Field

from gateway.bootstrap import Gateway
from gateway.flows.artifacts import begin, tell_prefect
from gateway.flows.results import EXIT_DONE, EXIT_FAILURES, RunResult, RunState, failed_run
from gateway.flows.session import busy_message, current, opened, reason_of, run_lease, to_state
from gateway.intake.drop import Drop, DropReport
from gateway.settings import ServeSettings

Files = Annotated[
    int, Field(ge=0, title="Files", description="Read at most this many files in one run; 0: all of them.")
]
_COUNTED = ("rows", "admitted", "unchanged", "refused", "held", "scans")


@task(name="intake", task_run_name="intake: drop folder", cache_policy=NO_CACHE)
async def read_drop(files: int) -> DropReport:
    """Read what lies in the drop folder; the files' names stay out of Prefect, for a person may stand in them."""
    gateway = current()
    drop = _drop(gateway)
    assert drop is not None
    return await asyncio.to_thread(drop.run, limit=files)


@flow(name="intake", flow_run_name="intake: drop folder")
async def intake(files: Files = 0) -> State[Any]:
    """Take in the files of the drop folder; each is moved to done or failed beside its report."""
    try:
        with opened() as gateway:
            await begin(gateway)
            if _drop(gateway) is None:
                return to_state(failed_run("no drop folder is set: GATEWAY_SERVE__DROP"))
            async with run_lease(gateway, "intake", "") as other:
                if other is not None:
                    return to_state(RunResult(state=RunState.SKIPPED, message=busy_message(other), exit=EXIT_DONE))
                report = await read_drop(files)
            await asyncio.to_thread(gateway.seal)
            await _show(report)
    except OSError as error:
        return to_state(failed_run(f"drop folder: {error.strerror}"))
    except Exception as error:  # noqa: BLE001 - the guard of a run
        return to_state(failed_run(reason_of(error, "intake")))
    return to_state(_run_result(report))


def _drop(gateway: Gateway) -> Drop | None:
    settings = gateway.loader(ServeSettings)
    if settings.drop is None:
        return None
    return Drop(
        folder=settings.drop,
        take_in=gateway.take_in,
        now=gateway.edge.now,
        settle_seconds=settings.drop_settle_seconds,
        for_group=settings.drop_group_readable,
    )


def _sums(report: DropReport) -> Counter[str]:
    sums: Counter[str] = Counter()
    for one in report.files:
        if one.report is not None:
            sums.update({name: getattr(one.report, name) for name in _COUNTED})
    return sums


def _run_result(report: DropReport) -> RunResult:
    bad = sum(bool(one.failure) for one in report.files)
    sums = _sums(report)
    scans = sum(len(one.report.scan_troubles) for one in report.files if one.report is not None)
    troubles = bad or sums["refused"] or sums["held"] or scans
    code = EXIT_FAILURES if troubles else EXIT_DONE
    said = [f"{len(report.files)} files", *(f"{sums[name]} {name}" for name in _COUNTED if sums[name])]
    said += [f"{bad} files were no batch (folder failed)"] if bad else []
    said += [f"{scans} scans were not kept"] if scans else []
    said += [f"{report.waiting} files wait for the next run"] if report.waiting else []
    return RunResult(
        state=RunState.ATTENTION if troubles else RunState.COMPLETED,
        message=f"{', '.join(said)} (exit {code})",
        exit=code,
        data={"exit": code, "files": len(report.files), "failed": bad, **sums},
    )


async def _show(report: DropReport) -> None:
    if flow_run.id is None or not report.files:
        return
    rows = [_row(number, one) for number, one in enumerate(report.files, 1)]
    await tell_prefect(
        acreate_table_artifact(rows, key="intake", description="Files of the drop folder, in reading order")
    )
    gates: Counter[str] = sum((one.report.gates for one in report.files if one.report is not None), Counter())
    if gates:
        table = [{"rule": rule, "rows": count} for rule, count in gates.most_common()]
        await tell_prefect(
            acreate_table_artifact(table, key="intake-rules", description="Refused and held rows by rule")
        )


def _row(number: int, one: Any) -> dict[str, Any]:
    counts: Sequence[tuple[str, Any]] = [(n, getattr(one.report, n) if one.report else 0) for n in _COUNTED]
    return {"file": number, "taken": one.name.partition("-")[0], **dict(counts), "failure": one.failure}
