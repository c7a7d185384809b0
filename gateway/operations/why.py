"""Why a certificate is not where it should be: the chain from the row to the platform's word, and its first break.

Answers name batches, rows, rules, deliveries and codes; never the person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.codec.codes import table
from gateway.contract.connector import ConnectorInfo
from gateway.credit.rules.tickets import DUTIES
from gateway.credit.store import draws, tickets
from gateway.credit.store import views as credit_views
from gateway.delivery.explain import Rules, reasons
from gateway.delivery.rules.differences import Difference
from gateway.delivery.rules.waiting import Reason
from gateway.domain.china import CHINA
from gateway.domain.records import RecordKind
from gateway.domain.states import Event, State
from gateway.intake.store import batches, views
from gateway.intake.store.refused import RowPlace, places
from gateway.locale import shown
from gateway.operations.store import why as operations_why
from gateway.operations.store.why import Connectors, LastAnswer, NewestDelivery, ReportedRow
from gateway.store import records
from gateway.store.engine import Connection, Store

_FINE = frozenset({Difference.MATCH, Difference.LAG, None})
_RUNS = {"due": "gateway push", "result_due": "gateway acks", "ask_due": "gateway resolve"}
"""what fetches or sends a delivery that only waits for the next run, by the code of its reason"""
_OWN_CODES = frozenset({Event.RELEASED, Event.REPLAYED, Event.RESUMED})
"""codes that are no platform's answer"""
_STATES = {
    State.QUEUED: "待发送",
    State.SENDING: "发送中",
    State.AWAITING_ACK: "等待回执",
    State.IN_DOUBT: "结果不明",
}
_OUTCOMES = {
    "admit": "已接收",
    "unchanged": "内容无变化",
    "withdraw": "撤回",
    "hold": "暂缓",
    "refuse": "退回",
}


@dataclass(frozen=True, kw_only=True)
class WhyStep:
    """One step of the way. ``ok`` is None where the step has not come yet; ``act`` says what to do about a break."""

    step: str
    ok: bool | None
    text: str
    text_zh: str
    act: str | None = None
    act_zh: str | None = None
    """where it is more than a command; ``act`` otherwise"""
    platform: str | None = None
    delivery: int | None = None


@dataclass(kw_only=True)
class Explanation:
    """The chains of one person or certificate. ``broken`` is the first link of each chain that is not well.

    rows:   what was reported; of a batch, a report or a ticket, how that stands
    person: deliveries of the person, where no certificate is known
    """

    person_key: str | None
    certificates: dict[str, list[WhyStep]] = field(default_factory=dict)
    rows: list[WhyStep] = field(default_factory=list)
    person: list[WhyStep] = field(default_factory=list)
    credit: list[WhyStep] = field(default_factory=list)
    """what the credit platforms told"""

    @property
    def broken(self) -> list[WhyStep]:
        """The first link of each chain that does not hold; empty where everything has arrived."""
        if not self.certificates:
            return [link for link in [*self.rows, *self.person, *self.credit] if not link.ok][:1]
        chains = [[*self.rows, *links, *self.credit] for links in _by_platform(self.certificates)]
        firsts = [next((link for link in chain if not link.ok), None) for chain in chains]
        return list(dict.fromkeys(link for link in firsts if link is not None))


def _by_platform(certificates: Mapping[str, Sequence[WhyStep]]) -> list[list[WhyStep]]:
    """One chain for each certificate and platform, with the links that they share in front."""
    chains = []
    for links in certificates.values():
        shared = [link for link in links if link.platform is None]
        named = dict.fromkeys(link.platform for link in links if link.platform is not None)
        chains += [[*shared, *(link for link in links if link.platform == name)] for name in named] or [shared]
    return chains


def why(
    store: Store,
    text: str,
    infos: Sequence[ConnectorInfo],
    rules: Rules,
    now: datetime,
    *,
    connectors: Connectors | None = None,
) -> Explanation:
    """Follow what a person has at hand: a certificate or identity number, a record's key, a delivery's number, receipt
    or number at the platform, the number of a message, a credit event or record, a batch, a report, a ticket or a draw.

    infos:   the configured platforms
    connectors: of the platforms, by name; some give messages a number of their own
    """
    id_types = [row["canonical"] for row in table("id_document_type").rows if row["canonical"]]
    with store.read() as connection:
        found = operations_why.subject(connection, store.vault, text, id_types, connectors)
        answer = Explanation(person_key=found.person_key)
        if not found:
            answer.rows = (
                _batch(connection, text)
                or _ticket(connection, text)
                or _drawn(connection, text)
                or _event(connection, store, text)
                or _filed((), known=False)
            )
            return answer
        answer.rows = _filed(found.rows, known=bool(found.certificates or found.person_key))
        keys = found.certificates or [found.person_key or ""]
        view = _View(connection, keys, infos)
        view.wait_by(rules, now)
        for key in found.certificates:
            answer.certificates[key] = view.followed(key)
        if not found.certificates:
            answer.person = [link for one in view.standings for link in view.stands(one)]
        if found.person_key is not None or found.certificates:
            answer.credit = _credit(connection, found.person_key, found.certificates, now)
    return answer


def _credit(
    connection: Connection, person_key: str | None, certificates: Sequence[str], now: datetime
) -> list[WhyStep]:
    """What the credit platforms have told about the person, and whether it made a certificate void."""
    key = person_key or operations_why.holder(connection, certificates)
    if key is None:
        return []
    standing = credit_views.current(connection, key, now, kind=RecordKind.PERSON)
    void = operations_why.void_by_now(connection, certificates)
    if not standing and not void:
        return [WhyStep(step="credit", ok=True, text="no credit record", text_zh="无信用记录")]
    by_platform = Counter(one.platform for one in standing)
    text = ", ".join(f"{name} {count}" for name, count in sorted(by_platform.items())) or "none in force"
    show = f"gateway credit show {key}"
    if void:
        return [
            WhyStep(
                step="credit",
                ok=False,
                text=f"the certificate is void; credit records: {text}",
                text_zh=f"证书已失效；信用记录：{text}",
                act=show,
            )
        ]
    return [WhyStep(step="credit", ok=True, text=f"credit records: {text}", text_zh=f"信用记录：{text}", act=show)]


def _drawn(connection: Connection, number: str) -> list[WhyStep]:
    found = draws.draw_by_number(connection, number.strip().upper())
    if found is None:
        return []
    day = f"{found.at.astimezone(CHINA):%Y-%m-%d}"
    return [
        WhyStep(
            step="draw",
            ok=True,
            text=f"draw of {day}: {len(found.drawn)} of {found.population} {found.of}",
            text_zh=f"{day} 的抽查：{found.of} {found.population} 个中抽取 {len(found.drawn)} 个",
            act=f"gateway supervise show {found.number}",
        )
    ]


def _event(connection: Connection, store: Store, text: str) -> list[WhyStep]:
    """A credit event about nobody we hold."""
    return [
        WhyStep(
            step="credit",
            ok=None,
            text=f"credit event {one.event_id} is about nobody we hold ({one.outcome})",
            text_zh=f"信用事件 {one.event_id} 所指的人或企业不在库中（{one.outcome}）",
            act=f"gateway credit show {one.event_id}",
            platform=one.platform,
        )
        for one in credit_views.events_named(connection, store.vault, text)
    ]


def _filed(rows: Sequence[ReportedRow], *, known: bool) -> list[WhyStep]:
    """What became of the newest row; earlier ones that went do not mend it."""
    if not rows:
        text = "is held, but no row of a batch names it" if known else "no row that was read names it"
        zh = "库中有记录，但没有批次的行提到它" if known else "已读入的各行中都没有它"
        act = None if known else "ask the city whether it was reported"
        act_zh = None if known else "向上报城市核实是否已上报"
        return [WhyStep(step="filed", ok=known, text=text, text_zh=zh, act=act, act_zh=act_zh)]
    last = rows[-1]
    day = f"{last.read_at.astimezone(CHINA):%Y-%m-%d}"
    where = f"{last.batch}, row {last.row_no}, read {day}"
    where_zh = f"{last.batch} 第 {last.row_no} 行，{day} 读入"
    word = _OUTCOMES.get(last.outcome, last.outcome)
    if last.outcome not in ("refuse", "hold"):
        return [WhyStep(step="filed", ok=True, text=f"{where}: {last.outcome}", text_zh=f"{where_zh}：{word}")]
    said = [one for one in last.failures if one.get("severity") != "warn"] or last.failures
    broken = "; ".join(dict.fromkeys(f"{one['gate']} ({one['field']}) {one['message']}" for one in said))
    broken_zh = "；".join(dict.fromkeys(f"{one['gate']} {one['message_zh']}" for one in said))
    verb = "refused" if last.outcome == "refuse" else "held"
    act = f"gateway batches returns {_quoted(last.batch)} OUT.xlsx"
    if last.outcome == "hold":
        act = f"gateway batches decide {_quoted(last.batch)} {last.row_no} admit|refuse --reason …"
    return [
        WhyStep(
            step="filed",
            ok=False,
            text=f"{where}: {verb} by {broken}",
            text_zh=f"{where_zh}：{word}，{broken_zh}",
            act=act,
        )
    ]


def _quoted(name: str) -> str:
    return name if name.isidentifier() or all(c.isalnum() or c in "._-" for c in name) else f'"{name}"'


def _batch(connection: Connection, name: str) -> list[WhyStep]:
    """How the batches of a file's name, or with rows of a report, stand."""
    if not batches.named(connection, name):
        return []
    links = []
    for part in views.parts(connection, name):
        counts = {outcome: count for outcome, count in part.rows.items() if count}
        back = part.rows["refuse"] + part.rows["hold"] > 0
        act = f"gateway batches returns {_quoted(name)} OUT.xlsx" if back else f"gateway batches show {_quoted(name)}"
        links.append(
            WhyStep(
                step="batch",
                ok=None if part.closed_at is None else True,
                text=f"{part.name} {part.report_no or ''}: {part.rows.total()} rows ("
                + ", ".join(f"{outcome} {count}" for outcome, count in counts.items())
                + f"), {part.open} open",
                text_zh=f"{part.name} {part.report_no or ''}：共 {part.rows.total()} 行（"
                + "，".join(f"{_OUTCOMES.get(outcome, outcome)} {count}" for outcome, count in counts.items())
                + f"），未办结 {part.open}",
                act=None if part.closed_at is not None else act,
            )
        )
    return links


def _ticket(connection: Connection, number: str) -> list[WhyStep]:
    found = tickets.find(connection, number)
    if found is None:
        return []
    duty, is_open = DUTIES[found.kind], found.closed_at is None
    day = f"{found.opened_at.astimezone(CHINA):%Y-%m-%d}"
    return [
        WhyStep(
            step="ticket",
            ok=None if is_open else True,
            text=f"{duty.title}, opened {day}, {'open' if is_open else f'settled: {found.act}'}",
            text_zh=f"{shown(duty.title, chinese=True)}，{day} 开立，{'未结' if is_open else f'已结：{found.act}'}",
            act=f"gateway tickets show {found.number}" if is_open else None,
        )
    ]


class _View:
    """What the links of several chains are made from: deliveries, what each waits for, and whom it waits behind."""

    def __init__(self, connection: Connection, keys: Sequence[str], infos: Sequence[ConnectorInfo]) -> None:
        self._connection, self._infos = connection, {info.platform: info for info in infos}
        self.standings = operations_why.standings(connection, keys)
        self._answers = operations_why.last_answers(connection, [one.id for one in self.standings])
        self._reasons: Mapping[int, Reason | None] = {}
        self._ended = operations_why.ended(connection, keys)
        self._with_project = operations_why.with_project(connection, keys)
        refused = [one for one in self._answers.values() if one.state is State.REJECTED]
        self._rows = places(connection, [(RecordKind(one.kind), one.record_key) for one in refused])

    def wait_by(self, rules: Rules, now: datetime) -> None:
        """Say what each waits for at a moment under the platforms' rules of traffic."""
        self._reasons = reasons(self._connection, list(self._answers), rules, now)

    def followed(self, key: str) -> list[WhyStep]:
        """The links of one certificate."""
        own = [one for one in self.standings if one.record_key == key]
        taken_back = records.newest(self._connection, RecordKind.WITHDRAWAL, [key])
        filed = records.newest(self._connection, RecordKind.CERTIFICATE, [key])
        gone = key in taken_back and (key not in filed or taken_back[key].version > filed[key].version)
        version = (taken_back if gone else filed)[key].version
        text, zh = f"version {version}", f"版本 {version}"
        links = [
            WhyStep(
                step="kept",
                ok=True,
                text=text + (": withdrawn" if gone else ""),
                text_zh=zh + ("：已撤回" if gone else ""),
            )
        ]
        for name in sorted({*self._infos, *(one.platform for one in own)}):
            here = [one for one in own if one.platform == name]
            links += [] if here else self._owed(name, key, gone=gone)
            for one in here:
                links += self.stands(one)
        return links

    def _owed(self, name: str, key: str, *, gone: bool) -> list[WhyStep]:
        """Why there is no delivery."""
        info, kind = self._infos[name], RecordKind.WITHDRAWAL if gone else RecordKind.CERTIFICATE
        taken = info.kinds.get(kind)
        if taken is None or (taken.by_project and key not in self._with_project):
            why_not = info.declined.get(kind, "the platform takes no such records")
            zh = f"该平台不接收：{shown(why_not, chinese=True)}"
            act = "nothing is to be sent there; if it ought to be, ask the platform for such an interface"
            act_zh = "无需推送；如确需报送，请向平台申请相应接口"
            step = WhyStep(step="owed", ok=False, text=f"not owed: {why_not}", text_zh=zh, platform=name)
            return [replace(step, act=act, act_zh=act_zh)]
        if (name, key) in self._ended:
            text, zh = "nothing is to be sent: it ended before anything was", "无需发送：发送之前已终止"
            return [WhyStep(step="owed", ok=True, text=text, text_zh=zh, platform=name)]
        text, zh = "not owed yet", "尚未列入发送"
        return [WhyStep(step="owed", ok=None, text=text, text_zh=zh, act="gateway push", platform=name)]

    def stands(self, one: NewestDelivery) -> list[WhyStep]:
        """How a delivery stands, with the act that helps."""
        tried, tried_zh = (
            f"version {one.version}, {one.attempts} attempts",
            f"版本 {one.version}，尝试 {one.attempts} 次",
        )
        last = self._answers[one.id]
        if one.state is State.ACCEPTED:
            when = "" if one.updated_at is None else f"{one.updated_at.astimezone(CHINA):%Y-%m-%d %H:%M}"
            number = "" if one.platform_ref is None else f", number there {one.platform_ref}"
            number_zh = "" if one.platform_ref is None else f"，平台编号 {one.platform_ref}"
            step = WhyStep(
                step="accepted",
                ok=True,
                text=f"{tried}, {when}{number}",
                text_zh=f"已接收 {when}，{tried_zh}{number_zh}",
                platform=one.platform,
                delivery=one.id,
            )
            if one.difference in _FINE:
                return [step, *_compared(one)]
            text, zh = f"the last reconciliation says {one.difference}", f"上次对账结果：{one.difference}"
            act = f"gateway show {one.id}"
            return [
                step,
                WhyStep(
                    step="reconciled",
                    ok=False,
                    text=text,
                    text_zh=zh,
                    act=act,
                    platform=one.platform,
                    delivery=one.id,
                ),
            ]
        root, reason = self._root(one.id), self._reasons[one.id]
        text, zh = _standing_words(last, reason, tried, tried_zh)
        if root.id != last.id:
            en_answer, zh_answer = _answer(root)
            text += f"; delivery {root.id} ({root.kind}): {root.state}{en_answer}"
            zh += f"；第 {root.id} 号任务{zh_answer}"
        helps, helps_zh = _act(root, self._reasons[root.id], self._rows.get(root.record_key))
        stopped = last.state in (State.REJECTED, State.PARKED, State.HELD)
        return [
            WhyStep(
                step="accepted",
                ok=False if stopped else None,
                text=text,
                text_zh=zh,
                act=helps,
                act_zh=helps_zh,
                platform=one.platform,
                delivery=one.id,
            )
        ]

    def _root(self, number: int) -> LastAnswer:
        """The delivery that must move first."""
        one = self._answers[number]
        met = {number}
        while one.blocked_by in self._answers and one.blocked_by not in met:
            met.add(one.blocked_by)
            one = self._answers[one.blocked_by]
        return one


def _compared(one: NewestDelivery) -> list[WhyStep]:
    """That the last reconciliation found it well, where there was one since."""
    if one.compared_at is None:
        return []
    day = f"{one.compared_at.astimezone(CHINA):%Y-%m-%d %H:%M}"
    return [
        WhyStep(
            step="reconciled",
            ok=True,
            text=f"the reconciliation of {day} found no difference",
            text_zh=f"{day} 对账一致",
            platform=one.platform,
            delivery=one.id,
        )
    ]


def _answer(one: LastAnswer) -> tuple[str, str]:
    """What was said of it last, in the platform's words, where anything was."""
    if one.code is None or one.code in _OWN_CODES:
        return "", ""
    words = f"{one.code} {one.reason or ''}".rstrip()
    return f"; last answer: {words}", f"，最近答复：{words}"


def _standing_words(one: LastAnswer, reason: Reason | None, tried: str, tried_zh: str) -> tuple[str, str]:
    said = f"{one.code or ''} {one.reason or ''}".strip()
    if one.state is State.REJECTED:
        return f"rejected: {said}", f"已退回：{said}"
    if one.state is State.PARKED:
        return f"waits for a person: {said}", f"待人工：{said}"
    if one.state is State.HELD:
        return f"held: {said}; goes on when the platform is resumed", f"暂停中：{said}；平台恢复后继续"
    until = "" if reason is None or reason.until is None else f"{reason.until.astimezone(CHINA):%Y-%m-%d %H:%M}"
    en = "" if reason is None else reason.en + (f" until {until}" if until else "")
    zh = "" if reason is None else reason.zh + (f"，至 {until}" if until else "")
    en_answer, zh_answer = _answer(one)
    state = _STATES.get(one.state, str(one.state))
    return f"{one.state}, {tried}: {en}{en_answer}", f"{state}，{tried_zh}：{zh}{zh_answer}"


def _act(root: LastAnswer, reason: Reason | None, place: RowPlace | None) -> tuple[str | None, str | None]:
    """What helps the delivery that must move first. English and Chinese."""
    show = f"gateway show {root.id}"
    if root.state is State.REJECTED:
        again = f"gateway replay plan --platform {root.platform} --code {root.code} --reason …"
        back = "" if place is None else f"gateway batches returns {_quoted(place.report_no or place.batch)} OUT.xlsx"
        where = "" if place is None else f" ({place.batch}, row {place.row_no}; {back})"
        where_zh = "" if place is None else f"（{place.batch} 第 {place.row_no} 行，{back}）"
        return (
            f"{show}; the city sends a corrected row{where}, or, where the fault is not the record's, {again}",
            f"{show}；由上报单位更正后重新上报{where_zh}，若非数据原因则 {again}",
        )
    if root.state is State.PARKED:
        if root.event == Event.CONFLICT:
            return (
                f"{show}; what is there under the key is not ours: settle it with the platform before releasing",
                f"{show}；平台上同一主键已有他方数据，先与平台核实，再放行",
            )
        return f"{show}, then gateway release {root.id} --reason …", f"{show}，再 gateway release {root.id} --reason …"
    if root.state is State.HELD or (reason is not None and reason.code == "paused"):
        act = f"gateway resume {root.platform}"
        return f"mend the cause, then {act}", f"排除原因后 {act}"
    run = None if reason is None else _RUNS.get(reason.code)
    if run is not None:
        return f"{run} {root.platform}", None
    check = f"gateway check {root.platform}"
    return f"goes on by itself; where it stays: {check}", f"自动继续，无需处理；持续如此请执行 {check}"
