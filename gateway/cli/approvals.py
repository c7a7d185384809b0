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
    in_language,
    opened,
    say,
    table,
)
from gateway.domain.approvals import ACT_TITLES, ApprovalRefusal, GuardedAct, Standing, refusal
from gateway.domain.china import CHINA
from gateway.domain.errors import GatewayError, InputError

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
        number = permit.request.id
        until = f"{permit.request.expires_at.astimezone(CHINA):%Y-%m-%d %H:%M} +08:00"
        zh, en = ACT_TITLES[act][1], ACT_TITLES[act][0]
        gateway.seal()
        raise GatewayError(
            in_language(
                f"“{zh}”需双人复核，尚未执行。申请 {number}，{until} 前有效：请另一人执行 "
                f"gateway approvals approve {number} --reason …，然后原样重新执行本命令",
                f"to {en} asks for a second person; nothing was done. Request {number} stands until {until}: let "
                f"another person run `gateway approvals approve {number} --reason …`, then run this command again",
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
        say(in_language("需双人复核：", "ask for a second person: ") + (", ".join(asking) or "-"))
        if rows:
            table(in_language(f"{len(rows)} 项", f"{len(rows)} requests"), columns(*_COLUMNS), rows)
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
            raise InputError(f"GATEWAY_FOUR_EYES still names {act}: take it out there first")
        with gateway.store.read() as connection:
            if act not in store.demanded(connection):
                raise InputError(f"{act} asks for nobody")
        ask_second_person(gateway, GuardedAct.WAIVE, act, {"act": act}, reason=reason)
        with gateway.store.write() as connection:
            if store.waive(connection, act):
                note(connection, at=gateway.edge.now(), actor=person().name, action="waive", subject=act, reason=reason)
        gateway.seal()
    if as_json:
        emit({"act": act, "waived": True})
    else:
        say(in_language(f"{ACT_TITLES[act][1]}：不再需要双人复核", f"to {ACT_TITLES[act][0]} asks for nobody now"))


def _decide(number: int, reason: str, *, approve: bool, as_json: bool) -> None:
    from gateway.operations.store.approvals import decide, find

    with opened() as gateway:
        if not reason.strip():
            raise InputError("--reason: say why")
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
            in_language(
                f"申请 {number} 已同意：{done.asked_by} 可原样重新执行该命令一次",
                f"request {number} is approved: {done.asked_by} may run the command again, once",
            )
        )
    else:
        say(in_language(f"申请 {number} 已拒绝", f"request {number} is declined"))


def _why_not(found: Request | None, uid: int, now: datetime, number: int) -> str:
    if found is None:
        return in_language(f"没有申请 {number}", f"there is no request {number}")
    if refusal(found, uid, now) is ApprovalRefusal.SAME_PERSON:
        return in_language(
            f"申请 {number} 由 {found.asked_by} 提出：须由另一人决定",
            f"request {number} was made by {found.asked_by}: another person has to decide it",
        )
    standing = found.standing(now)
    return in_language(
        f"申请 {number} 已结束：{_STANDINGS.get(standing, standing)}", f"request {number} is over: {standing}"
    )


_STANDINGS = {
    Standing.APPROVED: "已同意",
    Standing.DECLINED: "已拒绝",
    Standing.EXPIRED: "已过期",
    Standing.USED: "已使用",
}


def _document(request: Request, now: datetime) -> dict[str, Any]:
    told = {name: value for name, value in vars(request).items() if not name.endswith("_uid")}
    return {**told, "standing": str(request.standing(now)), "what": in_language(*reversed(ACT_TITLES[request.act]))}
