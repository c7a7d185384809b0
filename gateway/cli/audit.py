"""``gateway audit``: who did what, and who read whom."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.output import AsJson, columns, emit, in_china, opened, say, table, write_workbook
from gateway.domain.china import CHINA
from gateway.locale import tr

audit = typer.Typer(no_args_is_help=True, help="The audit trail: who did what, and who read whom.")

_COLUMNS = ("id", "at", "actor", "action", "object", "reason", "detail")


@audit.callback()
def _group() -> None:
    """Keep ``list`` a word of its own though it is the only one."""


@audit.command("list")
def listing(
    person: Annotated[
        str | None, typer.Option(help="person_key, as `gateway why` and `show` give it: what concerned that person.")
    ] = None,
    actor: Annotated[str | None, typer.Option(help="Who did it.")] = None,
    action: Annotated[str | None, typer.Option("--act", help="What was done, as the list names it.")] = None,
    since: Annotated[datetime | None, typer.Option(help="From this moment on, +08:00.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this moment, +08:00.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, the newest.")] = 200,
    xlsx: Annotated[Path | None, typer.Option(help="Write all of them to a workbook instead.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the audit trail, the newest first. Reading it leaves a row as well."""
    from itertools import islice

    from gateway.operations.store.audit import AuditFilter, entries

    wanted = AuditFilter(person=person, actor=actor, action=action, since=in_china(since), until=in_china(until))
    with opened() as gateway:
        with gateway.store.read() as connection:
            found = list(islice(entries(connection, wanted), None if xlsx else limit))
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


def _told(row: dict[str, Any]) -> list[Any]:
    at = row["at"].astimezone(CHINA).isoformat(timespec="seconds")
    told = {**row, "at": at, "detail": json.dumps(row["detail"], ensure_ascii=False)}
    return [told[name] for name in _COLUMNS]
