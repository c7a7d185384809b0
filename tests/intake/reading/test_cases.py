"""Small files, each with one thing that cities or their programs really do, and what must become of it.

The people in them are made up: every number is of the unissued area 370000.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.domain.errors import InputError
from gateway.intake.reading.problems import FileRefused
from gateway.intake.reading.reader import read_batch

CASES = Path(__file__).with_name("cases")
OK: tuple[str, ...] = ()


class Case(NamedTuple):
    """``rows``: rules each row breaks while it is read; ``says``: fields of the first row; ``refused``: both texts."""

    rows: Sequence[Sequence[str]] = (OK,)
    says: Mapping[str, object] = {}
    left_out: Mapping[str, int] = {}
    refused: tuple[str, str] = ("", "")


SEVEN = Case(rows=[OK] * 7)
DAMAGED = Case(refused=("truncated or damaged", "文件不完整或已损坏"))
EXPECTED = {
    "01_half_character_in_name.xlsx": Case([["R-NAME name"], OK]),
    "02_circular_directory.xls": DAMAGED,
    "03_number_became_day.xlsx": Case([["R-IS-DAY certificate_number"]]),
    "04_number_lost_zeros.xlsx": Case(says={"certificate_number": "0012345678"}),
    "05_number_became_percentage.xlsx": Case([["R-IS-SHARE certificate_number"]]),
    "06_short_rows.csv": Case([OK] * 3),
    "07_codepage_1252.xls": SEVEN,
    "08_error_in_small_workbook.xls": Case([["R-ERROR-VALUE valid_to"]]),
    "09_main_part_elsewhere.xlsx": Case([OK] * 2),
    "10_iso_time_in_other_column.xlsx": SEVEN,
    "11_direction_marks_in_name.xlsx": Case([["R-INVISIBLE name"]], says={"name": "示例甲"}),
    "12_direction_marks_at_number.xlsx": Case([["R-INVISIBLE id_number"]]),
    "13_two_persons.xlsx": Case([["R-NAME name"]]),
    "14_ditto_as_name.xlsx": Case([["R-DITTO name"]]),
    "15_web_leftover_in_name.xlsx": Case([["R-NAME name"]]),
    "16_control_character_in_name.csv": Case([["R-NAME name"]]),
    # what is wrong in these is for the gates to say; they are read as they stand
    "17_issued_before_birth.csv": Case(),
    "18_child.csv": Case(),
    "19_telephone_as_number.csv": Case(),
    "20_open_contract_with_end.csv": Case(),
    "21_no_employer_enterprise_named.csv": Case(),
    "22_reviewed_before_verified.csv": Case(),
    "23_old_county_laiwu.csv": Case(),
    "24_name_in_book_marks.xlsx": Case(says={"certificate_name": "中华人民共和国建设部职业技能岗位证书"}),
    "25_originals_of_the_notice.xlsx": Case(says={"originals": ("CERT", "IDCARD", "CONTRACT")}),
    "26_level_said_twice.xlsx": Case(says={"level": "4"}),
    "27_trade_with_alias.xlsx": Case(says={"trade": "010", "trade_name": "砌筑工"}),
    "28_province_before_city.xlsx": Case(),
    "29_day_with_hao.xlsx": Case(says={"issue_date": date(2012, 6, 1)}),
    "30_end_in_year_9999.xlsx": Case(says={"valid_to": None}),
    "31_mobile_with_country_code.xlsx": Case(says={"mobile": "13800000100"}),
    "32_column_twice.xlsx": Case(refused=("手机号码 (手机号码、联系电话)", "栏目重复：手机号码 (手机号码、联系电话)")),
    "33_empty_second_sheet.xlsx": SEVEN,
    "34_total_row.xlsx": Case([OK] * 7, left_out={"foot": 1}),
    "35_foot_lines.xlsx": Case([OK] * 7, left_out={"foot": 4}),
    "36_semicolons.csv": SEVEN,
    "37_tab_text.xls": SEVEN,
    "38_noncharacter.xlsx": Case([["R-NAME name"], OK]),
    "39_negative_text_index.xlsx": DAMAGED,
    "40_one_far_cell.xls": SEVEN,
    "41_lost_characters_in_employer.csv": Case([["R-PARTY employer_name"]]),
    "42_hidden_sheet.xlsx": Case(refused=("hidden sheet 汇总表", "隐藏的工作表“汇总表”")),
    "43_contract_from_29_february.csv": Case(),
    "44_verifier_reviews.csv": Case(),
    "45_tick_in_seal.xlsx": Case(says={"seal_stamped": True}),
    "46_prefilled_rows.xlsx": Case([OK] * 7, left_out={"prefilled": 50}),
}


def test_every_file_has_an_outcome() -> None:
    assert sorted(path.name for path in CASES.iterdir()) == sorted(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_has_its_outcome(name: str) -> None:
    expected = EXPECTED[name]
    if expected.refused[0]:
        with pytest.raises(FileRefused) as caught:
            list(read_batch(CASES / name).rows)
        assert isinstance(caught.value, InputError)
        assert expected.refused[0] in caught.value.en
        assert expected.refused[1] in caught.value.zh
        return
    batch = read_batch(CASES / name)
    rows = list(batch.rows)
    assert [[f"{one.gate} {one.field}" for one in row.failures] for row in rows] == [list(r) for r in expected.rows]
    for field, value in expected.says.items():
        assert getattr(rows[0].filing, field) == value
    assert dict(batch.left_out) == dict(expected.left_out)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_nobody_in_the_files_exists(name: str) -> None:
    """Numbers are of the area that is issued to nobody; a compressed part cannot be searched, so rows are."""
    if EXPECTED[name].refused[0]:
        return
    for row in read_batch(CASES / name).rows:
        found = re.findall(r"(?<![0-9])[1-8][0-9]{16}[0-9Xx](?![0-9])", " ".join(row.cells.values()))
        assert all(number.startswith("370000") for number in found)
