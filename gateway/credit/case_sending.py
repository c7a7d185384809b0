"""At a platform's desk, once for each pull of feedback: hand in what waits, and ask how the rest stands.

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
from gateway.credit.fetch import Desk, fetch_versions, heed
from gateway.credit.rules.objections import ANSWERED, Fate, State, fate_of
from gateway.credit.rules.tickets import CONFLICTS
from gateway.credit.shelf import Shelf
from gateway.credit.store.objections import ObjectionRow, Words
from gateway.credit.store.scans import ScanRow
from gateway.credit.store.ticket_messages import Untold
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.rules.work import Conclusion
from gateway.domain.states import Event
from gateway.store.engine import Store

T = TypeVar("T")
"""one of what is to be done"""
F = TypeVar("F")
"""what an answer says"""
_TOO_OLD = Verdict(
    event=Event.UNKNOWN, code="too_old", reason="first sent so long ago that the platform might take it twice"
)
_SCAN_GONE = Verdict(event=Event.UNKNOWN, code="scan_gone", reason="a scan's bytes are no longer kept: enter it again")


@dataclass(kw_only=True)
class Visit:
    """What a visit did. ``refused``: objections that the platform did not take, or of which nobody can tell."""

    taken: int = 0
    refused: int = 0
    told: int = 0
    trouble: Verdict | None = None


async def visit(exchanger: Exchanger, store: Store, now: Callable[[], datetime]) -> Visit:
    """Hand in objections with their scans, tell of tickets, and ask about both where it is time."""
    at_desk = _AtDesk(exchanger=exchanger, shelf=Shelf(store=store, platform=exchanger.platform, now=now))
    connector = exchanger.connector
    if isinstance(connector, TakesObjections):
        await at_desk.objections(connector)
    if isinstance(connector, TakesTickets):
        await at_desk.tickets(connector)
    return at_desk.done


@dataclass(kw_only=True)
class _AtDesk:
    """One visit. Once the platform cannot be reached nothing more is tried in it."""

    exchanger: Exchanger
    shelf: Shelf
    done: Visit = field(default_factory=Visit)
    reached: bool = True

    async def objections(self, connector: TakesObjections) -> None:
        """What the feed told counts first; an end that only an answer told is looked up in the record's versions."""
        in_store, shelf = self.exchanger.in_store, self.shelf
        await in_store(shelf.hear)
        await self._each(await in_store(shelf.waiting), partial(self._hand_in, connector))
        ended: list[str] = []
        await self._each(await in_store(shelf.to_ask), partial(self._ask, connector, ended))
        if ended and self.reached:
            desk = Desk(store=shelf.store, platform=shelf.platform, now=shelf.now)
            fetched = await fetch_versions(self.exchanger, desk, ended)
            self.done.trouble = self.done.trouble or fetched.trouble
            await in_store(shelf.hear)

    async def tickets(self, connector: TakesTickets) -> None:
        """Only kinds that were agreed; a ticket that is closed here is not asked about any more."""
        in_store, shelf = self.exchanger.in_store, self.shelf
        await self._each(await in_store(shelf.untold, connector.desk), partial(self._tell, connector))
        await self._each(await in_store(shelf.tickets_to_ask), partial(self._ask_ticket, connector))

    async def _hand_in(self, connector: TakesObjections, one: tuple[ObjectionRow, Words]) -> Verdict | None:
        row, words = one
        numbers: list[str] = []
        for scan in await self.exchanger.in_store(self.shelf.scans_of, row):
            verdict = await self._scan(connector, scan)
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
        await self.exchanger.in_store(self.shelf.trying, row)
        verdict = await self._say(
            "objection",
            partial(connector.encode_objection, objection),
            lambda response, stamp: connector.decode_objection(response, objection, stamp),
            row.message_id,
        )
        if fate_of(verdict.event, verdict.receipt) is not Fate.TAKEN:
            return await self._not_taken(row, words, verdict)
        await self.exchanger.in_store(self.shelf.taken, row, verdict.receipt or "", connector.desk)
        self.done.taken += 1
        return None

    async def _scan(self, connector: TakesObjections, row: ScanRow) -> Verdict:
        """``accepted`` with the platform's number, of a scan that it has had before as well."""
        scan = row.scan
        if row.number is not None:
            return Verdict(event=Event.ACCEPTED, code="", receipt=row.number)
        if scan is None or not isinstance(connector, TakesScans):
            return _SCAN_GONE
        if self._is_too_old(row.tried_at, connector.desk):
            return _TOO_OLD
        takes: TakesScans = connector
        await self.exchanger.in_store(self.shelf.trying_scan, row)
        verdict = await self._say(
            "scan",
            partial(takes.encode_scan, scan),
            lambda response, stamp: takes.decode_scan(response, scan, stamp),
            row.message_id,
        )
        if fate_of(verdict.event, verdict.receipt) is Fate.TAKEN:
            await self.exchanger.in_store(self.shelf.scan_taken, row, verdict.receipt or "")
        return verdict

    async def _not_taken(self, row: ObjectionRow, words: Words, verdict: Verdict) -> Verdict | None:
        fate = fate_of(verdict.event, verdict.receipt)
        if fate is Fate.LATER:
            return verdict
        state = State.REFUSED if fate is Fate.REFUSED else State.UNCLEAR
        said = ", ".join((verdict.reason, *verdict.fields))
        reason = clean(said, words.objector, words.contact, words.ground)
        await self.exchanger.in_store(self.shelf.not_taken, row, state, verdict.code, reason)
        self.done.refused += 1
        return None

    async def _ask(self, connector: TakesObjections, ended: list[str], row: ObjectionRow) -> Verdict | None:
        number = row.number or ""
        found = await self._say(
            "objection_state",
            partial(connector.encode_objection_state, number),
            lambda response, stamp: connector.decode_objection_state(response, number, stamp),
        )
        if isinstance(found, Verdict) and fate_of(found.event, None) is Fate.LATER:
            return found
        said = found.code if isinstance(found, Verdict) else found
        after = await self.exchanger.in_store(self.shelf.answered, row, said, connector.desk)
        if after in ANSWERED and after is not State.REJECTED:
            ended.append(row.record_id)
        return None

    async def _tell(self, connector: TakesTickets, about: Untold) -> Verdict | None:
        in_store, shelf = self.exchanger.in_store, self.shelf
        message_id, tried_at = await in_store(shelf.telling, about, self.exchanger.edge.new_id)
        if self._is_too_old(tried_at, connector.desk):
            await in_store(shelf.ticket_not_taken, about, _TOO_OLD.code)
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
        verdict = await self._say(
            "ticket",
            partial(connector.encode_ticket, conflict),
            lambda response, stamp: connector.decode_ticket(response, conflict, stamp),
            message_id,
        )
        fate = fate_of(verdict.event, verdict.receipt)
        if fate is Fate.LATER:
            return verdict
        if fate is Fate.TAKEN:
            await in_store(shelf.ticket_taken, about, verdict.receipt or "", connector.desk)
            self.done.told += 1
        else:
            await in_store(shelf.ticket_not_taken, about, verdict.code)
        return None

    async def _ask_ticket(self, connector: TakesTickets, number: str) -> Verdict | None:
        found = await self._say(
            "ticket_state",
            partial(connector.encode_ticket_state, number),
            lambda response, stamp: connector.decode_ticket_state(response, number, stamp),
        )
        if isinstance(found, Verdict) and fate_of(found.event, None) is Fate.LATER:
            return found
        said = found.code if isinstance(found, Verdict) else found
        await self.exchanger.in_store(self.shelf.ticket_answered, number, said, connector.desk)
        return None

    async def _each(self, items: Iterable[T], work: Callable[[T], Awaitable[Verdict | None]]) -> None:
        """One that has to be tried later does not keep the others back."""
        for item in items:
            if not self.reached:
                return
            trouble = await work(item)
            self.done.trouble = self.done.trouble or trouble

    async def _say(
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
            return await heed(self.exchanger, answer.verdict)
        found = decode(answer.response, answer.stamp)
        return await heed(self.exchanger, found) if isinstance(found, Verdict) else found

    def _is_too_old(self, tried_at: datetime | None, terms: DeskTerms) -> bool:
        return tried_at is not None and self.shelf.now() - tried_at > terms.remembered
