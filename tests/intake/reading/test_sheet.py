"""Sheets as a stream: number formats, shared and rich texts, other spellings of the same XML, and damage."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from gateway.domain.errors import InputError
from gateway.intake.reading.files import open_tables
from gateway.intake.reading.sheet import Line

SHEET = "xl/worksheets/sheet1.xml"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def book(path: Path, write: Callable[[Any, Any], object], **options: Any) -> Path:
    made = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, **options})
    write(made, made.add_worksheet())
    made.close()
    return path


def lines(path: Path) -> list[Line]:
    [table] = open_tables(path)
    return list(table.rows())


def cells(path: Path) -> list[list[Any]]:
    return [list(line.cells) for line in lines(path)]


def rewritten(path: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    out = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            data = source.read(member)
            target.writestr(member.filename, change(data) if member.filename == part else data)
    path.write_bytes(out.getvalue())
    return path


@pytest.mark.parametrize(
    ("shown_as", "number", "value"),
    [
        ("yyyy-mm-dd", 41061, date(2012, 6, 1)),
        ("yyyy-mm-dd hh:mm", 41061.5, datetime(2012, 6, 1, 12, 0)),
        ("yyyy-mm-dd hh:mm", 43535.4166666667, datetime(2019, 3, 11, 10, 0)),
        ('yyyy"年"m"月"d"日"', 41061, date(2012, 6, 1)),
        ("[$-804]d", 41061, date(2012, 6, 1)),
        ("h:mm", 0.5, time(12, 0)),
        ("[h]:mm", 1.5, timedelta(days=1, hours=12)),
        (14, 41061, date(2012, 6, 1)),
        (31, 41061, date(2012, 6, 1)),
        (57, 41061, date(2012, 6, 1)),
        (46, 0.25, timedelta(hours=6)),
        ("General", 41061, 41061.0),
        ("@", 12, 12.0),
        ('0"day"', 3, 3.0),
        ("0.00E+00", 1e20, 1e20),
        (r"0\d", 3, 3.0),
        ("[Red]0", 3, 3.0),
        ("yyyy-mm-dd", 3_000_000, 3_000_000.0),
        ("yyyy-mm-dd", -5, -5.0),
    ],
)
def test_a_number_is_a_day_where_its_format_shows_one(
    tmp_path: Path, shown_as: str | int, number: float, value: object
) -> None:
    path = book(tmp_path / "a.xlsx", lambda b, s: s.write_number(0, 0, number, b.add_format({"num_format": shown_as})))
    [[cell]] = cells(path)
    assert (cell, type(cell)) == (value, type(value))


@pytest.mark.parametrize("options", [{}, {"constant_memory": True}])
@pytest.mark.parametrize("text", ["示例", " a ", "a\nb", "1 & 2 < 3", "_x000D_", "a\x01b", "=B2", "𠮷", '"', "'"])
def test_texts_come_back_as_they_were_typed(tmp_path: Path, options: dict[str, Any], text: str) -> None:
    assert cells(book(tmp_path / "a.xlsx", lambda _, s: s.write_string(0, 0, text), **options)) == [[text]]


def test_many_shared_texts_are_found_in_any_order(tmp_path: Path) -> None:
    def write(_: Any, sheet: Any) -> None:
        for row in range(1200):
            sheet.write_string(row, 0, f"text {row}")
        for row in range(1200):
            sheet.write_string(row, 1, f"text {(row * 611) % 1200}")

    found = cells(book(tmp_path / "a.xlsx", write))
    assert found == [[f"text {row}", f"text {(row * 611) % 1200}"] for row in range(1200)]


def test_readings_beside_a_text_are_no_part_of_it(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", lambda _, s: s.write_string(0, 0, "示例"))
    hint = "<si><r><t>示</t></r><r><rPr><b/></rPr><t>例</t></r><rPh sb='0' eb='1'><t>shi</t></rPh></si>"
    rewritten(path, "xl/sharedStrings.xml", lambda b: b.replace("<si><t>示例</t></si>".encode(), hint.encode()))
    assert cells(path) == [["示例"]]


def _prefixed(sheet: bytes) -> bytes:
    for tag in (b"worksheet", b"sheetData", b"row", b"c", b"v"):
        sheet = sheet.replace(b"<" + tag + b" ", b"<x:" + tag + b" ").replace(b"<" + tag + b">", b"<x:" + tag + b">")
        sheet = sheet.replace(b"</" + tag + b">", b"</x:" + tag + b">")
    return sheet.replace(b'xmlns="', b'xmlns:x="')


SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "single quotes": lambda b: b.replace(b'r="A1"', b"r='A1'"),
    "prefixes": _prefixed,
    "a comment with a row in it": lambda b: b.replace(
        b"<sheetData>", b'<sheetData><!-- <row r="1"><c r="A1"><v>9</v></c></row> -->'
    ),
    "no places": lambda b: b.replace(b' r="A1"', b"").replace(b' r="B1"', b"").replace(b' r="1"', b""),
    "blanks between": lambda b: (
        b.replace(b"<row", b"\n  <row").replace(b"<c ", b"\n   <c ").replace(b"</row>", b"\n</row>")
    ),
    "further attributes": lambda b: b.replace(b'<c r="A1"', b'<c r="A1" cm="0"').replace(
        b"<row ", b'<row xmlns:y="urn:y" y:dyDescent="0.25" '
    ),
    "utf-16": lambda b: b.decode().replace("UTF-8", "UTF-16").encode("utf-16"),
    "a byte order mark": lambda b: b"\xef\xbb\xbf" + b,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_sheet_says_the_same(tmp_path: Path, spelling: str) -> None:
    def write(_: Any, sheet: Any) -> None:
        sheet.write_number(0, 0, 41061)
        sheet.write_string(0, 1, "示例")

    path = book(tmp_path / "a.xlsx", write)
    rewritten(path, SHEET, SPELLINGS[spelling])
    assert cells(path) == [[41061.0, "示例"]]


def test_rows_without_cells_do_not_shift_those_below(tmp_path: Path) -> None:
    def write(_: Any, sheet: Any) -> None:
        sheet.write_string(0, 0, "top")
        sheet.set_row(1, 20)
        sheet.write_string(6, 2, "below")
        sheet.set_row(6, None, None, {"hidden": True})

    found = lines(book(tmp_path / "a.xlsx", write))
    assert [(line.number, list(line.cells), line.hidden) for line in found if line.cells] == [
        (1, ["top"], False),
        (7, ["", "", "below"], True),
    ]


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[: b.index(b"</sheetData>")],
        lambda b: b.replace(b"</row>", b"</row>text between", 1),
        lambda b: b.replace(b"<v>0</v>", b"<v>99</v>"),
        lambda b: b.replace(b"<v>41061</v>", b"<v>many</v>"),
        lambda b: b.replace(b'<row r="2"', b'<row r="1"'),
        lambda b: b.replace(b"</c>", b"</d>", 1),
    ],
    ids=["cut", "text between rows", "a text that is not there", "no number", "rows out of order", "tags crossed"],
)
def test_damage_inside_a_sheet_is_told_and_never_read(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    def write(_: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, [41061, "示例"])
        sheet.write_row(1, 0, [41062, "示例乙"])

    path = rewritten(book(tmp_path / "damaged.xlsx", write), SHEET, damage)
    with pytest.raises(InputError, match=r"^damaged\.xlsx: truncated or damaged"):
        lines(path)


def test_a_workbook_of_another_program_reads_the_same(tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    made.active.append(["示例", 3, 2.5, True, date(2019, 3, 11), datetime(2019, 3, 11, 9, 30), None, "尾"])
    made.save(tmp_path / "a.xlsx")
    assert cells(tmp_path / "a.xlsx") == [
        ["示例", 3.0, 2.5, True, date(2019, 3, 11), datetime(2019, 3, 11, 9, 30), "", "尾"]
    ]
