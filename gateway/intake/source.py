"""Opens a workbook or CSV as a table of cells. Every trouble is an InputError that names the file.

A workbook is loaded whole by the library and handed on row by row without a second copy; a CSV is read as a stream.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import itertools
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gateway.domain.errors import InputError
from gateway.intake.values import Cell

_CHUNK = 1 << 20
_WORKBOOKS = frozenset({".xlsx", ".xlsm"})
_TEXTS = frozenset({".csv", ".txt"})
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
LARGEST_UNPACKED = 2 << 30
"""bytes a workbook may unpack to; 100 000 rows of the form need about a fifth of it"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """One sheet as rows of cells; ``rows`` may be called again and starts from the first row each time."""

    sheet: str
    rows: Callable[[], Iterator[Sequence[Cell]]]
    ragged: bool
    """whether a row may have another number of cells than the header (text files only)"""


def digest_of(path: Path) -> str:
    """SHA-256 (hex) of the file."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path.name}: cannot be opened ({error.strerror})") from error


def open_tables(path: Path, largest: int = LARGEST_UNPACKED) -> tuple[Table, ...]:
    """The sheets of a file: every visible one of a workbook, the one of a CSV."""
    suffix = path.suffix.lower()
    with path.open("rb") as handle:
        start = handle.read(4096)
    if not start:
        raise InputError(f"{path.name}: the file is empty")
    if start.startswith(_OLE):
        raise InputError(f"{path.name}: {_compound_file(path)}")
    if suffix in _WORKBOOKS:
        if not start.startswith(_ZIP):
            raise InputError(f"{path.name}: named as a workbook, but its content is not one; save it again as .xlsx")
        return _workbook(path, largest)
    if suffix in _TEXTS:
        if start.startswith(_ZIP):
            raise InputError(f"{path.name}: named as text, but its content is a workbook or archive; name it .xlsx")
        return (_text(path),)
    raise InputError(f"{path.name}: neither .xlsx nor .csv; save the batch as one of them")


def _compound_file(path: Path) -> str:
    if _ENCRYPTED in path.read_bytes():
        return "the workbook is protected by a password; save it without one"
    return "an old workbook (.xls); save it as .xlsx"


def _workbook(path: Path, largest: int) -> tuple[Table, ...]:
    from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > largest:
            raise InputError(f"{path.name}: unpacks to more than {largest} bytes; split the batch")
        book = CalamineWorkbook.from_path(path)
        visible = [
            sheet.name
            for sheet in book.sheets_metadata
            if sheet.visible is SheetVisibleEnum.Visible and sheet.typ is SheetTypeEnum.WorkSheet
        ]
        sheets = [book.get_sheet_by_name(name) for name in visible]
    except (CalamineError, zipfile.BadZipFile, ValueError) as error:
        raise InputError(f"{path.name}: truncated or damaged; it does not open as a workbook") from error
    return tuple(Table(sheet=sheet.name, rows=sheet.iter_rows, ragged=False) for sheet in sheets if sheet.start)


def _text(path: Path) -> Table:
    encoding = _encoding(path)
    delimiter = _delimiter(path, encoding)

    def rows() -> Iterator[Sequence[Cell]]:
        with path.open(encoding=encoding, newline="") as handle:
            yield from _parse(path, handle, delimiter)

    for _ in rows():  # an unclosed quote shows only at the end: find it before the first row is believed
        pass
    return Table(sheet="", rows=rows, ragged=True)


def _parse(path: Path, handle: IO[str], delimiter: str) -> Iterator[Sequence[Cell]]:
    number = 0
    try:
        for number, row in enumerate(csv.reader(handle, delimiter=delimiter, strict=True), start=1):  # noqa: B007
            yield row
    except csv.Error as error:
        raise InputError(f"{path.name}: row {number + 1} is no CSV (unclosed quote or truncated file)") from error


def _encoding(path: Path) -> str:
    """UTF-8 with or without mark, else GB18030 (which contains GBK and GB2312); both are tried over the whole file."""
    for encoding in ("utf-8-sig", "gb18030"):
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
    raise InputError(f"{path.name}: neither UTF-8 nor GB18030 text; save it as CSV UTF-8")


def _delimiter(path: Path, encoding: str) -> str:
    """Tab where the first lines hold more tabs than commas, else comma."""
    with path.open(encoding=encoding, newline="") as handle:
        head = "".join(itertools.islice(handle, 10))
    return "\t" if head.count("\t") > head.count(",") else ","
