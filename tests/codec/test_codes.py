"""Code tables: read as text, found by code and by name, and every shipped table is sound."""

from __future__ import annotations

from importlib.resources import files

import pytest

from gateway.codec.codes import table

TABLES = sorted(f.name.removesuffix(".csv") for f in files("gateway.codec.tables").iterdir() if f.name.endswith(".csv"))


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_rows_as_wide_as_its_header_and_unique_codes(name: str) -> None:
    read = table(name)
    # a division keeps its code over its names, so the history tells the rows apart by their years too
    marks = [row[read.key] + row.get("first_year", "") for row in read.rows if row[read.key]]
    assert marks
    assert len(set(marks)) == len(marks)
    assert all(None not in row and None not in row.values() for row in read.rows)


def test_codes_keep_their_leading_zeros() -> None:
    ethnicities = table("ethnicity_gbt3304")
    assert "01" in ethnicities
    assert "1" not in ethnicities
    assert ethnicities.get("01") == "汉族"


def test_a_code_is_found_by_name_and_back() -> None:
    ethnicities = table("ethnicity_gbt3304")
    for row in ethnicities.rows:
        assert ethnicities.code_of(row["name_zh"]) == row[ethnicities.key]


@pytest.mark.parametrize("name", ["ethnicity_gbt3304", "id_document_type"])
@pytest.mark.parametrize("code", [None, "", "nonsense", " 01", "01 "])
def test_an_unknown_code_has_no_value(code: str | None, name: str) -> None:
    assert table(name).get(code) is None
    assert code not in table(name)


def test_a_row_that_only_a_platform_knows_is_found_and_has_no_code_of_ours() -> None:
    documents = table("id_document_type")
    assert documents.code_of("士兵证") == ""
    assert documents.get(documents.code_of("士兵证")) is None


def test_an_empty_cell_and_an_unknown_column_are_no_value() -> None:
    levels = table("cert_level")
    assert levels.get("0", "worker_platform_code") is None
    assert levels.get("1", "worker_platform_code") == "1"
    assert levels.get("1", "no_such_column") is None


def test_an_unknown_name_has_no_code() -> None:
    assert table("cert_level").code_of("大师") is None
    assert table("cert_level").code_of("初级工") == "2"


def test_a_table_is_read_once() -> None:
    assert table("gender") is table("gender")


def test_a_table_that_does_not_exist_is_a_fault_of_the_caller() -> None:
    with pytest.raises(FileNotFoundError):
        table("no_such_table")
