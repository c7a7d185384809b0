"""Person and Certificate in the platform's words: one line per field, in the order of the schema.

Follows the record schemas of the typed contract 1.0 (README, "Fields"). A value that is not known, or has no
counterpart in the platform's table, is left out; ``schema.check`` then says what is missing.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Generic, TypeVar, cast

from connectors.national_market.attachments import files, photo
from connectors.national_market.settings import NationalMarketSettings
from connectors.national_market.tables import InForce, in_force
from gateway.contract.messages import JSON, Draft
from gateway.domain.records import Certificate, ChangeNature, Employer, Record, Submission, Worker
from gateway.domain.status import RENEWED

CHINA = timezone(timedelta(hours=8))
RECORD_KEYS = uuid.UUID("6c0d5f0e-3c1b-5f43-9d6e-6f6b1d1a2f37")
"""Namespace of the platform's record keys. It must never change: the same record must give the same key for ever."""
RESIDENT_CARD = "111"
_RENEWAL = "02"
_OTHER_TRADE, _OTHER_THERE = "000", "1000"
"""the trade "other" here and on the worker platform"""
NO_CODE = "?"
"""before a code of ours that has no counterpart in the platform's table; no code begins so"""
CODED = {
    "IdDocType": "id_document_type",
    "Holder.IdDocType": "id_document_type",
    "Gender": "gender",
    "Ethnicity": "ethnicity_gbt3304",
    "Education": "education_gbt4658",
    "CertClass": "cert_class",
    "Trade": "trade",
    "Level": "cert_level",
    "Status": "cert_status",
    "NewStatus": "cert_status",
    "OperateType": "cert_operate_type",
}
"""element -> table of its codes; posts are found by name"""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line(Generic[T]):
    """One field: its dotted path, the field of ours it comes from, and how."""

    path: str
    source: str
    value: Callable[[T, Record, NationalMarketSettings], JSON]


def to_draft(submission: Submission, settings: NationalMarketSettings) -> Draft:
    """Write a person or certificate in the platform's fields; other kinds give an empty draft."""
    record = submission.record
    content = record.content
    fields: dict[str, JSON] = {}
    sources: dict[str, str] = {}
    if isinstance(content, Worker):
        fields, sources = write(_PERSON, content, record, settings)
    elif isinstance(content, Certificate):
        fields, sources = write(_CERTIFICATE, content, record, settings)
    return Draft(kind=record.kind, record_key=record.key, version=record.version, fields=fields, sources=sources)


def record_key(key: str) -> str:
    """The platform's key (32 lower-case hex) of one of our records: UUID version 5, so it survives any restore."""
    return uuid.uuid5(RECORD_KEYS, key).hex


def write(
    lines: Iterable[Line[T]], content: T, record: Record, settings: NationalMarketSettings
) -> tuple[dict[str, JSON], dict[str, str]]:
    """Fields nested by the dots of their path, and the source of each path.

    A code is written as the platform's on the day of the record; one without a counterpart is refused by the check.
    """
    fields: dict[str, JSON] = {}
    sources: dict[str, str] = {}
    for line in lines:
        sources[line.path] = line.source
        value = line.value(content, record, settings)
        if value in (None, ""):
            continue
        if line.path in CODED and isinstance(value, str):
            value = _translated(value, codes(CODED[line.path], record, settings))
        *parents, last = line.path.split(".")
        target = fields
        for parent in parents:
            target = cast("dict[str, JSON]", target.setdefault(parent, {}))
        target[last] = value
    return fields, sources


def _translated(ours: str, theirs: InForce) -> str:
    """The platform's code; one that it lacks stays as it is, and is marked where it means something else there."""
    return theirs.code(ours) or (f"{NO_CODE}{ours}" if ours in theirs.names else ours)


def codes(name: str, record: Record, settings: NationalMarketSettings) -> InForce:
    """A code table as it stands on the day the record's version took effect."""
    return in_force(name, record.effective_from.astimezone(CHINA).date(), settings.code_folder)


def _employment(of: Callable[[T], Employer | None], source: str) -> tuple[Line[T], ...]:
    """The enterprise link; left out as a whole where there is no employer."""

    def line(name: str, field: str, value: Callable[[Employer, NationalMarketSettings], JSON]) -> Line[T]:
        return Line(
            f"Employment.{name}", f"{source}.{field}", lambda c, r, s: value(e, s) if (e := of(c)) is not None else None
        )

    return (
        line("CorpName", "name", lambda e, s: collapsed(e.name)),
        line("CorpCode", "code", lambda e, s: e.code),
        line("CorpOrgCode", "code", lambda e, s: _org_code(e.code) if s.corp_code_form == "uscc_and_org" else None),
        line("CorpRegion", "region", lambda e, s: e.region),
        line("EngagedFrom", "contract_start", lambda e, s: iso_day(e.contract_start)),
        line("EngagedTo", "contract_end", lambda e, s: iso_day(e.contract_end)),
    )


_PERSON: tuple[Line[Worker], ...] = (
    Line("RecordKey", "key", lambda w, r, s: record_key(r.key)),
    Line("UpdateFlag", "", lambda w, r, s: "U"),
    Line("RecordVersion", "version", lambda w, r, s: r.version),
    Line("PersonName", "name", lambda w, r, s: dotted_name(w.name)),
    Line("IdDocType", "id_type", lambda w, r, s: w.id_type),
    Line("IdDocNumber", "id_number", lambda w, r, s: w.id_number.upper()),
    Line("Gender", "gender", lambda w, r, s: w.gender),
    Line("BirthDate", "birth_date", lambda w, r, s: w.birth_date.isoformat()),
    Line("Ethnicity", "ethnicity", lambda w, r, s: w.ethnicity),
    Line("Education", "education", lambda w, r, s: w.education),
    Line("Mobile", "mobile", lambda w, r, s: w.mobile),
    Line("HomeRegion", "home_region", lambda w, r, s: w.home_region),
    Line("Address", "address", lambda w, r, s: collapsed(w.address)),
    *_employment(lambda w: w.employer, "employer"),
    Line("Photo", "placement.photo", lambda w, r, s: photo(w) if s.send_photos else None),
    Line("Checked.CheckDepartName", "", lambda w, r, s: s.check_department),
    Line("Checked.CheckPersonName", "", lambda w, r, s: s.check_person),
    Line("Checked.CheckedAt", "effective_from", lambda w, r, s: moment(r.effective_from)),
    Line("Checked.DataLevel", "", lambda w, r, s: s.person_data_level),
    Line("Checked.DataSource", "", lambda w, r, s: s.data_source),
)

_CERTIFICATE: tuple[Line[Certificate], ...] = (
    Line("RecordKey", "key", lambda c, r, s: record_key(r.key)),
    Line("UpdateFlag", "", lambda c, r, s: "U"),
    Line("RecordVersion", "version", lambda c, r, s: r.version),
    Line("OperateType", "change", lambda c, r, s: _operation(r, s)),
    Line("Holder.PersonName", "holder.name", lambda c, r, s: dotted_name(c.holder.name)),
    Line("Holder.IdDocType", "holder.id_type", lambda c, r, s: c.holder.id_type),
    Line("Holder.IdDocNumber", "holder.id_number", lambda c, r, s: c.holder.id_number.upper()),
    Line("CertClass", "cert_class", lambda c, r, s: class_of(c, s)),
    Line("CertName", "name", lambda c, r, s: collapsed(c.name)),
    Line("CertNumber", "number", lambda c, r, s: number_of(c, s)),
    Line("Trade", "trade", lambda c, r, s: _trade(c, r, s) if class_of(c, s) in ("SKILL", "TRAIN", "OTHER") else None),
    Line("Post", "trade_name", lambda c, r, s: _post(c, r, s) if class_of(c, s) == "POST" else None),
    Line("CategoryText", "trade_name", lambda c, r, s: collapsed(c.trade_name) if _is_other(c, r, s) else None),
    Line("Level", "level", lambda c, r, s: c.level),
    Line("IssuerName", "issuer_name", lambda c, r, s: collapsed(c.issuer_name)),
    Line("IssuerCode", "issuer_code", lambda c, r, s: c.issuer_code),
    Line("IssuerRegion", "issuer_region", lambda c, r, s: c.issuer_region),
    Line("FirstIssueDate", "first_issue_date", lambda c, r, s: iso_day(c.first_issue_date)),
    Line("IssueDate", "issue_date", lambda c, r, s: iso_day(c.issue_date)),
    Line("ValidFrom", "valid_from", lambda c, r, s: iso_day(c.valid_from)),
    Line("ValidTo", "valid_to", lambda c, r, s: iso_day(c.valid_to)),
    Line("Status", "status", lambda c, r, s: s.expired_status if c.status == "06" else c.status),
    Line("StatusText", "status_reason", lambda c, r, s: collapsed(c.status_reason)),
    *_employment(lambda c: c.holder.employer, "holder.employer"),
    Line(
        "Training.TrainOrgName",
        "confirm_organization",
        lambda c, r, s: collapsed(c.confirm_organization) if _trained(c, s) else None,
    ),
    Line("Training.Passed", "", lambda c, r, s: True if _trained(c, s) else None),
    Line("CertFile", "files", lambda c, r, s: files(c) if s.send_files else None),
    Line(
        "Checked.CheckDepartName",
        "verification.review_department",
        lambda c, r, s: collapsed(c.verification.review_department),
    ),
    Line("Checked.CheckPersonName", "verification.reviewer", lambda c, r, s: collapsed(c.verification.reviewer)),
    Line("Checked.CheckedAt", "verification.reviewed_at", lambda c, r, s: moment(c.verification.reviewed_at)),
    Line("Checked.DataLevel", "verification.review_region", lambda c, r, s: _level(c.verification.review_region)),
    Line("Checked.DataSource", "", lambda c, r, s: s.data_source),
)


def moment(at: datetime) -> str:
    """A Timestamp of the schema: seconds, China's offset written out."""
    return at.astimezone(CHINA).isoformat(timespec="seconds")


def iso_day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def collapsed(text: str | None) -> str | None:
    """White space as the schema itself would collapse it, so that content and hash agree."""
    return re.sub(r"[ \t\r\n]+", " ", text).strip(" ") if text else None


def dotted_name(name: str) -> str:
    """Names of minorities come with four kinds of middle dot; the platform gets U+00B7."""
    return re.sub("[•．‧]", "·", name)


def _org_code(code: str) -> str | None:
    """The organisation code inside a credit code: positions 9 to 16, a hyphen and position 17."""
    return f"{code[8:16]}-{code[16]}" if len(code) == 18 else None


def _operation(record: Record, settings: NationalMarketSettings) -> str:
    """New, changed, or renewed after a lapse."""
    if record.version == 1 or record.change is ChangeNature.NEW:
        return settings.operate_new
    return _RENEWAL if record.change_reason == RENEWED else settings.operate_change


def class_of(certificate: Certificate, settings: NationalMarketSettings) -> str:
    return settings.cert_class_sent_as.get(certificate.cert_class, certificate.cert_class)


def number_of(certificate: Certificate, settings: NationalMarketSettings) -> str:
    """Safety certificates are numbered with full-width brackets."""
    if class_of(certificate, settings) != "SAFETY":
        return certificate.number
    return certificate.number.replace("(", "（").replace(")", "）")


def _trade(certificate: Certificate, record: Record, settings: NationalMarketSettings) -> str | None:
    """Our trade code where the platform knows it, else by its printed name; the worker platform's 1000 is 000 here."""
    trades = codes("trade", record, settings)
    if trades.code(certificate.trade) is not None:
        return certificate.trade
    if certificate.trade == _OTHER_THERE:
        return _OTHER_TRADE
    return trades.ours_of(certificate.trade_name)


def _post(certificate: Certificate, record: Record, settings: NationalMarketSettings) -> str | None:
    return codes("post_category", record, settings).code_of(certificate.trade_name)


def _is_other(certificate: Certificate, record: Record, settings: NationalMarketSettings) -> bool:
    """Whether the sub-category is the table's "other", which needs its name in words."""
    if class_of(certificate, settings) == "POST":
        return _post(certificate, record, settings) == "P99"
    return _trade(certificate, record, settings) == _OTHER_TRADE


def _trained(certificate: Certificate, settings: NationalMarketSettings) -> bool:
    return settings.training_from_assessment and class_of(certificate, settings) == "TRAIN"


def _level(region: str) -> str | None:
    """Data level of a review: by the province, a city or a county; None where the code is no division."""
    if not re.fullmatch("[1-9][0-9]{5}", region):
        return None
    return "A" if region.endswith("0000") else "B" if region.endswith("00") else "C"
