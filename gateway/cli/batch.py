"""``gateway intake`` and ``report``: take a city's reported batch in, and show what became of everything."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.codes import rules_said
from gateway.cli.language import is_chinese
from gateway.cli.output import (
    FAILURES,
    MISUSE,
    AsJson,
    Force,
    TableColumn,
    complain,
    emit,
    opened,
    reported,
    say,
    table,
)
from gateway.domain.errors import GatewayError, InputError
from gateway.locale import tr

if TYPE_CHECKING:
    from gateway.bootstrap import Gateway
    from gateway.intake.admit import IntakeReport

_log = logging.getLogger(__name__)


def intake(
    files: Annotated[list[Path], typer.Argument(help="Workbooks (.xlsx, .xls) or CSV files of the summary form.")],
    scans: Annotated[
        Path | None,
        typer.Option(help="Folder or .zip with the scans; default: the one beside the file that has its name."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge only; keep nothing.")] = False,
    returns: Annotated[
        Path | None, typer.Option(help="Write rows here with reasons: refused, held, warned about.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Read reported batches: rows that pass the gates become records owed to the platforms.

    Scans of certificate and contract are matched by certificate number. Every file is read, whatever becomes of the
    others. Exit code 1 where a row was refused or held, or a scan was not kept, 2 where a file is no batch at all; then
    nothing of that file is kept.
    """
    if scans is not None and len(files) > 1:
        raise typer.BadParameter("one file at a time with --scans")
    if scans is not None and not scans.exists():
        raise typer.BadParameter("there is no such folder or archive of scans")
    if returns is not None and len(files) > 1:
        raise typer.BadParameter("one file at a time with --returns")
    if force and returns is None:
        raise typer.BadParameter("--force does nothing without --returns")
    results: list[IntakeReport | _Failure] = []
    with opened() as gateway:
        try:
            for path in files:
                result = _taken_in(gateway, path, returns, scans=scans, force=force, dry_run=dry_run, quiet=as_json)
                results.append(result)
                if not isinstance(result, _Failure):
                    counts = {"rows": result.rows, "admitted": result.admitted, "returned": result.returned}
                    gateway.note("intake_dry_run" if dry_run else "intake", f"batch {result.name}", detail=counts)
        finally:
            _tell_all(results, returns, dry_run=dry_run, as_json=as_json)
    codes = [_code(result) for result in results]
    if any(codes):
        raise typer.Exit(max(codes))


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """A file that was not taken in, and why, in both languages."""

    name: str
    failure: str
    failure_zh: str
    is_input: bool


def _taken_in(
    gateway: Gateway,
    path: Path,
    returns: Path | None,
    *,
    scans: Path | None,
    force: bool,
    dry_run: bool,
    quiet: bool,
) -> IntakeReport | _Failure:
    from gateway.cli.progress import two_counts
    from gateway.intake.reading.characters import readable_name
    from gateway.intake.reading.problems import failure_of

    name = readable_name(path)
    try:
        with two_counts(tr("reading {name}", name=name), tr("keeping it"), quiet=quiet) as (progress, keeping):
            return gateway.take_in(
                path,
                scans=scans,
                returns=returns,
                force=force,
                dry_run=dry_run,
                progress=progress,
                keeping=keeping,
            )
    except (InputError, OSError) as error:
        failure, failure_zh = failure_of(error)
        return _Failure(name=name, failure=failure, failure_zh=failure_zh, is_input=isinstance(error, InputError))
    except GatewayError:
        raise
    except Exception as error:  # noqa: BLE001 - a fault that one file brings out is told as that file's own
        _log.error("intake_fault", extra={"error": type(error).__name__})
        failure, failure_zh = failure_of(error)
        return _Failure(name=name, failure=failure, failure_zh=failure_zh, is_input=False)


def _code(result: IntakeReport | _Failure) -> int:
    if isinstance(result, _Failure):
        return MISUSE if result.is_input else FAILURES
    return FAILURES if result.refused or result.held or result.scan_troubles else 0


def _tell_all(
    results: Sequence[IntakeReport | _Failure], returns: Path | None, *, dry_run: bool, as_json: bool
) -> None:
    failures = [result for result in results if isinstance(result, _Failure)]
    reports = [result for result in results if not isinstance(result, _Failure)]
    if as_json:
        failed = [{"name": one.name, "failure": one.failure, "failure_zh": one.failure_zh} for one in failures]
        emit({"batches": [dict(vars(report)) for report in reports], "failed": failed, "dry_run": dry_run})
    else:
        for report in reports:
            _tell(report, returns)
    for one in failures:
        failure = one.failure_zh if is_chinese() and one.failure_zh else one.failure
        complain(f"{one.name}: {failure}" if one.failure != one.failure_zh else failure)


def _tell(report: IntakeReport, returns: Path | None) -> None:
    if report.repeated:
        say(tr("{name}: this file was read before; nothing changes", name=report.name))
        return
    say(
        tr(
            "{name}: {rows} rows, {admitted} admitted, {unchanged} unchanged, {refused} refused, "
            "{held} held for a person, {warned} with a warning",
            name=report.name,
            rows=report.rows,
            admitted=report.admitted,
            unchanged=report.unchanged,
            refused=report.refused,
            held=report.held,
            warned=report.warned,
        )
    )
    if report.left_out:
        left_out = ", ".join(f"{count} {_LEFT_OUT[kind]}" for kind, count in report.left_out.most_common())
        say(tr("left out, because they are no filings: {left_out}", left_out=left_out))
    words = rules_said() if report.gates or report.warnings else {}
    columns = [
        TableColumn("rule", lambda r: r[0]),
        TableColumn("rows", lambda r: r[1]),
        TableColumn("meaning", lambda r: words.get(r[0])),
    ]
    if report.gates:
        table(tr("refused and held, by rule"), columns, report.gates.most_common())
    if report.warnings:
        table(tr("warnings, by rule"), columns, report.warnings.most_common())
    if report.scans:
        say(tr("{count} scans of certificates and contracts", count=report.scans))
    if report.scan_troubles:
        language = "failure_zh" if is_chinese() else "failure"
        told = [TableColumn("file", lambda t: t["file"]), TableColumn("why", lambda t: t[language])]
        table(tr("scans that were not kept"), told, report.scan_troubles[:_MOST_TOLD])
        if len(report.scan_troubles) > _MOST_TOLD:
            say(tr("and {count} more; --json lists all", count=len(report.scan_troubles) - _MOST_TOLD))
    if returns is not None and report.returned:
        from gateway.intake.reading.characters import readable_name

        say(
            tr(
                "{returned} rows written back to {readable_name}",
                returned=report.returned,
                readable_name=readable_name(returns),
            )
        )


_MOST_TOLD = 30
_LEFT_OUT = {
    "foot": "totals, remarks and signatures",
    "prefilled": "rows that name nobody",
    "header": "repeated headers",
}


def report(
    out: Annotated[Path, typer.Option(help="Where to write the page.")] = Path("gateway-report.html"),
    as_json: AsJson = False,
) -> None:
    """Write one self-contained HTML page: batches, deliveries, failures by reason, feedback, reconciliation."""
    with opened() as gateway:
        from gateway.bootstrap import report_settings
        from gateway.operations.report import write_report

        settings = report_settings(gateway)
        older = settings.restored
        summary = write_report(gateway.store, out, settings, now=gateway.edge.now())
    if older and not as_json:
        say(tr("restored: {older}", older=older))
    if as_json:
        emit({"report": str(out), **summary})
    else:
        say(tr("report: {out}", out=out))


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
        say(tr("form: {out} ({columns} columns)", out=out, columns=columns))
