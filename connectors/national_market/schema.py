"""What may be sent: facets of the schema, code tables and rules between fields, all problems at once.

The table repeats the facets of ``types.xsd`` so that a problem is named by our own field and in two languages; the
schema itself is applied again to every built message. Rules between fields are those the platform answers with 301,
303, 304 and 305 (README, "Codes").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial

from connectors.national_market import attachments
from connectors.national_market.mapping import RESIDENT_CARD, codes
from connectors.national_market.problems import problem
from connectors.national_market.settings import NationalMarketSettings
from connectors.national_market.tables import InForce
from gateway.codec.codes import table
from gateway.contract.messages import JSON, Draft, Payload, Problems
from gateway.domain.identifiers import credit_code_check_character, resident_id_birth_date, resident_id_check_digit
from gateway.domain.records import RecordKind, StatusChange, Submission

_NOT_XML = re.compile("[\x00-\x1f\ud800-\udfff\ufffe\uffff]")
"""XML 1.0 section 2.2 has no place for these, in any escaping"""
_Rule = Callable[[str], str | None]
"""Gives the id of the broken rule, or None"""


def check(submission: Submission, draft: Draft, settings: NationalMarketSettings) -> Payload | Problems:
    """Return the payload, or every broken rule with our own field names and no values."""
    flat = dict(leaves(draft.fields))
    broken = dict(_facets(_FIELDS[draft.kind], flat, partial(codes, record=submission.record, settings=settings)))
    for path, rule in _rules(submission, draft, flat, settings):
        broken.setdefault(path, rule)
    problems = (*draft.problems, *(problem(_source(draft, path), rule) for path, rule in broken.items()))
    if problems:
        return Problems(items=problems)
    return Payload(
        key=submission.key,
        kind=draft.kind,
        record_key=draft.record_key,
        version=draft.version,
        fields=draft.fields,
        replaces=submission.replaces,
    )


def _source(draft: Draft, path: str) -> str:
    """Our field behind an element; repeated ones keep their number."""
    name, bracket, number = path.partition("[")
    return f"{draft.sources.get(name) or name}{bracket}{number}"


def leaves(fields: Mapping[str, JSON], parent: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of nested fields as (dotted path, text); repeated elements are left out."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{parent}{name}.")
        elif value is not None and not isinstance(value, list):
            yield f"{parent}{name}", str(value)


def _facets(
    table_: Mapping[str, tuple[bool, _Facet]], flat: Mapping[str, str], on: Callable[[str], InForce]
) -> Iterator[tuple[str, str]]:
    for path, (required, facet) in table_.items():
        value = flat.get(path)
        if value is None:
            group = path.rpartition(".")[0]
            if required and (not group.startswith(_OPTIONAL) or any(p.startswith(f"{group}.") for p in flat)):
                yield path, "required"
        elif isinstance(facet, _Code):
            if value not in on(facet.table).names:
                yield path, f"code:{facet.table}"
        elif rule := facet(value):
            yield path, rule


def _text(longest: int, shortest: int = 1) -> _Rule:
    def facet(text: str) -> str | None:
        if not shortest <= len(text) <= longest:
            return "length"
        if _NOT_XML.search(text):
            return "characters"
        return "white_space" if text != text.strip() or "  " in text else None

    return facet


def _like(pattern: str) -> _Rule:
    compiled = re.compile(pattern)
    return lambda text: None if compiled.fullmatch(text) else "format"


@dataclass(frozen=True, slots=True)
class _Code:
    """A code of a table, as the table stands on the day of the record."""

    table: str


_Facet = _Rule | _Code


def _region(code: str) -> str | None:
    """Divisions of Shandong are checked against the present and former codes; those of other provinces by form only."""
    if not re.fullmatch("[1-9][0-9]{5}", code):
        return "format"
    ours = code.startswith("37")
    known = code in table("division_shandong") or code in table("division_shandong_history")
    return "code:division_shandong" if ours and not known else None


def _credit_code(code: str) -> str | None:
    if not re.fullmatch("[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}", code):
        return "format"
    return None if credit_code_check_character(code[:17]) == code[17] else "check_digit"


def _cert_number(text: str) -> str | None:
    return _text(64, 6)(text) or _like(r"\S+")(text)


def _day(text: str) -> str | None:
    return None if date.fromisoformat(text).year >= 1900 else "date"


def _moment(text: str) -> str | None:
    return None if datetime.fromisoformat(text).tzinfo else "date"


_NAME, _TEXT200, _KEY = _text(50), _text(200), _like("[0-9a-f]{32}")
_ID_TYPE, _ID_NUMBER = _Code("id_document_type"), _like(r"[0-9A-Z()/\-]{5,30}")
_EMPLOYMENT: dict[str, tuple[bool, _Facet]] = {
    "Employment.CorpName": (True, _TEXT200),
    "Employment.CorpCode": (True, _credit_code),
    "Employment.CorpOrgCode": (False, _like("[0-9A-Z]{8}-[0-9X]")),
    "Employment.CorpRegion": (False, _region),
    "Employment.EngagedFrom": (False, _day),
    "Employment.EngagedTo": (False, _day),
}
_CHECKED: dict[str, tuple[bool, _Facet]] = {
    "Checked.CheckDepartName": (True, _text(100)),
    "Checked.CheckPersonName": (True, _NAME),
    "Checked.CheckedAt": (True, _moment),
    "Checked.DataLevel": (True, _like("[A-D]")),
    "Checked.DataSource": (True, _like("[123]")),
}
_HOLDER: dict[str, tuple[bool, _Facet]] = {
    "Holder.IdDocType": (True, _ID_TYPE),
    "Holder.IdDocNumber": (True, _ID_NUMBER),
}
_FIELDS: dict[RecordKind, dict[str, tuple[bool, _Facet]]] = {
    RecordKind.PERSON: {
        "RecordKey": (True, _KEY),
        "RecordVersion": (True, _like("[1-9][0-9]*")),
        "PersonName": (True, _NAME),
        "IdDocType": (True, _ID_TYPE),
        "IdDocNumber": (True, _ID_NUMBER),
        "Gender": (True, _Code("gender")),
        "BirthDate": (True, _day),
        "Ethnicity": (False, _Code("ethnicity_gbt3304")),
        "Education": (False, _Code("education_gbt4658")),
        "Mobile": (False, _like("1[3-9][0-9]{9}")),
        "HomeRegion": (False, _region),
        "Address": (False, _TEXT200),
        **_EMPLOYMENT,
        **_CHECKED,
    },
    RecordKind.CERTIFICATE: {
        "RecordKey": (True, _KEY),
        "RecordVersion": (True, _like("[1-9][0-9]*")),
        "OperateType": (True, _Code("cert_operate_type")),
        "Holder.PersonName": (True, _NAME),
        **_HOLDER,
        "CertClass": (True, _Code("cert_class")),
        "CertName": (True, _TEXT200),
        "CertNumber": (True, _cert_number),
        "Trade": (False, _Code("trade")),
        "Post": (False, _Code("post_category")),
        "CategoryText": (False, _TEXT200),
        "Level": (False, _Code("cert_level")),
        "IssuerName": (True, _TEXT200),
        "IssuerCode": (True, _credit_code),
        "IssuerRegion": (True, _region),
        "FirstIssueDate": (False, _day),
        "IssueDate": (True, _day),
        "ValidFrom": (True, _day),
        "ValidTo": (False, _day),
        "Status": (True, _Code("cert_status")),
        "StatusText": (False, _text(500)),
        **_EMPLOYMENT,
        "Training.TrainOrgName": (True, _TEXT200),
        "Training.Passed": (True, _like("True")),
        **_CHECKED,
    },
    RecordKind.STATUS_CHANGE: {
        "RecordKey": (True, _KEY),
        "RecordVersion": (True, _like("[1-9][0-9]*")),
        "CertClass": (True, _Code("cert_class")),
        "CertNumber": (True, _cert_number),
        "Holder.PersonName": (True, _NAME),
        **_HOLDER,
        "OperateType": (True, _Code("cert_operate_type")),
        "NewStatus": (True, _Code("cert_status")),
        "StatusText": (False, _text(500)),
        "Reason": (True, _text(500)),
        "EffectiveDate": (True, _day),
        "DocumentNo": (False, _text(100)),
        **_CHECKED,
    },
    RecordKind.WITHDRAWAL: {
        "RecordKey": (True, _KEY),
        "RecordVersion": (True, _like("[1-9][0-9]*")),
        "Reason": (True, _text(500)),
        **_HOLDER,
        **_CHECKED,
    },
}
_LEVEL_IN_NUMBER = re.compile("[YS][0-9]{14}([1-5])[0-9]{6}")
"""number of a vocational skill level certificate: body, province, site, year, level, serial"""
_PRINTED_LEVELS = {"1": "6", "2": "5", "3": "4", "4": "3", "5": "2"}
"""there 1 is the highest"""
_FINAL = frozenset({"03", "04", "05"})
"""states of a certificate that know no way back"""
_OPTIONAL = ("Employment", "Training")
"""groups that may be left out as a whole"""
_SUB_CATEGORY = {"SKILL": "Trade", "TRAIN": "Trade", "OTHER": "Trade", "POST": "Post"}
"""where the kind of certificate stands; classes that are missing here cannot be written from our records"""


def _rules(
    submission: Submission, draft: Draft, flat: Mapping[str, str], settings: NationalMarketSettings
) -> Iterator[tuple[str, str]]:
    if draft.kind is RecordKind.PERSON:
        yield from _person_rules(flat)
        yield from attachments.broken(draft.fields, settings)
    elif draft.kind is RecordKind.CERTIFICATE:
        yield from _certificate_rules(flat, settings)
        yield from attachments.broken(draft.fields, settings)
    elif isinstance(submission.record.content, StatusChange):
        yield from _change_rules(flat, submission.record.content.certificate.status, settings)


def _change_rules(flat: Mapping[str, str], before: str, settings: NationalMarketSettings) -> Iterator[tuple[str, str]]:
    """Pairs of operation and new status, and the states that know no way back (the platform's 405)."""
    yield from _resident(flat, "Holder.IdDocType", "Holder.IdDocNumber")
    if flat.get("CertClass") not in settings.cert_classes:
        yield "CertClass", "route"
    pairs = {
        (row["operate_type"], row["new_status"])
        for row in table("status_pair", "connectors.national_market.codes").rows
    }
    if (flat.get("OperateType"), flat.get("NewStatus")) not in pairs:
        yield "NewStatus", "pair"
    elif before in _FINAL and flat.get("NewStatus") not in _FINAL:
        yield "NewStatus", "no_way_back"
    elif before in _FINAL or (before, flat.get("NewStatus")) == ("06", "01"):
        yield "NewStatus", "final"


def _person_rules(flat: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    misread = tuple(_resident(flat, "IdDocType", "IdDocNumber"))
    yield from misread
    if flat.get("IdDocType") == RESIDENT_CARD:
        born = resident_id_birth_date(flat.get("IdDocNumber", ""))
        if born is not None and not misread and flat.get("BirthDate") != born.isoformat():
            yield "BirthDate", "birth_date"
        if "Ethnicity" not in flat:
            yield "Ethnicity", "required"
    yield from _in_order(flat, "Employment.EngagedFrom", "Employment.EngagedTo")


def _certificate_rules(flat: Mapping[str, str], settings: NationalMarketSettings) -> Iterator[tuple[str, str]]:
    yield from _resident(flat, "Holder.IdDocType", "Holder.IdDocNumber")
    class_ = flat.get("CertClass", "")
    category = _SUB_CATEGORY.get(class_)
    if class_ not in settings.cert_classes or category is None:
        yield "CertClass", "route"
    elif category not in flat:
        yield category, "code:trade" if category == "Trade" else "code:post_category"
    if (flat.get("Trade") == "000" or flat.get("Post") == "P99") and "CategoryText" not in flat:
        yield "CategoryText", "required"
    if class_ in ("SKILL", "TRAIN") and "Level" not in flat:
        yield "Level", "required"
    if class_ == "TRAIN" and "Training.TrainOrgName" not in flat:
        yield "Training.TrainOrgName", "required"
    printed = _LEVEL_IN_NUMBER.fullmatch(flat.get("CertNumber", ""))
    if class_ == "SKILL" and printed and _PRINTED_LEVELS[printed[1]] != flat.get("Level"):
        yield "CertNumber", "level"
    if flat.get("Status") == "99" and "StatusText" not in flat:
        yield "StatusText", "required"
    yield from _in_order(flat, "FirstIssueDate", "IssueDate")
    yield from _in_order(flat, "ValidFrom", "ValidTo")
    yield from _in_order(flat, "Employment.EngagedFrom", "Employment.EngagedTo")


def _resident(flat: Mapping[str, str], type_: str, number: str) -> Iterator[tuple[str, str]]:
    """A resident number has 18 characters, a real date of birth and its check digit (GB 11643)."""
    text = flat.get(number, "")
    if flat.get(type_) != RESIDENT_CARD or not text:
        return
    if not re.fullmatch("[1-9][0-9]{16}[0-9X]", text) or resident_id_birth_date(text) is None:
        yield number, "format"
    elif resident_id_check_digit(text[:17]) != text[17]:
        yield number, "check_digit"


def _in_order(flat: Mapping[str, str], first: str, last: str) -> Iterator[tuple[str, str]]:
    if first in flat and last in flat and flat[first] > flat[last]:
        yield first, "order"
