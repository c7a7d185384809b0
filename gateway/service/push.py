"""Send what is due to one platform: claim, map, check, encode, commit, send, judge, settle.

Chunks are claimed and settled in bulk; several requests travel at once. A worker that dies leaves its leases behind,
and the next run takes them back first. Whatever left this machine was written down before.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.contract.connector import ConnectorInfo, LooksUp, Pace
from gateway.contract.messages import Payload, Problems, Verdict
from gateway.domain.delivery import Event, State
from gateway.domain.errors import ContractError
from gateway.domain.records import RecordKind, Submission
from gateway.service.exchange import Answer, Exchanger
from gateway.service.outcome import after_push, refused_here
from gateway.store import ledger, queueing
from gateway.store.engine import Connection
from gateway.store.exchanges import Conclusion
from gateway.store.ledger import Claimed, Settlement
from gateway.store.owners import is_dead, myself


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


@dataclass(frozen=True, kw_only=True)
class Message:
    """Deliveries that travel in one request."""

    kind: RecordKind
    carries: tuple[Claimed, ...]
    payloads: tuple[Payload, ...]
    message_id: str | None


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
    report.swept = await sweep(exchanger)
    await exchanger.thread.write(_owe, exchanger.info, exchanger.edge.now())
    in_flight = _in_flight(exchanger.connector.endpoint.pace)
    queue: asyncio.Queue[Message | None] = asyncio.Queue(maxsize=2 * in_flight)
    run = _Run(exchanger=exchanger, report=report, queue=queue, progress=progress)
    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(run.work())
        await run.feed(_claim_size(exchanger, claim_limit, lease), lease, limit)
        for _ in range(in_flight):
            await queue.put(None)
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
        """Claim until nothing is due, the limit is reached or the platform is held."""
        while limit is None or self.report.claimed < limit:
            pause = await self.exchanger.paused()
            if pause is not None:
                self.report.stopped = f"{pause.code}: {pause.reason}"
                return
            want = claim_limit if limit is None else min(claim_limit, limit - self.report.claimed)
            claimed = await claim(self.exchanger, State.QUEUED, want, lease)
            if not claimed:
                return
            self.report.claimed += len(claimed)
            good, refused = prepare(self.exchanger, claimed)
            if refused:
                now = self.exchanger.edge.now()
                await self.exchanger.thread.write(ledger.settle, refused, self.exchanger.platform, now)
                self.report.outcomes[State.REJECTED] += len(refused)
            for message in messages(self.exchanger, good):
                await self.queue.put(message)

    async def work(self) -> None:
        """Send messages until the feeder is done; after the platform was held, give back what is left."""
        while (message := await self.queue.get()) is not None:
            if self.held:
                await self.exchanger.thread.write(ledger.give_back, message.carries, self.exchanger.edge.now())
                continue
            settlements = await _send(self.exchanger, message)
            self.report.exchanges += 1
            self.report.sent += len(message.carries)
            self.report.outcomes.update(s.event for s in settlements)
            self.held = self.held or any(s.event is Event.HOLD for s in settlements)
            self.progress(self.report)


def _claim_size(exchanger: Exchanger, claim_limit: int, lease: timedelta) -> int:
    """No more than the platform's pace lets us send within half a lease."""
    interval = exchanger.connector.endpoint.pace.interval
    if not interval:
        return claim_limit
    smallest = min(kind.batch_max for kind in exchanger.info.kinds.values()) if exchanger.info.kinds else 1
    return max(1, min(claim_limit, int(lease / 2 / interval) * smallest))


async def claim(exchanger: Exchanger, state: State, limit: int, lease: timedelta) -> list[Claimed]:
    """Lease due deliveries of this platform in one state."""
    return await exchanger.thread.write(
        ledger.claim,
        exchanger.thread.store.vault,
        platform=exchanger.platform,
        state=state,
        limit=limit,
        now=exchanger.edge.now(),
        lease=lease,
        owner=myself(),
    )


async def sweep(exchanger: Exchanger) -> int:
    """Take back leases that ran out, or whose owner on this machine is no longer alive."""
    owners = await exchanger.thread.read(ledger.lease_owners, exchanger.platform)
    moved = await exchanger.thread.write(
        ledger.sweep,
        platform=exchanger.platform,
        dead=[owner for owner in owners if is_dead(owner)],
        settling=exchanger.info.lookups.wait(1) or timedelta(),
        now=exchanger.edge.now(),
    )
    return sum(moved.values())


def _owe(connection: Connection, info: ConnectorInfo, now: datetime) -> None:
    if queueing.lock_records(connection, wait=False):
        queueing.owe(connection, info, now)


def _in_flight(pace: Pace) -> int:
    """Messages between their first and their last commit: what a killed process leaves in doubt is never more.

    Some wait for the store while others are on the wire, so that commits are shared. Where the platform sets the pace
    that gains nothing, and a message that waits gets old.
    """
    return pace.connections if pace.interval else 4 * pace.connections


def prepare(exchanger: Exchanger, claimed: Sequence[Claimed]) -> tuple[list[tuple[Claimed, Payload]], list[Settlement]]:
    """Payloads to send (the stored one where there is one) and settlements of what the check refuses."""
    good: list[tuple[Claimed, Payload]] = []
    refused: list[Settlement] = []
    connector = exchanger.connector
    for item in claimed:
        if item.payload is not None:
            good.append((item, item.payload))
            continue
        submission = Submission(platform=exchanger.platform, record=item.record, replaces=item.replaces)
        checked = connector.check(submission, connector.map(submission))
        if isinstance(checked, Problems):
            reason = "; ".join(f"{p.field}: {p.message}" for p in checked.items)
            fields = tuple(dict.fromkeys(p.field for p in checked.items))
            refused.append(refused_here(item, reason, fields, exchanger.edge.now()))
        else:
            good.append((item, checked))
    return good, refused


def messages(exchanger: Exchanger, good: Sequence[tuple[Claimed, Payload]]) -> Iterator[Message]:
    """Group deliveries into requests.

    A message whose outcome is unknown is sent again whole and under its old id, so that the platform can recognise it;
    where some of its deliveries are missing by now, the rest travels as new ones. What is new to the platform and
    what changes something there never share a request, because the platform may have a call for each.
    """
    again: dict[tuple[RecordKind, str], list[tuple[Claimed, Payload]]] = {}
    fresh: dict[RecordKind, list[tuple[Claimed, Payload]]] = {}
    for item, payload in good:
        if item.message_id is not None:
            again.setdefault((payload.kind, item.message_id), []).append((item, payload))
        else:
            fresh.setdefault(payload.kind, []).append((item, payload))
    for (kind, message_id), group in again.items():
        if len(group) == group[0][0].message_size:
            yield _message(kind, group, message_id)
        else:
            fresh.setdefault(kind, []).extend(group)
    for kind, replaces in itertools.product(RecordKind, (False, True)):
        group = [pair for pair in fresh.get(kind, []) if pair[1].replaces is replaces]
        size = exchanger.info.kinds[kind].batch_max if group else 1
        for start in range(0, len(group), size):
            yield _message(kind, group[start : start + size], None)


def _message(kind: RecordKind, group: Sequence[tuple[Claimed, Payload]], message_id: str | None) -> Message:
    ordered = sorted(group, key=lambda pair: pair[0].id)
    return Message(
        kind=kind,
        carries=tuple(c for c, _ in ordered),
        payloads=tuple(p for _, p in ordered),
        message_id=message_id,
    )


async def _send(exchanger: Exchanger, message: Message) -> tuple[Settlement, ...]:
    replay_safe = exchanger.info.kinds[message.kind].replay_safe
    answer = await exchanger.exchange(
        "push",
        lambda stamp: exchanger.connector.encode_push(message.payloads, stamp),
        replay_safe=replay_safe,
        message_id=message.message_id,
        carries=message.carries,
        payloads=message.payloads,
    )
    verdicts = verdicts_of(
        answer,
        len(message.carries),
        lambda a: exchanger.connector.decode_push(a.response, message.payloads, a.stamp) if a.response else (),
    )
    now, can_ask = exchanger.edge.now(), isinstance(exchanger.connector, LooksUp)
    settlements = [
        after_push(item, verdict, exchanger.info, now, draw=exchanger.edge.draw(), can_ask=can_ask)
        for item, verdict in zip(with_attempts(message.carries, answer), verdicts, strict=True)
    ]
    return await conclude(exchanger, answer, verdicts, settlements)


def verdicts_of(answer: Answer, count: int, decode: Callable[[Answer], Sequence[Verdict]]) -> tuple[Verdict, ...]:
    """One verdict for each item: the answer's own where nothing can be decoded, else the connector's."""
    if answer.verdict is not None:
        return (answer.verdict,) * count
    verdicts = tuple(decode(answer))
    if len(verdicts) != count:
        raise ContractError(f"the connector gave {len(verdicts)} verdicts for {count} deliveries")
    return verdicts


def with_attempts(carries: Sequence[Claimed], answer: Answer) -> list[Claimed]:
    """The deliveries with the attempts under which this exchange was written down."""
    attempts = answer.attempt_ids or (None,) * len(carries)
    return [replace(item, attempt_id=attempt) for item, attempt in zip(carries, attempts, strict=True)]


async def conclude(
    exchanger: Exchanger, answer: Answer, verdicts: Sequence[Verdict], settlements: Sequence[Settlement]
) -> tuple[Settlement, ...]:
    """Close the exchange and settle its deliveries in one commit; hold the platform where a precondition failed."""
    held = next((s.verdict for s in settlements if s.verdict.event is Event.HOLD), None)
    if held is not None:
        exchanger.block()
    if answer.closing is None:
        await exchanger.thread.write(ledger.settle, settlements, exchanger.platform, exchanger.edge.now())
    else:
        await exchanger.conclude(Conclusion(closing=answer.closing, settlements=tuple(settlements)))
    for verdict in verdicts:
        exchanger.forget_token(verdict)
    if held is not None:
        await exchanger.hold(held)
    return tuple(settlements)
