"""A corpus of awkward files, made by code: a name, the bytes, and what reading them must give.

Nobody in it exists: all numbers are of the unissued area 370000.
"""

from __future__ import annotations

import csv
import io
import random
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import openpyxl
import xlsxwriter
import xlwt

from gateway.domain.identifiers import resident_id_check_digit
from gateway.intake.reading.columns import COLUMNS, title
from gateway.testing.forms import CITIES, filed

Rows = Sequence[Sequence[Any]]


class Case(NamedTuple):
    """One file. ``rows``: the rules each row breaks; ``says``: fields of the first; ``refused``: the file's message."""

    name: str
    make: Callable[[], bytes]
    rows: Sequence[Sequence[str]] = ((),)
    says: Mapping[str, Any] = {}
    refused: str = ""


def number(order: int, born: str = "19800101") -> str:
    first17 = f"370000{born}{order:03d}"
    return first17 + resident_id_check_digit(first17)


X = next(n for n in map(number, range(1, 200, 2)) if n.endswith("X"))
_BASE = filed(random.Random(4), set(), employed=True, city=CITIES[0]) | {
    "name": "示例甲",
    "id_type": "居民身份证",
    "id_number": X,
    "gender": "男",
    "birth_date": "1980-01-01",
    "ethnicity": "汉族",
    "certificate_number": "鲁A20120000001",
    "contract_term": "固定期限",
    "contract_start": "2018-03-01",
    "contract_end": "2020-12-31",
    "issue_date": "2012-06-01",
    "application_date": "2012-03-01",
    "valid_to": "",
}
GOOD = {
    title(name): value.isoformat(" ") if isinstance(value, datetime) else str(value) for name, value in _BASE.items()
}


TITLES = [column.title for column in COLUMNS if column.title in GOOD]


def line(**changes: Any) -> list[Any]:
    """The good row, changed by field."""
    cells = {**GOOD, **{title(name): value for name, value in changes.items()}}
    return [cells.get(name, "") for name in TITLES]


def second(**changes: Any) -> list[Any]:
    """A good row of somebody else."""
    other = {"id_number": number(3), "certificate_number": "鲁A20120000002", "name": "示例乙"}
    return line(**(other | changes))


def place(field: str) -> int:
    return TITLES.index(title(field))


def book(*sheets: Rows, then: Callable[[Any, Any], None] = lambda *_: None, **options: Any) -> bytes:
    """An .xlsx; ``then`` gets the workbook and its first sheet."""
    out = io.BytesIO()
    made = xlsxwriter.Workbook(out, {"strings_to_formulas": False, "strings_to_urls": False, **options})
    day, moment = (made.add_format({"num_format": f}) for f in ("yyyy-mm-dd", "yyyy-mm-dd hh:mm"))
    for rows in sheets:
        sheet = made.add_worksheet()
        for at, row in enumerate(rows):
            for column, cell in enumerate(row):
                if isinstance(cell, date):
                    sheet.write_datetime(at, column, cell, moment if isinstance(cell, datetime) else day)
                elif cell != "":
                    sheet.write(at, column, cell)
    then(made, made.worksheets()[0])
    made.close()
    return out.getvalue()


def one(**changes: Any) -> Callable[[], bytes]:
    """An .xlsx with the good row, changed."""
    return lambda: book([TITLES, line(**changes)])


def on_sheet(rows: Rows, change: Callable[[Any], object], *more: Rows) -> Callable[[], bytes]:
    """An .xlsx whose first sheet is changed after writing."""
    return lambda: book(rows, *more, then=lambda _, sheet: change(sheet))


def formula(field: str, text: str, value: Any) -> Callable[[], bytes]:
    """An .xlsx with a formula and its stored result."""
    return on_sheet([TITLES, line()], lambda sheet: sheet.write_formula(1, place(field), text, None, value))


def unsaved(field: str) -> bytes:
    """An .xlsx with a formula that was never calculated."""
    made = openpyxl.Workbook()
    for row in (TITLES, line()):
        made.active.append(row)
    made.active.cell(2, place(field) + 1, "=VLOOKUP(A2,X:Y,2,0)")
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def old(rows: Rows, then: Callable[[Any, Any], object] = lambda *_: None) -> bytes:
    """An .xls; ``then`` gets the workbook and its sheet."""
    made = xlwt.Workbook(encoding="utf-8")
    sheet = made.add_sheet("汇总表")
    day = xlwt.XFStyle()
    day.num_format_str = "yyyy-mm-dd"
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            if cell != "":
                sheet.write(at, column, cell, *([day] if isinstance(cell, date) else []))
    then(made, sheet)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def add_old(made: Any, rows: Rows) -> None:
    """Another sheet of an .xls."""
    sheet = made.add_sheet("二")
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            sheet.write(at, column, cell)


def text(rows: Rows, encoding: str = "utf-8", delimiter: str = ",", end: str = "\r\n") -> bytes:
    """A CSV."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerows(rows)
    return out.getvalue().encode(encoding)


def patched(content: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    """A workbook with one of its parts rewritten."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            data = source.read(member)
            target.writestr(member.filename, change(data) if member.filename == part else data)
    return out.getvalue()


def sheet_part(change: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    """The good workbook with the bytes of its sheet rewritten."""
    return lambda: patched(book([TITLES, line()]), "xl/worksheets/sheet1.xml", change)


def declared(size: int) -> bytes:
    """A workbook whose directory says of its sheet that it unpacks to ``size`` bytes."""
    content = bytearray(book([TITLES, line()]))
    at = content.rfind(b"xl/worksheets/sheet1.xml") - 46
    content[at + 24 : at + 28] = struct.pack("<I", size)
    return bytes(content)


def archive(**parts: str) -> bytes:
    """Some other archive of office parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name, content in parts.items():
            target.writestr(name.replace("__", "/"), content)
    return out.getvalue()


def locked_new() -> bytes:
    """What a newer workbook with a password is outside: an old file system with one encrypted stream."""
    name, plain = ("EncryptedPackage".encode("utf-16-le"), "Workbook".encode("utf-16-le"))
    content = bytearray(old([TITLES, line()]))
    at = content.find(plain)
    content[at : at + len(name)] = name
    content[at + 64 : at + 66] = struct.pack("<H", len(name) + 2)
    return bytes(content)


def locked_old() -> bytes:
    """An old workbook whose records say that a password is needed."""
    content = bytearray(old([TITLES, line()]))
    at = content.find(struct.pack("<HH", 0xE1, 2))  # INTERFACEHDR, the first record after the beginning
    content[at : at + 2] = struct.pack("<H", 0x2F)
    return bytes(content)


def wide(value: str) -> str:
    """In full width."""
    return "".join(chr(ord(c) + 0xFEE0) if 0x21 <= ord(c) <= 0x7E else c for c in value)


def with_entities(sheet: bytes) -> bytes:
    """A sheet that defines entities and uses one for a value."""
    document = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "1"><!ENTITY c "&b;&b;&b;&b;">]>'
    return document + sheet[sheet.index(b"?>") + 2 :].replace(b"<v>0</v>", b"<v>&c;</v>", 1)


def boundless() -> bytes:
    """An old workbook whose sheet claims to end before it begins."""
    content = bytearray(old([TITLES, line()]))
    at = content.find(struct.pack("<HH", 0x200, 14))
    content[at + 4 : at + 12] = struct.pack("<II", 40, 2)
    return bytes(content)
