"""``gateway retention``: what has had its time is cleared, what is under a hold is not."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.output import FAILURES, LARGEST, MISUSE, AsJson, actor, columns, complain, emit, opened, say, table
from gateway.cli.progress import adding

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
        with adding("rows", quiet=as_json) as progress:
            report = retain(gateway.store, days, gateway.edge.now(), by=actor(), dry_run=dry_run, progress=progress)
        gateway.seal()
    if as_json:
        emit(vars(report))
    else:
        rows = [{"rule": r, "rows": report.rows[r], "older_than": report.before[r]} for r in report.rows]
        table("would be cleared" if dry_run else "cleared", columns("rule", "rows", "older_than"), rows)
        if report.held:
            say("nothing is cleared while a hold on everything is in force")
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
        complain("name --person KEY or --everything")
        raise typer.Exit(MISUSE)
    with opened() as gateway:
        from gateway.operations.store.retention import hold as keep
        from gateway.operations.store.retention import known_person
        from gateway.store.audit import note

        now, by = gateway.edge.now(), actor()
        with gateway.store.write() as connection:
            if person is not None and not known_person(connection, person):
                complain("there is no such person")
                raise typer.Exit(MISUSE)
            number = keep(connection, person_key=person, reason=reason, by=by, now=now)
            subject = f"person {person}" if person else "everything"
            note(connection, at=now, actor=by, action="hold", subject=subject, reason=reason, detail={"hold": number})
    if as_json:
        emit({"hold": number})
    else:
        say(f"hold {number} is in force")


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
        with gateway.store.write() as connection:
            ended = end_hold(connection, number, by=by, now=now)
            if ended:
                note(connection, at=now, actor=by, action="end_hold", subject=f"hold {number}", reason=reason)
    if not ended:
        complain(f"hold {number} is not in force")
        raise typer.Exit(MISUSE)
    say(f"hold {number} is ended")


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
        table("holds", columns("id", "person_key", "reason", "since", "by", "ended_at", "ended_by"), found)
