"""``gateway replay``: a list of failed transmissions is fixed, looked at, and let go as a whole."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.approvals import ask_second_person
from gateway.cli.output import (
    FAILURES,
    LARGEST,
    MISUSE,
    AsJson,
    actor,
    columns,
    complain,
    details,
    emit,
    in_china,
    known_batch,
    known_platform,
    opened,
    say,
    table,
)
from gateway.domain.approvals import GuardedAct
from gateway.domain.errors import InputError
from gateway.domain.states import State
from gateway.locale import Text, tr

if TYPE_CHECKING:
    from gateway.delivery.replaying import PlanOutlook
    from gateway.delivery.store.replays import Plan

replay = typer.Typer(no_args_is_help=True, help="Send again what failed, by plan.")
Number = Annotated[int, typer.Argument(min=1, max=LARGEST, help="Number of the plan.")]
_COLUMNS = ("id", "at", "by", "reason", "items", "done", "skipped", "waiting", "cancelled_at")


class Failed(StrEnum):
    """States that can be planned."""

    PARKED = State.PARKED
    REJECTED = State.REJECTED


class PayloadChoice(StrEnum):
    """With which payload the deliveries go."""

    ORIGINAL = "original"
    CURRENT = "current"


class Repairable(StrEnum):
    """Differences of accepted records that sending them again mends."""

    LOST = "lost"
    ALTERED = "altered"


@replay.command("plan")
def plan(
    reason: Annotated[str, typer.Option(help="Why it may go again; kept in the audit trail.")],
    deliveries: Annotated[
        list[int] | None, typer.Argument(min=1, max=LARGEST, help="Numbers of deliveries; all that match without.")
    ] = None,
    platform: Annotated[str | None, typer.Option(help="Only this platform.")] = None,
    state: Annotated[Failed | None, typer.Option(help="Only this state.")] = None,
    code: Annotated[str | None, typer.Option(help="Only this code.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only what changed since then; without a zone in +08:00.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(help="Only what changed before then; without a zone in +08:00.")
    ] = None,
    batch: Annotated[str | None, typer.Option(help="Only rows of the batch file with this name.")] = None,
    difference: Annotated[
        Repairable | None, typer.Option(help="Instead: what was accepted and differs so in the last reconciliation.")
    ] = None,
    lost: Annotated[bool, typer.Option("--lost", help="Short for --difference lost.")] = False,
    mapping: Annotated[
        PayloadChoice | None,
        typer.Option(
            help="original: the payload that was sent; current: made anew. Without: anew for what was rejected."
        ),
    ] = None,
    preview: Annotated[int, typer.Option(min=0, max=100, help="Show so many of the first payloads.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Fix the list of everything that failed and matches, and say what letting it go will do. Nothing is sent.

    Exit code 1 where nothing matches, or a delivery that was named did not fail.
    """
    with opened() as gateway:
        from gateway.delivery.replaying import outlook
        from gateway.delivery.rules.differences import Difference
        from gateway.delivery.store.replays import ReplayMapping
        from gateway.delivery.store.replays import plan as make
        from gateway.delivery.store.views import DeliveryFilter

        known_platform(gateway, platform)
        known_batch(gateway, batch)
        if lost and difference not in (None, Repairable.LOST):
            raise InputError(tr("--lost and --difference name two classes: give one of them"))
        chosen = Difference.LOST if lost else None if difference is None else Difference(difference)
        if chosen is not None and (state or code):
            raise InputError(tr("--state and --code choose what failed; what differs was accepted: leave them out"))
        wanted = DeliveryFilter(
            platform=platform,
            states=() if state is None else (State(state),),
            code=code,
            since=in_china(since),
            until=in_china(until),
            batch=batch,
            ids=tuple(dict.fromkeys(deliveries or ())),
            corrected=False,
        )
        with gateway.store.write() as connection:
            made = make(
                connection,
                wanted,
                reason=reason,
                by=actor(),
                now=gateway.edge.now(),
                difference=chosen,
                mapping=None if mapping is None else ReplayMapping(mapping),
            )
        if made is None:
            complain(tr("nothing that differs so matches") if chosen else tr("nothing that failed matches"))
            raise typer.Exit(FAILURES)
        ahead = outlook(gateway.store, gateway.connectors(), made, preview)
        if ahead.first:
            gateway.note("replay_preview", f"replay {made.id}", detail={"shown": len(ahead.first)})
    if as_json:
        emit({"plan": {**vars(made), "now": {}}, "outlook": vars(ahead)})
    else:
        _tell(made, as_json=False)
        _tell_ahead(ahead)
        say(tr("let it go with gateway replay run {number}", number=made.id))
    left = len(wanted.ids) - made.items if wanted.ids else 0
    if left:
        complain(
            tr(
                "{count} of the deliveries named did not fail, or have a newer version: they are not in the plan",
                count=left,
            )
        )
        raise typer.Exit(FAILURES)


def _tell_ahead(ahead: PlanOutlook) -> None:
    """In which order, how many requests and how long at the least, and the first payloads beside what was sent."""
    say(tr("order: by number, the oldest first; a person before the certificates"))
    for name, count in ahead.requests.items():
        took = _duration(ahead.seconds[name])
        say(tr("{platform}: at least {count} requests, about {took}", platform=name, count=count, took=took))
    for one in ahead.first:
        say(f"{one['delivery']}  {one['platform']}  {one['whom']}")
        if one["before"] is not None:
            say(tr("  sent before: {payload}", payload=one["before"]))
        if one["problems"]:
            say(tr("  cannot be sent: {problems}", problems="; ".join(one["problems"])))
        elif one["payload"] != one["before"]:
            say(tr("  will be sent: {payload}", payload=one["payload"]))
            if one["changed"]:
                say(tr("  changed: {fields}", fields=one["changed"]))


def _duration(seconds: float) -> Text:
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return tr("{hours} h {minutes} min", hours=hours, minutes=minutes)
    if minutes:
        return tr("{minutes} min {seconds} s", minutes=minutes, seconds=left)
    return tr("{seconds} s", seconds=left)


@replay.command("run")
def run(number: Number, as_json: AsJson = False) -> None:
    """Queue what a plan lists, for the next push; may be killed and run again. Exit code 1 where one is skipped."""
    with opened() as gateway:
        from gateway.cli.progress import counting
        from gateway.delivery.store.replays import find
        from gateway.delivery.store.replays import run as go_on

        by, went = actor(), Counter[str]()
        with gateway.store.read() as connection:
            planned = find(connection, number)
        waiting = 0 if planned is None else planned.waiting
        if planned is not None and waiting and planned.cancelled_at is None:
            exactly = {"plan": number, "items": planned.items, "digest": planned.digest}
            ask_second_person(
                gateway,
                GuardedAct.REPLAY,
                f"replay {number}",
                exactly,
                reason=planned.reason,
                size=waiting,
                about=lambda: planned.chosen_by,
            )
        with counting(tr("queueing"), quiet=as_json, total=waiting) as show_progress:
            while True:
                with gateway.store.write() as connection:
                    part = go_on(connection, number, by=by, now=gateway.edge.now())
                if part is None:
                    break
                went += part
                show_progress(went.total())
        with gateway.store.read() as connection:
            found = find(connection, number)
    _tell(found, as_json=as_json, now=went)
    if not as_json and went["done"]:
        say(tr("next: {command}", command="gateway push"))
    if went.total() > went["done"]:
        raise typer.Exit(FAILURES)


@replay.command("cancel")
def cancel(
    number: Number, reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")], as_json: AsJson = False
) -> None:
    """Stop a plan before what is left of it."""
    with opened() as gateway:
        from gateway.delivery.store.replays import cancel as stop
        from gateway.delivery.store.replays import find

        with gateway.store.write() as connection:
            stopped = stop(connection, number, by=actor(), reason=reason, now=gateway.edge.now())
            found = find(connection, number)
    if not stopped:
        complain(tr("nothing is left of plan {number}", number=number))
        raise typer.Exit(MISUSE)
    _tell(found, as_json=as_json)


@replay.command("show")
def show(number: Number, as_json: AsJson = False) -> None:
    """Show a plan: how it was chosen, the digest of its list, and how far it is."""
    with opened() as gateway:
        from gateway.delivery.store.replays import find

        with gateway.store.read() as connection:
            found = find(connection, number)
    _tell(found, as_json=as_json)


@replay.command("list")
def listing(as_json: AsJson = False) -> None:
    """List plans, the newest first."""
    with opened() as gateway:
        from gateway.delivery.store.replays import plans

        with gateway.store.read() as connection:
            found = [vars(one) for one in plans(connection)]
    if as_json:
        emit({"plans": found})
    else:
        table(tr("replay plans"), columns(*_COLUMNS), found)


def _tell(found: Plan | None, *, as_json: bool, now: Counter[str] | None = None) -> None:
    if found is None:
        complain(tr("there is no such plan"))
        raise typer.Exit(MISUSE)
    document: dict[str, Any] = {**vars(found), "now": dict(now or {})}
    if as_json:
        emit({"plan": document})
        return
    chosen = {name: value for name, value in document["chosen_by"].items() if value}
    document["chosen_by"] = ", ".join(f"{name} {_plain(value)}" for name, value in chosen.items())
    details(document, "chosen_by", "digest")
    table("", columns(*_COLUMNS), [document])


def _plain(value: Any) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)
