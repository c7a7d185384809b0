"""The marks of an old workbook (.xls): a file system in the file (MS-CFB) that holds a stream of records (MS-XLS).

Only what the reading library keeps to itself is read here: hidden rows, error values, and whether the file is locked.
Formulas of this format always carry their last result.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping

from gateway.domain.errors import InputError
from gateway.intake.reading.marks import Marks
from gateway.intake.reading.rules import ERROR_VALUE
from gateway.intake.reading.values import Broken

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LAST_SECTOR = 0xFFFFFFFA
"""larger numbers are no sectors"""
_BOUND_SHEET, _BOOL_ERROR, _FORMULA, _ROW, _FILE_PASS, _DATE_1904, _END = 0x85, 0x205, 0x06, 0x208, 0x2F, 0x22, 0x0A
_DIMENSIONS, _STRINGS = 0x200, 0xFC
_CELLS = frozenset({0x06, 0xBD, 0xD6, 0xFD, 0x201, 0x203, 0x204, 0x205, 0x27E})
"""records that begin with row and column"""
_MOST_ROWS, _MOST_COLUMNS = 65_536, 256
_ERRORS = {0: "#NULL!", 7: "#DIV/0!", 15: "#VALUE!", 23: "#REF!", 29: "#NAME?", 36: "#NUM!", 42: "#N/A"}


def read_marks(content: bytes) -> Mapping[str, Marks]:
    """Marks by sheet name; raises InputError without the file's name, or struct.error and ValueError for damage."""
    streams = _directory(content)
    if "EncryptedPackage" in streams:
        raise InputError("the workbook is protected by a password; save it without one")
    start = streams.get("Workbook")
    if start is None:
        raise InputError("neither a workbook of Excel 97 to 2003 nor a newer one; save it as .xlsx")
    book = b"".join(_sectors(content, *start))
    sheets: dict[str, int] = {}
    old_days = False
    for kind, data in _records(book, 0):
        if kind == _FILE_PASS:
            raise InputError("the workbook is protected by a password; save it without one")
        if kind == _STRINGS and struct.unpack_from("<I", data, 4)[0] > len(book):
            raise ValueError("more texts than the file has room for")
        if kind == _DATE_1904:
            old_days = data[:1] == b"\x01"
        if kind == _BOUND_SHEET:
            offset, _, _, length, wide = struct.unpack_from("<IBBBB", data)
            text = data[8 : 8 + length * 2].decode("utf-16-le") if wide & 1 else data[8 : 8 + length].decode("latin-1")
            sheets[text] = offset
    return {name: _sheet(book, offset, old_days=old_days) for name, offset in sheets.items()}


def _sheet(book: bytes, offset: int, *, old_days: bool) -> Marks:
    hidden: set[int] = set()
    broken: defaultdict[int, dict[int, Broken]] = defaultdict(dict)
    for kind, data in _records(book, offset):
        error = None
        _refuse_outside(kind, data)
        if kind == _ROW and struct.unpack_from("<H", data, 12)[0] & 0x20:
            hidden.add(struct.unpack_from("<H", data)[0])
        elif kind == _BOOL_ERROR and data[7]:
            error = data[6]
        elif kind == _FORMULA and data[12:14] == b"\xff\xff" and data[6] == 2:
            error = data[8]
        if error is not None:
            row, column = struct.unpack_from("<HH", data)
            broken[row][column] = Broken(_ERRORS.get(error, "#N/A"), ERROR_VALUE)
    return Marks(hidden=frozenset(hidden), broken=dict(broken), old_days=old_days)


def _refuse_outside(kind: int, data: bytes) -> None:
    """The reading library takes memory for whatever extent is claimed; a false one would end the process."""
    if kind == _DIMENSIONS:
        top, bottom, left, right = struct.unpack_from("<IIHH", data)
        outside = not (top <= bottom <= _MOST_ROWS and left <= right <= _MOST_COLUMNS)
    else:
        outside = kind in _CELLS and struct.unpack_from("<H", data, 2)[0] >= _MOST_COLUMNS
    if outside:
        raise ValueError("cells outside of what the format allows")


def _records(book: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """The records of one part of the stream, to its end mark."""
    while at + 4 <= len(book):
        kind, length = struct.unpack_from("<HH", book, at)
        if kind == _END:
            return
        yield kind, book[at + 4 : at + 4 + length]
        at += 4 + length


def _directory(content: bytes) -> Mapping[str, tuple[int, int]]:
    """Name of each stream -> first sector and size."""
    found = {}
    entries = b"".join(_sectors(content, struct.unpack_from("<I", content, 48)[0], len(content)))
    for at in range(0, len(entries) - 127, 128):
        length = struct.unpack_from("<H", entries, at + 64)[0]
        name = entries[at : at + max(length - 2, 0)].decode("utf-16-le", "replace")
        if entries[at + 66] == 2:
            found[name] = (
                struct.unpack_from("<I", entries, at + 116)[0],
                struct.unpack_from("<I", entries, at + 120)[0],
            )
    return found


def _sectors(content: bytes, first: int, size: int) -> Iterator[bytes]:
    """The sectors of one stream; a chain that runs in a circle ends with the size."""
    width = 1 << struct.unpack_from("<H", content, 30)[0]
    table = _sector_table(content, width)
    sector, left = first, size
    while sector < _LAST_SECTOR and left > 0:
        start = (sector + 1) * width
        yield content[start : start + min(width, left)]
        left -= width
        sector = struct.unpack_from("<I", table, sector * 4)[0]


def _sector_table(content: bytes, width: int) -> bytes:
    """The table that tells for each sector which one follows."""
    numbers = list(struct.unpack_from("<109I", content, 76))
    further = struct.unpack_from("<I", content, 68)[0]
    for _ in range(struct.unpack_from("<I", content, 72)[0]):
        if further >= _LAST_SECTOR:
            break
        *more, further = struct.unpack_from(f"<{width // 4}I", content, (further + 1) * width)
        numbers += more
    return b"".join(content[(n + 1) * width : (n + 2) * width] for n in numbers if n < _LAST_SECTOR)
