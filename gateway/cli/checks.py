"""``gateway supervise enter`` and what follows: checks that were made, approved, published; the cities' figures."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.output import (
    FAILURES,
    LARGEST,
    AsJson,
    actor,
    columns,
    complain,
    emit,
    in_language,
    opened,
    say,
    table,
    write_workbook,
)
from gateway.credit.rules.checks import KINDS_ZH, RESULTS_ZH, SupervisionKind, SupervisionResult
from gateway.domain.china import CHINA
from gateway.domain.errors import InputError

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
    say(in_language(f"已录入：{made.number}", f"entered: {made.number}"))
    act = f"gateway supervise approve {made.number} --reason …"
    say(in_language("下一步（由另一人审核）：", "next, by another person: ") + act)


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
                "kind": in_language(KINDS_ZH[one.kind], one.kind),
                "result": in_language(RESULTS_ZH[one.result], one.result),
            }
            for one in found
        ]
        table(in_language(f"{len(rows)} 项检查", f"{len(rows)} checks"), columns(*_LISTED), rows)
    else:
        say(in_language("没有检查记录：gateway supervise enter", "no check was entered: gateway supervise enter"))


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
        say(in_language(f"{number} 已审核；公示：", f"{number} is approved; publish: ") + "gateway supervise publish")
    if not done:
        complain(in_language("此前已审核", "it was approved before"))
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
            raise InputError(in_language("请给出 --page 或 --xlsx", "say where: --page or --xlsx, or both"))
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
        complain(in_language("没有已审核的检查", "no check is approved: gateway supervise results --unapproved"))
        raise typer.Exit(FAILURES)
    files = [str(path) for path in (page, xlsx) if path is not None]
    if as_json:
        emit({"checks": len(rows), "new": new, "files": files})
    else:
        told = in_language("、", ", ").join(files)
        say(in_language(f"{len(rows)} 项（新增 {new} 项）已写入 {told}", f"{len(rows)} checks ({new} new) in {told}"))


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
            raise InputError(in_language("--until 早于 --since", "--until lies before --since"))
        found = city_figures(gateway.store, gateway.calendar, first, last, now=now, within=within)
    names = list(found[0])
    if xlsx is not None:
        titles = [in_language(_FIGURES[name], name) for name in names]
        write_workbook(xlsx, "city performance", titles, ([one[name] for name in names] for one in found))
    if as_json:
        emit({"since": first, "until": last, "within": within, "cities": found})
    elif xlsx is not None:
        say(in_language(f"{len(found)} 个市已写入 {xlsx}", f"{len(found)} cities written to {xlsx}"))
    else:
        shown = [{in_language(_FIGURES[name], name): one[name] or "" for name in names} for one in found]
        table(f"{first} – {last}", columns(*shown[0]), shown)


_FIGURES: dict[str, Any] = {
    "city": "代码",
    "name_zh": "市",
    "rows": "上报",
    "returned": "退回",
    "held": "暂缓",
    "refused_there": "平台退回",
    "corrected": "已更正",
    "late": "逾期更正",
    "complaints": "投诉",
    "upheld": "投诉属实",
    "checks": "检查",
    "failed": "检查有问题",
    "returned_percent": "退回率%",
}


def _city(code: str | None) -> str | None:
    """A city that is named must be one."""
    from gateway.codec.codes import table as codes

    if code is not None and code not in codes("division_shandong"):
        raise InputError(
            in_language(f"没有区划代码 {code!r}", f"no division {code!r}: give the code of a city, 370100")
        )
    return code
