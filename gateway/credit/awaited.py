"""Reads a platform's list of events it still awaits an acknowledgement of: answered again, fetched, or given up.

The platform's list is the other side of ours. It shows an acknowledgement that was lost behind a good answer, and an
event that the feed left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from gateway.contract.credit import AwaitedPage, ListsAwaited
from gateway.contract.messages import Verdict, WireResponse
from gateway.credit.fetch import MOST, fetch_versions, react_to
from gateway.credit.store import awaited as store
from gateway.delivery.exchanger import Exchanger
from gateway.domain.states import Event

AT_A_GAP = timedelta(hours=1)
"""how soon it may be asked again while events of a stream are missing"""
_PAGES = 20
"""most pages in one pull; the next pull goes on there"""
_PASSES = frozenset({Event.RETRY, Event.HOLD})
"""refusals after which the same page is asked for again"""


@dataclass(kw_only=True)
class AwaitedReport:
    """What reading the list came to.

    again:   acknowledgements that go once more
    fetched: events that came to something when they were asked for by the id of their record
    missed:  events that could not be had; each is put off and has a ticket
    """

    again: int = 0
    fetched: int = 0
    missed: int = 0
    trouble: Verdict | None = None


async def answer_awaited(exchanger: Exchanger, *, gap: bool = False) -> AwaitedReport:
    """Read what the platform still waits for, where it is time, and do what can be done about it.

    gap: events of a stream are known to be missing, so it is asked sooner
    A page counts as read once everything on it has an answer of ours, so a crash only reads it again.
    """
    report = AwaitedReport()
    connector = exchanger.connector
    if not isinstance(connector, ListsAwaited) or connector.awaited_every is None:
        return report
    every = min(connector.awaited_every, AT_A_GAP) if gap else connector.awaited_every
    due, cursor = await exchanger.query(store.reading, every)
    progress = exchanger.progress(cursor)
    for _ in range(_PAGES if due else 0):
        page, response = await _page(exchanger, connector, cursor)
        if isinstance(page, Verdict):
            report.trouble = page
            if page.event not in _PASSES:
                await exchanger.transact(store.keep_cursor, None)
            break
        if not await _answered(exchanger, page, report):
            break
        cursor = page.next_cursor
        if cursor is not None:
            report.trouble = progress.after(response, cursor)
        await exchanger.transact(store.keep_cursor, cursor if report.trouble is None else None)
        if cursor is None or report.trouble is not None:
            break
    return report


async def _answered(exchanger: Exchanger, page: AwaitedPage, report: AwaitedReport) -> bool:
    """Whether every event of the page has an answer now, sent or not."""
    unanswered, again = await exchanger.transact(store.resend_lost, page.events)
    report.again += again
    if not unanswered or not page.whole:
        return True
    records = list(dict.fromkeys(event.record_id for event in unanswered))
    fetched = await fetch_versions(exchanger, records[:MOST])
    report.fetched += fetched.applied
    if fetched.trouble is not None:
        report.trouble = fetched.trouble
        if fetched.trouble.event is not Event.HOLD and await exchanger.transact(store.count_failure):
            lost = [event for event in unanswered if event.record_id == fetched.stuck]
            report.missed += await exchanger.transact(store.give_up, lost)
        return False
    asked = set(records[:MOST])
    report.missed += await exchanger.transact(
        store.give_up, [event for event in unanswered if event.record_id in asked]
    )
    return len(records) <= MOST


async def _page(
    exchanger: Exchanger, connector: ListsAwaited, cursor: str | None
) -> tuple[AwaitedPage | Verdict, WireResponse | None]:
    answer = await exchanger.ask("feedback_awaited", partial(connector.encode_awaited, cursor))
    if answer.verdict is not None:
        return answer.verdict, None
    assert answer.response is not None
    page = await exchanger.decoded(answer.response, connector.decode_awaited, answer.response, answer.stamp)
    return (await react_to(exchanger, page) if isinstance(page, Verdict) else page), answer.response
