"""The empty form: it offers only what is read, explains every column, and comes back without a failure."""

from __future__ import annotations

import dataclasses
import random
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner

from gateway.cli.app import app
from gateway.domain.errors import InputError
from gateway.domain.gates import GATES, GateRules, judge
from gateway.intake.reading.columns import COLUMNS, FIELDS, Column
from gateway.intake.reading.reader import read_batch
from gateway.intake.reading.rows import read_row
from gateway.intake.reading.template import EXAMPLES, ROWS, choices, rule_text, write_template
from gateway.testing.forms import filed

EACH = pytest.mark.parametrize("column", COLUMNS, ids=[column.field for column in COLUMNS])
WITH_LIST = [column.field for column in COLUMNS if choices(column.field)]


@pytest.fixture
def form(tmp_path: Path) -> Path:
    write_template(tmp_path / "form.xlsx")
    return tmp_path / "form.xlsx"


def test_a_form_filled_in_is_read_back_without_a_single_failure(form: Path) -> None:
    rng, used = random.Random(3), set[str]()
    book = openpyxl.load_workbook(form)
    rows = [filed(rng, used) for _ in range(200)]
    for row in rows:
        cells = [row.get(column.field, "") for column in COLUMNS]
        book.active.append([v.isoformat(" ") if isinstance(v, datetime) else str(v) or None for v in cells])
    book.save(form)
    batch = read_batch(form)
    found = list(batch.rows)
    assert len(found) == len(rows)
    assert [row.failures for row in found if row.failures] == []
    assert [failures for row in found if row.filing and (failures := judge(row.filing, GateRules()))] == []
    assert batch.columns == tuple(column.title for column in COLUMNS)


def test_an_empty_form_is_an_empty_batch_and_its_lists_are_no_table(form: Path) -> None:
    assert list(read_batch(form).rows) == []
    assert openpyxl.load_workbook(form).active.max_row == 1


def test_the_example_row_of_the_comments_passes_every_gate() -> None:
    values = {column.field: EXAMPLES.get(column.field) or choices(column.field)[0] for column in COLUMNS}
    values = {field: value for field, value in values.items() if not field.startswith("withdraw")}
    row = read_row(
        2, {}, values | {"assessment_region": "济南市", "issuer_region": "济南市", "review_region": "济南市"}
    )
    assert row.failures == ()
    assert row.filing is not None
    assert judge(row.filing, GateRules()) == ()


@pytest.mark.parametrize("field", WITH_LIST)
def test_every_word_of_a_list_is_read(field: str) -> None:
    rng = random.Random(5)
    for word in choices(field):
        good = filed(rng, set(), employed=True)
        row = read_row(2, {}, good | {field: word})
        assert [failure for failure in row.failures if failure.field == field] == [], word
        assert row.filing is not None
        assert getattr(row.filing, field) is not None


@EACH
def test_every_column_has_a_comment_with_its_rules_and_an_example(form: Path, column: Column) -> None:
    sheet = openpyxl.load_workbook(form).active
    [cell] = [cell for cell in sheet[1] if cell.value == column.title]
    text = cell.comment.text
    assert text == rule_text(column)
    assert text.startswith("必填" if column.needed else "可不填")
    assert all(gate.zh in text for gate in GATES if gate.field == column.field)
    assert "示例：" in text


def test_lists_hold_for_all_rows_and_cells_are_text(form: Path) -> None:
    book = openpyxl.load_workbook(form)
    sheet, lists = book.active, book["选项"]
    assert lists.sheet_state == "hidden"
    assert len(sheet.data_validations.dataValidation) == len(WITH_LIST)
    for one in sheet.data_validations.dataValidation:
        [area] = one.sqref.ranges
        field = COLUMNS[area.min_col - 1].field
        assert (area.min_row, area.max_row) == (2, ROWS + 1)
        assert one.formula1.startswith("选项!$")
        offered = [cell.value for (cell,) in lists[one.formula1.partition("!")[2]]]
        assert offered == list(choices(field))
    assert {dimension.number_format for dimension in sheet.column_dimensions.values()} == {"@"}


def test_examples_belong_to_columns_without_a_list() -> None:
    assert set(EXAMPLES) | set(WITH_LIST) == set(FIELDS)
    assert set(EXAMPLES) & set(WITH_LIST) == set()


def test_a_form_that_is_there_is_left_alone(form: Path) -> None:
    before = form.read_bytes()
    with pytest.raises(InputError, match=r"form\.xlsx: is there already"):
        write_template(form)
    assert form.read_bytes() == before


def test_the_command_writes_the_form_and_names_trouble(tmp_path: Path) -> None:
    out = tmp_path / "out.xlsx"
    result = CliRunner().invoke(app, ["template", str(out), "--json"])
    assert (result.exit_code, out.exists()) == (0, True)
    assert f'"columns": {len(COLUMNS)}' in result.stdout
    for bad in (out, tmp_path / "absent" / "out.xlsx"):
        assert CliRunner().invoke(app, ["template", str(bad)]).exit_code == 2
    assert "form:" in CliRunner().invoke(app, ["template", str(tmp_path / "more.xlsx")]).stdout


def test_the_form_has_no_fields_that_a_filing_has_not() -> None:
    from gateway.domain.filing import Filing

    assert set(FIELDS) <= {field.name for field in dataclasses.fields(Filing)}
    assert date.fromisoformat(EXAMPLES["birth_date"]).year == 1980
