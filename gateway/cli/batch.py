"""``gateway intake`` and ``report``: take a city's reported batch in, and show what became of everything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.output import FAILURES, AsJson, Column, emit, opened, reported, say, table

if TYPE_CHECKING:
    from gateway.intake.admit import IntakeReport


def intake(
    files: Annotated[list[Path], typer.Argument(help="Workbooks (.xlsx, .xls) or CSV files of the summary form.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge only; keep nothing.")] = False,
    returns: Annotated[
        Path | None, typer.Option(help="Write rows here with reasons: refused, held, warned about.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read reported batches: rows that pass the gates become records owed to the platforms.

    Exit code 1 where a row was refused or held, 2 where a file is no batch at all; then nothing of it is kept.
    """
    from gateway.cli.progress import two_counts

    if returns is not None and len(files) > 1:
        raise typer.BadParameter("one file at a time with --returns")
    with opened() as gateway:
        reports = []
        for path in files:
            with two_counts(f"reading {path.name}", "keeping it", quiet=as_json) as (progress, keeping):
                report = gateway.take_in(path, returns=returns, dry_run=dry_run, progress=progress, keeping=keeping)
            reports.append(report)
            counts = {"rows": report.rows, "admitted": report.admitted, "returned": report.returned}
            gateway.note("intake_dry_run" if dry_run else "intake", f"batch {report.name}", detail=counts)
    if as_json:
        emit({"batches": [_document(report) for report in reports], "dry_run": dry_run})
    else:
        for report in reports:
            _tell(report, returns)
    if any(report.refused or report.held for report in reports):
        raise typer.Exit(FAILURES)


def _document(report: IntakeReport) -> dict[str, Any]:
    return dict(vars(report))


def _tell(report: IntakeReport, returns: Path | None) -> None:
    if report.repeated:
        say(f"{report.name}: this file was read before; nothing changes")
        return
    say(
        f"{report.name}: {report.rows} rows, {report.admitted} admitted, {report.unchanged} unchanged, "
        f"{report.refused} refused, {report.held} held for a person, {report.warned} with a warning"
    )
    columns = [Column("rule", lambda r: r[0]), Column("rows", lambda r: r[1])]
    if report.gates:
        table("refused and held, by rule", columns, report.gates.most_common())
    if report.warnings:
        table("warnings, by rule", columns, report.warnings.most_common())
    if returns is not None and report.returned:
        say(f"{report.returned} rows written back to {returns}")


def report(
    out: Annotated[Path, typer.Option(help="Where to write the page.")] = Path("gateway-report.html"),
    as_json: AsJson = False,
) -> None:
    """Write one self-contained HTML page: batches, deliveries, failures by reason, feedback, reconciliation."""
    with opened() as gateway:
        from gateway.operations.report import write_report

        summary = write_report(gateway.store, out, now=gateway.edge.now(), chinese=gateway.settings.chinese)
    if as_json:
        emit({"report": str(out), **summary})
    else:
        say(f"report: {out}")


def template(
    out: Annotated[Path, typer.Argument(help="Where to write the form (.xlsx); an existing file is left alone.")],
    as_json: AsJson = False,
) -> None:
    """Write the empty summary form: every column with its rules as a comment, and drop-down lists."""
    with reported():
        from gateway.intake.reading.template import write_template

        columns = write_template(out)
    if as_json:
        emit({"template": str(out), "columns": columns})
    else:
        say(f"form: {out} ({columns} columns)")
