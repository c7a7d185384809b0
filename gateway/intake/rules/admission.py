"""From an admissible filing to the content of its records. What the filing does not say stays blank."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import TypeVar

from gateway.domain.errors import InputError
from gateway.domain.records import Certificate, Employer, Placement, Training, Verification, Worker
from gateway.intake.rules.filing import PLACEMENT, Filing, Origin
from gateway.intake.rules.gate_checks import accept_phase, filing_moment
from gateway.intake.rules.gate_rules import GateRules
from gateway.intake.rules.gate_table import GateFailure
from gateway.intake.rules.gates import required
from gateway.locale import tr

T = TypeVar("T")

_CLASS = "SKILL"
"""the ministry's skill-post certificate counts as a skill certificate with trade and level"""
_DEFAULTS = GateRules()

_TAKES_BACK = ("id_type", "id_number", "certificate_number", "trade", "withdrawal_reason")
"""what a row must say to take a certificate back: whose, which one, and why"""
NOT_HELD = GateFailure(
    gate="R-WITHDRAW",
    field="certificate_number",
    message="there is no such certificate to be withdrawn",
    message_zh="没有可撤回的该证书",
)


_DESCRIBED = attrgetter(
    *("name", "id_type", "id_number", "gender", "birth_date", "ethnicity", "education", "mobile"),
    *("home_region", "address", "employed", "employer_name", "employer_code", "employer_region"),
    *("contract_term", "contract_start", "contract_end"),
    *(*PLACEMENT, "team_leader", "site_since", "politics", "card_issuer", "photo"),
)
"""all that goes into a worker"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Admitted:
    """What an admitted filing adds to the store."""

    worker: Worker
    certificate: Certificate


def admit(filing: Filing, entered_at: datetime, rules: GateRules = _DEFAULTS) -> Admitted:
    """Turn a filing that passed every gate into its worker and certificate.

    entered_at: aware moment at which the centre enters it (入库时间)
    The issue date on the booklet is also the first issue and the beginning of validity. The issuer's division is the
    assessment's unless the filing names it. Raises InputError, naming the field, for a filing that was not judged.
    """
    holder = _worker(filing)
    issued = _said(filing.issue_date, "issue_date")
    origin = _said(filing.assessment_origin, "assessment_origin")
    region = _said(filing.assessment_region, "assessment_region")
    issuer_region = filing.issuer_region or (rules.centre_region if origin is Origin.PROVINCE else region)
    certificate = Certificate(
        holder=holder,
        cert_class=_CLASS,
        name=_said(filing.certificate_name, "certificate_name"),
        number=_said(filing.certificate_number, "certificate_number"),
        trade=_said(filing.trade, "trade"),
        trade_name=_said(filing.trade_name, "trade_name"),
        level=_said(filing.level, "level"),
        issuer_name=_said(filing.issuer_name, "issuer_name"),
        issuer_code=_said(filing.issuer_code, "issuer_code"),
        issuer_region=issuer_region,
        confirm_organization=_said(filing.confirm_organization, "confirm_organization"),
        assessment_origin=origin.value,
        assessment_region=region,
        issue_date=issued,
        first_issue_date=issued,
        valid_from=issued,
        application_date=filing.application_date,
        valid_to=filing.valid_to,
        verification=_verification(filing, entered_at, rules),
        training=_training(filing),
    )
    placement = _placement(filing)
    return Admitted(worker=replace(holder, placement=placement) if placement else holder, certificate=certificate)


def judge_withdrawal(filing: Filing, read: Iterable[GateFailure]) -> tuple[GateFailure, ...]:
    """What speaks against a row that takes its certificate back.

    read: the failures of reading the row; those of other fields do not count, and neither do the gates, because a
          certificate may be withdrawn for the very reason that its filing was wrong
    """
    broken = [failure for failure in read if failure.field in (*_TAKES_BACK, "withdrawn", "")]
    return (*broken, *(required(field) for field in _TAKES_BACK if filing.lacks(field)))


def withdrawal_claims(filing: Filing) -> Filing:
    """The part of such a row that other rows can contradict: whose certificate it is."""
    return replace(filing, name=None, filing_corp_code=None, review_region=None)


def described(filing: Filing) -> int:
    """A number that is equal for filings that say the same about the person, whatever their certificates."""
    return hash(_DESCRIBED(filing))


def _worker(filing: Filing) -> Worker:
    return Worker(
        name=_said(filing.name, "name"),
        id_type=_said(filing.id_type, "id_type"),
        id_number=_said(filing.id_number, "id_number"),
        gender=_said(filing.gender, "gender"),
        birth_date=_said(filing.birth_date, "birth_date"),
        ethnicity=filing.ethnicity,
        education=filing.education,
        mobile=filing.mobile,
        home_region=filing.home_region,
        address=filing.address,
        employer=_employer(filing) if _said(filing.employed, "employed") else None,
    )


def _employer(filing: Filing) -> Employer:
    return Employer(
        name=_said(filing.employer_name, "employer_name"),
        code=_said(filing.employer_code, "employer_code"),
        contract_term=_said(filing.contract_term, "contract_term"),
        contract_start=filing.contract_start,
        contract_end=filing.contract_end,
        region=filing.employer_region,
    )


def _placement(filing: Filing) -> Placement | None:
    if filing.project_code is None:
        return None
    return Placement(
        project_code=filing.project_code,
        corp_code=_said(filing.team_corp_code, "team_corp_code"),
        corp_name=_said(filing.team_corp_name, "team_corp_name"),
        team_no=_said(filing.team_no, "team_no"),
        team_name=_said(filing.team_name, "team_name"),
        trade=_said(filing.site_trade, "site_trade"),
        team_leader=filing.team_leader is True,
        since=filing.site_since,
        politics=filing.politics,
        card_issuer=filing.card_issuer,
        photo=filing.photo,
    )


def _training(filing: Filing) -> Training | None:
    if filing.project_code is None:
        return None
    return Training(project_code=filing.project_code, hours=filing.training_hours, score=filing.score)


def _verification(filing: Filing, entered_at: datetime, rules: GateRules) -> Verification:
    reported_at = _said(filing.reported_at, "reported_at")
    return Verification(
        channel=_said(filing.channel, "channel").value,
        promise_signed_at=_said(filing.promise_signed_at, "promise_signed_at"),
        promise_version=_said(filing.promise_version, "promise_version"),
        point_code=_said(filing.point_code, "point_code"),
        verifier=_said(filing.verifier, "verifier"),
        verified_at=_said(filing.verified_at, "verified_at"),
        originals=_said(filing.originals, "originals"),
        summary_form_no=_said(filing.summary_form_no, "summary_form_no"),
        seal_stamped=_said(filing.seal_stamped, "seal_stamped"),
        review_region=_said(filing.review_region, "review_region"),
        review_department=_said(filing.review_department, "review_department"),
        reviewer=_said(filing.reviewer, "reviewer"),
        reviewed_at=_said(filing.reviewed_at, "reviewed_at"),
        notice_begin=_said(filing.notice_begin, "notice_begin"),
        notice_end=_said(filing.notice_end, "notice_end"),
        notice_medium=_said(filing.notice_medium, "notice_medium"),
        reported_at=reported_at,
        entered_at=entered_at,
        accept_phase=_said(accept_phase(filing_moment(filing, rules) or reported_at, rules), "reported_at"),
        batch_no=_said(filing.batch_no, "batch_no"),
        responsible_person=filing.responsible_person,
        promise_signer=filing.promise_signer,
        promise_digest=filing.promise_digest,
        summary_form_digest=filing.summary_form_digest,
        checked_true=filing.checked_true,
        checked_exact=filing.checked_exact,
        checked_valid=filing.checked_valid,
    )


def _said(value: T | None, field: str) -> T:
    if value is None:
        raise InputError(tr("an admissible filing says {field}; judge it before admitting it", field=field))
    return value
