"""``gateway batches``: what became of every reported batch, by city and report."""

from __future__ import annotations

import getpass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.output import FAILURES, MISUSE, AsJson, columns, complain, emit, opened, say, table

if TYPE_CHECKING:
    from gateway.intake.store.views import BatchPart

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
        say("no batch was read yet")


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
        complain("there is no batch or report of this name")
        raise typer.Exit(MISUSE)
    found = [_document(part, now) for part in chosen]
    if as_json:
        emit({"at": now, "batches": found, "changed": dict(changed.most_common())})
        return
    _tell(found)
    table("filings, by where they stand", columns("name", "report_no", "states"), found)
    if changed:
        rows = [{"field": field, "versions": count} for field, count in changed.most_common()]
        table("changed against the version before", columns("field", "versions"), rows)


@batches.command("returns")
def returns(
    name: Annotated[str, typer.Argument(help="Name of the file, or number of the report.")],
    out: Annotated[Path, typer.Argument(help="Where to write the workbook (.xlsx).")],
    as_json: AsJson = False,
) -> None:
    """Write the returns of a batch or report again, from what is kept: refused, held and warned about."""
    from gateway.intake.hand_back import hand_back

    with opened() as gateway:
        count = hand_back(gateway.store, name, out)
        gateway.note("returns", f"batch {name}", detail={"rows": count})
    if as_json:
        emit({"name": name, "returns": str(out), "rows": count})
    else:
        say(f"{count} rows written back to {out}")


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
        closed = close_report(gateway.store, report, reason=reason, by=getpass.getuser(), now=gateway.edge.now())
    if as_json:
        emit({"report_no": report, "closed": closed, "reason": reason})
    elif closed:
        say(f"{report}: closed")
    if not closed:
        complain("this report was closed by hand before")
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
    table("rows", columns("name", "read_at", "city", "report_no", "rows", *_ROWS, "warned"), found)
    table("as a whole", columns("name", "report_no", "open", "open_days", "closed_at", "closed_because"), found)
    rows = [
        {"name": one["name"], "report_no": one["report_no"], "platform": platform, **counts}
        for one in found
        for platform, counts in one["platforms"].items()
    ]
    if rows:
        names = ("name", "report_no", "platform", "owed", "pushed", "acknowledged", "refused", "waiting")
        table("certificates, by platform", columns(*names), rows)
    for one in found:
        if one["oldest_waiting"] is not None:
            say(f"{one['name']} {one['report_no'] or ''}: the oldest waits for {one['waiting_days']} days")
