"""What a platform still waits to hear: read now and then, answered again, fetched, or handed to a person.

The platform's list is the other side of ours. It shows an acknowledgement that was lost behind a good answer, and an
event that the feed left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from gateway.contract.credit import Awaited, AwaitedPage, ListsAwaited
from gateway.contract.messages import Verdict, WireResponse
from gateway.credit.fetch import MOST, Desk, fetch_versions, heed
from gateway.credit.store import awaited as credit_awaited
from gateway.credit.store.acknowledgements import Scope
from gateway.credit.store.streams import lock_feed
from gateway.delivery.exchanger import Exchanger
from gateway.domain.states import Event
from gateway.store.engine import Connection

AT_A_GAP = timedelta(hours=1)
"""how soon it may be asked again while events of a stream are missing"""
_PAGES = 20
"""most pages in one pull; the next pull goes on there"""
_PASSES = frozenset({Event.RETRY, Event.HOLD})
"""refusals after which the same page is asked for again"""


@dataclass(kw_only=True)
class Heard:
    """What reading the list came to.

    again:   acknowledgements that go once more
    fetched: events that came to something when they were asked for by the id of their record
    missed:  events that could not be had; each is put off and has a ticket
    """

    again: int = 0
    fetched: int = 0
    missed: int = 0
    trouble: Verdict | None = None


@dataclass(frozen=True, kw_only=True)
class _Watch(Desk):
    """The archive's side; each method is one transaction."""

    def reading(self, every: timedelta) -> tuple[bool, str | None]:
        with self.store.read() as connection:
            return credit_awaited.reading(connection, self.platform, every, self.now())

    def go_on(self, cursor: str | None) -> None:
        with self.store.write() as connection:
            credit_awaited.go_on(connection, self.platform, cursor, self.now())

    def stuck(self) -> bool:
        with self.store.write() as connection:
            return credit_awaited.stuck(connection, self.platform)

    def hear(self, awaited: Sequence[Awaited]) -> tuple[list[Awaited], int]:
        with self.store.write() as connection:
            return credit_awaited.hear(self._scope(connection), awaited)

    def give_up(self, awaited: Iterable[Awaited]) -> int:
        with self.store.write() as connection:
            return credit_awaited.give_up(self._scope(connection), awaited)

    def _scope(self, connection: Connection) -> Scope:
        _, at = lock_feed(connection, self.platform, self.now())
        return Scope(connection=connection, vault=self.store.vault, platform=self.platform, at=at)


async def hear_awaited(exchanger: Exchanger, desk: Desk, *, gap: bool = False) -> Heard:
    """Read what the platform still waits for, where it is time, and do what can be done about it.

    gap: events of a stream are known to be missing, so it is asked sooner
    A page counts as read once everything on it has an answer of ours, so a crash only reads it again.
    """
    heard = Heard()
    connector = exchanger.connector
    if not isinstance(connector, ListsAwaited) or connector.awaited_every is None:
        return heard
    watch = _Watch(store=desk.store, platform=desk.platform, now=desk.now)
    every = min(connector.awaited_every, AT_A_GAP) if gap else connector.awaited_every
    due, cursor = await exchanger.in_store(watch.reading, every)
    progress = exchanger.progress(cursor)
    for _ in range(_PAGES if due else 0):
        page, response = await _page(exchanger, connector, cursor)
        if isinstance(page, Verdict):
            heard.trouble = page
            if page.event not in _PASSES:
                await exchanger.in_store(watch.go_on, None)
            break
        if not await _answered(exchanger, watch, page, heard):
            break
        cursor = page.next_cursor
        if cursor is not None:
            heard.trouble = progress.after(response, cursor)
        await exchanger.in_store(watch.go_on, cursor if heard.trouble is None else None)
        if cursor is None or heard.trouble is not None:
            break
    return heard


async def _answered(exchanger: Exchanger, watch: _Watch, page: AwaitedPage, heard: Heard) -> bool:
    """Whether every event of the page has an answer now, sent or not."""
    unseen, again = await exchanger.in_store(watch.hear, page.events)
    heard.again += again
    if not unseen or not page.whole:
        return True
    records = list(dict.fromkeys(one.record_id for one in unseen))
    fetched = await fetch_versions(exchanger, watch, records[:MOST])
    heard.fetched += fetched.applied
    if fetched.trouble is not None:
        heard.trouble = fetched.trouble
        if fetched.trouble.event is not Event.HOLD and await exchanger.in_store(watch.stuck):
            lost = [one for one in unseen if one.record_id == fetched.stuck]
            heard.missed += await exchanger.in_store(watch.give_up, lost)
        return False
    asked = set(records[:MOST])
    heard.missed += await exchanger.in_store(watch.give_up, [one for one in unseen if one.record_id in asked])
    return len(records) <= MOST


async def _page(
    exchanger: Exchanger, connector: ListsAwaited, cursor: str | None
) -> tuple[AwaitedPage | Verdict, WireResponse | None]:
    answer = await exchanger.ask("feedback_awaited", partial(connector.encode_awaited, cursor))
    if answer.verdict is not None:
        return answer.verdict, None
    assert answer.response is not None
    page = await exchanger.decoded(answer.response, connector.decode_awaited, answer.response, answer.stamp)
    return (await heed(exchanger, page) if isinstance(page, Verdict) else page), answer.response
