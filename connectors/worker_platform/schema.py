"""Fields of a certificate on the worker platform, and what must hold before one may leave.

Field set: expected rows of ``WorkerCredential.Query`` (README, section "Certificates"). Maximum lengths are settings of
the dialect, because the platform's own are not known.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from connectors.worker_platform.dialect import Credential
from gateway.contract.messages import JSON, Problem
from gateway.domain.identifiers import resident_id_birth_date, resident_id_check_digit

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_RESIDENT = re.compile(r"[1-9]\d{16}[\dX]")
RESIDENT_CARD = "01"


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field: whether it must be there, which of the dialect's lengths bounds it, whether it is a day."""

    required: bool = True
    length: str | None = None
    day: bool = False


FIELDS: Mapping[str, Field] = {
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


def problems(
    fields: Mapping[str, JSON], sources: Mapping[str, str], known: tuple[Problem, ...], form: Credential
) -> tuple[Problem, ...]:
    """Every broken rule of a mapped certificate, those that mapping found first; no field is named twice."""
    named = {p.field for p in known}
    found = [*known]
    for name, rule in FIELDS.items():
        ours = sources[name]
        if ours not in named:
            found.extend(_of_field(ours, fields.get(name), rule, form))
    found.extend(_of_identity(fields, sources, named, form))
    found.extend(_of_days(fields, sources))
    return tuple(found)


def _of_field(ours: str, value: JSON, rule: Field, form: Credential) -> Iterator[Problem]:
    if value is None or value == "":
        if rule.required:
            yield Problem(field=ours, rule="required", message="must not be empty", message_zh="不能为空")
        return
    text = str(value)
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
        yield Problem(field=ours, rule="characters", message="holds a control character", message_zh="含有控制字符")
    longest = form.lengths.get(rule.length or "")
    if longest is not None and len(text) > longest:
        yield Problem(
            field=ours,
            rule="length",
            message=f"must not be longer than {longest} characters",
            message_zh=f"不能超过{longest}个字符",
        )
    if rule.day and not _DAY.fullmatch(text):
        yield Problem(field=ours, rule="date", message="must be a day, yyyy-MM-dd", message_zh="日期格式应为yyyy-MM-dd")


def _of_identity(
    fields: Mapping[str, JSON], sources: Mapping[str, str], named: set[str], form: Credential
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
