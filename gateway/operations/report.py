"""One self-contained HTML page about the whole store, and the same numbers as a document. Counts, codes and keys only.

Everything is read in one snapshot, so the numbers of a page agree with each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from gateway.codec.codes import table
from gateway.codec.redact import clean
from gateway.delivery.rules.differences import Difference
from gateway.delivery.store.views import counts, reasons
from gateway.domain.china import CHINA
from gateway.domain.errors import InputError
from gateway.domain.states import State
from gateway.domain.ticket_kinds import TicketKind
from gateway.intake.store.views import BatchPart, parts
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
EXCHANGES_SINCE = timedelta(days=30)
"""how far back requests are counted"""
_DAYS = 14
_ROWS = ("rows", "admitted", "refused", "held", "unchanged")
_SETTLED = frozenset({Difference.MATCH, Difference.LAG, Difference.NEVER_SENT, Difference.NOT_OWED})
"""classes of a reconciliation that ask nobody to act"""

_ZH: Mapping[str, str] = {
    State.QUEUED: "待发送",
    State.SENDING: "发送中",
    State.AWAITING_ACK: "等待回执",
    State.IN_DOUBT: "结果不明",
    State.HELD: "暂停中",
    State.PARKED: "待人工",
    State.ACCEPTED: "已接收",
    State.REJECTED: "已退回",
    State.SUPERSEDED: "已被替代",
    Difference.MATCH: "一致",
    Difference.LAG: "在途",
    Difference.HELD_THERE: "对方已有而本方待发",
    Difference.OUTDATED: "对方仍为旧版",
    Difference.NEVER_SENT: "未发送",
    Difference.LOST: "对方缺失",
    Difference.ALTERED: "内容不同",
    Difference.DOUBLED: "重复",
    Difference.UNEXPECTED: "不应存在",
    Difference.UNKNOWN_HERE: "本方未知",
    Difference.NOT_ASKED: "未能核对",
    Difference.NOT_OWED: "不向其报送",
    "push": "推送",
    "poll": "取回执",
    "lookup": "查证",
    "holdings": "对账",
    "login": "登录",
    "feedback": "取信用反馈",
    "feedback_ack": "回复信用反馈",
    "objection": "转送异议",
    "objection_state": "查询异议",
    "scan": "上传附件",
    "ticket": "通报工单",
    "ticket_state": "查询工单",
    "health": "连通检查",
    "open": "未结束",
    TicketKind.IDENTITY: "身份核对",
    TicketKind.FORK: "版本分叉",
    TicketKind.GAP: "版本缺口",
    TicketKind.PERIOD: "公示期异常",
    TicketKind.PERIOD_BELOW_SANCTION: "公示期短于处罚期",
    TicketKind.REPAIR: "修复被取消",
    TicketKind.REVIEW: "人工复核",
    TicketKind.SIGNATURE: "验签失败",
    TicketKind.UNREADABLE: "事件无法读取",
    TicketKind.RESTORED: "恢复后待核实",
}
_CODES = ("credit_ack_code", "credit_record_status")


def write_report(
    store: Store, out: Path, *, now: datetime, chinese: bool, restored: str | None = None
) -> dict[str, Any]:
    """Write the page to ``out`` and return its numbers; InputError where the file cannot be written.

    restored: why the store is an older one than was in use, where it is
    """
    with store.read() as connection:
        summary = {"restored": restored, **summarise(connection, now)}
    page = _template().render(
        summary,
        t=lambda en, zh: zh if chinese else en,
        word=_word(chinese=chinese),
        chinese=chinese,
        states=list(State),
        ages=[*AGES, _OLDER],
    )
    try:
        with open_private(out) as file:
            file.write(page.encode())
    except OSError as error:
        raise InputError(f"{out}: the report cannot be written: {error.strerror}") from error
    return summary


def summarise(connection: Connection, now: datetime) -> dict[str, Any]:
    """All numbers of the page, as plain values by name."""
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
        if not chinese:
            return code.replace("_", " ")
        known = _ZH.get(code) or next((zh for name in _CODES if (zh := table(name).get(code))), None)
        return known or code

    return word


def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["share"] = lambda value, whole: f"{100 * value / whole if whole else 0:.2f}%"
    environment.filters["moment"] = lambda value: (
        value.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S") if value else "–"
    )
    environment.filters["day"] = lambda value: value.strftime("%m-%d")
    source = files("gateway.operations").joinpath("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source)
