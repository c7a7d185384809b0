"""``gateway find``: what a number or name at hand stands for, and the command that shows it."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.output import FAILURES, AsJson, asked_for, columns, emit, opened, say, table
from gateway.domain.errors import InputError
from gateway.locale import shown, tr

_KINDS = {
    "person": tr("person"),
    "certificate": tr("certificate"),
    "row": tr("reported row"),
    "delivery": tr("delivery"),
    "receipt": tr("receipt"),
    "platform_number": tr("platform number"),
    "message": tr("message number"),
    "batch": tr("batch file"),
    "report": tr("report"),
    "ticket": tr("ticket"),
    "draw": tr("draw"),
    "credit": tr("credit event"),
}


def find(
    text: Annotated[
        str,
        typer.Argument(
            help="A certificate number, an identity number or name ('-' asks for it), the key of a record, the number "
            "of a delivery or a message, a receipt, a platform's number, a batch file, a report, a ticket, a draw, or "
            "a credit event or record."
        ),
    ],
    city: Annotated[str | None, typer.Option(help="With a name: code or name of the city that reported.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find what is at hand: everything it may stand for, masked, each with the command that shows more.

    Exit code 1 where nothing is found. With - an identity number or name stays out of the shell's history.
    """
    asked = asked_for(text)
    with opened() as gateway:
        from gateway.operations.find import find as look_up

        if not asked:
            raise InputError(tr("nothing to look for was given"))
        found = look_up(gateway.store, asked, gateway.connectors(), city=city)
        people = [one.key for one in found if one.kind in ("person", "certificate")]
        gateway.note("find", f"{len(found)} found", detail={"people": people})
    rows = [{**vars(one), "text_zh": shown(one.text, chinese=True)} for one in found]
    if as_json:
        emit({"found": rows})
    elif rows:
        told = [
            {
                "kind": _KINDS[one.kind],
                "key": one.key,
                "what": one.text,
                "more": one.act,
            }
            for one in found
        ]
        table(tr("{count} found", count=len(rows)), columns("kind", "key", "what", "more"), told)
    else:
        say(tr("nothing is found; ask the city whether it was reported: gateway batches list"))
    if not rows:
        raise typer.Exit(FAILURES)
