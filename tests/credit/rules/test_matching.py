"""Names and numbers in comparable form, and the judgment of whose record it is."""

from __future__ import annotations

import pytest

from gateway.credit.rules.matching import Match, SubjectMatch, judge, plain_number
from gateway.domain.identifiers import resident_id_check_digit
from gateway.domain.names import plain_name, variant_name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("张 伟", "张伟"),
        ("　张伟　", "张伟"),
        ("阿依古丽·买买提", "阿依古丽买买提"),
        ("阿依古丽•买买提", "阿依古丽・买买提"),
        ("Ｌｉ　Ｎａ", "LI NA"),
        ("O．K", "OK"),
    ],
)
def test_width_blanks_and_dots_make_no_other_name(one: str, other: str) -> None:
    assert plain_name(one) == plain_name(other)


@pytest.mark.parametrize(
    ("one", "other"), [("張偉", "张伟"), ("劉慶豐", "刘庆丰"), ("李峯", "李峰"), ("王\ue863", "王\u4dae")]
)
def test_traditional_variant_and_privately_encoded_characters_are_variants(one: str, other: str) -> None:
    assert plain_name(one) != plain_name(other)
    assert variant_name(one) == variant_name(other)


def test_different_names_stay_different() -> None:
    assert variant_name("张伟") != variant_name("张炜")


def test_a_15_digit_resident_number_is_widened() -> None:
    first17 = "37000019640301001"
    assert plain_number(" 370000640301001 ") == first17 + resident_id_check_digit(first17)
    assert plain_number("370000640301001", "114") == "370000640301001"


def test_a_check_letter_is_upper_case() -> None:
    assert plain_number("37000019640301001x") == "37000019640301001X"


@pytest.mark.parametrize(
    ("by_number", "by_certificate", "named", "variant", "expected"),
    [
        ({"a"}, {"a"}, {"a"}, {"a"}, SubjectMatch(match=Match.EXACT, key="a")),
        ({"a"}, set(), set(), {"a"}, SubjectMatch(match=Match.NAME_VARIANT, key="a")),
        ({"a"}, set(), set(), set(), SubjectMatch(match=Match.ID_ONLY, key="a")),
        ({"a"}, {"b"}, {"b"}, set(), SubjectMatch(match=Match.ID_ONLY, key="a")),
        ({"a", "b"}, set(), {"a"}, set(), SubjectMatch(match=Match.ID_ONLY)),
        (set(), {"a"}, {"a"}, set(), SubjectMatch(match=Match.CERT_NAME, key="a")),
        (set(), {"a"}, set(), {"a"}, SubjectMatch(match=Match.CERT_NAME, key="a")),
        (set(), {"a", "b"}, {"a", "b"}, set(), SubjectMatch(match=Match.CERT_NAME)),
        (set(), {"a"}, set(), set(), SubjectMatch(match=Match.NONE)),
        (set(), set(), set(), set(), SubjectMatch(match=Match.NONE)),
    ],
)
def test_only_number_and_name_together_make_a_finding_ours(
    by_number: set[str], by_certificate: set[str], named: set[str], variant: set[str], expected: SubjectMatch
) -> None:
    assert judge(by_number=by_number, by_certificate=by_certificate, named=named, variant=variant) == expected
