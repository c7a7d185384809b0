"""One self-contained HTML page about the whole store, and the same numbers as a document. Counts, codes and keys only.

Everything is read in one snapshot, so the numbers of a page agree with each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from gateway.codec.codes import table
from gateway.codec.redact import clean
from gateway.contract.connector import ConnectorInfo
from gateway.credit.rules.tickets import DUTIES
from gateway.delivery.rules.differences import Difference
from gateway.delivery.store.views import counts, reasons
from gateway.domain.china import CHINA
from gateway.domain.errors import InputError
from gateway.domain.promises import PromiseKind
from gateway.domain.states import State
from gateway.domain.ticket_kinds import TicketKind
from gateway.domain.words import BY_CLASS, BY_STATE, PURPOSES, word_of
from gateway.intake.store.views import BatchPart, parts
from gateway.locale import shown, tr
from gateway.operations.overdue import PromiseClock, PromiseWatch, known_clocks
from gateway.operations.store import report as counting
from gateway.private_files import open_private
from gateway.store.engine import Connection, Store

FAILED = (State.REJECTED, State.PARKED, State.HELD)
AGES = {
    "≤ 10 min": timedelta(minutes=10),
    "≤ 1 h": timedelta(hours=1),
    "≤ 1 d": timedelta(days=1),
    "≤ 7 d": timedelta(days=7),
}
_OLDER = "> 7 d"
_AGES_ZH = ["10 分钟内", "1 小时内", "1 天内", "7 天内", "7 天以上"]
EXCHANGES_SINCE = timedelta(days=30)
"""how far back requests are counted"""
_DAYS = 14
_ROWS = ("rows", "admitted", "refused", "held", "unchanged")
_SETTLED = frozenset({Difference.MATCH, Difference.LAG, Difference.NEVER_SENT, Difference.NOT_OWED})
"""classes of a reconciliation that ask nobody to act"""

_CODES = ("credit_ack_code", "credit_record_status")


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """How a report speaks.

    restored: why the store is an older one than was in use, where it is
    infos:    the configured connectors, for titles and the platforms' own codes
    promises: what is promised in the traffic with the platforms
    """

    chinese: bool
    restored: str | None = None
    infos: Sequence[ConnectorInfo] = ()
    promises: PromiseWatch | None = None


def write_report(store: Store, out: Path, settings: ReportSettings, *, now: datetime) -> dict[str, Any]:
    """Write the page to ``out`` and return its numbers; InputError where the file cannot be written."""
    chinese, infos = settings.chinese, {one.platform: one for one in settings.infos}
    with store.read() as connection:
        watched = [] if settings.promises is None else known_clocks(connection, settings.promises)
        summary = {
            "restored": settings.restored,
            **summarise(connection, now, watched),
            "promises": [vars(one) for one in watched],
        }
    page = _template().render(
        summary,
        t=lambda en, zh: zh if chinese else en,
        word=_word(chinese=chinese),
        chinese=chinese,
        short=_title(infos, chinese=chinese, short=True),
        title=_title(infos, chinese=chinese, short=False),
        meaning=_meaning(infos, chinese=chinese),
        all_states=list(State),
        states=[one for one in State if any(one.value in part["states"] for part in summary["platforms"])],
        ages=_AGES_ZH if chinese else [*AGES, _OLDER],
    )
    try:
        with open_private(out) as file:
            file.write(page.encode())
    except OSError as error:
        raise InputError(
            tr("{out}: the report cannot be written: {strerror}", out=out, strerror=error.strerror)
        ) from error
    return summary


def summarise(connection: Connection, now: datetime, watched: Sequence[PromiseClock] = ()) -> dict[str, Any]:
    """All numbers of the page, as plain values by name; ``watched``: the promises of the platforms."""
    late = {one.platform: one.late for one in watched if one.promise is PromiseKind.RESULT}
    batches = [{**row, "name": clean(row["name"])} for row in counting.batches(connection)]
    deliveries = {one.platform: one for one in counts(connection)}
    failures = _by_platform(reasons(connection, FAILED))
    waiting = _by_platform(counting.ages(connection, now, list(AGES.values())))
    exchanges = _by_platform(counting.exchanges(connection, now - EXCHANGES_SINCE))
    today = now.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=n) for n in reversed(range(_DAYS))]
    ended = _by_platform(counting.daily(connection, days))
    runs = {row["platform"]: row for row in counting.last_reconciliations(connection)}
    feedback = _feedback(connection, now)
    platforms = []
    for row in counting.platforms(connection, now):
        name = row["name"]
        counted = deliveries.get(name)
        platforms.append(
            {
                "platform": name,
                "states": {s.value: counted.states[s] for s in State if s in counted.states} if counted else {},
                "deliveries": counted.total if counted else 0,
                "behind": counted.behind if counted else 0,
                "overdue": late.get(name, 0),
                "oldest_waiting": counted.oldest_waiting if counted else None,
                "failures": [_failure(one) for one in failures[name]],
                "waiting": _waiting(waiting[name]),
                "trend": _trend(ended[name], days),
                "exchanges": _exchanges(exchanges[name]),
                "reconciliation": _run(runs[name]) if name in runs else None,
                "feedback": feedback.get(name),
                "pause": _pause(row) if row["paused"] else None,
            }
        )
    return {
        "generated_at": now,
        "totals": {"batches": len(batches), **{name: sum(batch[name] for batch in batches) for name in _ROWS}},
        "batches": batches,
        "cities": [_city(part) for part in parts(connection)],
        "rules": counting.broken_rules(connection),
        "platforms": platforms,
    }


def _by_platform(rows: Iterable[Mapping[str, Any]]) -> defaultdict[str, list[Mapping[str, Any]]]:
    found: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["platform"]].append(row)
    return found


def _failure(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"state": row["state"], "code": clean(row["code"] or ""), "count": row["count"]}


def _waiting(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[int]]:
    """State -> counts by age, in the order of ``AGES``, and what is older at the end."""
    found: dict[str, list[int]] = {}
    for row in rows:
        found.setdefault(row["state"], [0] * (len(AGES) + 1))[row["bucket"]] = row["count"]
    return {state.value: found[state] for state in State if state in found}


def _trend(rows: Iterable[Mapping[str, Any]], days: list[datetime]) -> list[dict[str, Any]]:
    """What was accepted and rejected on each day, oldest first; empty where nothing was."""
    found: dict[int, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["day"], {})[row["event"]] = row["count"]
    none = {"accepted": 0, "rejected": 0}
    return [{"day": day.date(), **none, **found.get(n, {})} for n, day in enumerate(days)] if found else []


def _city(part: BatchPart) -> dict[str, Any]:
    names = {row["code"]: row["name_zh"] for row in table("division_shandong_history").rows}
    return {
        "batch": clean(part.name),
        "city": part.city,
        "city_zh": names.get(part.city or "", part.city),
        "report_no": part.report_no,
        "rows": part.rows.total(),
        "refused_there": part.refused_there,
        "open": part.open,
        "platforms": part.platforms,
        "oldest_waiting": part.oldest_waiting,
    }


def _exchanges(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    shown = []
    for row in rows:
        ended = row["failure"] or ("open" if row["status"] is None else f"HTTP {row['status']}")
        shown.append({"purpose": row["purpose"], "result": ended, "count": row["count"]})
    return sorted(shown, key=lambda one: (one["purpose"], -one["count"]))


def _run(row: Mapping[str, Any]) -> dict[str, Any]:
    classes = {name.value: row["counts"][name] for name in Difference if row["counts"].get(name)}
    return {
        "run": row["id"],
        "ours_at": row["ours_at"],
        "theirs_at": row["theirs_at"],
        "classes": classes,
        "total": sum(classes.values()),
        "to_be_seen": sum(count for name, count in classes.items() if name not in _SETTLED),
    }


def _pause(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "code": clean(row["code"] or ""),
        "reason": clean(row["reason"] or ""),
        "since": row["since"],
        "until": row["until"],
    }


def _feedback(connection: Connection, now: datetime) -> dict[str, dict[str, Any]]:
    """Platform -> credit events, acknowledgements, records and tickets; a platform that gave none is missing."""
    found: dict[str, dict[str, Any]] = {}

    def of(row: Mapping[str, Any]) -> dict[str, Any]:
        return found.setdefault(row["platform"], {"events": {}, "acks": {}, "records": {}, "tickets": {}})

    for row in counting.findings(connection):
        of(row)["events"][row["outcome"]] = row["count"]
    for row in counting.finding_acks(connection):
        sent = of(row)["acks"].setdefault(row["code"], {"sent": 0, "unsent": 0})
        sent["sent" if row["sent"] else "unsent"] = row["count"]
    for row in counting.credit_statuses(connection, now):
        of(row)["records"][row["status"]] = row["count"]
    for row in counting.open_tickets(connection):
        of(row)["tickets"][row["kind"]] = row["count"]
    return found


def _word(*, chinese: bool) -> Callable[[str], str]:
    """The word for a state, class, purpose or code in the reader's language."""

    def word(code: str) -> str:
        known = next((one[code] for one in (BY_STATE, BY_CLASS, PURPOSES) if code in one), None)
        if known is not None:
            return shown(known, chinese=chinese)
        if code in set(TicketKind):
            return shown(DUTIES[TicketKind(code)].title, chinese=chinese)
        if not chinese:
            return code.replace("_", " ")
        return next((zh for name in _CODES if (zh := table(name).get(code))), None) or code

    return word


def _title(infos: Mapping[str, ConnectorInfo], *, chinese: bool, short: bool) -> Callable[[str], str]:
    """A platform by its title, where it is configured and the reader reads Chinese; else by its id."""

    def title(platform: str) -> str:
        info = infos.get(platform)
        if info is None or not chinese:
            return platform
        return (short and info.short_zh) or info.title_zh

    return title


def _meaning(infos: Mapping[str, ConnectorInfo], *, chinese: bool) -> Callable[[str, str], str]:
    """What a code of a platform's answer says: in our words where it is ours, else in the platform's."""

    def meaning(platform: str, code: str) -> str:
        ours = word_of(code)
        if ours is not None:
            return shown(ours, chinese=chinese)
        info = infos.get(platform)
        zh, en = (info.code_words.get(code) if info else None) or ("", "")
        return zh if chinese else en

    return meaning


def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["share"] = lambda value, whole: f"{100 * value / whole if whole else 0:.2f}%"
    environment.filters["moment"] = lambda value: value.astimezone(CHINA).strftime("%Y-%m-%d %H:%M") if value else "–"
    environment.filters["day"] = lambda value: value.strftime("%m-%d")
    source = files("gateway.operations").joinpath("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source)
