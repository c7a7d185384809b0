"""``gateway tickets``: what persons have to look at, whose it is, until when, and doing it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli.approvals import ask_second_person
from gateway.cli.output import (
    LARGEST,
    MISUSE,
    AsJson,
    actor,
    columns,
    complain,
    details,
    emit,
    known_platform,
    opened,
    refuse_idle,
    say,
    table,
)
from gateway.credit.rules.tickets import Act
from gateway.domain.approvals import GuardedAct
from gateway.domain.china import CHINA
from gateway.domain.ticket_kinds import TicketKind
from gateway.domain.words import ROLES
from gateway.locale import Text, tr

tickets = typer.Typer(no_args_is_help=True, help="What persons have to look at: list, show, settle.")
_LISTED = columns("number", "title", "due_on", "owner", "platform", "record_id", "opened_at", "acts")
_SHORT = 8
"""characters of a number's end that a list shows; they name the ticket in every command"""


@tickets.command("list")
def listing(
    platform: Annotated[str | None, typer.Option(help="Only this platform; centre for our own.")] = None,
    kind: Annotated[TicketKind | None, typer.Option(case_sensitive=False, help="Only this kind.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=LARGEST, help="List at most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List tickets, the oldest first: whose they are, until when, and which acts are possible."""
    from gateway.credit.store.tickets import Filter
    from gateway.credit.tickets import work_list

    with opened() as gateway:
        known_platform(gateway, platform, others=["centre"])
        wanted = Filter(platform=platform, kind=kind, closed=everything)
        total, found = work_list(gateway.store, gateway.calendar, wanted, limit, gateway.edge.now())
    rows = [ticket.document() for ticket in found]
    if as_json:
        emit({"total": total, "shown": len(rows), "tickets": rows})
    elif rows:
        table(tr("{count} of {total}", count=len(rows), total=total), _LISTED, [_for_people(row) for row in rows])
    else:
        say(tr("there is no open ticket"))


def _for_people(row: dict[str, Any]) -> dict[str, Any]:
    due = row["due_on"] or Text("–")
    shown = {"number": row["number"][-_SHORT:], "owner": ROLES.get(row["owner"], row["owner"])}
    shown["due_on"] = tr("{day}, late", day=due) if row["late"] else due
    return {**row, **shown, "opened_at": Text(f"{row['opened_at'].astimezone(CHINA):%Y-%m-%d}")}


@tickets.command("show")
def show(
    number: Annotated[str, typer.Argument(help="Number of the ticket, as `gateway tickets list` gives it.")],
    as_json: AsJson = False,
) -> None:
    """Show one ticket: what it is about, what may be done, and what was done."""
    from gateway.credit.tickets import look_up

    with opened() as gateway:
        found = look_up(gateway.store, gateway.calendar, number, gateway.edge.now())
        if found is not None:
            gateway.note("ticket_show", f"ticket {found.ticket.number}", detail={"record_id": found.ticket.record_id})
    if found is None:
        complain(tr("there is no such ticket"))
        raise typer.Exit(MISUSE)
    document = found.document()
    if as_json:
        emit({"ticket": document})
        return
    details({**document, "title_zh": None, "owner": ROLES.get(document["owner"], document["owner"])})


@tickets.command("settle")
def settle(
    number: Annotated[str, typer.Argument(help="Number of the ticket.")],
    act: Annotated[Act, typer.Argument(help="One of the acts that `gateway tickets show` names.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    subject: Annotated[
        str | None, typer.Option(help="With confirm: key of the person or code of the enterprise meant.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Settle one ticket; what the act asks for is carried out with it."""
    from gateway.credit.tickets import TicketAct, would_reinstate
    from gateway.credit.tickets import settle as run

    with opened() as gateway:
        refuse_idle(subject is not None and act is not Act.CONFIRM, "--subject", "confirm")
        given = TicketAct(number=number, act=act, reason=reason, by=actor(), subject=subject)
        back = would_reinstate(gateway.store, given)
        if back is not None:
            ask_second_person(
                gateway, GuardedAct.REINSTATE, f"ticket {back['number']}", back, reason=reason, about=lambda: back
            )
        closed = run(gateway.store, given, gateway.edge.now())
        gateway.seal()
    if as_json:
        emit({"number": closed.number, "act": closed.act, "closed_at": closed.closed_at, "closed_by": closed.closed_by})
    else:
        say(tr("{number} settled: {act}", number=closed.number, act=closed.act))
