"""What the centre owes the platforms: verified workers, their certificates and changes of a certificate's life.

A record is one immutable version. Its content is complete in itself (a certificate carries its holder and the way it
was verified), so that mapping is a function of the record alone. Codes are the canonical ones of the code tables
(GB/T 2261.1 sex, GB/T 3304 ethnicity, GB/T 4658 education, GA/T 517 document type …); each connector translates them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cache, lru_cache
from operator import attrgetter


class RecordKind(StrEnum):
    """What a record is about. The order of the members is the order in which a platform must learn of them."""

    PERSON = "person"
    CERTIFICATE = "certificate"
    STATUS_CHANGE = "status_change"
    WITHDRAWAL = "withdrawal"


class ContractTerm(StrEnum):
    """Term of a labour contract (合同期限类型); 0 and 1 as on the worker platform, 2 added for open-ended ones."""

    FIXED = "0"
    TASK = "1"
    OPEN = "2"


class ChangeNature(StrEnum):
    """Why a version exists: the fact is new, the world changed, or the earlier version was never right."""

    NEW = "NEW"
    CHANGE = "CHANGE"
    CORRECTION = "CORRECTION"


@dataclass(frozen=True, kw_only=True, slots=True)
class Employer:
    """The enterprise a worker has a labour contract with; ``code`` is the unified social credit code (GB 32100)."""

    name: str
    """as in the business licence"""
    code: str
    contract_term: ContractTerm
    """fixed, by task, or open-ended"""
    contract_start: date | None = None
    """first day"""
    contract_end: date | None = None
    """last day, inclusive; absent where the term is open"""
    region: str | None = None
    """division code of its seat, six digits"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Where a worker works at present (项目、参建单位、班组). A filing may name it; some platforms register by it."""

    project_code: str
    """the platform's code of the project"""
    corp_code: str
    """participating company: unified social credit code"""
    corp_name: str
    """its name"""
    team_no: str
    """the platform's number of the team (班组编号)"""
    team_name: str
    """its name"""
    trade: str
    """worker-platform trade code of the work done there"""
    team_leader: bool = False
    """whether this worker leads the team (班组长)"""
    since: date | None = None
    """day of entry"""
    politics: str | None = None
    """GB/T 4762, two digits"""
    card_issuer: str | None = None
    """authority that issued the identity card"""
    photo: str | None = field(default=None, repr=False)
    """JPEG or PNG as a ``data:`` address in Base64"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """The assessment behind a certificate, for platforms that keep it as a training of a project."""

    project_code: str
    """the platform's code of the project"""
    hours: str | None = None
    """decimal number as text"""
    score: str | None = None
    """0 to 100, at most one decimal place, as text"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """A verified person. Absent employer means the person filed without one (无工作单位)."""

    name: str
    """as in the document; letters of any script, at most 50"""
    id_type: str
    """canonical code of ``id_document_type``; 111 is the resident identity card"""
    id_number: str
    """upper case, no blanks"""
    gender: str
    """GB/T 2261.1: 1 male, 2 female"""
    birth_date: date
    """agrees with the number of a resident identity card"""
    ethnicity: str | None = None
    """GB/T 3304, two digits"""
    education: str | None = None
    """GB/T 4658, two digits"""
    mobile: str | None = None
    """11 digits"""
    home_region: str | None = None
    """division code, six digits"""
    address: str | None = None
    """as in the document, at most 200 characters"""
    employer: Employer | None = None
    placement: Placement | None = None
    """only in the person's own record; the holder of a certificate carries none"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """How a filing came to be verified (鲁建教函〔2019〕1号, part 五): promise, originals, seal, review, notice."""

    channel: str
    """ENTERPRISE or PERSON (五(二))"""
    promise_signed_at: datetime
    """aware moment of the signature (承诺)"""
    promise_version: str
    """version of the text that was signed"""
    point_code: str
    """verification point (审核点)"""
    verifier: str
    """person at the point who compared the originals"""
    verified_at: datetime
    """aware"""
    originals: tuple[str, ...]
    """of CERT, IDCARD, CONTRACT (五(三))"""
    summary_form_no: str
    """number of the exported form (审核汇总表)"""
    seal_stamped: bool
    """whether the exported form carries the enterprise's seal (五(三))"""
    review_region: str
    """division code of the city that reviewed; 370000 for direct-province ones"""
    review_department: str
    """department of the city that reviewed"""
    reviewer: str
    """person who reviewed"""
    reviewed_at: datetime
    """aware"""
    notice_begin: date
    """first day of the public notice"""
    notice_end: date
    """last day, inclusive"""
    notice_medium: str
    """address or medium of the public notice (公示)"""
    reported_at: datetime
    """when the city reported the batch"""
    entered_at: datetime
    """when the centre entered it (入库时间)"""
    accept_phase: str
    """CONCENTRATED to 2019-03-31, BATCH from 2019-04-01 (三)"""
    batch_no: str
    """number of the city's report: division code, year and month, serial"""
    responsible_person: str | None = None
    """who answers for the filing at the enterprise (四(一))"""
    promise_signer: str | None = None
    """who signed: the enterprise's responsible person, or the worker where there is no employer"""
    promise_digest: str | None = None
    """of the signed promise, in hexadecimal digits (六(三))"""
    summary_form_digest: str | None = None
    """of the exported form that was compared with the originals (五(三))"""
    checked_true: bool | None = None
    """whether the certificate is genuine (真实性)"""
    checked_exact: bool | None = None
    """whether the data are exact (准确性)"""
    checked_valid: bool | None = None
    """the three results of the verification (真实性、准确性、有效性)"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """A scan that goes with a record: its bytes, or where a platform may fetch them. Never its file name.

    A stored record names it by its digest only; the bytes are put in where it is sent, while they are kept.
    """

    kind: str
    """CERT_IMAGE, CERT_PDF or CERT_OFD; of the labour contract CONTRACT_IMAGE, CONTRACT_PDF or CONTRACT_OFD"""
    media_type: str
    """application/pdf, image/jpeg …"""
    size: int
    """bytes"""
    sha256: str
    """lower-case hex, of the bytes"""
    content: str | None = field(default=None, repr=False)
    """Base64"""
    url: str | None = field(default=None, repr=False)
    """https address from which the platform may fetch it"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """A skill-post certificate (岗位证书) with its holder and verification."""

    holder: Worker
    cert_class: str
    """class of ``cert_class``: SKILL, TRAIN, POST, SPECIAL, SAFETY, TITLE, OTHER"""
    name: str
    """printed name of the certificate"""
    number: str
    """6 to 50 characters, upper case, no blanks; letters (Chinese too), brackets and dashes: see ``identifiers``"""
    trade: str
    """worker-platform trade code (工种), text of three or four digits"""
    trade_name: str
    """printed name of the trade"""
    level: str
    """canonical code of ``cert_level``: 2 junior, 3 intermediate, 4 senior"""
    issuer_name: str
    """printed name of the issuing body"""
    issuer_code: str
    """unified social credit code of the issuing body"""
    issuer_region: str
    """division code, six digits"""
    confirm_organization: str
    """body that held the assessment (认定部门)"""
    assessment_origin: str
    """CITY or PROV (鉴定来源)"""
    assessment_region: str
    """division code of the assessing body, six digits"""
    issue_date: date
    """day printed on this certificate"""
    first_issue_date: date
    """day of the first certificate of this trade and level; the issue date where nothing else is known"""
    valid_from: date
    """first day on which it counts; the issue date where nothing else is printed"""
    application_date: date | None = None
    """day on which the assessment was applied for"""
    valid_to: date | None = None
    """absent: no end date is printed"""
    status: str = "01"
    """canonical code of ``cert_status``; 01 valid"""
    status_reason: str | None = None
    """why it is not valid, for a status other than 01"""
    verification: Verification
    training: Training | None = None
    """only where the filing names a project"""
    files: tuple[Attachment, ...] | None = None
    """scans; None: nothing is known of any, empty: there are none"""


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusChange:
    """A change in the life of a certificate (suspended, revoked, cancelled, void), which it refers to by its key.

    Like a withdrawal, its record carries the certificate's key and is one of its versions, so the order is kept.
    """

    certificate_key: str
    """ULID of the certificate's record"""
    certificate: Certificate
    new_status: str
    """canonical code of ``cert_status``"""
    operate_type: str
    """code of ``cert_operate_type``"""
    reason: str
    """words of whoever decided"""
    effective_date: date
    """first day on which it counts"""
    decision_no: str | None = None
    """number of the decision"""
    decision_org: str | None = None
    """who decided"""
    void_from_start: bool = False
    """whether it never was valid (自始无效)"""
    certificate_version: int | None = None
    """version of the certificate that was changed; some platforms want the change numbered after it"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Withdrawal:
    """Takes back a record that was pushed in error (wrong person, test data)."""

    withdrawn_kind: RecordKind
    """of the record that is taken back"""
    withdrawn_key: str
    """ULID of that record"""
    content: Worker | Certificate
    """as it was last sent"""
    reason: str
    """why it should never have been sent"""
    withdrawn_version: int | None = None
    """newest version of the record that is taken back; some platforms want the withdrawal numbered after it"""


Content = Worker | Certificate | StatusChange | Withdrawal


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One version of something the platforms must learn. ``key`` and ``person_key`` are ULIDs that never change."""

    kind: RecordKind
    """what the content is"""
    key: str
    version: int
    person_key: str
    content: Content
    """complete in itself"""
    effective_from: datetime
    """aware moment from which this version counts; codes are written by the tables of that day"""
    change: ChangeNature = ChangeNature.NEW
    change_reason: str | None = None
    """for a version after the first"""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the content in canonical form; equal content has an equal fingerprint whatever its version."""
        return fingerprint(self.content)


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """What we owe one platform about one record version."""

    platform: str
    record: Record
    replaces: bool = False
    """whether the platform accepted an earlier version of this record, so that it holds something to be changed"""
    day: date | None = None
    """the day (+08:00) on which it is to be sent, for a platform whose form changes on a day; None: not known"""

    @property
    def key(self) -> str:
        """The business key: unique for ever, the same over all attempts and replays."""
        return f"{self.platform}/{self.record.kind}/{self.record.key}/{self.record.version}"


_SAID_SINCE_LATER = frozenset(
    {"placement", "training", "files", "responsible_person", "promise_signer", "promise_digest", "summary_form_digest"}
    | {"checked_true", "checked_exact", "checked_valid"}
)


def project_of(content: Content) -> str | None:
    """The project that a person or certificate is registered with, where its filing names one."""
    if isinstance(content, Worker):
        return content.placement.project_code if content.placement else None
    if isinstance(content, Certificate):
        return content.training.project_code if content.training else None
    return None


@lru_cache(maxsize=16)
def fingerprint(content: Content) -> str:
    """SHA-256 (hex) over sorted, compact JSON of the content; a moment counts as a point in time, in whatever zone.

    The moment of entry is left out: it says when we read the content, and a row reported again unchanged is no news.
    So is what older content could not say, where it is not said: content stored before has the fingerprint it had.
    """
    return hashlib.sha256(f"{type(content).__name__}\n{_encoder().encode(_plain(content))}".encode()).hexdigest()


@cache
def _encoder() -> json.JSONEncoder:
    return json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@cache
def _counted(kind: type) -> tuple[tuple[str, ...], Callable[[object], tuple[object, ...]]]:
    """Names of the fields that count, and what gives their values at once."""
    names = tuple(field.name for field in dataclasses.fields(kind) if field.name != "entered_at")
    return names, attrgetter(*names)


def _plain(value: object) -> object:
    """A value as JSON has it. Every class of content has more than one field, so that their values are a tuple."""
    kind = value.__class__
    if kind is str or value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, datetime):
        return f"{value.timestamp():.6f}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    if dataclasses.is_dataclass(kind):
        names, values = _counted(kind)
        said = zip(names, values(value), strict=True)
        return {
            name: one if one is None or one.__class__ is str else _plain(one)
            for name, one in said
            if one is not None or name not in _SAID_SINCE_LATER
        }
    raise TypeError(f"no canonical form for {kind.__name__}")
