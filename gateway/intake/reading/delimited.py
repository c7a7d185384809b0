"""Delimited text (CSV, tab-separated, semicolons) as a sheet, in the encodings and forms spreadsheet programs write."""

from __future__ import annotations

import codecs
import csv
import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

from gateway.intake.reading.characters import storable
from gateway.intake.reading.marks import Sheet
from gateway.intake.reading.problems import UnreadableFile
from gateway.intake.reading.sheet import LONGEST_ROW, Line

_CHUNK = 1 << 20
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HEAD_BYTES, _LEAST_ZEROS = 8192, 0.02
_SEPARATORS = (",", "\t", ";", "；", "|", "，")
_HEAD_LINES = 10
_LONGEST_CELL = 1 << 20


def open_sheet(path: Path) -> Sheet:
    """The one sheet of a text file; raises Unreadable where it is no text or no CSV."""
    encoding = encoding_of(path)
    delimiter = _delimiter(path, encoding)
    lines = partial(_lines, path, encoding, delimiter)
    for _ in lines():  # an unclosed quote shows only at the end: find it before the first row is believed
        pass
    return Sheet(name="", lines=lines, ragged=True)


def separator_of(path: Path) -> str:
    """The separator the first lines were taken apart by."""
    return _delimiter(path, encoding_of(path))


def encoding_of(path: Path) -> str:
    """UTF-16 with its mark or known by its zero bytes, else UTF-8, else GB18030 (which contains GBK and GB2312).

    Each is tried over the whole file.
    """
    with path.open("rb") as handle:
        head = handle.read(_HEAD_BYTES)
    for encoding in _wide(head) or ("utf-8-sig", "gb18030"):
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
    raise UnreadableFile("encoding")


def _wide(head: bytes) -> tuple[str, ...]:
    """UTF-16 as its mark says, or as the zero bytes beside separators and digits do where it has none."""
    if head[:2] in _WIDE:
        return ("utf-16",)
    low, high = head[0::2].count(0), head[1::2].count(0)
    if low + high < len(head) * _LEAST_ZEROS or min(low, high) * 10 > max(low, high):
        return ()
    return ("utf-16-le",) if high > low else ("utf-16-be",)


def _lines(path: Path, encoding: str, delimiter: str) -> Iterator[Line]:
    csv.field_size_limit(_LONGEST_CELL)
    number = 0
    with path.open(encoding=encoding, newline="") as handle:
        try:
            for number, row in enumerate(csv.reader(_short(handle), delimiter=delimiter, strict=True), start=1):
                if row:
                    yield Line(number, [storable(cell) for cell in row])
        except csv.Error as error:
            raise UnreadableFile("no_csv", row=number + 1) from error


def _short(handle: IO[str]) -> Iterator[str]:
    """Lines that are no longer than a row of the form can be; ``sep=`` in the first is for the spreadsheet program."""
    for number, line in enumerate(iter(lambda: handle.readline(LONGEST_ROW), "")):
        if len(line) >= LONGEST_ROW:
            raise UnreadableFile("long_row", limit=LONGEST_ROW)
        yield "\n" if number == 0 and _is_directive(line) else line


def _is_directive(line: str) -> bool:
    return line.startswith("sep=") and len(line.strip()) == len("sep=,")


def _delimiter(path: Path, encoding: str) -> str:
    """The separator that the first lines hold most of, outside of quotes; comma where they hold none."""
    with path.open(encoding=encoding, newline="") as handle:
        head = "".join(itertools.islice(iter(lambda: handle.readline(1 << 16), ""), _HEAD_LINES))
    if _is_directive(first := head.partition("\n")[0].strip()):
        return first[-1]
    bare = "".join(head.split('"')[::2])
    return max(_SEPARATORS, key=bare.count)
