"""Sends objections with their scans, and tickets, to a platform, and asks how those it has stand.

A message's id is kept before it leaves, so that a repeat after a lost answer or a kill is the same message. One that
the platform need no longer know by its id is not sent again: a person asks there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar

from gateway.codec.redact import clean
from gateway.contract.desk import Conflict, DeskTerms, Objection, TakesObjections, TakesScans, TakesTickets
from gateway.contract.messages import Stamp, Verdict, WireRequest, WireResponse
from gateway.credit.fetch import fetch_versions, react_to
from gateway.credit.rules.objections import ANSWERED, Fate, ObjectionPhase, fate_of
from gateway.credit.rules.tickets import CONFLICTS
from gateway.credit.store import objections, ticket_messages
from gateway.credit.store.objections import ObjectionRow, Words
from gateway.credit.store.scans import ScanRow, mark_scan_taken, mark_scan_tried, scans_of
from gateway.credit.store.ticket_messages import UnsentTicket
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.rules.work import Conclusion
from gateway.domain.states import Event

_MOST = 100
"""of each kind in one run; the next one goes on"""
T = TypeVar("T")
"""one of what is to be done"""
F = TypeVar("F")
"""what an answer says"""
_TOO_OLD = Verdict(
    event=Event.UNKNOWN, code="too_old", reason="first sent so long ago that the platform might take it twice"
)
_SCAN_GONE = Verdict(event=Event.UNKNOWN, code="scan_gone", reason="a scan's bytes are no longer kept: enter it again")


@dataclass(kw_only=True)
class SentCases:
    """What was sent: objections ``taken``, and those ``refused`` or of which nobody can tell; ``tickets`` taken."""

    taken: int = 0
    refused: int = 0
    tickets: int = 0
    trouble: Verdict | None = None


async def send_cases(exchanger: Exchanger) -> SentCases:
    """Send objections with their scans and tickets, and ask about both where it is time."""
    sending = _Sending(exchanger=exchanger)
    connector = exchanger.connector
    if isinstance(connector, TakesObjections):
        await sending.objections(connector)
    if isinstance(connector, TakesTickets):
        await sending.tickets(connector)
    return sending.done


@dataclass(kw_only=True)
class _Sending:
    """One run. Once the platform cannot be reached nothing more is tried in it."""

    exchanger: Exchanger
    done: SentCases = field(default_factory=SentCases)
    reached: bool = True

    async def objections(self, connector: TakesObjections) -> None:
        """What the feed says counts first; an end that only an answer gave is looked up in the record's versions."""
        exchanger = self.exchanger
        await exchanger.transact(objections.apply_feed_events)
        await self._each(await exchanger.query(objections.waiting, _MOST), partial(self._send_objection, connector))
        ended: list[str] = []
        await self._each(
            await exchanger.query(objections.to_ask, _MOST), partial(self._ask_objection, connector, ended)
        )
        if ended and self.reached:
            fetched = await fetch_versions(exchanger, ended)
            self.done.trouble = self.done.trouble or fetched.trouble
            await exchanger.transact(objections.apply_feed_events)

    async def tickets(self, connector: TakesTickets) -> None:
        """Only kinds that were agreed; a ticket that is closed here is not asked about any more."""
        query = self.exchanger.query
        unsent = await query(ticket_messages.unsent, connector.desk.tickets, _MOST)
        await self._each(unsent, partial(self._send_ticket, connector))
        await self._each(await query(ticket_messages.to_ask, _MOST), partial(self._ask_ticket, connector))

    async def _send_objection(self, connector: TakesObjections, waiting: tuple[ObjectionRow, Words]) -> Verdict | None:
        row, words = waiting
        numbers: list[str] = []
        for scan in await self.exchanger.query(scans_of, row.id):
            verdict = await self._send_scan(connector, scan)
            if fate_of(verdict.event, verdict.receipt) is not Fate.TAKEN:
                return await self._not_taken(row, words, verdict)
            numbers.append(verdict.receipt or "")
        if self._is_too_old(row.tried_at, connector.desk):
            return await self._not_taken(row, words, _TOO_OLD)
        objection = Objection(
            key=row.key,
            record_id=row.record_id,
            version=row.version,
            objector=words.objector,
            contact=words.contact,
            ground=words.ground,
            scans=tuple(numbers),
        )
        await self.exchanger.transact(objections.mark_tried, row)
        verdict = await self._exchange(
            "objection",
            partial(connector.encode_objection, objection),
            lambda response, stamp: connector.decode_objection(response, objection, stamp),
            row.message_id,
        )
        if fate_of(verdict.event, verdict.receipt) is not Fate.TAKEN:
            return await self._not_taken(row, words, verdict)
        await self.exchanger.transact(objections.mark_taken, row, verdict.receipt or "", connector.desk.asking)
        self.done.taken += 1
        return None

    async def _send_scan(self, connector: TakesObjections, row: ScanRow) -> Verdict:
        """``accepted`` with the platform's number, of a scan that it has had before as well."""
        scan = row.scan
        if row.number is not None:
            return Verdict(event=Event.ACCEPTED, code="", receipt=row.number)
        if scan is None or not isinstance(connector, TakesScans):
            return _SCAN_GONE
        if self._is_too_old(row.tried_at, connector.desk):
            return _TOO_OLD
        takes: TakesScans = connector
        await self.exchanger.transact(mark_scan_tried, row)
        verdict = await self._exchange(
            "scan",
            partial(takes.encode_scan, scan),
            lambda response, stamp: takes.decode_scan(response, scan, stamp),
            row.message_id,
        )
        if fate_of(verdict.event, verdict.receipt) is Fate.TAKEN:
            await self.exchanger.transact(mark_scan_taken, row, verdict.receipt or "")
        return verdict

    async def _not_taken(self, row: ObjectionRow, words: Words, verdict: Verdict) -> Verdict | None:
        fate = fate_of(verdict.event, verdict.receipt)
        if fate is Fate.LATER:
            return verdict
        state = ObjectionPhase.REFUSED if fate is Fate.REFUSED else ObjectionPhase.UNCLEAR
        answer = ", ".join((verdict.reason, *verdict.fields))
        reason = clean(answer, words.objector, words.contact, words.ground)
        await self.exchanger.transact(objections.mark_not_taken, row, state, code=verdict.code, reason=reason)
        self.done.refused += 1
        return None

    async def _ask_objection(self, connector: TakesObjections, ended: list[str], row: ObjectionRow) -> Verdict | None:
        number = row.number or ""
        found = await self._exchange(
            "objection_state",
            partial(connector.encode_objection_state, number),
            lambda response, stamp: connector.decode_objection_state(response, number, stamp),
        )
        if isinstance(found, Verdict) and fate_of(found.event, None) is Fate.LATER:
            return found
        answer = found.code if isinstance(found, Verdict) else found
        after = await self.exchanger.transact(objections.keep_state, row, answer, connector.desk.asking)
        if after in ANSWERED and after is not ObjectionPhase.REJECTED:
            ended.append(row.record_id)
        return None

    async def _send_ticket(self, connector: TakesTickets, about: UnsentTicket) -> Verdict | None:
        transact, new_id = self.exchanger.transact, self.exchanger.edge.new_id
        message_id, tried_at = await transact(ticket_messages.begin_sending, about, new_id)
        if self._is_too_old(tried_at, connector.desk):
            await transact(ticket_messages.mark_not_taken, about, _TOO_OLD.code)
            return None
        description, proposed = CONFLICTS[about.kind]
        conflict = Conflict(
            number=about.number,
            kind=about.kind,
            record_id=about.record_id,
            event_id=about.event_id,
            description=f"{description}（本方工单 {about.number}）",
            proposed=proposed,
        )
        verdict = await self._exchange(
            "ticket",
            partial(connector.encode_ticket, conflict),
            lambda response, stamp: connector.decode_ticket(response, conflict, stamp),
            message_id,
        )
        fate = fate_of(verdict.event, verdict.receipt)
        if fate is Fate.LATER:
            return verdict
        if fate is Fate.TAKEN:
            await transact(ticket_messages.mark_taken, about, verdict.receipt or "", connector.desk.asking)
            self.done.tickets += 1
        else:
            await transact(ticket_messages.mark_not_taken, about, verdict.code)
        return None

    async def _ask_ticket(self, connector: TakesTickets, number: str) -> Verdict | None:
        found = await self._exchange(
            "ticket_state",
            partial(connector.encode_ticket_state, number),
            lambda response, stamp: connector.decode_ticket_state(response, number, stamp),
        )
        if isinstance(found, Verdict) and fate_of(found.event, None) is Fate.LATER:
            return found
        answer = found.code if isinstance(found, Verdict) else found
        await self.exchanger.transact(ticket_messages.keep_state, number, answer, connector.desk.asking)
        return None

    async def _each(self, items: Iterable[T], work: Callable[[T], Awaitable[Verdict | None]]) -> None:
        """One that has to be tried later does not keep the others back."""
        for item in items:
            if not self.reached:
                return
            trouble = await work(item)
            self.done.trouble = self.done.trouble or trouble

    async def _exchange(
        self,
        purpose: str,
        encode: Callable[[Stamp], WireRequest],
        decode: Callable[[WireResponse, Stamp], F],
        message_id: str | None = None,
    ) -> F | Verdict:
        answer = await self.exchanger.exchange(purpose, encode, replay_safe=True, message_id=message_id)
        if answer.closing is not None:
            await self.exchanger.conclude(Conclusion(closing=answer.closing))
        if answer.response is None or answer.verdict is not None:
            assert answer.verdict is not None
            self.reached = answer.response is not None
            return await react_to(self.exchanger, answer.verdict)
        found = decode(answer.response, answer.stamp)
        return await react_to(self.exchanger, found) if isinstance(found, Verdict) else found

    def _is_too_old(self, tried_at: datetime | None, terms: DeskTerms) -> bool:
        return tried_at is not None and self.exchanger.edge.now() - tried_at > terms.remembered
