"""Reconcile one platform: ours as of one moment, theirs as of another, every difference in one class."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.contract.connector import HoldingsBy, ListsHoldings, ListsParts, VerifiesUnowed
from gateway.contract.messages import Holding, HoldingsPage, Payload, Verdict, WireResponse
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import prepare
from gateway.delivery.rules.differences import QUIET, REPAIRED_BY_SENDING, Difference, Item, Ours, classify
from gateway.delivery.rules.work import Claimed
from gateway.delivery.store import reconciliations
from gateway.domain.records import Record, RecordKind, Submission
from gateway.domain.states import Event
from gateway.domain.status import as_certificate

_PAGE = 500
_MOST_BEGINNINGS = 5

Theirs = dict[tuple[RecordKind, str], list[Holding]]


@dataclass(kw_only=True)
class ReconcileReport:
    """Counts by class; ``total`` is their sum and equals the keys on either side taken once."""

    platform: str
    ours: int = 0
    theirs: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    settled: Counter[str] = field(default_factory=Counter)
    """how many of them a person settled before, as the platform has them"""
    run: int | None = None
    ours_at: datetime | None = None
    theirs_at: datetime | None = None
    stopped: str | None = None

    @property
    def total(self) -> int:
        """Sum of all classes."""
        return sum(self.classes.values())

    @property
    def open(self) -> Counter[str]:
        """Differences that need a person, by class."""
        return Counter({name: n for name, n in (self.classes - self.settled).items() if name not in QUIET})


async def reconcile(
    exchanger: Exchanger, *, progress: Callable[[ReconcileReport], None] = lambda _: None
) -> ReconcileReport:
    """Read both sides, classify, keep the run. Changes no delivery: what to do about a difference is another step."""
    report = ReconcileReport(platform=exchanger.platform, ours_at=exchanger.edge.now())
    connector = exchanger.connector
    if not isinstance(connector, ListsHoldings) or exchanger.info.holdings_by is None:
        report.stopped = "the platform's holdings cannot be read"
        return report
    if await _is_stopped(exchanger, report):
        return report
    by_page = exchanger.info.holdings_by is HoldingsBy.PAGE
    theirs: Theirs = defaultdict(list)
    told: list[datetime] = []
    trouble = await read_pages(exchanger, connector, theirs, told=told) if by_page else None
    if trouble is not None:
        report.stopped = f"{trouble.code}: {trouble.reason}"
        return report
    ours: list[Ours] = []
    listed: dict[str, list[Ours]] = defaultdict(list)
    async for part in _pages_of_ours(exchanger, connector):
        single = part if by_page else await _ask_each(exchanger, connector, _set_aside(connector, part, listed), theirs)
        if isinstance(single, Verdict):
            report.stopped = f"{single.code}: {single.reason}"
            return report
        if await _is_stopped(exchanger, report):
            return report
        ours += [own for own, _ in single]
        report.ours = len(ours) + sum(map(len, listed.values()))
        progress(report)
    if isinstance(connector, ListsParts):
        for name in dict.fromkeys((*listed, *connector.parts())):
            read = await _read_part(exchanger, connector, name, theirs)
            if isinstance(read, Verdict):
                report.stopped = f"{read.code}: {read.reason}"
                return report
            if await _is_stopped(exchanger, report):
                return report
            ours += listed[name] if read else [replace(own, asked=False) for own in listed[name]]
            progress(report)
    report.theirs = sum(len(rows) for rows in theirs.values())
    report.theirs_at = min(told, default=exchanger.edge.now())
    items = await _with_moved(exchanger, classify(ours, theirs))
    await _keep(exchanger, report, await _with_later(exchanger, items, told) if told else items)
    return report


async def _with_later(exchanger: Exchanger, items: Sequence[Item], told: Sequence[datetime]) -> list[Item]:
    """What was accepted after the moment that a listing tells of cannot be missed or old there: it is on its way."""
    wrong = [i.delivery_id for i in items if i.difference in REPAIRED_BY_SENDING and i.delivery_id is not None]
    later = await exchanger.thread.read(reconciliations.moved_since, wrong, min(told)) if wrong else set()
    return [replace(i, difference=Difference.LAG, fields=()) if i.delivery_id in later else i for i in items]


async def _with_moved(exchanger: Exchanger, items: Sequence[Item]) -> list[Item]:
    """What was queued when our side was read, and was sent before theirs was, is on its way."""
    there = [i.delivery_id for i in items if i.difference is Difference.HELD_THERE and i.delivery_id is not None]
    queued = await exchanger.thread.read(reconciliations.still_queued, there) if there else set()
    return [
        replace(i, difference=Difference.LAG)
        if i.difference is Difference.HELD_THERE and i.delivery_id not in queued
        else i
        for i in items
    ]


async def _is_stopped(exchanger: Exchanger, report: ReconcileReport) -> bool:
    """Whether the platform takes nothing now; what was not asked for that is no difference, and no run is kept."""
    stop = await exchanger.gate.stopped()
    report.stopped = None if stop is None else stop.text
    return stop is not None


async def _keep(exchanger: Exchanger, report: ReconcileReport, items: Sequence[Item]) -> None:
    report.classes.update(item.difference for item in items)
    assert report.ours_at is not None
    assert report.theirs_at is not None
    report.run, report.settled = await exchanger.thread.write(
        reconciliations.save,
        exchanger.thread.store.vault,
        platform=report.platform,
        ours_at=report.ours_at,
        theirs_at=report.theirs_at,
        counts=dict(report.classes),
        items=[item for item in items if item.difference is not Difference.MATCH],
    )


Side = list[tuple[Ours, Payload | None]]
"""our side of a page, with what can be asked about"""


async def _pages_of_ours(exchanger: Exchanger, connector: ListsHoldings) -> AsyncIterator[Side]:
    """What we sent or owe, page by page, then what the platform is not owed and can be asked about."""
    vault, after = exchanger.thread.store.vault, 0
    while page := await exchanger.thread.read(reconciliations.page_of_ours, vault, exchanger.platform, after, _PAGE):
        after = page[-1].id
        yield _ours(exchanger, connector, page)
    kinds = connector.verifies() if isinstance(connector, VerifiesUnowed) else frozenset()
    after = 0
    while kinds and (
        rest := await exchanger.thread.read(
            reconciliations.page_of_unowed, vault, exchanger.platform, kinds, after=after, limit=_PAGE
        )
    ):
        after = rest[-1][0]
        yield _unowed(exchanger, connector, [record for _, record in rest])


def _unowed(exchanger: Exchanger, connector: ListsHoldings, records: Sequence[Record]) -> Side:
    assert isinstance(connector, VerifiesUnowed)
    found: Side = []
    for record in records:
        payload = connector.verifiable(Submission(platform=exchanger.platform, record=record))
        if payload is not None:
            own = Ours(delivery_id=None, kind=record.kind, state=None, expected=None)
            found.append((_as_expected(connector, payload, own), payload))
    return found


def _set_aside(connector: ListsHoldings, side: Side, listed: dict[str, list[Ours]]) -> Side:
    """Put away what a part will show; what remains is asked about by itself."""
    remaining: Side = []
    for own, payload in side:
        part = connector.part_of(payload) if payload is not None and isinstance(connector, ListsParts) else None
        if part is None:
            remaining.append((own, payload))
        else:
            listed[part].append(own)
    return remaining


async def _read_part(exchanger: Exchanger, connector: ListsHoldings, name: str, theirs: Theirs) -> bool | Verdict:
    """Read one part to its end; False where the platform would not show it, and then nothing of it counts.

    A listing that changes while it is read is begun again, a few times at most.
    """
    cursor, begun = name, 1
    found: list[Holding] = []
    progress = exchanger.progress(cursor)
    while True:
        page, response = await _page(exchanger, connector, cursor, None)
        if isinstance(page, Verdict):
            return False
        found += page.holdings
        if page.afresh:
            found.clear()
            begun += 1
            progress.begin(None)
        if begun > _MOST_BEGINNINGS:
            return False
        if page.next_cursor is None:
            for holding in found:
                theirs[holding.kind, holding.key].append(holding)
            return True
        stalled = progress.after(response, page.next_cursor)
        if stalled is not None:
            return stalled
        cursor = page.next_cursor


def _ours(exchanger: Exchanger, connector: ListsHoldings, page: Sequence[Claimed]) -> Side:
    """Our side of a page. What the check refuses was never sent, so nothing can be expected of it.

    After a change of status the platform should hold the certificate as the change left it.
    """
    page = [
        replace(item, record=as_certificate(item.record), payload=None)
        if item.record.kind is RecordKind.STATUS_CHANGE
        else item
        for item in page
    ]
    payloads = {item.id: payload for item, payload in prepare(exchanger, page)[0]}
    return [
        (
            _as_expected(
                connector,
                payloads.get(item.id),
                Ours(
                    delivery_id=item.id, kind=item.record.kind, state=item.state, expected=None, replaces=item.replaces
                ),
            ),
            payloads.get(item.id),
        )
        for item in page
    ]


def _as_expected(connector: ListsHoldings, payload: Payload | None, own: Ours) -> Ours:
    """With what the platform should hold; not comparable where the connector cannot say it."""
    if payload is None:
        return own
    expected: Holding | None = connector.expected(payload)  # None behind its guard, where it failed
    return replace(own, expected=expected, asked=expected is not None)


async def read_pages(
    exchanger: Exchanger,
    connector: ListsHoldings,
    theirs: Theirs,
    *,
    anyway: bool = False,
    told: list[datetime] | None = None,
) -> Verdict | None:
    """Read everything a platform lists into ``theirs``; a Verdict says what stopped it. ``anyway``: despite a pause.

    told: takes the moments of which pages tell, where that is not now
    """
    cursor: str | None = None
    progress = exchanger.progress(cursor)
    while True:
        page, response = await _page(exchanger, connector, cursor, None, anyway=anyway)
        if isinstance(page, Verdict):
            return page
        for holding in page.holdings:
            theirs[holding.kind, holding.key].append(holding)
        if told is not None and page.as_of is not None:
            told.append(page.as_of)
        if page.next_cursor is None:
            return None
        stalled = progress.after(response, page.next_cursor)
        if stalled is not None:
            return stalled
        cursor = page.next_cursor


async def _ask_each(exchanger: Exchanger, connector: ListsHoldings, part: Side, theirs: Theirs) -> Side | Verdict:
    """Ask record by record, several at once; one that cannot be asked about says so in its class."""
    asked: Side = []
    stalled: list[Verdict] = []
    queue = iter(part)

    async def work() -> None:
        for own, payload in queue:
            if stalled:
                return
            if payload is None:
                asked.append((own, None))
                continue
            held = await _all_of(exchanger, connector, payload)
            if isinstance(held, Verdict):
                stalled.append(held)
                return
            if held is None:
                asked.append((replace(own, asked=False), payload))
                continue
            for holding in held:
                known = theirs[holding.kind, holding.key]
                if holding not in known:
                    known.append(holding)
            asked.append((own, payload))

    async with asyncio.TaskGroup() as group:
        for _ in range(exchanger.connector.endpoint.pace.connections):
            group.create_task(work())
    return stalled[0] if stalled else asked


async def _all_of(exchanger: Exchanger, connector: ListsHoldings, payload: Payload) -> list[Holding] | Verdict | None:
    """What the platform holds of one record, over all pages; None where it would not say."""
    cursor: str | None = None
    found: list[Holding] = []
    progress = exchanger.progress(cursor)
    while True:
        page, response = await _page(exchanger, connector, cursor, payload)
        if isinstance(page, Verdict):
            return None
        found += page.holdings
        if page.next_cursor is None:
            return found
        stalled = progress.after(response, page.next_cursor)
        if stalled is not None:
            return stalled
        cursor = page.next_cursor


async def _page(
    exchanger: Exchanger,
    connector: ListsHoldings,
    cursor: str | None,
    payload: Payload | None,
    *,
    anyway: bool = False,
) -> tuple[HoldingsPage | Verdict, WireResponse | None]:
    """One page; a passing trouble is tried again a few times within the platform's own waits."""
    page: HoldingsPage | Verdict = Verdict(event=Event.UNKNOWN, code="no_answer")
    for round_no in range(1, 4):
        answer = await exchanger.ask(
            "holdings", lambda stamp: connector.encode_holdings(cursor, payload, stamp), anyway=anyway
        )
        if answer.verdict is None and answer.response is not None:
            if payload is None and cursor is not None and isinstance(connector, ListsParts):
                page = await exchanger.decoded(
                    answer.response, connector.decode_part, answer.response, cursor, answer.stamp
                )
            else:
                page = await exchanger.decoded(
                    answer.response, connector.decode_holdings, answer.response, payload, answer.stamp
                )
        else:
            page = answer.verdict or page
        if isinstance(page, Verdict) and page.event is Event.HOLD and answer.verdict is None:
            await exchanger.hold(page)
        if isinstance(page, HoldingsPage) or page.event is not Event.RETRY or answer.stop is not None:
            return page, answer.response
        exchanger.forget_token(page)
        wait = exchanger.info.retry.wait(round_no, draw=exchanger.edge.draw(), wish=page.retry_after)
        await exchanger.edge.sleep(min(wait.total_seconds(), 5.0) if wait else 0.0)
    return page, None
