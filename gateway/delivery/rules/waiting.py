"""Why a delivery stands where it stands and until when, in words for people. Pure; one answer for each delivery."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.domain.states import TERMINAL, State
from gateway.domain.traffic import ASKED_TO_WAIT, BREAKER_OPEN, IN_FLIGHT, MAINTENANCE, PACED, Stop
from gateway.domain.words import STATES, STOPS
from gateway.locale import shown


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """What of a delivery decides why it waits.

    code:    what its last answer said, if any
    blocker: the delivery it waits behind
    """

    state: State
    due_at: datetime
    code: str | None = None
    blocker: Blocker | None = None
    same_record: bool = False
    """whether the blocker is another version of the same record"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocker:
    """The delivery that must end first."""

    id: int
    kind: str
    state: State


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Why it waits: a stable code, a sentence in each language, and until when where somebody knows."""

    code: str
    zh: str
    en: str
    until: datetime | None = None


_STOPS = {
    MAINTENANCE: ("平台在维护时段，不发送", "the platform is closed at these hours"),
    BREAKER_OPEN: ("平台没有应答，已暂时断开", "the platform does not answer; the breaker is open"),
    IN_FLIGHT: ("平台的连接都在使用中", "all connections to the platform are in use"),
    PACED: ("按平台允许的速度依次发送", "goes in its turn, at the pace the platform allows"),
    ASKED_TO_WAIT: ("平台要求稍后再发", "the platform asked to be left alone for a while"),
}
_PEOPLE = {
    State.PARKED: ("parked", "需要人工处理", "a person has to decide"),
    State.HELD: (
        "held",
        "前提条件不满足，平台恢复后继续",
        "a precondition failed; goes on when the platform is resumed",
    ),
}
_LATER = {
    State.QUEUED: ("retry_later", "等待下次重发", "waits for its next try"),
    State.AWAITING_ACK: (
        "result_later",
        "平台已受理，等待查询结果",
        "the platform took it; its result is fetched then",
    ),
    State.IN_DOUBT: ("ask_later", "是否到达不明，等待查询", "it may have arrived; the platform is asked then"),
}
_DUE = {
    State.QUEUED: ("due", "可以发送，等待下一次运行", "can be sent; waits for the next run"),
    State.AWAITING_ACK: (
        "result_due",
        "可以查询结果，等待下一次运行",
        "its result can be fetched; waits for the next run",
    ),
    State.IN_DOUBT: ("ask_due", "可以查询是否到达，等待下一次运行", "can be asked about; waits for the next run"),
}


def waiting_reason(waiting: Waiting, stop: Stop | None, now: datetime, queue: Stop | None = None) -> Reason | None:
    """Why it has not ended yet; None where it has. ``queue`` is what makes others go first where nothing else holds.

    What only a person can end comes first, then what it waits behind, then its own time, then what holds the whole
    platform: the last of these that ends is the one that decides.
    """
    state = waiting.state
    if state in TERMINAL:
        return None
    if state is State.SENDING:
        return Reason(code="sending", zh="正在发送", en="is being sent")
    if state in _PEOPLE:
        code, zh, en = _PEOPLE[state]
        cause = f" ({waiting.code})" if waiting.code else ""
        return Reason(code=code, zh=zh + cause, en=en + cause)
    if waiting.blocker is not None:
        return _behind(waiting.blocker, same_record=waiting.same_record)
    held = None if stop is None else _held(stop)
    if waiting.due_at > now and not (held and (held.until is None or held.until > waiting.due_at)):
        code, zh, en = _LATER[state]
        return Reason(code=code, zh=zh, en=en, until=waiting.due_at)
    if held is not None:
        return held
    if queue is not None:
        return _held(queue)
    code, zh, en = _DUE[state]
    return Reason(code=code, zh=zh, en=en)


def _behind(blocker: Blocker, *, same_record: bool) -> Reason:
    stuck = blocker.state in (State.PARKED, State.HELD, State.REJECTED)
    if same_record:
        code, zh, en = "older_version", "等待同一记录的前一版本", "waits for an earlier version of the record"
    else:
        code, zh, en = "behind_person", "等待所属人员先被接收", "waits until its person is accepted"
    zh_stuck, en_stuck = ("，而该条已停住", ", which is stuck") if stuck else ("", "")
    return Reason(
        code=code,
        zh=f"{zh}（第 {blocker.id} 号，{shown(STATES[blocker.state].word, chinese=True)}{zh_stuck}）",
        en=f"{en} (delivery {blocker.id}, {blocker.state}{en_stuck})",
    )


def _held(stop: Stop) -> Reason:
    if stop.paused:
        cause = ": ".join(part for part in (stop.code, stop.reason) if part)
        word = shown(STOPS[stop.code].word, chinese=True) if stop.code in STOPS else stop.code
        zh = "：".join(part for part in ("平台已暂停", word, stop.reason) if part)
        return Reason(code="paused", zh=zh, en=f"the platform is paused: {cause}", until=stop.until)
    zh, en = _STOPS[stop.code]
    return Reason(code=stop.code, zh=zh, en=en, until=stop.until)
