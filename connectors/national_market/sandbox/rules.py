"""What the platform checks in a record: (code, field, text) for each broken rule. Written from the record schemas."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator

from lxml import etree

from connectors.national_market.sandbox.wire import get
from gateway.codec.codes import table

Complaint = tuple[str, str, str]
Known = Callable[[str, str], bool]
"""whether a table holds a code"""
_RESIDENT = "111"
_SUB_CODES = {
    "SKILL": ("Trade", "trade"),
    "TRAIN": ("Trade", "trade"),
    "OTHER": ("Trade", "trade"),
    "POST": ("Post", "post_category"),
    "SPECIAL": ("SpecialCategory", "special_operation_category"),
    "SAFETY": ("SafetyCategory", "safety_manager_category"),
    "TITLE": ("TitleLevel", ""),
}
_LARGEST_PHOTO = 51_200
_PICTURES = frozenset({"image/jpeg", "image/png"})
_MEDIA = {
    "PHOTO": _PICTURES,
    "CERT_IMAGE": _PICTURES,
    "CERT_PDF": frozenset({"application/pdf"}),
    "CERT_OFD": frozenset({"application/ofd"}),
}


def person(record: etree._Element, known: Known) -> list[Complaint]:
    """All complaints about a person."""
    return [*_update_flag(record), *_person(record, known), *_employment(record), *_attachments(record)]


def certificate(record: etree._Element, known: Known) -> list[Complaint]:
    """All complaints about a certificate, without those that need the stored persons."""
    return [
        *_update_flag(record),
        *_certificate(record, known),
        *_kind(record, known),
        *_employment(record),
        *_attachments(record),
    ]


def _person(record: etree._Element, known: Known) -> Iterator[Complaint]:
    yield from _identity(record, "IdDocType", "IdDocNumber")
    number = get(record, "IdDocNumber")
    if get(record, "IdDocType") == _RESIDENT:
        if get(record, "BirthDate").replace("-", "") != number[6:14]:
            yield "305", "BirthDate", "出生日期与证件号码不一致"
        if not get(record, "Ethnicity"):
            yield "301", "Ethnicity", "居民身份证须填民族"
    yield from _coded(record, "Ethnicity", "ethnicity_gbt3304", known)
    yield from _coded(record, "Education", "education_gbt4658", known)
    yield from _division(record, "HomeRegion")


def _certificate(record: etree._Element, known: Known) -> Iterator[Complaint]:
    yield from _identity(record, "Holder/IdDocType", "Holder/IdDocNumber")
    yield from _coded(record, "Status", "cert_status", known)
    yield from _division(record, "IssuerRegion")
    if get(record, "Status") == "99" and not get(record, "StatusText"):
        yield "301", "StatusText", "其他状态须填描述"
    if get(record, "OperateType") in ("02", "08") and get(record, "LicenceId") and not get(record, "PreviousLicenceId"):
        yield "301", "PreviousLicenceId", "延续或变更须填关联证照标识"
    for first, last in (("FirstIssueDate", "IssueDate"), ("ValidFrom", "ValidTo")):
        if get(record, first) and get(record, last) and get(record, first) > get(record, last):
            yield "305", first, f"{first}不得晚于{last}"


def _kind(record: etree._Element, known: Known) -> Iterator[Complaint]:
    class_ = get(record, "CertClass")
    element, codes = _SUB_CODES[class_]
    if not get(record, element):
        yield "305", element, "证书类别与工种、岗位字段不符"
    elif codes:
        yield from _coded(record, element, codes, known)
    other = get(record, "Trade") == "000" or get(record, "Post") == "P99" or get(record, "SpecialCategory") == "99"
    if other and not get(record, "CategoryText"):
        yield "301", "CategoryText", "其他类别须填描述"
    if class_ in ("SKILL", "TRAIN") and not get(record, "Level"):
        yield "301", "Level", "须填等级"
    if class_ == "SAFETY" and record.find("{*}Employment") is None:
        yield "301", "Employment", "须填受聘企业"
    if class_ == "TRAIN" and record.find("{*}Training") is None:
        yield "301", "Training", "须填培训考核"


def _update_flag(record: etree._Element) -> Iterator[Complaint]:
    if get(record, "UpdateFlag") != "U":
        yield "302", "UpdateFlag", "更新标识应为U"


def _identity(record: etree._Element, type_: str, number: str) -> Iterator[Complaint]:
    if get(record, type_) == _RESIDENT and not _resident_number_is_good(get(record, number)):
        yield "304", number, "证件号码校验失败"


def _resident_number_is_good(number: str) -> bool:
    """GB 11643-1999: 17 digits and a check character by ISO 7064 MOD 11-2."""
    if not re.fullmatch(r"[1-9]\d{16}[\dX]", number):
        return False
    remainder = 0
    for digit in number[:17]:
        remainder = (remainder + int(digit)) * 2 % 11
    return (remainder + (10 if number[17] == "X" else int(number[17]))) % 11 == 1


def _coded(record: etree._Element, field: str, codes: str, known: Known) -> Iterator[Complaint]:
    code = get(record, field)
    if code and not known(codes, code):
        yield "303", field, f"{field}不在字典{codes}中"


def _division(record: etree._Element, field: str) -> Iterator[Complaint]:
    code = get(record, field)
    if (
        code.startswith("37")
        and code not in table("division_shandong")
        and code not in table("division_shandong_history")
    ):
        yield "303", field, f"{field}不在行政区划字典中"


def _employment(record: etree._Element) -> Iterator[Complaint]:
    yield from _division(record, "Employment/CorpRegion")
    start, end = get(record, "Employment/EngagedFrom"), get(record, "Employment/EngagedTo")
    if start and end and start > end:
        yield "305", "Employment/EngagedFrom", "受聘起始日期晚于截止日期"


def attachments(record: etree._Element) -> list[etree._Element]:
    """Photo and files of a record."""
    return [*record.findall("{*}Photo"), *record.findall("{*}CertFile")]


def _attachments(record: etree._Element) -> Iterator[Complaint]:
    for number, held in enumerate(attachments(record)):
        is_photo = etree.QName(held).localname == "Photo"
        field = "Photo" if is_photo else f"CertFile[{number + 1 - len(record.findall('{*}Photo'))}]"
        kind = get(held, "Kind")
        if (kind == "PHOTO") is not is_photo or get(held, "MediaType") not in _MEDIA[kind]:
            yield "306", field, "附件类别与格式不符"
        if is_photo and int(get(held, "ByteSize")) > _LARGEST_PHOTO:
            yield "306", field, "照片须为jpg或png，不超过50KB"
        content = held.find("{*}Content")
        if content is None:
            continue
        data = base64.b64decode(content.text or "")
        if len(data) != int(get(held, "ByteSize")):
            yield "306", field, "附件大小与声明不符"
        if hashlib.sha256(data).hexdigest() != get(held, "Sha256"):
            yield "306", field, "附件摘要与内容不符"
