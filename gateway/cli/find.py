"""``gateway find``: what a number or name at hand stands for, and the command that shows it."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.output import FAILURES, AsJson, asked_for, columns, emit, in_language, opened, say, table
from gateway.domain.errors import InputError

_KINDS = {
    "person": "人员",
    "certificate": "证书",
    "row": "上报行",
    "delivery": "推送任务",
    "receipt": "受理号",
    "platform_number": "平台编号",
    "message": "报文流水号",
    "batch": "批次文件",
    "report": "上报编号",
    "ticket": "工单",
    "draw": "抽查",
    "credit": "信用事件",
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
            raise InputError(in_language("没有输入要查询的内容", "nothing to look for was given"))
        found = look_up(gateway.store, asked, gateway.connectors(), city=city)
        people = [one.key for one in found if one.kind in ("person", "certificate")]
        gateway.note("find", f"{len(found)} found", detail={"people": people})
    rows = [vars(one) for one in found]
    if as_json:
        emit({"found": rows})
    elif rows:
        shown = [
            {
                "kind": in_language(_KINDS[one.kind], one.kind),
                "key": one.key,
                "what": in_language(one.text_zh, one.text),
                "more": one.act,
            }
            for one in found
        ]
        table(in_language(f"共 {len(rows)} 项", f"{len(rows)} found"), columns("kind", "key", "what", "more"), shown)
    else:
        say(
            in_language(
                "没有找到。可向上报城市核实是否已上报：gateway batches list",
                "nothing is found; ask the city whether it was reported: gateway batches list",
            )
        )
    if not rows:
        raise typer.Exit(FAILURES)
