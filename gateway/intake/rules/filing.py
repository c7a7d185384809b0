"""A filing (申报): one person's declared certificate with its way through verification, review, notice and report.

The value holds what a row *says*, in normal form; whether that is enough is decided by ``gateway.intake.rules.gates``.
What happens before the report stands in the row; where a reported filing stands at the centre follows from the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any

from gateway.domain.records import ContractTerm
from gateway.domain.status import StatusStep


class Origin(StrEnum):
    """Who held the assessment (鉴定来源): a city, or the province directly."""

    CITY = "CITY"
    PROVINCE = "PROV"


class Channel(StrEnum):
    """Who filled in the filing (填报渠道)."""

    ENTERPRISE = "ENTERPRISE"
    PERSON = "PERSON"


class PublicObjection(StrEnum):
    """What came in during the public notice (异议状态)."""

    NONE = "NONE"
    OPEN = "OPEN"
    DISMISSED = "DISMISSED"
    UPHELD = "UPHELD"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Filing:
    """What one row says. None means the row does not say it; codes are the canonical ones of the code tables."""

    name: str | None = None
    id_type: str | None = None
    id_number: str | None = None
    """18 characters for resident cards and residence permits"""
    id_alias: str | None = None
    """the 15-digit number as filed, where it was widened"""
    gender: str | None = None
    birth_date: date | None = None
    ethnicity: str | None = None
    education: str | None = None
    mobile: str | None = None
    home_region: str | None = None
    address: str | None = None

    employed: bool | None = None
    employer_name: str | None = None
    employer_code: str | None = None
    employer_region: str | None = None
    contract_term: ContractTerm | None = None
    contract_start: date | None = None
    contract_end: date | None = None

    certificate_name: str | None = None
    certificate_number: str | None = None
    trade: str | None = None
    trade_name: str | None = None
    level: str | None = None
    issuer_name: str | None = None
    issuer_code: str | None = None
    issuer_region: str | None = None
    confirm_organization: str | None = None
    assessment_origin: Origin | None = None
    assessment_region: str | None = None
    application_date: date | None = None
    issue_date: date | None = None
    valid_to: date | None = None

    promise_signed_at: datetime | None = None
    promise_version: str | None = None
    promise_signer: str | None = None
    promise_digest: str | None = None
    """of the signed promise, in hexadecimal digits"""
    point_code: str | None = None
    """six digits of the point's division, then its own number"""
    verifier: str | None = None
    verified_at: datetime | None = None
    originals: tuple[str, ...] | None = None
    """of CERT, IDCARD, CONTRACT"""
    summary_form_no: str | None = None
    summary_form_digest: str | None = None
    """of the form as it was exported, in hexadecimal digits"""
    seal_stamped: bool | None = None
    checked_true: bool | None = None
    """the originals are genuine (真实性)"""
    checked_exact: bool | None = None
    """the fields say what the originals say (准确性)"""
    checked_valid: bool | None = None
    """the certificate is in force, not cancelled (有效性)"""

    review_department: str | None = None
    review_region: str | None = None
    reviewer: str | None = None
    reviewed_at: datetime | None = None
    notice_begin: date | None = None
    notice_end: date | None = None
    notice_medium: str | None = None
    objection: PublicObjection | None = None

    reported_at: datetime | None = None
    batch_no: str | None = None
    channel: Channel | None = None
    filing_corp_code: str | None = None
    responsible_person: str | None = None
    """who answers for the filing at the enterprise"""

    project_code: str | None = None
    """the project the person works on at present; with company, team and trade it is complete, or not said at all"""
    team_corp_code: str | None = None
    team_corp_name: str | None = None
    team_no: str | None = None
    team_name: str | None = None
    site_trade: str | None = None
    """worker-platform trade code"""
    team_leader: bool | None = None
    site_since: date | None = None
    politics: str | None = None
    card_issuer: str | None = None
    photo: str | None = None
    training_hours: str | None = None
    score: str | None = None

    withdrawn: bool | None = None
    """whether the row takes its certificate back; then it says whose and which one, and nothing else counts"""
    withdrawal_reason: str | None = None
    status_step: StatusStep | None = None
    """what a decision does to its certificate; then the row says whose, which one, why and since when, and no more"""
    status_reason: str | None = None
    status_date: date | None = None
    decision_no: str | None = None
    decision_org: str | None = None

    unread: frozenset[str] = frozenset()
    """fields that were filled in but could not be read, or whose absence is reported already; gates leave them alone"""

    def __repr__(self) -> str:
        return "Filing(…)"

    def lacks(self, field: str) -> bool:
        """Whether the row is silent about a field, as opposed to unreadable."""
        value = getattr(self, field)
        return not value and value in (None, "") and field not in self.unread

    def __reduce__(self) -> tuple[Any, ...]:
        """Its values alone: every row of a batch is laid on disk and taken back, which dataclasses do slowly."""
        return _restored, (_VALUES(self),)


_FIELDS = tuple(field.name for field in fields(Filing))
_VALUES = attrgetter(*_FIELDS)
_SETTERS = tuple(getattr(Filing, name).__set__ for name in _FIELDS)


def _restored(values: tuple[Any, ...]) -> Filing:
    made = object.__new__(Filing)
    for write, value in zip(_SETTERS, values, strict=True):
        write(made, value)
    return made


PLACEMENT = ("project_code", "team_corp_code", "team_corp_name", "team_no", "team_name", "site_trade")
"""what a row says of a project: all of it or nothing"""
_ALWAYS = (
    "name",
    "id_type",
    "id_number",
    "gender",
    "birth_date",
    "employed",
    "certificate_name",
    "certificate_number",
    "trade",
    "level",
    "issuer_name",
    "issuer_code",
    "confirm_organization",
    "assessment_origin",
    "assessment_region",
    "issue_date",
    "reported_at",
    "batch_no",
    "channel",
)


def missing(filing: Filing) -> Iterable[str]:
    """Fields without which nothing can be said about a person or certificate; what a gate asks for is left to it."""
    yield from (field for field in _ALWAYS if filing.lacks(field))
    if filing.id_type == "111" and filing.lacks("ethnicity"):
        yield "ethnicity"


class FilingState(StrEnum):
    """Where a reported filing stands at the centre."""

    REPORTED = "reported"
    ENTERED = "entered"
    PUSHED = "pushed"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"


def stands(outcome: str, *, pushed: bool, withdrawn: bool, refused: bool = False) -> FilingState:
    """Where a reported filing stands at the centre; derived, so that it cannot disagree with the ledger.

    outcome:   what became of its row: ``admit`` or ``unchanged``, ``hold``, ``refuse``, ``withdraw``
    pushed:    every platform that is owed its certificate has accepted the newest version
    withdrawn: the newest version of its certificate takes it back
    refused:   a platform refused the newest version of its certificate, or of its person
    """
    if outcome == "refuse":
        return FilingState.RETURNED
    if outcome == "hold":
        return FilingState.REPORTED
    if withdrawn:
        return FilingState.WITHDRAWN
    if refused:
        return FilingState.RETURNED
    return FilingState.PUSHED if pushed else FilingState.ENTERED
