"""Columns are found by name, whatever the width, blanks and remarks around it."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.domain.filing import Filing
from gateway.intake.reading.columns import COLUMNS, field_of, header_key, positions, title


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("身份证号码", "id_number"),
        ("身份证号", "id_number"),
        ("公民身份号码", "id_number"),
        ("＊身份证 号码（必填）", "id_number"),
        ("身份证\n号码", "id_number"),
        ("身份证号码*", "id_number"),
        ("证件号码：", "id_number"),
        ("出生日期(yyyy-mm-dd)", "birth_date"),
        ("加盖专用印章【是/否】", "seal_stamped"),
        ("　姓　名　", "name"),
        ("有效期至", "valid_to"),
        ("备注", None),
        ("", None),
        ("(必填)", None),
    ],
)
def test_headers_are_matched_by_what_counts_in_them(header: str, field: str | None) -> None:
    assert field_of(header) == field


def test_no_name_stands_for_two_columns() -> None:
    names = [header_key(name) for column in COLUMNS for name in (column.title, *column.variants)]
    assert len(names) == len(set(names))


def test_every_column_fills_a_field_of_the_filing() -> None:
    fields = {field.name for field in dataclasses.fields(Filing)}
    assert {column.field for column in COLUMNS} <= fields
    assert fields - {column.field for column in COLUMNS} == {"id_alias", "trade_name", "unread"}


def test_a_column_that_stands_twice_has_two_places() -> None:
    assert positions(["姓名", "身份证号", "证件号码", "备注"]) == {"name": (0,), "id_number": (1, 2)}


def test_fields_have_the_title_of_the_form() -> None:
    assert (title("birth_date"), title("trade_name")) == ("出生日期", "trade_name")
