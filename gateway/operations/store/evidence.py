"""Seal what was written into the evidence chain, and read the chain back to be verified.

Sealing runs beside the work, never in it: it covers rows that are committed, in links of bounded size. A row that
commits late under a lower id is covered by a later link, for as long as ``LATE``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, and_, func, insert, or_, select
from sqlalchemy.exc import IntegrityError

from gateway.credit.store import tables as credit_tables_
from gateway.delivery.store import tables as delivery_tables
from gateway.domain.errors import StoreError
from gateway.intake.store import tables as intake_tables
from gateway.operations.rules.evidence import FIRST, Ranges, covered, gaps, leaf, link_digest, to_ranges
from gateway.operations.store import tables as operations_tables
from gateway.operations.store.tables import evidence_link, evidence_part
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.metadata import chunks
from gateway.store.vault import Vault

LATE = timedelta(days=1)
"""a row that commits later than this after its neighbours is in no link, and the verifier says so"""
_MOST = 5000
"""most rows of one book in one link"""
_MOST_RANGES = 100
_MOST_BODIES = 200
_AT_ONCE = 1000
"""parts of links that are read at once where all of a book are"""


@dataclass(frozen=True, kw_only=True)
class Book:
    """Lasting columns of a table, and when a row is ready to be covered."""

    name: str
    columns: tuple[Column[Any], ...]
    ready: ColumnElement[bool] | None = None

    @property
    def id(self) -> Column[Any]:
        """The column the ranges speak of."""
        return self.columns[0]

    def rows(self, connection: Connection, where: ColumnElement[bool], limit: int | None = None) -> Iterator[Any]:
        """Rows that are ready, by id."""
        wanted = where if self.ready is None else and_(where, self.ready)
        yield from connection.execute(select(*self.columns).where(wanted).order_by(self.id).limit(limit)).mappings()


def _book(name: str, table: Any, names: str, ready: ColumnElement[bool] | None = None) -> Book:
    return Book(name=name, columns=tuple(table.c[one] for one in ("id", *names.split())), ready=ready)


_X = delivery_tables.exchange
BOOKS = (
    _book("batch", tables.batch, "name digest read_at rows admitted refused held unchanged"),
    _book("filing", intake_tables.filing, "batch_id row_no outcome failures person_key certificate_key"),
    _book("record", tables.record, "kind key version person_key fingerprint effective_from change created_at batch_id"),
    _book("delivery", delivery_tables.delivery, "platform kind record_id record_key version business_key created_at"),
    _book("sent", _X, "platform purpose operation message_id opened_at request_digest"),
    _book("answered", _X, "closed_at status failure response_digest", _X.c.closed_at.is_not(None)),
    _book("attempt", delivery_tables.attempt, "delivery_id exchange_id position fence"),
    _book("verdict", delivery_tables.verdict, "attempt_id event code reason fields platform_ref applied at"),
    _book("inbox", credit_tables_.inbox, "platform exchange_id received_at digest"),
    _book(
        "credit_event",
        credit_tables_.credit_event,
        "platform event_id stream stream_seq event_type event_time received_at inbox_id record_id version digest",
    ),
    _book("credit_ack", credit_tables_.credit_ack, "platform event_id record_id version code at"),
    _book("reconciliation", delivery_tables.reconciliation, "platform ours_at theirs_at counts"),
    _book("audit", tables.audit, "at actor action object reason detail"),
    _book("purge", operations_tables.purge, "at by rule before what ranges rows"),
)


@dataclass(frozen=True, kw_only=True)
class Link:
    """One link with its parts: book -> ranges and leaves."""

    number: int
    at: datetime
    previous: str
    digest: str
    seal: str
    parts: Mapping[str, tuple[Ranges, bytes]]
    tops: Mapping[str, int]


def seal(store: Store, now: datetime) -> list[Link]:
    """Cover everything that is committed and not covered yet; gives the links made.

    Where another process seals at the same time, it does the work and this one stops.
    """
    made: list[Link] = []
    while (link := _next(store, now)) is not None:
        rows = [
            {"link_id": link.number, "book": book, "ranges": ranges, "leaves": leaves, "top": link.tops[book]}
            for book, (ranges, leaves) in link.parts.items()
        ]
        values = {name: getattr(link, name) for name in ("at", "previous", "digest", "seal")}
        try:
            with store.write() as connection:
                connection.execute(insert(evidence_link), {"id": link.number, **values})
                connection.execute(insert(evidence_part), rows)
        except IntegrityError:
            break
        made.append(link)
    return made


def _next(store: Store, now: datetime) -> Link | None:
    with store.read() as connection:
        last = connection.execute(select(evidence_link).order_by(evidence_link.c.id.desc()).limit(1)).mappings().first()
        recent = select(func.min(evidence_link.c.id)).where(evidence_link.c.at >= now - LATE)
        since = connection.execute(recent).scalar() or (last["id"] if last else 0)
        parts, tops = {}, {}
        for book in BOOKS:
            ids, leaves = _uncovered(connection, book, since)
            if ids:
                parts[book.name] = (to_ranges(ids), b"".join(leaves))
                tops[book.name] = max(ids[-1], _top(connection, book))
    if not parts:
        return None
    number, previous = (1, FIRST) if last is None else (last["id"] + 1, last["digest"])
    digest = link_digest(number, now, previous, covered(parts))
    return Link(
        number=number,
        at=now,
        previous=previous,
        digest=digest,
        seal=sealed(store.vault, digest),
        parts=parts,
        tops=tops,
    )


def sealed(vault: Vault, digest: str) -> str:
    """A link's digest under the index key: who can only write the tables cannot make one."""
    return vault.index("evidence_link", digest)


def _uncovered(connection: Connection, book: Book, since: int) -> tuple[list[int], list[bytes]]:
    """Ids and leaves of rows that no link covers: those that came late, then those behind the highest covered one."""
    here = evidence_part.c.book == book.name
    base = _top(connection, book, below=since)
    recent = select(evidence_part.c.ranges).where(here, evidence_part.c.link_id >= since)
    late = gaps(list(connection.execute(recent).scalars()), after=base)
    behind = book.id > _top(connection, book)
    found: dict[int, bytes] = {}
    for where in (*_among(book, late), behind):
        if len(found) < _MOST:
            for row in book.rows(connection, where, _MOST - len(found)):
                found[row["id"]] = leaf(book.name, row)
    ids = sorted(found)
    return ids, [found[number] for number in ids]


def _top(connection: Connection, book: Book, *, below: int | None = None) -> int:
    """The highest id of a book that any link covers, or any link before ``below``; it never falls from link to link."""
    newest = select(evidence_part.c.top).where(evidence_part.c.book == book.name)
    if below is not None:
        newest = newest.where(evidence_part.c.link_id < below)
    return connection.execute(newest.order_by(evidence_part.c.top.desc()).limit(1)).scalar() or 0


def _among(book: Book, ranges: Ranges) -> Iterator[ColumnElement[bool]]:
    for part in chunks(ranges, _MOST_RANGES):
        yield or_(*(book.id.between(first, last) for first, last in part))


def links(connection: Connection, numbers: Sequence[int] | None = None) -> Iterator[Link]:
    """The chain in order, or some of its links; one is read at a time."""
    wanted = select(evidence_link).order_by(evidence_link.c.id)
    if numbers is not None:
        wanted = wanted.where(evidence_link.c.id.in_(numbers))
    for head in connection.execute(wanted).mappings().all():
        rows = connection.execute(select(evidence_part).where(evidence_part.c.link_id == head["id"])).mappings().all()
        parts = {row["book"]: (row["ranges"], row["leaves"]) for row in rows}
        tops = {row["book"]: row["top"] for row in rows}
        values = {name: head[name] for name in ("at", "previous", "digest", "seal")}
        yield Link(number=head["id"], parts=parts, tops=tops, **values)


def leaves_now(connection: Connection, book: Book, ranges: Ranges) -> dict[int, bytes]:
    """Id -> leaf of what stands in these ranges now."""
    return {row["id"]: leaf(book.name, row) for where in _among(book, ranges) for row in book.rows(connection, where)}


def uncovered_since(connection: Connection) -> datetime | None:
    """When the oldest exchange was opened that no link covers yet; None where the chain is up to date."""
    [book] = [one for one in BOOKS if one.name == "sent"]
    top = _top(connection, book)
    return connection.execute(select(func.min(_X.c.opened_at)).where(_X.c.id > top)).scalar()


def by_name(name: str) -> Book:
    """The book of this name."""
    return next(book for book in BOOKS if book.name == name)


def removed(connection: Connection) -> dict[str, Ranges]:
    """Book -> ids that retention removed, as its purges say."""
    found: dict[str, Ranges] = {}
    rows = connection.execute(select(operations_tables.purge.c.what, operations_tables.purge.c.ranges))
    for what, ranges in rows:
        found.setdefault(what, []).extend(ranges)
    return found


def covering(connection: Connection, book: str, number: int) -> int | None:
    """The link that covers one row, or None: the first that reached its id, or one for rows that came late."""
    first = connection.execute(
        select(evidence_link.c.id, evidence_link.c.at, evidence_part.c.ranges)
        .join(evidence_part, evidence_part.c.link_id == evidence_link.c.id)
        .where(evidence_part.c.book == book, evidence_part.c.top >= number)
        .order_by(evidence_part.c.top, evidence_part.c.link_id)
        .limit(1)
    ).first()
    if first is None:
        return None
    if _covers(first.ranges, number):
        return int(first.id)
    later = select(evidence_link.c.id).where(evidence_link.c.id > first.id + 1, evidence_link.c.at > first.at + LATE)
    beyond = connection.execute(later.order_by(evidence_link.c.id).limit(1)).scalar()
    parts = select(evidence_part.c.link_id, evidence_part.c.ranges).where(
        evidence_part.c.book == book, evidence_part.c.link_id > first.id
    )
    parts = parts if beyond is None else parts.where(evidence_part.c.link_id < beyond)
    for link_id, ranges in connection.execute(parts.order_by(evidence_part.c.link_id)):
        if _covers(ranges, number):
            return int(link_id)
    return None


def _covers(ranges: Ranges, number: int) -> bool:
    return any(first <= number <= last for first, last in ranges)


def in_no_link(connection: Connection, book: Book) -> list[int]:
    """Ids below the highest covered one that stand in the book and in no link."""
    parts = select(evidence_part.c.ranges).where(evidence_part.c.book == book.name).order_by(evidence_part.c.top)
    free = gaps(connection.execute(parts.execution_options(yield_per=_AT_ONCE)).scalars())
    return [row["id"] for where in _among(book, free) for row in book.rows(connection, where)]


def altered_bytes(connection: Connection, vault: Vault) -> Iterator[tuple[str, int]]:
    """(book, id) of stored requests and answers that do not open, or are not those whose digest stands beside them."""
    after = 0
    while True:
        part = connection.execute(select(_X).where(_X.c.id > after).order_by(_X.c.id).limit(_MOST_BODIES)).all()
        for row in part:
            for book, sealed_bytes, place in _kept(row):
                if not _is(vault, sealed_bytes, place, row.request_digest if book == "sent" else row.response_digest):
                    yield book, row.id
        if not part:
            break
        after = part[-1].id


def _is(vault: Vault, sealed_bytes: bytes, place: str, digest: str) -> bool:
    try:
        return hashlib.sha256(vault.open(sealed_bytes, place)).hexdigest() == digest
    except StoreError:
        return False


def rows_about(connection: Connection, delivery_id: int) -> dict[str, list[dict[str, Any]]]:
    """Book -> rows about one delivery."""
    attempts = select(delivery_tables.attempt.c.id).where(delivery_tables.attempt.c.delivery_id == delivery_id)
    exchanges = select(delivery_tables.attempt.c.exchange_id).where(
        delivery_tables.attempt.c.delivery_id == delivery_id
    )
    record = select(delivery_tables.delivery.c.record_id).where(delivery_tables.delivery.c.id == delivery_id)
    wanted = {
        "record": tables.record.c.id.in_(record),
        "delivery": delivery_tables.delivery.c.id == delivery_id,
        "sent": _X.c.id.in_(exchanges),
        "answered": _X.c.id.in_(exchanges),
        "attempt": delivery_tables.attempt.c.delivery_id == delivery_id,
        "verdict": delivery_tables.verdict.c.attempt_id.in_(attempts),
    }
    return {book: [dict(row) for row in by_name(book).rows(connection, where)] for book, where in wanted.items()}


def bodies(connection: Connection, vault: Vault, exchange_ids: Sequence[int]) -> dict[tuple[str, int], bytes]:
    """(book, id) -> the bytes of requests and answers that are still kept."""
    found: dict[tuple[str, int], bytes] = {}
    for row in connection.execute(select(_X).where(_X.c.id.in_(exchange_ids)).order_by(_X.c.id)):
        for book, sealed_bytes, place in _kept(row):
            found[book, row.id] = vault.open(sealed_bytes, place)
    return found


def _kept(row: Any) -> Iterator[tuple[str, bytes, str]]:
    if row.request is not None:
        yield "sent", row.request, f"exchange.request:{row.message_id}/{row.request_digest}"
    if row.response is not None:
        yield "answered", row.response, f"exchange.response:{row.id}"
