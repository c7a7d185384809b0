"""Files: what is read as a batch, and what is refused with file, sheet, column and rule named."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter

from gateway.domain.errors import InputError
from gateway.intake.reading.columns import COLUMNS, title
from gateway.intake.reading.files import open_tables
from gateway.intake.reading.reader import Batch, read_batch
from gateway.intake.reading.returns import RefusedRow, write_returns
from gateway.testing.batch import HEADERS, sample_rows, write_sample

GOOD = next(iter(sample_rows(1, seed=3))).cells
TITLES = tuple(column.title for column in COLUMNS)


def _line(changes: Mapping[str, object] | None = None, headers: Sequence[str] = TITLES) -> list[object]:
    cells = {**GOOD, **(changes or {})}
    return [cells.get(header, "") for header in headers]


def _workbook(path: Path, *sheets: Sequence[Sequence[object]], hidden: int = 0) -> Path:
    book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    for number, rows in enumerate(sheets, start=1):
        sheet = book.add_worksheet(f"表{number}")
        if hidden == number:
            sheet.hide()
        for at, row in enumerate(rows):
            for place, cell in enumerate(row):
                if isinstance(cell, date):
                    sheet.write_datetime(at, place, cell, day)
                elif cell != "":
                    sheet.write(at, place, cell)
    book.close()
    return path


def _csv(path: Path, rows: Sequence[Sequence[object]], encoding: str = "utf-8") -> Path:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def _ids(batch: Batch) -> list[list[str]]:
    return [[failure.gate for failure in row.failures] for row in batch.rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk"])
def test_csv_is_read_in_the_encodings_of_spreadsheets(tmp_path: Path, encoding: str) -> None:
    batch = read_batch(_csv(tmp_path / "报送.csv", [TITLES, _line({"姓名": "张三"})], encoding))
    (row,) = batch.rows
    assert row.filing is not None
    assert (row.filing.name, row.number, batch.sheet) == ("张三", 2, "")


def test_names_outside_gbk_survive_in_gb18030(tmp_path: Path) -> None:
    path = _csv(tmp_path / "a.csv", [TITLES, _line({"姓名": "𠮷示例"})], "gb18030")
    (row,) = read_batch(path).rows
    assert row.filing is not None
    assert row.filing.name == "𠮷示例"


def test_tab_separated_text_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\n".join("\t".join(map(str, line)) for line in (TITLES, _line())), encoding="utf-8")
    assert _ids(read_batch(path)) == [[]]


def test_a_batch_tells_name_digest_sheet_and_columns(tmp_path: Path) -> None:
    path = _workbook(tmp_path / "济南.xlsx", [("序号", *TITLES, "备注"), (1, *_line(), "已核")])
    batch = read_batch(path)
    assert (batch.name, batch.sheet) == ("济南.xlsx", "表1")
    assert batch.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert batch.columns == ("序号", *TITLES, "备注")
    (row,) = batch.rows
    assert (row.cells["序号"], row.cells["备注"]) == ("1", "已核")


def test_rows_can_be_read_again(tmp_path: Path) -> None:
    for path in (_workbook(tmp_path / "a.xlsx", [TITLES, _line()]), _csv(tmp_path / "a.csv", [TITLES, _line()])):
        batch = read_batch(path)
        assert list(batch.rows) == list(batch.rows)


@pytest.mark.parametrize("above", [0, 1, 2, 9])
def test_the_header_is_found_below_titles(tmp_path: Path, above: int) -> None:
    batch = read_batch(_workbook(tmp_path / "a.xlsx", [*[["审核汇总表"]] * above, TITLES, _line()]))
    assert [(row.number, row.failures) for row in batch.rows] == [(above + 2, ())]


def test_a_header_below_the_tenth_row_is_not_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no table found"):
        read_batch(_workbook(tmp_path / "a.xlsx", [*[["审核汇总表"]] * 10, TITLES, _line()]))


def test_empty_rows_and_columns_in_front_change_nothing(tmp_path: Path) -> None:
    shifted = [["", "", *line] for line in (TITLES, _line())]
    (row,) = read_batch(_workbook(tmp_path / "a.xlsx", [[], [], *shifted])).rows
    assert (row.number, row.failures) == (4, ())


def test_a_header_merged_over_two_rows_is_read_as_one(tmp_path: Path) -> None:
    upper = ["姓名", *["人员"] * 9, *TITLES[10:]]
    lower = ["", *TITLES[1:10]]
    (row,) = read_batch(_workbook(tmp_path / "a.xlsx", [["审核汇总表"], upper, lower, _line()])).rows
    assert (row.number, row.failures) == (4, ())


def test_columns_are_found_by_name_in_any_order_and_spelling(tmp_path: Path) -> None:
    names = {"身份证号码": "＊公民身份 号码（必填）", "发证机关": "发证单位", "公示结束日期": "公示截止日期"}
    turned = tuple(reversed(TITLES))
    headers = [names.get(header, header) for header in turned]
    assert _ids(read_batch(_workbook(tmp_path / "a.xlsx", [headers, _line(headers=turned)]))) == [[]]


def test_repeated_and_nameless_columns_keep_their_content(tmp_path: Path) -> None:
    headers = (*TITLES, "备注", "备注", "", "尾列")
    batch = read_batch(_workbook(tmp_path / "a.xlsx", [headers, [*_line(), "甲", "乙", "丙", "丁"]]))
    assert len(batch.columns) == len(set(batch.columns)) == len(headers)
    (row,) = batch.rows
    assert [row.cells[name] for name in batch.columns[-4:]] == ["甲", "乙", "丙", "丁"]


def test_blank_rows_and_rows_with_only_a_running_number_are_no_filings(tmp_path: Path) -> None:
    lines = [("序号", *TITLES), (1, *_line()), (2,), (), (3, *_line())]
    assert [row.number for row in read_batch(_workbook(tmp_path / "a.xlsx", lines)).rows] == [2, 5]


def test_a_line_without_numbers_that_is_no_total_is_returned_and_not_lost(tmp_path: Path) -> None:
    lines = [TITLES, _line(), ["示例乙"], ["合计1人"]]
    assert _ids(read_batch(_workbook(tmp_path / "a.xlsx", lines))) == [[], ["R-ROW"]]


@pytest.mark.parametrize(
    "cell", [date(2015, 3, 1), 42064, 42064.0, 20150301, "2015.3.1", "2015年3月1日", "20150301", "2015-3-1"]
)
def test_dates_of_a_workbook_are_read_in_every_form(tmp_path: Path, cell: object) -> None:
    path = _workbook(tmp_path / "a.xlsx", [TITLES, _line({"发证日期": cell, "申报日期": ""})])
    (row,) = read_batch(path).rows
    assert row.filing is not None
    assert row.filing.issue_date == date(2015, 3, 1)
    assert row.failures == ()


@pytest.mark.parametrize(
    ("column", "cell", "rule"),
    [
        ("身份证号码", 370000198001010018, "R-DIGITS-LOST"),
        ("身份证号码", "3.70000E+17", "R-DIGITS-LOST"),
        ("证书编号", 3701122012001234, "R-DIGITS-LOST"),
        ("发证日期", 201503, "R-DATE"),
        ("工种", 999, "R-CODE"),
    ],
)
def test_numbers_that_lost_their_digits_are_noticed(tmp_path: Path, column: str, cell: object, rule: str) -> None:
    assert _ids(read_batch(_workbook(tmp_path / "a.xlsx", [TITLES, _line({column: cell})]))) == [[rule]]


def test_a_fifteen_digit_number_stored_as_a_number_has_lost_nothing(tmp_path: Path) -> None:
    changes = {"身份证号码": 370000800101003, "出生日期": "", "性别": "男"}
    (row,) = read_batch(_workbook(tmp_path / "a.xlsx", [TITLES, _line(changes)])).rows
    assert row.failures == ()
    assert row.filing is not None
    assert row.filing.id_alias == "370000800101003"


def test_full_width_digits_are_digits(tmp_path: Path) -> None:
    wide = {key: "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in str(GOOD[key])) for key in
            ("身份证号码", "统一社会信用代码", "填报企业代码", "证书编号", "发证机关代码")}  # fmt: skip
    assert _ids(read_batch(_csv(tmp_path / "a.csv", [TITLES, _line(wide)]))) == [[]]


@pytest.mark.parametrize("extra", [-1, 1], ids=["cells too few", "a cell too many"])
def test_a_shifted_row_of_a_text_file_is_returned_unread(tmp_path: Path, extra: int) -> None:
    line = [*_line(), "x"] if extra > 0 else _line()[: TITLES.index("填报渠道")]
    (first, second) = read_batch(_csv(tmp_path / "a.csv", [TITLES, line, _line()])).rows
    assert first.filing is None
    assert [failure.gate for failure in first.failures] == ["R-WIDTH"]
    assert second.failures == ()


def test_empty_cells_that_a_spreadsheet_program_left_out_at_the_end_shift_nothing(tmp_path: Path) -> None:
    last = max(index for index, cell in enumerate(_line()) if cell != "")
    assert _ids(read_batch(_csv(tmp_path / "a.csv", [TITLES, _line()[: last + 1], _line()]))) == [[], []]


def test_what_stands_beyond_the_header_goes_back_to_the_city(tmp_path: Path) -> None:
    batch = read_batch(_csv(tmp_path / "a.csv", [TITLES, [*_line(), "", "补充说明"], _line()]))
    shifted, good = batch.rows
    assert [failure.gate for failure in shifted.failures] == ["R-WIDTH"]
    assert shifted.cells[f"（第{len(TITLES) + 2}列）"] == "补充说明"
    assert not good.failures
    write_returns(tmp_path / "returns.xlsx", batch.columns, [RefusedRow.of(shifted, shifted.failures)])
    written = [str(cell) for row in openpyxl.load_workbook(tmp_path / "returns.xlsx")["退回表"].values for cell in row]
    assert "补充说明" in written


def test_an_empty_cell_too_many_behind_shifted_cells_is_noticed(tmp_path: Path) -> None:
    assert _ids(read_batch(_csv(tmp_path / "a.csv", [TITLES, ["x", *_line()], _line()]))) == [["R-WIDTH"], []]


def test_empty_cells_beyond_the_header_shift_nothing(tmp_path: Path) -> None:
    assert _ids(read_batch(_csv(tmp_path / "a.csv", [TITLES, [*_line(), "", " "]]))) == [[]]


@pytest.mark.parametrize("absent", ["身份证号码", "有效期止", "公示结束日期", "填报企业代码"])
def test_a_missing_column_is_named(tmp_path: Path, absent: str) -> None:
    headers = tuple(header for header in TITLES if header != absent)
    with pytest.raises(
        InputError,
        match=rf"a\.xlsx, sheet 表1: columns of the form are missing: {absent} / 工作表表1：缺少下列栏目：{absent}$",
    ):
        read_batch(_workbook(tmp_path / "a.xlsx", [headers, _line(headers=headers)]))


def test_columns_the_number_or_nobody_tells_may_be_missing(tmp_path: Path) -> None:
    headers = tuple(column.title for column in COLUMNS if column.needed)
    assert _ids(read_batch(_csv(tmp_path / "a.csv", [headers, _line(headers=headers)]))) == [[]]


def test_a_column_that_stands_twice_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"columns that stand twice: 身份证号码 \(身份证号码、证件号码\) / 下列栏目重复"
    ):
        read_batch(_csv(tmp_path / "a.csv", [(*TITLES, "证件号码"), [*_line(), "1"]]))


def test_two_sheets_with_tables_are_refused_and_hidden_ones_ignored(tmp_path: Path) -> None:
    table = [TITLES, _line()]
    with pytest.raises(InputError, match="sheets 表1、表2 each hold a table"):
        read_batch(_workbook(tmp_path / "two.xlsx", table, table))
    assert read_batch(_workbook(tmp_path / "one.xlsx", [["说明"]], table)).sheet == "表2"
    assert read_batch(_workbook(tmp_path / "hidden.xlsx", table, table, hidden=2)).sheet == "表1"


def _bytes(kind: str, tmp_path: Path) -> bytes:
    workbook = _workbook(tmp_path / "source.xlsx", [TITLES, _line()]).read_bytes()
    other_zip = io.BytesIO()
    with zipfile.ZipFile(other_zip, "w") as archive:
        archive.writestr("readme", "x")
    return {
        "nothing": b"",
        "half a workbook": workbook[: len(workbook) // 2],
        "another archive": other_zip.getvalue(),
        "a page": b"<html>login</html>",
        "half an old workbook": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        "a workbook": workbook,
        "noise": bytes(range(255, 127, -1)) * 40,
        "utf-16": "姓名,性别,abc".encode("utf-16-le"),
        "zeros": bytes(2000),
        "an open quote": ",".join(TITLES).encode() + b'\n"never closed,1,2\n3,4,5\n',
    }[kind]


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("a.xlsx", "nothing", "the file is empty"),
        ("a.csv", "nothing", "the file is empty"),
        ("a.xlsx", "half a workbook", "truncated or damaged"),
        ("a.xlsx", "another archive", "no workbook of the kind .xlsx"),
        ("a.xlsx", "a page", "its content is a web page or XML"),
        ("a.xlsx", "half an old workbook", "truncated or damaged"),
        ("a.xls", "half an old workbook", "truncated or damaged"),
        ("a.csv", "a workbook", "its content is a workbook"),
        ("a.pdf", "a page", r"neither .xlsx, .xls nor .csv"),
        ("a.csv", "noise", "neither UTF-8, UTF-16 nor GB18030"),
        ("a.csv", "utf-16", "no table found"),
        ("a.csv", "zeros", "neither UTF-8, UTF-16 nor GB18030"),
        ("a.csv", "an open quote", "row 2 is no CSV"),
        ("a.csv", "a page", "no table found"),
    ],
)
def test_what_is_no_batch_is_refused_with_the_reason(tmp_path: Path, name: str, kind: str, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(_bytes(kind, tmp_path))
    with pytest.raises(InputError, match=rf"^{name}.*{message}"):
        read_batch(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.xlsx: cannot be opened"):
        read_batch(tmp_path / "absent.xlsx")


@pytest.mark.parametrize("sheets", [[[]], [[["只有标题"]]], [[["序号", "内容"], [1, "x"]], [["说明"]]]])
def test_a_workbook_without_a_table_is_refused_and_its_sheets_named(
    tmp_path: Path, sheets: Sequence[Sequence[Sequence[object]]]
) -> None:
    with pytest.raises(InputError, match=r"a\.xlsx.*no table found"):
        read_batch(_workbook(tmp_path / "a.xlsx", *sheets))


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = _workbook(tmp_path / "a.xlsx", [TITLES, _line()])
    with pytest.raises(InputError, match="unpacks to more than 100 bytes"):
        open_tables(path, largest=100)


def test_a_header_without_rows_is_an_empty_batch(tmp_path: Path) -> None:
    assert list(read_batch(_workbook(tmp_path / "a.xlsx", [TITLES])).rows) == []


@pytest.mark.parametrize("rows", [4_000, pytest.param(20_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_thousands_of_rows_are_read_without_trouble(tmp_path: Path, suffix: str, rows: int) -> None:
    path = write_sample(tmp_path / f"big.{suffix}", rows=rows, seed=5, encoding="gb18030")
    batch = read_batch(path)
    assert batch.columns == HEADERS
    count = flawed = 0
    for row in batch.rows:
        count += 1
        flawed += bool(row.failures)
    assert count == rows
    assert 10 < flawed < 40


def test_titles_of_fields_are_headers_of_the_sample() -> None:
    assert set(HEADERS) - {"序号", "备注"} == {title(column.field) for column in COLUMNS}
