"""``gateway credit object``, ``objections`` and ``withdraw``: objections of subjects, passed on to the platform."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.output import FAILURES, MISUSE, AsJson, actor, columns, complain, emit, opened, say, table
from gateway.locale import tr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.bootstrap import Gateway
    from gateway.contract.desk import DeskTerms

_LISTED = ("key", "record_id", "state", "number", "accept_by", "answer_by", "overdue", "code")


def object_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A TOML file: docs/guides/credit.md.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check it; keep and send nothing.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="The platform has said that it has none of it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Keep a subject's objection to a record; the next `gateway feedback` sends it, once. Exit code 1: problems."""
    from gateway.credit.decisions import read_decision
    from gateway.credit.objections import Entered, enter
    from gateway.credit.store.objections import EnteringOfficer

    with opened() as gateway:
        entry = read_decision(file)
        platform, terms = _platform(gateway, entry)
        officer = EnteringOfficer(by=actor(), now=gateway.edge.now(), new_id=gateway.edge.new_id)
        done = enter(
            gateway.store, entry, file.parent, officer, platform=platform, terms=terms, anew=anew, dry_run=dry_run
        )
        gateway.seal()
        chinese = gateway.settings.chinese
    if isinstance(done, Entered):
        _show_entered(done, dry_run=dry_run, as_json=as_json)
        return
    if as_json:
        emit({"problems": [asdict(problem) for problem in done]})
    for problem in () if as_json else done:
        say(f"{problem.field}: {problem.message_zh if chinese else problem.message} ({problem.rule})")
    raise typer.Exit(FAILURES)


def _show_entered(done: Any, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        emit({"dry_run": dry_run, **asdict(done)})
    elif dry_run:
        scans = ", ".join(f"{scan['kind']} {scan['size']}" for scan in done.scans) or "none"
        say(
            tr(
                "{record_id} version {version}: {state}; scans: {scans}",
                record_id=done.record_id,
                version=done.version,
                state=tr("can be sent") if done.new else done.state,
                scans=scans,
            )
        )
    elif done.new:
        say(tr("{key}: waits; the next `gateway feedback` sends it", key=done.key))
    else:
        say(tr("{key}: entered before, {state}; nothing changed", key=done.key, state=done.state))


def objections(
    everything: Annotated[bool, typer.Option("--all", help="Those that ended too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="List at most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List objections: state, platform's number, and until when. Exit code 1: one is overdue, refused or unclear."""
    from gateway.credit.objections import listing, needs_a_person

    with opened() as gateway:
        now, terms = gateway.edge.now(), _terms(gateway)
        total, rows = listing(gateway.store, gateway.calendar, terms, now, everything=everything, limit=limit)
    if as_json:
        emit({"total": total, "shown": len(rows), "objections": rows})
    elif rows:
        table(tr("{count} of {total}", count=len(rows), total=total), columns(*_LISTED), rows)
        for row in rows:
            if row["reason"]:
                say(f"{row['key']}: {row['code']}: {row['reason']}")
    else:
        say(tr("there is no open objection"))
    if any(needs_a_person(row) for row in rows):
        raise typer.Exit(FAILURES)


def withdraw(
    key: Annotated[str, typer.Argument(help="Key of the objection, as `gateway credit objections` gives it.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    as_json: AsJson = False,
) -> None:
    """End an objection that the platform does not have: one that never left, was refused, or is unclear."""
    from gateway.credit.objections import withdraw as end

    with opened() as gateway:
        end(gateway.store, key, reason=reason, by=actor(), now=gateway.edge.now())
        gateway.seal()
    if as_json:
        emit({"key": key, "state": "WITHDRAWN"})
    else:
        say(tr("{key} is withdrawn", key=key))


def _terms(gateway: Gateway) -> dict[str, DeskTerms]:
    from gateway.contract.desk import TakesObjections

    made = {name: gateway.connector(name) for name in gateway.configured()}
    return {name: c.desk for name, c in made.items() if isinstance(c, TakesObjections)}


def _platform(gateway: Gateway, entry: Mapping[str, Any]) -> tuple[str, DeskTerms]:
    terms = _terms(gateway)
    named = str(entry.get("platform") or (next(iter(terms)) if len(terms) == 1 else ""))
    if named not in terms:
        complain(tr("platform: name one that takes objections: {names}", names=list(terms) or tr("none is configured")))
        raise typer.Exit(MISUSE)
    return named, terms[named]
