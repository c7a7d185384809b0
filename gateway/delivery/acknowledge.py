"""Fetch results by receipt, and settle what is in doubt by asking. Both work from the ledger, never from memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import groupby

from gateway.contract.connector import LooksUp, PagesLookups, PollsAcks
from gateway.contract.messages import Payload, Stamp, Verdict, WireRequest
from gateway.delivery.exchanger import Exchanger, blameless, conclude, verdicts_of, with_attempts
from gateway.delivery.push import claim, give_back, prepare, sweep
from gateway.delivery.rules.outcome import after_lookup, after_poll, cannot_ask, names_in
from gateway.delivery.rules.paging import STALLED
from gateway.delivery.rules.work import Answer, Claimed, Conclusion, Settlement
from gateway.delivery.store import settlement as delivery_settlement
from gateway.domain.states import Event, State
from gateway.domain.traffic import Stop


@dataclass(kw_only=True)
class AskReport:
    """Counts of one run of polls or look-ups; ``stopped`` says why it ended early."""

    platform: str
    asked: int = 0
    exchanges: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    stopped: str | None = None


AskProgress = Callable[[AskReport], None]


async def poll(
    exchanger: Exchanger,
    *,
    claim_limit: int = 500,
    lease: timedelta = timedelta(minutes=5),
    progress: AskProgress = lambda _: None,
) -> AskReport:
    """Fetch the results that are due, one request for each receipt."""
    connector = exchanger.connector
    if not isinstance(connector, PollsAcks):
        return AskReport(platform=exchanger.platform)

    async def ask(group: Sequence[Claimed]) -> tuple[Settlement, ...] | Stop:
        receipt = group[0].receipt or ""
        payloads = [p for p in (item.payload for item in group) if p is not None]
        answer = await exchanger.exchange(
            "poll", lambda stamp: connector.encode_ack(receipt, stamp), replay_safe=True, carries=group
        )
        if answer.stop is not None:
            await give_back(exchanger, group)
            return answer.stop
        verdicts = verdicts_of(
            answer,
            len(group),
            lambda a: connector.decode_ack(a.response, receipt, payloads, a.stamp) if a.response else (),
        )
        now, can_ask, known = exchanger.edge.now(), isinstance(connector, LooksUp), names_in(group)
        settled = [
            after_poll(item, verdict, exchanger.info, now, draw=exchanger.edge.draw(), can_ask=can_ask, known=known)
            for item, verdict in zip(with_attempts(group, answer), verdicts, strict=True)
        ]
        return await conclude(exchanger, answer, verdicts, await blameless(exchanger, answer, settled))

    await exchanger.gate.cap_moments(lease)
    return await _ask_all(exchanger, State.AWAITING_ACK, ask, claim_limit=claim_limit, lease=lease, progress=progress)


async def resolve(
    exchanger: Exchanger,
    *,
    claim_limit: int = 500,
    lease: timedelta = timedelta(minutes=5),
    progress: AskProgress = lambda _: None,
) -> AskReport:
    """Ask about each delivery in doubt: there and ours, there and another's, or not there.

    Where the platform cannot be asked, what may be repeated is sent again, and the rest waits for a person.
    """
    connector = exchanger.connector
    await sweep(exchanger, lease)
    if not isinstance(connector, LooksUp):
        return await _settle_unasked(exchanger, claim_limit, lease)

    async def ask(group: Sequence[Claimed]) -> tuple[Settlement, ...] | Stop:
        item = group[0]
        good, refused = prepare(exchanger, group)
        if refused:
            await exchanger.thread.write(delivery_settlement.settle, refused, exchanger.platform, exchanger.edge.now())
            return tuple(refused)
        answer, verdicts = await look_up(exchanger, connector, group, good[0][1], about=item.message_id)
        if answer.stop is not None:
            await give_back(exchanger, group)
            return answer.stop
        settlement = after_lookup(
            with_attempts([item], answer)[0],
            verdicts[0],
            exchanger.info,
            exchanger.edge.now(),
            draw=exchanger.edge.draw(),
        )
        return await conclude(exchanger, answer, verdicts, [settlement])

    return await _ask_all(exchanger, State.IN_DOUBT, ask, claim_limit=claim_limit, lease=lease, progress=progress)


async def look_up(
    exchanger: Exchanger,
    connector: LooksUp,
    group: Sequence[Claimed],
    payload: Payload,
    *,
    anyway: bool = False,
    about: str | None = None,
) -> tuple[Answer, tuple[Verdict, ...]]:
    """Ask about one delivery, page by page where the platform shows pages; the last page's answer decides.

    With an empty ``group`` the answer settles nothing. ``anyway``: in spite of a pause. ``about``: message id of the
    push in doubt, where this ledger knows it for sure.
    """
    page: str | None = None
    progress = exchanger.progress(page)
    while True:

        def encode(stamp: Stamp, page: str | None = page) -> WireRequest:
            if page is not None and isinstance(connector, PagesLookups):
                return connector.encode_lookup_page(payload, page, stamp)
            return connector.encode_lookup(payload, stamp)

        answer = await exchanger.exchange(
            "lookup",
            encode,
            replay_safe=True,
            carries=group,
            payloads=[payload] * len(group) if page is None else (),
            anyway=anyway,
            about=about,
        )
        if answer.stop is not None:
            return answer, ()
        verdicts = verdicts_of(
            answer, 1, lambda a: (connector.decode_lookup(a.response, payload, a.stamp),) if a.response else ()
        )
        page = verdicts[0].next_page
        if page is None or answer.closing is None:
            return answer, verdicts
        stalled = progress.after(answer.response, page)
        if stalled is not None:
            return answer, (replace(stalled, event=Event.IN_DOUBT),)
        # it says nothing about the delivery, which stays leased until its last page
        await exchanger.conclude(Conclusion(closing=answer.closing))


async def _settle_unasked(exchanger: Exchanger, claim_limit: int, lease: timedelta) -> AskReport:
    report = AskReport(platform=exchanger.platform)
    stop = await exchanger.gate.stopped()
    if stop is not None and stop.paused:
        report.stopped = stop.text
        return report
    while claimed := await claim(exchanger, State.IN_DOUBT, claim_limit, lease):
        now = exchanger.edge.now()
        settlements = [cannot_ask(item, exchanger.info, now) for item in claimed]
        await exchanger.thread.write(delivery_settlement.settle, settlements, exchanger.platform, now)
        report.outcomes.update(s.event for s in settlements)
    return report


async def _ask_all(
    exchanger: Exchanger,
    state: State,
    ask: Callable[[Sequence[Claimed]], Awaitable[tuple[Settlement, ...] | Stop]],
    *,
    claim_limit: int,
    lease: timedelta,
    progress: AskProgress,
) -> AskReport:
    report = AskReport(platform=exchanger.platform)
    while True:
        stop = await exchanger.gate.stopped()
        if stop is not None:
            report.stopped = stop.text
            return report
        claimed = await claim(exchanger, state, 1 if await exchanger.gate.trying() else claim_limit, lease)
        if not claimed:
            return report
        queue = iter(_groups(claimed, state))

        async def work(queue: Iterator[list[Claimed]] = queue) -> None:
            for group in queue:
                if report.stopped is not None:
                    await give_back(exchanger, group)
                    continue
                settlements = await ask(group)
                if isinstance(settlements, Stop):
                    report.stopped = settlements.text
                    continue
                report.exchanges += 1
                report.asked += len(group)
                report.outcomes.update(s.event for s in settlements)
                for verdict in (s.verdict for s in settlements if s.verdict.code in STALLED):
                    report.stopped = f"{verdict.code}: {verdict.reason}"
                progress(report)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(exchanger.connector.endpoint.pace.connections):
                tasks.create_task(work())
        if report.stopped is not None:
            return report


def _groups(claimed: Sequence[Claimed], state: State) -> list[list[Claimed]]:
    """Deliveries behind one receipt are fetched together; look-ups go one by one."""
    if state is State.IN_DOUBT:
        return [[item] for item in claimed]
    by_receipt = sorted(claimed, key=lambda item: (item.receipt or "", item.id))
    return [list(group) for _, group in groupby(by_receipt, key=lambda item: item.receipt)]
