"""Seal and verify the evidence chain, with its head anchored outside the store."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gateway.contract.connector import Connector
from gateway.delivery.store import views
from gateway.domain.states import State
from gateway.operations.anchors import read_anchor, read_anchors
from gateway.operations.rules.evidence import FIRST, LEAF, canonical, covered, link_digest, size, within
from gateway.operations.signer import Sign, Verify
from gateway.operations.store import delivery_accounts, derived_states, evidence, evidence_bytes, purges
from gateway.operations.store.evidence import ChainLink
from gateway.operations.store.evidence_books import BOOKS, Book
from gateway.store.engine import Connection, Store
from gateway.store.vault import Vault
from gateway.testing.checker import proofs

log = logging.getLogger(__name__)
_TOLD = 20
"""faults of one kind that are named one by one"""
_BEGIN = b'{"at":"'
"""of an anchor; a killed process may leave one without its end"""


@dataclass(frozen=True, kw_only=True)
class EvidenceFault:
    """A place where the store is not what was sealed. ``row`` is the id in the book's table; None for a whole link."""

    link: int | None
    book: str | None
    row: int | str | None
    what: str


@dataclass(kw_only=True)
class EvidenceCheck:
    """What was looked at, and what does not fit."""

    links: int = 0
    rows: int = 0
    removed: int = 0
    """rows that retention removed and whose purge says so"""
    anchors: int = 0
    signed: int = 0
    """links whose signature was verified"""
    proven: list[str] = field(default_factory=list)
    """platforms whose acceptances were judged again from their bytes"""
    uncovered_since: datetime | None = None
    """the oldest exchange that no link covers yet"""
    faults: list[EvidenceFault] = field(default_factory=list)


def seal(store: Store, now: datetime, anchors: Path | None, sign: Sign | None = None) -> int:
    """Cover what was committed since, and note each new link in ``anchors``; gives how many rows.

    Where the anchors cannot be written, what was done stays done: the links say that they have no anchor, and a warning
    is logged.
    """
    if anchors is not None and (error := _unwritable(anchors)) is not None:
        log.warning("the evidence is sealed and not anchored: %s: %s", anchors, error)
        anchors = None
    if anchors is not None:
        _mend_anchors(store, anchors)
    made = evidence.seal(
        store,
        now,
        anchored=anchors is not None,
        sign=sign,
        made=(lambda link: _anchor(anchors, link.number, link.at, link.digest)) if anchors else lambda _: None,
    )
    return sum(size(ranges) for link in made for ranges, _ in link.parts.values())


def _unwritable(path: Path) -> str | None:
    """Why the file of anchors cannot be written, or None."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        is_new = not path.exists()
        os.close(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600))
        if is_new:
            path.unlink()  # one that is gone is a fault of its own, and must not look emptied
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def _mend_anchors(store: Store, path: Path) -> None:
    """Note the last link where a process was killed between its commit and its anchor: it and no other may lack one."""
    with store.read() as connection:
        head = evidence.head(connection)
    if head is None or not head["anchored"]:
        return
    noted = [number for number, _ in read_anchors(path)] if path.exists() else []
    if max(noted, default=0) == head["id"] - 1 and (noted or head["id"] == 1):
        _anchor(path, head["id"], head["at"], head["digest"])


def _anchor(path: Path, number: int, at: datetime, digest: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(handle, "ab") as file:
        # a line that a killed process left torn must not swallow the next one
        file.write(b"\n" if file.tell() else b"")
        file.write(canonical({"link": number, "at": at, "digest": digest}).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def verify(
    store: Store,
    anchors: Path | None,
    *,
    every_byte: bool = False,
    signed_by: Verify | None = None,
    connectors: Mapping[str, Connector] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> EvidenceCheck:
    """Read the whole chain against the tables, the keys and the anchors; a fault names its link, book and row.

    every_byte:  also open every sealed value, compare stored requests and answers with their digests, and judge every
                 acceptance again from its bytes
    signed_by:   verifies signatures; without it links that are signed are a fault, with it those that are not
    connectors:  by platform, for ``every_byte``; acceptances of a platform without one are a fault
    """
    found = EvidenceCheck()
    with store.read() as connection:
        gone = purges.Purges()
        with _readable(found, "purge"):
            gone = purges.read(connection, store.vault)
        found.faults += _some(EvidenceFault(link=None, book="purge", row=n, what=what) for n, what in gone.faults)
        chain = _Chain(store=store, connection=connection, gone=gone, signed_by=signed_by, found=found)
        with _readable(found, "evidence_link"):
            for link in evidence.links(connection):
                chain.read(link)
                progress(found.links)
        for book in BOOKS:
            with _readable(found, book.name):
                lost = evidence.in_no_link(connection, book)
                found.faults += _some(
                    EvidenceFault(link=None, book=book.name, row=one, what="stands among sealed rows and is in no link")
                    for one in lost
                )
        with _readable(found, "exchange"):
            found.faults += _some(
                EvidenceFault(link=None, book=book_name, row=number, what=what)
                for book_name, number, what in evidence_bytes.lost_bytes(connection, gone.gone)
            )
        for name, doubts in _derived(connection, store.vault):
            with _readable(found, name):
                found.faults += _some(EvidenceFault(link=None, book=name, row=n, what=what) for n, what in doubts)
        if every_byte:
            with _readable(found, "exchange"):
                _judge_bytes(store, connection, gone, connectors, found)
        found.uncovered_since = evidence.uncovered_since(connection)
    found.faults += _anchored(anchors, chain.anchored, chain.digests, found)
    return found


def _derived(connection: Connection, vault: Vault) -> Iterator[tuple[str, Iterator[tuple[int | str, str]]]]:
    """Book -> (row, what) where something does not follow from the rows that last."""
    yield "delivery", iter(derived_states.contradicted(connection))
    yield "delivery", iter(delivery_accounts.altered(connection, vault))
    yield "replay", iter(derived_states.altered_plans(connection))
    yield "four_eyes", iter(derived_states.altered_demands(connection))


@contextmanager
def _readable(found: EvidenceCheck, book: str) -> Iterator[None]:
    """A value of another form than ever is written ends this part of the reading, and is a fault itself."""
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        what = f"cannot be read to its end: a value has another form than is ever written ({type(error).__name__})"
        found.faults.append(EvidenceFault(link=None, book=book, row=None, what=what))


def _some(faults: Iterator[EvidenceFault]) -> list[EvidenceFault]:
    """The first of many like each other, and how many more there are."""
    kept: list[EvidenceFault] = []
    more = 0
    for fault in faults:
        if len(kept) < _TOLD:
            kept.append(fault)
        else:
            more += 1
    if more:
        last = kept[-1]
        kept.append(EvidenceFault(link=last.link, book=last.book, row=None, what=f"and {more} more like these"))
    return kept


def _judge_bytes(
    store: Store,
    connection: Connection,
    gone: purges.Purges,
    connectors: Mapping[str, Connector] | None,
    found: EvidenceCheck,
) -> None:
    """Open what is sealed, and judge every acceptance again."""
    found.faults += _some(
        EvidenceFault(link=None, book=book, row=number, what="the stored bytes are not those of its digest")
        for book, number in evidence_bytes.altered_bytes(connection, store.vault)
    )
    found.faults += _some(
        EvidenceFault(link=None, book=name, row=key, what="does not open: changed, moved, or sealed with another key")
        for name, key in evidence_bytes.closed_values(connection, store.vault)
    )
    found.faults += _some(
        EvidenceFault(link=None, book="sent", row=number, what="an item is not the payload that is kept")
        for number in evidence_bytes.altered_items(connection, store.vault)
    )
    cleared = {**gone.gone.get("exchange.*", {}), **gone.gone.get("exchange.response", {})}
    for one in views.counts(connection):
        platform, accepted = one.platform, one.states.get(State.ACCEPTED, 0)
        if not accepted:
            continue
        connector = (connectors or {}).get(platform)
        if connector is None:
            if connectors is not None:
                what = f"{accepted} acceptances of {platform} cannot be judged: it is not configured here"
                found.faults.append(EvidenceFault(link=None, book="verdict", row=None, what=what))
            continue
        found.proven.append(platform)
        found.faults += _some(
            EvidenceFault(
                link=None, book="delivery", row=number, what=f"the answer of exchange {exchange} is no acceptance"
            )
            for exchange, number in proofs.not_accepted(connection, store.vault, connector, cleared)
        )


@dataclass(kw_only=True)
class _Chain:
    """The chain while it is read."""

    store: Store
    connection: Connection
    gone: purges.Purges
    signed_by: Verify | None
    found: EvidenceCheck
    digests: dict[int, str] = field(default_factory=dict)
    anchored: set[int] = field(default_factory=set)
    previous: str = FIRST
    before: datetime | None = None
    tops: dict[str, int] = field(default_factory=dict)
    decided: set[tuple[str, int | str]] = field(default_factory=set)

    def read(self, link: ChainLink) -> None:
        """Read the next link."""
        self.found.links += 1
        self.found.faults += self._links_up(link)
        for name in link.parts:
            self._part(link, name)
        self.digests[link.number], self.previous, self.before = link.digest, link.digest, link.at
        if link.anchored:
            self.anchored.add(link.number)

    def _links_up(self, link: ChainLink) -> Iterator[EvidenceFault]:
        def fault(what: str) -> EvidenceFault:
            return EvidenceFault(link=link.number, book=None, row=None, what=what)

        if link.number != self.found.links:
            yield fault(f"follows link {self.found.links - 1}: a link is missing")
        if link.previous != self.previous:
            yield fault("does not continue the link before it")
        parts = covered(link.parts, link.tops)
        if link_digest(link.number, link.at, link.previous, parts, anchored=link.anchored) != link.digest:
            yield fault("does not have its own digest")
        if evidence.sealed(self.store.vault, link.digest) != link.seal:
            yield fault("was not sealed with the key of this store")
        if self.signed_by is not None:
            if link.signature is None or not self.signed_by(link.digest, link.signature):
                yield fault("is not signed" if link.signature is None else "is signed by nobody whose key is known")
            else:
                self.found.signed += 1
        elif link.signature is not None:
            yield fault("is signed, and there is no public key to verify it with")

    def _part(self, link: ChainLink, name: str) -> None:
        """Compare one part of a link with what stands, and count what retention removed."""
        ranges, leaves = link.parts[name]
        book = evidence.by_name(name)

        def fault(row: int | str | None, what: str) -> EvidenceFault:
            return EvidenceFault(link=link.number, book=name, row=row, what=what)

        if book is None or len(leaves) != size(ranges) * LEAF:
            what = "is of no book" if book is None else "has more or fewer leaves than rows"
            self.found.faults.append(fault(None, what))
            return
        if link.tops[name] < self.tops.get(name, 0) or (book.moment is None and link.tops[name] < ranges[-1][1]):
            self.found.faults.append(fault(None, "says it has come less far than it has"))
        self.tops[name] = max(link.tops[name], self.tops.get(name, 0))
        self.found.rows += size(ranges)
        stands = evidence.leaves_now(self.connection, self.store.vault, book, ranges)
        faults: list[EvidenceFault] = []
        for place, number in enumerate(within(ranges)):
            if book.moment is not None:
                if (name, number) in self.decided:
                    faults.append(fault(number, "was decided twice"))
                self.decided.add((name, number))
            now = stands.get(number)
            if now == leaves[place * LEAF : (place + 1) * LEAF]:
                continue
            if now is None and self._removed(book, number):
                self.found.removed += not book.content
            else:
                faults.append(fault(number, "is missing" if now is None else "was changed"))
        self.found.faults += _some(iter(faults))

    def _removed(self, book: Book, number: int | str) -> bool:
        """Whether a purge that is believed took it away; the link before must be as old as what was to go."""
        for what in book.cleared:
            older_than = self.gone.gone.get(what, {}).get(number)  # type: ignore[arg-type]
            if older_than is not None and (book.content or self.before is None or self.before < older_than):
                return True
        return False


def _anchored(
    path: Path | None, wanted: set[int], digests: Mapping[int, str], found: EvidenceCheck
) -> Iterator[EvidenceFault]:
    def fault(number: int | None, what: str) -> EvidenceFault:
        return EvidenceFault(link=number, book=None, row=None, what=what)

    noted: set[int] = set()
    there = path is not None and path.exists()
    if path is not None and there:
        garbage = sum(1 for line in path.read_bytes().splitlines() if line and not _is_anchor(line))
        if garbage:
            yield fault(None, f"{path.name} has {garbage} lines that are no anchors")
        for number, digest in read_anchors(path):
            found.anchors += 1
            noted.add(number)
            if digests.get(number) != digest:
                what = "is anchored and missing" if number not in digests else "is not the one that was anchored"
                yield fault(number, what)
    lost = sorted(wanted - noted)
    if lost and not noted:
        where = "no file of anchors was named" if path is None else f"{path.name} has none"
        yield fault(None, f"{len(lost)} links were anchored, and {where if there or path is None else _gone(path)}")
    elif lost:
        yield from _some(fault(number, "was anchored, and its anchor is gone") for number in lost)


def _gone(path: Path) -> str:
    return f"{path.name} is gone"


def _is_anchor(line: bytes) -> bool:
    torn = (line.startswith(_BEGIN) or _BEGIN.startswith(line)) and not line.endswith(b"}")
    return torn or read_anchor(line) is not None
