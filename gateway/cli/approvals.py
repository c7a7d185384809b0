"""``gateway approvals``: acts that wait for a second person, and that person's word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.actor import person
from gateway.cli.output import (
    FAILURES,
    LARGEST,
    MISUSE,
    AsJson,
    columns,
    complain,
    emit,
    opened,
    say,
    table,
)
from gateway.domain.approvals import ACT_TITLES, STANDINGS, ApprovalRefusal, GuardedAct, Standing, refusal
from gateway.domain.errors import GatewayError, InputError
from gateway.locale import Text, tr

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.bootstrap import Gateway
    from gateway.domain.approvals import Request
    from gateway.operations.approvals import Permit

approvals = typer.Typer(no_args_is_help=True, help="Four eyes: what waits for a second person, and deciding it.")
Number = Annotated[int, typer.Argument(min=1, max=LARGEST, help="Number of the request.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit trail.")]
_COLUMNS = ("id", "standing", "what", "subject", "asked_by", "reason", "expires_at", "decided_by")


def ask_second_person(
    gateway: Gateway,
    act: GuardedAct,
    subject: str,
    parameters: Mapping[str, Any],
    *,
    reason: str,
    size: int = 0,
    about: Callable[[], Mapping[str, Any]] = dict,
) -> Permit:
    """Let an act go on, or end the command (exit code 1) with the request that waits for another person's word."""
    permit = gateway.second_person(act, subject, parameters, reason=reason, size=size, about=about)
    if not permit.granted:
        assert permit.request is not None
        gateway.seal()
        raise GatewayError(
            tr(
                "to {act} asks for a second person; nothing was done. Request {number} stands until {until} +08:00: "
                "let another person run `gateway approvals approve {number} --reason …`, then run this command again",
                act=ACT_TITLES[act],
                number=permit.request.id,
                until=permit.request.expires_at,
            )
        )
    return permit


@approvals.command("list")
def listing(
    everything: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=LARGEST, help="Look at the newest so many.")] = 200,
    as_json: AsJson = False,
) -> None:
    """List what waits for a second person, with what it is about. Exit code 1 where something waits."""
    from gateway.operations.store.approvals import demanded, listed

    with opened() as gateway:
        now = gateway.edge.now()
        gateway.demand_four_eyes()
        with gateway.store.read() as connection:
            asking = sorted(demanded(connection))
            found = [_document(one, now) for one in listed(connection, limit)]
    waiting = sum(one["standing"] == Standing.WAITS for one in found)
    rows = [one for one in found if everything or one["standing"] in (Standing.WAITS, Standing.APPROVED)]
    if as_json:
        emit({"acts": asking, "waiting": waiting, "approvals": rows})
    else:
        say(tr("ask for a second person: {acts}", acts=asking or "-"))
        if rows:
            shown = [{**one, "standing": STANDINGS[Standing(one["standing"])]} for one in rows]
            table(tr("{count} requests", count=len(rows)), columns(*_COLUMNS), shown)
        for one in rows:
            facts = ", ".join(f"{name} {value}" for name, value in one["detail"].items())
            say(f"{one['id']}: {facts}") if facts else None
    if waiting:
        raise typer.Exit(FAILURES)


@approvals.command("approve")
def approve(number: Number, reason: Reason, as_json: AsJson = False) -> None:
    """Let another person's act go on: exactly what was asked, once. Exit code 2 where it is not yours to decide."""
    _decide(number, reason, approve=True, as_json=as_json)


@approvals.command("decline")
def decline(number: Number, reason: Reason, as_json: AsJson = False) -> None:
    """Refuse another person's act. Exit code 2 where it is not yours to decide."""
    _decide(number, reason, approve=False, as_json=as_json)


@approvals.command("waive")
def waive(
    act: Annotated[GuardedAct, typer.Argument(help="The act, as `gateway approvals list` names it.")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Ask for nobody any longer for an act; this asks for a second person itself. Take it out of FOUR_EYES first."""
    from gateway.domain.approvals import guarded_acts
    from gateway.operations.store import approvals as store
    from gateway.store.audit import note

    with opened() as gateway:
        gateway.demand_four_eyes()
        if act in guarded_acts(gateway.settings.four_eyes):
            raise InputError(tr("GATEWAY_FOUR_EYES still names {act}: take it out there first", act=act))
        with gateway.store.read() as connection:
            if act not in store.demanded(connection):
                raise InputError(tr("{act} asks for nobody", act=act))
        ask_second_person(gateway, GuardedAct.WAIVE, act, {"act": act}, reason=reason)
        with gateway.store.write() as connection:
            if store.waive(connection, act):
                note(connection, at=gateway.edge.now(), actor=person().name, action="waive", subject=act, reason=reason)
        gateway.seal()
    if as_json:
        emit({"act": act, "waived": True})
    else:
        say(tr("to {act} asks for nobody now", act=ACT_TITLES[act]))


def _decide(number: int, reason: str, *, approve: bool, as_json: bool) -> None:
    from gateway.operations.store.approvals import decide, find

    with opened() as gateway:
        if not reason.strip():
            raise InputError(tr("--reason: say why"))
        now, mine = gateway.edge.now(), person()
        with gateway.store.write() as connection:
            done = decide(connection, gateway.store.vault, number, mine, now, approve=approve, reason=reason)
            found = done or find(connection, number)
        gateway.seal()
        if found is not None and done is None and refusal(found, mine.uid, now) is ApprovalRefusal.SAME_PERSON:
            gateway.note("refused_approval", f"approval {number}", reason=reason, detail={"act": found.act})
    if done is None:
        complain(_why_not(found, mine.uid, now, number))
        raise typer.Exit(MISUSE)
    if as_json:
        emit({"approval": _document(done, now)})
    elif approve:
        say(
            tr(
                "request {number} is approved: {person} may run the command again, once",
                number=number,
                person=done.asked_by,
            )
        )
    else:
        say(tr("request {number} is declined", number=number))


def _why_not(found: Request | None, uid: int, now: datetime, number: int) -> Text:
    if found is None:
        return tr("there is no request {number}", number=number)
    if refusal(found, uid, now) is ApprovalRefusal.SAME_PERSON:
        return tr(
            "request {number} was made by {person}: another person has to decide it",
            number=number,
            person=found.asked_by,
        )
    return tr("request {number} is over: {standing}", number=number, standing=STANDINGS[found.standing(now)])


def _document(request: Request, now: datetime) -> dict[str, Any]:
    told = {name: value for name, value in vars(request).items() if not name.endswith("_uid")}
    return {**told, "standing": str(request.standing(now)), "what": ACT_TITLES[request.act]}
