"""Judging filings: every gate of a single row at once, and the gates that need the other rows and the store."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import lru_cache

from gateway.domain.records import Certificate
from gateway.intake.rules.divisions import cities
from gateway.intake.rules.filing import PLACEMENT, Filing, missing
from gateway.intake.rules.gate_checks import accept_phase
from gateway.intake.rules.gate_rules import GateRules, china_date
from gateway.intake.rules.gate_table import GATES, Gate, GateFailure, Severity

__all__ = [
    "GATES",
    "REPORT_CLOSED",
    "REPORT_NO",
    "REQUIRED",
    "Claims",
    "Gate",
    "GateFailure",
    "GateRules",
    "RowOutcome",
    "Severity",
    "accept_phase",
    "claims",
    "cross_check",
    "cross_keys",
    "in_force",
    "judge",
    "may_close",
    "outcome",
    "reported_by_another_city",
    "required",
]

REPORT_NO = re.compile(r"[0-9]{6}-[0-9]{6}-[0-9]{1,4}")
"""a report's number; anything else in its cell may be somebody's data and is not kept in clear"""


class RowOutcome(StrEnum):
    """What becomes of a row."""

    ADMIT = "admit"
    HOLD = "hold"
    REFUSE = "refuse"


REQUIRED = "R-REQUIRED"
REPORT_CLOSED = GateFailure(
    gate="N09",
    field="batch_no",
    message="the report is closed: what is new goes into a new one",
    message_zh="该报送批次已办结关闭，新增记录请另报新批次",
)
_PERSONS = GateFailure(
    gate="N06",
    field="certificate_number",
    message="the same certificate number stands for two persons",
    message_zh="同一证书编号对应两个人员",
)
_ENTERPRISES = GateFailure(
    gate="N16",
    field="filing_corp_code",
    message="two enterprises file the same person",
    message_zh="两家企业申报同一人员",
)
_NAMES = GateFailure(
    gate="R-PERSON",
    field="name",
    message="one identity number with two names: to be checked by a person",
    message_zh="同一证件号码对应两个姓名，转人工核查",
    severity=Severity.HOLD,
)
_PLACES = GateFailure(
    gate="R-PLACE",
    field="project_code",
    message="rows of one person say different things about the project worked on",
    message_zh="同一人员各行填写的项目信息不一致",
)
_CITIES = GateFailure(
    gate="R-CITY",
    field="review_region",
    message="two cities report the same person in this file: to be checked by a person",
    message_zh="本表中两个市报送同一人员，转人工核查",
    severity=Severity.HOLD,
)
_FORMS = GateFailure(
    gate="N18",
    field="summary_form_digest",
    message="one summary form with two digests: it was changed after its export",
    message_zh="同一审核汇总表编号对应两个摘要，导出后被改动",
)
_REPEATED = GateFailure(
    gate="R-REPEAT", field="", message="the row repeats an earlier one of this file", message_zh="与本表前面的行重复"
)
_DIFFERENT = GateFailure(
    gate="R-REPEAT",
    field="certificate_number",
    message="the same certificate stands twice in this file with different data",
    message_zh="同一证书在本表出现两次且内容不同",
)


def required(field: str) -> GateFailure:
    """The failure of a field that every filing must have."""
    return GateFailure(gate=REQUIRED, field=field, message="must be filled in", message_zh="必须填写")


def judge(filing: Filing, rules: GateRules) -> tuple[GateFailure, ...]:
    """Return every rule the filing breaks; empty means that it may leave.

    The rules in force on the day of its report count; where it names none, those of the intake.
    """
    moment = filing.reported_at or rules.now
    gates = in_force(china_date(moment) if moment else date.max, rules)
    absent = [required(field) for field in missing(filing)]
    return (*absent, *(gate.failure for gate in gates if gate.broken(filing, rules)))


def in_force(day: date, rules: GateRules) -> tuple[Gate, ...]:
    """The rules of a single row that are in force on a day; ``date.max`` gives those without an end."""
    return _in_force(day, rules.notice_start, tuple(rules.until.items()), rules.new_form_since)


def may_close(day: date, rules: GateRules) -> bool:
    """Whether reports of a day are batches that close, and to which nothing may be added then (三(二))."""
    return any(gate.id == REPORT_CLOSED.gate for gate in in_force(day, rules))


@lru_cache(maxsize=512)
def _in_force(
    day: date, notice_start: date, until: tuple[tuple[str, date], ...], new_form_since: date | None
) -> tuple[Gate, ...]:
    ends = dict(until)
    return tuple(
        gate
        for gate in GATES
        if gate.begins(notice_start) <= day <= min(gate.until, ends.get(gate.id, date.max))
        and (not gate.new_form or (new_form_since is not None and new_form_since <= day))
    )


def outcome(failures: Iterable[GateFailure]) -> RowOutcome:
    """What becomes of a row with these failures; a refusal outweighs a hold, a warning changes nothing."""
    severities = {failure.severity for failure in failures}
    if Severity.REFUSE in severities:
        return RowOutcome.REFUSE
    return RowOutcome.HOLD if Severity.HOLD in severities else RowOutcome.ADMIT


def cross_keys(filing: Filing) -> Mapping[str, str]:
    """What a filing claims for itself alone: ``certificate:…`` -> person; ``filer:…``, ``name:…``, ``city:…`` and
    ``place:…`` of the person; ``form:…`` -> digest.

    The store answers ``cross_check`` with a mapping of such keys to what it holds. The texts are personal: memory only.
    """
    claims: dict[str, str] = {}
    if filing.id_number is None:
        return claims
    person = f"{filing.id_type}/{filing.id_number}"
    if filing.certificate_number is not None:
        claims[f"certificate:{filing.certificate_number}"] = person
    if filing.filing_corp_code is not None:
        claims[f"filer:{person}"] = filing.filing_corp_code
    if filing.name is not None:
        claims[f"name:{person}"] = filing.name
    if filing.review_region is not None:
        claims[f"city:{person}"] = cities(filing.review_region)[0]
    if not filing.withdrawn and filing.status_step is None:
        claims[f"place:{person}"] = "|".join(str(getattr(filing, field) or "") for field in PLACEMENT)
        if filing.summary_form_no is not None and filing.summary_form_digest is not None:
            claims[f"form:{filing.summary_form_no}"] = filing.summary_form_digest
    return claims


_CONFLICTS = {
    "certificate": _PERSONS,
    "filer": _ENTERPRISES,
    "name": _NAMES,
    "city": _CITIES,
    "place": _PLACES,
    "form": _FORMS,
}


def reported_by_another_city(filing: Filing, held: Iterable[Certificate], rules: GateRules) -> GateFailure | None:
    """Whether another city reported the certificate of a filing, or else only its person, before; both reports named.

    held: the newest versions of certificates under the number or of the person, those of others among them
    A city that reported the person before, whatever the certificate, has the person's filings already: no doubt then.
    """
    region = filing.review_region
    if region is None:
        return None
    same = [one for one in held if (one.number, one.trade) == (filing.certificate_number, filing.trade)]
    if same:
        foreign = [one for one in same if not rules.same_city(one.verification.review_region, region)]
        return _second_city("certificate", "证书", foreign[0], filing) if foreign else None
    theirs = [one for one in held if (one.holder.id_type, one.holder.id_number) == (filing.id_type, filing.id_number)]
    if not theirs or any(rules.same_city(one.verification.review_region, region) for one in theirs):
        return None
    return _second_city("person", "人员", theirs[0], filing)


def _second_city(what: str, what_zh: str, held: Certificate, filing: Filing) -> GateFailure:
    first = _report(held.verification.batch_no, held.verification.review_region)
    second = _report(filing.batch_no, filing.review_region or "")
    return GateFailure(
        gate="R-CITY",
        field="review_region",
        message=f"the {what} was reported by another city: {first} before, {second} now; to be checked by a person",
        message_zh=f"该{what_zh}已由其他市报送：此前为{first}，本次为{second}，转人工核查",
        severity=Severity.HOLD,
    )


def _report(number: str | None, region: str) -> str:
    """A report by its number, else by its city."""
    return number if number is not None and REPORT_NO.fullmatch(number) else cities(region)[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Claims:
    """What one filing says that others can contradict. The texts are personal: memory only.

    keys:    as ``cross_keys`` gives them
    paper:   person, number and trade: two filings with the same are about one certificate
    content: equal for filings that say the same in every field
    """

    keys: Mapping[str, str] = field(repr=False)
    paper: tuple[str | None, ...] | None = field(repr=False)
    content: int


def claims(filing: Filing | None) -> Claims | None:
    """The claims of a filing; None for a row that is none, or names nobody."""
    if filing is None or filing.id_number is None:
        return None
    paper = (filing.id_type, filing.id_number, filing.certificate_number, filing.trade)
    return Claims(
        keys=cross_keys(filing), paper=paper if filing.certificate_number is not None else None, content=hash(filing)
    )


def cross_check(rows: Sequence[Claims | None], known: Mapping[str, str]) -> Mapping[int, tuple[GateFailure, ...]]:
    """Compare the rows of a batch with each other and with what is held: failures by index, where there are any.

    rows:  all rows of the batch, or those of them whose keys or papers stand in more than one place
    known: claims already held, keyed as ``cross_keys`` does; only ``get`` is used, so it may be a view of the store.
    Where two rows contradict each other both fail, because nobody here can say which one is right. An exact repetition
    fails alone; the first row goes.
    """
    claimed: dict[str, str] = {}
    disputed: set[str] = set()
    for one in rows:
        for key, claim in one.keys.items() if one else ():
            if claimed.setdefault(key, claim) != claim or known.get(key, claim) != claim:
                disputed.add(key)
    found: dict[int, list[GateFailure]] = {}
    for index, one in enumerate(rows):
        conflicts = [key.partition(":")[0] for key in one.keys if key in disputed] if one else []
        if conflicts:
            found[index] = [_CONFLICTS[kind] for kind in conflicts]
    for index, failure in _repetitions(rows):
        found.setdefault(index, []).append(failure)
    return {index: tuple(dict.fromkeys(found[index])) for index in sorted(found)}


def _repetitions(rows: Sequence[Claims | None]) -> Iterable[tuple[int, GateFailure]]:
    """Rows about a certificate that an earlier row is about already: same person, number and trade."""
    first: dict[tuple[str | None, ...], tuple[int, int]] = {}
    for index, one in enumerate(rows):
        if one is None or one.paper is None:
            continue
        earlier, content = first.setdefault(one.paper, (index, one.content))
        if earlier == index:
            continue
        if content == one.content:
            yield index, _REPEATED
        else:
            yield earlier, _DIFFERENT
            yield index, _DIFFERENT
