"""``gateway selftest``: kill workers on the operator's own kind of store, and count what became of the records."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli.language import is_chinese
from gateway.cli.output import FAILURES, MISUSE, AsJson, columns, complain, emit, reported, say, table
from gateway.cli.progress import counting
from gateway.locale import tr


def selftest(
    url: Annotated[str | None, typer.Option(help="Database URL; that of the settings where none is given.")] = None,
    kills: Annotated[int, typer.Option(min=1, help="How many workers to kill.")] = 50,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 0,
    without: Annotated[
        str | None, typer.Option(help="Switch one safety off, to see that its absence is noticed; `list` names them.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Kill workers at every commit and every wire point, restart them, and compare the ledger with the platform.

    It works on an empty store of its own beside yours (SQLite: a file in the same folder; PostgreSQL: a schema), which
    is removed at the end, and on a simulated platform: your records and your platforms are not touched. With
    --without a safety is missing there, and the exit code must be 1.
    """
    import os

    if not hasattr(os, "fork"):
        complain(tr("selftest: needs a system on which processes can be forked"))
        raise typer.Exit(MISUSE)
    if without is not None:
        without = _safety(without, as_json=as_json)
    with reported():
        document = _run(url, kills, seed, without, quiet=as_json)
        if as_json:
            emit(document)
        else:
            _show(document)
        if document["problems"]:
            raise typer.Exit(FAILURES)


def _safety(name: str, *, as_json: bool) -> str:
    """The name of a safety; the list of them ends the command."""
    from gateway.testing.safeties import SAFETIES

    if name in SAFETIES:
        return name
    rows = [
        {"safety": key, "what it sees to": one.title_zh if is_chinese() else one.title}
        for key, one in sorted(SAFETIES.items())
    ]
    if name == "list":
        if as_json:
            emit({key: {"title": one.title, "title_zh": one.title_zh} for key, one in sorted(SAFETIES.items())})
        else:
            table("", columns("safety", "what it sees to"), rows)
        raise typer.Exit
    complain(tr("there is no safety {name!r}; there are {names}", name=name, names=sorted(SAFETIES)))
    raise typer.Exit(MISUSE)


def _run(url: str | None, kills: int, seed: int, without: str | None, *, quiet: bool) -> dict[str, Any]:
    from gateway import logs
    from gateway.delivery.system import CrashPoint
    from gateway.settings import GatewaySettings, load
    from gateway.store.engine import Store, open_engine
    from gateway.store.vault import KeyRing, Vault, random_bytes
    from gateway.testing.crashmatrix import crash
    from gateway.testing.ground import beside

    settings = load(GatewaySettings)
    logs.set_up(settings.log_level)
    with beside(url or settings.url, f"gateway_selftest_{random_bytes(4).hex()}") as own:
        ring = KeyRing.generate()
        store = Store(engine=open_engine(own), vault=Vault(ring))
        try:
            with counting(tr("kills"), quiet=quiet, total=kills) as progress:
                account = crash(
                    store, ring.to_text(), own, kills=kills, seed=seed, progress=progress, without=without or ""
                )
            kind = store.engine.dialect.name
        finally:
            store.close()
    return {
        "store": kind,
        "seed": seed,
        "without": without,
        "runs": account.runs,
        "kills": account.kills.total(),
        "points": {str(point): account.kills[point] for point in CrashPoint},
        "records": account.records,
        "effects": account.effects,
        "problems": account.broken,
    }


def _show(document: dict[str, Any]) -> None:
    rows = [{"killed at": point, "times": count} for point, count in document["points"].items()]
    table(
        tr("{kills} of {runs} workers killed", kills=document["kills"], runs=document["runs"]),
        columns("killed at", "times"),
        rows,
    )
    say(tr("store:    {store}", store=document["store"]))
    say(tr("records:  {records}", records=document["records"]))
    say(
        tr(
            "effects:  {effects} at the platform (a record that a newer version overtook has none)",
            effects=document["effects"],
        )
    )
    for problem in document["problems"]:
        say(tr("problem:  {problem}", problem=problem))
    if document["without"] and document["problems"]:
        say(tr("the missing safety was noticed"))
    elif document["without"]:
        say(tr("the missing safety was not noticed: try more --kills"))
    elif not document["problems"]:
        say(tr("nothing was lost and nothing doubled"))
