"""Formats and spellings that programs write: separators, web pages, XML of 2003, parts that lie elsewhere."""

from __future__ import annotations

import html
import importlib.util
import io
import sys
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import xlsxwriter

from gateway.domain.errors import InputError
from gateway.intake.reading.files import open_tables
from gateway.intake.reading.number_formats import number_cell, of_code
from gateway.intake.reading.reader import read_batch


def _corpus() -> ModuleType:
    spec = importlib.util.spec_from_file_location("intake_corpus", Path(__file__).with_name("corpus.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


c: Any = _corpus()
HEAD, PAIR = [c.TITLES, c.line()], [c.TITLES, c.line(), c.second()]
NAMESPACE = (
    'xmlns="urn:schemas-microsoft-com:office:spreadsheet" xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet"'
)


def page(rows: Sequence[Sequence[object]], row: Callable[[int], str] = lambda _: "") -> str:
    """A table of a web page, in the form systems export under the name of a workbook."""
    lines = (
        f"<tr{row(at)}>" + "".join(f"<td class=xl65>{html.escape(str(cell))}</td>" for cell in line) + "</tr>"
        for at, line in enumerate(rows)
    )
    style = '<meta charset="gb2312"><style>td{mso-number-format:"\\@"}</style>'
    head = f'<html xmlns:x="urn:schemas-microsoft-com:office:excel"><head>{style}</head>'
    return f"{head}<body><table border=1><caption>x</caption>{''.join(lines)}</table></body></html>"


def xml2003(rows: Sequence[Sequence[object]], *, sheet: str = "汇总表", options: str = "") -> str:
    """An XML Spreadsheet 2003."""

    def cell(value: object) -> str:
        if isinstance(value, date):
            return f'<Cell><Data ss:Type="DateTime">{value.isoformat()}T00:00:00.000</Data></Cell>'
        kind = "Number" if isinstance(value, float) else "String"
        return f'<Cell><Data ss:Type="{kind}">{html.escape(str(value))}</Data></Cell>'

    lines = "".join(f"<Row>{''.join(map(cell, row))}</Row>" for row in rows)
    styles = '<Styles><Style ss:ID="z"><NumberFormat ss:Format="0000000000"/></Style></Styles>'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><?mso-application progid="Excel.Sheet"?><Workbook {NAMESPACE}>{styles}'
        f'<Worksheet ss:Name="{sheet}"><Table>{lines}</Table>{options}</Worksheet></Workbook>'
    )


def failures(path: Path) -> list[list[str]]:
    return [[f"{one.gate} {one.field}" for one in row.failures] for row in read_batch(path).rows]


def written(tmp_path: Path, name: str, content: str | bytes, encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
    return path


HIDDEN = (
    '<WorksheetOptions xmlns="urn:schemas-microsoft-com:office:excel"><Visible>SheetHidden</Visible></WorksheetOptions>'
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("before", ["", "<!-- made by a system -->\r\n", "<div>", "<!DOCTYPE html>\n"])
def test_a_web_page_named_as_a_workbook_is_read(tmp_path: Path, encoding: str, before: str) -> None:
    assert failures(written(tmp_path, "a.xls", before + page(PAIR), encoding)) == [[], []]


def test_a_layout_around_spans_breaks_and_hidden_rows_of_a_page_are_understood(tmp_path: Path) -> None:
    hidden = page(PAIR, lambda at: ' style="display: none"' if at == 2 else "")
    around = f"<html><body><table><tr><td>{page([['x']])}{hidden}</td></tr></table></body></html>"
    assert failures(written(tmp_path, "a.xls", around)) == [[], ["R-HIDDEN "]]
    spans = (
        "<table><tr><td>a<td>b<td>c</tr><tr><td rowspan=2>1<td colspan=2>2<br>3</tr>"
        "<tr><td>4<td>&nbsp;5</td></tr></table>"
    )
    [table] = open_tables(written(tmp_path, "b.xls", spans))
    first, second, third = (list(line.cells) for line in table.rows())
    assert (first, second[:2], third) == (["a", "b", "c"], ["1", "2\n3"], ["1", "4", "5"])


def test_an_xml_spreadsheet_of_2003_is_read(tmp_path: Path) -> None:
    rows = [c.TITLES, c.line(issue_date=date(2012, 6, 1), application_date="")]
    path = written(tmp_path, "a.xls", xml2003(rows))
    [row] = read_batch(path).rows
    assert row.failures == ()
    assert row.filing is not None
    assert row.filing.issue_date == date(2012, 6, 1)
    hidden = written(tmp_path, "b.xls", xml2003(HEAD, options=HIDDEN))
    with pytest.raises(InputError, match="hidden sheet 汇总表"):
        read_batch(hidden)


def test_cells_of_2003_stand_where_their_places_say(tmp_path: Path) -> None:
    table = (
        '<Row ss:Index="3"><Cell ss:Index="2"><Data ss:Type="String">x</Data></Cell><Cell ss:StyleID="z">'
        '<Data ss:Type="Number">12345678</Data></Cell><Cell><Data ss:Type="Error">#N/A</Data></Cell></Row>'
        '<Row ss:Hidden="1"><Cell ss:MergeAcross="1"><Data ss:Type="Boolean">1</Data></Cell>'
        '<Cell><Data ss:Type="DateTime">1899-12-31T09:30:00.000</Data></Cell></Row>'
    )
    path = written(tmp_path, "a.xls", xml2003([]).replace("<Table></Table>", f"<Table>{table}</Table>"))
    first, second = next(iter(open_tables(path))).rows()
    assert (first.number, list(first.cells[:3]), first.hidden) == (3, ["", "x", "0012345678"], False)
    assert first.cells[3].rule.id == "R-ERROR-VALUE"
    assert (second.number, second.cells[0], second.cells[-1], second.hidden) == (4, True, time(9, 30), True)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.ods", b"x", "open document"),
        ("a.et", b"x", "WPS"),
        ("a.mht", b"x", "web archive"),
        ("a.xls", b"MIME-Version: 1.0\r\nContent-Type: multipart/related\r\n\r\n", "web archive"),
        ("a.xlsx", b"Rar!\x1a\x07", "packed archive"),
        ("a.xlsx", b"\x89PNG\r\n", "picture"),
        ("a.xls", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>'
                  b'<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">&b;</Workbook>', "document type"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_named_in_both_languages(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    with pytest.raises(InputError, match=rf"^{name}: .*{says}.* / .*[\u4e00-\u9fff]"):
        open_tables(written(tmp_path, name, content))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "；"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
def test_separators_are_found_by_content(tmp_path: Path, separator: str, encoding: str) -> None:
    rows = [c.TITLES, c.line(address="示例路1号,2单元\r\n3室"), c.second()]
    assert failures(written(tmp_path, "a.csv", c.text(rows, encoding, separator))) == [[], []]
    told = f"sep={separator}\r\n".encode(encoding) + c.text(rows, encoding, separator).removeprefix(
        "\ufeff".encode(encoding)
    )
    if encoding != "utf-16":
        assert failures(written(tmp_path, "b.csv", told)) == [[], []]


def moved(rows: Sequence[Sequence[object]], places: dict[str, str]) -> bytes:
    """A workbook whose parts lie elsewhere, and whose relationships say where."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(c.book(rows))) as source, zipfile.ZipFile(out, "w") as target:
        for member in source.infolist():
            data = source.read(member)
            for old, new in places.items():
                data = data.replace(old.encode(), new.encode())
                member.filename = member.filename.replace(old, new)
            target.writestr(member.filename, data)
    return out.getvalue()


@pytest.mark.parametrize(
    "places",
    [
        {"workbook.xml": "workbook22.xml"},
        {"worksheets/sheet1.xml": "tables/first.xml"},
        {"sharedStrings.xml": "texts/all.xml"},
        {"styles.xml": "looks.xml"},
    ],
)
def test_parts_are_found_by_their_relationships(tmp_path: Path, places: dict[str, str]) -> None:
    rows = [c.TITLES, c.line(issue_date=date(2012, 6, 1), application_date="")]
    assert failures(written(tmp_path, "a.xlsx", moved(rows, places))) == [[]]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("2012-06-01", date(2012, 6, 1)),
        ("2012-06-01T09:30:00", datetime(2012, 6, 1, 9, 30)),
        ("09:30:00", time(9, 30)),
        ("2012-06-01T00:00:00.0000000001", date(2012, 6, 1)),
        ("PT1H", "PT1H"),
        ("9999-12-31", date(9999, 12, 31)),
        ("20120601T24:00", "20120601T24:00"),
    ],
)
def test_an_iso_day_or_time_in_any_cell_is_read(tmp_path: Path, value: str, cell: object) -> None:
    change = lambda sheet: sheet.replace(  # noqa: E731
        b'<c r="A1" t="s"><v>0</v></c>', f'<c r="A1" t="d"><v>{value}</v></c>'.encode()
    )
    path = written(tmp_path, "a.xlsx", c.patched(c.book([["x", "y"]]), "xl/worksheets/sheet1.xml", change))
    [table] = open_tables(path)
    assert [list(line.cells) for line in table.rows()] == [[cell, "y"]]


@pytest.mark.parametrize(
    ("code", "number", "cell"),
    [
        ("0000000000", 12345678.0, "0012345678"),
        ("000", 12345.0, "12345"),
        ('"鲁A"0000000000', 12345678.0, "鲁A0012345678"),
        ("0000-00-00", 20120601.0, "2012-06-01"),
        ("000-0000-0000", 13800000100.0, "138-0000-0100"),
        ("0.00%", 0.2012, "20.12%"),
        ("0%", 1.0, "100%"),
        ("0", 12.0, 12.0),
        ("#,##0", 1234.0, 1234.0),
        ("0000", 12.5, 12.5),
        ("0000", 1e16, 1e16),
        ("@", 12.0, 12.0),
        ("[[[[", 12.0, 12.0),
        ("yyyy-mm-dd", 2958465.0, date(9999, 12, 31)),
    ],
)
def test_a_number_is_the_text_that_its_format_shows(code: str, number: float, cell: object) -> None:
    assert number_cell(number, of_code(code), old_days=False) == cell


def test_a_million_formatted_blank_rows_take_no_rows_and_little_time(tmp_path: Path) -> None:
    blank = b"".join(
        b'<row r="%d" spans="1:8"><c r="A%d" s="1"/><c r="B%d" s="1"/></row>' % (n, n, n) for n in range(3, 200_000)
    )
    change = lambda sheet: sheet.replace(b"</sheetData>", blank + b"</sheetData>")  # noqa: E731
    path = written(tmp_path, "a.xlsx", c.patched(c.book(PAIR), "xl/worksheets/sheet1.xml", change))
    [table] = open_tables(path)
    assert [line.number for line in table.rows()] == [1, 2, 3]


def test_a_small_sheet_with_its_formats_in_another_order_keeps_its_days(tmp_path: Path) -> None:
    made = xlsxwriter.Workbook(str(tmp_path / "a.xlsx"))
    sheet = made.add_worksheet()
    for at, code in enumerate(("0", "yyyy-mm-dd", "0000000000", "h:mm")):
        sheet.write_number(0, at, 41061.5, made.add_format({"num_format": code}))
    made.close()
    [table] = open_tables(tmp_path / "a.xlsx")
    [line] = table.rows()
    assert list(line.cells) == [41061.5, datetime(2012, 6, 1, 12), 41061.5, datetime(2012, 6, 1, 12)]
