"""``gateway status``, ``failures`` and ``show``: where deliveries stand, what failed and one of them in full."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.approvals import ask_second_person
from gateway.cli.output import (
    FAILURES,
    LARGEST,
    MISUSE,
    AsJson,
    actor,
    asked_for,
    columns,
    complain,
    emit,
    in_china,
    in_language,
    known_batch,
    known_platform,
    opened,
    say,
    table,
)
from gateway.cli.platforms import exposed_platforms
from gateway.domain.approvals import GuardedAct
from gateway.domain.errors import InputError
from gateway.domain.states import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.bootstrap import Gateway
    from gateway.delivery.store.views import DeliveryFilter
    from gateway.domain.traffic import Breaker, Stop, Traffic
    from gateway.operations.why import Explanation
    from gateway.store.engine import Connection

_WAITING = (State.QUEUED, State.SENDING, State.AWAITING_ACK, State.IN_DOUBT, State.HELD)
_FAILED = (State.PARKED, State.REJECTED)


def status(as_json: AsJson = False) -> None:
    """Show counts per platform and state, the oldest that waits, pauses and why."""
    with opened() as gateway:
        document = _status(gateway)
    if as_json:
        emit(document)
        return
    if document["restored"]:
        say(f"restored: {document['restored']}")
    rows = [{**row, **row["states"]} for row in document["platforms"]]
    table("deliveries", columns("platform", *State, "behind", "oldest_waiting"), rows)
    for row in document["platforms"]:
        if row["connector"] in ("gone", "broken"):
            say(f"{row['platform']}: its connector is {row['connector']}; nothing is sent there (`gateway check`)")
        for told in row["clock"]:
            say(f"{row['platform']}: {told}")
        if row["pause"]:
            pause = row["pause"]
            why = f"{pause['code']} {pause['reason']} (by {pause['by']})"
            say(f"{row['platform']} is held since {pause['since']}: {why}")
        if row["stop"]:
            say(f"{row['platform']} takes nothing now: {row['stop']['text']}")
        elif row["queue"]:
            say(f"{row['platform']} takes one after another: {row['queue']['text']}")
    for row in document["not_owed"]:
        say(f"{row['platform']} is not owed {row['kind']} ({row['records']} records): {row['why']}")
    for name, how in document["exposed"].items():
        say(f"{name}: {how}")
    if document["reasons"]:
        table("why", columns("platform", "state", "code", "count"), document["reasons"])


def _status(gateway: Gateway) -> dict[str, Any]:
    from gateway.delivery.explain import stops
    from gateway.delivery.store import platforms as delivery_platforms
    from gateway.delivery.store import views
    from gateway.delivery.store.platforms import capped_lately
    from gateway.delivery.store.waiting_views import queue

    now, rules = gateway.edge.now(), _rules(gateway)
    with gateway.store.read() as connection:
        counted = views.counts(connection)
        platforms = sorted(
            {*gateway.platforms, *delivery_platforms.registered(connection), *(one.platform for one in counted)}
        )
        pauses = {name: delivery_platforms.pause_of(connection, name, now) for name in platforms}
        held = stops(connection, platforms, rules, now)
        queues = {name: queue(connection, name, now) for name in platforms}
        capped = {name: capped_lately(connection, name, now) for name in platforms}
        why = views.reasons(connection, (*_WAITING, *_FAILED))
    by_name = {one.platform: one for one in counted}
    rows = []
    for name in platforms:
        one = by_name.get(name)
        pause = pauses.get(name)
        rows.append(
            {
                "platform": name,
                "connector": _connector_state(gateway, name),
                "states": dict(one.states) if one else {},
                "deliveries": one.total if one else 0,
                "behind": one.behind if one else 0,
                "oldest_waiting": one.oldest_waiting if one else None,
                "next_due": one.next_due if one else None,
                "pause": None if pause is None else vars(pause),
                "clock": capped[name],
                "queue": _shown(queues.get(name)),
                **_traffic(*held[name], now),
            }
        )
    declined = _not_owed(gateway)
    return {
        "at": now,
        "restored": gateway.older(),
        "platforms": rows,
        "reasons": why,
        "not_owed": declined,
        "exposed": exposed_platforms(gateway),
    }


def _connector_state(gateway: Gateway, name: str) -> str:
    if name not in gateway.platforms:
        return "gone"
    return "broken" if name in gateway.broken else "installed"


def _not_owed(gateway: Gateway) -> list[dict[str, Any]]:
    """Kinds, or parts of them, that a platform does not take: why, and how many records that concerns."""
    from gateway.delivery.store import version_order

    rows = []
    with gateway.store.read() as connection:
        for name, description in gateway.descriptions().items():
            info = description.info
            for kind, reason in info.declined.items():
                count = version_order.not_owed(connection, info, kind)
                rows.append({"platform": name, "kind": kind, "records": count, "why": reason})
    return rows


def _rules(gateway: Gateway) -> dict[str, Traffic]:
    return {name: one.endpoint.traffic for name, one in gateway.descriptions().items()}


def _shown(stop: Stop | None) -> dict[str, Any] | None:
    if stop is None:
        return None
    return {"code": stop.code, "reason": stop.reason, "until": stop.until, "text": stop.text}


def _traffic(stop: Stop | None, breaker: Breaker, now: datetime) -> dict[str, Any]:
    state = {name: getattr(breaker, name) for name in ("failures", "trips", "since", "until", "code")}
    return {"stop": _shown(stop), "breaker": {"phase": breaker.phase(now), **state}}


def _why(gateway: Gateway, connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """``why``, its code and ``until`` for deliveries that wait; all empty for those that have ended."""
    from gateway.delivery.explain import reasons

    chinese = gateway.settings.chinese
    found = reasons(connection, ids, _rules(gateway), gateway.edge.now())
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
    groups = [{**vars(one.group), "act": in_language(one.act_zh, one.act)} for one in found.groups]
    if as_json:
        emit({"total": found.total, "shown": len(rows), "groups": groups, "failures": rows})
    elif rows:
        for one in groups:
            say(f"{one['platform']}  {one['state']} {one['code'] or ''}  {one['reason'] or ''}  × {one['count']}")
            say(f"  {one['act']}")
        for row in rows:
            row["place"] = None if row["batch"] is None else f"{row['batch']} {row['row']}"
            row["cells"] = "、".join(row["cells"])
        names = ("id", "platform", "whom", "place", "cells", "state", "code", "reason", "updated_at")
        table(in_language(f"共 {found.total} 条", f"{len(rows)} of {found.total}"), columns(*names), rows)
    else:
        say(in_language("没有失败", "nothing failed") + others)
    if found.total:
        raise typer.Exit(FAILURES)


def _other_codes(gateway: Gateway, wanted: DeliveryFilter) -> str:
    """Where a code was asked for and nothing has it: which codes there are."""
    from gateway.delivery.store.views import grouped

    if wanted.code is None:
        return ""
    with gateway.store.read() as connection:
        codes = sorted({one.code or "" for one in grouped(connection, replace(wanted, code=None))} - {""})
    return in_language("；其他代码：", "; other codes: ") + ", ".join(codes) if codes else ""


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
        complain(f"there is no delivery {delivery}")
        raise typer.Exit(MISUSE)
    if as_json:
        emit(document)
        return
    for name, value in document["delivery"].items():
        say(f"{name:>16}  {value}")
    if document["changed"]:
        say(f"{'changed':>16}  {', '.join(document['changed'])}")
    say("\npayload")
    say(document["payload"] or "(none yet)")
    for one in document["earlier_payloads"]:
        say(f"\nearlier payload, made {one['made_at']}, replaced {one['replaced_at']}")
        say(one["payload"])
    for one in document["exchanges"]:
        say(f"\nexchange {one['id']} {one['purpose']} {one['operation']} at {one['opened_at']}")
        say(f"  verdict  {one['event']} {one['code']} {one['reason']} {'' if one['applied'] else '(changed nothing)'}")
        say(f"  sent     {one['request']}")
        say(f"  got      {one['status'] or one['failure']} {one['response']}")
        if one["response_headers"]:
            say(f"  headers  {', '.join(one['response_headers'].splitlines())}")


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
        say(f"{len(released)} queued again")
    for number in left:
        complain(f"delivery {number} is not parked")
    if left:
        raise typer.Exit(FAILURES)


_WORDS = {True: ("正常", "ok"), False: ("断开", "BROKEN"), None: ("待办", "waits")}


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
            raise InputError("nothing to look for on stdin")
        infos = [one.info for one in gateway.descriptions().values()]
        answer = follow(
            gateway.store, asked, infos, _rules(gateway), gateway.edge.now(), numbers=gateway.message_numbers()
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
    links += [(in_language("信用", "credit"), link) for link in answer.credit]
    for key in dict.fromkeys(key for key, _ in links):
        say(key or in_language("上报", "reported"))
        for link in (link for owner, link in links if owner == key):
            place = " ".join(str(part) for part in (link.platform, link.delivery) if part)
            text = in_language(link.text_zh, link.text)
            say(f"  {in_language(*_WORDS[link.ok])}  {link.step}{f' {place}' if place else ''}  {text}")
    for link in answer.broken:
        text = in_language(link.text_zh, link.text)
        act = in_language(link.act_zh or link.act or "", link.act or "")
        say(in_language("断点：", "first broken link: ") + f"{link.step} {link.platform or ''} - {text}")
        if act:
            say(in_language("  下一步：", "  do: ") + act)
