"""Compares a platform's daily books of credit records with the archive as it was recorded at their cut-off.

Every row of a file gets one class, and what the archive holds beyond the file one more, so the classes add up (P9).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.credit.rules.statements import Status


class BookDifference(StrEnum):
    """How a row of the books relates to the archive (``credit_recon_diff``)."""

    MATCH = "MATCH"
    MISSING_LOCAL = "MISSING_LOCAL"
    MISSING_REMOTE = "MISSING_REMOTE"
    BEHIND = "BEHIND"
    AHEAD = "AHEAD"
    CONTENT_DIFF = "CONTENT_DIFF"
    STATUS_DIFF = "STATUS_DIFF"
    COUNT_DIFF = "COUNT_DIFF"
    PUSH_UNCONFIRMED = "PUSH_UNCONFIRMED"
    PUSH_ORPHAN = "PUSH_ORPHAN"


BEYOND = frozenset({BookDifference.MISSING_REMOTE})
"""classes of what no row of the books speaks of"""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldAtCutoff:
    """What the archive held of one record at the cut-off.

    versions: the digests given under each version
    status:   believed then to hold then; None where nothing was in force (quarantine, void)
    own:      newest version of a record of our own, as the platform had taken it
    """

    versions: Mapping[int, frozenset[str]]
    status: Status | None = None
    own: int | None = None

    @property
    def newest(self) -> int:
        """The highest version."""
        return max((*self.versions, self.own or 0))


@dataclass(frozen=True, kw_only=True, slots=True)
class BookLine:
    """One row about a record. ``active`` rows list what is in force, the others what happened on the day."""

    record_id: str
    version: int
    digest: str
    active: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class BookMismatch:
    """One difference."""

    key: str
    kind: BookDifference
    local_version: int | None = None
    remote_version: int | None = None


@dataclass(kw_only=True)
class Comparison:
    """What comparing came to: rows by class, and each row or record that is not a match."""

    totals: dict[str, int] = field(default_factory=dict)
    items: list[BookMismatch] = field(default_factory=list)
    rows: int = 0

    def add(self, kind: BookDifference, item: BookMismatch | None = None) -> None:
        """Count one row or one record beyond the rows."""
        self.totals[kind] = self.totals.get(kind, 0) + 1
        self.rows += kind not in BEYOND
        if item is not None:
            self.items.append(item)

    @property
    def adds_up(self) -> bool:
        """Whether the rows read are the matches and differences counted (P9)."""
        return self.rows == sum(count for kind, count in self.totals.items() if kind not in BEYOND)


def compare(comparison: Comparison, rows: Iterable[BookLine], held: Mapping[str, HeldAtCutoff]) -> None:
    """Classify rows about records; ``held`` is what the archive has of the records they name."""
    for row in rows:
        kind = classify(row, held.get(row.record_id))
        ours = held.get(row.record_id)
        item = BookMismatch(
            key=row.record_id,
            kind=kind,
            local_version=ours.newest if ours else None,
            remote_version=row.version,
        )
        comparison.add(kind, None if kind is BookDifference.MATCH else item)


def classify(row: BookLine, held: HeldAtCutoff | None) -> BookDifference:
    """The class of one row. A version we hold under another digest is another content, whatever came later."""
    if held is None:
        return BookDifference.MISSING_LOCAL
    if held.own is not None and row.version <= held.own:
        return BookDifference.MATCH if row.version == held.own or not row.active else BookDifference.AHEAD
    digests = held.versions.get(row.version)
    if digests is not None and row.digest not in digests:
        return BookDifference.CONTENT_DIFF
    if row.active and held.newest > row.version:
        return BookDifference.AHEAD
    if digests is None:
        return BookDifference.BEHIND
    if row.active and held.status not in (Status.ACTIVE, None):
        return BookDifference.STATUS_DIFF
    return BookDifference.MATCH


def unlisted(comparison: Comparison, listed: Iterable[str], active: Mapping[str, int]) -> None:
    """Add what we hold as active, by version, and a complete list does not name."""
    named = set(listed)
    for record_id, version in sorted(active.items()):
        if record_id not in named:
            item = BookMismatch(key=record_id, kind=BookDifference.MISSING_REMOTE, local_version=version)
            comparison.add(BookDifference.MISSING_REMOTE, item)
