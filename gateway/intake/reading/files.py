"""Opens a workbook or CSV as a table of cells. Every trouble is an InputError that names the file.

A newer workbook and a CSV are read as streams; an old workbook, which has 65 536 rows at most, is loaded whole.
The content decides what a file is, within its family: an old workbook may be named .xlsx, but a web page may not.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import itertools
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lxml import etree

from gateway.domain.errors import InputError
from gateway.intake import xls
from gateway.intake.reading import xlsx
from gateway.intake.reading.marks import Marks, Range, marked
from gateway.intake.reading.sheet import Line
from gateway.intake.reading.values import Cell

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

_CHUNK = 1 << 20
_WORKBOOKS = frozenset({".xlsx", ".xlsm", ".xls"})
_TEXTS = frozenset({".csv", ".txt"})
_ZIP = b"PK\x03\x04"
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    etree.XMLSyntaxError,
    struct.error,
    ValueError,
    EOFError,
    LookupError,
    OSError,
)
LARGEST_UNPACKED = 2 << 30
"""bytes a workbook may unpack to; 100 000 rows of the form need about a fifth of it"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """One sheet as rows of cells; ``rows`` may be called again and starts from the first row each time.

    Rows without cells may be left out. Damage that shows only while reading is an InputError, too.
    """

    sheet: str
    rows: Callable[[], Iterator[Line]]
    ragged: bool
    """whether a row may have another number of cells than the header (text files only)"""
    old_days: bool = False
    """whether a bare number counts its days from 1904"""


def digest_of(path: Path) -> str:
    """SHA-256 (hex) of the file."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path.name}: cannot be opened ({error.strerror})") from error


def open_tables(path: Path, largest: int = LARGEST_UNPACKED) -> tuple[Table, ...]:
    """The sheets of a file: every visible one of a workbook, the one of a CSV. The content decides, not the name."""
    suffix = path.suffix.lower()
    if suffix not in _WORKBOOKS | _TEXTS:
        raise InputError(f"{path.name}: neither .xlsx, .xls nor .csv; save the batch as one of them")
    with path.open("rb") as handle:
        start = handle.read(4096)
    if not start:
        raise InputError(f"{path.name}: the file is empty")
    is_workbook = start.startswith((_ZIP, xls.MAGIC))
    if suffix in _TEXTS:
        if is_workbook:
            raise InputError(f"{path.name}: named as text, but its content is a workbook or archive; name it .xlsx")
        return (_text(path),)
    if not is_workbook:
        raise InputError(f"{path.name}: named as a workbook, but its content is {_kind(start)}; save it again as .xlsx")
    return _workbook(path, largest, old=start.startswith(xls.MAGIC))


def _kind(start: bytes) -> str:
    """What systems export under the name of a workbook."""
    head = start.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if head.startswith(b"<?xml") or head.startswith((b"<html", b"<!doctype", b"<table", b"<meta", b"<style")):
        return "a web page or XML"
    return "not one"


def _workbook(path: Path, largest: int, *, old: bool) -> tuple[Table, ...]:
    with _damage(path):
        if old:
            return tuple(_old_table(path, sheet, marks) for sheet, marks in _old_sheets(path))
        return tuple(
            _table(path, sheet.name, sheet.lines, sheet.merged, old_days=sheet.old_days)
            for sheet in xlsx.open_sheets(path, largest)
        )


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Every way in which a workbook can be no workbook becomes an InputError that names the file."""
    from python_calamine import CalamineError

    damaged = InputError(f"{path.name}: truncated or damaged; it does not open as a workbook")
    try:
        yield
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error
    except (RuntimeError, NotImplementedError) as error:  # what zipfile raises for a locked or exotic member
        raise InputError(f"{path.name}: packed with a password or in an unknown way; save it again as .xlsx") from error
    except (*_DAMAGE, CalamineError) as error:
        raise damaged from error
    except BaseException as error:  # the reading library reports some damage in a class that is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise damaged from error


def _old_sheets(path: Path) -> Iterator[tuple[CalamineSheet, Marks]]:
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    marks = xls.read_marks(path.read_bytes())
    with path.open("rb") as handle:
        book = CalamineWorkbook.from_filelike(handle)
    for found in book.sheets_metadata:
        if found.visible is SheetVisibleEnum.Visible and found.typ is SheetTypeEnum.WorkSheet:
            sheet = book.get_sheet_by_name(found.name)
            if sheet.start:
                yield sheet, marks.get(sheet.name, Marks())


def _old_table(path: Path, sheet: CalamineSheet, marks: Marks) -> Table:
    """The library leaves out the columns before the first filled one, and tells nothing of hidden rows and errors."""
    before = [""] * (sheet.start[1] if sheet.start else 0)

    def lines() -> Iterator[Line]:
        for number, cells in enumerate(sheet.iter_rows()):
            whole: list[Cell] = [*before, *cells]
            for column, broken in marks.broken.get(number, {}).items():
                if column < len(whole):
                    whole[column] = broken
            yield Line(number + 1, whole, number in marks.hidden)

    return _table(path, sheet.name, lines, sheet.merged_cell_ranges or (), old_days=marks.old_days)


def _table(
    path: Path, name: str, lines: Callable[[], Iterator[Line]], merged: Sequence[Range], *, old_days: bool
) -> Table:
    def rows() -> Iterator[Line]:
        reading = marked(lines(), merged)
        while True:
            with _damage(path):
                line = next(reading, None)
            if line is None:
                return
            yield line

    return Table(sheet=name, rows=rows, ragged=False, old_days=old_days)


def _text(path: Path) -> Table:
    encoding = _encoding(path)
    delimiter = _delimiter(path, encoding)

    def rows() -> Iterator[Line]:
        with path.open(encoding=encoding, newline="") as handle:
            yield from _parse(path, handle, delimiter)

    for _ in rows():  # an unclosed quote shows only at the end: find it before the first row is believed
        pass
    return Table(sheet="", rows=rows, ragged=True)


def _parse(path: Path, handle: IO[str], delimiter: str) -> Iterator[Line]:
    number = 0
    try:
        for number, row in enumerate(csv.reader(handle, delimiter=delimiter, strict=True), start=1):
            yield Line(number, row)
    except csv.Error as error:
        raise InputError(f"{path.name}: row {number + 1} is no CSV (unclosed quote or truncated file)") from error


def _encoding(path: Path) -> str:
    """UTF-16 with its mark, else UTF-8 with or without mark, else GB18030 (which contains GBK and GB2312).

    Each is tried over the whole file.
    """
    with path.open("rb") as handle:
        is_wide = handle.read(2) in _WIDE
    for encoding in ("utf-16",) if is_wide else ("utf-8-sig", "gb18030"):
        decoder = codecs.getincrementaldecoder(encoding)()
        with path.open("rb") as handle:
            try:
                for chunk in itertools.chain(iter(lambda: handle.read(_CHUNK), b""), (b"",)):
                    if "\0" in decoder.decode(chunk, final=not chunk):
                        break
                else:
                    return encoding
            except UnicodeDecodeError:
                continue
    raise InputError(f"{path.name}: neither UTF-8, UTF-16 with its mark nor GB18030 text; save it as CSV UTF-8")


def _delimiter(path: Path, encoding: str) -> str:
    """Tab where the first lines hold more tabs than commas, else comma."""
    with path.open(encoding=encoding, newline="") as handle:
        head = "".join(itertools.islice(handle, 10))
    return "\t" if head.count("\t") > head.count(",") else ","
