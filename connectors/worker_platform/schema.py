"""Fields of certificates, workers and trainings on the worker platform, and what must hold before one may leave.

Field sets: README, sections "Certificates" and "By project". Maximum lengths are settings of the dialect, because the
platform's own are not known.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from connectors.worker_platform.forms import Form, TrainingForm, WorkerForm
from gateway.contract.messages import JSON, Draft, Problem
from gateway.domain.identifiers import resident_id_birth_date, resident_id_check_digit

_PICTURE = re.compile(r"(?P<head>data:image/(?:jpg|jpeg|png);base64,)?[A-Za-z0-9+/]+={0,2}")
_HIGHEST_SCORE = 100
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_RESIDENT = re.compile(r"[1-9]\d{16}[\dX]")
RESIDENT_CARD = "01"


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field: whether it must be there, which of the dialect's lengths bounds it, whether it is a day."""

    required: bool = True
    length: str | None = None
    day: bool = False


CERTIFICATE: Mapping[str, Field] = {
    "name": Field(length="name"),
    "idCardType": Field(),
    "idCardNumber": Field(),
    "certificationCategoriesType": Field(),
    "certificationTypeName": Field(required=False, length="text"),
    "credentialLevelType": Field(),
    "certificationName": Field(length="text"),
    "certificationCode": Field(length="code"),
    "confirmOrganization": Field(required=False, length="corp"),
    "jobType": Field(),
    "firstBeginDate": Field(required=False, day=True),
    "validBeginDate": Field(day=True),
    "validEndDate": Field(required=False, day=True),
    "grantOrg": Field(length="corp"),
    "workCorpName": Field(required=False, length="corp"),
    "certificationStatus": Field(),
}


_WORKER: Mapping[str, Field] = {
    "projectCode": Field(length="code"),
    "corpCode": Field(length="code"),
    "corpName": Field(length="corp"),
    "employerCode": Field(length="code"),
    "teamSysNo": Field(),
    "teamName": Field(length="name"),
    "workerName": Field(length="name"),
    "isTeamLeader": Field(),
    "idCardType": Field(),
    "idCardNumber": Field(),
    "workType": Field(),
    "workRole": Field(),
    "nation": Field(),
    "address": Field(length="address"),
    "headImage": Field(),
    "headImageSuffix": Field(),
    "politicsType": Field(),
    "cellPhone": Field(length="phone"),
    "cultureLevelType": Field(),
    "grantOrg": Field(length="name"),
    "gender": Field(),
    "birthday": Field(day=True),
    "inDate": Field(day=True),
}
_TRAINING: Mapping[str, Field] = {
    "projectCode": Field(length="code"),
    "trainingDate": Field(day=True),
    "trainingDuration": Field(),
    "trainingName": Field(length="text"),
    "trainingTypeCode": Field(),
    "trainingOrg": Field(length="corp"),
    "description": Field(length="remark"),
    "idCardType": Field(),
    "idCardNumber": Field(),
    "isPass": Field(),
    "trainingScore": Field(),
}
FIELDS_OF_A_WORKER, FIELDS_OF_A_TRAINING = frozenset(_WORKER), frozenset(_TRAINING)


def certificate_problems(draft: Draft, form: Form) -> tuple[Problem, ...]:
    """Every broken rule of a mapped certificate, those that mapping found first; no field is named twice."""
    return _problems(draft, CERTIFICATE, form) + tuple(_of_days(draft.fields, draft.sources))


def worker_problems(draft: Draft, form: WorkerForm) -> tuple[Problem, ...]:
    """As ``certificate_problems``, for a worker of a project."""
    return _problems(draft, _required(_WORKER, form.required), form) + tuple(_of_photo(draft, form))


def training_problems(draft: Draft, form: TrainingForm) -> tuple[Problem, ...]:
    """As ``certificate_problems``, for a training of a project."""
    score = draft.fields.get("trainingScore")
    broken = isinstance(score, float) and score > _HIGHEST_SCORE
    return _problems(draft, _required(_TRAINING, form.required), form) + (
        (
            Problem(
                field=draft.sources["trainingScore"],
                rule="range",
                message="must be from 0 to 100",
                message_zh="应在0到100之间",
            ),
        )
        if broken
        else ()
    )


def _required(rules: Mapping[str, Field], names: Collection[str]) -> Mapping[str, Field]:
    return {name: replace(rule, required=name in names) for name, rule in rules.items()}


def _problems(draft: Draft, rules: Mapping[str, Field], form: Form) -> tuple[Problem, ...]:
    fields, sources = draft.fields, draft.sources
    named = {p.field for p in draft.problems}
    found = [*draft.problems]
    for name, rule in rules.items():
        ours, value = sources[name], fields.get(name)
        if ours not in named and not _plainly_good(value, rule, form.lengths):
            found += _of_field(ours, value, rule, form)
    found.extend(_of_identity(fields, sources, named, form))
    return tuple(found)


def _plainly_good(value: JSON, rule: Field, lengths: Mapping[str, int]) -> bool:
    """Whether a value breaks no rule, as nearly all do; what is said of the others costs more to find."""
    if type(value) is not str or not value.isprintable() or not value:
        return False
    longest = lengths.get(rule.length or "")
    return (longest is None or len(value) <= longest) and (not rule.day or bool(_DAY.fullmatch(value)))


def _of_field(ours: str, value: JSON, rule: Field, form: Form) -> list[Problem]:
    if value is None or value == "":
        missing = Problem(field=ours, rule="required", message="must not be empty", message_zh="不能为空")
        return [missing] if rule.required else []
    found: list[tuple[str, str, str]] = []
    text = str(value)
    if _CONTROL.search(text):
        found.append(("characters", "holds a control character", "含有控制字符"))
    longest = form.lengths.get(rule.length or "")
    if longest is not None and len(text) > longest:
        found.append(("length", f"must not be longer than {longest} characters", f"不能超过{longest}个字符"))
    if rule.day and not _DAY.fullmatch(text):
        found.append(("date", "must be a day, yyyy-MM-dd", "日期格式应为yyyy-MM-dd"))
    return [Problem(field=ours, rule=rule_, message=said, message_zh=said_zh) for rule_, said, said_zh in found]


def _of_identity(
    fields: Mapping[str, JSON], sources: Mapping[str, str], named: set[str], form: Form
) -> Iterator[Problem]:
    kind, number = fields.get("idCardType"), fields.get("idCardNumber")
    if kind is not None and kind not in form.id_card_types:
        yield Problem(
            field=sources["idCardType"],
            rule="id_card_types",
            message="the platform takes only some document types: " + ", ".join(form.id_card_types),
            message_zh="平台目前只支持身份证类型的证件",
        )
    if (
        kind == RESIDENT_CARD
        and number
        and sources["idCardNumber"] not in named
        and not is_resident_number(str(number))
    ):
        yield Problem(
            field=sources["idCardNumber"],
            rule="resident_number",
            message="must be an 18-character resident number with a valid check character",
            message_zh="身份证号码应为18位且校验位正确",
        )


def _of_photo(draft: Draft, form: WorkerForm) -> Iterator[Problem]:
    photo = draft.fields.get("headImage")
    if not isinstance(photo, str):
        return
    found = _PICTURE.fullmatch(photo)
    if found is None or (found["head"] is None) is (form.photo == "data_uri"):
        yield Problem(
            field=draft.sources["headImage"],
            rule="photo",
            message="must be a JPEG or PNG in Base64",
            message_zh="应为Base64格式的JPEG或PNG照片",
        )
    if len(photo) >= form.photo_max:
        yield Problem(
            field=draft.sources["headImage"],
            rule="photo_size",
            message=f"must be shorter than {form.photo_max} characters",
            message_zh=f"应少于{form.photo_max}个字符（照片大小超过限制50KB）",
        )


def is_resident_number(number: str) -> bool:
    """Whether an 18-character resident number is well formed: capital X, a date of birth, the check character."""
    return (
        _RESIDENT.fullmatch(number) is not None
        and resident_id_birth_date(number) is not None
        and resident_id_check_digit(number[:17]) == number[17]
    )


def _of_days(fields: Mapping[str, JSON], sources: Mapping[str, str]) -> Iterator[Problem]:
    begin, end = fields.get("validBeginDate"), fields.get("validEndDate")
    if isinstance(begin, str) and isinstance(end, str) and end < begin:
        yield Problem(
            field=sources["validEndDate"],
            rule="order",
            message="must not lie before the first day of validity",
            message_zh="有效期止不能早于有效期起",
        )
