"""What is taken out of text, and what stays: the price of masking by form is stated here case by case."""

from __future__ import annotations

import base64
import json
import random
from datetime import date
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codec.redact import clean, redact
from gateway.testing import people

ID18 = "370000199001010011"
IDX = "37000019900101002X"
ID15 = "370000900101001"
CARD = "6222000000000000018"
PHONE = "13800001234"


@pytest.mark.parametrize("number", [ID18, IDX, IDX.lower(), ID15, CARD, "6222000000000018", PHONE])
@pytest.mark.parametrize(
    "frame",
    [
        "{}",
        "身份证号{}已存在",
        "号码：{}，请核对",
        "（{}）",
        "id={}&x=1",
        '{{"idNumber":"{}"}}',
        "<idNumber>{}</idNumber>",
        "a {}\nb",
        "a\n{}\n",
        '{{"text":"line\\n{}"}}',
        '{{"text":"\\t{}"}}',
        '{{"text":"\\u8eab\\u4efd\\u8bc1\\u53f7{}"}}',
    ],
)
def test_numbers_of_people_are_masked_wherever_they_stand(frame: str, number: str) -> None:
    assert redact(frame.format(number)) == frame.format("***")


@pytest.mark.parametrize(
    "text",
    [
        "3701150000123",
        "鲁A20150000123",
        "SH370100-000001",
        "370100-201904-01",
        "01D7F8K3T5ZQWX9YV2B4N6M8HC",
        "2019-04-02T09:01:00.123456+08:00",
        "20190402090100",
        "1554166860",
        "1554166860123",
        "91370000MB0000000X",
        "0531-88888888",
        "12345678901234",
        "a" * 64,
        "d41d8cd98f00b204e9800998ecf8427e",
        "12800001234",
        "HTTP 503 after 30000 ms",
    ],
    ids=[
        "certificate number",
        "certificate number with letter",
        "summary form number",
        "batch number",
        "ULID",
        "moment",
        "compact moment",
        "seconds since 1970",
        "milliseconds since 1970",
        "enterprise code with letters",
        "landline",
        "fourteen digits",
        "digest",
        "digest with digits",
        "no mobile prefix",
        "plain text",
    ],
)
def test_what_is_nobodys_number_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    ["20190402090100123", "1554166860123456", "1554166860123456789", "913700001234567890", "201904020901001"],
    ids=[
        "moment with milliseconds",
        "microseconds since 1970",
        "nanoseconds since 1970",
        "enterprise code of digits only",
        "fifteen-digit serial number",
    ],
)
def test_a_number_in_the_form_of_a_persons_is_masked_even_where_it_is_none(text: str) -> None:
    assert redact(text) == "***"


SPELLINGS = {
    "behind letters": ("ID370000199001010011", "ID***"),
    "before letters": ("370000199001010011cert", "***cert"),
    "within a word": ("x370000199001010011x", "x***x"),
    "with spaces": ("号 370000 19900101 0011 已", "号 *** 已"),
    "with dashes": ("370000-19900101-0011", "***"),
    "with long dashes": ("370000–19900101–0011", "***"),
    "with points in the day": ("370000 1990.01.01 0011", "***"),
    "behind a percent escape": ("q=%20370000199001010011", "q=%20***"),
    "full width": ("证３７００００１９９００１０１００１１号", "证***号"),
    "a mobile with the country": ("+8613800001234", "***"),
    "a mobile with the country in full": ("0086 138 0000 1234", "***"),
    "a mobile with the country in a URL": ("tel=%2B8613800001234", "tel=***"),
    "a mobile in groups": ("138 0000 1234", "***"),
    "a mobile with dashes": ("138-0000-1234", "***"),
    "a mobile in full width": ("电１３８００００１２３４", "电***"),
    "a mobile behind a percent escape": ("%2013800001234", "%20***"),
    "a card in groups": ("6222 0000 0000 0000 018", "***"),
    "a permit of Hong Kong": ("证件H01234567有误", "证件***有误"),
    "a permit of Macao with its version": ("M0123456701", "***"),
    "a permit of Taiwan": ("台胞证号12345678", "台胞证***"),
    "a residence permit": ("810000199001010011", "***"),
    "a foreigner's permit": ("USA370019900101", "***"),
    "a passport": ("护照E12345678", "护照***"),
    "a passport with two letters": ("EA1234567", "***"),
    "Base64 that stands alone": (f"detail {base64.b64encode(b'id 370000199001010011 exists').decode()}", "detail ***"),
    "digits as decimal references": ("".join(f"&#{ord(c)};" for c in ID18), "***"),
    "digits as hexadecimal references": ("".join(f"&#x{ord(c):x};" for c in ID18), "***"),
    "digits as percent escapes": ("id=" + "".join(f"%{ord(c):02X}" for c in ID18), "id=***"),
    "digits as JSON escapes": ("".join(f"\\u{ord(c):04x}" for c in ID18), "***"),
    "a mobile as references": ("".join(f"&#{ord(c)};" for c in PHONE), "***"),
    "circled digits": ("号" + "".join("⓪①②③④⑤⑥⑦⑧⑨"[int(c)] for c in ID18), "号***"),
    "digits one by one": (" ".join(ID18), "***"),
    "a mobile digit by digit": ("-".join(PHONE), "***"),
    "with commas": ("370000,19900101,0011", "***"),
    "with tags": ("370000<b>19900101</b>0011", "***"),
    "a mobile with its first group in brackets": ("(138)00001234", "(***"),
    "hexadecimal": (ID18.encode().hex(), "***"),
    "hexadecimal with an X": (f"号{IDX.encode().hex()}", "号***"),
    "Base64 of Base64": (base64.b64encode(base64.b64encode(ID18.encode())).decode(), "***"),
    "Base64 of a URL": (base64.urlsafe_b64encode("号码370000199001010011".encode()).decode().rstrip("="), "***"),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_number_is_recognised_in_every_spelling(name: str) -> None:
    text, masked = SPELLINGS[name]
    assert redact(text) == masked


def test_a_name_is_found_in_base64_that_stands_alone() -> None:
    hidden = base64.b64encode("姓名王小明不符合要求".encode()).decode()
    assert redact(f"a {hidden} b", "王小明") == "a *** b"
    assert redact(f"a {hidden} b", "李四") == f"a {hidden} b"


@pytest.mark.parametrize(
    "text", ["\x1b]0;owned\x07", "a\x1b[2Jb", "\x9b31m", "a\u202eb", "a\u2066b", "a\rb", "a\x00b", "a\u200bb"]
)
def test_what_a_terminal_would_obey_is_taken_out(text: str) -> None:
    cleaned = clean(text)
    assert all(character.isprintable() or character in "\n\t" for character in cleaned)
    assert cleaned != text


@given(st.text(max_size=60))
def test_cleaning_is_total_keeps_ordinary_text_and_done_twice_is_done_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    assert clean("第一行\n第二行\t完。") == "第一行\n第二行\t完。"


def test_an_identity_number_across_control_characters_is_found() -> None:
    for between in ("\x1b[0m", "\x07", "\u200b", "\x1b]0;x\x07"):
        assert "0011" not in clean(f"370000{between}199001010011")


@given(seed=st.integers(0, 10**6), before=st.sampled_from("号：(\n ，>\"'"), after=st.sampled_from("号：)\n ，<\"'"))
def test_every_synthetic_person_is_masked(seed: int, before: str, after: str) -> None:
    worker = people.worker(random.Random(seed))
    for number in (worker.id_number, worker.mobile or ""):
        assert redact(f"{before}{number}{after}") == f"{before}***{after}"


@pytest.mark.parametrize("born", [date(1964, 3, 1), date(1999, 12, 31)])
def test_numbers_that_end_in_x_are_masked_in_both_cases(born: date) -> None:
    numbers = {people.id_number(random.Random(seed), born) for seed in range(300)}
    with_x = {n for n in numbers if n.endswith("X")}
    assert with_x
    assert {redact(f"证{n}，{n.lower()}") for n in with_x} == {"证***，***"}


def test_known_values_are_masked_literally_and_empty_ones_do_nothing() -> None:
    assert redact("王小明(A+B)来过", "王小明", "", "A+B") == "***(***)来过"


@pytest.mark.parametrize(
    "wrap", [json.dumps, lambda t: escape(t).encode("ascii", "xmlcharrefreplace").decode()], ids=["JSON", "XML"]
)
def test_a_known_name_is_masked_in_its_escaped_form(wrap: object) -> None:
    assert callable(wrap)
    assert redact(wrap("姓名王小明不符"), "王小明") == wrap("姓名***不符")


@given(text=st.text(max_size=80), name=st.text(alphabet="王小明李", max_size=3))
def test_masking_is_total_and_leaves_no_known_value(text: str, name: str) -> None:
    masked = redact(text + name + text, name)
    assert not name or name not in masked


@given(text=st.text(alphabet="0123456789Xx ,a号", max_size=60))
def test_masking_twice_is_masking_once(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def test_a_photo_is_taken_out_with_and_without_its_prefix() -> None:
    jpeg = "/9j/" + "A+/b" * 5000 + "=="
    for text in (f"data:image/jpeg;base64,{jpeg}", jpeg, "data:image/png;base64,iVBORw0KGgo" + "AB" * 40):
        assert redact(f'{{"headImage": "{text}", "workType": "020"}}') == '{"headImage": "***", "workType": "020"}'
    assert redact("sign = /9j/AAAA") == "sign = /9j/AAAA"
