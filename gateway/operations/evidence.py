"""Seal and verify the evidence chain, with its head anchored outside the store."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gateway.operations.rules.evidence import FIRST, LEAF, Ranges, canonical, covered, link_digest, size, within
from gateway.operations.store import evidence
from gateway.operations.store.evidence import BOOKS, Link
from gateway.store.engine import Connection, Store

log = logging.getLogger(__name__)
_TOLD = 20
"""faults of one link and book that are named one by one"""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A place where the store is not what was sealed. ``row`` is the id in the book's table; None for a whole link."""

    link: int | None
    book: str | None
    row: int | None
    what: str


@dataclass(kw_only=True)
class Verification:
    """What was looked at, and what does not fit."""

    links: int = 0
    rows: int = 0
    removed: int = 0
    """rows that retention removed and whose purge says so"""
    anchors: int = 0
    not_anchored: int = 0
    """links that no anchor speaks of, where there is a file of anchors to be looked at"""
    uncovered_since: datetime | None = None
    """the oldest exchange that no link covers yet"""
    faults: list[Fault] = field(default_factory=list)


def seal(store: Store, now: datetime, anchors: Path | None) -> int:
    """Cover what was committed since, and write the head of each new link to ``anchors``; gives how many rows."""
    made = evidence.seal(store, now)
    if made and anchors is not None:
        try:
            _anchor(anchors, made)
        except OSError as error:
            # what was done stays done; the verifier counts what has no anchor
            log.warning("the evidence is sealed and not anchored: %s: %s", anchors, error.strerror)
    return sum(size(ranges) for link in made for ranges, _ in link.parts.values())


def _anchor(path: Path, made: Sequence[Link]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        # a line that a killed process left torn must not swallow the next one
        file.write(b"\n" if file.tell() else b"")
        for link in made:
            file.write(canonical({"link": link.number, "at": link.at, "digest": link.digest}).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def verify(
    store: Store,
    anchors: Path | None,
    *,
    every_byte: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Verification:
    """Read the whole chain against the tables, the keys and the anchors; a fault names its link, book and row.

    every_byte: also open every stored request and answer and compare it with its digest
    """
    found = Verification()
    with store.read() as connection:
        gone = {book: _members(ranges) for book, ranges in evidence.removed(connection).items()}
        digests: dict[int, str] = {}
        previous = FIRST
        for link in evidence.links(connection):
            found.links += 1
            found.faults += _links_up(store, link, number=found.links, previous=previous)
            for name, (ranges, _) in link.parts.items():
                found.rows += size(ranges)
                faults, missing = _rows_stand(connection, link, name, gone.get(name, _NOBODY))
                found.faults += faults
                found.removed += missing
            digests[link.number], previous = link.digest, link.digest
            progress(found.links)
        for book in BOOKS:
            found.faults += [
                Fault(link=None, book=book.name, row=number, what="stands among sealed rows and is in no link")
                for number in evidence.in_no_link(connection, book)[:_TOLD]
            ]
        if every_byte:
            found.faults += [
                Fault(link=None, book=book, row=number, what="the stored bytes are not those of its digest")
                for book, number in evidence.altered_bytes(connection, store.vault)
            ]
        found.uncovered_since = evidence.uncovered_since(connection)
    if anchors is not None:
        if anchors.exists():
            found.faults += _anchored(anchors, digests, found)
            noted = {number for number, _ in read_anchors(anchors)}
        else:
            noted = set()
        found.not_anchored = len(digests.keys() - noted)
    return found


_NOBODY: frozenset[int] = frozenset()


def _members(ranges: Ranges) -> frozenset[int]:
    return frozenset(within(ranges))


def _links_up(store: Store, link: Link, *, number: int, previous: str) -> Iterator[Fault]:
    def fault(what: str) -> Fault:
        return Fault(link=link.number, book=None, row=None, what=what)

    if link.number != number:
        yield fault(f"follows link {number - 1}: a link is missing")
    if link.previous != previous:
        yield fault("does not continue the link before it")
    if link_digest(link.number, link.at, link.previous, covered(link.parts)) != link.digest:
        yield fault("does not have its own digest")
    if evidence.sealed(store.vault, link.digest) != link.seal:
        yield fault("was not sealed with the key of this store")


def _rows_stand(connection: Connection, link: Link, name: str, gone: frozenset[int]) -> tuple[list[Fault], int]:
    """Faults of one part of a link, and how many of its rows retention removed."""
    ranges, leaves = link.parts[name]

    def fault(row: int | None, what: str) -> Fault:
        return Fault(link=link.number, book=name, row=row, what=what)

    if len(leaves) != size(ranges) * LEAF:
        return [fault(None, "has more or fewer leaves than rows")], 0
    stands = evidence.leaves_now(connection, evidence.by_name(name), ranges)
    faults, missing = [], 0
    for place, number in enumerate(within(ranges)):
        now = stands.get(number)
        if now is None and number in gone:
            missing += 1
        elif now != leaves[place * LEAF : (place + 1) * LEAF]:
            faults.append(fault(number, "is missing" if now is None else "was changed"))
    if len(faults) > _TOLD:
        faults = [*faults[:_TOLD], fault(None, f"and {len(faults) - _TOLD} more rows like these")]
    return faults, missing


def _anchored(path: Path, digests: dict[int, str], found: Verification) -> Iterator[Fault]:
    for number, digest in read_anchors(path):
        found.anchors += 1
        if digests.get(number) != digest:
            what = "is anchored and missing" if number not in digests else "is not the one that was anchored"
            yield Fault(link=number, book=None, row=None, what=what)


def read_anchors(path: Path) -> Iterator[tuple[int, str]]:
    """Links and their digests as they were noted; a link may stand there more than once."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            anchor = json.loads(line)
            yield int(anchor["link"]), str(anchor["digest"])
        except (ValueError, KeyError, TypeError):
            continue  # torn by a kill; whoever can write here could as well have removed it
