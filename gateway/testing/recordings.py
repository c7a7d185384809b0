"""Recorded answers of a platform to everything a connector can ask, and what each of them must mean.

``recorded`` makes them with a sandbox: about one record, from before its push to after it, then about credit events,
books, decisions, the desk and code tables, as far as the connector has these abilities. All people are synthetic.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from gateway.codec.replies import judge_reply
from gateway.contract.codes import CodeDrift, PublishesCodes
from gateway.contract.connector import (
    Connector,
    GivesFeedback,
    HoldingsBy,
    ListsHoldings,
    ListsParts,
    LooksUp,
    NeedsToken,
    PollsAcks,
    ProbesHealth,
)
from gateway.contract.credit import (
    AwaitedPage,
    BookResult,
    FetchesRecords,
    Gone,
    ListsAwaited,
    Manifest,
    OwnDecision,
    PublishesBooks,
    Sanction,
    SearchesSubjects,
    SearchPage,
    SearchTerms,
    TakesDecisions,
)
from gateway.contract.desk import (
    Conflict,
    ConflictState,
    Objection,
    ObjectionState,
    Scan,
    TakesObjections,
    TakesScans,
    TakesTickets,
)
from gateway.contract.messages import (
    FeedbackPage,
    Finding,
    FindingAck,
    Health,
    HoldingsPage,
    Payload,
    Stamp,
    Subject,
    SubjectType,
    Token,
    Verdict,
    WireRequest,
    WireResponse,
)
from gateway.delivery.connector_guard import CONNECTOR_FAULT, guarded
from gateway.domain.china import CHINA
from gateway.domain.records import Certificate, Record, StatusChange, Withdrawal
from gateway.domain.states import Event
from gateway.domain.ticket_kinds import TicketKind
from gateway.testing import scans

Ask = Callable[[WireRequest], WireResponse]
Fresh = Callable[[], Stamp]


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recorded answer to any other call than a push, and what it must mean.

    call:  the end of the method's name: ``decode_<call>`` reads it (``lookup``, ``ack``, ``holdings``, ``health`` …)
    given: what ``decode_<call>`` gets between the answer and the stamp
    means: the event of its verdict (of every one, for ``ack``), or the class of what it gives instead (``Token``,
           ``HoldingsPage``, ``FeedbackPage`` …); ``Health`` stands for a good one
    """

    call: str
    given: tuple[Any, ...] = ()
    stamp: Stamp
    response: WireResponse
    means: Event | type


WANTED: tuple[tuple[type, str, Event | type], ...] = (
    (PollsAcks, "ack", Event.ACCEPTED),
    (LooksUp, "lookup", Event.ACCEPTED),
    (LooksUp, "lookup", Event.NOT_FOUND),
    (ListsHoldings, "holdings", HoldingsPage),
    (ListsParts, "part", HoldingsPage),
    (ProbesHealth, "health", Health),
    (NeedsToken, "login", Token),
    (GivesFeedback, "feedback", FeedbackPage),
    (GivesFeedback, "feedback_acks", Event.ACCEPTED),
    (FetchesRecords, "record", Finding),
    (FetchesRecords, "record", Gone),
    (FetchesRecords, "versions", tuple),
    (ListsAwaited, "awaited", AwaitedPage),
    (SearchesSubjects, "search", SearchPage),
    (PublishesBooks, "manifest", Manifest),
    (PublishesBooks, "book", tuple),
    (PublishesBooks, "result", Event.ACCEPTED),
    (TakesDecisions, "decision", Event.ACCEPTED),
    (TakesScans, "scan", Event.ACCEPTED),
    (TakesObjections, "objection", Event.ACCEPTED),
    (TakesObjections, "objection_state", ObjectionState),
    (TakesTickets, "ticket", Event.ACCEPTED),
    (TakesTickets, "ticket_state", ConflictState),
    (PublishesCodes, "code_table", CodeDrift),
)
"""ability -> the call and meaning of which a recording must be there"""


def recorded(
    connector: Connector,
    ask: Ask,
    fresh: Fresh,
    payload: Payload,
    *,
    wait: Callable[[timedelta], None] | None = None,
) -> dict[str, Recording]:
    """Answers of a sandbox to everything that a connector can ask.

    ask:     hands a request to the sandbox; ``fresh`` gives stamps of its time, with a login where one is needed
    payload: what is pushed, and asked about before and after
    wait:    lets the sandbox's time pass, so that a day's books appear; without it they are those of its snapshot
    means:   is what the contract wants at that moment, so that a connector which reads it otherwise is found out
    """
    notes = _Notes(ask, fresh)
    _of_the_record(connector, notes, payload)
    findings = _of_the_feed(connector, notes)
    if isinstance(connector, PublishesBooks):
        _of_the_books(connector, notes, wait)
    _of_the_desk(connector, notes, findings)
    if isinstance(connector, PublishesCodes) and connector.code_tables():
        name, at = connector.code_tables()[0], fresh()
        notes.take("codes", "code_table", connector.encode_code_table(name, at), at, CodeDrift, name)
    return notes.made


class _Notes:
    """What was asked so far, by name."""

    def __init__(self, ask: Ask, fresh: Fresh) -> None:
        self.ask, self.fresh = ask, fresh
        self.made: dict[str, Recording] = {}

    def take(
        self, name: str, call: str, request: WireRequest, at: Stamp, means: Event | type, *given: Any
    ) -> WireResponse:
        """Ask, and keep the answer."""
        response = self.ask(request)
        self.made[name] = Recording(call=call, given=given, stamp=at, response=response, means=means)
        return response


def _of_the_record(connector: Connector, notes: _Notes, payload: Payload) -> None:
    ask, fresh, take = notes.ask, notes.fresh, notes.take
    if isinstance(connector, NeedsToken):
        at = replace(fresh(), token=None)
        take("login", "login", connector.encode_login(None, at), at, Token)
    if isinstance(connector, ProbesHealth):
        at = fresh()
        take("health", "health", connector.encode_health(at), at, Health)
    if isinstance(connector, LooksUp):
        at = fresh()
        take("not there", "lookup", connector.encode_lookup(payload, at), at, Event.NOT_FOUND, payload)
    at = fresh()
    verdict = connector.decode_push(ask(connector.encode_push([payload], at)), [payload], at)[0]
    receipt = verdict.receipt
    if isinstance(connector, PollsAcks) and receipt is not None:
        at = fresh()
        answer = ask(connector.encode_ack(receipt, at))
        for _ in range(20):
            if connector.decode_ack(answer, receipt, [payload], at)[0].event is not Event.PENDING:
                break
            at = fresh()
            answer = ask(connector.encode_ack(receipt, at))
        notes.made["result"] = Recording(
            call="ack", given=(receipt, [payload]), stamp=at, response=answer, means=Event.ACCEPTED
        )
    if isinstance(connector, LooksUp):
        at = fresh()
        take("there", "lookup", connector.encode_lookup(payload, at), at, Event.ACCEPTED, payload)
    if isinstance(connector, ListsHoldings):
        at = fresh()
        asked = payload if connector.info.holdings_by is HoldingsBy.RECORD else None
        take("held", "holdings", connector.encode_holdings(None, asked, at), at, HoldingsPage, asked)
        part = connector.part_of(payload) if isinstance(connector, ListsParts) else None
        if part is not None:
            at = fresh()
            take("part", "part", connector.encode_holdings(part, None, at), at, HoldingsPage, part)


def _of_the_feed(connector: Connector, notes: _Notes) -> Sequence[Finding]:
    """Whose findings can be applied come back, so that the desk has something to speak of."""
    if not isinstance(connector, GivesFeedback):
        return ()
    fresh, take = notes.fresh, notes.take
    at = fresh()
    answer = take("feed", "feedback", connector.encode_feedback(None, at), at, FeedbackPage)
    page = connector.decode_feedback(answer, at)
    findings = [f for f in page.findings if f.flaw is None] if isinstance(page, FeedbackPage) else []
    if not findings:
        return ()
    first, at = findings[0], fresh()
    if isinstance(connector, ListsAwaited):
        take("awaited", "awaited", connector.encode_awaited(None, at), at, AwaitedPage)
        at = fresh()
    acks = [
        FindingAck(event_id=f.event_id, record_id=f.record_id, version=f.version, code="APPLIED", at=at.now)
        for f in findings[:2]
    ]
    take("told", "feedback_acks", connector.encode_feedback_acks(acks, at), at, Event.ACCEPTED, acks)
    if isinstance(connector, FetchesRecords):
        for one in findings:
            at = fresh()
            answer = notes.ask(connector.encode_record(one.record_id, at))
            means = Gone if isinstance(connector.decode_record(answer, one.record_id, at), Gone) else Finding
            name = "gone" if means is Gone else "record"
            if name not in notes.made:
                notes.made[name] = Recording(
                    call="record", given=(one.record_id,), stamp=at, response=answer, means=means
                )
            if {"gone", "record"} <= notes.made.keys():
                break
        known = notes.made.get("record")
        about = first.record_id if known is None else known.given[0]
        at = fresh()
        take("versions", "versions", connector.encode_versions(about, at), at, tuple, about)
    if isinstance(connector, SearchesSubjects):
        at = fresh()
        take("search", "search", connector.encode_search(_terms(findings), None, at), at, SearchPage)
    return findings


def _terms(findings: Sequence[Finding]) -> SearchTerms:
    for finding in findings:
        subject = finding.subject
        if subject is not None and subject.type is SubjectType.PERSON and subject.id_number:
            return SearchTerms(subject_type=subject.type, id_type=subject.id_type, id_number=subject.id_number)
    return SearchTerms(subject_type=SubjectType.PERSON, certificate_number="370125")


def _of_the_books(connector: PublishesBooks, notes: _Notes, wait: Callable[[timedelta], None] | None) -> None:
    fresh, take = notes.fresh, notes.take
    at = fresh()
    day = at.now.astimezone(CHINA).date() if wait is not None else None
    if wait is not None:
        take("no books yet", "manifest", connector.encode_manifest(day, at), at, Event.NOT_FOUND, day)
        wait(timedelta(days=1))
        at = fresh()
    answer = take("books", "manifest", connector.encode_manifest(day, at), at, Manifest, day)
    manifest = connector.decode_manifest(answer, day, at)
    if not isinstance(manifest, Manifest):
        return
    for file in manifest.files[:1]:
        at = fresh()
        take("book", "book", connector.encode_book(manifest, file, at), at, tuple, manifest, file)
    at = fresh()
    result = a_result(at, manifest.day)
    take("compared", "result", connector.encode_result(result, at), at, Event.ACCEPTED, result)


def _of_the_desk(connector: Connector, notes: _Notes, findings: Sequence[Finding]) -> None:
    fresh, take = notes.fresh, notes.take
    if isinstance(connector, TakesDecisions):
        at = fresh()
        decision = a_decision(at)
        take("decided", "decision", connector.encode_decision(decision, at), at, Event.ACCEPTED, decision)
    numbers: tuple[str, ...] = ()
    if isinstance(connector, TakesScans):
        at, scan = fresh(), a_scan()
        verdict = connector.decode_scan(
            take("scanned", "scan", connector.encode_scan(scan, at), at, Event.ACCEPTED, scan), scan, at
        )
        numbers = () if verdict.receipt is None else (verdict.receipt,)
    about = notes.made.get("record")
    record_id = about.given[0] if about is not None else findings[0].record_id if findings else "R1"
    version = max((f.version for f in findings if f.record_id == record_id), default=1)
    if isinstance(connector, TakesObjections):
        at, objection = fresh(), an_objection(record_id, version, numbers)
        answer = take("objected", "objection", connector.encode_objection(objection, at), at, Event.ACCEPTED, objection)
        number = _number(connector.decode_objection(answer, objection, at))
        at = fresh()
        take("objection", "objection_state", connector.encode_objection_state(number, at), at, ObjectionState, number)
    if isinstance(connector, TakesTickets):
        at, conflict = fresh(), a_conflict(record_id)
        answer = take("handed on", "ticket", connector.encode_ticket(conflict, at), at, Event.ACCEPTED, conflict)
        number = _number(connector.decode_ticket(answer, conflict, at))
        at = fresh()
        take("ticket", "ticket_state", connector.encode_ticket_state(number, at), at, ConflictState, number)


def _number(verdict: Verdict) -> str:
    return verdict.receipt or "none"


# --- what is asked about, all of it synthetic ---

OBJECTOR, CONTACT = "示例申诉人", "13800000000"


def a_decision(at: Stamp) -> OwnDecision:
    """The first version of a credit record of the centre's own, decided on the day before the stamp's."""
    day = at.now.astimezone(CHINA).date() - timedelta(days=1)
    return OwnDecision(
        key="01D7EN6Q00000000000000ABCD",
        version=1,
        platform_record_id=None,
        event_type="CREATED",
        subject=Subject(type=SubjectType.PERSON, name="示例人员", id_type="111", id_number="370000198606186576"),
        category="BAD",
        credit_type="SD-P",
        credit_code="SD-P-03",
        content="买卖职业技能岗位证书",
        happen_date=day - timedelta(days=60),
        region="370100",
        authority="山东省建设从业人员教育中心",
        legal_basis="鲁建教函〔2019〕1号 六(三)",
        sanctions=(Sanction(type="M02", begin=day, end=day + timedelta(days=365)),),
        decision="记入诚信档案",
        decision_no="鲁建教决〔2019〕7号",
        decision_date=day,
        publish_begin=day + timedelta(days=1),
        publish_end=day + timedelta(days=366),
        notice_date=day - timedelta(days=12),
        heard=True,
        delivered_date=day,
        decision_digest="ab" * 32,
    )


def a_scan(mark: str = "") -> Scan:
    """A PDF of one empty page."""
    content = scans.pdf(mark)
    return Scan(media_type="application/pdf", digest=hashlib.sha256(content).hexdigest(), content=content)


def an_objection(record_id: str, version: int = 1, numbers: tuple[str, ...] = ()) -> Objection:
    """An objection to a credit record, with the platform's numbers of its scans."""
    return Objection(
        key="01D7EN6Q00000000000000ABCE",
        record_id=record_id,
        version=version,
        objector=OBJECTOR,
        contact=CONTACT,
        ground="合同真实有效",
        scans=numbers,
    )


def a_conflict(record_id: str) -> Conflict:
    """A ticket about a credit record."""
    return Conflict(
        number="T20190402-0001",
        kind=TicketKind.IDENTITY,
        record_id=record_id,
        event_id=None,
        description="同一证件号码对应两个姓名",
        proposed="请核对主体身份后更正",
    )


def a_result(at: Stamp, day: date) -> BookResult:
    """A day on which everything was equal."""
    return BookResult(day=day, started_at=at.now, finished_at=at.now, totals={"MATCH": 1}, items=(), closed=True)


# --- how an answer is read, and what follows from it ---


def read(connector: Connector, one: Recording, response: WireResponse) -> Any:
    """What the connector makes of an answer, behind the guard of the service."""
    return getattr(guarded(connector), f"decode_{one.call}")(response, *one.given, one.stamp)


def in_service(connector: Connector, one: Recording, response: WireResponse) -> Any:
    """The same after the judge that sees every answer first."""
    judged = judge_reply(response, connector.info, replay_safe=True, now=one.stamp.now)
    return read(connector, one, response) if judged is None else judged


def verdicts_in(result: Any) -> Sequence[Verdict]:
    """The verdicts that a result consists of; none where it is something better."""
    if isinstance(result, Verdict):
        return (result,)
    return [v for v in result if isinstance(v, Verdict)] if isinstance(result, (list, tuple)) else ()


def is_fault(result: Any) -> bool:
    """Whether the guard had to step in."""
    if isinstance(result, Health):
        return CONNECTOR_FAULT in result.detail
    return any(v.code == CONNECTOR_FAULT for v in verdicts_in(result))


def is_success(result: Any) -> bool:
    """Whether anything would follow from it: an acceptance, "not there", a page, a token; or a fault."""
    if isinstance(result, Health):
        return result.ok or is_fault(result)
    verdicts = verdicts_in(result)
    if not verdicts:
        return True
    wrong = {Event.ACCEPTED, Event.PENDING, Event.NOT_FOUND}
    return is_fault(result) or any(v.event in wrong for v in verdicts)


def has_meaning(result: Any, means: Event | type) -> bool:
    """Whether a result is what its recording says it must be."""
    if isinstance(means, Event):
        verdicts = verdicts_in(result)
        return bool(verdicts) and all(v.event is means for v in verdicts)
    return isinstance(result, means) and (not isinstance(result, Health) or result.ok)


def told(result: Any) -> str:
    """A result for a message: its verdicts, or its class; its content may be a person's."""
    verdicts = verdicts_in(result)
    if isinstance(result, Health):
        return f"Health(ok={result.ok}, {result.detail})"
    return ", ".join(f"{v.event} {v.code} {v.reason}" for v in verdicts) or type(result).__name__


def wire(request: WireRequest) -> tuple[object, ...]:
    """All of a request, headers in their order, for comparing it with another."""
    return request.operation, request.method, request.path, tuple(request.headers.items()), request.body


def _personal(record: Record) -> list[str]:
    """What of a record is a person's: number, name, telephone, and the certificate's number."""
    content = record.content
    if isinstance(content, StatusChange):
        content = content.certificate
    if isinstance(content, Withdrawal):
        content = content.content
    holder = content.holder if isinstance(content, Certificate) else content
    values = [holder.id_number, holder.name, holder.mobile or ""]
    if isinstance(content, Certificate):
        values.append(content.number)
    return [value for value in values if len(value) > 1]


def shown(value: object, record: Record) -> list[str]:
    """Which of a record's personal values stand in a text; the values themselves stay out of the message."""
    text = value if isinstance(value, str) else repr(value)
    return ["***" for one in _personal(record) if one in text]
