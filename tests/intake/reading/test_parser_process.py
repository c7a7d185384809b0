"""The child that parses a foreign file: its limits, what it tells, and that it ends with its parent."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import xlsxwriter

from gateway.domain.errors import InputError
from gateway.intake.reading import parser_process
from gateway.intake.reading.files import open_tables

SHEET = "xl/worksheets/sheet1.xml"


def rewritten(path: Path, part: str, content: bytes) -> Path:
    """A workbook one of whose parts is something else."""
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made)
    book.add_worksheet().write_row(0, 0, ["示例", 41061])
    book.close()
    with zipfile.ZipFile(made) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            target.writestr(member.filename, content if member.filename == part else source.read(member))
    return path


def _sheet(inside: bytes) -> bytes:
    head = b'<?xml version="1.0" encoding="UTF-8"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    return head + b"<sheetData>" + inside + b"</sheetData></worksheet>"


def _styles(code: bytes) -> bytes:
    return (
        b'<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="1">'
        b'<numFmt numFmtId="200" formatCode="'
        + code
        + b'"/></numFmts><cellXfs><xf numFmtId="200"/></cellXfs></styleSheet>'
    )


HOSTILE = {
    "spaces in a row": (SHEET, _sheet(b'<row r="1">' + b" " * 2_000_000 + b"</row>")),
    "spaces between rows": (SHEET, _sheet(b" " * 2_000_000)),
    "a row never closed": (SHEET, _sheet(b'<row r="1">' + b'<c r="A1"><v>1</v></c>' * 700_000)),
    "spaces without an end": (SHEET, _sheet(b" " * 40_000_000)),
    "merged cells without an end": (SHEET, _sheet(b"") + b"<mergeCell y" * 200_000),
    "brackets in a format": ("xl/styles.xml", _styles(b"[" * 300_000)),
    "quotes in a format": ("xl/styles.xml", _styles(b"&quot;" * 99_999)),
    "a far column": (SHEET, _sheet(b'<row r="1"><c r="ZZZZZZZ1"><v>1</v></c></row>')),
    "a list of sheets as a tree": ("xl/workbook.xml", b"<workbook>" + b"<a/>" * 3_000_000 + b"</workbook>"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_workbook_ends_soon_and_in_words(tmp_path: Path, kind: str) -> None:
    path = rewritten(tmp_path / "hostile.xlsx", *HOSTILE[kind])
    used = _processor_time()
    with contextlib.suppress(InputError):
        for table in open_tables(path):
            list(table.rows())
    gc.collect()
    assert _processor_time() - used < 10


def _processor_time() -> float:
    """Of this process and its children that ended."""
    return sum(os.times()[:4])


@pytest.mark.parametrize("limit", ["MEMORY", "SECONDS"])
def test_a_limit_that_is_reached_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """The child reads its limits from the module, so a copy of the module with a smaller one stands before it."""
    source = Path(parser_process.__file__).read_text(encoding="utf-8")
    package = tmp_path / "with_limit"
    package.mkdir()
    changed = source.replace(f"\n{limit} = 1 << 30", f"\n{limit} = 1 << 26")
    changed = changed.replace("SECONDS, SECONDS_PER_MEGABYTE = 30, 15", "SECONDS, SECONDS_PER_MEGABYTE = 1, 0")
    if limit == "SECONDS":
        changed = changed.replace(
            "def _serve(", "def _endless() -> None:\n    while True:\n        pass\n\n\ndef _serve("
        )
        changed = changed.replace('    _send(out, {"sheets"', '    _endless()\n    _send(out, {"sheets"')
    else:
        changed = changed.replace('    _send(out, {"sheets"', '    bytearray(1 << 28)\n    _send(out, {"sheets"')
    (package / "limited_parser.py").write_text(changed, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(package))
    path = rewritten(tmp_path / "a.xlsx", "", b"")
    ended = subprocess.run(
        [sys.executable, "-c", _OPEN_WITH_COPY, str(path)], capture_output=True, text=True, check=False, timeout=100
    )
    assert ended.stdout.strip() == "resources", ended.stderr


_OPEN_WITH_COPY = """
import sys
from pathlib import Path
import limited_parser
from gateway.intake.reading.problems import UnreadableFile
try:
    limited_parser.Parser(Path(sys.argv[1]), 1 << 30, named_text=False).sheets()
except UnreadableFile as problem:
    print(problem.reason)
"""


def test_the_child_gets_no_secret_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_EXAMPLE_KEY", "secret")
    path = rewritten(tmp_path / "a.xlsx", "", b"")
    parser = parser_process.Parser(path, 1 << 30, named_text=False)
    assert parser.sheets()
    child = parser._child.pid
    assert b"GATEWAY_EXAMPLE_KEY" not in Path(f"/proc/{child}/environ").read_bytes()
    parser.close()
    assert not Path(f"/proc/{child}").exists()


_PARENT = """
import sys, time
from pathlib import Path
from gateway.intake.reading.parser_process import Parser
parser = Parser(Path(sys.argv[1]), 1 << 30, named_text=False)
parser.sheets()
print(parser._child.pid, flush=True)
time.sleep(100)
"""


def test_the_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    path = rewritten(tmp_path / "a.xlsx", "", b"")
    with subprocess.Popen([sys.executable, "-c", _PARENT, str(path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _lives(child) and time.monotonic() < deadline:
        os.sched_yield()
    assert not _lives(child)


def _lives(process: int) -> bool:
    """Whether a process still works; one that ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_two_readings_of_a_table_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("".join(f"{number},x\n" for number in range(20_000)), encoding="utf-8")
    [table] = open_tables(path)
    first, second = table.rows(), table.rows()
    assert next(first) == next(second)
    assert sum(1 for _ in second) == sum(1 for _ in first) == 19_999
