"""Opens a workbook or CSV as tables of cells. Every trouble is an InputError that names the file.

The file is parsed by a child process (``parser_process``); the content decides what it is. Rows come as a stream, with
as much memory here for a hundred thousand of them as for a few.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from gateway.domain.identifiers import half_width
from gateway.intake.reading.characters import readable_name
from gateway.intake.reading.parser_process import Parser, line_of
from gateway.intake.reading.problems import FileRefused, UnreadableFile
from gateway.intake.reading.sheet import Line

WORKBOOKS = frozenset({".xlsx", ".xlsm", ".xls"})
TEXTS = frozenset({".csv", ".txt"})
_NAMED = {
    ".ods": "open_document",
    ".et": "wps",
    ".ett": "wps",
    ".mht": "mht",
    ".mhtml": "mht",
    ".xlsb": "binary_workbook",
}
LARGEST_UNPACKED = 2 << 30
"""bytes a workbook may unpack to; 100 000 rows of the form need about a fifth of it"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SheetTable:
    """One sheet as rows of cells; ``rows`` may be called again and starts from the first row each time.

    Rows without cells may be left out. Damage that shows only while reading is an InputError, too.
    """

    sheet: str
    rows: Callable[[], Iterator[Line]]
    head: Sequence[Line] = field(repr=False)
    """those of the first ten rows that hold cells"""
    ragged: bool
    """whether a row may have another number of cells than the header (text files only)"""
    hidden: bool = False
    old_days: bool = False
    """whether a bare number counts its days from 1904"""


def suffix_of(name: str) -> str:
    """The ending of a file's name as it is meant: small letters, half width, without blanks and dots behind it."""
    return Path(half_width(name).rstrip(" .").lower()).suffix


def digest_of(path: Path) -> str:
    """SHA-256 (hex) of the file."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise FileRefused(readable_name(path), "unopened", why=error.strerror) from error


def open_tables(path: Path, largest: int = LARGEST_UNPACKED) -> tuple[SheetTable, ...]:
    """The sheets of a file that hold cells: those of a workbook, hidden ones too, or the one of a CSV."""
    suffix = suffix_of(path.name)
    if suffix not in WORKBOOKS | TEXTS:
        raise FileRefused(readable_name(path), _NAMED.get(suffix, "suffix"))
    file = _File(path, largest)
    return tuple(
        SheetTable(
            sheet=sheet["name"],
            rows=partial(file.rows, number),
            head=tuple(map(line_of, sheet["head"])),
            ragged=sheet["ragged"],
            hidden=sheet["hidden"],
            old_days=sheet["old_days"],
        )
        for number, sheet in enumerate(file.sheets)
    )


class _File:
    """A file and the child that parses it; a second reading has a child of its own."""

    def __init__(self, path: Path, largest: int) -> None:
        self._path, self._largest = path, largest
        self._parser, self.sheets = self._opened()
        self._waits = True

    def rows(self, number: int) -> Iterator[Line]:
        """The rows of one sheet."""
        parser = self._parser if self._waits else self._opened()[0]
        self._waits = False
        try:
            yield from parser.lines(number)
        except UnreadableFile as problem:
            raise self._refused(problem) from problem
        finally:
            parser.close()

    def _opened(self) -> tuple[Parser, Sequence[Mapping[str, Any]]]:
        try:
            parser = Parser(self._path, self._largest, named_text=suffix_of(self._path.name) in TEXTS)
            return parser, parser.sheets()
        except UnreadableFile as problem:
            raise self._refused(problem) from problem
        except OSError as error:
            raise FileRefused(readable_name(self._path), "disk", why=error.strerror) from error

    def _refused(self, problem: UnreadableFile) -> FileRefused:
        return FileRefused(readable_name(self._path), problem.reason, **problem.about)
