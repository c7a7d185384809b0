"""Ask a platform what it holds of everything an older ledger would send, before anything is sent from it.

What arrived in this or a newer version is adopted with the platform's answer as its proof; what is not there, or is
there in an older version of ours, is left to be sent; what nothing here knows of is parked with a ticket and never
overwritten. A run may end at any point: the ledger knows what was asked since the store was restored.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.codec.redact import clean
from gateway.contract.connector import HoldingsBy, ListsHoldings, LooksUp
from gateway.contract.messages import Payload, Verdict
from gateway.credit.store.acknowledgements import open_new, open_tickets
from gateway.delivery.acknowledge import look_up
from gateway.delivery.exchanger import Exchanger, conclude, with_attempts
from gateway.delivery.push import owe_now, prepare, sweep
from gateway.delivery.reconcile import Theirs, read_pages
from gateway.delivery.rules.outcome import names_in
from gateway.delivery.rules.recovery import HeldVersion, after_recovery, held_by, held_with_older, is_newer, is_other
from gateway.delivery.rules.work import Answer, Claimed, Conclusion, Settlement
from gateway.delivery.store import platforms, recovering, settlement
from gateway.domain.states import Event, State
from gateway.domain.ticket_kinds import TicketKind
from gateway.domain.traffic import stop_of
from gateway.store.engine import Connection
from gateway.store.processes import myself
from gateway.store.scope import Scope
from gateway.store.vault import Vault

_PAGE = 500


@dataclass(kw_only=True)
class RecoverReport:
    """Counts of one run over one platform; ``stopped`` says why it ended early."""

    platform: str
    to_ask: int = 0
    asked: int = 0
    adopted: int = 0
    """there as ours: accepted, with the answer as its proof"""
    overtaken: int = 0
    """a newer version of ours is there"""
    to_send: int = 0
    """not there, or there in an older version of ours"""
    parked: int = 0
    """left to a person"""
    refused: int = 0
    """does not pass the platform's rules, so it was never sent"""
    unsure: int = 0
    """the platform gave no answer that settles it: run again"""
    compared: int = 0
    """acceptances of this ledger"""
    tickets: int = 0
    """opened by this run"""
    left: int = 0
    """still to be asked about"""
    done: bool = False
    stopped: str | None = None

    @property
    def needs_person(self) -> bool:
        """Whether it cannot simply go on."""
        return not self.done or bool(self.stopped or self.parked or self.tickets)


async def recover(
    exchanger: Exchanger,
    *,
    lease: timedelta = timedelta(minutes=5),
    progress: Callable[[RecoverReport], None] = lambda _: None,
) -> RecoverReport:
    """Ask about all that could have left and compare what was accepted; sends nothing that changes anything there."""
    report = RecoverReport(platform=exchanger.platform)
    known = await exchanger.thread.read(recovering.standing, exchanger.platform)
    held = await exchanger.thread.read(recovering.restored, exchanger.edge.now())
    if known is None or exchanger.platform not in held:
        report.done = True
        return report
    await sweep(exchanger, lease)
    await owe_now(exchanger)
    run = _Recovery(exchanger=exchanger, report=report, lease=lease, progress=progress)
    await run.settle_down(known.since)
    groups = await exchanger.thread.read(recovering.to_ask, exchanger.platform)
    report.to_ask = sum(map(len, groups))
    if await run.read_listing():
        await run.over(groups)
    if report.stopped is None:
        await run.compare_accepted(known.accepted_up_to)
    report.left = await exchanger.thread.read(recovering.left_to_ask, exchanger.platform)
    if report.stopped is None and not report.left:
        report.done = True
        await exchanger.thread.write(recovering.done, exchanger.platform, exchanger.edge.now())
    return report


@dataclass(kw_only=True)
class _Recovery:
    """One run over one platform."""

    exchanger: Exchanger
    report: RecoverReport
    lease: timedelta
    progress: Callable[[RecoverReport], None]
    theirs: Theirs | None = None
    """what the platform lists page by page; None where it lists nothing so"""

    async def settle_down(self, since: datetime) -> None:
        """Wait until what was sent just before the store was restored has come to rest at the platform."""
        wait = since + (self.exchanger.info.lookups.wait(1) or timedelta()) - self.exchanger.edge.now()
        if wait > timedelta():
            await self.exchanger.edge.sleep(wait.total_seconds())

    async def read_listing(self) -> bool:
        """Read what the platform lists page by page, if it does; False where it would not show it."""
        connector = self.exchanger.connector
        if not isinstance(connector, ListsHoldings) or self.exchanger.info.holdings_by is not HoldingsBy.PAGE:
            return True
        if await self._stopped():
            return False
        theirs: Theirs = defaultdict(list)
        trouble = await read_pages(self.exchanger, connector, theirs, anyway=True)
        if trouble is not None:
            self.report.stopped = f"{trouble.code}: {trouble.reason}"
            return False
        self.theirs = theirs
        return True

    async def over(self, groups: Sequence[Sequence[int]]) -> None:
        """Ask about all, several records at once, of each record the newest version first."""
        queue = iter(groups)

        async def work() -> None:
            for group in queue:
                if self.report.stopped is not None or await self._stopped():
                    return
                await self._record(group)
                self.progress(self.report)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(self.exchanger.connector.endpoint.pace.connections):
                tasks.create_task(work())

    async def _record(self, newest_first: Sequence[int]) -> None:
        """One record: once a version is there as ours, what is older needs no question."""
        there = False
        for number in newest_first:
            claimed = await self.exchanger.thread.write(
                recovering.claim_to_ask,
                self.exchanger.thread.store.vault,
                number,
                now=self.exchanger.edge.now(),
                lease=self.lease,
                owner=myself(),
            )
            if claimed is None:
                continue
            item, before = claimed
            if there:
                await self.exchanger.thread.write(recovering.overtake, item, self.exchanger.edge.now())
                self.report.overtaken += 1
            else:
                there = await self._one(item, before)
            if self.report.stopped is not None:
                return

    async def _one(self, item: Claimed, before: State) -> bool:
        """Ask about one delivery and settle it; whether the platform holds it as ours."""
        connector = self.exchanger.connector
        good, refused = prepare(self.exchanger, [item])
        if refused:
            await self._settle(refused)
            self.report.refused += 1
            return False
        if not isinstance(connector, LooksUp):
            reason = "the platform cannot be asked what it holds, and the store is an older one than was in use"
            await self._park(item, Verdict(event=Event.EXHAUSTED, code="cannot_ask", reason=reason))
            return False
        payload = good[0][1]
        answer, verdicts = await look_up(self.exchanger, connector, [item], payload, anyway=True)
        if answer.stop is not None or answer.closing is None:
            self.report.stopped = answer.stop.text if answer.stop else _text(answer.verdict)
            await self._settle([_settlement(self.exchanger, item, Event.IN_DOUBT, _no_answer(answer))])
            return False
        self.report.asked += 1
        verdict = replace(verdicts[0], reason=clean(verdicts[0].reason, *names_in([item]))[:1000])
        held = held_by(verdict)
        tried = with_attempts([item], answer)[0]
        if held is HeldVersion.OURS:
            event, kept = after_recovery(verdict, held, before)
            await conclude(self.exchanger, answer, verdicts, [_settlement(self.exchanger, tried, event, kept)])
            self.report.adopted += 1
            if self._newer(payload):
                await self._ticket([item])
            return True
        # the answer says nothing final about the delivery, which stays leased until the older versions were asked for
        await self.exchanger.conclude(Conclusion(closing=answer.closing))
        self.exchanger.forget_token(verdict)
        if held in (HeldVersion.NOTHING, HeldVersion.OTHER):
            held = (
                HeldVersion.OTHER if self._newer(payload) else held_with_older(held, await self._older(connector, item))
            )
        if verdict.event is Event.HOLD:
            await self.exchanger.hold(verdict)
            self.report.stopped = _text(verdict)
        event, kept = after_recovery(verdict, held, before)
        await self._settle([_settlement(self.exchanger, tried, event, kept)])
        self.report.unsure += held is HeldVersion.UNSURE
        self.report.to_send += event is Event.NOT_FOUND
        self.report.parked += event in (Event.CONFLICT, Event.EXHAUSTED)
        if held is HeldVersion.OTHER:
            await self._ticket([item])
        return False

    async def _older(self, connector: LooksUp, item: Claimed) -> list[HeldVersion]:
        """What the platform says of older versions of ours, the newest first, until one answer settles it."""
        found: list[HeldVersion] = []
        vault = self.exchanger.thread.store.vault
        for older in await self.exchanger.thread.read(recovering.older_of, vault, item, self.exchanger.platform):
            assert older.payload is not None
            found.append(await self._ask(connector, older.payload))
            if found[-1] is not HeldVersion.NOTHING:
                break
        return found

    async def _ask(self, connector: LooksUp, payload: Payload) -> HeldVersion:
        """Ask about a payload; the answer settles nothing."""
        answer, verdicts = await look_up(self.exchanger, connector, (), payload, anyway=True)
        if answer.stop is not None or answer.closing is None:
            self.report.stopped = answer.stop.text if answer.stop else _text(answer.verdict)
            return HeldVersion.UNSURE
        await self.exchanger.conclude(Conclusion(closing=answer.closing))
        self.exchanger.forget_token(verdicts[0])
        self.report.asked += 1
        return held_by(verdicts[0])

    def _newer(self, payload: Payload) -> bool:
        connector = self.exchanger.connector
        if self.theirs is None or not isinstance(connector, ListsHoldings):
            return False
        expected = connector.expected(payload)
        return is_newer(expected, self.theirs.get((expected.kind, expected.key), ()))

    async def compare_accepted(self, after: int) -> None:
        """Look for what the platform holds instead of what this ledger last saw it accept."""
        vault, platform = self.exchanger.thread.store.vault, self.exchanger.platform
        while page := await self.exchanger.thread.read(recovering.page_of_accepted, vault, platform, after, _PAGE):
            queue, unknown = iter(page), list[Claimed]()

            async def work(queue: Iterator[Claimed] = queue, unknown: list[Claimed] = unknown) -> None:
                for item in queue:
                    if self.report.stopped is not None or await self._stopped():
                        return
                    if await self._is_other(item):
                        unknown.append(item)
                    self.report.compared += 1

            async with asyncio.TaskGroup() as tasks:
                for _ in range(self.exchanger.connector.endpoint.pace.connections):
                    tasks.create_task(work())
            await self._ticket(unknown)
            self.progress(self.report)
            if self.report.stopped is not None:
                return
            after = page[-1].id
            await self.exchanger.thread.write(recovering.compared, platform, after)

    async def _is_other(self, item: Claimed) -> bool:
        connector, payload = self.exchanger.connector, item.payload
        assert payload is not None
        if self.theirs is not None and isinstance(connector, ListsHoldings):
            expected = connector.expected(payload)
            return is_other(expected, self.theirs.get((expected.kind, expected.key), ()))
        return isinstance(connector, LooksUp) and await self._ask(connector, payload) is HeldVersion.OTHER

    async def _stopped(self) -> bool:
        """Whether something but the hold of the restored store stands in the way."""
        exchanger = self.exchanger
        now = exchanger.edge.now()
        known = await exchanger.thread.read(platforms.standing, exchanger.platform, now)
        if known.pause is not None and known.pause.code == recovering.RESTORED:
            known = replace(known, pause=None)
        stop = stop_of(known, exchanger.connector.endpoint.traffic, now)
        if stop is not None and not await exchanger.gate.waited_out(stop):
            self.report.stopped = stop.text
        return self.report.stopped is not None

    async def _park(self, item: Claimed, verdict: Verdict) -> None:
        await self._settle([_settlement(self.exchanger, item, Event.EXHAUSTED, verdict)])
        self.report.parked += 1
        await self._ticket([item])

    async def _settle(self, settlements: Sequence[Settlement]) -> None:
        await self.exchanger.thread.write(
            settlement.settle, settlements, self.exchanger.platform, self.exchanger.edge.now()
        )

    async def _ticket(self, items: Sequence[Claimed]) -> None:
        if items:
            vault, now = self.exchanger.thread.store.vault, self.exchanger.edge.now()
            opened = await self.exchanger.thread.write(_open_tickets, vault, self.exchanger.platform, items, now)
            self.report.tickets += opened


def _open_tickets(connection: Connection, vault: Vault, platform: str, items: Sequence[Claimed], now: datetime) -> int:
    at = Scope(connection=connection, vault=vault, platform=platform, at=now)
    wanted: dict[tuple[str, str], str | None] = {
        (item.record.key, str(TicketKind.RESTORED)): f"{item.record.key}/{item.record.version}" for item in items
    }
    return len(open_new(at, wanted, open_tickets(at, [key for key, _ in wanted])))


def _settlement(exchanger: Exchanger, item: Claimed, event: Event, verdict: Verdict) -> Settlement:
    return Settlement(
        claimed=item,
        event=event,
        verdict=verdict,
        due_at=exchanger.edge.now(),
        polls=item.polls,
        lookups=item.lookups,
        negatives=0,
        keep_message=event is Event.IN_DOUBT,
    )


def _no_answer(answer: Answer) -> Verdict:
    verdict = answer.verdict or Verdict(event=Event.RETRY, code="no_answer")
    return replace(verdict, event=Event.IN_DOUBT)


def _text(verdict: Verdict | None) -> str:
    return "no answer" if verdict is None else f"{verdict.code}: {verdict.reason}"
