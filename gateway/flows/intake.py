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
from gateway.domain.words import counted, counted_word
from gateway.flows.artifacts import begin, tell_prefect
from gateway.flows.parameters import form_name, is_chinese, spoken
from gateway.flows.results import EXIT_DONE, EXIT_FAILURES, RunResult, RunState, failed_run
from gateway.flows.session import busy_message, current, opened, reason_of, run_lease, to_state
from gateway.intake.drop import Drop, DropReport
from gateway.intake.reading import rules as reading_rules
from gateway.intake.rules.gate_table import GATES
from gateway.locale import tr
from gateway.settings import ServeSettings

Files = Annotated[
    int, Field(ge=0, title="Files", description="Read at most this many files in one run; 0: all of them.")
]
_COUNTED = ("rows", "admitted", "unchanged", "refused", "held", "scans")
_WORDED = {"held": "row_held"}


@task(name="intake", task_run_name="intake: drop folder", cache_policy=NO_CACHE)
async def read_drop(files: int) -> DropReport:
    """Read what lies in the drop folder; the files' names stay out of Prefect, for a person may stand in them."""
    gateway = current()
    drop = _drop(gateway)
    assert drop is not None
    return await asyncio.to_thread(drop.run, limit=files)


@flow(name="intake", flow_run_name=form_name)
async def intake(files: Files = 0) -> State[Any]:
    """Take in the files of the drop folder; each is moved to done or failed beside its report."""
    try:
        with opened() as gateway:
            await begin(gateway)
            if _drop(gateway) is None:
                return to_state(failed_run(tr("no drop folder is set: GATEWAY_SERVE__DROP")))
            async with run_lease(gateway, "intake", "") as other:
                if other is not None:
                    return to_state(RunResult(state=RunState.SKIPPED, message=busy_message(other), exit=EXIT_DONE))
                report = await read_drop(files)
            await asyncio.to_thread(gateway.seal)
            await _show(report)
    except OSError as error:
        return to_state(failed_run(tr("drop folder: {reason}", reason=error.strerror)))
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
    rows = {_WORDED.get(name, name): sums[name] for name in _COUNTED}
    said = [tr("files {count}", count=len(report.files))]
    said += [counted(rows)] if any(rows.values()) else []
    said += [tr("{count} files were no batch (folder failed)", count=bad)] if bad else []
    said += [tr("{count} scans were not kept", count=scans)] if scans else []
    said += [tr("{count} files wait for the next run", count=report.waiting)] if report.waiting else []
    return RunResult(
        state=RunState.ATTENTION if troubles else RunState.COMPLETED,
        message=tr("{message} (exit {code})", message=tr("{parts}", parts=said), code=code),
        exit=code,
        data={"exit": code, "files": len(report.files), "failed": bad, **sums},
    )


async def _show(report: DropReport) -> None:
    if flow_run.id is None or not report.files:
        return
    rows = [_row(number, one) for number, one in enumerate(report.files, 1)]
    await tell_prefect(
        acreate_table_artifact(rows, key="intake", description=spoken(tr("Files of the drop folder, in reading order")))
    )
    gates: Counter[str] = sum((one.report.gates for one in report.files if one.report is not None), Counter())
    if gates:
        words = (spoken(tr("rule")), spoken(tr("text")), spoken(tr("rows")))
        table = [dict(zip(words, (rule, _text_of(rule), n), strict=True)) for rule, n in gates.most_common()]
        await tell_prefect(
            acreate_table_artifact(table, key="intake-rules", description=spoken(tr("Refused and held rows by rule")))
        )


def _row(number: int, one: Any) -> dict[str, Any]:
    counts: Sequence[tuple[str, Any]] = [(n, getattr(one.report, n) if one.report else 0) for n in _COUNTED]
    head = {spoken(tr("file")): number, spoken(tr("taken")): one.name.partition("-")[0]}
    head |= {spoken(counted_word(_WORDED.get(name, name))): count for name, count in counts}
    return head | {spoken(tr("failure")): one.failure_zh if is_chinese() and one.failure_zh else one.failure}


def _text_of(rule: str) -> str:
    texts = {one.id: one for one in vars(reading_rules).values() if isinstance(one, reading_rules.Rule)}
    found = texts.get(rule) or next((one for one in GATES if one.id == rule), None)
    return "" if found is None else found.zh if is_chinese() else found.en
