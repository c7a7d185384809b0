"""Each gate about data is tried three times: plainly kept, plainly broken, and on both sides of its boundary."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Any, NamedTuple

import pytest

from gateway.domain.identifiers import credit_code_check_character, resident_id_check_digit
from gateway.domain.records import ContractTerm
from gateway.intake.rules.filing import PLACEMENT, Channel, Filing, Origin, PublicObjection
from gateway.intake.rules.gate_rules import GateRules, Point
from gateway.intake.rules.gate_table import GATES
from gateway.intake.rules.gates import claims, cross_check, judge

CHINA = timezone(timedelta(hours=8))
Changes = Mapping[str, Any]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


def code(serial: int) -> str:
    return (first17 := f"91370000{serial:09d}") + credit_code_check_character(first17)


def born(day: date, order: str = "001") -> Changes:
    first17 = f"370000{day:%Y%m%d}{order}"
    return {"birth_date": day, "id_number": first17 + resident_id_check_digit(first17)}


EMPLOYED = Filing(
    name="示例甲", id_type="111", gender="1", **born(date(1980, 1, 1)), ethnicity="01", employed=True,
    employer_name="山东示例建设有限公司", employer_code=code(1), contract_term=ContractTerm.FIXED,
    contract_start=date(2017, 1, 1), contract_end=date(2020, 12, 31), certificate_name=GateRules().certificate_name,
    certificate_number="鲁A20120001234", trade="010", trade_name="砌筑工", level="3", issuer_name="示例建设委员会",
    issuer_code=code(2), confirm_organization="示例鉴定站", assessment_origin=Origin.CITY, assessment_region="370100",
    application_date=date(2012, 3, 1), issue_date=date(2012, 6, 1), promise_signed_at=at("2019-02-20T09:00"),
    promise_version="2019-01", point_code="370100-03", verifier="审验员甲", verified_at=at("2019-02-26T10:30"),
    originals=("CERT", "IDCARD", "CONTRACT"), summary_form_no="SH370100-000001", seal_stamped=True,
    review_department="示例建设局", review_region="370100", reviewer="复核员乙", reviewed_at=at("2019-02-28T15:00"),
    notice_begin=date(2019, 3, 1), notice_end=date(2019, 3, 8), notice_medium="https://example.invalid/1",
    objection=PublicObjection.NONE, reported_at=at("2019-03-11T09:00"), batch_no="370100-201903-01",
    channel=Channel.ENTERPRISE, filing_corp_code=code(1),
)  # fmt: skip
_NO_CONTRACT = dict.fromkeys(
    ("employer_name", "employer_code", "contract_term", "contract_start", "contract_end", "filing_corp_code")
)
ALONE = dataclasses.replace(
    EMPLOYED, **_NO_CONTRACT, employed=False, originals=("CERT", "IDCARD"), channel=Channel.PERSON
)
PLACED: Changes = dict.fromkeys(PLACEMENT, "示例")
NOW = GateRules(now=at("2019-03-11T09:00"))
FORM = GateRules(now=at("2019-03-11T09:00"), new_form_since=date(2019, 3, 11))
"""the form's later columns are asked for"""
FULL = dataclasses.replace(
    EMPLOYED, responsible_person="示例责任人", promise_signer="示例责任人", promise_digest="A" * 64,
    summary_form_digest="0" * 64, checked_true=True, checked_exact=True, checked_valid=True,
)  # fmt: skip
ON_REGISTER = GateRules(
    points={
        "370100-03": Point(city="370100", since=date(2019, 2, 26), until=date(2019, 2, 26)),
        "三号点": Point(city="370100"),
        "四号点": Point(city="370200"),
    }
)
JANUARY: Changes = {
    "promise_signed_at": at("2019-01-03T09:00"),
    "verified_at": at("2019-01-04T10:30"),
    "reviewed_at": at("2019-01-07T15:00"),
    "notice_begin": date(2019, 1, 8),
    "notice_end": date(2019, 1, 15),
}


APRIL = {"reported_at": at("2019-04-01T00:00:00")}
"""the first moment of the reports in batches"""


class Pair(NamedTuple):
    """Two filings on the two sides of one gate. ``also`` names gates that cannot be kept at the same time."""

    gate: str
    kept: Changes
    broken: Changes
    base: Filing = EMPLOYED
    rules: GateRules = NOW
    also: frozenset[str] = frozenset()


def step(gate: str, field: str, kept: Any, broken: Any, base: Filing = EMPLOYED, **around: Any) -> Pair:
    """The smallest step of one field over the boundary."""
    also = around.pop("also", "")
    return Pair(gate, {**around, field: kept}, {**around, field: broken}, base, also=frozenset(also.split()))


D = date
NEW_COLUMNS = (
    ("N10", "responsible_person"), ("N18", "summary_form_digest"), ("N29", "promise_signer"), ("N29", "promise_digest"),
    ("N33", "checked_true"), ("N33", "checked_exact"), ("N33", "checked_valid"),
)  # fmt: skip
BOUNDARY = (
    step("N01", "issue_date", D(2016, 12, 31), D(2017, 1, 1), application_date=None),
    step("N01", "application_date", D(2016, 12, 31), D(2017, 1, 1), issue_date=D(2017, 3, 10)),
    step("N02", "level", "2", "1"),
    step("N02", "level", "4", "5"),
    step("N03", "certificate_name", EMPLOYED.certificate_name, f"{EMPLOYED.certificate_name}（特种作业）"),
    step("N03", "certificate_name", EMPLOYED.certificate_name, f"{EMPLOYED.certificate_name}书"),
    Pair("N04", born(D(1959, 3, 12)), born(D(1959, 3, 11))),
    step("N05", "contract_start", D(2018, 3, 12), D(2018, 3, 13), contract_end=D(2019, 3, 11)),
    step("N05", "contract_end", D(2019, 3, 11), D(2019, 3, 10)),
    step("N05", "contract_start", D(2019, 3, 11), D(2019, 3, 12)),
    step("N05", "contract_term", ContractTerm.OPEN, ContractTerm.TASK, contract_end=None),
    step("N06", "certificate_number", "鲁A1234", "鲁A123"),
    *(step("N07", field, getattr(EMPLOYED, field), None)
      for field in ("employer_name", "employer_code", "contract_term", "contract_start", "contract_end")),
    step("N05", "contract_end", None, D(2099, 12, 31), contract_term=ContractTerm.OPEN),
    step("N06", "certificate_number", "鲁A20120001/2", "鲁A20120001/鲁A20120002"),
    step("N06", "certificate_number", "鲁A20120001号", "鲁A20120001补"),
    step("N06", "certificate_number", "12800000100", "13800000100"),
    step("N06", "certificate_number", "20121301", "20121201"),
    step("N07", "employer_region", None, "370100", ALONE),
    step("N08", "reported_at", at("2019-01-25T00:00:00"), at("2019-01-24T23:59:59"), **JANUARY,
         also="R-EARLY"),
    Pair("N09", {"batch_no": "370199-1", **APRIL}, {"batch_no": "370200-1", **APRIL}, rules=GateRules()),
    step("N10", "filing_corp_code", code(1), None),
    step("N10", "channel", Channel.ENTERPRISE, Channel.PERSON),
    step("N11", "review_department", "局", None),
    step("N11", "review_region", "370100", None),
    step("N11", "review_region", "370199", "370200", batch_no="1"),
    step("N12", "reported_at", at("2019-03-11T09:00:00"), at("2019-03-11T09:00:01")),
    step("N15", "promise_signed_at", at("2019-02-26T10:30"), at("2019-02-26T10:31")),
    step("N15", "promise_signed_at", at("2019-02-26T00:00"), at("2019-02-27T00:00")),
    step("N15", "promise_signed_at", at("2019-02-26T10:30"), None),
    step("N15", "promise_version", "1", None),
    step("N15", "point_code", "370100", None),
    step("N16", "filing_corp_code", code(1), code(3)),
    step("N17", "channel", Channel.PERSON, Channel.ENTERPRISE, ALONE, also="N10"),
    step("N17", "filing_corp_code", None, code(3), ALONE),
    step("N17", "originals", ("CERT", "IDCARD"), ("CERT", "IDCARD", "CONTRACT"), ALONE),
    step("N18", "originals", ("CERT", "IDCARD", "CONTRACT"), ("CERT", "IDCARD")),
    step("N18", "originals", ("CERT", "IDCARD"), ("CERT",), ALONE),
    step("N18", "summary_form_no", "1", None),
    step("N19", "point_code", "370100", "37010"),
    step("N19", "assessment_region", "370199", "370200"),
    Pair("N19", {"verified_at": at("2019-02-26T23:59")}, {"verified_at": at("2019-02-27T00:00")}, rules=ON_REGISTER),
    Pair("N19", {"verified_at": at("2019-02-26T23:59")}, {"verified_at": at("2019-02-25T23:59")}, rules=ON_REGISTER),
    Pair("N19", {"point_code": "三号点"}, {"point_code": "370100-04"}, rules=ON_REGISTER),
    Pair("N19", {"point_code": "三号点"}, {"point_code": "四号点"}, rules=ON_REGISTER, also=frozenset({"N11"})),
    *(Pair(gate, {}, {field: None}, FULL, FORM) for gate, field in NEW_COLUMNS),
    *(Pair("N33", {field: True}, {field: False}) for field in ("checked_true", "checked_exact", "checked_valid")),
    *(Pair(gate, {field: "0123456789abcdefABCDEF" + "0" * 42}, {field: "0" * 63})
      for gate, field in (("N18", "summary_form_digest"), ("N29", "promise_digest"))),
    Pair("N29", {"promise_signer": "示例甲"}, {"promise_signer": "示例乙"}, ALONE),
    step("N20", "verifier", "甲", None),
    step("N20", "verified_at", at("2019-02-26T10:30"), None),
    step("N20", "seal_stamped", True, False),
    step("N21", "reviewer", "审验员乙", "审验员甲"),
    step("N21", "reviewer", "乙", None),
    step("N21", "reviewed_at", at("2019-02-26T00:00:00"), at("2019-02-25T23:59:59")),
    step("N21", "reviewed_at", at("2019-02-26T10:30"), at("2019-02-26T10:29")),
    step("N21", "reviewed_at", at("2019-02-28T15:00"), None),
    step("N22", "reviewed_at", at("2019-03-01T23:59:59"), at("2019-03-02T00:00:00")),
    step("N22", "notice_begin", D(2019, 3, 1), None),
    step("N22", "notice_end", D(2019, 3, 8), D(2019, 3, 7)),
    step("N22", "notice_end", D(2019, 3, 8), None),
    step("N22", "notice_medium", "报", None),
    step("N22", "reported_at", at("2019-03-09T00:00:00"), at("2019-03-08T23:59:59")),
    step("N23", "objection", PublicObjection.DISMISSED, PublicObjection.OPEN),
    step("N23", "objection", PublicObjection.DISMISSED, PublicObjection.UPHELD),
    step("N23", "objection", PublicObjection.NONE, None),
    step("N33", "valid_to", D(2019, 3, 11), D(2019, 3, 10)),
    step("R-ID-TYPE", "id_type", "111", "C01"),
    step("R-ID-BIRTH", "birth_date", D(1980, 1, 1), D(1980, 1, 2)),
    step("R-ID-GENDER", "gender", "1", "2"),
    step("R-ORDER", "application_date", D(2012, 6, 1), D(2012, 6, 2)),
    step("R-ORDER", "issue_date", D(2019, 2, 26), D(2019, 2, 27)),
    step("R-ORDER", "valid_to", D(2012, 6, 1), D(2012, 5, 31), also="N33"),
    step("R-ORDER", "contract_end", D(2017, 1, 1), D(2016, 12, 31), also="N05"),
    step("R-ORDER", "application_date", D(1996, 1, 1), D(1995, 12, 31)),
    step("R-ORDER", "application_date", D(1996, 1, 1), D(1979, 12, 31)),
    step("R-ORDER", "issue_date", D(1996, 1, 1), D(1995, 12, 31), application_date=None),
    step("R-ORDER", "issue_date", D(1996, 1, 1), D(1979, 12, 31), application_date=None),
    step("R-ORDER", "contract_start", D(1996, 1, 1), D(1995, 12, 31)),
    step("R-ORDER", "contract_start", D(1996, 1, 1), D(1979, 12, 31)),
    step("R-ORDER", "site_since", D(1996, 1, 1), D(1995, 12, 31)),
    step("R-ORDER", "site_since", D(1996, 1, 1), D(1979, 12, 31)),
    step("R-ORDER", "site_since", D(2019, 3, 11), D(2019, 3, 12)),
    step("R-EARLY", "promise_signed_at", at("2019-01-25T00:00"), at("2019-01-24T23:59:59")),
    *(Pair("R-PLACE", PLACED, {**PLACED, field: None}) for field in PLACEMENT),
)  # fmt: skip

PLAIN = (
    Pair("N01", {"issue_date": D(2018, 5, 1), "application_date": D(2015, 1, 1)},
         {"issue_date": D(2018, 5, 1), "application_date": D(2018, 1, 1)}),
    Pair("N02", {"level": "3"}, {"level": "6"}),
    Pair("N03", {}, {"certificate_name": "职业资格证书"}),
    Pair("N04", born(D(1990, 7, 1)), born(D(1950, 7, 1))),
    Pair("N05", {"contract_start": D(2018, 1, 1), "contract_end": D(2025, 1, 1)},
         {"contract_start": D(2019, 1, 1), "contract_end": D(2019, 4, 1)}),
    Pair("N06", {"certificate_number": "鲁建20120001234"}, {"certificate_number": "见原件"}),
    Pair("N07", {}, {"contract_start": D(2018, 3, 1)}, ALONE),
    Pair("N08", {}, {**JANUARY, "reported_at": at("2019-01-20T09:00")}),
    Pair("N09", {"batch_no": "第3批", **APRIL}, {"batch_no": "371600-201904-01", **APRIL}, rules=GateRules()),
    Pair("N09", {"batch_no": "371600-1", "reported_at": at("2019-03-31T23:59:59")}, {"batch_no": "371600-1", **APRIL},
         rules=GateRules()),
    Pair("N10", {"channel": Channel.PERSON}, {"channel": Channel.ENTERPRISE, "filing_corp_code": None}, ALONE,
         also=frozenset({"N17"})),
    Pair("N11", {"review_region": "370100"}, {"review_region": "371600", "batch_no": "1"}),
    Pair("N12", {"reported_at": at("2019-03-10T09:00")}, {"reported_at": at("2019-05-01T09:00")}),
    Pair("N15", {"promise_signed_at": at("2019-01-30T09:00")}, {"promise_signed_at": at("2019-03-10T09:00")}),
    Pair("N16", {"filing_corp_code": code(1)}, {"filing_corp_code": code(9)}),
    Pair("N17", {}, {"channel": Channel.ENTERPRISE, "filing_corp_code": code(3)}, ALONE),
    Pair("N18", {"originals": ("CERT", "IDCARD", "CONTRACT")}, {"originals": ()}),
    Pair("N19", {"assessment_region": "370100"}, {"assessment_region": "371600"}),
    Pair("N20", {"seal_stamped": True}, {"seal_stamped": None}),
    Pair("N21", {"reviewed_at": at("2019-02-28T15:00")}, {"reviewed_at": at("2019-02-15T15:00")}),
    Pair("N22", {"notice_end": D(2019, 3, 10)}, {"notice_end": D(2019, 3, 2)}),
    Pair("N23", {"objection": PublicObjection.NONE}, {"objection": PublicObjection.UPHELD}),
    Pair("N29", {"promise_signer": "示例责任人"}, {"promise_digest": "见附件"}),
    Pair("N33", {"valid_to": D(2025, 1, 1)}, {"valid_to": D(2015, 1, 1)}),
    Pair("R-ID-TYPE", {}, {"id_type": "C02"}),
    Pair("R-ID-BIRTH", {}, {"birth_date": D(1970, 5, 5)}),
    Pair("R-ID-GENDER", born(D(1980, 1, 1), "003"), {**born(D(1980, 1, 1), "002"), "gender": "1"}),
    Pair("R-ORDER", {"application_date": D(2011, 1, 1)}, {"application_date": D(2013, 1, 1)}),
    Pair("R-EARLY", {}, {"promise_signed_at": at("2018-06-01T09:00")}),
    Pair("R-PLACE", {}, {"project_code": "P1"}),
)  # fmt: skip


def sides(pair: Pair) -> tuple[Filing, Filing]:
    return dataclasses.replace(pair.base, **pair.kept), dataclasses.replace(pair.base, **pair.broken)


@pytest.mark.parametrize("pair", [*BOUNDARY, *PLAIN], ids=lambda pair: f"{pair.gate} {'+'.join(pair.broken)}")
def test_one_side_is_kept_and_the_other_broken_by_this_gate_alone(pair: Pair) -> None:
    kept, broken = sides(pair)
    assert {failure.gate for failure in judge(kept, pair.rules)} <= pair.also
    assert {failure.gate for failure in judge(broken, pair.rules)} - pair.also == {pair.gate}


@pytest.mark.parametrize("gate", GATES, ids=[f"{gate.id} {gate.field} {gate.en[:30]}" for gate in GATES])
def test_every_way_to_fail_a_gate_is_crossed_at_its_boundary(gate: Any) -> None:
    crossed = []
    for pair in BOUNDARY:
        kept, broken = sides(pair)
        if pair.gate == gate.id and not gate.broken(kept, pair.rules) and gate.broken(broken, pair.rules):
            crossed.append(pair)
    assert crossed, "add a pair to BOUNDARY"


def test_every_gate_has_its_three_kinds_of_cases() -> None:
    known = {gate.id for gate in GATES}
    assert {pair.gate for pair in BOUNDARY} == known
    assert {pair.gate for pair in PLAIN} == known


@pytest.mark.parametrize(("gate", "field"), NEW_COLUMNS)
def test_an_old_form_goes_until_the_day_from_which_its_later_columns_are_asked_for(gate: str, field: str) -> None:
    silent = dataclasses.replace(FULL, **{field: None})
    day = date(2019, 3, 11)
    for since, expected in (
        (None, []),
        (day + timedelta(days=1), []),
        (day, [gate]),
        (day - timedelta(days=1), [gate]),
    ):
        assert [failure.gate for failure in judge(silent, GateRules(new_form_since=since))] == expected


def test_only_an_enterprise_names_who_answers_for_a_filing() -> None:
    alone = dataclasses.replace(
        ALONE, promise_signer="示例甲", promise_digest="A" * 64, summary_form_digest="0" * 64,
        checked_true=True, checked_exact=True, checked_valid=True,
    )  # fmt: skip
    assert judge(alone, FORM) == ()


SECOND = dataclasses.replace(EMPLOYED, certificate_number="鲁A20120009999", trade="020")
OTHER = dataclasses.replace(SECOND, name="示例乙", **born(date(1980, 1, 1), "003"))


@pytest.mark.parametrize(
    ("gate", "kept", "broken"),
    [
        ("N06", OTHER, dataclasses.replace(OTHER, certificate_number=EMPLOYED.certificate_number)),
        ("N16", SECOND, dataclasses.replace(SECOND, filing_corp_code=code(3))),
        ("N16", dataclasses.replace(OTHER, filing_corp_code=code(3)), dataclasses.replace(SECOND, filing_corp_code="")),
        ("R-CITY", SECOND, dataclasses.replace(SECOND, review_region="370200")),
        ("R-PERSON", SECOND, dataclasses.replace(SECOND, name="示例甲乙")),
        ("R-REPEAT", dataclasses.replace(EMPLOYED, trade="020"), dataclasses.replace(EMPLOYED, issuer_name="另一个")),
        ("R-REPEAT", dataclasses.replace(EMPLOYED, trade="020"), dataclasses.replace(EMPLOYED)),
    ],
)
def test_gates_between_rows_have_both_sides_too(gate: str, kept: Filing, broken: Filing) -> None:
    assert cross_check([claims(EMPLOYED), claims(kept)], {}) == {}
    found = cross_check([claims(EMPLOYED), claims(broken)], {})
    assert {failure.gate for failures in found.values() for failure in failures} == {gate}
