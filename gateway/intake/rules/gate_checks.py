"""The decisions behind the gates: each function says whether a filing breaks one rule.

A field that is missing or unreadable breaks no rule here unless the rule is about its presence; its own problem is
reported once, where it arises. Moments are compared as days of +08:00, since cities report them with and without time;
two moments of one day are compared by their time where both have one (midnight is none).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time
from functools import lru_cache

from gateway.domain.identifiers import (
    NUMBERED_TYPES,
    NumberFlaw,
    certificate_number_flaw,
    parse_resident_id,
    permit_type,
)
from gateway.domain.identifiers import ResidentNumber as Resident
from gateway.domain.records import ContractTerm
from gateway.intake.rules.filing import PLACEMENT, Channel, Filing, Origin
from gateway.intake.rules.gate_rules import CHINA, FilingDay, GateRules, add_years, china_date, last_day_of_years

Check = Callable[[Filing, GateRules], bool]

_BETWEEN_NAMES = re.compile(r"[、,，;；/／\\|&＆+＋\n]+|\s{2,}")
_DIGEST = re.compile(r"[0-9A-Fa-f]{64}")
_EMPLOYMENT = (
    "employer_name",
    "employer_code",
    "employer_region",
    "contract_term",
    "contract_start",
    "contract_end",
)


def absent(field: str) -> Check:
    """The rule that a field is filled in."""
    return lambda filing, _: filing.lacks(field)


def absent_if_employed(field: str) -> Check:
    """The rule that a field is filled in for a person with an employer."""
    return lambda filing, _: filing.employed is True and filing.lacks(field)


def half_placed(field: str) -> Check:
    """The rule that a field is filled in where anything is said about a project."""
    return lambda filing, _: filing.lacks(field) and not all(filing.lacks(one) for one in PLACEMENT)


def _later(first: date | datetime | None, second: date | datetime | None) -> bool:
    """Whether ``first`` is after ``second``, by time where one day has both; what is unknown is in order."""
    if first is None or second is None:
        return False
    if _day(first) == _day(second) and _has_time(first) and _has_time(second):
        return first > second
    return _day(first) > _day(second)


def _has_time(value: date | datetime) -> bool:
    """Whether a moment was reported with its time; a cell that holds a day alone is read as midnight."""
    return isinstance(value, datetime) and value.astimezone(CHINA).time() != time.min


def filing_moment(filing: Filing, rules: GateRules) -> datetime | None:
    """The moment whose day is the day of the filing, by the switch ``judged_on``."""
    return filing.promise_signed_at if rules.judged_on is FilingDay.PROMISE else filing.reported_at


def _day(value: date | datetime) -> date:
    return china_date(value) if isinstance(value, datetime) else value


def applied_unproven(filing: Filing, rules: GateRules) -> bool:
    """N01: issued after the limit, and no date of application that proves an earlier one."""
    issued_late = filing.issue_date is not None and filing.issue_date >= rules.applied_before
    return issued_late and filing.lacks("application_date")


def applied_late(filing: Filing, rules: GateRules) -> bool:
    """N01: applied on or after the limit; an issue date before it proves an earlier application."""
    issued_early = filing.issue_date is not None and filing.issue_date < rules.applied_before
    return filing.application_date is not None and filing.application_date >= rules.applied_before and not issued_early


def special_operation(filing: Filing, _: GateRules) -> bool:
    """N03: the certificate is one of special operations, which goes another way."""
    return filing.certificate_name is not None and "特种作业" in filing.certificate_name


def other_certificate(filing: Filing, rules: GateRules) -> bool:
    """N03: the certificate is of some other kind."""
    name = filing.certificate_name
    return name is not None and name != rules.certificate_name and not special_operation(filing, rules)


def too_old(filing: Filing, rules: GateRules) -> bool:
    """N04: the person has reached the age limit on the day of the filing."""
    moment = filing_moment(filing, rules)
    if filing.birth_date is None or moment is None:
        return False
    birthday = add_years(filing.birth_date, rules.age_limit)
    day = china_date(moment)
    return day > birthday if rules.age_limit_inclusive else day >= birthday


def contract_short(filing: Filing, rules: GateRules) -> bool:
    """N05: a contract with an end covers less than a calendar year; its last day counts."""
    start, end = filing.contract_start, filing.contract_end
    if filing.contract_term is not ContractTerm.FIXED or start is None or end is None:
        return False
    return end < last_day_of_years(start, rules.contract_years)


def contract_not_running(filing: Filing, rules: GateRules) -> bool:
    """N05: the day of the filing is outside the contract."""
    moment = filing_moment(filing, rules)
    if not rules.contract_must_run or moment is None or filing.employed is not True:
        return False
    return _later(filing.contract_start, moment) or _later(moment, filing.contract_end)


def open_contract_with_end(filing: Filing, _: GateRules) -> bool:
    """N05: a contract said to be open-ended ends all the same."""
    return filing.contract_term is ContractTerm.OPEN and filing.contract_end is not None


def task_contract(filing: Filing, _: GateRules) -> bool:
    """N05: a contract for a task has no length that could be checked."""
    return filing.contract_term is ContractTerm.TASK


def implausible_number(filing: Filing, _: GateRules) -> bool:
    """N06: what stands there cannot be a certificate number."""
    return _flaw(filing.certificate_number) is NumberFlaw.FORM


def more_than_a_number(filing: Filing, _: GateRules) -> bool:
    """N06: several numbers in one cell, or a remark beside the number."""
    return not _is_own(filing) and _flaw(filing.certificate_number) is NumberFlaw.MORE


def other_number(filing: Filing, _: GateRules) -> bool:
    """N06: the number looks like a telephone number, a day or an identity number, or is the person's own."""
    flaw = _flaw(filing.certificate_number)
    return flaw is NumberFlaw.OTHER or (flaw is not NumberFlaw.FORM and _is_own(filing))


def _is_own(filing: Filing) -> bool:
    number, own = filing.certificate_number, filing.id_number or ""
    return number is not None and number in (own, own[:6] + own[8:17], filing.mobile)


@lru_cache(maxsize=8)
def _flaw(number: str | None) -> NumberFlaw | None:
    """One number is looked at by several gates in turn."""
    return None if number is None else certificate_number_flaw(number)


def fixed_term_without_end(filing: Filing, _: GateRules) -> bool:
    """N07: a fixed term needs its end."""
    return filing.contract_term is ContractTerm.FIXED and filing.lacks("contract_end")


def employer_without_employment(filing: Filing, _: GateRules) -> bool:
    """N07: said to be without employer, yet an employer or contract is given."""
    return filing.employed is False and any(getattr(filing, field) is not None for field in _EMPLOYMENT)


def before_notice(filing: Filing, rules: GateRules) -> bool:
    """N08: filed before the concentrated period began."""
    moment = filing_moment(filing, rules)
    return moment is not None and accept_phase(moment, rules) is None


def accept_phase(moment: datetime, rules: GateRules) -> str | None:
    """CONCENTRATED or BATCH by the day of the filing at +08:00 (三); None before the notice."""
    day = china_date(moment)
    if day < rules.notice_start:
        return None
    return "CONCENTRATED" if day <= rules.concentrated_until else "BATCH"


def steps_before_notice(filing: Filing, rules: GateRules) -> bool:
    """R-EARLY: promise, verification, review or public notice of a filing in time are older than the notice itself."""
    if before_notice(filing, rules):
        return False
    steps = (filing.promise_signed_at, filing.verified_at, filing.reviewed_at, filing.notice_begin)
    return any(_day(step) < rules.notice_start for step in steps if step is not None)


def foreign_batch(filing: Filing, rules: GateRules) -> bool:
    """N09: a batch number that begins with a division belongs to another city than the reviewing one."""
    prefix, region = (filing.batch_no or "")[:6], filing.review_region
    if region is None or len(prefix) < 6 or not prefix.isdigit():
        return False
    return not rules.same_city(prefix, region)


def enterprise_unnamed(filing: Filing, _: GateRules) -> bool:
    """N10: filed by an enterprise that does not say which it is."""
    return filing.channel is Channel.ENTERPRISE and filing.lacks("filing_corp_code")


def responsible_unnamed(filing: Filing, _: GateRules) -> bool:
    """N10: filed by an enterprise that does not say who answers for it there."""
    return filing.channel is Channel.ENTERPRISE and filing.lacks("responsible_person")


def employed_filed_alone(filing: Filing, _: GateRules) -> bool:
    """N10: a person with an employer filed without it, so that nobody answers for the filing."""
    return filing.employed is True and filing.channel is Channel.PERSON


def foreign_review(filing: Filing, rules: GateRules) -> bool:
    """N11: the reviewing authority is not that of the verification point."""
    point = point_region(filing, rules)
    if point is None or filing.review_region is None:
        return False
    if rules.city_reviews_province and filing.assessment_origin is Origin.PROVINCE:
        return False
    return not rules.same_city(filing.review_region, point)


def reported_in_future(filing: Filing, rules: GateRules) -> bool:
    """N12: the report is later than its intake."""
    return rules.now is not None and filing.reported_at is not None and filing.reported_at > rules.now.astimezone(CHINA)


def promise_late(filing: Filing, _: GateRules) -> bool:
    """N15: the promise was signed after the verification."""
    return _later(filing.promise_signed_at, filing.verified_at)


def filed_by_another(filing: Filing, _: GateRules) -> bool:
    """N16: the filing enterprise is not the employer."""
    if filing.channel is not Channel.ENTERPRISE or filing.employed is not True:
        return False
    filer, employer = filing.filing_corp_code, filing.employer_code
    return filer is not None and employer is not None and filer != employer


def unemployed_by_enterprise(filing: Filing, _: GateRules) -> bool:
    """N17: a person without employer cannot be filed by an enterprise."""
    return filing.employed is False and filing.channel is Channel.ENTERPRISE


def unemployed_with_filer(filing: Filing, _: GateRules) -> bool:
    """N17: an enterprise is named as the one that files a person without employer."""
    return filing.employed is False and filing.filing_corp_code is not None


def contract_original_unexpected(filing: Filing, _: GateRules) -> bool:
    """N17: a person without employer shows the certificate only."""
    return filing.employed is False and "CONTRACT" in (filing.originals or ())


def originals_incomplete(filing: Filing, _: GateRules) -> bool:
    """N18: certificate and identity card, and the contract of an employed person, were seen as originals."""
    if filing.originals is None:
        return filing.lacks("originals")
    needed = {"CERT", "IDCARD"} | ({"CONTRACT"} if filing.employed is True else set())
    return not needed <= set(filing.originals)


def point_region(filing: Filing, rules: GateRules) -> str | None:
    """The division a verification point belongs to: of the register, or the first six digits of its code, or None."""
    known = (rules.points or {}).get(filing.point_code or "")
    if known is not None:
        return known.city
    prefix = (filing.point_code or "")[:6]
    return prefix if len(prefix) == 6 and prefix.isdigit() else None


def point_unlocated(filing: Filing, rules: GateRules) -> bool:
    """N19: neither a register nor the point's code says which city it belongs to."""
    return rules.points is None and filing.point_code is not None and point_region(filing, rules) is None


def point_unregistered(filing: Filing, rules: GateRules) -> bool:
    """N19: the register does not know the point, or not on the day of the verification."""
    if rules.points is None or filing.point_code is None:
        return False
    point = rules.points.get(filing.point_code)
    if point is None or filing.verified_at is None:
        return point is None
    return not point.since <= china_date(filing.verified_at) <= point.until


def foreign_point(filing: Filing, rules: GateRules) -> bool:
    """N19: a city checks what it issued itself, the centre what the province issued directly."""
    point = point_region(filing, rules)
    if point is None:
        return False
    if filing.assessment_origin is Origin.PROVINCE:
        return rules.city(point) != rules.centre_region
    if filing.assessment_origin is Origin.CITY and filing.assessment_region is not None:
        return not rules.same_city(point, filing.assessment_region)
    return False


def not_sealed(filing: Filing, _: GateRules) -> bool:
    """N20: verified without the seal in the certificate."""
    return filing.seal_stamped is False or filing.lacks("seal_stamped")


def same_reviewer(filing: Filing, rules: GateRules) -> bool:
    """N21: one person verified and reviewed, alone or among others."""
    return rules.reviewer_differs and not _persons(filing.reviewer).isdisjoint(_persons(filing.verifier))


def _persons(text: str | None) -> set[str]:
    """The names in a cell that may hold several."""
    return {name for part in _BETWEEN_NAMES.split(text or "") if (name := part.strip())}


def review_early(filing: Filing, _: GateRules) -> bool:
    """N21: reviewed before it was verified."""
    return _later(filing.verified_at, filing.reviewed_at)


def notice_early(filing: Filing, _: GateRules) -> bool:
    """N22: shown to the public before the review."""
    return _later(filing.reviewed_at, filing.notice_begin)


def notice_short(filing: Filing, rules: GateRules) -> bool:
    """N22: fewer than seven natural days follow the first day (or begin with it, by the switch)."""
    begin, end = filing.notice_begin, filing.notice_end
    return begin is not None and end is not None and end < begin + rules.notice_span


def reported_during_notice(filing: Filing, rules: GateRules) -> bool:
    """N22: reported before the day after the notice: begun on the 1st it lasts to the 8th, reported on the 9th."""
    if filing.reported_at is None or filing.notice_begin is None:
        return False
    last = max(filing.notice_begin + rules.notice_span, filing.notice_end or date.min)
    return china_date(filing.reported_at) <= last


def no_digest(field: str) -> Check:
    """The rule that a digest is one: of SHA-256 or SM3, 64 hexadecimal digits."""
    return lambda filing, _: getattr(filing, field) is not None and not _DIGEST.fullmatch(getattr(filing, field))


def promise_of_another(filing: Filing, _: GateRules) -> bool:
    """N29: somebody else signed the promise of a person without employer, who files alone."""
    if filing.employed is not False or filing.promise_signer is None or filing.name is None:
        return False
    return filing.promise_signer != filing.name


def not_found(field: str) -> Check:
    """The rule that a check of the verification did not end with a no."""
    return lambda filing, _: getattr(filing, field) is False


def certificate_ended(filing: Filing, _: GateRules) -> bool:
    """N33: the certificate had run out on the day of the report."""
    return _later(filing.reported_at, filing.valid_to)


def _number(filing: Filing) -> Resident | None:
    if filing.id_type not in NUMBERED_TYPES or filing.id_number is None:
        return None
    parsed = parse_resident_id(filing.id_number)
    return parsed if isinstance(parsed, Resident) else None


def birth_date_differs(filing: Filing, _: GateRules) -> bool:
    """The date of birth is not the one in the number."""
    number = _number(filing)
    return number is not None and filing.birth_date is not None and number.birth_date != filing.birth_date


def gender_differs(filing: Filing, _: GateRules) -> bool:
    """The sex is not the one in the number."""
    number = _number(filing)
    return number is not None and filing.gender is not None and number.gender != filing.gender


def document_type_differs(filing: Filing, _: GateRules) -> bool:
    """A residence permit filed as a resident card, or the other way round."""
    if filing.id_type not in NUMBERED_TYPES or filing.id_number is None:
        return False
    return (permit_type(filing.id_number) or "111") != filing.id_type


def before_birth(field: str) -> Check:
    """The rule that nothing happens before the person is born."""

    def broken(filing: Filing, _: GateRules) -> bool:
        day, birth = getattr(filing, field), filing.birth_date
        return day is not None and birth is not None and day < birth

    return broken


def too_young(field: str) -> Check:
    """The rule that the person had reached the least age on the day of a field."""

    def broken(filing: Filing, rules: GateRules) -> bool:
        day, birth = getattr(filing, field), filing.birth_date
        if day is None or birth is None or birth > day or day.year - birth.year > rules.least_age:
            return False
        return bool(day < add_years(birth, rules.least_age))

    return broken


def application_after_issue(filing: Filing, _: GateRules) -> bool:
    """Nobody applies after the issue."""
    return _later(filing.application_date, filing.issue_date)


def issued_after_verification(filing: Filing, _: GateRules) -> bool:
    """What was verified must have been issued."""
    return _later(filing.issue_date, filing.verified_at)


def ended_before_issue(filing: Filing, _: GateRules) -> bool:
    """A validity that ends before it begins."""
    return _later(filing.issue_date, filing.valid_to)


def contract_reversed(filing: Filing, _: GateRules) -> bool:
    """A contract that ends before it begins."""
    return _later(filing.contract_start, filing.contract_end)


def on_site_after_report(filing: Filing, _: GateRules) -> bool:
    """Nobody reports who will come to the site later."""
    return _later(filing.site_since, filing.reported_at)
