"""``gateway batches``: what became of every reported batch, by city and report."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.output import FAILURES, MISUSE, AsJson, Force, actor, columns, complain, emit, opened, say, table
from gateway.locale import tr

if TYPE_CHECKING:
    from gateway.intake.store.views import BatchPart


class RowDecision(StrEnum):
    """What a person decides about a held row."""

    ADMIT = "admit"
    REFUSE = "refuse"


batches = typer.Typer(no_args_is_help=True, help="What became of reported batches, by city and report.")
_ROWS = {"admitted": "admit", "unchanged": "unchanged", "withdrawn": "withdraw", "held": "hold", "returned": "refuse"}


@batches.command("list")
def listing(as_json: AsJson = False) -> None:
    """List batches by city and report: rows, what became of them, deliveries per platform, how long they wait."""
    from gateway.intake.store.views import parts

    with opened() as gateway:
        now = gateway.edge.now()
        with gateway.store.read() as connection:
            found = [_document(part, now) for part in parts(connection)]
    if as_json:
        emit({"at": now, "batches": found})
    elif found:
        _tell(found)
    else:
        say(tr("no batch was read yet"))


@batches.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name of the file, or number of the report.")], as_json: AsJson = False
) -> None:
    """Show one batch or report, where its filings stand, and which fields its corrected rows changed (no values)."""
    from gateway.intake.store.views import changed_fields, parts

    with opened() as gateway:
        now = gateway.edge.now()
        with gateway.store.read() as connection:
            chosen = parts(connection, name)
            changed = changed_fields(connection, sorted({part.id for part in chosen}))
    if not chosen:
        complain(tr("there is no batch or report of this name"))
        raise typer.Exit(MISUSE)
    found = [_document(part, now) for part in chosen]
    if as_json:
        emit({"at": now, "batches": found, "changed": dict(changed.most_common())})
        return
    _tell(found)
    table(tr("filings, by where they stand"), columns("name", "report_no", "states"), found)
    if changed:
        rows = [{"field": field, "versions": count} for field, count in changed.most_common()]
        table(tr("changed against the version before"), columns("field", "versions"), rows)


@batches.command("returns")
def returns(
    name: Annotated[str, typer.Argument(help="Name of the file, or number of the report.")],
    out: Annotated[Path, typer.Argument(help="Where to write the workbook (.xlsx).")],
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write the returns of a batch or report again: refused, held, warned about, and what platforms refused since."""
    from gateway.intake.hand_back import hand_back

    with opened() as gateway:
        count = hand_back(gateway.store, name, out, gateway.connectors(), force=force)
        gateway.note("returns", f"batch {name}", detail={"rows": count})
    if as_json:
        emit({"name": name, "returns": str(out), "rows": count})
    else:
        say(tr("{count} rows written back to {out}", count=count, out=out))


@batches.command("close")
def close(
    report: Annotated[str, typer.Argument(help="Number of the report, as in the lists.")],
    reason: Annotated[str, typer.Option(help="Why what is open of it will not come; kept for the auditor.")],
    as_json: AsJson = False,
) -> None:
    """Close a report of which rows never came back. Its own items may still be corrected; nothing new may be added.

    Exit code 1 where it was closed by hand before, 2 where there is no such report.
    """
    from gateway.intake.hand_back import close_report

    with opened() as gateway:
        closed = close_report(gateway.store, report, reason=reason, by=actor(), now=gateway.edge.now())
    if as_json:
        emit({"report_no": report, "closed": closed, "reason": reason})
    elif closed:
        say(tr("{report}: closed", report=report))
    if not closed:
        complain(tr("this report was closed by hand before"))
        raise typer.Exit(FAILURES)


@batches.command("decide")
def decide(
    name: Annotated[str, typer.Argument(help="Name of the file, or number of the report.")],
    row: Annotated[int, typer.Argument(help="Number of the held row, as in the returns.")],
    decision: Annotated[RowDecision, typer.Argument(help="admit: the row goes; refuse: it goes back to the city.")],
    reason: Annotated[str, typer.Option(help="What was found; kept for the auditor.")],
    as_json: AsJson = False,
) -> None:
    """Decide about a row that was held for a person. It is judged again; what refuses a row is not overruled.

    Exit code 2 where there is no such row, it was decided before, or a rule refuses it.
    """
    from gateway.intake.admit import IntakeContext
    from gateway.intake.deciding import decide as decide_row

    with opened() as gateway:
        desk = IntakeContext(
            store=gateway.store,
            infos=[one.info for one in gateway.descriptions().values()],
            rules=gateway.rules,
            now=gateway.edge.now(),
            new_id=gateway.edge.new_id,
        )
        report = decide_row(desk, name, row, admit=decision is RowDecision.ADMIT, reason=reason, by=actor())
    if as_json:
        emit({"name": report.name, "row": row, "decision": str(decision), "records": dict(report.records)})
    else:
        say(
            tr(
                "row {row} of {name}: {decision}",
                row=row,
                name=name,
                decision=tr("admitted") if decision is RowDecision.ADMIT else tr("goes back to the city"),
            )
        )


@batches.command("missing")
def missing(
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day; default: of the notice.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day; default: of the concentrated period.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the cities with what they reported in a period, those that reported nothing first.

    Exit code 1 where the period is over and a city reported nothing.
    """
    from gateway.intake.missing import city_reports
    from gateway.intake.rules.gate_rules import china_date

    with opened() as gateway:
        rules = gateway.rules
        first = since.date() if since else rules.notice_start
        last = until.date() if until else rules.concentrated_until
        days_left = (last - china_date(gateway.edge.now())).days
        cities = city_reports(gateway.store, rules, first, last)
    found = [{"missing": one.missing, **vars(one)} for one in sorted(cities, key=lambda one: not one.missing)]
    silent = sum(one.missing for one in cities)
    if as_json:
        emit({"since": first, "until": last, "days_left": days_left, "missing": silent, "cities": found})
    else:
        table(tr("reports from {first} to {last}", first=first, last=last), columns(*found[0]), found)
        about = {"silent": silent, "count": len(cities)}
        say(tr("{silent} of {count} cities reported nothing", **about))
        say(
            tr("{days} days are left", days=days_left)
            if days_left >= 0
            else tr("the period ended {days} days ago", days=-days_left)
        )
    if silent and days_left < 0:
        raise typer.Exit(FAILURES)


def _document(part: BatchPart, now: datetime) -> dict[str, Any]:
    waited = None if part.oldest_waiting is None else (now - part.oldest_waiting).days
    return {
        "name": part.name,
        "read_at": part.read_at,
        "city": part.city,
        "report_no": part.report_no,
        "rows": part.rows.total(),
        **{told: part.rows[outcome] for told, outcome in _ROWS.items()},
        "warned": part.warned,
        "refused_there": part.refused_there,
        "open": part.open,
        "closed_at": part.closed_at,
        "closed_because": part.closed_by_hand[1] if part.closed_by_hand else None,
        "open_days": None if part.closed_at else (now - part.read_at).days,
        "states": {str(state): count for state, count in sorted(part.states.items())},
        "platforms": part.platforms,
        "oldest_waiting": part.oldest_waiting,
        "waiting_days": waited,
    }


def _tell(found: list[dict[str, Any]]) -> None:
    table(tr("rows"), columns("name", "read_at", "city", "report_no", "rows", *_ROWS, "warned", "refused_there"), found)
    table(tr("as a whole"), columns("name", "report_no", "open", "open_days", "closed_at", "closed_because"), found)
    rows = [
        {"name": one["name"], "report_no": one["report_no"], "platform": platform, **counts}
        for one in found
        for platform, counts in one["platforms"].items()
    ]
    if rows:
        names = ("name", "report_no", "platform", "owed", "pushed", "acknowledged", "refused", "waiting")
        table(tr("certificates, by platform"), columns(*names), rows)
    for one in found:
        if one["oldest_waiting"] is not None:
            say(
                tr(
                    "{name} {report}: the oldest waits for {waiting_days} days",
                    name=one["name"],
                    report=one["report_no"] or "",
                    waiting_days=one["waiting_days"],
                )
            )
