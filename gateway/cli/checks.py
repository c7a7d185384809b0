"""``gateway supervise enter`` and what follows: checks that were made, approved, published; the cities' figures."""

from __future__ import annotations

from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.language import say_in_language
from gateway.cli.output import (
    FAILURES,
    LARGEST,
    AsJson,
    TableColumn,
    actor,
    columns,
    complain,
    emit,
    opened,
    say,
    table,
    write_workbook,
)
from gateway.credit.rules.checks import CHECK_KINDS, CHECK_RESULTS, SupervisionKind, SupervisionResult
from gateway.domain.china import CHINA
from gateway.domain.errors import InputError
from gateway.domain.words import DRAWN
from gateway.locale import tr

_DAY = ["%Y-%m-%d"]
_LISTED = ("number", "kind", "of", "object", "city", "checked_on", "result", "document", "approved_by", "published_at")
Kind = Annotated[SupervisionKind | None, typer.Option(help="Only this kind.")]
City = Annotated[str | None, typer.Option(help="Only this city, by its code.")]
Since = Annotated[datetime | None, typer.Option(formats=_DAY, help="First day.")]
Until = Annotated[datetime | None, typer.Option(formats=_DAY, help="Last day.")]


def enter(
    kind: Annotated[SupervisionKind, typer.Argument(help="How the check came about.")],
    of: Annotated[str, typer.Argument(help="What was checked: enterprises, cities or certificates.")],
    name: Annotated[str, typer.Argument(help="Code of the enterprise or city, or key of the certificate.")],
    result: Annotated[SupervisionResult, typer.Option(help="What came of it.")],
    finding: Annotated[str, typer.Option(help="What was found, in words; nobody is named.")],
    on: Annotated[datetime | None, typer.Option(formats=_DAY, help="Day of the check; today by default.")] = None,
    document: Annotated[str | None, typer.Option(help="Number of the document about it.")] = None,
    checker: Annotated[list[str] | None, typer.Option(help="Who checked; may be given several times.")] = None,
    city: Annotated[str | None, typer.Option(help="Code of the city that answers for an enterprise.")] = None,
    draw: Annotated[str | None, typer.Option(help="With random: number of the draw; its ticket is settled.")] = None,
    as_json: AsJson = False,
) -> None:
    """Enter a check that was made: daily, focused, after a complaint, or of an object that was drawn."""
    from gateway.credit.checks import CheckEntry
    from gateway.credit.checks import enter as keep

    with opened() as gateway:
        now = gateway.edge.now()
        entry = CheckEntry(
            kind=kind,
            of=of,
            object=name,
            checked_on=on.date() if on else now.astimezone(CHINA).date(),
            result=result,
            finding=finding,
            document=document,
            checkers=tuple(checker or ()),
            city=city,
            draw=draw,
        )
        made = keep(gateway.store, entry, number=gateway.edge.new_id(), by=actor(), now=now)
        gateway.seal()
    if as_json:
        emit({"check": vars(made)})
        return
    say(tr("entered: {number}", number=made.number))
    say(tr("next, by another person: {act}", act=f"gateway supervise approve {made.number} --reason …"))


def results(
    kind: Kind = None,
    city: City = None,
    since: Since = None,
    until: Until = None,
    unapproved: Annotated[bool, typer.Option("--unapproved", help="Only those nobody has approved.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=LARGEST, help="List at most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List checks that were entered, the newest first, with where they stand."""
    from gateway.credit.store.checks import CheckFilter, listed

    with opened() as gateway, gateway.store.read() as connection:
        wanted = CheckFilter(
            kind=kind,
            city=_city(city),
            since=since.date() if since else None,
            until=until.date() if until else None,
            approved=False if unapproved else None,
        )
        found = listed(connection, wanted, limit)
    if as_json:
        emit({"checks": [vars(one) for one in found]})
    elif found:
        rows = [
            {
                **vars(one),
                "kind": CHECK_KINDS[one.kind],
                "of": DRAWN[one.of],
                "result": CHECK_RESULTS[one.result],
            }
            for one in found
        ]
        table(tr("{count} checks", count=len(rows)), columns(*_LISTED), rows)
    else:
        say(tr("no check was entered: gateway supervise enter"))


def approve(
    number: Annotated[str, typer.Argument(help="Number of the check.")],
    reason: Annotated[str, typer.Option(help="What it rests on; kept in the audit trail.")],
    as_json: AsJson = False,
) -> None:
    """Approve a check that another person entered. Exit code 1 where it was approved before."""
    from gateway.credit.checks import approve as accept

    with opened() as gateway:
        done = accept(gateway.store, number, reason=reason, by=actor(), now=gateway.edge.now())
        gateway.seal()
    if as_json:
        emit({"number": number, "approved": done})
    elif done:
        say(tr("{number} is approved; publish: gateway supervise publish", number=number))
    if not done:
        complain(tr("it was approved before"))
        raise typer.Exit(FAILURES)


def publish(
    page: Annotated[Path | None, typer.Option(help="Write the list as a page (.html).")] = None,
    xlsx: Annotated[Path | None, typer.Option(help="Write the list as a workbook (.xlsx).")] = None,
    kind: Kind = None,
    city: City = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """Write the public list of approved checks, and note that they are public. Exit code 1 where none is approved."""
    from gateway.credit.checks import PUBLIC, note_published, public_list
    from gateway.credit.store.checks import CheckFilter
    from gateway.operations.public_list import write_page

    with opened() as gateway:
        if page is None and xlsx is None:
            raise InputError(tr("say where: --page or --xlsx, or both"))
        wanted = CheckFilter(
            kind=kind,
            city=_city(city),
            since=since.date() if since else None,
            until=until.date() if until else None,
        )
        new, (numbers, rows) = 0, public_list(gateway.store, wanted)
        if rows:
            now = gateway.edge.now()
            if page is not None:
                write_page(page, PUBLIC, rows, now.astimezone(CHINA).date())
            if xlsx is not None:
                write_workbook(xlsx, "监督检查结果公示", PUBLIC, rows)
            new = note_published(gateway.store, numbers, by=actor(), now=now)
            gateway.seal()
    if not rows:
        complain(tr("no check is approved: gateway supervise results --unapproved"))
        raise typer.Exit(FAILURES)
    files = [str(path) for path in (page, xlsx) if path is not None]
    if as_json:
        emit({"checks": len(rows), "new": new, "files": files})
    else:
        say(tr("{count} checks ({new} new) in {files}", count=len(rows), new=new, files=files))


def performance(
    since: Annotated[datetime, typer.Option(formats=_DAY, help="First day of the period.")],
    until: Annotated[datetime, typer.Option(formats=_DAY, help="Last day of the period.")],
    within: Annotated[int, typer.Option(min=1, max=250, help="Working days in which returned rows are due back.")] = 10,
    xlsx: Annotated[Path | None, typer.Option(help="Write the figures to this workbook instead.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the cities' own performance: rows reported, returned, corrected, late, complaints and checks.

    Late is what was returned and not corrected within so many working days. Exit code 2: the calendar lacks a year.
    """
    from gateway.operations.performance import city_figures

    with opened() as gateway:
        first, last, now = since.date(), until.date(), gateway.edge.now()
        if last < first:
            raise InputError(tr("--until lies before --since"))
        found = city_figures(gateway.store, gateway.calendar, first, last, now=now, within=within)
    names = list(found[0])
    if xlsx is not None:
        titles = [say_in_language(_FIGURES[name]) for name in names]
        write_workbook(xlsx, "city performance", titles, ([one[name] for name in names] for one in found))
    if as_json:
        emit({"since": first, "until": last, "within": within, "cities": found})
    elif xlsx is not None:
        say(tr("{count} cities written to {xlsx}", count=len(found), xlsx=xlsx))
    else:
        heads = [TableColumn(_FIGURES[name], itemgetter(name)) for name in names]
        table(f"{first} – {last}", heads, found)


_FIGURES = {
    "city": tr("code"),
    "name_zh": tr("city"),
    "rows": tr("rows"),
    "returned": tr("sent back"),
    "held": tr("held back"),
    "refused_there": tr("refused by platforms"),
    "corrected": tr("corrected"),
    "late": tr("corrected late"),
    "complaints": tr("complaints"),
    "upheld": tr("upheld"),
    "checks": tr("checks"),
    "failed": tr("failed checks"),
    "returned_percent": tr("sent back %"),
}


def _city(code: str | None) -> str | None:
    """A city that is named must be one."""
    from gateway.codec.codes import table as codes

    if code is not None and code not in codes("division_shandong"):
        raise InputError(tr("no division {code!r}: give the code of a city, 370100", code=code))
    return code
