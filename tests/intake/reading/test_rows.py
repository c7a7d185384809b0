"""One row: what is read together, and which failure stands where."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date

import pytest

from gateway.domain.gates import GateRules, Severity, judge
from gateway.domain.identifiers import resident_id_check_digit
from gateway.intake.reading.rows import Row, read_row
from gateway.intake.reading.values import Cell
from gateway.testing.forms import filed


def _row(**changes: Cell) -> Row:
    good = filed(random.Random(4), set(), employed=True)
    return read_row(5, {}, good | changes)


def _found(row: Row) -> list[tuple[str, str]]:
    return [(failure.gate, failure.field) for failure in row.failures]


def _number(area: str, born: str = "19800101") -> str:
    return f"{area}{born}000" + resident_id_check_digit(f"{area}{born}000")


def test_a_good_row_has_no_failures() -> None:
    row = _row()
    assert row.failures == ()
    assert row.filing is not None
    assert judge(row.filing, GateRules()) == ()


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        ({"id_number": "370000198001010001"}, ("R-ID-CHECK", "id_number")),
        ({"id_number": "37000019800230000X"}, ("R-ID-DATE", "id_number")),
        ({"id_number": "3700001980010"}, ("R-ID-FORM", "id_number")),
        ({"id_number": 370000198001010001.0}, ("R-DIGITS-LOST", "id_number")),
        ({"certificate_number": "3.70112E+15"}, ("R-DIGITS-LOST", "certificate_number")),
        ({"id_type": "护照", "id_number": "护照"}, ("R-ID-FORM", "id_number")),
        ({"id_type": "退休证"}, ("R-CODE", "id_type")),
        ({"birth_date": "1980"}, ("R-DATE", "birth_date")),
        ({"reported_at": "昨天"}, ("R-TIME", "reported_at")),
        ({"issuer_code": "11370000MB00000003"}, ("R-CREDIT-CODE", "issuer_code")),
        ({"verifier": "某?"}, ("R-NAME", "verifier")),
        ({"level": "4"}, ("R-CODE", "level")),
        ({"batch_no": "1" * 31}, ("R-LENGTH", "batch_no")),
        ({"name": "  "}, ("R-REQUIRED", "name")),
        ({"ethnicity": ""}, ("R-REQUIRED", "ethnicity")),
    ],
)
def test_each_reading_problem_is_named_once_and_breaks_no_gate(
    changes: Mapping[str, Cell], failure: tuple[str, str]
) -> None:
    row = _row(**changes)
    assert _found(row) == [failure]
    assert row.filing is not None
    assert failure[1] in row.filing.unread
    assert judge(row.filing, GateRules()) == ()


def test_an_unreadable_number_is_no_missing_birth_date() -> None:
    assert _found(_row(id_number="123", birth_date="", gender="")) == [("R-ID-FORM", "id_number")]


def test_optional_fields_that_cannot_be_read_are_left_out_with_a_warning() -> None:
    row = _row(mobile="1380", education="博览群书", home_region="某地")
    assert {(f.field, f.severity) for f in row.failures} == {
        (field, Severity.WARN) for field in ("mobile", "education", "home_region")
    }
    assert row.filing is not None
    assert (row.filing.mobile, row.filing.education, row.filing.home_region) == (None, None, None)


def test_the_number_tells_what_the_sheet_leaves_out() -> None:
    filing = _row(id_number="370000800101003", birth_date="", gender="").filing
    assert filing is not None
    assert (filing.birth_date, filing.gender, filing.id_alias) == (date(1980, 1, 1), "1", "370000800101003")


def test_an_unnamed_permit_gets_its_type_from_the_number() -> None:
    for area, id_type in (("810000", "C01"), ("820000", "C01"), ("830000", "C02")):
        filing = _row(id_type="港澳台居民居住证", id_number=_number(area), birth_date="", gender="").filing
        assert filing is not None
        assert filing.id_type == id_type
        assert judge(filing, GateRules()) == ()


def test_a_permit_with_the_number_of_a_resident_card_is_noticed() -> None:
    filing = _row(id_type="港澳台居民居住证", id_number=_number("370000"), birth_date="", gender="").filing
    assert filing is not None
    assert [failure.gate for failure in judge(filing, GateRules())] == ["R-ID-TYPE"]


def test_a_permit_without_a_readable_number_has_no_type() -> None:
    assert ("R-CODE", "id_type") in _found(_row(id_type="居住证", id_number=""))


def test_a_passport_needs_birth_date_and_sex_of_its_own() -> None:
    row = _row(id_type="护照", id_number="e1234 5678", birth_date="1980-01-01", gender="男")
    assert row.failures == ()
    assert row.filing is not None
    assert row.filing.id_number == "E12345678"
    assert _found(_row(id_type="护照", id_number="E12345678", birth_date="", gender="")) == [
        ("R-REQUIRED", "gender"),
        ("R-REQUIRED", "birth_date"),
    ]


def test_a_row_about_nothing_is_no_filing() -> None:
    row = read_row(9, {"姓名": "合计"}, {"name": "合计", "id_number": "", "certificate_number": "/"})
    assert row.filing is None
    assert _found(row) == [("R-ROW", "")]


def test_without_employer_the_word_for_nothing_is_an_answer() -> None:
    filing = _row(employed="无", objection="无", employer_name="无", contract_term="无").filing
    assert filing is not None
    assert filing.employed is False
    assert (filing.objection, filing.employer_name, filing.contract_term) == ("NONE", None, None)
