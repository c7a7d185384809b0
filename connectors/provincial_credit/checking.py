"""Draft -> Payload: every rule of the interface document and the few it cannot say, all reported at once.

The payload already holds the encrypted document number and the digest, so that a version has the same bytes for ever.
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.provincial_credit import changes, schema
from connectors.provincial_credit.cipher import FieldCipher, payload_digest
from connectors.provincial_credit.mapping import SOURCES, mapped_from, nested
from gateway.codec.jsonbody import JsonError, Row, day, moment, part, text
from gateway.contract.messages import JSON, Draft, Payload, Problem, Problems
from gateway.domain.identifiers import is_credit_code, resident_id_birth_date, resident_id_check_digit
from gateway.domain.records import RecordKind, Submission

ITEM = "WorkerCertificateItem"
CHANGE = "CertificateStatusChange"
ID_FIELD = "person.idCardNumber"
_RESIDENT = "01"
Found = dict[tuple[str, str], Problem]
_UNDIGESTED = f"sha-256:{'0' * 64}"


def check(submission: Submission, draft: Draft, cipher: FieldCipher, digest_alg: str) -> Payload | Problems:
    """All problems of the draft in our field names, or the payload."""
    if draft.kind is RecordKind.STATUS_CHANGE:
        return _result(submission, draft, dict(draft.fields), _violations(draft, CHANGE, draft.fields))
    item = nested(draft.fields)
    number = text(part(item, "person"), "idCardNumber")
    problems = {(p.field, p.rule): p for p in draft.problems}
    for problem in _rules(item, number):
        problems.setdefault((problem.field, problem.rule), problem)
    if number is not None and isinstance(item["person"], dict):
        plain = number if number.isprintable() else ""
        item["person"]["idCardNumber"] = cipher.seal(plain, schema=ITEM, field=ID_FIELD, business_key=draft.record_key)
    for key, problem in _violations(draft, ITEM, {"itemNo": 1, "payloadDigest": _UNDIGESTED, **item}).items():
        problems.setdefault(key, problem)
    if not problems:
        try:
            item["payloadDigest"] = payload_digest(item, digest_alg)
        except JsonError:
            problems["record", "text"] = Problem(
                field="record",
                rule="text",
                message="holds characters that cannot be written",
                message_zh="含有无法写出的字符",
            )
    return _result(submission, draft, item, problems)


def _violations(draft: Draft, name: str, value: Row) -> Found:
    """What mapping found, and each rule of the document that is broken beside it."""
    sources = changes.SOURCES if name == CHANGE else SOURCES
    blamed = {problem.field for problem in draft.problems}
    problems = {(p.field, p.rule): p for p in draft.problems}
    for violation in schema.violations(name, value):
        field = mapped_from(violation.path, sources)
        if violation.rule == "required" and field in blamed:
            continue
        problems.setdefault(
            (field, violation.rule),
            Problem(field=field, rule=violation.rule, message=violation.message, message_zh=violation.message_zh),
        )
    return problems


def _result(submission: Submission, draft: Draft, fields: dict[str, JSON], problems: Found) -> Payload | Problems:
    if problems:
        return Problems(items=tuple(problems.values()))
    record = submission.record
    return Payload(
        key=submission.key,
        kind=draft.kind,
        record_key=record.key,
        version=record.version,
        fields=fields,
        replaces=submission.replaces,
    )


def _rules(item: Row, number: str | None) -> Iterator[Problem]:
    person, employer = part(item, "person"), part(item, "employer")
    certificate, way = part(item, "certificate"), part(item, "verification")
    if number is not None:
        yield from _number(number, person)
    code = text(employer, "corpCode")
    if code is not None and len(code) == 18 and not is_credit_code(code):
        yield Problem(
            field="holder.employer.code",
            rule="check_character",
            message="is not a valid unified social credit code",
            message_zh="统一社会信用代码校验不通过",
        )
    for field, first, last in (
        ("valid_to", day(certificate, "validBeginDate"), day(certificate, "validEndDate")),
        (
            "holder.employer.contract_end",
            day(employer, "contractStartDate"),
            day(employer, "contractEndDate"),
        ),
        ("verification.notice_end", day(way, "noticeBeginDate"), day(way, "noticeEndDate")),
        ("verification.reported_at", moment(way, "verifiedAt"), moment(way, "reportedAt")),
        ("verification.entered_at", moment(way, "reportedAt"), moment(way, "enteredAt")),
    ):
        if first is not None and last is not None and last < first:
            yield Problem(
                field=field, rule="order", message="is earlier than what must come before", message_zh="早于前一时间"
            )


def _number(number: str, person: Row) -> Iterator[Problem]:
    if not 1 <= len(number) <= 30 or not number.isprintable():
        yield Problem(
            field="holder.id_number",
            rule="length",
            message="must have 1 to 30 printable characters",
            message_zh="应为1至30个可见字符",
        )
    elif text(person, "idCardType") != _RESIDENT:
        return
    elif len(number) != 18 or not number[:17].isascii() or not number[:17].isdigit():
        yield Problem(
            field="holder.id_number",
            rule="resident_id",
            message="must have 17 digits and a check character",
            message_zh="居民身份证号应为17位数字加校验位",
        )
    elif resident_id_check_digit(number[:17]) != number[17]:
        yield Problem(
            field="holder.id_number", rule="check_digit", message="the check digit is wrong", message_zh="校验位不正确"
        )
    elif resident_id_birth_date(number) != day(person, "birthDate"):
        yield Problem(
            field="holder.birth_date",
            rule="resident_id",
            message="differs from the document number",
            message_zh="与证件号码中的出生日期不一致",
        )
