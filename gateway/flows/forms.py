"""What an operator does from Prefect's page by filling in a form: pause and resume, replay with approval, returns,
differences, closing a report, the report. Who did it stands in the audit trail as ``prefect``: its page knows no names.
What is typed into a form stays in Prefect, so no form asks for a person, a certificate or a file's name.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run
from pydantic import Field, create_model

from gateway.bootstrap import Gateway
from gateway.delivery.rules.differences import QUIET, REPAIRED_BY_SENDING, Difference
from gateway.delivery.store import ledger, reconciliations, replays
from gateway.delivery.store import platforms as delivery_platforms
from gateway.delivery.store.recovering import not_recovered
from gateway.delivery.store.replays import Plan
from gateway.delivery.store.views import DeliveryFilter
from gateway.domain.errors import InputError, StoreError
from gateway.domain.states import Event
from gateway.domain.words import DIFFERENCES, KINDS, counted
from gateway.flows.artifacts import link_report, tell_prefect
from gateway.flows.parameters import Installed, Platforms, form_name, platform_word, spoken
from gateway.flows.results import EXIT_DONE, EXIT_FAILURES, RunResult, RunState, failed_run
from gateway.flows.session import opened, reason_of, to_state
from gateway.intake.hand_back import close_report, hand_back
from gateway.locale import Text, tr

BY = "prefect"
_SHOWN = 200
"""rows of a table in Prefect's page"""
_APPROVAL = timedelta(hours=8)
"""a plan that nobody has approved after so long is not run; it stays, and ``gateway replay run`` takes it"""
_NOT_IN_NAMES = re.compile(r"[^\w.-]+")

OnePlatform = Annotated[str, Installed(), Field(title="Platform", description="The platform.")]
Reason = Annotated[
    str,
    Field(
        min_length=1,
        title="Reason",
        description="Why; kept in the audit trail, and by Prefect: no person's name or number.",
    ),
]
Hours = Annotated[
    float, Field(ge=0, title="Hours", description="It goes on by itself after so many hours; 0: when it is resumed.")
]
ReportNo = Annotated[str, Field(min_length=1, title="Report", description="Number of the report, as in the lists.")]
Code = Annotated[str, Field(title="Code", description="Only what was answered with this code; empty: any.")]
Which = Annotated[
    Literal["failed", "lost", "altered"],
    Field(
        title="What",
        description="failed: rejected or parked; lost, altered: accepted, and differs so in the last reconciliation.",
    ),
]

Outcome = tuple[RunState, Text]


@flow(name="pause", flow_run_name=form_name)
async def pause(platform: OnePlatform, reason: Reason, hours: Hours = 0) -> State[Any]:
    """Hold a platform: nothing is sent or asked until it is resumed, or its time is over."""

    def work(gateway: Gateway) -> Outcome:
        gateway.connector(platform)
        now = gateway.edge.now()
        until = now + timedelta(hours=hours) if hours else None
        with gateway.store.write() as connection:
            delivery_platforms.pause(connection, platform, code="operator", reason=reason, by=BY, now=now, until=until)
        return RunState.COMPLETED, tr("{platform} is held", platform=platform_word(platform))

    return await _done("pause", work)


@flow(name="resume", flow_run_name=form_name)
async def resume(platform: OnePlatform, reason: Reason) -> State[Any]:
    """Let a platform go on, and queue again what it held."""

    def work(gateway: Gateway) -> Outcome:
        now = gateway.edge.now()
        with gateway.store.read() as connection:
            missing = not_recovered(connection, platform, now)
        if missing is not None:
            raise StoreError(missing)
        with gateway.store.write() as connection:
            was = delivery_platforms.resume(connection, platform, by=BY, reason=reason, now=now)
            count = ledger.let_go(connection, Event.RESUMED, now, platform=platform)
        name = platform_word(platform)
        goes_on = tr("{platform} goes on; {count} deliveries are queued again", platform=name, count=count)
        return RunState.COMPLETED, goes_on if was else tr("{platform} was not held", platform=name)

    return await _done("resume", work)


@flow(name="close", flow_run_name=form_name)
async def close(report: ReportNo, reason: Reason) -> State[Any]:
    """Close a report of which rows never came back; nothing new may be added to it."""

    def work(gateway: Gateway) -> Outcome:
        if close_report(gateway.store, report, reason=reason, by=BY, now=gateway.edge.now()):
            return RunState.COMPLETED, tr("{report}: closed", report=report)
        return RunState.ATTENTION, tr("this report was closed by hand before")

    return await _done("close", work)


@flow(name="returns", flow_run_name=form_name)
async def returns(report: ReportNo) -> State[Any]:
    """Write the returns of a report again, into the folder ``returns`` of the home; the page gets no row."""

    def work(gateway: Gateway) -> Outcome:
        folder = Path(gateway.settings.home) / "returns"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        out = folder / f"{_NOT_IN_NAMES.sub('_', report)}.xlsx"
        count = hand_back(gateway.store, report, out, force=True)
        gateway.note("returns", f"batch {report}", detail={"rows": count})
        return RunState.COMPLETED, tr("{count} rows written back to {out}", count=count, out=str(out.resolve()))

    return await _done("returns", work)


@flow(name="report", flow_run_name=form_name)
async def report() -> State[Any]:
    """Write the report and link it."""
    try:
        with opened() as gateway:
            page = await link_report(gateway)
    except Exception as error:  # noqa: BLE001 - the guard of a run
        return to_state(failed_run(reason_of(error, "report")))
    if page is None:
        return to_state(failed_run(tr("the report cannot be written; see the log of the worker")))
    return to_state(_ended((RunState.COMPLETED, tr("report: {out}", out=page))))


@flow(name="differences", flow_run_name=form_name)
async def differences(platforms: Platforms = []) -> State[Any]:  # noqa: B006 - never changed
    """Show what the last reconciliation found on each platform, and what repairs it; records by their keys."""
    tables: dict[str, list[dict[str, Any]]] = {}

    def work(gateway: Gateway) -> Outcome:
        sums: Counter[str] = Counter()
        for name in gateway.configured(platforms):
            with gateway.store.read() as connection:
                run = reconciliations.last_run(connection, name)
                if run is None:
                    continue
                wanted = [str(one) for one in Difference if one not in QUIET]
                vault = gateway.store.vault
                _, found = reconciliations.found_differences(connection, vault, run.number, wanted, _SHOWN)
            gateway.note("differences", f"reconciliation {run.number}", detail={"platform": name, "rows": len(found)})
            tables[name] = [_difference(one) for one in found]
            sums.update(one.difference for one in found if one.settled_at is None)
        if not sums:
            return RunState.COMPLETED, tr("nothing differs that needs a person")
        act = Text("gateway differences")
        return RunState.ATTENTION, tr("{counts}; `{act}` names the certificates", counts=counted(sums), act=act)

    state = await _done("differences", work)
    for name, rows in tables.items():
        if rows and flow_run.id is not None:
            key = f"differences-{name}".replace("_", "-")
            title = spoken(tr("Differences of {platform}", platform=platform_word(name)))
            await tell_prefect(acreate_table_artifact(rows, key=key, description=title))
    return state


def _difference(one: Any) -> dict[str, Any]:
    mends = one.difference in REPAIRED_BY_SENDING
    act = tr("the form replay, {which}", which=one.difference) if mends else DIFFERENCES[one.difference].act
    cells: dict[Text, Any] = {
        tr("class"): DIFFERENCES[one.difference].word,
        tr("kind"): KINDS.get(one.kind, one.kind),
        tr("key"): "" if one.record is None else one.record.key,
        tr("fields"): ", ".join(one.fields),
        tr("delivery"): one.delivery_id or "",
        tr("act"): tr("settled") if one.settled_at else act,
    }
    return {spoken(title): spoken(cell) if isinstance(cell, str) else cell for title, cell in cells.items()}


@flow(name="replay", flow_run_name=form_name)
async def replay(
    reason: Reason,
    platforms: Platforms = [],  # noqa: B006 - never changed
    which: Which = "failed",
    code: Code = "",
) -> State[Any]:
    """Plan to send again what failed or differs, wait until a person has approved the plan here, then queue it."""
    try:
        with opened() as gateway:
            plans = await asyncio.to_thread(_plan, gateway, platforms, which, code, reason)
            if not plans:
                return to_state(_ended((RunState.COMPLETED, tr("nothing that failed matches"))))
            approved = await _approved(plans)
            if not approved:
                for one in plans:
                    await asyncio.to_thread(_cancel, gateway, one)
                return to_state(_ended((RunState.ATTENTION, tr("not approved; nothing is sent again"))))
            went: Counter[str] = Counter()
            for one in plans:
                went += await asyncio.to_thread(_carry_out, gateway, one)
            await asyncio.to_thread(gateway.seal)
    except Exception as error:  # noqa: BLE001 - the guard of a run
        return to_state(failed_run(reason_of(error, "replay")))
    skipped = went.total() - went["done"]
    text = tr("{count} queued again", count=went["done"])
    if skipped:
        return to_state(_ended((RunState.ATTENTION, tr("{text}; {count} skipped", text=text, count=skipped))))
    return to_state(_ended((RunState.COMPLETED, text)))


def _plan(gateway: Gateway, platforms: Sequence[str], which: str, code: str, reason: str) -> list[Plan]:
    difference = None if which == "failed" else Difference(which)
    if difference is not None and code:
        raise InputError(tr("a code chooses what failed; what differs was accepted: leave it out"))
    made = []
    for name in gateway.configured(platforms):
        wanted = DeliveryFilter(platform=name, code=code or None)
        with gateway.store.write() as connection:
            now = gateway.edge.now()
            one = replays.plan(connection, wanted, reason=reason, by=BY, now=now, difference=difference)
        made += [one] if one is not None else []
    return made


async def _approved(plans: Sequence[Plan]) -> bool:
    """Show the plans, and wait for the form; without Prefect nobody can be asked."""
    if flow_run.id is None:
        return False
    lines = [tr("plan {id}, {platform}: {count} deliveries, digest {digest}", id=one.id, **_said(one)) for one in plans]
    text = "\n".join(f"- {spoken(line)}" for line in lines)
    await tell_prefect(acreate_markdown_artifact(text, key="replay", description=spoken(tr("replay plans"))))
    field = Field(default=False, title=spoken(tr("Send again")), description=spoken(tr("Yes: these are sent again.")))
    form: type[RunInput] = create_model("Approval", __base__=RunInput, approve=(bool, field))
    asked: Any = form.with_initial_data(description=text, approve=False)
    given: Any = await pause_flow_run(
        wait_for_input=asked,
        timeout=int(_APPROVAL.total_seconds()),
    )
    return bool(given.approve)


def _said(one: Plan) -> dict[str, Any]:
    platform = platform_word(str(one.chosen_by["platform"]))
    return {"platform": platform, "count": one.items, "digest": one.digest[:12]}


def _cancel(gateway: Gateway, one: Plan) -> None:
    with gateway.store.write() as connection:
        replays.cancel(connection, one.id, by=BY, reason="not approved", now=gateway.edge.now())


def _carry_out(gateway: Gateway, one: Plan) -> Counter[str]:
    went: Counter[str] = Counter()
    while True:
        with gateway.store.write() as connection:
            part = replays.run(connection, one.id, by=BY, now=gateway.edge.now())
        if part is None:
            return went
        went += part


async def _done(name: str, work: Callable[[Gateway], Outcome]) -> State[Any]:
    """Do a short piece of work and give its state; what it wrote is sealed."""

    def whole(gateway: Gateway) -> Outcome:
        outcome = work(gateway)
        gateway.seal()
        return outcome

    try:
        with opened() as gateway:
            outcome = await asyncio.to_thread(partial(whole, gateway))
    except Exception as error:  # noqa: BLE001 - the guard of a run
        return to_state(failed_run(reason_of(error, name)))
    return to_state(_ended(outcome))


def _ended(outcome: Outcome) -> RunResult:
    state, text = outcome
    code = EXIT_DONE if state is RunState.COMPLETED else EXIT_FAILURES
    message = tr("{message} (exit {code})", message=text, code=code)
    return RunResult(state=state, message=message, exit=code, data={"exit": code})
