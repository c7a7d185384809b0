"""A certificate record in the platform's words, one line per field (WorkerCertificateItem).

Fields are named by their path in the item (``person.workerName``). What the record does not say stays out.
The platform takes skill-post certificates only; phone, address, photographs and scans are not sent (minimum necessary).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from connectors.provincial_credit.settings import ProvincialCreditSettings
from gateway.codec.codes import table
from gateway.contract.messages import JSON, Draft, Problem
from gateway.domain.records import Certificate, Employer, Record

CHINA = timezone(timedelta(hours=8))
_LEVELS = frozenset({"2", "3", "4"})
_SEXES = frozenset({"1", "2"})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    theirs: str
    ours: str
    value: Callable[[Record, Certificate], JSON]


def item_draft(
    record: Record,
    certificate: Certificate,
    settings: ProvincialCreditSettings,
    *,
    operation: str = "UPSERT",
    change_reason: str | None = None,
) -> Draft:
    """Map a certificate of a record; total. A code without a counterpart becomes a problem and stays out.

    operation, change_reason: VOID and why, where the record takes the certificate back
    """
    values = {line.theirs: line.value(record, certificate) for line in _LINES}
    values["operation"] = operation
    values["certificate.certificationCategoriesType"] = settings.certification_category
    if change_reason:
        values["changeReason"] = change_reason
    return Draft(
        kind=record.kind,
        record_key=record.key,
        version=record.version,
        fields={name: value for name, value in values.items() if value is not None},
        sources={line.theirs: line.ours for line in _LINES},
        problems=_unmapped(certificate),
    )


def nested(fields: Mapping[str, JSON]) -> dict[str, JSON]:
    """Fields by path as the item's object."""
    item: dict[str, JSON] = {}
    for path, value in fields.items():
        group, _, name = path.rpartition(".")
        if not group:
            item[name] = value
            continue
        inner = item.setdefault(group, {})
        assert isinstance(inner, dict)
        inner[name] = value
    return item


def china_time(moment: datetime) -> str:
    """A moment as the platform writes it: RFC 3339 at +08:00, to the second."""
    return moment.astimezone(CHINA).isoformat(timespec="seconds")


def _unmapped(certificate: Certificate) -> tuple[Problem, ...]:
    holder, way = certificate.holder, certificate.verification
    found = []
    for ours, code, known in (
        ("holder.id_type", "id_document_type", _document_type(certificate) is not None),
        ("holder.gender", "gender", holder.gender in _SEXES),
        ("trade", "trade_worker_platform", _trade(certificate) is not None),
        ("level", "cert_level", certificate.level in _LEVELS),
        ("status", "cert_status", certificate.status in table("cert_status")),
        ("assessment_region", "division_shandong_history", _region(certificate.assessment_region) is not None),
        ("verification.review_region", "division_shandong_history", _region(way.review_region) is not None),
    ):
        if not known:
            found.append(
                _problem(ours, f"code:{code}", "has no counterpart in the platform's table", "在平台代码表中无对应代码")
            )
    if certificate.cert_class != "SKILL":
        found.append(
            _problem("cert_class", "N03", "only skill-post certificates go to this platform", "仅推送职业技能岗位证书")
        )
    return tuple(found)


def _problem(field: str, rule: str, message: str, message_zh: str) -> Problem:
    return Problem(field=field, rule=rule, message=message, message_zh=message_zh)


def _document_type(certificate: Certificate) -> str | None:
    return table("id_document_type").get(certificate.holder.id_type, "worker_platform_code")


def _trade(certificate: Certificate) -> str | None:
    return certificate.trade if certificate.trade in table("trade_worker_platform") else None


def _region(code: str) -> str | None:
    return code if code in table("division_shandong_history") else None


def _employer(certificate: Certificate, value: Callable[[Employer], JSON]) -> JSON:
    employer = certificate.holder.employer
    return None if employer is None else value(employer)


def _contract_digest(certificate: Certificate) -> str | None:
    """Of the first scan of the contract; the scan itself is not pushed."""
    scans = (scan for scan in certificate.files or () if scan.kind.startswith("CONTRACT_"))
    return next((f"sha256:{scan.sha256}" for scan in scans), None)


def _date(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def _web(medium: str) -> bool:
    return medium.startswith(("https://", "http://"))


_LINES = tuple(
    _Line(theirs=theirs, ours=ours, value=value)
    for theirs, ours, value in (
        ("operation", "kind", lambda r, c: None),
        ("certificateKey", "key", lambda r, c: r.key),
        ("recordVersion", "version", lambda r, c: r.version),
        ("effectiveFrom", "effective_from", lambda r, c: china_time(r.effective_from)),
        ("changeNature", "change", lambda r, c: r.change.value),
        ("changeReason", "change_reason", lambda r, c: r.change_reason or None),
        ("person.personKey", "person_key", lambda r, c: r.person_key),
        ("person.workerName", "holder.name", lambda r, c: c.holder.name),
        ("person.idCardType", "holder.id_type", lambda r, c: _document_type(c)),
        ("person.idCardNumber", "holder.id_number", lambda r, c: c.holder.id_number),
        ("person.gender", "holder.gender", lambda r, c: c.holder.gender if c.holder.gender in _SEXES else None),
        ("person.birthDate", "holder.birth_date", lambda r, c: c.holder.birth_date.isoformat()),
        ("person.employmentType", "holder.employer", lambda r, c: "1" if c.holder.employer else "2"),
        ("employer.corpCode", "holder.employer.code", lambda r, c: _employer(c, lambda e: e.code)),
        ("employer.corpName", "holder.employer.name", lambda r, c: _employer(c, lambda e: e.name)),
        (
            "employer.contractPeriodType",
            "holder.employer.contract_term",
            lambda r, c: _employer(c, lambda e: e.contract_term.value),
        ),
        (
            "employer.contractStartDate",
            "holder.employer.contract_start",
            lambda r, c: _employer(c, lambda e: _date(e.contract_start)),
        ),
        (
            "employer.contractEndDate",
            "holder.employer.contract_end",
            lambda r, c: _employer(c, lambda e: _date(e.contract_end)),
        ),
        ("employer.contractDigest", "files", lambda r, c: _employer(c, lambda e: _contract_digest(c))),
        ("certificate.certificationType", "trade", lambda r, c: _trade(c)),
        ("certificate.certificationTypeName", "trade_name", lambda r, c: c.trade_name),
        ("certificate.workType", "trade", lambda r, c: _trade(c)),
        ("certificate.credentialLevelType", "level", lambda r, c: c.level if c.level in _LEVELS else None),
        ("certificate.certificationName", "name", lambda r, c: c.name),
        ("certificate.certificationCode", "number", lambda r, c: c.number),
        ("certificate.confirmOrganization", "confirm_organization", lambda r, c: c.confirm_organization),
        ("certificate.grantOrg", "issuer_name", lambda r, c: c.issuer_name),
        ("certificate.assessmentOrigin", "assessment_origin", lambda r, c: c.assessment_origin),
        ("certificate.assessmentRegion", "assessment_region", lambda r, c: _region(c.assessment_region)),
        (
            "certificate.applicationDate",
            "application_date",
            lambda r, c: _date(c.application_date),
        ),
        ("certificate.firstBeginDate", "first_issue_date", lambda r, c: c.first_issue_date.isoformat()),
        ("certificate.validBeginDate", "valid_from", lambda r, c: c.valid_from.isoformat()),
        ("certificate.validEndDate", "valid_to", lambda r, c: _date(c.valid_to)),
        (
            "certificate.certificationStatus",
            "status",
            lambda r, c: c.status if c.status in table("cert_status") else None,
        ),
        ("certificate.statusReason", "status_reason", lambda r, c: c.status_reason or None),
        ("verification.filingChannel", "verification.channel", lambda r, c: c.verification.channel),
        (
            "verification.filingCorpCode",
            "holder.employer.code",
            lambda r, c: _employer(c, lambda e: e.code) if c.verification.channel == "ENTERPRISE" else None,
        ),
        (
            "verification.commitmentSignedAt",
            "verification.promise_signed_at",
            lambda r, c: china_time(c.verification.promise_signed_at),
        ),
        (
            "verification.commitmentVersion",
            "verification.promise_version",
            lambda r, c: c.verification.promise_version,
        ),
        ("verification.pointCode", "verification.point_code", lambda r, c: c.verification.point_code),
        ("verification.verifiedAt", "verification.verified_at", lambda r, c: china_time(c.verification.verified_at)),
        ("verification.originalsChecked", "verification.originals", lambda r, c: list(c.verification.originals)),
        ("verification.summaryFormNo", "verification.summary_form_no", lambda r, c: c.verification.summary_form_no),
        ("verification.sealStamped", "verification.seal_stamped", lambda r, c: c.verification.seal_stamped),
        (
            "verification.reviewOrgRegion",
            "verification.review_region",
            lambda r, c: _region(c.verification.review_region),
        ),
        (
            "verification.noticeBeginDate",
            "verification.notice_begin",
            lambda r, c: c.verification.notice_begin.isoformat(),
        ),
        ("verification.noticeEndDate", "verification.notice_end", lambda r, c: c.verification.notice_end.isoformat()),
        (
            "verification.noticeUrl",
            "verification.notice_medium",
            lambda r, c: c.verification.notice_medium if _web(c.verification.notice_medium) else None,
        ),
        (
            "verification.noticeMedium",
            "verification.notice_medium",
            lambda r, c: None if _web(c.verification.notice_medium) else c.verification.notice_medium,
        ),
        ("verification.reportedAt", "verification.reported_at", lambda r, c: china_time(c.verification.reported_at)),
        ("verification.enteredAt", "verification.entered_at", lambda r, c: china_time(c.verification.entered_at)),
        ("verification.acceptPhase", "verification.accept_phase", lambda r, c: c.verification.accept_phase),
        ("verification.reportBatchNo", "verification.batch_no", lambda r, c: c.verification.batch_no),
    )
)

SOURCES = {line.theirs: line.ours for line in _LINES}


def mapped_from(path: str, sources: Mapping[str, str] = SOURCES) -> str:
    """Our name of the platform's field at ``path`` or of one inside it (``person.idCardNumber.iv``), else the path."""
    known = path
    while known:
        if known in sources:
            return sources[known]
        known = known.rpartition(".")[0]
    return path
