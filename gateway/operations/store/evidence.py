"""Seal what was written into the evidence chain, and read the chain back to be verified.

Sealing runs beside the work, never in it: it covers rows that are committed, in links of bounded size. A row that
commits late under a lower id is covered by a later link, for as long as ``LATE``. What is covered, and how rows that
may still change are, is said in ``gateway.operations.store.evidence_books``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, or_, select
from sqlalchemy.exc import IntegrityError

from gateway.delivery.store import tables as delivery_tables
from gateway.operations.rules.evidence import FIRST, Ranges, covered, gaps, leaf, link_digest, to_ranges, within
from gateway.operations.store import delivery_accounts
from gateway.operations.store.evidence_books import BOOKS, Book, by_name
from gateway.operations.store.tables import evidence_link, evidence_part
from gateway.store.engine import Store
from gateway.store.metadata import chunks
from gateway.store.vault import Vault

__all__ = ["BOOKS", "LATE", "ChainLink", "by_name"]

LATE = timedelta(days=1)
"""a row that commits later than this after its neighbours is in no link, and the verifier says so"""
_MOST = 5000
"""most rows of one book in one link"""
_MOST_RANGES = 100
_AT_ONCE = 1000
"""parts of links that are read at once where all of a book are"""
_X = delivery_tables.exchange
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Sign = Callable[[str], str]
"""a digest in, its signature in Base64 out"""


@dataclass(frozen=True, kw_only=True)
class ChainLink:
    """One link with its parts: book -> ranges and leaves."""

    number: int
    at: datetime
    previous: str
    digest: str
    seal: str
    anchored: bool
    signature: str | None
    parts: Mapping[str, tuple[Ranges, bytes]]
    tops: Mapping[str, int]


def seal(
    store: Store,
    now: datetime,
    *,
    anchored: bool = False,
    sign: Sign | None = None,
    made: Callable[[ChainLink], None] = lambda _: None,
) -> list[ChainLink]:
    """Cover everything that is committed and not covered yet; gives the links made.

    anchored:  each link says that it is noted outside the store, by ``made``, which is called after its commit
    Where another process seals at the same time, it does the work and this one stops.
    """
    found: list[ChainLink] = []
    while (new := _next(store, now, anchored=anchored, sign=sign)) is not None:
        link, told = new
        rows = [
            {"link_id": link.number, "book": book, "ranges": ranges, "leaves": leaves, "top": link.tops[book]}
            for book, (ranges, leaves) in link.parts.items()
        ]
        values = {name: getattr(link, name) for name in _HEAD}
        try:
            with store.write() as connection:
                connection.execute(insert(evidence_link), {"id": link.number, **values})
                connection.execute(insert(evidence_part), rows)
                delivery_accounts.keep(connection, told)
        except IntegrityError:
            break
        made(link)
        found.append(link)
    return found


_HEAD = ("at", "previous", "digest", "seal", "anchored", "signature")


def head(connection: Connection) -> dict[str, Any] | None:
    """The last link, without its parts."""
    row = connection.execute(select(evidence_link).order_by(evidence_link.c.id.desc()).limit(1)).mappings().first()
    return None if row is None else dict(row)


def _next(
    store: Store, now: datetime, *, anchored: bool, sign: Sign | None
) -> tuple[ChainLink, list[dict[str, Any]]] | None:
    """The next link, and the accounts that are written with it."""
    told: list[dict[str, Any]] = []
    with store.read() as connection:
        last = head(connection)
        recent = select(func.min(evidence_link.c.id)).where(evidence_link.c.at >= now - LATE)
        since = connection.execute(recent).scalar() or (last["id"] if last else 0)
        found: dict[str, tuple[dict[Any, bytes], int]] = {}
        for book in BOOKS:
            if book.moment is not None:
                leaves, top = _decided(connection, store.vault, book, now)
            else:
                leaves = _uncovered(connection, store.vault, book, since)
                top = max((*leaves, _top(connection, book)))
            if leaves:
                found[book.name] = (leaves, top)
        if "verdict" in found:
            told = delivery_accounts.of(
                connection, store.vault, delivery_accounts.ended_by(connection, found["verdict"][0]), now
            )
            _number(connection, told, found)
    if not found:
        return None
    parts = {name: _part(leaves) for name, (leaves, _) in found.items()}
    tops = {name: top for name, (_, top) in found.items()}
    number, previous = (1, FIRST) if last is None else (last["id"] + 1, last["digest"])
    digest = link_digest(number, now, previous, covered(parts, tops), anchored=anchored)
    link = ChainLink(
        number=number,
        at=now,
        previous=previous,
        digest=digest,
        seal=sealed(store.vault, digest),
        anchored=anchored,
        signature=None if sign is None else sign(digest),
        parts=parts,
        tops=tops,
    )
    return link, told


def _part(leaves: Mapping[Any, bytes]) -> tuple[Ranges, bytes]:
    ids = sorted(leaves)
    return to_ranges(ids), b"".join(leaves[one] for one in ids)


def _number(connection: Connection, told: list[dict[str, Any]], found: dict[str, tuple[dict[Any, bytes], int]]) -> None:
    """Give new accounts their ids and cover them."""
    if not told:
        return
    account = by_name("account")
    assert account is not None
    top = connection.execute(select(func.max(account.id))).scalar() or 0
    leaves, _ = found.get(account.name, ({}, 0))
    for number, row in enumerate(told, top + 1):
        row["id"] = number
        leaves[number] = leaf(account.name, {str(column.name): row[column.name] for column in account.columns})
    found[account.name] = (leaves, top + len(told))


def sealed(vault: Vault, digest: str) -> str:
    """A link's digest under the index key: who can only write the tables cannot make one."""
    return vault.mark("evidence_link", digest.encode())


def _uncovered(connection: Connection, vault: Vault, book: Book, since: int) -> dict[Any, bytes]:
    """Leaves by id of rows that no link covers: those that came late, then those behind the highest covered one."""
    here = evidence_part.c.book == book.name
    base = _top(connection, book, below=since)
    recent = select(evidence_part.c.ranges).where(here, evidence_part.c.link_id >= since)
    late = gaps(list(connection.execute(recent).scalars()), after=base)
    behind = book.id > _top(connection, book)
    found: dict[Any, bytes] = {}
    for where in (*_among(book, late), behind):
        if len(found) < _MOST:
            for row in book.rows(connection, vault, where, _MOST - len(found)):
                found[row[book.id.name]] = leaf(book.name, row)
    return found


def _decided(connection: Connection, vault: Vault, book: Book, now: datetime) -> tuple[dict[Any, bytes], int]:
    """Leaves by id of what was decided and is in no link, earliest first, and how far that reaches."""
    assert book.moment is not None
    top = _top(connection, book)
    base = _EPOCH + timedelta(microseconds=top) - LATE if top else None
    due = book.is_ready(book.moment <= now)
    wanted = select(book.id, book.moment).where(due if base is None else due & (book.moment >= base))
    known: set[Any] = set()
    if base is not None:
        reach = (evidence_part.c.book == book.name, evidence_part.c.top >= _micro(base))
        for ranges in connection.execute(select(evidence_part.c.ranges).where(*reach)).scalars():
            known.update(within(ranges))
    rows = connection.execute(wanted.order_by(book.moment, book.id))
    chosen: dict[Any, datetime] = {}
    for number, moment in rows:
        if number not in known and len(chosen) < _MOST:
            chosen[number] = moment
    found: dict[Any, bytes] = {}
    for part in chunks(chosen):
        for row in book.rows(connection, vault, book.id.in_(part)):
            found[row[book.id.name]] = leaf(book.name, row)
    return found, max([top, *(_micro(moment) for moment in chosen.values())])


def _micro(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _top(connection: Connection, book: Book, *, below: int | None = None) -> int:
    """The highest id of a book that any link covers, or any link before ``below``; it never falls from link to link."""
    newest = select(evidence_part.c.top).where(evidence_part.c.book == book.name)
    if below is not None:
        newest = newest.where(evidence_part.c.link_id < below)
    return connection.execute(newest.order_by(evidence_part.c.top.desc()).limit(1)).scalar() or 0


def _among(book: Book, ranges: Ranges) -> Iterator[ColumnElement[bool]]:
    for part in chunks(ranges, _MOST_RANGES):
        yield or_(*(book.id == one if isinstance(one, str) else book.id.between(*one) for one in part))


def links(connection: Connection, numbers: Sequence[int] | None = None) -> Iterator[ChainLink]:
    """The chain in order, or some of its links; one is read at a time."""
    wanted = select(evidence_link).order_by(evidence_link.c.id)
    if numbers is not None:
        wanted = wanted.where(evidence_link.c.id.in_(numbers))
    for row in connection.execute(wanted).mappings().all():
        rows = connection.execute(select(evidence_part).where(evidence_part.c.link_id == row["id"])).mappings().all()
        parts = {part["book"]: (part["ranges"], part["leaves"]) for part in rows}
        tops = {part["book"]: part["top"] for part in rows}
        yield ChainLink(number=row["id"], parts=parts, tops=tops, **{name: row[name] for name in _HEAD})


def leaves_now(connection: Connection, vault: Vault, book: Book, ranges: Ranges) -> dict[Any, bytes]:
    """Id -> leaf of what stands in these ranges now."""
    name, key = book.name, str(book.id.name)
    rows = (row for where in _among(book, ranges) for row in book.rows(connection, vault, where))
    return {row[key]: leaf(name, row) for row in rows}


def uncovered_since(connection: Connection) -> datetime | None:
    """When the oldest exchange was opened that no link covers yet; None where the chain is up to date."""
    [book] = [one for one in BOOKS if one.name == "sent"]
    top = _top(connection, book)
    return connection.execute(select(func.min(_X.c.opened_at)).where(_X.c.id > top)).scalar()


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


def in_no_link(connection: Connection, book: Book) -> list[Any]:
    """Ids that stand in the book and in no link, though they are below the highest covered one or decided before."""
    if book.moment is not None:
        return _decided_in_no_link(connection, book)
    parts = select(evidence_part.c.ranges).where(evidence_part.c.book == book.name).order_by(evidence_part.c.top)
    with connection.execute(parts.execution_options(yield_per=_AT_ONCE)) as found:
        free = gaps(found.scalars())
    ready = [select(book.id).where(book.is_ready(where)).order_by(book.id) for where in _among(book, free)]
    return [number for wanted in ready for number in connection.execute(wanted).scalars()]


def _decided_in_no_link(connection: Connection, book: Book) -> list[Any]:
    assert book.moment is not None
    last = head(connection)
    if last is None:
        return []
    known: set[Any] = set()
    for ranges in connection.execute(select(evidence_part.c.ranges).where(evidence_part.c.book == book.name)).scalars():
        known.update(within(ranges))
    before = select(book.id).where(book.is_ready(book.moment < last["at"] - LATE)).order_by(book.id)
    return [number for number in connection.execute(before).scalars() if number not in known]
