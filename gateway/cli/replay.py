"""``gateway replay``: a list of failed transmissions is fixed, looked at, and let go as a whole."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
from gateway.domain.errors import InputError
from gateway.domain.states import State
from gateway.locale import tr

if TYPE_CHECKING:
    from gateway.delivery.store.replays import Plan

replay = typer.Typer(no_args_is_help=True, help="Send again what failed, by plan.")
Number = Annotated[int, typer.Argument(min=1, max=LARGEST, help="Number of the plan.")]
_COLUMNS = ("id", "at", "by", "reason", "items", "done", "skipped", "waiting", "cancelled_at")


class Failed(StrEnum):
    """States that can be planned."""

    PARKED = State.PARKED
    REJECTED = State.REJECTED


class Repairable(StrEnum):
    """Differences of accepted records that sending them again mends."""

    LOST = "lost"
    ALTERED = "altered"


@replay.command("plan")
def plan(
    reason: Annotated[str, typer.Option(help="Why it may go again; kept in the audit trail.")],
    platform: Annotated[str | None, typer.Option(help="Only this platform.")] = None,
    state: Annotated[Failed | None, typer.Option(help="Only this state.")] = None,
    code: Annotated[str | None, typer.Option(help="Only this code.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only what changed since then; without a zone in +08:00.")
    ] = None,
    batch: Annotated[str | None, typer.Option(help="Only rows of the batch file with this name.")] = None,
    difference: Annotated[
        Repairable | None, typer.Option(help="Instead: what was accepted and differs so in the last reconciliation.")
    ] = None,
    lost: Annotated[bool, typer.Option("--lost", help="Short for --difference lost.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fix the list of everything that failed and matches. Nothing is sent. Exit code 1 where nothing matches."""
    with opened() as gateway:
        from gateway.delivery.rules.differences import Difference
        from gateway.delivery.store.replays import plan as make
        from gateway.delivery.store.views import DeliveryFilter

        known_platform(gateway, platform)
        known_batch(gateway, batch)
        if lost and difference not in (None, Repairable.LOST):
            raise InputError(tr("--lost and --difference name two classes: give one of them"))
        chosen = Difference.LOST if lost else None if difference is None else Difference(difference)
        if chosen is not None and (state or code):
            raise InputError(tr("--state and --code choose what failed; what differs was accepted: leave them out"))
        states = () if state is None else (State(state),)
        wanted = DeliveryFilter(platform=platform, states=states, code=code, since=in_china(since), batch=batch)
        with gateway.store.write() as connection:
            by, now = actor(), gateway.edge.now()
            made = make(connection, wanted, reason=reason, by=by, now=now, difference=chosen)
    if made is None:
        complain(tr("nothing that differs so matches") if chosen else tr("nothing that failed matches"))
        raise typer.Exit(FAILURES)
    _tell(made, as_json=as_json)
    if not as_json:
        say(tr("let it go with `gateway replay run {id}`", id=made.id))


@replay.command("run")
def run(number: Number, as_json: AsJson = False) -> None:
    """Queue what a plan lists, for the next push; may be killed and run again. Exit code 1 where one is skipped."""
    with opened() as gateway:
        from gateway.delivery.store.replays import find
        from gateway.delivery.store.replays import run as go_on

        by, went = actor(), Counter[str]()
        while True:
            with gateway.store.write() as connection:
                part = go_on(connection, number, by=by, now=gateway.edge.now())
            if part is None:
                break
            went += part
        with gateway.store.read() as connection:
            found = find(connection, number)
    _tell(found, as_json=as_json, now=went)
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
    details(document, "chosen_by", "digest")
    table("", columns(*_COLUMNS), [document])
