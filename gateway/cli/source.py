"""``gateway source``: take in what the information system shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import FAILURES, AsJson, complain, emit, opened, say
from gateway.locale import tr

source = typer.Typer(no_args_is_help=True, help="Take in rows from the information system's database view.")


@source.callback()
def _group() -> None:
    """Keeps ``pull`` a command of its own though it is the only one."""


@source.command("pull")
def pull(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge only; keep nothing.")] = False,
    everything: Annotated[
        bool, typer.Option("--everything", help="Read from the beginning, and find rows that are not there any more.")
    ] = False,
    returns: Annotated[
        Path | None,
        typer.Option(help="Write rows here with reasons, of all reports: refused, held, warned about, deleted."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read what is new or changed in the source and judge it as the rows of a file, one batch for each report.

    Exit code 1 where a row was refused or held, or another pull was at work.
    """
    from gateway.intake.admit import IntakeContext
    from gateway.intake.pull import pull as pull_source
    from gateway.settings import SourceSettings

    with opened() as gateway:
        desk = IntakeContext(
            store=gateway.store,
            infos=[one.info for one in gateway.descriptions().values()],
            rules=gateway.rules,
            now=gateway.edge.now(),
            new_id=gateway.edge.new_id,
        )
        report = pull_source(
            gateway.loader(SourceSettings), desk, dry_run=dry_run, everything=everything, returns=returns
        )
        counts = {"read": report.read, "batches": len(report.batches), "everything": everything}
        gateway.note("source_dry_run" if dry_run else "source_pull", f"source {report.source}", detail=counts)
    if as_json:
        emit({**vars(report), "batches": [vars(one) for one in report.batches], "dry_run": dry_run})
    else:
        say(
            tr(
                "{source}: {read} rows read, {seen} of them seen before",
                source=report.source,
                read=report.read,
                seen=report.seen,
            )
        )
        if report.deleted:
            say(
                tr(
                    "{deleted} rows that were taken in before are not in the view any more; nothing was withdrawn",
                    deleted=report.deleted,
                )
            )
        for one in report.batches:
            say(
                tr(
                    "{name}: {rows} rows, {admitted} admitted ({withdrawn} withdrawals), {unchanged} "
                    "unchanged, {refused} refused, {held} held for a person, {warned} with a warning",
                    name=one.name,
                    rows=one.rows,
                    admitted=one.admitted,
                    withdrawn=one.withdrawn,
                    unchanged=one.unchanged,
                    refused=one.refused,
                    held=one.held,
                    warned=one.warned,
                )
            )
        written = sum(one.returned for one in report.batches)
        if written:
            say(tr("{written} rows written back to {returns}", written=written, returns=returns))
    if report.overtaken:
        complain(tr("another pull was at work; run it again"))
    if report.overtaken or any(one.refused or one.held for one in report.batches):
        raise typer.Exit(FAILURES)
