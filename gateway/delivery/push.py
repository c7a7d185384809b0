"""Send what is due to one platform: claim, map, check, encode, commit, send, judge, settle.

Chunks are claimed and settled in bulk; several requests travel at once. A worker that dies leaves its leases behind,
and the next run takes them back first. Whatever left this machine was written down before.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.contract.connector import ConnectorInfo, SizesMessages
from gateway.contract.messages import Payload
from gateway.delivery.connector_guard import checked
from gateway.delivery.exchanger import (
    Concluding,
    Exchanger,
    blameless,
    conclude,
    conclusion,
    verdicts_of,
    with_attempts,
)
from gateway.delivery.rules.outcome import after_push, names_in, refused_here
from gateway.delivery.rules.work import Claimed, Message, Settlement, messages
from gateway.delivery.store import ledger, owing, platforms, settlement
from gateway.delivery.system import CrashPoint
from gateway.domain.china import CHINA
from gateway.domain.records import Submission
from gateway.domain.states import Event, State
from gateway.domain.traffic import KEPT_BACK, Stop
from gateway.store.engine import Connection
from gateway.store.metadata import chunks
from gateway.store.processes import is_dead, myself

_AT_ONCE = 20
"""records that are mapped and checked before the answers that came meanwhile have their turn"""


@dataclass(kw_only=True)
class PushReport:
    """Counts of one push run; ``stopped`` says why it ended before everything due was sent."""

    platform: str
    claimed: int = 0
    sent: int = 0
    exchanges: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    swept: int = 0
    stopped: str | None = None

    @property
    def nothing_arrived(self) -> bool:
        """Whether something was due and the platform answered none of it."""
        answered = (event for event in self.outcomes if event not in (Event.RETRY, Event.IN_DOUBT))
        return self.claimed > 0 and not any(self.outcomes[event] for event in answered)


Progress = Callable[[PushReport], None]


async def push(
    exchanger: Exchanger,
    *,
    claim_limit: int = 500,
    lease: timedelta = timedelta(minutes=5),
    limit: int | None = None,
    progress: Progress = lambda _: None,
) -> PushReport:
    """Send what is due now, at most ``limit`` deliveries; returns when nothing is due or the platform is held."""
    report = PushReport(platform=exchanger.platform)
    report.swept = await sweep(exchanger, lease)
    await owe_now(exchanger)
    in_flight = exchanger.gate.in_flight
    queue: asyncio.Queue[Message | None] = asyncio.Queue(maxsize=2 * in_flight)
    run = _Run(exchanger=exchanger, report=report, queue=queue, progress=progress)
    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(run.work())
        await run.feed(_claim_size(exchanger, claim_limit, lease), lease, limit)
        for _ in range(in_flight):
            await queue.put(None)
    if run.held and report.stopped is None:
        stop = await exchanger.gate.stopped()
        report.stopped = None if stop is None else stop.text
    return report


@dataclass(kw_only=True)
class _Run:
    """One push run: a feeder claims and prepares while workers send what it puts into the queue."""

    exchanger: Exchanger
    report: PushReport
    queue: asyncio.Queue[Message | None]
    progress: Progress
    held: bool = False

    async def feed(self, claim_limit: int, lease: timedelta, limit: int | None) -> None:
        """Claim until nothing is due, the limit is reached or something stands in the way.

        A platform that did not answer gets one delivery; the rest follows when that one was answered.
        """
        while not self.held and (limit is None or self.report.claimed < limit):
            stop = await self.exchanger.gate.stopped()
            if stop is not None:
                self.report.stopped = stop.text
                return
            want = claim_limit if limit is None else min(claim_limit, limit - self.report.claimed)
            trying = await self.exchanger.gate.trying()
            claimed = await claim(self.exchanger, State.QUEUED, 1 if trying else want, lease)
            if not claimed:
                return
            self.report.claimed += len(claimed)
            good, refused = await self._prepared(claimed)
            if refused:
                now = self.exchanger.edge.now()
                await self.exchanger.thread.write(settlement.settle, refused, self.exchanger.platform, now)
                self.report.outcomes.update(s.event for s in refused)
            connector = self.exchanger.connector
            most = connector.most_together if isinstance(connector, SizesMessages) else None
            for message in messages(self.exchanger.info, good, most=most):
                await self.queue.put(message)
            if trying:
                await self.queue.join()

    async def _prepared(self, claimed: Sequence[Claimed]) -> tuple[list[tuple[Claimed, Payload]], list[Settlement]]:
        good: list[tuple[Claimed, Payload]] = []
        refused: list[Settlement] = []
        for part in chunks(claimed, _AT_ONCE):
            fit, unfit = prepare(self.exchanger, part)
            good += fit
            refused += unfit
            await asyncio.sleep(0)
        return good, refused

    async def work(self) -> None:
        """Send messages until the feeder is done; after something came in the way, give back what is left.

        The end of a message is handed in before the beginning of the next: one commit for both, and never more
        messages between their two commits than there are workers.
        """
        sent: Sent | None = None
        while True:
            if sent is not None and (self.queue.empty() or self.exchanger.gate.paced):
                await self._finish(sent)
                sent = None
            message = await self.queue.get()
            before, sent = sent, None if message is None or self.held else await self._begin(message)
            if before is not None:
                await self._finish(before)
            if message is None:
                return
            if sent is None:
                await give_back(self.exchanger, message.carries)
                self.queue.task_done()

    async def _begin(self, message: Message) -> Sent | None:
        sent = await _send(self.exchanger, message)
        if isinstance(sent, Stop):
            self.held, self.report.stopped = True, sent.text
            return None
        kept_back = any(not s.counted and s.message_limit is None for s in sent.settlements)
        self.held = self.held or kept_back or any(s.event is Event.HOLD for s in sent.settlements)
        return sent

    async def _finish(self, sent: Sent) -> None:
        """Count a message once its end is durable."""
        if sent.concluding is not None:
            await self.exchanger.concluded(sent.concluding)
        self.report.exchanges += 1
        self.report.sent += len(sent.settlements)
        self.report.outcomes.update([s.event for s in sent.settlements])
        self.progress(self.report)
        self.queue.task_done()


def _claim_size(exchanger: Exchanger, claim_limit: int, lease: timedelta) -> int:
    """No more than the platform's pace lets us send within half a lease."""
    interval = exchanger.gate.interval
    if not interval:
        return claim_limit
    smallest = min(kind.batch_max for kind in exchanger.info.kinds.values()) if exchanger.info.kinds else 1
    return max(1, min(claim_limit, int(lease / 2 / interval) * smallest))


async def claim(exchanger: Exchanger, state: State, limit: int, lease: timedelta) -> list[Claimed]:
    """Lease due deliveries of this platform in one state."""
    return await exchanger.write(
        (CrashPoint.BEFORE_CLAIM, CrashPoint.AFTER_CLAIM),
        ledger.claim,
        exchanger.thread.store.vault,
        platform=exchanger.platform,
        state=state,
        limit=limit,
        now=exchanger.edge.now(),
        lease=lease,
        owner=myself(),
    )


async def sweep(exchanger: Exchanger, lease: timedelta = timedelta(minutes=5)) -> int:
    """Take back leases that ran out, or whose owner on this machine is no longer alive; end pauses that are over.

    What a wrong clock has put further ahead than ``lease`` and the platform's plans can reach is capped before.
    """
    await exchanger.gate.cap_moments(lease)
    await exchanger.thread.write(_end_pause, exchanger.platform, exchanger.edge.now())
    owners = await exchanger.thread.read(ledger.lease_owners, exchanger.platform)
    moved = await exchanger.write(
        (CrashPoint.BEFORE_SWEEP, CrashPoint.AFTER_SWEEP),
        ledger.sweep,
        platform=exchanger.platform,
        dead=[owner for owner in owners if is_dead(owner)],
        settling=exchanger.info.lookups.wait(1) or timedelta(),
        now=exchanger.edge.now(),
    )
    return sum(moved.values())


def _end_pause(connection: Connection, platform: str, now: datetime) -> None:
    if platforms.end_pause(connection, platform, now):
        ledger.let_go(connection, Event.RESUMED, now, platform=platform)


async def owe_now(exchanger: Exchanger) -> None:
    """Create the deliveries of all records that the platform takes and does not have yet."""
    await exchanger.write((CrashPoint.BEFORE_OWE, CrashPoint.AFTER_OWE), _owe, exchanger.info, exchanger.edge.now())


def _owe(connection: Connection, info: ConnectorInfo, now: datetime) -> None:
    if owing.lock_records(connection, wait=False):
        owing.owe(connection, info, now)


def prepare(exchanger: Exchanger, claimed: Sequence[Claimed]) -> tuple[list[tuple[Claimed, Payload]], list[Settlement]]:
    """Payloads to send (the stored one where there is one) and settlements of what cannot be sent."""
    good: list[tuple[Claimed, Payload]] = []
    refused: list[Settlement] = []
    connector, day = exchanger.connector, exchanger.edge.now().astimezone(CHINA).date()
    for item in claimed:
        if item.payload is not None:
            good.append((item, item.payload))
            continue
        submission = Submission(platform=exchanger.platform, record=item.record, replaces=item.replaces, day=day)
        found = checked(connector, submission)
        if isinstance(found, Payload):
            good.append((item, found))
        else:
            refused.append(refused_here(item, found, exchanger.edge.now()))
    return good, refused


async def give_back(exchanger: Exchanger, carries: Sequence[Claimed]) -> None:
    """Return leases of what was not sent after all; it is due as before."""
    await exchanger.thread.write(ledger.give_back, carries, exchanger.edge.now())


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A message that was answered, or surely was not: what becomes of it, and the commit that makes it so."""

    settlements: tuple[Settlement, ...]
    concluding: Concluding | None
    """None where it is durable already"""


async def _send(exchanger: Exchanger, message: Message) -> Sent | Stop:
    replay_safe = exchanger.info.kinds[message.kind].replay_safe
    answer = await exchanger.exchange(
        "push",
        lambda stamp: exchanger.connector.encode_push(message.payloads, stamp),
        replay_safe=replay_safe,
        message_id=message.message_id,
        carries=message.carries,
        payloads=message.payloads,
    )
    if answer.stop is not None:
        return answer.stop
    verdicts = verdicts_of(
        answer,
        len(message.carries),
        lambda a: exchanger.connector.decode_push(a.response, message.payloads, a.stamp) if a.response else (),
    )
    now, known = exchanger.edge.now(), names_in(message.carries)
    settled = [
        after_push(
            item,
            verdict,
            exchanger.info,
            now,
            draw=exchanger.edge.draw(),
            can_ask=exchanger.can_ask,
            together=len(message.carries),
            known=known,
            kept_back=answer.closing is not None and answer.closing.failure == KEPT_BACK,
            opened=answer.closing is not None,
        )
        for item, verdict in zip(with_attempts(message.carries, answer), verdicts, strict=True)
    ]
    settlements = await blameless(exchanger, answer, settled)
    if answer.closing is None or any(s.event is Event.HOLD for s in settlements):
        await conclude(exchanger, answer, verdicts, settlements)
        return Sent(settlements=settlements, concluding=None)
    for verdict in verdicts:
        exchanger.forget_token(verdict)
    return Sent(
        settlements=settlements, concluding=exchanger.concluding(conclusion(exchanger, answer, verdicts, settlements))
    )
