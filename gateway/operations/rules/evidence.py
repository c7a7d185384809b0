"""The evidence chain as values: leaves, links and ranges of ids. A verifier needs nothing but this file.

A leaf is the digest of one row's lasting columns. A link covers leaves of several books, how far it has come in each of
them, whether it was noted outside the store, and the link before it, so no row can be changed, dropped, added or moved
behind it without a digest that no longer fits.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import orjson

FIRST = "0" * 64
"""what the first link has before it"""
LEAF = 16
"""bytes of SHA-256 that are kept of each row"""

FORM = 2
"""of a link's digest; it stands in the digest"""

Ranges = list[Any]
"""ids ascending, apart from each other, both ends belong to them: ``[[1, 40], [42, 50]]``; or keys that are text"""


def canonical(value: Any) -> str:
    """JSON with sorted keys, no spaces, moments as UTC with microseconds: one form for equal values on any store."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        utc = value if value.tzinfo is UTC else value.astimezone(UTC)
        return f"{utc.isoformat(timespec='microseconds')[:-6]}Z"
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"no canonical form for {type(value).__name__}")


def leaf(book: str, row: Mapping[str, Any]) -> bytes:
    """Digest of one row of a book: SHA-256 over its name, a line break and the row as ``canonical`` writes it."""
    if not _WRITTEN_OTHERWISE.isdisjoint(map(type, row.values())) and any(_differs(value) for value in row.values()):
        text = canonical(dict(row)).encode()
    else:
        text = orjson.dumps(row, default=_plain, option=_CANONICAL)
    return hashlib.sha256(book.encode() + b"\n" + text).digest()[:LEAF]


_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME
_WRITTEN_OTHERWISE = frozenset({float, dict, list})
"""what orjson may write in another form; all else is the same, and takes a third of the time"""


def _differs(value: Any) -> bool:
    return type(value) in _WRITTEN_OTHERWISE and not (type(value) is list and all(type(one) is str for one in value))


def covered(parts: Mapping[str, tuple[Ranges, bytes]], tops: Mapping[str, int]) -> dict[str, list[Any]]:
    """Book -> its ranges, the digest of its leaves and its top: all of the parts that a link's digest needs."""
    return {book: [ranges, hashlib.sha256(leaves).hexdigest(), tops[book]] for book, (ranges, leaves) in parts.items()}


def link_digest(
    number: int, at: datetime | str, previous: str, parts: Mapping[str, Sequence[Any]], *, anchored: bool
) -> str:
    """SHA-256, hex, over the link before and every part as ``covered`` gives it; a text moment is in canonical form."""
    return hashlib.sha256(canonical([FORM, number, at, previous, anchored, parts]).encode()).hexdigest()


def members(attempts: Iterable[Sequence[int]], verdicts: Iterable[int]) -> str:
    """SHA-256, hex, of the ids of all that belongs to a delivery: (attempt, exchange) pairs and verdicts."""
    return hashlib.sha256(orjson.dumps([sorted(map(tuple, attempts)), sorted(verdicts)])).hexdigest()


def to_ranges(ids: Iterable[Any]) -> Ranges:
    """Ascending ids as ranges; keys that are text stay as they are."""
    found: Ranges = []
    for number in ids:
        if isinstance(number, str):
            found.append(number)
        elif found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def within(ranges: Ranges) -> Iterator[Any]:
    """The ids of ranges, ascending."""
    for part in ranges:
        if isinstance(part, str):
            yield part
        else:
            yield from range(part[0], part[1] + 1)


def size(ranges: Ranges) -> int:
    """How many ids there are."""
    return sum(1 if isinstance(part, str) else part[1] - part[0] + 1 for part in ranges)


def gaps(ranges: Iterable[Ranges], *, after: int = 0) -> Ranges:
    """The ids above ``after`` and below the highest that none of ``ranges`` covers, whatever their order.

    They are looked at one by one and only what is free is kept, so a generator of very many costs no memory.
    """
    free: Ranges = []
    reached = after
    for first, last in ((r[0], r[1]) for part in ranges for r in part):
        if first > reached + 1:
            free.append([reached + 1, first - 1])
        elif first <= reached:
            _take(free, first, last)
        reached = max(reached, last)
    return free


def _take(free: Ranges, first: int, last: int) -> None:
    """Take a range out of what is free."""
    at = bisect_left(free, first, key=lambda one: one[1])
    end = at
    left: Ranges = []
    while end < len(free) and free[end][0] <= last:
        low, high = free[end]
        left += [part for part in ([low, first - 1], [last + 1, high]) if part[0] <= part[1]]
        end += 1
    free[at:end] = left
