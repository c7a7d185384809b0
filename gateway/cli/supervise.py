"""``gateway supervise``: random checks that anyone can draw again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import checks
from gateway.cli.output import (
    FAILURES,
    LARGEST,
    MISUSE,
    AsJson,
    actor,
    columns,
    complain,
    details,
    emit,
    opened,
    say,
    table,
)
from gateway.locale import tr

if TYPE_CHECKING:
    from gateway.bootstrap import Gateway
    from gateway.credit.store.draws import Draw

supervise = typer.Typer(
    no_args_is_help=True,
    help="Supervision (五(六)): draw checks and prove a draw; enter, approve and publish results; cities' figures.",
)
for _name, _command in (
    ("enter", checks.enter),
    ("results", checks.results),
    ("approve", checks.approve),
    ("publish", checks.publish),
    ("performance", checks.performance),
):
    supervise.command(_name)(_command)
_SEED_BYTES = 16


@supervise.command("draw")
def draw(
    of: Annotated[str, typer.Argument(help="enterprises, cities or certificates.")],
    ratio: Annotated[str, typer.Option(help="A share (5%, 1/20) or a number.")],
    checkers: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="CSV with columns checker and avoids.")],
    reason: Annotated[str, typer.Option(help="Why is checked; kept in the audit trail.")],
    seed: Annotated[str | None, typer.Option(help="Drawn in public, say; otherwise a fresh random one.")] = None,
    around: Annotated[
        str | None, typer.Option(help="Only certificates of this division, verification point or enterprise.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="OBJECT=REASON; may be given several times.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw objects and a checker for each; opens a ticket for every object."""
    from gateway.credit.decisions import Officer
    from gateway.credit.supervision import Order, make_draw, read_checker_file

    with opened() as gateway:
        order = Order(
            of=of,
            ratio=ratio,
            seed=seed or gateway.edge.random_bytes(_SEED_BYTES).hex(),
            reason=reason,
            checkers=read_checker_file(checkers),
            excluded=dict(_excluded(text) for text in exclude or ()),
            around=around,
        )
        officer = Officer(by=actor(), now=gateway.edge.now(), calendar=gateway.calendar)
        made = make_draw(gateway.store, order, officer, number=gateway.edge.new_id())
        gateway.seal()
        about = _about(gateway, made)
    _show_draw(made, about, None, as_json=as_json)


@supervise.command("show")
def show(
    number: Annotated[str, typer.Argument(help="Number of the draw, as it was told.")], as_json: AsJson = False
) -> None:
    """Show a draw and draw it again. Exit code 1 where that gives another result or the population has changed."""
    from gateway.credit.store.draws import draw_by_number
    from gateway.credit.supervision import draw_again

    with opened() as gateway:
        with gateway.store.read() as connection:
            made = draw_by_number(connection, number)
        same = None if made is None else draw_again(gateway.store, made)
        about = {} if made is None else _about(gateway, made)
    if made is None:
        complain(tr("there is no such draw"))
        raise typer.Exit(MISUSE)
    _show_draw(
        made, about, "same" if same else "population changed" if same is None else "another result", as_json=as_json
    )
    if not same:
        raise typer.Exit(FAILURES)


@supervise.command("list")
def listing(
    limit: Annotated[int, typer.Option(min=1, max=LARGEST, help="List at most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List draws, the newest first."""
    from gateway.credit.store.draws import listed

    with opened() as gateway, gateway.store.read() as connection:
        names = ("number", "at", "of", "population", "ratio", "due_on")
        rows = [
            {**{name: getattr(one, name) for name in names}, "drawn": len(one.drawn)}
            for one in listed(connection, limit)
        ]
    if as_json:
        emit({"draws": rows})
    elif rows:
        table(tr("{count} draws", count=len(rows)), columns(*names, "drawn"), rows)
    else:
        say(tr("nothing was drawn yet: gateway supervise draw"))


def _about(gateway: Gateway, made: Draw) -> dict[str, str]:
    from gateway.credit.supervision import described

    with gateway.store.read() as connection:
        found = described(connection, gateway.store, [one.object for one in made.drawn])
    gateway.note("draw", f"draw {made.number}", detail={"objects": len(found)})
    return found


def _excluded(text: str) -> tuple[str, str]:
    name, _, why = text.partition("=")
    if not name or not why:
        complain(tr("--exclude OBJECT=REASON"))
        raise typer.Exit(MISUSE)
    return name, why


def _show_draw(made: Draw, about: dict[str, str], again: str | None, *, as_json: bool) -> None:
    document: dict[str, Any] = {name: getattr(made, name) for name in type(made).__dataclass_fields__}
    document["drawn"] = [
        {"object": one.object, "about": about.get(one.object), "checker": one.checker} for one in made.drawn
    ]
    document |= {} if again is None else {"drawn_again": again}
    if as_json:
        emit({"draw": document})
        return
    shown = {**document, "excluded": [f"{name}: {why}" for name, why in made.excluded.items()], "drawn again": again}
    details(
        shown,
        *("number", "of", "seed", "method", "population", "population_digest", "ratio", "due_on"),
        *("excluded", "drawn again"),
    )
    table(tr("drawn"), columns("object", "about", "checker"), document["drawn"])
