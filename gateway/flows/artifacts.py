"""What people see of a run in Prefect: name, tables, progress, a link to the report, and the events alarms hear.

All of it is told once, within seconds, and given up where Prefect does not answer: the work goes on without. Only
platform names, codes, counts and moments are shown.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    acreate_link_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.runtime import flow_run

from gateway.bootstrap import Gateway, report_settings
from gateway.codec.redact import clean
from gateway.delivery.store import views, waiting_views
from gateway.domain.errors import GatewayError
from gateway.domain.states import State
from gateway.domain.words import RUNS, STATES, counted, counted_word, word_of
from gateway.flows import lost_runs
from gateway.flows.parameters import named, platform_word, spoken
from gateway.flows.results import PlatformResult, RunState
from gateway.locale import Text, tr
from gateway.operations.overdue import known_clocks
from gateway.operations.report import write_report
from gateway.settings import ServeSettings

log = logging.getLogger(__name__)

HELD, OVERDUE, FLOWING = "gateway.platform.held", "gateway.acknowledgement.overdue", "gateway.platform.flowing"
_SECONDS = 10.0
_SHOWN = (State.REJECTED, State.PARKED, State.HELD)
_CALM = frozenset({RunState.COMPLETED, RunState.SKIPPED})


def resource(platform: str) -> str:
    """The name under which events speak of a platform."""
    return f"gateway.platform.{platform}"


async def tell_prefect(call: Awaitable[Any]) -> Any:
    """Tell Prefect something; None where that takes too long or fails, for what was done is done."""
    try:
        return await asyncio.wait_for(call, _SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever Prefect or its HTTP client raises: the work does not need it
        log.warning("Prefect was not told", extra={"error": type(error).__name__})
        return None


async def close_lost(gateway: Gateway) -> None:
    """Close runs that ended without a word; what Prefect cannot hear now is left for a later run."""
    await tell_prefect(lost_runs.close_lost(gateway))


async def begin(gateway: Gateway, *, lanes: int = 1) -> None:
    """Before the work of a run: close what is lost, cancel what was missed."""
    await close_lost(gateway)
    await tell_prefect(lost_runs.cancel_missed(gateway.edge.now(), lanes=lanes))


async def show(gateway: Gateway, work: str, results: Sequence[PlatformResult]) -> None:
    """Tables of what was done and of what needs a person, the run's name with its counts, and the events."""
    if flow_run.id is None:
        return
    names = [result.platform for result in results]
    worked = [result for result in results if not result.skipped]
    if any(result.counts or result.state not in _CALM for result in worked):
        key = artifact_key(work, names)
        rows = [_row(result) for result in results]
        await tell_prefect(acreate_table_artifact(_even(rows), key=key, description=spoken(named(work, names))))
        failures = await tell_prefect(asyncio.to_thread(_failures, gateway, names))
        if failures:
            text = spoken(tr("Refused, parked and held by reason, as the ledger stands; `gateway failures` lists them"))
            await tell_prefect(acreate_table_artifact(failures, key=f"{key}-failures", description=text))
    await tell_prefect(_rename(work, results))
    for result in worked:
        await tell_prefect(asyncio.to_thread(_emit, gateway, result))


def artifact_key(work: str, platforms: Sequence[str]) -> str:
    """Prefect's keys are of small letters, digits and dashes."""
    return "-".join([work, *(platforms if len(platforms) == 1 else ["all"])]).replace("_", "-")


def _row(result: PlatformResult) -> dict[str, Any]:
    head = {spoken(tr("platform")): platform_word(result.platform), spoken(tr("state")): spoken(result.state_word)}
    return head | {spoken(counted_word(name)): count for name, count in result.counts.items()}


def _even(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name, 0) for name in columns} for row in rows]


def _failures(gateway: Gateway, platforms: Sequence[str]) -> list[dict[str, Any]]:
    with gateway.store.read() as connection:
        rows = views.reasons(connection, _SHOWN)
    return [
        {
            spoken(tr("platform")): platform_word(row["platform"]),
            spoken(tr("state")): spoken(STATES[State(row["state"])].word),
            spoken(tr("reason")): clean(row["code"] or ""),
            spoken(tr("meaning")): spoken(word_of(row["code"] or "") or ""),
            spoken(tr("count")): row["count"],
        }
        for row in rows
        if row["platform"] in platforms
    ]


async def _rename(work: str, results: Sequence[PlatformResult]) -> None:
    async with get_client() as client:
        await client.update_flow_run(
            UUID(str(flow_run.id)),
            name=spoken(run_title(named(work, [result.platform for result in results]), summary(work, results))),
        )


def run_title(work: Text, said: Text) -> Text:
    """The name of a run: the work, and what came of it."""
    return tr("{work}: {said}", work=work, said=said)


def summary(work: str, results: Sequence[PlatformResult]) -> Text:
    """What a run's name says after the colon: what was done, and what stands in the way, or that nothing was due."""
    sums = {name: sum(result.counts.get(name, 0) for result in results) for name in _COUNTED.get(work, ())}
    said: list[Text] = [counted(sums)] if any(sums.values()) else []
    troubles = sum(sum(result.troubles.values()) for result in results)
    if troubles:
        said.append(tr("to be seen {count}", count=troubles))
    states = {result.state for result in results} - {RunState.COMPLETED, *([RunState.ATTENTION] if troubles else [])}
    said += [RUNS[state.value].word for state in reversed(RunState) if state in states]
    return tr("{parts}", parts=said) if said else tr("nothing due")


_COUNTED: Mapping[str, tuple[str, ...]] = {
    "push": ("sent",),
    "acks": ("asked",),
    "resolve": ("asked",),
    "feedback": ("pulled",),
    "reconcile": ("match",),
    "sync": ("sent", "asked", "pulled", "match"),
}


def _emit(gateway: Gateway, result: PlatformResult) -> None:
    """Tell alarms what they wait for. Without an event nothing is in order: a worker that is gone says nothing."""
    now, platform = gateway.edge.now(), result.platform
    watch = gateway.promise_watch([platform])
    with gateway.store.read() as connection:
        promised = known_clocks(connection, watch)
        due = sum(waiting_views.due(connection, platform, state, now) for state in (State.QUEUED, State.HELD))
    about = {"prefect.resource.id": resource(platform), "prefect.resource.name": platform}
    if result.state is RunState.HELD and result.stop is not None:
        emit_event(HELD, about, payload={"platform": platform, "code": result.stop.code})
    late, soon = sum(one.late for one in promised), sum(one.soon for one in promised)
    if late or soon:
        emit_event(OVERDUE, about, payload={"platform": platform, "late": late, "soon": soon})
    if result.counts.get("sent") or not due:
        emit_event(FLOWING, about, payload={"platform": platform})


class PushProgress:
    """The progress of one platform's long push, as an artifact that is drawn anew with each chunk."""

    def __init__(self, platform: str, total: int) -> None:
        self._platform, self._total = platform, total
        self._id: UUID | None = None

    async def __call__(self, done: int) -> None:
        """Show how much of what was due at the start is sent."""
        if flow_run.id is None or not self._total:
            return
        share = min(100.0, 100.0 * done / self._total)
        about = {"platform": platform_word(self._platform), "done": done, "total": self._total}
        text = spoken(tr("{platform}: {done} of {total} that were due when the run began", **about))
        if self._id is None:
            key = artifact_key("progress", [self._platform])
            self._id = await tell_prefect(acreate_progress_artifact(share, key=key, description=text))
        else:
            await tell_prefect(aupdate_progress_artifact(self._id, share, text))


async def link_report(gateway: Gateway) -> str | None:
    """Write the report's page and link it; gives its path, or None where it could not be written."""
    folder = Path(gateway.settings.home) / "reports"
    settings = gateway.loader(ServeSettings)

    def write() -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        fresh, page = folder / f".{gateway.edge.new_id()}.html", folder / "gateway-report.html"
        write_report(gateway.store, fresh, report_settings(gateway), now=gateway.edge.now())
        return fresh.replace(page)

    try:
        page = await asyncio.to_thread(write)
    except (GatewayError, OSError) as error:
        log.warning("report not written", extra={"error": type(error).__name__})
        return None
    base = settings.reports_url
    link = f"{base.rstrip('/')}/{page.name}" if base else page.resolve().as_uri()
    if flow_run.id is not None:
        await tell_prefect(
            acreate_link_artifact(link=link, link_text=spoken(tr("Report")), key="report", description=str(page))
        )
    return str(page)
