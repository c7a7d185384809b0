"""Records in the platform's words, one line per field. What has no counterpart is a Problem, never a guess."""

from __future__ import annotations

import re
from datetime import date

from connectors.worker_platform.draft_builder import CODES, DraftBuilder
from connectors.worker_platform.forms import Credential, TrainingForm, WorkerForm
from gateway.codec.codes import table
from gateway.contract.messages import Draft
from gateway.domain.records import Certificate, Placement, Record, Training, Worker

_TITLE_KIND = "4"
"""certificates of professional titles, whose levels are another table than that of skills"""
_TEAM_NUMBER = re.compile(r"[0-9]{1,20}")
_DECIMAL = re.compile(r"[0-9]{1,4}(\.[0-9]{1,2})?")
_LEVELS = {"1": "普工", "2": "初级", "3": "中级", "4": "高级", "5": "技师", "6": "高级技师"}


def draft_certificate(record: Record, certificate: Certificate, form: Credential) -> Draft:
    """Write the certificate with the fields of the platform's certificate object. Total."""
    draft = DraftBuilder()
    c, holder = certificate, certificate.holder
    draft.text("name", "holder.name", holder.name)
    draft.code("idCardType", "holder.id_type", holder.id_type, table("id_document_type"), "worker_platform_code")
    draft.text("idCardNumber", "holder.id_number", holder.id_number.upper())
    draft.code("certificationCategoriesType", "cert_class", c.cert_class, table("cert_class"), "worker_platform_kind")
    draft.text("certificationTypeName", "trade_name", c.trade_name)
    draft.code("credentialLevelType", "level", c.level, table("cert_level"), "worker_platform_code")
    draft.text("certificationName", "name", c.name)
    draft.text("certificationCode", "number", c.number.upper())
    draft.text("confirmOrganization", "confirm_organization", c.confirm_organization)
    draft.put("jobType", "trade", _trade(c.trade, form), table_name="wp_trades")
    draft.day("firstBeginDate", "first_issue_date", c.first_issue_date)
    draft.day("validBeginDate", "valid_from", c.valid_from)
    draft.day("validEndDate", "valid_to", None if c.valid_to == date.max else c.valid_to)
    draft.text("grantOrg", "issuer_name", c.issuer_name)
    draft.text("workCorpName", "holder.employer.name", holder.employer.name if holder.employer else None)
    draft.code("certificationStatus", "status", c.status, table("cert_status"), "worker_platform")
    if draft.fields.get("certificationCategoriesType") == _TITLE_KIND:
        draft.refuse("credentialLevelType", "level", "wp_small_codes")
    return draft.build(record)


def draft_worker(record: Record, worker: Worker, place: Placement, form: WorkerForm, trades: Credential) -> Draft:
    """Write the worker as one of a project, with company and team. Total."""
    draft = DraftBuilder()
    draft.text("projectCode", "placement.project_code", place.project_code)
    draft.text("corpCode", "placement.corp_code", place.corp_code)
    draft.text("corpName", "placement.corp_name", place.corp_name)
    draft.text("employerCode", "placement.corp_code", place.corp_code)
    number = place.team_no.strip()
    draft.number("teamSysNo", "placement.team_no", int(number) if _TEAM_NUMBER.fullmatch(number) else None)
    if number and not _TEAM_NUMBER.fullmatch(number):
        draft.reject(
            "teamSysNo", "placement.team_no", "number", "must be a number of up to 20 digits", "应为20位以内的数字"
        )
    draft.text("teamName", "placement.team_name", place.team_name)
    draft.text("workerName", "name", worker.name)
    draft.number("isTeamLeader", "placement.team_leader", int(place.team_leader))
    draft.code("idCardType", "id_type", worker.id_type, table("id_document_type"), "worker_platform_code")
    draft.text("idCardNumber", "id_number", worker.id_number.upper())
    draft.put("workType", "placement.trade", _trade(place.trade, trades), table_name="wp_trades")
    draft.number("workRole", "", form.role)
    _ethnicity(draft, worker.ethnicity, form)
    draft.text("address", "address", worker.address)
    _photo(draft, place.photo, form)
    draft.text("politicsType", "placement.politics", place.politics)
    draft.text("cellPhone", "mobile", worker.mobile)
    draft.text(
        "cultureLevelType", "education", table("education_gbt4658").get(worker.education, "worker_platform_code")
    )
    draft.text("grantOrg", "placement.card_issuer", place.card_issuer)
    draft.text("gender", "gender", form.genders.get(worker.gender))
    draft.day("birthday", "birth_date", worker.birth_date)
    draft.day("inDate", "placement.since", place.since)
    for name, codes in form.codes.items():
        shown = draft.fields.get(name)
        if shown is not None:
            draft.put(name, draft.sources[name], codes.get(str(shown)), table_name=f"worker.codes.{name}")
    return draft.build(record)


def draft_training(record: Record, certificate: Certificate, training: Training, form: TrainingForm) -> Draft:
    """Write the assessment behind a certificate as a passed training of its project. Total.

    The name holds the certificate's number, so that one certificate is one training; level and trade stand in the
    description, where a change of them is seen.
    """
    draft = DraftBuilder()
    c, holder = certificate, certificate.holder
    draft.text("projectCode", "training.project_code", training.project_code)
    draft.day("trainingDate", "issue_date", c.issue_date)
    draft.number("trainingDuration", "training.hours", _decimal(training.hours))
    number = c.number.strip().upper()
    draft.text("trainingName", "number", form.name.replace("{number}", number) if number else None)
    draft.text("trainingTypeCode", "cert_class", form.type_code)
    draft.text("trainingOrg", "confirm_organization", c.confirm_organization)
    words = (c.name, c.trade_name, _LEVELS.get(c.level))
    draft.text("description", "level", " ".join(filter(None, words)) if words[-1] else None)
    draft.text("workerName", "holder.name", holder.name)
    draft.code("idCardType", "holder.id_type", holder.id_type, table("id_document_type"), "worker_platform_code")
    draft.text("idCardNumber", "holder.id_number", holder.id_number.upper())
    draft.number("isPass", "", form.passed)
    draft.number("trainingScore", "training.score", _decimal(training.score))
    if c.cert_class not in table("cert_class"):
        draft.refuse("trainingTypeCode", "cert_class", "cert_class")
    return draft.build(record)


def _trade(code: str, form: Credential) -> str | None:
    return code if code in table("wp_trades", CODES) or code in form.extra_trades else None


def _ethnicity(draft: DraftBuilder, code: str | None, form: WorkerForm) -> None:
    nations = table("wp_nation", CODES)
    name = nations.code_of(code or "", "code")
    if code is None:
        draft.text("nation", "ethnicity", None)
    else:
        draft.put("nation", "ethnicity", code if name and form.nation == "code" else name, table_name="wp_nation")


def _photo(draft: DraftBuilder, photo: str | None, form: WorkerForm) -> None:
    """With or without ``data:`` in front; the picture's form is a field of its own where a dialect asks for it."""
    head, _, text = (photo or "").partition(",")
    shown = photo if form.photo == "data_uri" else text
    draft.text("headImage", "placement.photo", shown)
    draft.text("headImageSuffix", "placement.photo", head.removeprefix("data:image/").removesuffix(";base64"))


def _decimal(text: str | None) -> float | None:
    return float(text) if text and _DECIMAL.fullmatch(text) else None
