"""``gateway failures``, ``show``, ``why`` and ``release``: what failed, one delivery in full, and letting it go on."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.language import say_in_language
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
    in_china,
    in_language,
    known_batch,
    known_platform,
    opened,
    say,
    table,
)
from gateway.cli.status import traffic_rules
from gateway.domain.errors import InputError
from gateway.domain.states import State
from gateway.domain.words import WHY_STEPS
from gateway.locale import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.bootstrap import Gateway
    from gateway.operations.why import Explanation
    from gateway.store.engine import Connection

_FAILED = (State.PARKED, State.REJECTED)


def _why(gateway: Gateway, connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """``why``, its code and ``until`` for deliveries that wait; all empty for those that have ended."""
    from gateway.delivery.explain import reasons

    chinese = gateway.settings.chinese
    found = reasons(connection, ids, traffic_rules(gateway), gateway.edge.now())
    return {
        key: {
            "why": None if one is None else one.zh if chinese else one.en,
            "why_code": None if one is None else one.code,
            "until": None if one is None else one.until,
        }
        for key, one in found.items()
    }


def failures(
    platform: Annotated[str | None, typer.Option(help="Only this platform.")] = None,
    code: Annotated[str | None, typer.Option(help="Only this code.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only what changed since then; without a zone in +08:00.")
    ] = None,
    batch: Annotated[str | None, typer.Option(help="Only rows of the batch file with this name.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=LARGEST, help="List at most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what failed: rejected by a platform or here, and parked for a person. Exit code 1 where there is any."""
    from gateway.delivery.store.views import DeliveryFilter, listed

    with opened() as gateway:
        known_platform(gateway, platform)
        known_batch(gateway, batch)
        wanted = DeliveryFilter(platform=platform, states=_FAILED, code=code, since=in_china(since), batch=batch)
        with gateway.store.read() as connection:
            total, rows = listed(connection, wanted, limit)
            why = _why(gateway, connection, [row["id"] for row in rows])
    rows = [{**row, **why[row["id"]]} for row in rows]
    if as_json:
        emit({"total": total, "shown": len(rows), "failures": rows})
    elif rows:
        names = ("id", "platform", "kind", "record_key", "version", "state", "code", "reason", "why", "updated_at")
        table(tr("{count} of {total}", count=len(rows), total=total), columns(*names), rows)
    else:
        say(tr("nothing failed"))
    if total:
        raise typer.Exit(FAILURES)


def show(
    delivery: Annotated[
        int, typer.Argument(min=1, max=LARGEST, help="Number of the delivery, as `gateway failures` lists it.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show one transmission: record, payload, exchanges with their bytes and verdicts. People are masked."""
    from gateway.delivery.explain import explain

    with opened() as gateway:
        document = explain(gateway.store, delivery)
        if document is not None:
            detail = {"person_key": document["delivery"].get("person_key")}
            gateway.note("show", f"delivery {delivery}", detail=detail)
            with gateway.store.read() as connection:
                document["delivery"] |= _why(gateway, connection, [delivery])[delivery]
    if document is None:
        complain(tr("there is no delivery {delivery}", delivery=delivery))
        raise typer.Exit(MISUSE)
    if as_json:
        emit(document)
        return
    details({**document["delivery"], "changed": document["changed"]})
    say(tr("\npayload"))
    say(document["payload"] or tr("(none yet)"))
    for one in document["exchanges"]:
        say(
            tr(
                "\nexchange {id} {purpose} {operation} at {opened_at}",
                id=one["id"],
                purpose=one["purpose"],
                operation=one["operation"],
                opened_at=one["opened_at"],
            )
        )
        say(
            tr(
                "  verdict  {event} {code} {reason} {applied}",
                event=one["event"],
                code=one["code"],
                reason=one["reason"],
                applied="" if one["applied"] else tr("(changed nothing)"),
            )
        )
        say(tr("  sent     {request}", request=one["request"]))
        say(tr("  got      {answer} {response}", answer=one["status"] or one["failure"], response=one["response"]))
        if one["response_headers"]:
            say(tr("  headers  {names}", names=", ".join(one["response_headers"].splitlines())))


def release(
    deliveries: Annotated[
        list[int], typer.Argument(min=1, max=LARGEST, help="Numbers of parked deliveries, as `gateway failures` lists.")
    ],
    reason: Annotated[str, typer.Option(help="Why it may go on; kept in the audit trail.")],
    as_json: AsJson = False,
) -> None:
    """Queue parked deliveries again, with the payload they had. Exit code 1 where one is not parked."""
    with opened() as gateway:
        from gateway.delivery.store.ledger import release as let_go

        now, by = gateway.edge.now(), actor()
        with gateway.store.write() as connection:
            released = let_go(connection, deliveries, reason=reason, by=by, now=now)
    left = sorted(set(deliveries) - set(released))
    if as_json:
        emit({"released": released, "not_parked": left})
    else:
        say(tr("{count} queued again", count=len(released)))
    for number in left:
        complain(tr("delivery {number} is not parked", number=number))
    if left:
        raise typer.Exit(FAILURES)


_WORDS = {True: ("正常", "ok"), False: ("断开", "BROKEN"), None: ("待办", "waits")}


def why(
    what: Annotated[
        str,
        typer.Argument(
            help="A certificate number, an identity number ('-' reads it from stdin), the key of a record, the number "
            "of a delivery, a receipt, a platform's number, a batch file, a report or a ticket."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Follow a certificate from its row to the platform's word and name the first broken link; exit code 1 with one.

    Give an identity number on stdin, so that it stays out of the shell's history: gateway why - < file
    """
    asked = (sys.stdin.readline() if what == "-" else what).strip()
    with opened() as gateway:
        from gateway.operations.why import why as follow

        if not asked:
            raise InputError(tr("nothing to look for on stdin"))
        infos = [gateway.connector(name).info for name in gateway.configured()]
        answer = follow(gateway.store, asked, infos, traffic_rules(gateway), gateway.edge.now())
        found = {"person_key": answer.person_key, "certificates": sorted(answer.certificates)}
        gateway.note("why", f"person {answer.person_key or 'unknown'}", detail=found)
    broken = answer.broken
    if as_json:
        chains = {key: [vars(link) for link in links] for key, links in answer.certificates.items()}
        rows = [vars(link) for link in (*answer.rows, *answer.person)]
        first = [vars(link) for link in broken]
        emit({"person_key": answer.person_key, "rows": rows, "certificates": chains, "broken": first})
    else:
        _tell_chains(answer)
    if broken:
        raise typer.Exit(FAILURES)


def _tell_chains(answer: Explanation) -> None:
    links = [("", link) for link in (*answer.rows, *answer.person)]
    links += [(key, link) for key, chain in answer.certificates.items() for link in chain]
    for key in dict.fromkeys(key for key, _ in links):
        say(key or tr("reported"))
        for link in (link for owner, link in links if owner == key):
            place = " ".join(str(part) for part in (link.platform, link.delivery) if part)
            text = in_language(link.text_zh, link.text)
            step = say_in_language(WHY_STEPS.get(link.step, link.step))
            say(f"  {in_language(*_WORDS[link.ok])}  {step}{f' {place}' if place else ''}  {text}")
    for link in answer.broken:
        text = in_language(link.text_zh, link.text)
        act = in_language(link.act_zh or link.act or "", link.act or "")
        say(
            tr(
                "first broken link: {step} {platform} - {text}",
                step=WHY_STEPS.get(link.step, link.step),
                platform=link.platform or "",
                text=text,
            )
        )
        if act:
            say(tr("  do: {act}", act=act))
