"""The returns: refused rows come back as they were, with reasons where the city looks for them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest

from gateway.domain.errors import InputError
from gateway.intake.reading.reader import Batch, read_batch
from gateway.intake.reading.returns import LEADING, RefusedRow, Returns, write_returns
from gateway.intake.rules.gate_rules import GateRules
from gateway.intake.rules.gate_table import GateFailure, Severity
from gateway.intake.rules.gates import RowOutcome, claims, cross_check, judge, outcome
from gateway.testing.batch import write_sample

RED, YELLOW, BLUE = "FFFFC7CE", "FFFFEB9C", "FFDDEBF7"


def _refused(batch: Batch) -> list[RefusedRow]:
    rows, rules = list(batch.rows), GateRules()
    crossed = cross_check([claims(row.filing) for row in rows], {})
    found = []
    for index, row in enumerate(rows):
        failures = (*row.failures, *(judge(row.filing, rules) if row.filing else ()), *crossed.get(index, ()))
        if outcome(failures) is not RowOutcome.ADMIT:
            found.append(RefusedRow.of(row, failures))
    return found


def _one(*failures: GateFailure, **cells: str) -> RefusedRow:
    return RefusedRow(number=7, cells=cells, failures=failures)


def _failure(gate: str, field: str, severity: Severity = Severity.REFUSE) -> GateFailure:
    return GateFailure(gate=gate, field=field, message="rule", message_zh="规则说明", severity=severity)


def test_the_returns_hold_every_refused_row_with_its_original_cells(tmp_path: Path) -> None:
    batch = read_batch(write_sample(tmp_path / "batch.xlsx"))
    refused = _refused(batch)
    assert write_returns(tmp_path / "returns.xlsx", batch.columns, refused) == len(refused) > 20
    sheet = openpyxl.load_workbook(tmp_path / "returns.xlsx")["退回表"]
    header, *lines = sheet.iter_rows(values_only=True)
    assert header == (*LEADING, *batch.columns)
    assert len(lines) == len(refused)
    for line, row in zip(lines, refused, strict=True):
        assert line[0] == str(row.number)
        assert [cell or "" for cell in line[len(LEADING) :]] == [row.cells.get(name, "") for name in batch.columns]
        assert all(failure.gate in str(line[2]) and failure.message_zh in str(line[3]) for failure in row.failures)


def test_concerned_cells_are_coloured_and_carry_a_comment(tmp_path: Path) -> None:
    columns = ("姓名", "身份证号", "异议状态", "手机号码")
    rows = [
        _one(
            _failure("R-ID-CHECK", "id_number"), _failure("N23", "objection", Severity.HOLD), 姓名="示例", 身份证号="1"
        ),
        _one(_failure("R-MOBILE", "mobile", Severity.WARN), _failure("N23", "objection", Severity.HOLD), 手机号码="2"),
    ]
    write_returns(tmp_path / "returns.xlsx", columns, rows)
    sheet = openpyxl.load_workbook(tmp_path / "returns.xlsx")["退回表"]
    first = [sheet.cell(2, len(LEADING) + place) for place in range(1, 5)]
    assert [cell.fill.fgColor.rgb for cell in first[1:3]] == [RED, YELLOW]
    assert [cell.comment is not None for cell in first] == [False, True, True, False]
    assert "R-ID-CHECK" in first[1].comment.text
    assert "规则说明" in first[1].comment.text
    assert sheet.cell(3, len(LEADING) + 4).fill.fgColor.rgb == BLUE
    assert [sheet.cell(row, 2).value for row in (2, 3)] == ["退回修改", "暂缓，转人工核查"]
    assert sheet.cell(2, 4).value == "R-ID-CHECK 身份证号：规则说明\nN23 异议状态：规则说明"


def test_the_gravest_failure_gives_the_colour_and_the_comment_names_all(tmp_path: Path) -> None:
    both = _one(_failure("R-ID-GENDER", "gender", Severity.HOLD), _failure("R-CODE", "gender"), 性别="x")
    write_returns(tmp_path / "returns.xlsx", ("性别",), [both])
    cell = openpyxl.load_workbook(tmp_path / "returns.xlsx")["退回表"].cell(2, len(LEADING) + 1)
    assert cell.fill.fgColor.rgb == RED
    assert "R-ID-GENDER" in cell.comment.text
    assert "R-CODE" in cell.comment.text


def test_numbers_stay_text_and_formulas_stay_harmless(tmp_path: Path) -> None:
    row = _one(_failure("R-ROW", ""), 姓名='=HYPERLINK("http://example.invalid")', 身份证号码="370000198001010018")
    write_returns(tmp_path / "returns.xlsx", ("姓名", "身份证号码"), [row])
    sheet = openpyxl.load_workbook(tmp_path / "returns.xlsx")["退回表"]
    name, number = sheet.cell(2, len(LEADING) + 1), sheet.cell(2, len(LEADING) + 2)
    assert (name.data_type, number.data_type) == ("s", "s")
    assert (number.value, number.number_format) == ("370000198001010018", "@")


def test_the_summary_counts_rows_by_reason(tmp_path: Path) -> None:
    rows = [_one(_failure("N20", "seal_stamped")), _one(_failure("N20", "seal_stamped")), _one(_failure("R-ROW", ""))]
    write_returns(tmp_path / "returns.xlsx", ("姓名",), rows)
    summary = openpyxl.load_workbook(tmp_path / "returns.xlsx")["退回原因汇总"]
    assert list(summary.iter_rows(min_row=2, values_only=True)) == [
        ("N20", "五(三)", "N20 加盖专用印章：规则说明", 2),
        ("R-ROW", None, "R-ROW 规则说明", 1),
    ]


def test_corrected_returns_can_be_reported_as_they_are(tmp_path: Path) -> None:
    batch = read_batch(write_sample(tmp_path / "batch.xlsx"))
    refused = _refused(batch)
    write_returns(tmp_path / "returns.xlsx", batch.columns, refused)
    again = list(read_batch(tmp_path / "returns.xlsx").rows)
    assert len(again) == len(refused)
    assert [row.cells.get("姓名") for row in again] == [row.cells.get("姓名") for row in refused]


def test_nothing_refused_gives_a_sheet_with_only_its_header(tmp_path: Path) -> None:
    assert write_returns(tmp_path / "returns.xlsx", ("姓名",), []) == 0
    assert openpyxl.load_workbook(tmp_path / "returns.xlsx")["退回表"].max_row == 1


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"returns\.xlsx: the returns cannot be written"):
        write_returns(tmp_path / "absent" / "returns.xlsx", ("姓名",), [])


KILLED_IN_THE_MIDDLE = """
import os, signal, sys
from pathlib import Path
from gateway.intake.reading.returns import Returns, RefusedRow
with Returns(Path(sys.argv[1]), ("姓名",), force=True) as book:
    book.add(RefusedRow(number=n, cells={"姓名": "张三"}, failures=()) for n in range(2000))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_in_the_middle_the_old_file_stands_and_the_next_writing_removes_what_was_left(tmp_path: Path) -> None:
    path = tmp_path / "returns.xlsx"
    write_returns(path, ("姓名",), [_one(姓名="李四")])
    before = path.read_bytes()
    ended = subprocess.run([sys.executable, "-c", KILLED_IN_THE_MIDDLE, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2, "half a workbook is left"

    write_returns(path, ("姓名",), [], force=True)
    assert list(tmp_path.iterdir()) == [path]


def test_what_another_still_writes_is_left_alone(tmp_path: Path) -> None:
    with Returns(tmp_path / "one.xlsx", ("姓名",)) as one:
        write_returns(tmp_path / "two.xlsx", ("姓名",), [_one(姓名="李四")])
        one.add([_one(姓名="王五")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.xlsx", "two.xlsx"]
    assert openpyxl.load_workbook(tmp_path / "one.xlsx")["退回表"].max_row == 2


def test_the_file_is_its_owners_alone_whatever_stood_there(tmp_path: Path) -> None:
    path = tmp_path / "returns.xlsx"
    write_returns(path, ("姓名",), [])
    path.chmod(0o640)
    write_returns(path, ("姓名",), [], force=True)
    assert path.stat().st_mode & 0o777 == 0o600


def test_only_returns_are_written_over_and_only_when_asked_for(tmp_path: Path) -> None:
    path, other = tmp_path / "returns.xlsx", write_sample(tmp_path / "batch.xlsx", rows=3)
    write_returns(path, ("姓名",), [])
    before = path.read_bytes(), other.read_bytes()
    with pytest.raises(InputError, match=r"returns\.xlsx: is there already.*文件已存在"):
        write_returns(path, ("姓名",), [_one(姓名="李四")])
    for force in (False, True):
        with pytest.raises(InputError, match=r"batch\.xlsx: is there already and is no returns workbook.*不会被覆盖"):
            write_returns(other, ("姓名",), [], force=force)
    assert (path.read_bytes(), other.read_bytes()) == before
    assert write_returns(path, ("姓名",), [_one(姓名="李四")], force=True) == 1
