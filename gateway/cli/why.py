"""``gateway why``: where a certificate stands on its way, and what to do about it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gateway.cli.output import FAILURES, AsJson, columns, emit, opened, say, table
from gateway.domain.errors import InputError

_WORDS = {True: "ok", False: "BROKEN", None: "waits"}


def why(
    number: Annotated[
        str, typer.Argument(help="A certificate number, or an identity number: '-' reads it from stdin.")
    ],
    as_json: AsJson = False,
) -> None:
    """Follow a certificate from its row to the platform's word and name the first broken link; exit code 1 with one.

    Give an identity number on stdin, so that it stays out of the shell's history: gateway why - < file
    """
    asked = (sys.stdin.readline() if number == "-" else number).strip().upper()
    with opened() as gateway:
        from gateway.service.why import why as follow

        if not asked:
            raise InputError("nothing to look for on stdin")
        infos = [gateway.connector(name).info for name in gateway.configured()]
        rules = {name: gateway.connector(name).endpoint.traffic for name in gateway.configured()}
        answer = follow(gateway.store, asked, infos, rules, gateway.edge.now())
        found = {"person_key": answer.person_key, "certificates": sorted(answer.certificates)}
        gateway.note("why", f"person {answer.person_key or 'unknown'}", detail=found)
    broken = answer.broken
    if as_json:
        chains = {key: [vars(link) for link in links] for key, links in answer.certificates.items()}
        rows = [vars(link) for link in answer.rows]
        first = [vars(link) for link in broken]
        emit({"person_key": answer.person_key, "rows": rows, "certificates": chains, "broken": first})
    else:
        names = columns("step", "platform", "delivery", "ok", "text", "act")
        links = [("", link) for link in answer.rows]
        links += [(key, link) for key, chain in answer.certificates.items() for link in chain]
        for key in dict.fromkeys(key for key, _ in links):
            shown = [{**vars(link), "ok": _WORDS[link.ok]} for owner, link in links if owner == key]
            table(key or "reported", names, shown)
        for link in broken:
            say(
                f"first broken link: {link.step} {link.platform or ''} - {link.text}"
                + (f". Do: {link.act}" if link.act else "")
            )
    if broken:
        raise typer.Exit(FAILURES)
