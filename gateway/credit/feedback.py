"""Credit feedback of one platform: pull its pages, apply each in one commit with its cursor, acknowledge what came.

Delivery is at least once on both sides. A page whose commit is lost comes again, and so is an acknowledgement sent
again whose answer is lost. Neither can apply an event twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from gateway.codec.redact import clean
from gateway.contract.connector import GivesFeedback
from gateway.contract.credit import CURSOR_EXPIRED, PublishesBooks
from gateway.contract.messages import FeedbackPage, Verdict
from gateway.credit.awaited import answer_awaited
from gateway.credit.books import load_snapshot
from gateway.credit.case_sending import send_cases
from gateway.credit.decision_sending import send_decisions
from gateway.credit.fetch import fill_gaps, react_to
from gateway.credit.rules.statements import AckCode
from gateway.credit.store import pages
from gateway.credit.store.acknowledgements import mark_sent, pending
from gateway.credit.store.pages import Applied
from gateway.credit.store.parties import learn_employers
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.rules.paging import STALLED
from gateway.domain.errors import ContractError
from gateway.domain.states import Event

_ACKS = 500
"""most acknowledgements in one call"""


@dataclass(kw_only=True)
class FeedbackReport:
    """What a pull did. ``pulled`` is the sum of what follows it down to ``deferred``; each finding is counted once.

    conflicts:   identity conflicts and version forks
    quarantined: version gaps, and findings with a flaw
    deferred:    behind a gap of their stream, or about subjects and certificates; nothing of them is in force
    released:    earlier findings that came into force
    fetched:     events that came to something when they were asked for by the id of their record
    voided:      certificates that lost their status
    decisions:   records of our own that the platform took
    objections:  objections that it took; ``objections_refused``: those it did not take, or of which nobody can tell
    tickets_told: tickets of ours that it took into its own work list
    acks_refused: acknowledgements the platform would not take; each has a ticket
    acks_again:  acknowledgements it had taken and still waits for
    missed:      events it waits for and does not give; each has a ticket
    stopped:     why the pull ended before the feed did, or the acknowledgements could not be sent
    """

    pulled: int = 0
    applied: int = 0
    stale: int = 0
    duplicates: int = 0
    unmatched: int = 0
    conflicts: int = 0
    quarantined: int = 0
    deferred: int = 0
    released: int = 0
    fetched: int = 0
    voided: int = 0
    decisions: int = 0
    objections: int = 0
    objections_refused: int = 0
    tickets_told: int = 0
    acks_sent: int = 0
    acks_refused: int = 0
    acks_again: int = 0
    missed: int = 0
    stopped: str | None = None

    def add(self, page: FeedbackPage, applied: Applied) -> None:
        """Count what became of one page."""
        codes = applied.codes
        self.pulled += len(page.findings)
        self.applied += codes[AckCode.APPLIED]
        self.stale += codes[AckCode.STALE]
        self.duplicates += codes[AckCode.DUPLICATE] + applied.repeats
        self.unmatched += codes[AckCode.ACCEPTED_UNMATCHED]
        self.conflicts += codes[AckCode.IDENTITY_CONFLICT] + codes[AckCode.VERSION_FORK]
        self.deferred += codes[AckCode.DEFERRED]
        self.quarantined += sum(codes[code] for code in _QUARANTINED)
        self.released += applied.released
        self.voided += applied.voided


_QUARANTINED = (
    AckCode.VERSION_GAP,
    AckCode.SCHEMA_INVALID,
    AckCode.SIGNATURE_INVALID,
    AckCode.UNAUTHORISED_SOURCE,
    AckCode.REJECTED_POLICY,
)


async def pull(exchanger: Exchanger) -> FeedbackReport:
    """Pull all pages there are, then send what is to be acknowledged, earlier leftovers included.

    Raises ContractError for a platform that gives no feedback.
    """
    connector = exchanger.connector
    if not isinstance(connector, GivesFeedback):
        raise ContractError(f"{exchanger.platform} gives no feedback")
    report = FeedbackReport()
    stop = await exchanger.gate.stopped()
    if stop is not None:
        report.stopped = stop.text
        return report
    while await exchanger.transact(learn_employers):
        pass
    report.released = await exchanger.transact(pages.rematch)
    report.decisions, trouble = await send_decisions(exchanger)
    trouble = trouble or await _pull_pages(exchanger, connector, report)
    if trouble is None or trouble.code in _OURS:
        fetched = await fill_gaps(exchanger)
        report.fetched = fetched.applied
        trouble = trouble or fetched.trouble
        await exchanger.transact(pages.watch_gaps)
        sent = await send_cases(exchanger)
        report.objections, report.objections_refused, report.tickets_told = sent.taken, sent.refused, sent.tickets
        trouble = trouble or sent.trouble
        refused = await _send_acks(exchanger, connector, report)
        if refused is None:
            awaited = await answer_awaited(exchanger, gap=trouble is _GAP)
            report.acks_again, report.missed = awaited.again, awaited.missed
            report.fetched += awaited.fetched
            refused = await _send_acks(exchanger, connector, report) or awaited.trouble
        trouble = trouble or refused
    report.stopped = None if trouble is None else clean(f"{trouble.code}: {trouble.reason}")
    return report


_GAP = Verdict(event=Event.RETRY, code="stream_gap", reason="events are missing in a stream; the cursor stays")
_MOVED = Verdict(event=Event.RETRY, code="cursor_moved", reason="another process pulls this feed")
_OURS = frozenset({_GAP.code, _MOVED.code}) | STALLED
"""reasons that do not keep us from talking to the platform"""


async def _pull_pages(exchanger: Exchanger, connector: GivesFeedback, report: FeedbackReport) -> Verdict | None:
    cursor, begun = await exchanger.query(pages.cursor_of), exchanger.edge.now()
    progress = exchanger.progress(cursor)
    while True:
        answer = await exchanger.ask("feedback", partial(connector.encode_feedback, cursor))
        if answer.response is None or answer.verdict is not None:
            return answer.verdict
        page = await exchanger.decoded(answer.response, connector.decode_feedback, answer.response, answer.stamp)
        if isinstance(page, Verdict):
            if page.code != CURSOR_EXPIRED or cursor is None or not isinstance(exchanger.connector, PublishesBooks):
                return await react_to(exchanger, page)
            snapshot = await load_snapshot(exchanger)
            if isinstance(snapshot, Verdict):
                return snapshot
            stalled = progress.after(answer.response, snapshot.cursor)
            if stalled is not None:
                return stalled
            await exchanger.transact(pages.move_cursor, snapshot.cursor)
            cursor = snapshot.cursor
            continue
        applied = await exchanger.transact(
            pages.apply_page, page, exchange_id=answer.exchange_id, raw=answer.response.body, cursor=cursor
        )
        if applied.moved:
            return _MOVED
        report.add(page, applied)
        if applied.gap:
            return _GAP
        if not page.has_more:
            await exchanger.transact(pages.note_read_through, begun)
            return None
        stalled = progress.after(answer.response, page.next_cursor)
        if stalled is not None:
            return stalled
        cursor = page.next_cursor


async def _send_acks(exchanger: Exchanger, connector: GivesFeedback, report: FeedbackReport) -> Verdict | None:
    while True:
        ids, acks = await exchanger.query(pending, _ACKS)
        if not ids:
            return None
        answer = await exchanger.ask("feedback_ack", partial(connector.encode_feedback_acks, acks))
        if answer.response is None or answer.verdict is not None:
            return answer.verdict
        verdict = connector.decode_feedback_acks(answer.response, acks, answer.stamp)
        refused = {ack.event_id for ack in acks}.intersection(verdict.fields)
        if verdict.event is not Event.ACCEPTED and not (verdict.event is Event.REJECTED and refused):
            return await react_to(exchanger, verdict)
        await exchanger.transact(mark_sent, ids, refused)
        report.acks_sent += len(acks) - len(refused)
        report.acks_refused += len(refused)
