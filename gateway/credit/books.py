"""A platform's daily books of credit records against the archive: every difference gets a class and an outcome.

A day is closed once each difference was mended by asking the platform, or stands in a ticket. Comparing a day again
gives the same classes, because the archive is looked at as it was recorded at the cut-off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial

from gateway.codec.redact import clean
from gateway.contract.credit import BookFile, BookItem, BookKind, BookResult, BookRow, Manifest, PublishesBooks
from gateway.contract.messages import Verdict, WireResponse
from gateway.credit.fetch import Desk, Fetched, fetch_versions, heed, look_for
from gateway.credit.rules.books import Comparison, Difference, Item, Row, compare, unlisted
from gateway.credit.store import books as credit_books
from gateway.credit.store.acknowledgements import Scope
from gateway.credit.store.streams import lock_feed
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.rules.paging import PageProgress
from gateway.domain.china import CHINA
from gateway.domain.states import Event
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.engine import Store

_FETCHED = frozenset({Difference.MISSING_LOCAL, Difference.BEHIND, Difference.CONTENT_DIFF, Difference.AHEAD})
_LOOKED_FOR = frozenset({Difference.MISSING_REMOTE, Difference.STATUS_DIFF})
_TICKETS = {Difference.AHEAD: TicketKind.AHEAD, Difference.STATUS_DIFF: TicketKind.PERIOD}
"""other differences get a ticket of the books, unless the record turns out to be gone"""
_RECORDS = (BookKind.CHANGES, BookKind.ACTIVE)


@dataclass(kw_only=True)
class BooksReport:
    """What comparing a day's books came to. ``totals`` counts rows by class; ``open`` differences wait for a person."""

    platform: str
    day: date
    rows: int = 0
    totals: dict[str, int] = field(default_factory=dict)
    mended: int = 0
    open: int = 0
    closed: bool = False
    published: bool = True
    stopped: str | None = None

    def document(self) -> dict[str, object]:
        """What a person or a schedule needs to know of it."""
        names = ("day", "rows", "totals", "mended", "open", "closed", "published", "stopped")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True)
class _Books:
    """The archive's side; each method is one transaction."""

    store: Store
    platform: str
    now: Callable[[], datetime]

    def compare(self, file: BookFile, rows: tuple[BookRow, ...], cutoff: datetime, comparison: Comparison) -> None:
        with self.store.read() as connection:
            if file.kind is BookKind.PUSHED:
                credit_books.compare_pushed(connection, self.platform, rows, comparison)
            elif file.kind is BookKind.ACKNOWLEDGED:
                credit_books.compare_answers(connection, self.platform, rows, comparison)
            else:
                held = credit_books.held_at(connection, self.platform, {row.key for row in rows}, cutoff)
                compare(comparison, _plain(rows), held)

    def unlisted(self, listed: Mapping[str, set[str]], cutoff: datetime, comparison: Comparison) -> None:
        with self.store.read() as connection:
            for stream, records in sorted(listed.items()):
                active = credit_books.active_at(connection, self.platform, [stream], cutoff)
                unlisted(comparison, records, active)

    def chained(self, manifest: Manifest) -> bool:
        with self.store.read() as connection:
            before = credit_books.last_digest(connection, self.platform, manifest.day)
        return before is None or manifest.previous is None or before == manifest.previous[:80]

    def settled(self, day: date) -> bool:
        with self.store.read() as connection:
            return credit_books.settled(connection, self.platform, day)

    def mended(self, items: Iterable[Item]) -> set[int]:
        """Which differences, by place, are gone now that the platform was asked."""
        there = list(items)
        with self.store.read() as connection:
            held = credit_books.held_at(connection, self.platform, {item.key for item in there}, None)
        return {
            place
            for place, item in enumerate(there)
            if item.kind in (Difference.MISSING_LOCAL, Difference.BEHIND)
            and item.key in held
            and item.remote_version in held[item.key].versions
        }

    def tickets(self, wanted: list[tuple[str, TicketKind]]) -> dict[tuple[str, str], str]:
        with self.store.write() as connection:
            _, at = lock_feed(connection, self.platform, self.now())
            scope = Scope(connection=connection, vault=self.store.vault, platform=self.platform, at=at)
            return credit_books.open_for(scope, wanted)

    def keep(self, manifest: Manifest, comparison: Comparison, *, closed: bool) -> None:
        with self.store.write() as connection:
            scope = Scope(connection=connection, vault=self.store.vault, platform=self.platform, at=self.now())
            credit_books.keep(scope, manifest, comparison, closed=closed)


async def reconcile_yesterday(exchanger: Exchanger, store: Store, now: Callable[[], datetime]) -> BooksReport | None:
    """Compare the books of the day before, unless that is done already."""
    day = now().astimezone(CHINA).date() - timedelta(days=1)
    if await exchanger.in_store(_Books(store=store, platform=exchanger.platform, now=now).settled, day):
        return BooksReport(platform=exchanger.platform, day=day, closed=True)
    return await reconcile_books(exchanger, store, now, day)


async def reconcile_books(
    exchanger: Exchanger, store: Store, now: Callable[[], datetime], day: date
) -> BooksReport | None:
    """Compare one day's books, mend what asking can mend and tell the platform the result; None without books."""
    connector = exchanger.connector
    if not isinstance(connector, PublishesBooks):
        return None
    report = BooksReport(platform=exchanger.platform, day=day)
    books = _Books(store=store, platform=exchanger.platform, now=now)
    started = now()
    manifest = await _manifest(exchanger, connector, day)
    if isinstance(manifest, Verdict):
        report.published = manifest.event is not Event.NOT_FOUND
        report.stopped = _said(manifest) if report.published else None
        return report
    if not await exchanger.in_store(books.chained, manifest):
        await _refused(exchanger, books, report, f"books:{day}", "the manifest does not follow on the one before")
        return report
    comparison = Comparison()
    listed: dict[str, set[str]] = {}
    progress = exchanger.progress(None)
    for file in manifest.files:
        rows = await _rows(exchanger, connector, manifest, file, progress)
        if isinstance(rows, Verdict):
            comparison.add(Difference.COUNT_DIFF)
            await exchanger.in_store(books.keep, manifest, comparison, closed=False)
            await _refused(exchanger, books, report, f"books:{day}", _said(rows))
            return report
        await exchanger.in_store(books.compare, file, rows, manifest.cutoff, comparison)
        if file.kind is BookKind.ACTIVE:
            listed.setdefault(file.stream, set()).update(row.key for row in rows)
    await exchanger.in_store(books.unlisted, listed, manifest.cutoff, comparison)
    await _settle(exchanger, connector, books, (manifest, comparison, started), report)
    return report


async def latest_snapshot(exchanger: Exchanger, store: Store, now: Callable[[], datetime]) -> Manifest | Verdict:
    """Bring the archive level with the platform's snapshot, after the feed's cursor has run out; gives the snapshot.

    What the snapshot lists and we lack is fetched by id; what we hold as active and it lacks is asked about.
    """
    connector = exchanger.connector
    assert isinstance(connector, PublishesBooks)
    manifest = await _manifest(exchanger, connector, None)
    if isinstance(manifest, Verdict):
        return manifest
    books, comparison = _Books(store=store, platform=exchanger.platform, now=now), Comparison()
    listed: dict[str, set[str]] = {}
    progress = exchanger.progress(None)
    for file in manifest.files:
        rows = await _rows(exchanger, connector, manifest, file, progress)
        if isinstance(rows, Verdict):
            return rows
        # the archive as it is: a snapshot is loaded, not compared
        await exchanger.in_store(books.compare, file, rows, now(), comparison)
        listed.setdefault(file.stream, set()).update(row.key for row in rows)
    await exchanger.in_store(books.unlisted, listed, now(), comparison)
    desk = Desk(store=store, platform=exchanger.platform, now=now)
    asked = await _ask(exchanger, desk, comparison.items)
    return asked.trouble or manifest


async def _settle(
    exchanger: Exchanger,
    connector: PublishesBooks,
    books: _Books,
    compared: tuple[Manifest, Comparison, datetime],
    report: BooksReport,
) -> None:
    manifest, comparison, started = compared
    items = comparison.items
    desk = Desk(store=books.store, platform=books.platform, now=books.now)
    mended = await exchanger.in_store(books.mended, items)
    looked = await _ask(exchanger, desk, [item for place, item in enumerate(items) if place not in mended])
    mended = await exchanger.in_store(books.mended, items)
    kinds = {
        place: TicketKind.DISAPPEARED
        if looked.there.get(item.key) is False
        else _TICKETS.get(item.kind, TicketKind.BOOKS)
        for place, item in enumerate(items)
        if place not in mended
    }
    tickets = await exchanger.in_store(books.tickets, [(items[place].key, kind) for place, kind in kinds.items()])
    closed = looked.trouble is None and comparison.adds_up
    result = BookResult(
        day=manifest.day,
        started_at=started,
        finished_at=books.now(),
        totals=dict(comparison.totals),
        items=tuple(
            BookItem(
                key=item.key,
                outcome=item.kind,
                local_version=item.local_version,
                remote_version=item.remote_version,
                ticket=tickets.get((item.key[:64], str(kinds[place]))) if place in kinds else None,
            )
            for place, item in enumerate(items)
        ),
        closed=closed,
    )
    told = await _tell(exchanger, connector, result)
    closed = closed and told is None
    await exchanger.in_store(books.keep, manifest, comparison, closed=closed)
    report.rows, report.totals, report.closed = comparison.rows, dict(comparison.totals), closed
    report.mended, report.open = len(mended), len(kinds)
    trouble = looked.trouble or told
    report.stopped = None if trouble is None else _said(trouble)


async def _ask(exchanger: Exchanger, desk: Desk, items: Sequence[Item]) -> Fetched:
    """Fetch what we lack, and look for what one side only has."""
    fetched = await fetch_versions(exchanger, desk, dict.fromkeys(i.key for i in items if i.kind in _FETCHED))
    if fetched.trouble is not None:
        return fetched
    return await look_for(exchanger, desk, dict.fromkeys(i.key for i in items if i.kind in _LOOKED_FOR))


async def _manifest(exchanger: Exchanger, connector: PublishesBooks, day: date | None) -> Manifest | Verdict:
    answer = await exchanger.ask("books", partial(connector.encode_manifest, day))
    if answer.response is None or answer.verdict is not None:
        assert answer.verdict is not None
        return answer.verdict
    manifest = connector.decode_manifest(answer.response, day, answer.stamp)
    return await heed(exchanger, manifest) if isinstance(manifest, Verdict) else manifest


async def _rows(
    exchanger: Exchanger, connector: PublishesBooks, manifest: Manifest, file: BookFile, progress: PageProgress
) -> tuple[BookRow, ...] | Verdict:
    """The rows of a file; one that does not hold what the manifest says is asked for once more.

    A manifest that names a file twice, or more files than may be read, leads nowhere.
    """
    rows, response = await _rows_once(exchanger, connector, manifest, file)
    if isinstance(rows, Verdict) and rows.event is Event.CONFLICT:
        rows, response = await _rows_once(exchanger, connector, manifest, file)
    stalled = progress.after(response, f"{file.stream}/{file.kind}/{file.name}")
    if stalled is not None:
        return stalled
    return await heed(exchanger, rows) if isinstance(rows, Verdict) else rows


async def _rows_once(
    exchanger: Exchanger, connector: PublishesBooks, manifest: Manifest, file: BookFile
) -> tuple[tuple[BookRow, ...] | Verdict, WireResponse | None]:
    answer = await exchanger.ask("books", partial(connector.encode_book, manifest, file))
    if answer.response is None or answer.verdict is not None:
        assert answer.verdict is not None
        return answer.verdict, None
    rows = await exchanger.decoded(
        answer.response, connector.decode_book, answer.response, manifest, file, answer.stamp
    )
    if not isinstance(rows, Verdict) and len(rows) != file.rows:
        rows = Verdict(event=Event.CONFLICT, code="COUNT_DIFF", reason="other rows than the manifest says")
    return rows, answer.response


async def _tell(exchanger: Exchanger, connector: PublishesBooks, result: BookResult) -> Verdict | None:
    answer = await exchanger.ask("books", partial(connector.encode_result, result))
    if answer.response is None or answer.verdict is not None:
        return answer.verdict
    verdict = connector.decode_result(answer.response, result, answer.stamp)
    return None if verdict.event is Event.ACCEPTED else await heed(exchanger, verdict)


async def _refused(exchanger: Exchanger, books: _Books, report: BooksReport, place: str, why: str) -> None:
    """Books that cannot be used are somebody's to look into."""
    await exchanger.in_store(books.tickets, [(place, TicketKind.BOOKS)])
    report.open, report.stopped = 1, why


def _plain(rows: Iterable[BookRow]) -> list[Row]:
    return [
        Row(record_id=row.key, version=row.version, digest=row.digest, active=row.kind is BookKind.ACTIVE)
        for row in rows
    ]


def _said(verdict: Verdict) -> str:
    return clean(f"{verdict.code}: {verdict.reason}")
