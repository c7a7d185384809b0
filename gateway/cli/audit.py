"""``gateway audit``: who did what, and who read whom."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.output import (
    LARGEST,
    AsJson,
    columns,
    emit,
    in_china,
    opened,
    refuse_idle,
    say,
    table,
    write_workbook,
)
from gateway.domain.china import CHINA
from gateway.domain.errors import InputError
from gateway.locale import tr

audit = typer.Typer(no_args_is_help=True, help="The audit trail: who did what, and who read whom.")

_SHOWN = 200
_COLUMNS = ("id", "at", "actor", "action", "object", "reason", "detail")


@audit.command("list")
def listing(
    person: Annotated[
        str | None, typer.Option(help="person_key, as `gateway why` and `show` give it: what concerned that person.")
    ] = None,
    actor: Annotated[str | None, typer.Option(help="Who did it.")] = None,
    action: Annotated[str | None, typer.Option("--act", help="What was done, as the list names it.")] = None,
    since: Annotated[datetime | None, typer.Option(help="From this moment on, +08:00.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this moment, +08:00.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many, the newest; 200 by default.")] = None,
    xlsx: Annotated[Path | None, typer.Option(help="Write all of them to a workbook instead.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the audit trail, the newest first. Reading it leaves a row as well."""
    from itertools import islice

    from gateway.operations.store.audit import AuditFilter, entries, names_in

    wanted = AuditFilter(person=person, actor=actor, action=action, since=in_china(since), until=in_china(until))
    with opened() as gateway:
        refuse_idle(xlsx is not None and limit is not None, "--limit", tr("a list on the screen (not --xlsx)"))
        with gateway.store.read() as connection:
            for option, given, column in (("--actor", actor, "actor"), ("--act", action, "action")):
                if given is not None:
                    _refuse_unknown(option, given, names_in(connection, column))
            found = list(islice(entries(connection, wanted), None if xlsx else limit or _SHOWN))
        asked = {name: str(value) for name, value in vars(wanted).items() if value is not None}
        gateway.note("audit_list", f"person {person}" if person else "everything", detail=asked)
    if xlsx is not None:
        write_workbook(xlsx, "audit", _COLUMNS, map(_told, found))
    if as_json:
        emit({"entries": found} if xlsx is None else {"xlsx": str(xlsx), "entries": len(found)})
    elif xlsx is not None:
        say(tr("{count} rows written to {xlsx}", count=len(found), xlsx=xlsx))
    else:
        table(tr("{count} rows", count=len(found)), columns(*_COLUMNS), found)


@audit.command("original")
def original(
    number: Annotated[
        int, typer.Argument(min=1, max=LARGEST, help="Number of a row, as `gateway audit list` gives it.")
    ],
    reason: Annotated[str, typer.Option(help="What it is needed for; kept in the audit trail.")],
    as_json: AsJson = False,
) -> None:
    """Show the reason of a row as it was typed, with whom it names. That leaves a row as well."""
    from gateway.operations.store.audit import original as typed

    with opened() as gateway:
        with gateway.store.read() as connection:
            text = typed(connection, gateway.store.vault, number)
        if text is None:
            raise InputError(tr("there is no row {number} with a reason", number=number))
        gateway.note("audit_original", f"audit {number}", reason=reason)
    if as_json:
        emit({"id": number, "reason": text})
    else:
        say(text)


def _refuse_unknown(option: str, given: str, known: Collection[str]) -> None:
    if given not in known:
        raise InputError(
            tr("{option}: there is no {given!r}; there are: {known}", option=option, given=given, known=sorted(known))
        )


def _told(row: dict[str, Any]) -> list[Any]:
    at = row["at"].astimezone(CHINA).isoformat(timespec="seconds")
    told = {**row, "at": at, "detail": json.dumps(row["detail"], ensure_ascii=False)}
    return [told[name] for name in _COLUMNS]
