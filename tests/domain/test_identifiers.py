"""Identifiers: normal form, check digits, old numbers, permits, codes and masks."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric, uscc

from gateway.domain import identifiers as ids
from gateway.domain.identifiers import IdentityFlaw, ResidentNumber


def _number(area: str, born: str, order: str = "000") -> str:
    """A number with the order 000, which is never issued."""
    first17 = area + born + order
    return first17 + ids.resident_id_check_digit(first17)


def _parsed(text: str) -> ResidentNumber:
    parsed = ids.parse_resident_id(text)
    assert isinstance(parsed, ResidentNumber)
    return parsed


def test_a_resident_number_tells_birth_date_and_sex() -> None:
    parsed = _parsed(_number("370000", "19800101", "001"))
    assert (parsed.birth_date, parsed.gender, parsed.id_type, parsed.alias) == (date(1980, 1, 1), "1", "111", None)
    assert _parsed(_number("370000", "19800101", "002")).gender == "2"


@pytest.mark.parametrize(
    "area", ["370000", "379013", "379029", "370116", "372823", "110101", "999999"], ids=lambda a: f"area {a}"
)
def test_no_number_is_refused_because_of_its_area(area: str) -> None:
    assert _parsed(_number(area, "19750605")).id_type == "111"


@pytest.mark.parametrize(("area", "id_type"), [("810000", "C01"), ("820000", "C01"), ("830000", "C02")])
def test_residence_permits_are_numbers_of_their_own_type(area: str, id_type: str) -> None:
    number = _number(area, "19900229".replace("0229", "0228"))
    assert _parsed(number).id_type == id_type == ids.permit_type(number)


def test_a_number_of_fifteen_digits_is_widened_and_kept_as_alias() -> None:
    parsed = _parsed("370000" + "800101" + "003")
    assert parsed.number[:17] == "37000019800101003"
    assert parsed.number == _number("370000", "19800101", "003")
    assert (parsed.alias, parsed.gender) == ("370000800101003", "1")


@pytest.mark.parametrize(
    "text",
    [
        "  {0} ",
        "'{0}",
        "\u3000{0}",
        "{0}\u200b",
        '="{0}"',
        "{1}",
    ],
)
def test_the_ways_of_typing_a_number_are_read_alike(text: str) -> None:
    number = _number("370000", "19620303", "006")
    full = "".join(chr(ord(c) + 0xFEE0) for c in number)
    assert _parsed(text.format(number, full)).number == number


def test_a_small_x_becomes_a_capital() -> None:
    number = next(n for n in (_number("370000", "19800101", f"{i:03d}") for i in range(1, 50)) if n.endswith("X"))
    assert _parsed(number.lower()).number == number


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("", IdentityFlaw.FORM),
        ("3700001980010100", IdentityFlaw.FORM),
        ("37000019800101001A", IdentityFlaw.FORM),
        ("3700**********0018", IdentityFlaw.FORM),
        ("37000０1980010１00１".replace("０", "٠"), IdentityFlaw.FORM),
        (_number("370000", "19800230"), IdentityFlaw.DATE),
        (_number("370000", "19790229"), IdentityFlaw.DATE),
        (_number("370000", "19801301"), IdentityFlaw.DATE),
        (_number("370000", "02010101"), IdentityFlaw.DATE),
        ("370000790229001", IdentityFlaw.DATE),
        ("370000198001010001", IdentityFlaw.CHECK),
    ],
)
def test_a_broken_number_says_what_is_broken(text: str, flaw: IdentityFlaw) -> None:
    assert ids.parse_resident_id(text) is flaw


def test_the_twenty_ninth_of_february_of_a_leap_year_is_a_birth_date() -> None:
    assert _parsed(_number("370000", "19800229")).birth_date == date(1980, 2, 29)


@given(st.dates(date(1900, 1, 1), date(2018, 12, 31)), st.integers(0, 999), st.integers(0, 16), st.integers(1, 9))
def test_every_single_wrong_digit_is_noticed(born: date, order: int, place: int, step: int) -> None:
    number = _number("370000", f"{born:%Y%m%d}", f"{order:03d}")
    wrong = number[:place] + str((int(number[place]) + step) % 10) + number[place + 1 :]
    assert isinstance(ids.parse_resident_id(wrong), IdentityFlaw)


@pytest.mark.parametrize("place", range(17))
@pytest.mark.parametrize("digit", range(1, 10))
def test_every_weight_of_the_check_digit_is_that_of_the_standard(place: int, digit: int) -> None:
    # one digit that is not zero: the sum is its weight alone
    first17 = "0" * place + str(digit) + "0" * (16 - place)
    assert ids.resident_id_check_digit(first17) == ric.calc_check_digit(first17 + "0")


@pytest.mark.parametrize(
    "number",
    ["370000198001010017", "37000019800101101X", "370000197506059874", "370000199912317778", "370000196002295553"],
)
def test_fixed_numbers_with_digits_in_every_place_of_the_order(number: str) -> None:
    assert ric.calc_check_digit(number) == number[17]
    assert _parsed(number).number == number


@given(st.text("0123456789", min_size=17, max_size=17))
def test_check_digits_are_those_of_another_implementation(first17: str) -> None:
    assert ids.resident_id_check_digit(first17) == ric.calc_check_digit(first17 + "0")


@given(st.from_regex(r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{9}", fullmatch=True))
def test_check_characters_of_credit_codes_are_those_of_another_implementation(first17: str) -> None:
    assert ids.credit_code_check_character(first17) == uscc.calc_check_digit(first17)


@given(st.text(max_size=30))
def test_parsing_is_total(text: str) -> None:
    assert isinstance(ids.parse_resident_id(text), ResidentNumber | IdentityFlaw)
    assert isinstance(ids.is_credit_code(ids.normal_identifier(text)), bool)
    assert isinstance(ids.is_certificate_number(ids.normal_certificate_number(text)), bool)


def test_a_parsed_number_never_shows_itself() -> None:
    parsed = _parsed(_number("370000", "19800101", "001"))
    assert parsed.number not in repr(parsed)
    assert "1980" not in repr(parsed)


@pytest.mark.parametrize("first17", ["91370000MA3C4D5E6", "11370000MB0000000", "123700004955701XY"])
def test_a_credit_code_needs_its_check_character(first17: str) -> None:
    right = ids.credit_code_check_character(first17)
    assert ids.is_credit_code(first17 + right)
    assert not ids.is_credit_code(first17 + ("0" if right != "0" else "1"))


@pytest.mark.parametrize("text", ["", "9137000", "91370000MA3C4D5EI0", "91370000MA3C4D5EO0", "9137000XMA3C4D5E60"])
def test_a_credit_code_has_neither_other_letters_nor_other_lengths(text: str) -> None:
    assert not ids.is_credit_code(text)


def test_the_check_character_of_the_code_everybody_prints_as_an_example_is_right() -> None:
    assert ids.credit_code_check_character("91350100M000100Y4") == "3"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("鲁A ２０１２００１２３４５６７", "鲁A2012001234567"),
        ("鲁建安A〔2012〕0000123", "鲁建安A(2012)0000123"),
        ("鲁建安a（2012）0000123", "鲁建安A(2012)0000123"),
        ("3701-12-0001", "3701-12-0001"),
    ],
)
def test_certificate_numbers_have_one_form(text: str, normal: str) -> None:
    assert ids.normal_certificate_number(text) == normal
    assert ids.is_certificate_number(normal)


@pytest.mark.parametrize(
    "text", ["", "12345", "0000000000", "1111-1111", "无编号证书", "A" * 20, "1234567890" * 6, "12_345678"]
)
def test_what_cannot_be_a_certificate_number_is_known(text: str) -> None:
    assert not ids.is_certificate_number(text)


def test_certificate_numbers_have_six_to_fifty_characters() -> None:
    assert [ids.is_certificate_number("12" * n) for n in (2, 3, 25, 26)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("张　三", "张三"),
        (" 张 三 ", "张三"),
        ("古丽•艾山", "古丽·艾山"),
        ("古丽．艾山", "古丽·艾山"),
        ("古丽‧艾山", "古丽·艾山"),
        ("古丽・艾山", "古丽·艾山"),
        ("古丽.艾山", "古丽·艾山"),
        ("古丽 · 艾山", "古丽·艾山"),
        ("ＪＯＨＮ  ＳＭＩＴＨ", "JOHN SMITH"),
        ("𠮷 示例", "𠮷示例"),
    ],
)
def test_names_have_one_form(text: str, normal: str) -> None:
    assert ids.normal_name(text) == normal
    assert ids.is_name(normal)


@pytest.mark.parametrize("text", ["", "张?三", "张*三", "张三1", "张\ufffd", "张\ue000", "张" * 51])
def test_what_cannot_be_a_name_is_known(text: str) -> None:
    assert not ids.is_name(text)


def test_brackets_of_company_names_keep_their_width() -> None:
    assert ids.normal_text("示例（集团） 有限公司０１") == "示例（集团）有限公司01"


@pytest.mark.parametrize(
    ("text", "good"), [("13800000001", True), ("12800000001", False), ("1380000000", False), ("０", False)]
)
def test_mobile_numbers(text: str, good: bool) -> None:
    assert ids.is_mobile(text) is good


@pytest.mark.parametrize(
    ("text", "good"),
    [("E12345678", True), ("H1234567890", True), ("ABCDEF", False), ("1234", False), ("E1234_678", False)],
)
def test_numbers_of_other_documents(text: str, good: bool) -> None:
    assert ids.is_document_number(text) is good


@pytest.mark.parametrize(("text", "shown"), [("370000198001010018", "370*************18"), ("1234", "****"), ("", "")])
def test_masks_hide_the_middle_or_all(text: str, shown: str) -> None:
    assert ids.mask(text) == shown
