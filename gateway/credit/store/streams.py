"""Locks a platform's feed for a change, and finds gaps in its numbered streams: a missing number stops one (F36)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import and_, func, insert, select, update

from gateway.contract.messages import Finding
from gateway.credit.store.acknowledgements import close_tickets, open_new, open_tickets
from gateway.credit.store.events import EventRow
from gateway.credit.store.tables import credit_event, credit_stream, feed
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.engine import Store
from gateway.store.metadata import insert_into
from gateway.store.scope import Scope, write_scope

TRIES = 3
"""how often a gap is met, or a signature refused, before a person is told"""

Pair = tuple[Finding, EventRow]
_TICK = timedelta(microseconds=1)


def lock_feed(scope: Scope) -> tuple[str | None, Scope]:
    """Lock the platform's archive until the commit; gives the feed's cursor and the scope at the recorded moment.

    Whoever changes the archive begins with it, so that changes come one after another and each is recorded later than
    all before it, even where the clock was set back.
    """
    connection, here = scope.connection, feed.c.platform == scope.platform
    first = {"platform": scope.platform, "cursor": None, "updated_at": scope.at - _TICK}
    connection.execute(insert_into(connection, feed).values(first).on_conflict_do_nothing())
    row = connection.execute(select(feed).where(here).with_for_update()).one()
    at = max(scope.at, row.updated_at + _TICK)
    connection.execute(update(feed).where(here).values(updated_at=at))
    return row.cursor, replace(scope, at=at)


@contextmanager
def archive_scope(store: Store, platform: str, at: datetime) -> Iterator[Scope]:
    """One write transaction in which a platform's archive is locked."""
    with write_scope(store, platform, at) as scope:
        yield lock_feed(scope)[1]


def divide(scope: Scope, events: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Divide a page at the gaps of its streams. Numbers at or below the last one are repeats and never a gap.

    A missing number is none where its event was fetched otherwise.
    A flawed event never opens a gap: its number counts where it is the one that is missing. Where its number or stream
    cannot be read, or leads nowhere, it may fill any gap of one.
    """
    names = {event.values["stream"] for _, event in events}
    rows = scope.connection.execute(
        select(credit_stream).where(credit_stream.c.platform == scope.platform, credit_stream.c.stream.in_(names))
    )
    last = {row.stream: row.last_seq for row in rows}
    known = set(last)
    good, flawed = _numbers(events, names, flawed=False), _numbers(events, names, flawed=True)
    ends = {stream: max([*good[stream], last.get(stream, 0)]) for stream in names}
    for stream in names:
        while ends[stream] and ends[stream] + 1 in flawed[stream]:
            ends[stream] += 1
    unread = sum(
        finding.flaw is not None and not 0 < event.values["stream_seq"] <= ends[event.values["stream"]]
        for finding, event in events
    )
    stopped: set[str] = set()
    for stream in sorted(names):
        for number in sorted(good[stream]):
            before = last.get(stream, number - 1)
            missing = number - before - 1 - sum(before < other < number for other in flawed[stream])
            if missing > unread:
                missing -= _fetched(scope, stream, before, number)
            if missing > unread:
                stopped.add(stream)
                break
            unread -= max(missing, 0)
            last[stream] = max(number, before)
        if stream in last and stream not in stopped:
            last[stream] = max(last[stream], ends[stream])
    _keep(scope, last, known, stopped)
    ready = [pair for pair in events if _comes(pair[1], last, stopped)]
    return ready, [pair for pair in events if not _comes(pair[1], last, stopped)]


def _numbers(events: Sequence[Pair], streams: Collection[str], *, flawed: bool) -> dict[str, set[int]]:
    """The numbers of good or flawed events by stream."""
    found: dict[str, set[int]] = {stream: set() for stream in streams}
    for finding, event in events:
        if event.values["stream_seq"] > 0 and (finding.flaw is not None) is flawed:
            found[event.values["stream"]].add(event.values["stream_seq"])
    return found


def _fetched(scope: Scope, stream: str, after: int, before: int) -> int:
    """How many numbers between two are those of events that were asked for by the id of their record."""
    place = credit_event.c.stream_seq
    here = and_(credit_event.c.platform == scope.platform, credit_event.c.stream == stream, place > after)
    return scope.connection.execute(select(func.count(place.distinct())).where(here, place < before)).scalar_one()


def _comes(event: EventRow, last: Mapping[str, int], stopped: Collection[str]) -> bool:
    stream = event.values["stream"]
    return stream not in stopped or event.values["stream_seq"] <= last.get(stream, 0)


def _keep(scope: Scope, last: Mapping[str, int], known: Collection[str], stopped: Collection[str]) -> None:
    """Write how far each stream of the page came; a gap met for the third time gets a ticket, a filled one loses it."""
    table = credit_stream
    for stream, number in last.items():
        if stream not in known:
            values = {"platform": scope.platform, "stream": stream, "last_seq": number}
            scope.connection.execute(insert(table).values(values))
        scope.connection.execute(
            update(table)
            .where(table.c.platform == scope.platform, table.c.stream == stream)
            .values(last_seq=number, gap_tries=table.c.gap_tries + 1 if stream in stopped else 0)
        )
    lasting = scope.connection.execute(
        select(table.c.stream).where(
            table.c.platform == scope.platform, table.c.stream.in_(stopped), table.c.gap_tries >= TRIES
        )
    ).scalars()
    tickets = open_tickets(scope, [_place(stream) for stream in last])
    open_new(scope, {(_place(stream), str(TicketKind.GAP)): None for stream in lasting}, tickets)
    places = {_place(stream) for stream in stopped}
    close_tickets(scope, [number for (place, _), number in tickets.items() if place not in places])


def _place(stream: str) -> str:
    """Under which name a stream's ticket stands."""
    return f"stream:{stream}"
