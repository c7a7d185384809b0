"""Every gate that concerns a row: positive, negative and boundary cases."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from gateway.domain.identifiers import credit_code_check_character, resident_id_check_digit
from gateway.domain.records import ContractTerm
from gateway.intake.rules.filing import PLACEMENT, Channel, Filing, Origin, PublicObjection
from gateway.intake.rules.gate_checks import accept_phase
from gateway.intake.rules.gate_rules import FilingDay, GateRules
from gateway.intake.rules.gate_table import GATES, Severity
from gateway.intake.rules.gates import RowOutcome, claims, cross_check, cross_keys, judge, outcome

CHINA = timezone(timedelta(hours=8))
RULES = GateRules()


def number(born: str, order: str = "001", area: str = "370000") -> str:
    return f"{area}{born}{order}" + resident_id_check_digit(f"{area}{born}{order}")


def code(serial: int) -> str:
    first17 = f"91370000{serial:09d}"
    return first17 + credit_code_check_character(first17)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


EMPLOYED = Filing(
    name="示例甲",
    id_type="111",
    id_number=number("19800101"),
    gender="1",
    birth_date=date(1980, 1, 1),
    ethnicity="01",
    employed=True,
    employer_name="山东示例建设有限公司",
    employer_code=code(1),
    contract_term=ContractTerm.FIXED,
    contract_start=date(2018, 3, 1),
    contract_end=date(2020, 2, 29),
    certificate_name=RULES.certificate_name,
    certificate_number="鲁A20120001234",
    trade="010",
    trade_name="砌筑工",
    level="2",
    issuer_name="济南市城乡建设委员会",
    issuer_code=code(2),
    confirm_organization="济南市建设职业技能鉴定站",
    assessment_origin=Origin.CITY,
    assessment_region="370100",
    application_date=date(2012, 3, 1),
    issue_date=date(2012, 6, 1),
    promise_signed_at=at("2019-02-20T09:00"),
    promise_version="2019-01",
    point_code="370100-03",
    verifier="审验员甲",
    verified_at=at("2019-02-26T10:30"),
    originals=("CERT", "IDCARD", "CONTRACT"),
    summary_form_no="SH370100-000001",
    seal_stamped=True,
    review_department="济南市住房和城乡建设局",
    review_region="370100",
    reviewer="复核员乙",
    reviewed_at=at("2019-02-28T15:00"),
    notice_begin=date(2019, 3, 1),
    notice_end=date(2019, 3, 8),
    notice_medium="https://example.invalid/notice/1",
    objection=PublicObjection.NONE,
    reported_at=at("2019-03-11T09:00"),
    batch_no="370100-201903-01",
    channel=Channel.ENTERPRISE,
    filing_corp_code=code(1),
)
ALONE = dataclasses.replace(
    EMPLOYED,
    employed=False,
    employer_name=None,
    employer_code=None,
    contract_term=None,
    contract_start=None,
    contract_end=None,
    originals=("CERT", "IDCARD"),
    channel=Channel.PERSON,
    filing_corp_code=None,
)


def broken(filing: Filing, rules: GateRules = RULES, **changes: object) -> list[tuple[str, str]]:
    changed = dataclasses.replace(filing, **changes)  # type: ignore[arg-type]  # fields by name
    return [(failure.gate, failure.field) for failure in judge(changed, rules)]


@pytest.mark.parametrize("filing", [EMPLOYED, ALONE], ids=["with employer", "without employer"])
def test_a_good_filing_passes_every_gate(filing: Filing) -> None:
    assert judge(filing, RULES) == ()


def _born(day: date) -> Mapping[str, object]:
    return {"birth_date": day, "id_number": number(f"{day:%Y%m%d}")}


def _report(text: str) -> Mapping[str, object]:
    return {"reported_at": at(text)}


PASSING: tuple[tuple[str, Filing, Mapping[str, object]], ...] = (
    (
        "N01 last day by application",
        EMPLOYED,
        {"issue_date": date(2017, 3, 10), "application_date": date(2016, 12, 31)},
    ),
    (
        "N01 applied 2016, issued 2017",
        EMPLOYED,
        {"issue_date": date(2017, 3, 10), "application_date": date(2016, 11, 1)},
    ),
    ("N01 issue date alone proves it", EMPLOYED, {"issue_date": date(2016, 12, 31), "application_date": None}),
    ("N02 intermediate", EMPLOYED, {"level": "3"}),
    ("N02 senior", EMPLOYED, {"level": "4"}),
    ("N04 day before the birthday", EMPLOYED, _born(date(1959, 3, 12))),
    ("N04 last second before it", EMPLOYED, {**_born(date(1959, 3, 12)), **_report("2019-03-11T23:59:59")}),
    ("N04 young", EMPLOYED, _born(date(1996, 3, 1))),
    (
        "N05 a year with its last day",
        EMPLOYED,
        {"contract_start": date(2018, 3, 12), "contract_end": date(2019, 3, 11)},
    ),
    ("N05 open-ended", EMPLOYED, {"contract_term": ContractTerm.OPEN, "contract_end": None}),
    (
        "N05 begins on the day of the report",
        EMPLOYED,
        {"contract_start": date(2019, 3, 11), "contract_end": date(2020, 3, 10)},
    ),
    ("N06 six characters", EMPLOYED, {"certificate_number": "鲁A1234"}),
    ("N09 batch number without division", EMPLOYED, {"batch_no": "第3批"}),
    ("N09 batch number of a county", EMPLOYED, {"batch_no": "370112-201903-01"}),
    ("N15 promise on the day of verification", EMPLOYED, {"promise_signed_at": at("2019-02-26T10:30")}),
    ("N15 promise of that day without its time", EMPLOYED, {"promise_signed_at": at("2019-02-26T00:00")}),
    (
        "N15 verification of that day without its time",
        EMPLOYED,
        {"promise_signed_at": at("2019-02-26T16:00"), "verified_at": at("2019-02-26T00:00")},
    ),
    ("N18 more originals than needed", EMPLOYED, {"originals": ("CERT", "IDCARD", "CONTRACT")}),
    ("N19 county of the city", EMPLOYED, {"assessment_region": "370112"}),
    ("N19 Laiwu went to Jinan", EMPLOYED, {"assessment_region": "371200"}),
    (
        "N19 province directly at the centre",
        EMPLOYED,
        {
            "assessment_origin": Origin.PROVINCE,
            "assessment_region": "370000",
            "point_code": "370000-01",
            "review_region": "370000",
            "batch_no": "370000-201903-01",
        },
    ),
    ("N21 review on the day of verification", EMPLOYED, {"reviewed_at": at("2019-02-26T00:00")}),
    ("N22 notice on the day of review", EMPLOYED, {"reviewed_at": at("2019-03-01T08:00")}),
    ("N22 report on the first possible day", EMPLOYED, _report("2019-03-09T00:00")),
    ("N23 objection dismissed", EMPLOYED, {"objection": PublicObjection.DISMISSED}),
    ("N33 ends on the day of the report", EMPLOYED, {"valid_to": date(2019, 3, 11)}),
    ("R-ORDER applied on the day of issue", EMPLOYED, {"application_date": date(2012, 6, 1)}),
)


@pytest.mark.parametrize(("filing", "changes"), [case[1:] for case in PASSING], ids=[case[0] for case in PASSING])
def test_boundaries_that_still_pass(filing: Filing, changes: Mapping[str, object]) -> None:
    assert broken(filing, **changes) == []


PLACED: Mapping[str, object] = dict.fromkeys(PLACEMENT, "示例")
FAILING: tuple[tuple[str, str, Filing, Mapping[str, object]], ...] = (
    ("N01", "application_date", EMPLOYED, {"issue_date": date(2017, 3, 10), "application_date": None}),
    ("N01", "application_date", EMPLOYED, {"issue_date": date(2017, 1, 1), "application_date": None}),
    ("N01", "application_date", EMPLOYED, {"issue_date": date(2017, 3, 10), "application_date": date(2017, 1, 1)}),
    ("N02", "level", EMPLOYED, {"level": "1"}),
    ("N02", "level", EMPLOYED, {"level": "5"}),
    ("N02", "level", EMPLOYED, {"level": "6"}),
    ("N03", "certificate_name", EMPLOYED, {"certificate_name": "建筑施工特种作业操作资格证书"}),
    ("N03", "certificate_name", EMPLOYED, {"certificate_name": "职业资格证书"}),
    ("N04", "birth_date", EMPLOYED, _born(date(1959, 3, 11))),
    ("N04", "birth_date", EMPLOYED, _born(date(1959, 3, 10))),
    ("N05", "contract_end", EMPLOYED, {"contract_start": date(2018, 3, 13), "contract_end": date(2019, 3, 11)}),
    ("N05", "contract_end", EMPLOYED, {"contract_end": date(2019, 3, 10)}),
    ("N05", "contract_end", EMPLOYED, {"contract_start": date(2019, 3, 12), "contract_end": date(2021, 1, 1)}),
    ("N05", "contract_term", EMPLOYED, {"contract_term": ContractTerm.TASK, "contract_end": None}),
    ("N06", "certificate_number", EMPLOYED, {"certificate_number": "1234"}),
    ("N05", "contract_end", EMPLOYED, {"contract_term": ContractTerm.OPEN, "contract_end": date(2019, 6, 30)}),
    ("N05", "contract_end", EMPLOYED, {"contract_term": ContractTerm.OPEN, "contract_end": date(2099, 12, 31)}),
    ("N07", "employer_name", EMPLOYED, {"employer_name": None}),
    ("N07", "employer_code", EMPLOYED, {"employer_code": None}),
    ("N07", "contract_term", EMPLOYED, {"contract_term": None}),
    ("N07", "contract_start", EMPLOYED, {"contract_start": None}),
    ("N07", "contract_end", EMPLOYED, {"contract_end": None}),
    ("N07", "employed", ALONE, {"contract_start": date(2018, 3, 1)}),
    ("N07", "employed", ALONE, {"employer_name": "山东示例建设有限公司"}),
    ("N09", "batch_no", EMPLOYED, {"batch_no": "370200-201904-01", "reported_at": at("2019-04-01T00:00")}),
    ("N10", "filing_corp_code", EMPLOYED, {"filing_corp_code": None}),
    ("N10", "channel", EMPLOYED, {"channel": Channel.PERSON}),
    ("N11", "review_department", EMPLOYED, {"review_department": None}),
    ("N11", "review_region", EMPLOYED, {"review_region": None}),
    ("N11", "review_region", EMPLOYED, {"review_region": "370200", "batch_no": "1"}),
    ("N15", "promise_signed_at", EMPLOYED, {"promise_signed_at": None}),
    ("N15", "promise_signed_at", EMPLOYED, {"promise_signed_at": at("2019-02-27T00:00")}),
    ("N15", "promise_version", EMPLOYED, {"promise_version": None}),
    ("N15", "point_code", EMPLOYED, {"point_code": None}),
    ("N16", "filing_corp_code", EMPLOYED, {"filing_corp_code": code(3)}),
    ("N17", "channel", ALONE, {"channel": Channel.ENTERPRISE, "filing_corp_code": code(3)}),
    ("N17", "filing_corp_code", ALONE, {"filing_corp_code": code(3)}),
    ("N17", "originals", ALONE, {"originals": ("CERT", "IDCARD", "CONTRACT")}),
    ("N18", "originals", EMPLOYED, {"originals": ("CERT", "IDCARD")}),
    ("N18", "originals", ALONE, {"originals": ("CERT",)}),
    ("N18", "originals", ALONE, {"originals": None}),
    ("N18", "summary_form_no", EMPLOYED, {"summary_form_no": None}),
    ("N19", "point_code", EMPLOYED, {"point_code": "审核点3"}),
    ("N19", "point_code", EMPLOYED, {"assessment_region": "370200"}),
    ("N19", "point_code", EMPLOYED, {"assessment_origin": Origin.PROVINCE}),
    ("N20", "verifier", EMPLOYED, {"verifier": None}),
    ("N20", "verified_at", EMPLOYED, {"verified_at": None}),
    ("N20", "seal_stamped", EMPLOYED, {"seal_stamped": False}),
    ("N20", "seal_stamped", EMPLOYED, {"seal_stamped": None}),
    ("N21", "reviewer", EMPLOYED, {"reviewer": None}),
    ("N21", "reviewer", EMPLOYED, {"reviewer": "审验员甲"}),
    ("N21", "reviewed_at", EMPLOYED, {"reviewed_at": None}),
    ("N21", "reviewed_at", EMPLOYED, {"reviewed_at": at("2019-02-25T23:59")}),
    ("N22", "notice_begin", EMPLOYED, {"notice_begin": None}),
    ("N22", "notice_end", EMPLOYED, {"notice_end": None}),
    ("N22", "notice_medium", EMPLOYED, {"notice_medium": None}),
    ("N22", "notice_begin", EMPLOYED, {"reviewed_at": at("2019-03-02T00:00")}),
    ("N22", "notice_end", EMPLOYED, {"notice_end": date(2019, 3, 7)}),
    ("N22", "reported_at", EMPLOYED, _report("2019-03-08T23:59:59")),
    ("N22", "reported_at", EMPLOYED, {"notice_end": date(2019, 3, 11)}),
    ("N23", "objection", EMPLOYED, {"objection": PublicObjection.OPEN}),
    ("N23", "objection", EMPLOYED, {"objection": PublicObjection.UPHELD}),
    ("N23", "objection", EMPLOYED, {"objection": None}),
    ("N33", "valid_to", EMPLOYED, {"valid_to": date(2019, 3, 10)}),
    ("R-ORDER", "issue_date", EMPLOYED, {"issue_date": date(1979, 12, 31), "application_date": None}),
    ("R-ORDER", "issue_date", EMPLOYED, {"issue_date": date(1900, 1, 1), "application_date": None}),
    ("R-ORDER", "issue_date", EMPLOYED, _born(date(2015, 1, 1))),
    ("R-ORDER", "issue_date", EMPLOYED, _born(date(2030, 1, 1))),
    ("R-ORDER", "issue_date", EMPLOYED, {"issue_date": date(1995, 12, 31), "application_date": None}),
    ("R-ORDER", "application_date", EMPLOYED, {"application_date": date(1970, 1, 1)}),
    ("R-ORDER", "application_date", EMPLOYED, {"application_date": date(1995, 12, 31)}),
    ("R-ORDER", "contract_start", EMPLOYED, {"contract_start": date(1900, 1, 1)}),
    ("R-ORDER", "contract_start", EMPLOYED, {"contract_start": date(1990, 1, 1)}),
    ("R-ORDER", "site_since", EMPLOYED, {"site_since": date(1979, 1, 1)}),
    ("R-ORDER", "site_since", EMPLOYED, {"site_since": date(1995, 1, 1)}),
    ("R-ORDER", "site_since", EMPLOYED, {"site_since": date(2019, 3, 12)}),
    ("N15", "promise_signed_at", EMPLOYED, {"promise_signed_at": at("2019-02-26T10:31")}),
    ("N21", "reviewed_at", EMPLOYED, {"verified_at": at("2019-02-28T16:00")}),
    ("N21", "reviewer", EMPLOYED, {"verifier": "审验员甲、审验员丙", "reviewer": "审验员甲"}),
    ("N21", "reviewer", EMPLOYED, {"verifier": "审验员甲", "reviewer": "复核员乙/审验员甲"}),
    ("N21", "reviewer", EMPLOYED, {"verifier": "审验员丙；审验员甲", "reviewer": "复核员乙， 审验员甲"}),
    ("R-ID-TYPE", "id_type", EMPLOYED, {"id_type": "C01"}),
    ("R-ID-TYPE", "id_type", EMPLOYED, {"id_number": number("19800101", area="830000")}),
    ("R-ID-BIRTH", "birth_date", EMPLOYED, {"birth_date": date(1980, 1, 2)}),
    ("R-ID-GENDER", "gender", EMPLOYED, {"gender": "2"}),
    ("R-ORDER", "application_date", EMPLOYED, {"application_date": date(2012, 6, 2)}),
    ("R-ORDER", "contract_end", EMPLOYED, {"contract_start": date(2018, 3, 1), "contract_end": date(2018, 2, 28)}),
    ("R-ORDER", "valid_to", EMPLOYED, {"valid_to": date(2012, 5, 31)}),
    *(("R-PLACE", field, EMPLOYED, {**PLACED, field: None}) for field in PLACEMENT),
    ("R-REQUIRED", "name", EMPLOYED, {"name": None}),
    ("R-REQUIRED", "ethnicity", EMPLOYED, {"ethnicity": None}),
    ("R-REQUIRED", "reported_at", EMPLOYED, {"reported_at": None}),
)
_ALSO = {("R-ORDER", "contract_end"): "N05", ("R-ORDER", "valid_to"): "N33"}


@pytest.mark.parametrize(
    ("gate", "field", "filing", "changes"), FAILING, ids=[f"{c[0]} {c[1]} {i}" for i, c in enumerate(FAILING)]
)
def test_each_broken_rule_is_the_only_one_named(
    gate: str, field: str, filing: Filing, changes: Mapping[str, object]
) -> None:
    found = broken(filing, **changes)
    assert (gate, field) in found
    assert {name for name, _ in found} <= {gate, _ALSO.get((gate, field), gate)}


def test_a_row_may_name_a_project_in_full_and_rows_of_one_person_must_agree_about_it() -> None:
    placed = dataclasses.replace(EMPLOYED, **PLACED)  # type: ignore[arg-type]  # fields by name
    assert judge(placed, RULES) == ()
    second = dataclasses.replace(placed, certificate_number="鲁A20120009999", trade="020")
    assert cross_check([claims(placed), claims(second)], {}) == {}
    for other in ({"team_no": "另"}, dict.fromkeys(PLACEMENT)):
        found = cross_check([claims(placed), claims(dataclasses.replace(second, **other))], {})  # type: ignore[arg-type]
        assert [failure.gate for failures in found.values() for failure in failures] == ["R-PLACE", "R-PLACE"]


def test_every_gate_has_a_negative_case() -> None:
    elsewhere = {"N08", "N12", "N29", "R-EARLY"}  # their own tests below
    assert {gate.id for gate in GATES} == {case[0] for case in FAILING} - {"R-REQUIRED"} | elsewhere


def test_a_certificate_issued_after_its_verification_is_out_of_order() -> None:
    found = broken(EMPLOYED, issue_date=date(2019, 2, 27), application_date=date(2016, 1, 1))
    assert found == [("R-ORDER", "issue_date")]


def _on(day: str, **changes: object) -> Filing:
    """The good filing with its whole way just before a report in another year."""
    reported = at(day)
    begin = (reported - timedelta(days=30)).date()
    return dataclasses.replace(
        EMPLOYED,
        contract_term=ContractTerm.OPEN,
        contract_end=None,
        promise_signed_at=reported - timedelta(days=40),
        verified_at=reported - timedelta(days=35),
        reviewed_at=reported - timedelta(days=32),
        notice_begin=begin,
        notice_end=begin + timedelta(days=7),
        reported_at=reported,
        **changes,  # type: ignore[arg-type]  # fields by name
    )


@pytest.mark.parametrize(
    ("reported", "born", "inclusive", "passes"),
    [
        ("2019-03-10T12:00", date(1959, 3, 11), False, True),
        ("2019-03-11T00:00", date(1959, 3, 11), False, False),
        ("2019-03-12T00:00", date(1959, 3, 11), False, False),
        ("2019-03-10T12:00", date(1959, 3, 11), True, True),
        ("2019-03-11T23:59", date(1959, 3, 11), True, True),
        ("2019-03-12T00:00", date(1959, 3, 11), True, False),
        ("2020-02-28T23:59:59", date(1960, 2, 29), False, True),
        ("2020-02-29T00:00", date(1960, 2, 29), False, False),
        ("2020-02-29T23:59", date(1960, 2, 29), True, True),
        ("2020-03-01T00:00", date(1960, 2, 29), True, False),
    ],
)
def test_the_age_counts_on_the_day_of_the_report(reported: str, born: date, inclusive: bool, passes: bool) -> None:
    filing = _on(reported, birth_date=born, id_number=number(f"{born:%Y%m%d}"))
    rules = GateRules(age_limit_inclusive=inclusive)
    assert ("N04" not in {gate for gate, _ in broken(filing, rules)}) is passes


def test_the_age_of_somebody_born_on_29_february_counts_from_the_28th_where_the_year_has_no_other() -> None:
    filing = _on("2019-02-28T00:00", birth_date=date(1960, 2, 29), id_number=number("19600229"))
    assert ("N04", "birth_date") in broken(filing, GateRules(age_limit=59))


def test_the_day_of_the_report_is_the_one_in_china() -> None:
    just_before = datetime(2019, 3, 10, 15, 59, 59, tzinfo=UTC)
    day = {"birth_date": date(1959, 3, 11), "id_number": number("19590311")}
    assert broken(EMPLOYED, reported_at=just_before, **day) == []
    assert broken(EMPLOYED, reported_at=just_before + timedelta(seconds=1), **day) == [("N04", "birth_date")]


@pytest.mark.parametrize(
    ("start", "end", "passes"),
    [
        (date(2018, 3, 1), date(2019, 2, 28), True),
        (date(2018, 3, 1), date(2019, 2, 27), False),
        (date(2018, 3, 2), date(2019, 3, 1), True),
        (date(2018, 3, 3), date(2019, 3, 1), False),
        (date(2016, 2, 29), date(2017, 2, 28), True),
        (date(2016, 2, 29), date(2017, 2, 27), False),
        (date(2019, 2, 28), date(2020, 2, 27), True),
        (date(2020, 2, 28), date(2021, 2, 27), True),
        (date(2015, 3, 1), date(2016, 2, 29), True),
        (date(2015, 3, 1), date(2016, 2, 28), False),
    ],
)
def test_a_contract_of_one_year_counts_its_last_day(start: date, end: date, passes: bool) -> None:
    rules = GateRules(contract_must_run=False)
    found = broken(EMPLOYED, rules, contract_start=start, contract_end=end)
    assert found == ([] if passes else [("N05", "contract_end")])


def test_a_contract_need_not_run_where_the_switch_says_so() -> None:
    ended = {"contract_start": date(2016, 1, 1), "contract_end": date(2018, 1, 1)}
    assert broken(EMPLOYED, **ended) == [("N05", "contract_end")]
    assert broken(EMPLOYED, GateRules(contract_must_run=False), **ended) == []


NUMBERS: tuple[tuple[str, Severity | None], ...] = (
    ("鲁A20120001234", None),
    ("鲁建安A(2012)0000123", None),
    ("鲁A2012第0001234号", None),
    ("鲁建(职)字第20120001号", None),
    ("3701-12-0001", None),
    ("2012/000123", None),
    ("370100/201206/0001234", None),
    ("3701120001234", None),
    ("370112001234567", None),
    ("12345678", None),
    ("20121234", None),
    ("13800000100", Severity.HOLD),
    ("8613800000100", Severity.HOLD),
    ("0531-88880000", Severity.HOLD),
    ("053188880000", Severity.HOLD),
    ("2012-06-01", Severity.HOLD),
    ("2012.06.01", Severity.HOLD),
    ("2012/6/1", Severity.HOLD),
    ("2012年6月1日", Severity.HOLD),
    ("20120601", Severity.HOLD),
    (number("19800101"), Severity.HOLD),
    (number("19750505"), Severity.HOLD),
    (number("19800101")[:6] + number("19800101")[8:17], Severity.HOLD),
    ("鲁A20120000001/鲁A20120000009", Severity.REFUSE),
    ("鲁A20120000001鲁A20120000009", Severity.REFUSE),
    ("鲁A20120000001-鲁A20120000009", Severity.REFUSE),
    ("鲁A20120000001和鲁A20120000009", Severity.REFUSE),
    ("鲁A20120000001、鲁A20120000009", Severity.REFUSE),
    ("3701120001234/3701120001235", Severity.REFUSE),
    ("鲁A20120001234(遗失补办)", Severity.REFUSE),
    ("鲁A20120001234补办", Severity.REFUSE),
    ("补发鲁A20120001234", Severity.REFUSE),
    ("鲁A20120001234(砌筑)", Severity.HOLD),
    ("鲁A20120001234补", Severity.HOLD),
    ("鲁A20120001234(砌筑)号", Severity.HOLD),
    ("原证遗失鲁A20120001234", Severity.REFUSE),
    ("鲁A20120001234(已换证)", Severity.REFUSE),
    ("见原件20120001", Severity.REFUSE),
    ("编号鲁A20120001234", Severity.REFUSE),
)


@pytest.mark.parametrize(("text", "severity"), NUMBERS, ids=[text for text, _ in NUMBERS])
def test_a_certificate_number_is_one_number_and_nothing_else(text: str, severity: Severity | None) -> None:
    found = judge(dataclasses.replace(EMPLOYED, certificate_number=text), RULES)
    assert [(f.gate, f.severity) for f in found] == ([] if severity is None else [("N06", severity)])


def test_the_persons_own_mobile_number_is_no_certificate_number() -> None:
    assert broken(EMPLOYED, certificate_number="17900000100", mobile="17900000100") == [("N06", "certificate_number")]


@pytest.mark.parametrize(
    ("rules", "changes", "gates"),
    [
        (GateRules(), {"promise_signed_at": at("2019-02-25T09:00")}, set()),
        (GateRules(judged_on=FilingDay.PROMISE), _born(date(1959, 3, 11)), set()),
        (GateRules(judged_on=FilingDay.PROMISE), _born(date(1959, 2, 20)), {"N04"}),
        (GateRules(judged_on=FilingDay.PROMISE), {"contract_end": date(2019, 3, 10)}, set()),
        (GateRules(judged_on=FilingDay.PROMISE), {"contract_end": date(2019, 2, 19)}, {"N05"}),
        (GateRules(judged_on=FilingDay.PROMISE), {"promise_signed_at": at("2019-01-24T09:00")}, {"N08"}),
        (GateRules(notice_first_day_counts=True), {"notice_end": date(2019, 3, 7)}, set()),
        (GateRules(notice_first_day_counts=True), {"notice_end": date(2019, 3, 6)}, {"N22"}),
        (GateRules(notice_days=5), {"notice_end": date(2019, 3, 6)}, set()),
        (GateRules(notice_days=10), {"notice_end": date(2019, 3, 10)}, {"N22"}),
    ],
)
def test_what_the_notice_leaves_open_is_a_switch(
    rules: GateRules, changes: Mapping[str, object], gates: set[str]
) -> None:
    assert {gate for gate, _ in broken(EMPLOYED, rules, **changes)} == gates


@pytest.mark.parametrize(
    ("reviewing", "by_city", "passes"),
    [("370000", False, True), ("370100", False, False), ("370100", True, True), ("370000", True, True)],
)
def test_who_reviews_what_the_province_issued_is_a_switch(reviewing: str, by_city: bool, passes: bool) -> None:
    direct = dataclasses.replace(
        EMPLOYED, assessment_origin=Origin.PROVINCE, assessment_region="370000", point_code="370000-01", batch_no="1"
    )
    found = broken(direct, GateRules(city_reviews_province=by_city), review_region=reviewing)
    assert found == ([] if passes else [("N11", "review_region")])


@pytest.mark.parametrize(
    ("moment", "phase"),
    [
        (at("2019-01-24T23:59:59"), None),
        (at("2019-01-25T00:00:00"), "CONCENTRATED"),
        (at("2019-03-31T23:59:59"), "CONCENTRATED"),
        (at("2019-04-01T00:00:00"), "BATCH"),
        (datetime(2019, 3, 31, 15, 59, 59, tzinfo=UTC), "CONCENTRATED"),
        (datetime(2019, 3, 31, 16, 0, 0, tzinfo=UTC), "BATCH"),
    ],
)
def test_the_phase_follows_the_moment_of_the_report_in_china(moment: datetime, phase: str | None) -> None:
    assert accept_phase(moment, RULES) == phase


def test_nothing_is_taken_before_the_notice() -> None:
    filing = _on("2019-01-24T23:59:59")
    assert broken(filing) == [("N08", "reported_at")]
    assert broken(filing, GateRules(notice_start=date(2018, 12, 1))) == []


@pytest.mark.parametrize("step", ["promise_signed_at", "verified_at", "reviewed_at", "notice_begin"])
def test_a_step_before_the_notice_existed_is_warned_about_and_the_row_goes(step: str) -> None:
    # the ways of a report of 11 March, of which one step is older than the notice; other orders are not at stake here
    moment = at("2019-01-24T23:59:59")
    early = dataclasses.replace(EMPLOYED, **{step: moment.date() if step == "notice_begin" else moment})  # type: ignore[arg-type]
    found = [failure for failure in judge(early, RULES) if failure.gate == "R-EARLY"]
    assert [failure.severity for failure in found] == [Severity.WARN]
    later = at("2019-01-25T00:00:00")
    in_time = dataclasses.replace(EMPLOYED, **{step: later.date() if step == "notice_begin" else later})  # type: ignore[arg-type]
    assert "R-EARLY" not in {failure.gate for failure in judge(in_time, RULES)}


def test_a_report_from_the_future_is_refused_where_the_moment_of_intake_is_known() -> None:
    assert broken(EMPLOYED, GateRules(now=at("2019-03-11T08:59:59"))) == [("N12", "reported_at")]
    assert broken(EMPLOYED, GateRules(now=at("2019-03-11T09:00:00"))) == []


@pytest.mark.parametrize(
    ("begin", "end", "reported", "gates"),
    [
        (date(2019, 3, 1), date(2019, 3, 8), "2019-03-08T23:59:59", ["N22"]),
        (date(2019, 3, 1), date(2019, 3, 8), "2019-03-09T00:00:00", []),
        (date(2019, 3, 1), date(2019, 3, 7), "2019-03-08T00:00:00", ["N22", "N22"]),
        (date(2019, 3, 1), date(2019, 3, 12), "2019-03-12T09:00:00", ["N22"]),
        (date(2019, 3, 1), date(2019, 3, 12), "2019-03-13T00:00:00", []),
        (date(2019, 3, 28), date(2019, 4, 4), "2019-04-04T23:59:59", ["N22"]),
        (date(2019, 3, 28), date(2019, 4, 4), "2019-04-05T00:00:00", []),
    ],
)
def test_seven_natural_days_follow_the_first_day_of_the_notice(
    begin: date, end: date, reported: str, gates: list[str]
) -> None:
    found = broken(EMPLOYED, notice_begin=begin, notice_end=end, reported_at=at(reported))
    assert [gate for gate, _ in found] == gates


def test_a_february_of_29_days_does_not_shorten_the_notice() -> None:
    leap = _on("2020-03-03T00:00", birth_date=date(1980, 1, 1))
    same = {"reviewed_at": at("2020-02-24T10:00"), "verified_at": at("2020-02-23T10:00")}
    assert broken(leap, notice_begin=date(2020, 2, 24), notice_end=date(2020, 3, 2), **same) == []
    assert broken(leap, notice_begin=date(2020, 2, 25), notice_end=date(2020, 3, 3), **same) == [("N22", "reported_at")]


def test_open_objections_and_task_contracts_wait_and_the_rest_is_refused() -> None:
    open_objection = judge(dataclasses.replace(EMPLOYED, objection=PublicObjection.OPEN), RULES)
    task = judge(dataclasses.replace(EMPLOYED, contract_term=ContractTerm.TASK, contract_end=None), RULES)
    assert [outcome(found) for found in (open_objection, task)] == [RowOutcome.HOLD, RowOutcome.HOLD]
    upheld = judge(dataclasses.replace(EMPLOYED, objection=PublicObjection.UPHELD), RULES)
    assert outcome(upheld) is RowOutcome.REFUSE
    assert outcome((*open_objection, *upheld)) is RowOutcome.REFUSE
    assert outcome(()) is RowOutcome.ADMIT
    assert outcome([dataclasses.replace(upheld[0], severity=Severity.WARN)]) is RowOutcome.ADMIT


def test_all_failures_are_reported_at_once() -> None:
    found = broken(EMPLOYED, level="5", seal_stamped=False, promise_version=None, objection=None)
    assert {gate for gate, _ in found} == {"N02", "N15", "N20", "N23"}


def test_unreadable_fields_are_left_alone() -> None:
    fields = frozenset(field.name for field in dataclasses.fields(Filing)) - {"unread"}
    assert judge(Filing(unread=fields), RULES) == ()


def test_an_empty_filing_is_judged_without_an_error() -> None:
    assert {gate for gate, _ in broken(Filing())} >= {"R-REQUIRED", "N11", "N15", "N18", "N20", "N21", "N22", "N23"}


def test_the_reviewer_may_be_the_verifier_where_the_switch_says_so() -> None:
    assert broken(EMPLOYED, GateRules(reviewer_differs=False), reviewer="审验员甲") == []


def test_every_gate_speaks_both_languages_and_names_a_field_of_the_filing() -> None:
    fields = {field.name for field in dataclasses.fields(Filing)}
    for gate in GATES:
        assert gate.field in fields
        assert gate.en.isascii()
        assert not gate.zh.isascii()
        assert gate.clause or gate.id.startswith("R-")


SECOND = dataclasses.replace(EMPLOYED, certificate_number="鲁A20120009999", trade="020")
OTHER = dataclasses.replace(
    EMPLOYED, name="示例乙", id_number=number("19800101", "003"), certificate_number="鲁A20120007777"
)


def crossed(*filings: Filing | None, known: Mapping[str, str] | None = None) -> dict[int, list[str]]:
    found = cross_check([claims(one) for one in filings], known or {})
    return {index: [failure.gate for failure in failures] for index, failures in found.items()}


def test_different_people_and_second_certificates_do_not_disturb_each_other() -> None:
    assert crossed(EMPLOYED, SECOND, None, OTHER) == {}


def test_one_number_of_two_persons_stops_both() -> None:
    clash = dataclasses.replace(OTHER, certificate_number=EMPLOYED.certificate_number)
    assert crossed(EMPLOYED, None, clash) == {0: ["N06"], 2: ["N06"]}


def test_two_enterprises_for_one_person_stop_both() -> None:
    assert crossed(EMPLOYED, dataclasses.replace(SECOND, filing_corp_code=code(3))) == {0: ["N16"], 1: ["N16"]}


def test_one_identity_number_with_two_names_waits() -> None:
    renamed = dataclasses.replace(SECOND, name="示例丙")
    assert crossed(EMPLOYED, renamed) == {0: ["R-PERSON"], 1: ["R-PERSON"]}
    found = cross_check([claims(EMPLOYED), claims(renamed)], {})
    assert {failure.severity for failures in found.values() for failure in failures} == {Severity.HOLD}


def test_an_exact_repetition_stops_the_later_row_only() -> None:
    assert crossed(EMPLOYED, dataclasses.replace(EMPLOYED)) == {1: ["R-REPEAT"]}


def test_two_versions_of_one_certificate_stop_each_other() -> None:
    assert crossed(EMPLOYED, dataclasses.replace(EMPLOYED, issuer_name="示例")) == {0: ["R-REPEAT"], 1: ["R-REPEAT"]}


def test_two_trades_under_one_number_of_one_person_are_two_certificates() -> None:
    assert crossed(EMPLOYED, dataclasses.replace(EMPLOYED, trade="020", trade_name="钢筋工")) == {}


def test_what_the_store_holds_counts_too() -> None:
    held = dict(cross_keys(EMPLOYED))
    assert crossed(EMPLOYED, known=held) == {}
    stolen = dataclasses.replace(OTHER, certificate_number=EMPLOYED.certificate_number)
    assert crossed(stolen, known=held) == {0: ["N06"]}
    moved = dataclasses.replace(SECOND, filing_corp_code=code(3))
    assert crossed(moved, known=held) == {0: ["N16"]}


_TWICE = dataclasses.replace(EMPLOYED, issuer_name="示例")
_FORM = dataclasses.replace(EMPLOYED, summary_form_digest="A" * 64)
CONTRADICTIONS: tuple[tuple[str, str, Severity, Filing, Filing], ...] = (
    ("N06", "certificate_number", Severity.REFUSE, EMPLOYED,
     dataclasses.replace(OTHER, certificate_number=EMPLOYED.certificate_number)),
    ("N16", "filing_corp_code", Severity.REFUSE, EMPLOYED, dataclasses.replace(SECOND, filing_corp_code=code(3))),
    ("N18", "summary_form_digest", Severity.REFUSE, _FORM, dataclasses.replace(SECOND, summary_form_digest="B" * 64)),
    ("R-PERSON", "name", Severity.HOLD, EMPLOYED, dataclasses.replace(SECOND, name="示例丙")),
    ("R-CITY", "review_region", Severity.HOLD, EMPLOYED, dataclasses.replace(SECOND, review_region="370200")),
    ("R-PLACE", "project_code", Severity.REFUSE, EMPLOYED, dataclasses.replace(SECOND, project_code="P1")),
    ("R-REPEAT", "certificate_number", Severity.REFUSE, EMPLOYED, _TWICE),
)  # fmt: skip


@pytest.mark.parametrize(
    ("gate", "field", "severity", "first", "second"), CONTRADICTIONS, ids=[case[0] for case in CONTRADICTIONS]
)
def test_rows_that_contradict_each_other_fail_at_the_field_in_question(
    gate: str, field: str, severity: Severity, first: Filing, second: Filing
) -> None:
    found = cross_check([claims(first), claims(OTHER if second is not OTHER else None), claims(second)], {})
    assert {index: [(f.gate, f.field, f.severity) for f in failures] for index, failures in found.items()} == {
        0: [(gate, field, severity)],
        2: [(gate, field, severity)],
    }


def test_an_exact_repetition_is_no_fault_of_one_field() -> None:
    found = cross_check([claims(EMPLOYED), claims(EMPLOYED)], {})
    assert [(f.gate, f.field, f.severity) for f in found[1]] == [("R-REPEAT", "", Severity.REFUSE)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"channel": Channel.PERSON, "filing_corp_code": code(3)}, [("N10", "channel")]),
        ({"channel": None, "filing_corp_code": code(3), "unread": frozenset({"channel"})}, []),
        ({"employer_code": None, "unread": frozenset({"employer_code"})}, []),
        ({"filing_corp_code": code(3)}, [("N16", "filing_corp_code")]),
    ],
)
def test_only_an_enterprise_that_files_its_own_people_is_compared_with_the_employer(
    changes: Mapping[str, object], expected: list[tuple[str, str]]
) -> None:
    assert broken(EMPLOYED, **changes) == expected


def test_a_summary_form_that_was_changed_after_its_export_stops_its_rows() -> None:
    first = dataclasses.replace(EMPLOYED, summary_form_digest="A" * 64)
    again = dataclasses.replace(SECOND, summary_form_digest="A" * 64)
    assert crossed(first, again) == {}
    assert crossed(first, dataclasses.replace(again, summary_form_digest="B" * 64)) == {0: ["N18"], 1: ["N18"]}
    other_form = dataclasses.replace(again, summary_form_digest="B" * 64, summary_form_no="SH370100-000002")
    assert crossed(first, other_form) == {}


def test_rows_without_a_readable_number_are_not_compared() -> None:
    unread = dataclasses.replace(EMPLOYED, id_number=None, unread=frozenset({"id_number"}))
    assert crossed(EMPLOYED, unread, unread) == {}
