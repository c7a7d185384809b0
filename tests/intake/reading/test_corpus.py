"""Awkward files as cities send them: each is read rightly, or refused with the place and the rule."""

from __future__ import annotations

import importlib.util
import sys
from datetime import date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gateway.domain.errors import InputError
from gateway.domain.records import ContractTerm
from gateway.intake.reading.reader import read_batch
from gateway.intake.rules.gate_rules import GateRules
from gateway.intake.rules.gates import judge


def _corpus() -> ModuleType:
    spec = importlib.util.spec_from_file_location("intake_corpus", Path(__file__).with_name("corpus.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


c: Any = _corpus()
Case, T, line, second, book, one, text, old = (
    getattr(c, name) for name in ("Case", "TITLES", "line", "second", "book", "one", "text", "old")
)
HEAD, PAIR = [T, line()], [T, line(), second()]
OK: tuple[str, ...] = ()
HIDDEN = ("R-HIDDEN ",)
OTHER_ARCHIVE = "no workbook of the kind .xlsx"
GROUPS = [["姓名", *["人员"] * 9, *T[10:]], ["", *T[1:10]]]
DOWN = [list(T), [""] * len(T)]
OTHER_WAY = list(reversed(T))
DAY, UNCERTAIN = date(2012, 6, 1), (("R-DATE issue_date",),)


def issued(cell: Any) -> Any:
    return one(issue_date=cell, application_date="")


def down(field: str, value: str) -> Any:
    """A cell merged over both rows."""
    rows = [T, line(**{field: ""}), second(**{field: ""})]
    return c.on_sheet(rows, lambda sheet: sheet.merge_range(1, c.place(field), 2, c.place(field), value))


def across(first: str, last: str) -> Any:
    return c.on_sheet(HEAD, lambda sheet: sheet.merge_range(1, c.place(first), 1, c.place(last), "示例"))


LAYOUT = [
    Case("plain.xlsx", lambda: book(HEAD), says={"id_number": c.X, "name": "示例甲", "issue_date": DAY}),
    Case("plain.xlsm", lambda: book(HEAD)),
    Case("a title merged above.xlsx", c.on_sheet([[], *HEAD], lambda s: s.merge_range(0, 0, 0, 40, "审核汇总表"))),
    Case("nine lines above.xlsx", lambda: book([*[["填表说明"]] * 9, *HEAD])),
    Case("ten lines above.xlsx", lambda: book([*[["填表说明"]] * 10, *HEAD]), refused="none of the first 10 rows"),
    Case("a header under group titles.xlsx", lambda: book([["审核汇总表"], *GROUPS, line()])),
    Case(
        "a header merged downwards.xlsx",
        c.on_sheet([*DOWN, line()], lambda s: [s.merge_range(0, n, 1, n, t) for n, t in enumerate(T)]),
    ),
    Case("headers with asterisks and breaks.xlsx", lambda: book([[f"＊{t[:2]}\n{t[2:]}（必填）" for t in T], line()])),
    Case("an explanatory sheet behind.xlsx", lambda: book(HEAD, [["填写说明"], ["姓名", "照身份证填写"]])),
    Case("the table on the second sheet.xlsx", lambda: book([["填写说明"]], HEAD)),
    Case("two tables.xlsx", lambda: book(HEAD, [T, second()]), refused="Sheet1、Sheet2 each hold a table"),
    Case("a hidden copy.xlsx", lambda: book(HEAD, HEAD, then=lambda b, _: b.worksheets()[1].hide())),
    Case(
        "only a hidden table.xlsx",
        lambda: book(HEAD, [["说明"]], then=lambda b, s: (b.worksheets()[1].activate(), s.hide())),
        refused="no table found",
    ),
    Case("a chart beside.xlsx", lambda: book(HEAD, then=lambda b, _: b.add_chartsheet("图"))),
    Case("empty rows and columns in front.xlsx", lambda: book([[], [], *(["", "", *row] for row in PAIR)]), [OK, OK]),
    Case("empty rows between.xlsx", lambda: book([T, [], line(), [], [], second(), []]), [OK, OK]),
    Case("a hidden row.xlsx", c.on_sheet(PAIR, lambda s: s.set_row(2, None, None, {"hidden": 1})), [OK, HIDDEN]),
    Case("a hidden column.xlsx", c.on_sheet(HEAD, lambda s: s.set_column(3, 9, None, None, {"hidden": 1}))),
    Case("a hidden row in shifted columns.xlsx",
         c.on_sheet([["", *r] for r in PAIR], lambda s: s.set_row(1, None, None, {"hidden": 1})), [HIDDEN, OK]),
    Case("a total.xlsx", lambda: book([*PAIR, ["合计", "", "2人"]]), [OK, OK]),
    Case("a total with blanks in its word.xlsx", lambda: book([*PAIR, ["总　 计"]]), [OK, OK]),
    Case("a total beside the running number.xlsx", lambda: book([["序号", *T], [1, *line()], ["本页小计", 1]])),
    Case("signatures at the foot.xlsx", lambda: book([*HEAD, [], ["制表人：示例", "", "审核人：某"], ["（盖章）："]])),
    Case("a note at the foot.xlsx", lambda: book([*HEAD, ["注：等级填写初级、中级、高级"]])),
    Case("a total that names a certificate.xlsx",
         lambda: book([*HEAD, second(name="合计", id_number="")]), [OK, ("R-REQUIRED id_number",)]),
    Case("a header on each page.xlsx", lambda: book([*HEAD, T, second()]), [OK, OK]),
    Case("a second table below.xlsx", lambda: book([*HEAD, OTHER_WAY, second()]), refused="row 3: a second header"),
    Case("an employer merged downwards.xlsx", down("employer_name", "山东示例建设有限公司"), [OK, OK]),
    Case("an end merged downwards.xlsx", down("valid_to", "2030-12-31"), [OK, OK]),
    Case("cells merged across.xlsx", across("education", "home_region"),
         [("R-CODE education", "R-MERGED mobile", "R-MERGED home_region")]),
    Case("a far cell.xlsx", c.on_sheet(HEAD, lambda s: s.write(1_048_575, 0, "x")), [OK, ("R-ROW ",)]),
    Case("a cell far to the right.xlsx", c.on_sheet(PAIR, lambda s: s.write(2, 16_383, "x")), [OK, OK]),
    Case("many empty formatted rows.xlsx", c.on_sheet(HEAD, lambda s: [s.set_row(n, 20) for n in range(2, 3000)])),
    Case(
        "a column missing.xlsx",
        lambda: book([_without_code(T), _without_code(line())]),
        refused="are missing: 填报企业代码",
    ),
    Case("a column twice.xlsx", lambda: book([[*T, "证件号码"], [*line(), "1"]]), refused="stand twice: 身份证号码"),
    Case("only a header.xlsx", lambda: book([T]), []),
]  # fmt: skip

VALUES = [
    Case("full-width digits.xlsx", one(id_number=c.wide(c.X), issuer_code=c.wide(c.GOOD["发证机关代码"])),
         says={"id_number": c.X}),
    Case("a small x.xlsx", one(id_number=c.X.lower()), says={"id_number": c.X}),
    Case("a full-width X.xlsx", one(id_number=c.X[:17] + "Ｘ"), says={"id_number": c.X}),
    Case("a full-width small x.xlsx", one(id_number=c.X[:17] + "ｘ"), says={"id_number": c.X}),
    Case("blanks all around.xlsx", one(id_number=f"\u3000{c.X} \xa0\u200b\t", name=" 示例甲　", level="初级 \n")),
    Case("an apostrophe in front.xlsx", one(id_number=f"'{c.X}")),
    Case("a number that lost its end.xlsx", one(id_number=370000198001010018), [("R-DIGITS-LOST id_number",)]),
    Case("a number as 3.7E+17.xlsx", one(id_number="3.70000E+17"), [("R-DIGITS-LOST id_number",)]),
    Case("a certificate number that lost its end.xlsx",
         one(certificate_number=3701122012001234), [("R-DIGITS-LOST certificate_number",)]),
    Case("a mobile number stored as number.xlsx", one(mobile=13800000001), says={"mobile": "13800000001"}),
    Case("fifteen digits.xlsx", one(id_number=f"{c.X[:6]}{c.X[8:17]}"), says={"id_number": c.X}),
    Case("fifteen digits as number.xlsx", one(id_number=int(f"{c.X[:6]}{c.X[8:17]}")), says={"id_number": c.X}),
    Case("a wrong check digit.xlsx", one(id_number=c.X[:17] + "0"), [("R-ID-CHECK id_number",)]),
    *(
        Case(f"an issue date {n}.xlsx", issued(cell), says={"issue_date": DAY})
        for n, cell in enumerate(
            (DAY, datetime(2012, 6, 1, 8, 30), 41061, 41061.0, 20120601, "41061", "20120601", "2012.6.1", "2012.06.01",
             "2012年6月1日", "2012年06月01日 ", "2012/6/1", "2012-6-1 0:00:00", "２０１２．６．１", " 2012－06－01")
        )
    ),
    *(
        Case(f"no date {n}.xlsx", issued(cell), UNCERTAIN)
        for n, cell in enumerate(("12.6.1", "2012年6月", "2012.2.30", "6/1/2012", 201206, 2012, "见证书", True))
    ),
    Case("days from 1904.xlsx", lambda: book([T, line(issue_date=DAY)], date_1904=True), says={"issue_date": DAY}),
    Case("a bare number of days from 1904.xlsx", lambda: book([T, line(issue_date=39599)], date_1904=True), UNCERTAIN),
    *(
        Case(f"a name with a dot {n}.xlsx", one(name=f"古丽{dot}艾山"), says={"name": "古丽·艾山"})
        for n, dot in enumerate("·•．‧・･∙⋅● .")
        if dot != " "
    ),
    *(
        Case(f"a rare character {ord(h):X}.xlsx", one(name=f"王{h}"), says={"name": f"王{h}"})
        for h in "㐀䶮〇龴﨑𠀀𠮷𪜀𫝀𫠠𬱟𮯰𰀀𱍐"
    ),
    *(Case(f"a name of another script {n}.xlsx", one(name=name), says={"name": name})
      for n, name in enumerate(("བཀྲ་ཤིས", "ᠪᠠᠭᠠᠲᠤᠷ", "ئەركىن", "ꆈꌠ"))),
    Case("a rich text.xlsx", lambda: book(HEAD, then=lambda b, s: s.write_rich_string(
        1, 0, "示", b.add_format({"bold": 1}), "例", b.add_format({"italic": 1}), "甲")), says={"name": "示例甲"}),
    Case("a formula with its number.xlsx", c.formula("issue_date", "=41060+1", 41061), says={"issue_date": DAY}),
    Case("a formula with its text.xlsx", c.formula("name", '="示例"&"丙"', "示例丙"), says={"name": "示例丙"}),
    Case("a formula never calculated.xlsx", lambda: c.unsaved("valid_to"), [("R-FORMULA valid_to",)]),
    Case("a formula as text.xlsx", one(issuer_name="=B2&C2"), [("R-FORMULA issuer_name",)]),
    Case("an error value.xlsx", c.formula("contract_end", "=NA()", "#N/A"), [("R-ERROR-VALUE contract_end",)]),
    Case("an error value where none matters.xlsx", c.formula("mobile", "=1/0", "#DIV/0!"), [("R-ERROR-VALUE mobile",)]),
    Case("an error value as text.xlsx", one(issuer_name="#REF!"), [("R-ERROR-VALUE issuer_name",)]),
    Case("an error value in shifted columns.xlsx", c.on_sheet(
        [["", *row] for row in HEAD], lambda s: s.write_formula(1, c.place("valid_to") + 1, "=NA()", None, "#N/A")),
         [("R-ERROR-VALUE valid_to",)]),
    Case("yes as a truth value.xlsx", one(employed=True, seal_stamped=True), says={"employed": True}),
    Case("an open-ended contract.xlsx", one(contract_term="无固定期限", contract_end="无固定期限"),
         says={"contract_term": ContractTerm.OPEN, "contract_end": None}),
]  # fmt: skip

OLD = [
    Case("plain.xls", lambda: old(HEAD), says={"id_number": c.X, "issue_date": DAY}),
    Case("a date cell.xls", lambda: old([T, line(issue_date=DAY)]), says={"issue_date": DAY}),
    Case("a rare character.xls", lambda: old([T, line(name="王𠮷")]), says={"name": "王𠮷"}),
    Case("a lost end.xls", lambda: old([T, line(id_number=370000198001010018.0)]), [("R-DIGITS-LOST id_number",)]),
    Case("a hidden row.xls", lambda: old(PAIR, lambda _, s: setattr(s.row(2), "hidden", True)), [OK, HIDDEN]),
    Case("an error value.xls", lambda: old([T, line(valid_to="")], lambda _, s: s.row(1).set_cell_error(
        c.place("valid_to"), 42)), [("R-ERROR-VALUE valid_to",)]),
    Case("an end merged downwards.xls", lambda: old([T, line(), second()], lambda _, s: s.write_merge(
        1, 2, c.place("valid_to"), c.place("valid_to"), "2030-12-31")), [OK, OK]),
    Case("two tables.xls", lambda: old(HEAD, lambda b, _: c.add_old(b, [T, second()])), refused="汇总表、二 each hold"),
    Case("days from 1904.xls", lambda: old([T, line(issue_date=39599.0)], lambda b, _: setattr(b, "dates_1904", 1)),
         UNCERTAIN),
    Case("an old workbook named as a new one.xlsx", lambda: old(HEAD)),
    Case("a new workbook named as an old one.xls", lambda: book(HEAD)),
    Case("locked.xls", c.locked_old, refused="protected by a password"),
    Case("a false extent.xls", c.boundless),
    Case("cut.xls", lambda: old(HEAD)[:3000], refused="truncated or damaged"),
    Case("text named as a workbook.xls", lambda: text(HEAD)),
    Case("a web page named as a workbook.xls", lambda: b"<html><table>", refused="a web page or XML"),
    Case("another old document.doc.xls", lambda: old(HEAD).replace(
        "Workbook".encode("utf-16-le"), "WordDocu".encode("utf-16-le")), refused="neither a workbook of Excel 97"),
]  # fmt: skip

QUOTED = {"id_number": f'="{c.X}"', "name": '="示例甲"', "certificate_number": '="鲁A20120000001"'}
TEXTS = [
    *(Case(f"{encoding}.csv", lambda encoding=encoding: text(PAIR, encoding), [OK, OK], {"name": "示例甲"})
      for encoding in ("utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16")),
    Case("big-endian.csv", lambda: b"\xfe\xff" + text(PAIR, "utf-16-be"), [OK, OK]),
    *(Case(f"wide without a mark {order}.csv", lambda order=order: text(PAIR, f"utf-16-{order}"), [OK, OK])
      for order in ("le", "be")),
    Case("four bytes each.csv", lambda: text(HEAD, "utf-32"), refused="neither UTF-8, UTF-16 nor"),
    Case("a mark before gb18030.csv", lambda: "\ufeff".encode("gb18030") + text(HEAD, "gb18030")),
    Case("tabs.txt", lambda: text(PAIR, "utf-16", "\t"), [OK, OK]),
    Case("unix lines.csv", lambda: text(PAIR, end="\n"), [OK, OK]),
    Case("old mac lines.csv", lambda: text(PAIR, end="\r"), [OK, OK]),
    Case("all planes.csv", lambda: text([T, line(name="王㐀𠮷𪜀𫠠𬱟𰀀")], "gb18030"), says={"name": "王㐀𠮷𪜀𫠠𬱟𰀀"}),
    Case("a character that moved in gb18030.csv",
         lambda: text([T, line(name="王@甲")], "gb18030").replace(b"@", b"\xfe\x59"), says={"name": "王\u9fb4甲"}),
    Case("a private character.csv", lambda: text([T, line(name="王\ue000")]), [("R-NAME name",)]),
    Case("a lost character.csv", lambda: text([T, line(name="王\ufffd")]), [("R-NAME name",)]),
    Case("a line break in a cell.csv", lambda: text([T, line(address="示例路1号\n2单元"), second()]), [OK, OK]),
    Case("cells kept from rounding.csv", lambda: text([T, line(**QUOTED)]), says={"id_number": c.X, "name": "示例甲"}),
    Case("a column too narrow to export.csv", lambda: text([T, line(issue_date="########")]),
         [("R-ERROR-VALUE issue_date",)]),
    Case("an exported error.csv", lambda: text([T, line(valid_to="#N/A")]), [("R-ERROR-VALUE valid_to",)]),
    Case("3.7E+17.csv", lambda: text([T, line(id_number="3.7E+17")]), [("R-DIGITS-LOST id_number",)]),
    Case("empty lines and commas at the foot.csv", lambda: text([*HEAD, [""] * len(T), [], ["合计", "1"]])),
    Case("an empty cell too few.csv", lambda: text([[*T, "备注"], line(), [*second(), "x"]]), [OK, OK]),
    Case("a cell too few.csv", lambda: text([T, line()[: c.place("channel")], second()]), [("R-WIDTH ",), OK]),
    Case("a comma not quoted.csv", lambda: text([T, ["x", *line()], second()]), [("R-WIDTH ",), OK]),
    Case("a quote never closed.csv", lambda: text(HEAD) + b'"x,1\n2,3\n', refused="row 3 is no CSV"),
    Case("zeros inside.csv", lambda: text(HEAD) + bytes(9), refused="neither UTF-8"),
    Case("a workbook named as text.csv", lambda: book(HEAD), refused="its content is a workbook"),
    Case("an old workbook named as text.csv", lambda: old(HEAD), refused="its content is a workbook"),
    Case("a web page named as text.csv", lambda: b"<html><body>login</body></html>", refused="no table found"),
    Case("nothing.csv", lambda: b"", refused="the file is empty"),
    Case("only a mark.csv", lambda: b"\xef\xbb\xbf", refused="no table found"),
]  # fmt: skip

FILES = [
    Case("nothing.xlsx", lambda: b"", refused="the file is empty"),
    Case("locked.xlsx", c.locked_new, refused="protected by a password"),
    *(Case(f"cut at {share} of ten.xlsx", lambda share=share: (b := book(HEAD))[: len(b) * share // 10],
           refused="truncated or damaged") for share in (1, 5, 9)),
    Case("a flipped byte.xlsx", lambda: (b := book(HEAD))[:900] + bytes([b[900] ^ 255]) + b[901:],
         refused="truncated or damaged"),
    Case("a huge part.xlsx", lambda: c.declared(0xFFFFFF00), refused="unpacks to more than"),
    Case("a part larger than it says.xlsx", lambda: c.declared(50), refused="truncated or damaged"),
    Case("a sheet cut short.xlsx", c.sheet_part(lambda b: b[: len(b) // 2]), refused="truncated or damaged"),
    Case("no sheet inside.xlsx", c.sheet_part(lambda _: b""), refused="truncated or damaged|no table found"),
    Case("entities in the sheet.xlsx", c.sheet_part(c.with_entities), refused="declares a document type"),
    Case("a text document.xlsx", lambda: c.archive(word__document="x"), refused=OTHER_ARCHIVE),
    Case("an open document.xlsx", lambda: c.archive(mimetype="x", content="x"), refused=OTHER_ARCHIVE),
    Case("text named as a workbook.xlsx", lambda: text(HEAD)),
    Case("a page for print.xlsx", lambda: b"%PDF-1.7", refused="its content is not one"),
    Case("xml of 2003.xlsx", lambda: b'<?xml version="1.0"?><Workbook/>', refused="a web page or XML"),
    Case("a page for print.pdf", lambda: b"%PDF-1.7", refused="neither .xlsx, .xls nor .csv"),
]  # fmt: skip


def _without_code(cells: Any) -> list[Any]:
    at = list(T).index("填报企业代码")
    return [*cells[:at], *cells[at + 1 :]]


CASES = [*LAYOUT, *VALUES, *OLD, *TEXTS, *FILES]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_an_awkward_file_is_read_rightly_or_refused_with_its_rule(tmp_path: Path, case: Any) -> None:
    path = tmp_path / case.name
    path.write_bytes(case.make())
    if case.refused:
        with pytest.raises(InputError, match=case.refused) as caught:
            list(read_batch(path).rows)
        assert str(caught.value).startswith(case.name)
        return
    rows = list(read_batch(path).rows)
    assert [tuple(f"{f.gate} {f.field}" for f in row.failures) for row in rows] == [tuple(r) for r in case.rows]
    for row in rows:
        assert row.filing is not None or row.failures
        if row.filing is not None:
            assert judge(row.filing, GateRules()) == ()
    for field, value in case.says.items():
        assert getattr(rows[0].filing, field) == value


def test_the_corpus_is_large_and_every_file_has_a_name_of_its_own() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names)) >= 60


@pytest.mark.parametrize("suffix", ["xlsx", "xls"])
def test_values_merged_downwards_hold_for_every_row(tmp_path: Path, suffix: str) -> None:
    [case] = [case for case in CASES if case.name == f"an end merged downwards.{suffix}"]
    path = tmp_path / case.name
    path.write_bytes(case.make())
    assert [row.filing.valid_to for row in read_batch(path).rows if row.filing] == [date(2030, 12, 31)] * 2
