"""``gateway status``, the start page: where deliveries stand, what needs a person, and what to do next."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.cli.codes import act_said, code_said, platform_named, title_of
from gateway.cli.language import is_chinese, settings_said
from gateway.cli.layout import cell_length, drawn, terminal_width
from gateway.cli.output import AsJson, emit, opened, say, tell
from gateway.cli.platforms import exposed_platforms
from gateway.domain.china import CHINA
from gateway.domain.promises import PromiseKind
from gateway.domain.states import State
from gateway.domain.words import KINDS, ROLES, STATES, STOPS
from gateway.locale import Text, shown, tr

if TYPE_CHECKING:
    from gateway.bootstrap import Gateway
    from gateway.domain.traffic import Breaker, Stop, Traffic

_WAITING = (State.QUEUED, State.SENDING, State.AWAITING_ACK, State.IN_DOUBT, State.HELD)
_FAILED = (State.PARKED, State.REJECTED)
_COLUMNS = (State.QUEUED, State.AWAITING_ACK, State.IN_DOUBT, State.HELD, *_FAILED, State.ACCEPTED)
_MOST_REASONS = 6


def status(as_json: AsJson = False) -> None:
    """Show where every platform stands, what needs a person, and the command to type next."""
    with opened() as gateway:
        document = overview(gateway)
        if not as_json:
            _tell(gateway, document)
    if as_json:
        emit(document)


def overview(gateway: Gateway) -> dict[str, Any]:
    """All of it as one document: platforms by id, tickets by owner, when each work was last done, what to do next."""
    from gateway.credit.store.views import count_unmatched
    from gateway.credit.tickets import open_by_owner
    from gateway.delivery.store import views
    from gateway.delivery.store.platforms import registered
    from gateway.operations.store.metrics import differences, last_done

    now = gateway.edge.now()
    with gateway.store.read() as connection:
        counted = {one.platform: one for one in views.counts(connection)}
        platforms = sorted({*gateway.platforms, *registered(connection), *counted})
        rows = {name: _platform(gateway, connection, name, counted.get(name), now) for name in platforms}
        document = {
            "at": now,
            "restored": gateway.older(),
            "platforms": rows,
            "reasons": views.reasons(connection, (*_WAITING, *_FAILED)),
            "not_owed": _not_owed(gateway, connection),
            "exposed": exposed_platforms(gateway),
            "tickets": open_by_owner(connection, gateway.calendar, now),
            "unmatched": count_unmatched(connection),
            "differences": _open_differences(differences(connection, platforms)),
            "last": _last(last_done(connection, platforms)),
        }
    return {**document, "next": [command for command, _ in _steps(document)]}


def _platform(gateway: Gateway, connection: Any, name: str, counted: Any, now: datetime) -> dict[str, Any]:
    from gateway.delivery.explain import stops
    from gateway.delivery.store import ledger as delivery_ledger
    from gateway.delivery.store import platforms as delivery_platforms
    from gateway.delivery.store import waiting_views
    from gateway.delivery.store.owing import is_behind
    from gateway.operations.overdue import known_clocks

    pause = delivery_platforms.pause_of(connection, name, now)
    late = known_clocks(connection, gateway.promise_watch([name])) if name in gateway.descriptions() else []
    stop, breaker = stops(connection, [name], traffic_rules(gateway), now)[name]
    return {
        "connector": _connector_state(gateway, name),
        "title": _info(gateway, name, "title_zh"),
        "short_title": _info(gateway, name, "short_zh"),
        "states": dict(counted.states) if counted else {},
        "deliveries": counted.total if counted else 0,
        "behind": counted.behind if counted else 0,
        "oldest_waiting": counted.oldest_waiting if counted else None,
        "next_due": counted.next_due if counted else None,
        "unqueued": name in gateway.descriptions() and is_behind(connection, gateway.described(name).info),
        "overdue": sum(one.late for one in late if one.promise is PromiseKind.RESULT),
        "pause": None if pause is None else vars(pause),
        "clock": delivery_platforms.capped_lately(connection, name, now),
        "queue": _shown(waiting_views.queue(connection, name, now)),
        "stop": _shown(stop),
        "abandoned": delivery_ledger.abandoned(connection, name, now),
        "breaker": _breaker(breaker, now),
    }


def _connector_state(gateway: Gateway, name: str) -> str:
    if name not in gateway.platforms:
        return "gone"
    return "broken" if name in gateway.broken else "installed"


def _info(gateway: Gateway, name: str, field: str) -> str | None:
    told = gateway.descriptions().get(name)
    return None if told is None else getattr(told.info, field)


def _not_owed(gateway: Gateway, connection: Any) -> list[dict[str, Any]]:
    """Kinds, or parts of them, that a platform does not take: why, and how many records that concerns."""
    from gateway.delivery.store import version_order

    rows = []
    for name, told in gateway.descriptions().items():
        info = told.info
        for kind, reason in info.declined.items():
            count = version_order.not_owed(connection, info, kind)
            rows.append({"platform": name, "kind": kind, "records": count, "why": reason})
    return rows


def traffic_rules(gateway: Gateway) -> dict[str, Traffic]:
    """The traffic rules of every configured platform."""
    return {name: told.endpoint.traffic for name, told in gateway.descriptions().items()}


def _shown(stop: Stop | None) -> dict[str, Any] | None:
    if stop is None:
        return None
    return {"code": stop.code, "reason": stop.reason, "until": stop.until, "text": stop.text}


def _breaker(breaker: Breaker, now: datetime) -> dict[str, Any]:
    state = {name: getattr(breaker, name) for name in ("failures", "trips", "since", "until", "code")}
    return {"phase": breaker.phase(now), **state}


def _open_differences(found: dict[tuple[str, str], float]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for (platform, _), count in found.items():
        if count:
            sums[platform] = sums.get(platform, 0) + int(count)
    return sums


def _last(done: dict[tuple[str, str], datetime | None]) -> dict[str, datetime | None]:
    works = ("intake", "push", "reconcile", "feedback", "seal", "backup")
    return {work: max((at for (name, _), at in done.items() if name == work and at), default=None) for work in works}


def _sum(document: dict[str, Any], *states: State) -> int:
    return sum(row["states"].get(state, 0) for row in document["platforms"].values() for state in states)


def _steps(document: dict[str, Any]) -> Iterator[tuple[str, Text]]:
    """The commands that help now, the most urgent first, each with its reason."""
    now, rows = document["at"], document["platforms"]
    if document["restored"]:
        yield "gateway recover", tr("the store was restored")
    for name, row in rows.items():
        pause = row["pause"]
        if pause and pause["until"] is None and pause["code"] not in ("operator", "restored"):
            yield f"gateway resume {name}", tr("when the cause is mended")
    failed = {str(state): _sum(document, state) for state in _FAILED}
    if any(failed.values()):
        yield "gateway failures", tr("{count} need a person", count=sum(failed.values()))
    if any(one["late"] or one["today"] for one in document["tickets"].values()):
        yield "gateway tickets list", tr("tickets are due")
    if document["differences"]:
        yield "gateway differences", tr("{count} differences are open", count=sum(document["differences"].values()))
    open_rows = [row for row in rows.values() if not row["pause"] and row["next_due"] and row["next_due"] <= now]
    for state, command in ((State.QUEUED, "push"), (State.AWAITING_ACK, "acks"), (State.IN_DOUBT, "resolve")):
        count = sum(row["states"].get(state, 0) for row in open_rows)
        if count:
            yield f"gateway {command}", tr("{count} {state}", count=count, state=STATES[state].word)
        elif state is State.QUEUED and any(row["abandoned"] for row in rows.values()):
            yield "gateway push", tr("a worker vanished")
        elif state is State.QUEUED and any(row["unqueued"] and not row["pause"] for row in rows.values()):
            yield "gateway push", tr("new records are not queued yet")


def _tell(gateway: Gateway, document: dict[str, Any]) -> None:
    now = document["at"]
    done = ((work, document["last"][name]) for name, work in _WORKS.items())
    parts = [tr("{work} {at}", work=work, at=Text(brief(at, now))) for work, at in done if at]
    head = tr("Deliveries  {at}", at=now)
    for told in _of_store(document):
        tell(told)
    say(tr("{head}    {parts}", head=head, parts=tr("last: {works}", works=parts)) if parts else head)
    say()
    for line in _table(gateway, document):
        say(line)
    lines: list[Text] = []
    for name in document["platforms"]:
        lines += _of_platform(gateway, document, name)
    lines += [*_of_reasons(gateway, document), *_of_people(document)]
    if lines:
        say()
    for told in lines:
        tell(told)
    steps = list(_steps(document))
    waits = min((row["next_due"] for row in document["platforms"].values() if row["next_due"]), default=None)
    if steps:
        say(tr("Next: {command}    {why}", command=Text(steps[0][0]), why=steps[0][1]))
    elif waits is not None:
        say(tr("Next: nothing to do now; the next is due at {at}", at=Text(brief(waits, now))))
    else:
        say(tr("Next: nothing to do; gateway intake takes in reported files"))


_WORKS = {
    "intake": tr("intake"),
    "reconcile": tr("reconciliation"),
    "feedback": tr("credit feedback"),
    "seal": tr("seal"),
}


def brief(moment: datetime, now: datetime) -> str:
    """A moment in +08:00 as short as it can be told: the hour today, else with the day."""
    there, today = moment.astimezone(CHINA), now.astimezone(CHINA)
    return f"{there:%H:%M}" if there.date() == today.date() else f"{there:%m-%d %H:%M}"


def age(moment: datetime, now: datetime) -> Text:
    """How long ago, in the largest whole unit."""
    minutes = int((now - moment).total_seconds()) // 60
    if minutes < 60:
        return tr("{count} min", count=max(minutes, 0))
    hours = minutes // 60
    return tr("{count} h", count=hours) if hours < 48 else tr("{count} days", count=hours // 24)


def _table(gateway: Gateway, document: dict[str, Any]) -> list[str]:
    now = document["at"]
    heads = [tr("platform"), *(STATES[state].word for state in _COLUMNS), tr("oldest"), tr("next"), tr("overdue")]
    titles = [shown(head, chinese=is_chinese()) for head in heads]

    def row(name: str, *, whole: bool) -> list[str]:
        one = document["platforms"][name]
        title = title_of(gateway, name)
        counts = [f"{one['states'][state]:,}" if one["states"].get(state) else "" for state in _COLUMNS]
        oldest = shown(age(one["oldest_waiting"], now), chinese=is_chinese()) if one["oldest_waiting"] else ""
        due = brief(one["next_due"], now) if one["next_due"] and not one["pause"] else ""
        first = f"{title} {name}" if whole and title != name else title
        return [first, *counts, oldest, due, str(one["overdue"] or "")]

    width = terminal_width(is_terminal=sys.stdout.isatty())
    whole = drawn(titles, [row(name, whole=True) for name in document["platforms"]], 10_000)
    if max(map(cell_length, whole), default=0) <= width:
        return whole
    return drawn(titles, [row(name, whole=False) for name in document["platforms"]], width)


def _of_store(document: dict[str, Any]) -> Iterator[Text]:
    if document["restored"]:
        yield tr("! restored: the store is older than what was sent from it: {why}", why=Text(document["restored"]))
        yield _do(Text("gateway recover"))


def _do(text: Text) -> Text:
    return tr("    to do: {act}", act=text)


def _of_platform(gateway: Gateway, document: dict[str, Any], name: str) -> Iterator[Text]:
    row, title = document["platforms"][name], platform_named(gateway, name)
    if row["connector"] != "installed":
        state = tr("is gone") if row["connector"] == "gone" else tr("is broken")
        yield tr("! {platform}: its connector {state}; nothing is sent there", platform=title, state=state)
        yield _do(Text("gateway check"))
        if name in gateway.broken:
            yield Text(f"    {settings_said(gateway.broken[name])}")
    for told in row["clock"]:
        yield tr("! {platform}: {text}", platform=title, text=Text(told))
    if row["pause"]:
        yield from _of_pause(gateway, name, row, title)
    elif row["stop"]:
        yield _of_stop(row["stop"], title)
    elif row["queue"]:
        yield _of_stop(row["queue"], title)
    if row["abandoned"]:
        about = {"platform": title, "count": row["abandoned"]}
        yield tr("! {platform}: {count} were left by a worker that vanished; the next push takes them over", **about)
        yield _do(Text("gateway push"))
    if name in document["exposed"]:
        yield tr("! {platform}: {text}", platform=title, text=document["exposed"][name])
    for one in document["not_owed"]:
        if one["platform"] == name and one["records"]:
            words = {"count": one["records"], "kind": KINDS[one["kind"]], "why": one["why"]}
            yield tr("  {platform} is not owed {count} records ({kind}): {why}", platform=title, **words)


def _of_pause(gateway: Gateway, name: str, row: dict[str, Any], title: Text) -> Iterator[Text]:
    pause = row["pause"]
    why = code_said(gateway, name, pause["code"], pause["reason"])
    if pause["code"] in STOPS and pause["reason"]:
        known = STOPS[pause["code"]]
        reason = known.meaning if pause["code"] == "broken_replies" else Text(pause["reason"])
        why = tr("{word}: {reason}", word=known.word, reason=reason)
    about = {"platform": title, "at": pause["since"], "why": why, "by": Text(pause["by"])}
    if pause["until"]:
        yield tr("! {platform} is held since {at} until {until}: {why} (by {by})", until=pause["until"], **about)
        return
    yield tr("! {platform} is held since {at}: {why} (by {by})", **about)
    if pause["code"] == "restored":
        yield _do(Text(f"gateway recover {name}"))
        return
    act = None if pause["code"] == "operator" else act_said(gateway, name, pause["code"])
    if act is not None:
        yield _do(act)
    if act is None or "gateway resume" not in act:
        yield _do(tr("mend the cause, then gateway resume {platform}", platform=name))


def _of_stop(stop: dict[str, Any], title: Text) -> Text:
    known = STOPS.get(stop["code"])
    why = known.word if known else Text(stop["text"])
    if stop["until"]:
        return tr("  {platform} takes nothing until {until}: {why}", platform=title, until=stop["until"], why=why)
    return tr("  {platform} takes nothing now: {why}", platform=title, why=why)


def _of_reasons(gateway: Gateway, document: dict[str, Any]) -> Iterator[Text]:
    """Why deliveries stand where they stand, by what the platform said last; the largest groups."""
    told = [one for one in document["reasons"] if one["code"] and one["state"] != State.AWAITING_ACK]
    for one in sorted(told, key=lambda one: -one["count"])[:_MOST_REASONS]:
        yield tr(
            "  {platform}  {state} {count}: {code}",
            platform=Text(title_of(gateway, one["platform"])),
            state=STATES[State(one["state"])].word,
            count=one["count"],
            code=code_said(gateway, one["platform"], one["code"]),
        )
        act = act_said(gateway, one["platform"], one["code"])
        if act is not None and one["state"] in (State.QUEUED, State.IN_DOUBT):
            yield _do(act)


def _of_people(document: dict[str, Any]) -> Iterator[Text]:
    parked, rejected = (_sum(document, state) for state in _FAILED)
    if parked or rejected:
        parts = [(State.PARKED, parked), (State.REJECTED, rejected)]
        kinds = [tr("{state} {count}", state=STATES[state].word, count=count) for state, count in parts if count]
        count = parked + rejected
        yield tr("! {count} need a person ({kinds})    gateway failures", count=count, kinds=kinds)
    if overdue := sum(row["overdue"] for row in document["platforms"].values()):
        yield tr("! {count} results are overdue    gateway acks", count=overdue)
    for owner, one in document["tickets"].items():
        about = {"owner": ROLES.get(owner, owner), "count": one["open"], "late": one["late"], "today": one["today"]}
        due = f"{one['due_on']:%m-%d}" if one["due_on"] else "–"
        if one["late"] or one["today"]:
            yield tr("! {owner}: {count} tickets, {late} late, {today} due today    gateway tickets list", **about)
        else:
            yield tr("  {owner}: {count} tickets, the next due on {due}    gateway tickets list", **about, due=due)
    if count := document["unmatched"]:
        yield tr("  {count} credit events are about nobody we hold    gateway credit unmatched", count=count)
    for name, count in document["differences"].items():
        yield tr("! {platform}: {count} differences open    gateway differences {platform}", platform=name, count=count)
