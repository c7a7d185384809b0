"""Reconcile one platform: ours as of one moment, theirs as of another, every difference in one class."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.contract.connector import HoldingsBy, ListsHoldings
from gateway.contract.messages import Holding, HoldingsPage, Payload, Verdict
from gateway.domain.delivery import Event
from gateway.domain.records import RecordKind
from gateway.service.differences import Difference, Item, Ours, classify
from gateway.service.exchange import Exchanger
from gateway.service.push import prepare
from gateway.store import reconciliations
from gateway.store.ledger import Claimed

_PAGE = 500
_MOST_PAGES = 100_000

Theirs = dict[tuple[RecordKind, str], list[Holding]]


@dataclass(kw_only=True)
class ReconcileReport:
    """Counts by class; ``total`` is their sum and equals the keys on either side taken once."""

    platform: str
    ours: int = 0
    theirs: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    run: int | None = None
    ours_at: datetime | None = None
    theirs_at: datetime | None = None
    stopped: str | None = None

    @property
    def total(self) -> int:
        """Sum of all classes."""
        return sum(self.classes.values())


async def reconcile(
    exchanger: Exchanger, *, progress: Callable[[ReconcileReport], None] = lambda _: None
) -> ReconcileReport:
    """Read both sides, classify, keep the run. Changes no delivery: what to do about a difference is another step."""
    report = ReconcileReport(platform=exchanger.platform, ours_at=exchanger.edge.now())
    connector = exchanger.connector
    if not isinstance(connector, ListsHoldings) or exchanger.info.holdings_by is None:
        report.stopped = "the platform's holdings cannot be read"
        return report
    by_page = exchanger.info.holdings_by is HoldingsBy.PAGE
    theirs: Theirs = defaultdict(list)
    trouble = await _read_pages(exchanger, connector, theirs) if by_page else None
    ours: list[Ours] = []
    after = 0
    while trouble is None:
        page = await exchanger.thread.read(
            reconciliations.page_of_ours, exchanger.thread.store.vault, exchanger.platform, after, _PAGE
        )
        if not page:
            break
        after = page[-1].id
        part = _ours(exchanger, connector, page)
        if not by_page:
            part = await _ask_each(exchanger, connector, part, theirs)
        ours += [own for own, _ in part]
        report.ours = len(ours)
        progress(report)
    if trouble is not None:
        report.stopped = f"{trouble.code}: {trouble.reason}"
        return report
    report.theirs = sum(len(rows) for rows in theirs.values())
    report.theirs_at = exchanger.edge.now()
    await _keep(exchanger, report, classify(ours, theirs))
    return report


async def _keep(exchanger: Exchanger, report: ReconcileReport, items: Sequence[Item]) -> None:
    report.classes.update(item.difference for item in items)
    assert report.ours_at is not None
    assert report.theirs_at is not None
    report.run = await exchanger.thread.write(
        reconciliations.save,
        platform=report.platform,
        ours_at=report.ours_at,
        theirs_at=report.theirs_at,
        counts=dict(report.classes),
        items=[
            {"class": i.difference, "kind": i.kind, "delivery_id": i.delivery_id, "fields": list(i.fields)}
            for i in items
            if i.difference is not Difference.MATCH
        ],
    )


def _ours(exchanger: Exchanger, connector: ListsHoldings, page: Sequence[Claimed]) -> list[tuple[Ours, Payload | None]]:
    """Our side of a page. What the check refuses was never sent, so nothing can be expected of it."""
    payloads = {item.id: payload for item, payload in prepare(exchanger, page)[0]}
    return [
        (
            Ours(
                delivery_id=item.id,
                kind=item.record.kind,
                state=item.state,
                expected=connector.expected(payloads[item.id]) if item.id in payloads else None,
            ),
            payloads.get(item.id),
        )
        for item in page
    ]


async def _read_pages(exchanger: Exchanger, connector: ListsHoldings, theirs: Theirs) -> Verdict | None:
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await _page(exchanger, connector, cursor, None)
        if isinstance(page, Verdict):
            return page
        for holding in page.holdings:
            theirs[holding.kind, holding.key].append(holding)
        if page.next_cursor is None:
            return None
        cursor = page.next_cursor
    return Verdict(event=Event.UNKNOWN, code="endless", reason="the platform's listing does not end")


async def _ask_each(
    exchanger: Exchanger, connector: ListsHoldings, part: Sequence[tuple[Ours, Payload | None]], theirs: Theirs
) -> list[tuple[Ours, Payload | None]]:
    """Ask record by record, several at once; one that cannot be asked about says so in its class."""
    asked: list[tuple[Ours, Payload | None]] = []
    queue = iter(part)

    async def work() -> None:
        for own, payload in queue:
            if payload is None:
                asked.append((own, None))
                continue
            page = await _page(exchanger, connector, None, payload)
            if isinstance(page, Verdict):
                asked.append((replace(own, asked=False), payload))
                continue
            for holding in page.holdings:
                known = theirs[holding.kind, holding.key]
                if holding not in known:
                    known.append(holding)
            asked.append((own, payload))

    async with asyncio.TaskGroup() as group:
        for _ in range(exchanger.connector.endpoint.pace.connections):
            group.create_task(work())
    return asked


async def _page(
    exchanger: Exchanger, connector: ListsHoldings, cursor: str | None, payload: Payload | None
) -> HoldingsPage | Verdict:
    """One page; a passing trouble is tried again a few times within the platform's own waits."""
    page: HoldingsPage | Verdict = Verdict(event=Event.UNKNOWN, code="no_answer")
    for round_no in range(1, 4):
        answer = await exchanger.ask("holdings", lambda stamp: connector.encode_holdings(cursor, payload, stamp))
        if answer.verdict is None and answer.response is not None:
            page = connector.decode_holdings(answer.response, payload, answer.stamp)
        else:
            page = answer.verdict or page
        if isinstance(page, HoldingsPage) or page.event is not Event.RETRY:
            return page
        exchanger.forget_token(page)
        wait = exchanger.info.retry.wait(round_no, draw=exchanger.edge.draw(), wish=page.retry_after)
        await exchanger.edge.sleep(min(wait.total_seconds(), 5.0) if wait else 0.0)
    return page
