"""What a credit platform may do beyond feedback: tell a record by its id, publish books, take decisions.

Each is a Protocol of its own, found by ``isinstance``; the core does without those that a platform lacks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol, runtime_checkable

from gateway.contract.messages import Finding, Stamp, Subject, SubjectType, Verdict, WireRequest, WireResponse

CURSOR_EXPIRED = "cursor_expired"
"""Code of the ``not_found`` verdict of ``decode_feedback`` where the cursor is too old: the core loads the latest
snapshot (``PublishesBooks``) and goes on from its cursor."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gone:
    """The platform no longer tells the record. ``reason``: REPAIRED, REVOKED, VOIDED, MERGED, or UNKNOWN."""

    reason: str


@runtime_checkable
class FetchesRecords(Protocol):
    """A credit record can be asked for by its id: what it is now, and every version it had."""

    def encode_record(self, record_id: str, stamp: Stamp, /) -> WireRequest:
        """Ask for a record as it is now."""
        ...

    def decode_record(self, response: WireResponse, record_id: str, stamp: Stamp, /) -> Finding | Gone | Verdict:
        """The newest version; ``Gone`` for a clear "not here" of the platform (404 or 410), never for a fault."""
        ...

    def encode_versions(self, record_id: str, stamp: Stamp, /) -> WireRequest:
        """Ask for every version of a record."""
        ...

    def decode_versions(
        self, response: WireResponse, record_id: str, stamp: Stamp, /
    ) -> tuple[Finding, ...] | Gone | Verdict:
        """All versions, each as the feed told it, so that one that came before is known again by id and digest."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Awaited:
    """One event for which the platform has no final acknowledgement; ``last_code`` is the last it has, if any."""

    event_id: str
    """event that the platform has no acknowledgement of"""
    record_id: str
    """as in the finding"""
    version: int
    """as in the finding"""
    last_code: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AwaitedPage:
    """A page of them; ``next_cursor`` is None on the last one.

    whole: our feed is read from its beginning and without a choice, so that an event we never saw is one that was lost
    """

    events: tuple[Awaited, ...]
    """in the platform's order"""
    next_cursor: str | None = None
    whole: bool = True


@runtime_checkable
class ListsAwaited(Protocol):
    """The platform can be asked for which events it still waits for a final acknowledgement."""

    @property
    def awaited_every(self) -> timedelta | None:
        """At least so long between two readings of the list; None where it is not to be read."""
        ...

    def encode_awaited(self, cursor: str | None, stamp: Stamp, /) -> WireRequest:
        """Ask for the page after ``cursor``; None begins the list."""
        ...

    def decode_awaited(self, response: WireResponse, stamp: Stamp, /) -> AwaitedPage | Verdict:
        """Event ids as the feed has them."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchTerms:
    """Whose records are asked for: one of document (type and number), enterprise code and certificate number is set."""

    subject_type: SubjectType
    """whom to look for"""
    id_type: str | None = None
    """canonical document type of a person"""
    id_number: str | None = field(default=None, repr=False)
    """of a person"""
    corp_code: str | None = None
    """of an enterprise"""
    certificate_number: str | None = field(default=None, repr=False)
    """of one certificate, instead of whose it is"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchPage:
    """The newest version of each record, as the feed would tell it; ``next_page`` is None on the last page."""

    findings: tuple[Finding, ...]
    """in the platform's order"""
    next_page: str | None = None


@runtime_checkable
class SearchesSubjects(Protocol):
    """The platform can be asked for the records of one subject. What names it travels in the body, never in a path."""

    def encode_search(self, terms: SearchTerms, page: str | None, stamp: Stamp, /) -> WireRequest:
        """Ask for the records of one subject; ``page`` is the ``next_page`` of the answer before."""
        ...

    def decode_search(self, response: WireResponse, stamp: Stamp, /) -> SearchPage | Verdict:
        """A page, empty where the subject has no record."""
        ...


class BookKind(StrEnum):
    """What a file of a day's books lists."""

    CHANGES = "D"
    ACTIVE = "S"
    """all records in force at the cut-off"""
    PUSHED = "P"
    """our certificates as they were taken"""
    ACKNOWLEDGED = "A"


@dataclass(frozen=True, kw_only=True, slots=True)
class BookFile:
    """One file of a manifest; ``digest`` is lower-case hex of the file as it is sent (compressed)."""

    name: str
    """as the manifest names it"""
    stream: str
    """stream whose records it holds"""
    kind: BookKind
    """of the rows in it"""
    rows: int
    """how many rows the manifest promises"""
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What the platform says its books hold. Its signature is checked by the connector; the chain by the core.

    day:      the day the books are of; of a snapshot the day of its cut-off
    cursor:   where the feed stands at the cut-off
    digest:   of this manifest, and ``previous`` of the one before, as both sides compute it
    """

    day: date
    cutoff: datetime
    """aware moment of which the books tell"""
    files: tuple[BookFile, ...]
    """all of the day"""
    cursor: str
    digest: str
    previous: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BookRow:
    """One row of a file.

    key:    record id (changes, active), certificate key (pushed) or event id (acknowledged)
    code:   the platform's status (changes, active), result of the item (pushed) or acknowledgement (acknowledged)
    digest: of the payload, as the feed gives it; empty for acknowledgements
    """

    kind: BookKind
    """which book it is of; says what key and code are"""
    key: str
    version: int
    """of the record, as the platform has it"""
    code: str
    digest: str = ""
    publish_end: date | None = None
    """last day on which it is shown, inclusive"""


@dataclass(frozen=True, kw_only=True, slots=True)
class BookItem:
    """One difference as it is told to the platform; ``outcome`` is a class of ``credit_recon_diff``."""

    key: str
    """as in the row"""
    outcome: str
    local_version: int | None = None
    """ours; None where we have none"""
    remote_version: int | None = None
    """theirs; None where they have none"""
    ticket: str | None = None
    """number of our ticket about it"""


@dataclass(frozen=True, kw_only=True, slots=True)
class BookResult:
    """What comparing a day's books came to. ``totals`` counts the rows by class, MATCH included."""

    day: date
    started_at: datetime
    """aware"""
    finished_at: datetime
    """aware"""
    totals: dict[str, int]
    items: tuple[BookItem, ...]
    """only what differs"""
    closed: bool
    """whether nothing of the day is open: each difference was mended or stands in a ticket"""


@runtime_checkable
class PublishesBooks(Protocol):
    """The platform publishes each day's books (对账文件) and, on asking, a snapshot of all that is in force."""

    def encode_manifest(self, day: date | None, stamp: Stamp, /) -> WireRequest:
        """Of a day, or of the latest snapshot (None)."""
        ...

    def decode_manifest(self, response: WireResponse, day: date | None, stamp: Stamp, /) -> Manifest | Verdict:
        """``not_found``: not published yet."""
        ...

    def encode_book(self, manifest: Manifest, file: BookFile, stamp: Stamp, /) -> WireRequest:
        """Fetch one file of a manifest."""
        ...

    def decode_book(
        self, response: WireResponse, manifest: Manifest, file: BookFile, stamp: Stamp, /
    ) -> tuple[BookRow, ...] | Verdict:
        """The rows as they stand in the file, however many; ``conflict`` with code COUNT_DIFF where its digest is not
        the manifest's or it cannot be read. The core compares the counts."""
        ...

    def encode_result(self, result: BookResult, stamp: Stamp, /) -> WireRequest:
        """Tell what the comparison of a day's books came to."""
        ...

    def decode_result(self, response: WireResponse, result: BookResult, stamp: Stamp, /) -> Verdict:
        """``accepted`` where the platform has it; it is told again otherwise."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Sanction:
    """One penalty of a decision; ``type`` is a code of the platform's table of sanctions."""

    type: str
    amount: str | None = None
    """10 000 yuan (万元), decimal text"""
    permit: str | None = None
    """name of the licence that it takes effect on"""
    begin: date | None = None
    """first day"""
    end: date | None = None
    """last day, inclusive; None for good"""


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnDecision:
    """A credit record that the centre itself has decided, as the platform is to hold it.

    key:         our key of the record; ``platform_record_id`` is the platform's once it has taken the first version
    event_type:  CREATED, then AMENDED, CORRECTED, PERIOD_CHANGED, REVOKED, VOIDED or REPAIRED
    notice_date, heard, delivered_date, decision_digest: proof that the decision was made by the rules (notice of
                 rights, statement and defence, delivery, signed document)
    """

    key: str
    version: int
    platform_record_id: str | None
    event_type: str
    effective_from: datetime | None = None
    """aware moment from which it counts"""
    change_reason: str | None = None
    """why this version was made"""
    subject: Subject
    """whom it is about"""
    category: str
    """code of ``credit_category``"""
    credit_type: str | None = None
    """code of the kind of credit record"""
    credit_code: str | None = None
    """item of the credit catalogue"""
    content: str = field(repr=False)
    """words of the decision; may name persons"""
    happen_date: date | None = None
    """day of the conduct"""
    region: str
    """division code, six digits"""
    authority: str
    """who decided"""
    authority_code: str | None = None
    """unified social credit code of who decided"""
    authority_level: str = "1"
    """0 ministry, 1 province, 2 city, 3 county"""
    legal_basis: str
    """article and law"""
    sanctions: tuple[Sanction, ...] = ()
    """what was imposed, one by one"""
    decision: str = field(repr=False)
    """the decision's own words"""
    decision_no: str
    """number of the decision"""
    decision_date: date
    """day of the decision"""
    sanction_end: date | None = None
    """last day of the longest sanction, inclusive"""
    publish_begin: date | None = None
    """first day on which it may be shown"""
    publish_end: date | None = None
    """inclusive"""
    usage_scope: str = "0"
    """code of what it may be used for; 0 without limit"""
    by_reference: bool = True
    """the rule is applied by reference (参照)"""
    notice_date: date
    heard: bool
    delivered_date: date
    decision_digest: str


@runtime_checkable
class TakesDecisions(Protocol):
    """The platform takes credit records of the centre's own, and their later versions."""

    def encode_decision(self, decision: OwnDecision, stamp: Stamp, /) -> WireRequest:
        """Hand on one version of a decision; the same version may be sent again."""
        ...

    def decode_decision(self, response: WireResponse, decision: OwnDecision, stamp: Stamp, /) -> Verdict:
        """``accepted`` names the record in ``platform_id``; the same version sent again is accepted as well."""
        ...
