"""Compares a platform's daily books of credit records with the archive: each difference gets a class and an outcome.

A day is closed once each difference was mended by asking the platform, or stands in a ticket. Comparing a day again
gives the same classes, because the archive is looked at as it was recorded at the cut-off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial

from gateway.codec.redact import clean
from gateway.contract.credit import BookFile, BookItem, BookKind, BookResult, BookRow, Manifest, PublishesBooks
from gateway.contract.messages import Verdict, WireResponse
from gateway.credit.fetch import Fetched, fetch_versions, look_for, react_to
from gateway.credit.rules.books import BookDifference, BookLine, BookMismatch, Comparison, compare, unlisted
from gateway.credit.store import books as store
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.rules.paging import PageProgress
from gateway.domain.china import CHINA
from gateway.domain.states import Event
from gateway.domain.ticket_kinds import TicketKind
from gateway.store.scope import Scope

_FETCHED = frozenset(
    {BookDifference.MISSING_LOCAL, BookDifference.BEHIND, BookDifference.CONTENT_DIFF, BookDifference.AHEAD}
)
_LOOKED_FOR = frozenset({BookDifference.MISSING_REMOTE, BookDifference.STATUS_DIFF})
_TICKETS = {BookDifference.AHEAD: TicketKind.AHEAD, BookDifference.STATUS_DIFF: TicketKind.PERIOD}
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


async def reconcile_yesterday(exchanger: Exchanger) -> BooksReport | None:
    """Compare the books of the day before, unless that is done already."""
    day = exchanger.edge.now().astimezone(CHINA).date() - timedelta(days=1)
    if await exchanger.query(store.settled, day):
        return BooksReport(platform=exchanger.platform, day=day, closed=True)
    return await reconcile_books(exchanger, day)


async def reconcile_books(exchanger: Exchanger, day: date) -> BooksReport | None:
    """Compare one day's books, mend what asking can mend and tell the platform the result; None without books."""
    connector = exchanger.connector
    if not isinstance(connector, PublishesBooks):
        return None
    report = BooksReport(platform=exchanger.platform, day=day)
    started = exchanger.edge.now()
    manifest = await _manifest(exchanger, connector, day)
    if isinstance(manifest, Verdict):
        report.published = manifest.event is not Event.NOT_FOUND
        report.stopped = _explain(manifest) if report.published else None
        return report
    if not _follows(manifest, await exchanger.query(store.last_digest, manifest.day)):
        await _refused(exchanger, report, f"books:{day}", "the manifest does not follow on the one before")
        return report
    comparison = Comparison()
    listed: dict[str, set[str]] = {}
    progress = exchanger.progress(None)
    for file in manifest.files:
        rows = await _rows(exchanger, connector, manifest, file, progress)
        if isinstance(rows, Verdict):
            comparison.add(BookDifference.COUNT_DIFF)
            await exchanger.transact(store.keep, manifest, comparison, closed=False)
            await _refused(exchanger, report, f"books:{day}", _explain(rows))
            return report
        await exchanger.query(_compare, file, rows, manifest.cutoff, comparison)
        if file.kind is BookKind.ACTIVE:
            listed.setdefault(file.stream, set()).update(row.key for row in rows)
    await exchanger.query(_compare_unlisted, listed, manifest.cutoff, comparison)
    await _settle(exchanger, connector, (manifest, comparison, started), report)
    return report


async def load_snapshot(exchanger: Exchanger) -> Manifest | Verdict:
    """Bring the archive level with the platform's snapshot, after the feed's cursor has run out; gives the snapshot.

    What the snapshot lists and we lack is fetched by id; what we hold as active and it lacks is asked about.
    """
    connector = exchanger.connector
    assert isinstance(connector, PublishesBooks)
    manifest = await _manifest(exchanger, connector, None)
    if isinstance(manifest, Verdict):
        return manifest
    comparison = Comparison()
    listed: dict[str, set[str]] = {}
    progress = exchanger.progress(None)
    for file in manifest.files:
        rows = await _rows(exchanger, connector, manifest, file, progress)
        if isinstance(rows, Verdict):
            return rows
        # the archive as it is: a snapshot is loaded, not compared
        await exchanger.query(_compare, file, rows, exchanger.edge.now(), comparison)
        listed.setdefault(file.stream, set()).update(row.key for row in rows)
    await exchanger.query(_compare_unlisted, listed, exchanger.edge.now(), comparison)
    asked = await _ask(exchanger, comparison.items)
    return asked.trouble or manifest


async def _settle(
    exchanger: Exchanger,
    connector: PublishesBooks,
    compared: tuple[Manifest, Comparison, datetime],
    report: BooksReport,
) -> None:
    manifest, comparison, started = compared
    items = comparison.items
    mended = await exchanger.query(_mended, items)
    looked = await _ask(exchanger, [item for place, item in enumerate(items) if place not in mended])
    mended = await exchanger.query(_mended, items)
    kinds = {
        place: TicketKind.DISAPPEARED
        if looked.there.get(item.key) is False
        else _TICKETS.get(item.kind, TicketKind.BOOKS)
        for place, item in enumerate(items)
        if place not in mended
    }
    tickets = await exchanger.transact(store.open_for, [(items[place].key, kind) for place, kind in kinds.items()])
    closed = looked.trouble is None and comparison.adds_up
    result = BookResult(
        day=manifest.day,
        started_at=started,
        finished_at=exchanger.edge.now(),
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
    refused = await _send_result(exchanger, connector, result)
    closed = closed and refused is None
    await exchanger.transact(store.keep, manifest, comparison, closed=closed)
    report.rows, report.totals, report.closed = comparison.rows, dict(comparison.totals), closed
    report.mended, report.open = len(mended), len(kinds)
    trouble = looked.trouble or refused
    report.stopped = None if trouble is None else _explain(trouble)


async def _ask(exchanger: Exchanger, items: Sequence[BookMismatch]) -> Fetched:
    """Fetch what we lack, and look for what one side only has."""
    fetched = await fetch_versions(exchanger, dict.fromkeys(i.key for i in items if i.kind in _FETCHED))
    if fetched.trouble is not None:
        return fetched
    return await look_for(exchanger, dict.fromkeys(i.key for i in items if i.kind in _LOOKED_FOR))


async def _manifest(exchanger: Exchanger, connector: PublishesBooks, day: date | None) -> Manifest | Verdict:
    answer = await exchanger.ask("books", partial(connector.encode_manifest, day))
    if answer.response is None or answer.verdict is not None:
        assert answer.verdict is not None
        return answer.verdict
    manifest = connector.decode_manifest(answer.response, day, answer.stamp)
    return await react_to(exchanger, manifest) if isinstance(manifest, Verdict) else manifest


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
    return await react_to(exchanger, rows) if isinstance(rows, Verdict) else rows


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


async def _send_result(exchanger: Exchanger, connector: PublishesBooks, result: BookResult) -> Verdict | None:
    answer = await exchanger.ask("books", partial(connector.encode_result, result))
    if answer.response is None or answer.verdict is not None:
        return answer.verdict
    verdict = connector.decode_result(answer.response, result, answer.stamp)
    return None if verdict.event is Event.ACCEPTED else await react_to(exchanger, verdict)


async def _refused(exchanger: Exchanger, report: BooksReport, place: str, why: str) -> None:
    """Books that cannot be used are somebody's to look into."""
    await exchanger.transact(store.open_for, [(place, TicketKind.BOOKS)])
    report.open, report.stopped = 1, why


def _follows(manifest: Manifest, before: str | None) -> bool:
    """Whether a manifest names the one of the day before as we know it; what either does not know is no break."""
    return before is None or manifest.previous is None or before == manifest.previous[:80]


def _compare(scope: Scope, file: BookFile, rows: tuple[BookRow, ...], at: datetime, comparison: Comparison) -> None:
    """Compare a file with the archive as it was recorded ``at``."""
    if file.kind is BookKind.PUSHED:
        store.compare_pushed(scope, rows, comparison)
    elif file.kind is BookKind.ACKNOWLEDGED:
        store.compare_answers(scope, rows, comparison)
    else:
        held = store.held_at(scope.connection, scope.platform, {row.key for row in rows}, at)
        compare(comparison, _plain(rows), held)


def _compare_unlisted(scope: Scope, listed: Mapping[str, set[str]], at: datetime, comparison: Comparison) -> None:
    """Add what we held as active ``at`` and the platform does not list; ``listed`` gives its records by stream."""
    for stream, records in sorted(listed.items()):
        unlisted(comparison, records, store.active_at(scope.connection, scope.platform, [stream], at))


def _mended(scope: Scope, items: Sequence[BookMismatch]) -> set[int]:
    """Which differences, by place, are gone now that the platform was asked."""
    held = store.held_at(scope.connection, scope.platform, {item.key for item in items}, None)
    return {
        place
        for place, item in enumerate(items)
        if item.kind in (BookDifference.MISSING_LOCAL, BookDifference.BEHIND)
        and item.key in held
        and item.remote_version in held[item.key].versions
    }


def _plain(rows: Iterable[BookRow]) -> list[BookLine]:
    return [
        BookLine(record_id=row.key, version=row.version, digest=row.digest, active=row.kind is BookKind.ACTIVE)
        for row in rows
    ]


def _explain(verdict: Verdict) -> str:
    return clean(f"{verdict.code}: {verdict.reason}")
