"""What a file is, by its content and not by its name: finds the kind and opens it as sheets."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lxml import etree

from gateway.intake.reading import delimited
from gateway.intake.reading.marks import Sheet
from gateway.intake.reading.problems import UnreadableFile

COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""the first bytes of a compound file, in which an old workbook is a stream"""
BARE = (b"\x09\x00\x04\x00", b"\x09\x02\x06\x00", b"\x09\x04\x06\x00", b"\x09\x08\x08\x00", b"\x09\x08\x10\x00")
"""the first bytes of an old workbook without a compound file around it"""
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OTHERS = {
    b"%PDF": "pdf",
    b"\xff\xd8\xff": "picture",
    b"\x89PNG": "picture",
    b"Rar!": "other_packing",
    b"7z\xbc\xaf": "other_packing",
    b"\x1f\x8b": "other_packing",
    b"{\\rtf": "old_document",
}
_MAIL = re.compile(rb"(?:mime-version|from|content-type|subject|date):[^\n]*\n", re.IGNORECASE)
_PAGE = re.compile(r"<(?:!doctype\s+html|html|head|body|table|meta|style|div|script|tr|center|font)\b", re.IGNORECASE)
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    etree.LxmlError,
    struct.error,
    ValueError,
    EOFError,
    LookupError,
    ArithmeticError,
    RecursionError,
)


# each library is loaded where it is needed: every file has a process of its own, which must start quickly
def open_sheets(path: Path, largest: int, *, named_text: bool) -> Sequence[Sheet]:
    """The sheets of a file; raises Unreadable with the reason where it is none.

    largest:    bytes a workbook may unpack to
    named_text: whether the file's name says that it is a text
    """
    with path.open("rb") as handle:
        start = handle.read(8192)
    if not start:
        raise UnreadableFile("empty")
    with damage():
        if start.startswith((*_ZIP, COMPOUND)) and named_text:
            raise UnreadableFile("workbook_as_text")
        if start.startswith(_ZIP):
            from gateway.intake.reading import xlsx

            return xlsx.open_sheets(path, largest)
        if start.startswith((COMPOUND, *BARE)):
            from gateway.intake.reading import old_workbook

            return old_workbook.open_sheets(path)
        for sign, reason in _OTHERS.items():
            if start.startswith(sign):
                raise UnreadableFile(reason)
        if _MAIL.match(start) and b"mime-version:" in start.lower():
            raise UnreadableFile("mht")
        return _written(path)


def _written(path: Path) -> Sequence[Sheet]:
    """A web page, XML or delimited text."""
    with path.open(encoding=delimited.encoding_of(path), newline="") as handle:
        head = handle.read(8192)
    from gateway.intake.reading import markup

    bare = _without_comments(head)
    if bare.startswith("<?xml") and "urn:schemas-microsoft-com:office:spreadsheet" in head and "<html" not in head:
        if "<!DOCTYPE" in head:
            raise UnreadableFile("doctype")
        return markup.open_xml(path)
    if _PAGE.match(bare) or (bare.startswith("<") and "<table" in head.lower()):
        return markup.open_page(path) or _no_table()
    if bare.startswith("<"):
        raise UnreadableFile("no_table_web")
    return [delimited.open_sheet(path)]


def _no_table() -> Sequence[Sheet]:
    raise UnreadableFile("no_table_web")


def _without_comments(head: str) -> str:
    bare = head.lstrip("\ufeff \t\r\n")
    while bare.startswith("<!--") and "-->" in bare:
        bare = bare[bare.index("-->") + 3 :].lstrip()
    return bare


@contextmanager
def damage() -> Iterator[None]:
    """Every way in which a file can be damaged becomes Unreadable."""
    try:
        yield
    except _DAMAGE as error:
        raise UnreadableFile("damaged") from error
    except (RuntimeError, NotImplementedError) as error:  # what zipfile raises for a locked or exotic member
        raise UnreadableFile("packing") from error
