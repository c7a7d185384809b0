"""``gateway failures``, ``show``, ``why`` and ``release``: what failed, one delivery in full, and letting it go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.approvals import ask_second_person
from gateway.cli.codes import act_said, code_said, platform_named
from gateway.cli.language import is_chinese, say_in_language
from gateway.cli.output import (
    FAILURES,
    LARGEST,
    MISUSE,
    AsJson,
    actor,
    asked_for,
    columns,
    complain,
    details,
    emit,
    in_china,
    known_batch,
    known_platform,
    opened,
    say,
    table,
    tell,
)
from gateway.cli.status import traffic_rules
from gateway.domain.approvals import GuardedAct
from gateway.domain.errors import InputError
from gateway.domain.states import State
from gateway.domain.words import STATES, WHY_STEPS
from gateway.locale import Text, tr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.bootstrap import Gateway
    from gateway.delivery.store.views import DeliveryFilter
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
    until: Annotated[
        datetime | None, typer.Option(help="Only what changed before then; without a zone in +08:00.")
    ] = None,
    batch: Annotated[str | None, typer.Option(help="Only rows of the batch file with this name.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=LARGEST, help="List at most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what failed, by reason and one by one: rejected for the data's sake, or parked for a person.

    Each names the city's row and the cells to be corrected; what a corrected row took up is listed no more. Exit code 1
    where there is any.
    """
    from gateway.delivery.store.views import DeliveryFilter
    from gateway.operations.failures import failed

    with opened() as gateway:
        known_platform(gateway, platform)
        known_batch(gateway, batch)
        wanted = DeliveryFilter(
            platform=platform,
            states=_FAILED,
            code=code,
            since=in_china(since),
            until=in_china(until),
            batch=batch,
            corrected=False,
        )
        found = failed(gateway.store, gateway.connectors(), wanted, limit)
        with gateway.store.read() as connection:
            why = _why(gateway, connection, [row["id"] for row in found.rows])
        others = "" if found.total else _other_codes(gateway, wanted)
    rows = [{**row, **why[row["id"]]} for row in found.rows]
    groups = [{**vars(one.group), "act": one.act} for one in found.groups]
    if as_json:
        emit({"total": found.total, "shown": len(rows), "groups": groups, "failures": rows})
    elif rows:
        for one in groups:
            tell(_group_said(gateway, one))
            helps = act_said(gateway, one["platform"], one["code"])
            if helps is not None:
                tell(tr("    to do: {act}", act=helps))
            say("    " + say_in_language(one["act"]))
        for row in rows:
            row["place"] = None if row["batch"] is None else f"{row['batch']} {row['row']}"
            row["cells"] = "、".join(row["cells"])
        names = ("id", "platform", "whom", "place", "cells", "state", "code", "reason", "updated_at")
        table(tr("{count} of {total}", count=len(rows), total=found.total), columns(*names), rows)
    else:
        say(say_in_language(tr("nothing failed")) + others)
    if found.total:
        raise typer.Exit(FAILURES)


def _group_said(gateway: Gateway, group: Mapping[str, Any]) -> Text:
    """A group of failures by platform, state, how many, and the answer they have in common."""
    return tr(
        "{platform}  {state} {count}: {code}",
        platform=platform_named(gateway, group["platform"]),
        state=STATES[State(group["state"])].word,
        count=group["count"],
        code=code_said(gateway, group["platform"], group["code"] or "", group["reason"]),
    )


def _other_codes(gateway: Gateway, wanted: DeliveryFilter) -> str:
    """Where a code was asked for and nothing has it: which codes there are."""
    from gateway.delivery.store.views import grouped

    if wanted.code is None:
        return ""
    with gateway.store.read() as connection:
        codes = sorted({one.code or "" for one in grouped(connection, replace(wanted, code=None))} - {""})
    return tr("; other codes: {codes}", codes=codes) if codes else ""


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
            document["delivery"] |= _row_behind(gateway, delivery)
    if document is None:
        complain(tr("there is no delivery {delivery}", delivery=delivery))
        raise typer.Exit(MISUSE)
    if as_json:
        emit(document)
        return
    details({**document["delivery"], "changed": document["changed"]})
    say(tr("\npayload"))
    say(document["payload"] or tr("(none yet)"))
    for one in document["earlier_payloads"]:
        say("")
        say(
            tr(
                "earlier payload, made {made_at}, replaced {replaced_at}",
                made_at=one["made_at"],
                replaced_at=one["replaced_at"],
            )
        )
        say(one["payload"])
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


def _row_behind(gateway: Gateway, delivery: int) -> dict[str, Any]:
    """The city's row behind a delivery and, where it was refused, the cells to be corrected."""
    from gateway.delivery.store.views import DeliveryFilter
    from gateway.operations.failures import failed

    found = failed(gateway.store, gateway.connectors(), DeliveryFilter(ids=(delivery,)), 1)
    return {name: found.rows[0][name] for name in ("batch", "row", "report_no", "cells")}


def release(
    deliveries: Annotated[
        list[int], typer.Argument(min=1, max=LARGEST, help="Numbers of parked deliveries, as `gateway failures` lists.")
    ],
    reason: Annotated[str, typer.Option(help="Why it may go on; kept in the audit trail.")],
    as_json: AsJson = False,
) -> None:
    """Queue parked deliveries again, with the payload they had. Exit code 1 where one is not parked."""
    with opened() as gateway:
        from gateway.delivery.store.ledger import parked
        from gateway.delivery.store.ledger import release as let_go

        now, by = gateway.edge.now(), actor()
        with gateway.store.read() as connection:
            going = parked(connection, deliveries)
        if going:
            listed = ", ".join(str(number) for number, _ in going)
            ask_second_person(
                gateway,
                GuardedAct.RELEASE,
                f"deliveries {listed}",
                {"deliveries": going},
                reason=reason,
                size=len(going),
                about=lambda: {"deliveries": [number for number, _ in going]},
            )
        with gateway.store.write() as connection:
            released = let_go(connection, [number for number, _ in going], reason=reason, by=by, now=now)
    left = sorted(set(deliveries) - set(released))
    if as_json:
        emit({"released": released, "not_parked": left})
    else:
        say(tr("{count} queued again", count=len(released)))
    for number in left:
        complain(tr("delivery {number} is not parked", number=number))
    if left:
        raise typer.Exit(FAILURES)


_WORDS = {True: tr("ok"), False: tr("BROKEN"), None: tr("waits")}


def why(
    what: Annotated[
        str,
        typer.Argument(
            help="A certificate number, an identity number ('-' asks for it), the key of a record, the number "
            "of a delivery or a message, a receipt, a platform's number, a batch file, a report, a ticket, a draw, or "
            "a credit event or record."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Follow a certificate from its row to the platform's word and name the first broken link; exit code 1 with one.

    Give an identity number with -, so that it stays out of the shell's history: it is asked for, or read from stdin.
    """
    asked = asked_for(what)
    with opened() as gateway:
        from gateway.operations.why import why as follow

        if not asked:
            raise InputError(tr("nothing to look for on stdin"))
        infos = [one.info for one in gateway.descriptions().values()]
        answer = follow(
            gateway.store, asked, infos, traffic_rules(gateway), gateway.edge.now(), connectors=gateway.connectors()
        )
        found = {"person_key": answer.person_key, "certificates": sorted(answer.certificates)}
        gateway.note("why", f"person {answer.person_key or 'unknown'}", detail=found)
    broken = answer.broken
    if as_json:
        chains = {key: [vars(link) for link in links] for key, links in answer.certificates.items()}
        rows = [vars(link) for link in (*answer.rows, *answer.person)]
        credit = [vars(link) for link in answer.credit]
        first = [vars(link) for link in broken]
        emit({"person_key": answer.person_key, "rows": rows, "certificates": chains, "credit": credit, "broken": first})
    else:
        _tell_chains(answer)
    if broken:
        raise typer.Exit(FAILURES)


def _tell_chains(answer: Explanation) -> None:
    links = [("", link) for link in (*answer.rows, *answer.person)]
    links += [(key, link) for key, chain in answer.certificates.items() for link in chain]
    links += [(tr("credit"), link) for link in answer.credit]
    for key in dict.fromkeys(key for key, _ in links):
        say(key or tr("reported"))
        for link in (link for owner, link in links if owner == key):
            place = " ".join(str(part) for part in (link.platform, link.delivery) if part)
            text = link.text_zh if is_chinese() else link.text
            step = say_in_language(WHY_STEPS.get(link.step, Text(link.step)))
            tell(f"  {say_in_language(_WORDS[link.ok])}  {step}{f' {place}' if place else ''}  {text}")
    for link in answer.broken:
        text, act = link.text, link.act
        if is_chinese():
            text, act = link.text_zh, link.act_zh or link.act
        step = WHY_STEPS.get(link.step, Text(link.step))
        tell(tr("first broken link: {step} {platform} - {text}", step=step, platform=link.platform or "", text=text))
        if act:
            tell(tr("  do: {act}", act=Text(act)))
