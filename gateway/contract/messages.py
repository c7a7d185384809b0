"""Values that pass between the core and a connector. All frozen; none performs anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from gateway.domain.records import RecordKind
from gateway.domain.states import Event

JSON = None | bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"]
"""What a payload may hold: plain JSON values, so that the store can keep and return it unchanged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A login that is still good. ``values`` are the platform's own (token text, secret and its id).

    proof: the values, and no others, by which ``decode_*`` checks the signature of an answer. They are kept sealed with
           each exchange, so that its answer can be judged again; everything else of a login is never stored
    """

    values: Mapping[str, str] = field(repr=False)
    expires_at: datetime
    """aware; the platform refuses it from then on"""
    renew_at: datetime
    """aware; from then on the core asks for a new one before the next request"""
    proof: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamp:
    """Everything that may differ between two encodings of the same payloads.

    message_id:  ULID of the message. A resend of the same message after an unknown outcome carries the same one, so
                 serial numbers and idempotency keys are derived from it (it holds a time and 80 random bits).
    now:         aware moment of this encoding
    nonce:       16 random bytes, fresh for every request on the wire
    token:       present for connectors that implement NeedsToken
    about:       in a look-up, the message id of the push that is in doubt; None where it is not known
    """

    message_id: str
    now: datetime
    nonce: bytes = field(repr=False)
    token: Token | None = None
    about: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WireRequest:
    """One HTTP request, complete but for the endpoint.

    path:      appended to the endpoint's ``base_url`` as it stands, already percent-encoded, with its query
    headers:   lower-case names
    operation: the platform's name of the call, for people and counts; never holds a value of a person
    """

    operation: str
    method: str = "POST"
    """HTTP method in upper case"""
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    """exact bytes; kept sealed with the exchange"""


@dataclass(frozen=True, kw_only=True, slots=True)
class WireResponse:
    """The platform's answer as bytes, never decoded on the way. ``headers`` have lower-case names."""

    status: int
    """HTTP status, 100 to 599"""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    """exact bytes, unpacked where the answer was packed"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One broken rule of a draft or a row. ``message`` states the rule and never repeats the offending value.

    field: our own field path (``holder.id_number``) or the column of the source
    rule:  stable id, for example ``required``, ``length``, ``code:ethnicity_gbt3304``, ``N04``
    """

    field: str
    rule: str
    message: str
    message_zh: str = ""
    """the same for a person who reads Chinese"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problems:
    """Everything that is wrong with a draft, all at once; never empty."""

    items: tuple[Problem, ...]
    """at least one, in the order of the form"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A mapped but unchecked record. ``fields`` uses the platform's names; what is not known is simply absent.

    sources: platform field -> our field, for the preview in notebooks and for naming our field in a problem.
    problems: what mapping already knows to be wrong (a code without a counterpart); ``check`` adds its own.
    """

    kind: RecordKind
    """as in the record"""
    record_key: str
    """ULID of the record, the same for all its versions"""
    version: int
    """of the record, from 1"""
    fields: Mapping[str, JSON] = field(repr=False)
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """A checked draft: the only thing that can be encoded. The store keeps it encrypted and a resend sends it again.

    key:      the submission's business key
    fields:   plain JSON in the platform's names
    replaces: as in the submission: the platform holds an earlier version
    """

    key: str
    kind: RecordKind
    """as in the record"""
    record_key: str
    """ULID of the record, the same for all its versions"""
    version: int
    """of the record, from 1"""
    fields: Mapping[str, JSON] = field(repr=False)
    replaces: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What an answer means for one delivery.

    event:        one of the events a reply can cause (accepted, pending, retry, rejected, in_doubt, duplicate, hold,
                  unknown, not_found, not_stored, conflict)
    code:         the platform's own code, or a stable one of ours (``http_503``, ``html_page``, ``empty_body``)
    reason:       the platform's text or ours. The core masks identity numbers before it is kept
    receipt:      ticket for a later acknowledgement; required with ``pending``
    retry_after:  the platform's own wish
    fields:       names of fields that differ (conflict) or are refused (rejected); names only, never values
    platform_id:  the platform's own id of the stored record
    same_message: the outcome is unknown and a repeat is harmless: the resend carries the same message id
    split:        the message was refused as a whole, surely nothing of it was stored, and no delivery in it is to
                  blame as far as the answer tells: what travelled together is sent again in halves. A delivery that
                  travelled alone meets ``event`` as it stands
    spent:        the platform is done with the receipt and stored nothing, and no delivery is to blame (``hold`` of a
                  poll): the hold stands, and the delivery is sent again once it is lifted, not polled again
    broken:       the answer came with the platform's own status and form and yet breaks its contract (its schema, its
                  envelope): two in a row hold the platform. The event says what it means for the delivery
    next_page:    a look-up that says nothing yet, because its answer has further pages: where to go on
    """

    event: Event
    code: str
    reason: str = ""
    receipt: str | None = None
    retry_after: timedelta | None = None
    fields: tuple[str, ...] = ()
    platform_id: str | None = None
    same_message: bool = False
    split: bool = False
    spent: bool = False
    broken: bool = False
    next_page: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Holding:
    """One row the platform holds, or that we expect it to hold, in comparable form.

    key:    the platform's match key (record key, certificate number …), the same for ours and theirs
    fields: normalised values to compare, by name; kept in memory only
    """

    kind: RecordKind
    """as the record it is compared with"""
    key: str
    version: int | None = None
    """ours, where the platform shows it; None is not compared"""
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    platform_id: str | None = None
    """the platform's own id of the row"""


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldingsPage:
    """A page of what the platform holds. ``next_cursor`` None ends the listing.

    afresh: the listing changed while it was read: what its earlier pages said is dropped, and ``next_cursor`` begins
            it again
    as_of:  aware moment of which the listing tells, where that is not now (an exported list): what we learnt of later
            is still on its way to such a listing
    """

    holdings: tuple[Holding, ...]
    """in the platform's order; empty where it holds nothing"""
    next_cursor: str | None = None
    afresh: bool = False
    as_of: datetime | None = None


class SubjectType(StrEnum):
    """Whom a credit record is about."""

    PERSON = "PERSON"
    ENTERPRISE = "ENTERPRISE"
    AUTHORITY = "AUTHORITY"
    """a city's authority; only in records of the centre's own"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """The person or enterprise of a finding, as the platform names it."""

    type: SubjectType
    """person, enterprise or authority"""
    name: str = field(repr=False)
    id_type: str | None = None
    """canonical document type"""
    id_number: str | None = field(default=None, repr=False)
    """of a person; upper case, no blanks"""
    corp_code: str | None = None
    """of an enterprise or authority: unified social credit code"""
    legacy_codes: Mapping[str, str] = field(default_factory=dict)
    """kind of an older code -> code, as the platform calls them"""
    corp_code_at_event: str | None = None
    """code of the person's enterprise on the day of the event"""
    corp_name_at_event: str | None = None
    """its name on that day"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One credit event pulled from a platform, decrypted and parsed, or marked as unreadable.

    ``flaw`` names why an event cannot be applied as it stands (``SCHEMA_INVALID``, ``SIGNATURE_INVALID`` …, code of the
    platform's acknowledgement table); such a finding is stored and answered, never applied.
    """

    event_id: str
    """unique at the platform; an event that comes twice is one"""
    stream: str
    """name of the feed's stream"""
    stream_seq: int
    """place in its stream, growing by one"""
    event_type: str
    """what happened to the record, in the platform's word (made, changed, withdrawn …)"""
    event_time: datetime
    """aware moment of the event at the platform"""
    record_id: str
    """the credit record that the event is about; the same for all its versions"""
    version: int
    """of the credit record, from 1"""
    digest: str
    """SHA-256 (hex) of the event as it was told, by which two tellings are compared"""
    subject: Subject | None = None
    """None where the event names nobody that can be read"""
    prev_version: int | None = None
    """version that this one follows; None for the first"""
    effective_from: datetime | None = None
    """aware moment from which it counts; None: the event's own"""
    change_reason: str | None = field(default=None, repr=False)
    """the platform's words"""
    category: str = ""
    """code of ``credit_category``"""
    credit_type: str | None = None
    """code of the kind of credit record, as the platform tells it"""
    credit_code: str | None = None
    """item of the credit catalogue"""
    content: str = field(default="", repr=False)
    """the platform's words; may name persons"""
    happen_date: date | None = None
    """day of the conduct"""
    decision_date: date | None = None
    """day of the decision"""
    sanction_end: date | None = None
    """last day of the sanction, inclusive"""
    decision_no: str | None = None
    """number of the decision"""
    authority: str | None = None
    """who decided"""
    severity_scheme: str | None = None
    """scale of ``credit_severity``"""
    severity: str | None = None
    """grade on that scale"""
    usage_scope: str = "0"
    """code of what it may be used for; 0 without limit"""
    status_code: str = "0"
    """code of the record's state there; 0 in force"""
    is_public: bool = False
    """whether the platform shows it to everybody"""
    publish_begin: date | None = None
    """first day on which it is shown"""
    publish_end: date | None = None
    """inclusive, as the platform states it"""
    source_org: str | None = None
    """who reported it to the platform"""
    certificate_number: str | None = field(default=None, repr=False)
    """certificate that the event concerns"""
    certificate_key: str | None = None
    """our record key, where the platform repeats it"""
    extra: Mapping[str, JSON] = field(default_factory=dict, repr=False)
    """what else the event says, under the platform's names; kept, not interpreted"""
    flaw: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedbackPage:
    """A page of findings in the platform's order. The cursor is saved in the same commit as the page's events."""

    findings: tuple[Finding, ...]
    next_cursor: str
    """the platform's own; asked for next, and kept even where nothing follows yet"""
    has_more: bool
    """whether more can be had at once"""
    retry_after: timedelta | None = None
    """the platform's wish before the next page"""


@dataclass(frozen=True, kw_only=True, slots=True)
class FindingAck:
    """What we tell the platform about one finding; ``code`` is of the platform's acknowledgement table."""

    event_id: str
    """as in the finding"""
    record_id: str
    """as in the finding"""
    version: int
    """as in the finding"""
    code: str
    at: datetime
    local_key: str | None = None
    """our record key that it was applied to"""
    ticket: str | None = None
    """number of our ticket, where a person looks into it"""
    message: str | None = None
    """words for the platform; no person's data"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """Result of a platform's health call. ``clock_skew`` is theirs minus ours, where the platform tells its time."""

    ok: bool
    """whether everything that the call can tell is right"""
    detail: str
    """one line for a person, without a secret"""
    clock_skew: timedelta | None = None
    code: str | None = None
    """the platform's code where it refuses, by which its words and what helps are found"""
