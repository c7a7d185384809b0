"""``gateway retention``: what has had its time is cleared, what is under a hold is not."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.approvals import ask_second_person
from gateway.cli.output import FAILURES, LARGEST, MISUSE, AsJson, actor, columns, complain, emit, opened, say, table
from gateway.cli.progress import adding
from gateway.domain.approvals import GuardedAct
from gateway.locale import tr

retention = typer.Typer(no_args_is_help=True, help="Clear what has had its time; hold what must not be deleted.")


@retention.command("run")
def run(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False, as_json: AsJson = False
) -> None:
    """Clear or remove what is older than its rule allows. Exit code 1 where a hold on everything stands in the way."""
    from gateway.operations.retention import retain
    from gateway.settings import RetentionSettings

    with opened() as gateway:
        days = gateway.loader(RetentionSettings).model_dump()
        now = as_of = gateway.edge.now()
        if not dry_run:
            permit = ask_second_person(
                gateway,
                GuardedAct.RETENTION,
                "everything",
                {"days": days},
                reason="what has had its time",
                about=lambda: retain(gateway.store, days, now, by=actor(), dry_run=True).rows,
            )
            as_of = permit.as_of(now)
        with adding(tr("rows"), quiet=as_json) as progress:
            report = retain(gateway.store, days, now, by=actor(), dry_run=dry_run, as_of=as_of, progress=progress)
        gateway.seal()
    if as_json:
        emit(vars(report))
    else:
        rows = [{"rule": r, "rows": report.rows[r], "older_than": report.before[r]} for r in report.rows]
        table(tr("would be cleared") if dry_run else tr("cleared"), columns("rule", "rows", "older_than"), rows)
        if report.held:
            say(tr("nothing is cleared while a hold on everything is in force"))
    if report.held:
        raise typer.Exit(FAILURES)


@retention.command("hold")
def hold(
    reason: Annotated[str, typer.Option(help="Why it must be kept; kept in the audit trail.")],
    person: Annotated[str | None, typer.Option(help="person_key, as `gateway show` gives it.")] = None,
    everything: Annotated[bool, typer.Option("--everything", help="Hold everything.")] = False,
    as_json: AsJson = False,
) -> None:
    """Keep a person's data, or everything, until the hold is ended."""
    if (person is None) is not everything:
        complain(tr("name --person KEY or --everything"))
        raise typer.Exit(MISUSE)
    with opened() as gateway:
        from gateway.operations.store.retention import hold as keep
        from gateway.operations.store.retention import known_person
        from gateway.store.audit import note

        now, by = gateway.edge.now(), actor()
        with gateway.store.write() as connection:
            if person is not None and not known_person(connection, person):
                complain(tr("there is no such person"))
                raise typer.Exit(MISUSE)
            number = keep(connection, person_key=person, reason=reason, by=by, now=now)
            subject = f"person {person}" if person else "everything"
            note(connection, at=now, actor=by, action="hold", subject=subject, reason=reason, detail={"hold": number})
    if as_json:
        emit({"hold": number})
    else:
        say(tr("hold {number} is in force", number=number))


@retention.command("end")
def end(
    number: Annotated[
        int, typer.Argument(min=1, max=LARGEST, help="Number of the hold, as `gateway retention list` gives it.")
    ],
    reason: Annotated[str, typer.Option(help="Why it may end; kept in the audit trail.")],
) -> None:
    """End a hold."""
    with opened() as gateway:
        from gateway.operations.store.retention import end_hold
        from gateway.store.audit import note

        now, by = gateway.edge.now(), actor()
        ask_second_person(gateway, GuardedAct.END_HOLD, f"hold {number}", {"hold": number}, reason=reason)
        with gateway.store.write() as connection:
            ended = end_hold(connection, number, by=by, now=now)
            if ended:
                note(connection, at=now, actor=by, action="end_hold", subject=f"hold {number}", reason=reason)
    if not ended:
        complain(tr("hold {number} is not in force", number=number))
        raise typer.Exit(MISUSE)
    say(tr("hold {number} is ended", number=number))


@retention.command("list")
def listing(as_json: AsJson = False) -> None:
    """List holds, the newest first."""
    with opened() as gateway:
        from gateway.operations.store.retention import holds

        with gateway.store.read() as connection:
            found = holds(connection)
    if as_json:
        emit({"holds": found})
    else:
        table(tr("holds"), columns("id", "person_key", "reason", "since", "by", "ended_at", "ended_by"), found)
