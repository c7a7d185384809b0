"""What a scanned file is by its bytes (PDF, JPEG, PNG, OFD), and whether it is whole enough to be opened. Pure.

Nothing is rendered: the outer structure is walked from the first byte to the last, so that a file that was cut off,
changed or is locked is found without a library that would run on foreign bytes.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from enum import StrEnum
from io import BytesIO

_STARTS = {b"%PDF-": "application/pdf", b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}
_OFD = b"PK\x03\x04", b"OFD.xml"
"""an OFD document (GB/T 33190) is a ZIP archive with this file at its root"""
_LARGEST_UNPACKED = 64 * 1024**2
_PDF_TAIL = 2048
_STARTXREF = re.compile(rb"startxref\s+(\d+)\s")
_XREF = re.compile(rb"\s*(?:xref|\d+\s+\d+\s+obj)")
_ENCRYPT = re.compile(rb"/Encrypt\s*(?:\d+\s+\d+\s+R|<<)")
_SOS, _EOI = 0xDA, b"\xff\xd9"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers that begin a picture and say how large it is"""
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
"""JPEG markers without a length"""


class ScanFlaw(StrEnum):
    """Why a scan of a known kind cannot be opened."""

    DAMAGED = "damaged"
    LOCKED = "locked"


def media_type_of(content: bytes) -> str | None:
    """The media type that the bytes themselves say; None where they are none of the four."""
    kind = next((kind for start, kind in _STARTS.items() if content.startswith(start)), None)
    if kind is None and content.startswith(_OFD[0]) and _OFD[1] in content:
        return "application/ofd"
    return kind


def scan_flaw(content: bytes, media_type: str) -> ScanFlaw | None:
    """Why a scan cannot be opened; None where nothing speaks against it."""
    match media_type:
        case "application/pdf":
            return _pdf_flaw(content)
        case "image/jpeg":
            whole = _is_whole_jpeg(content)
        case "image/png":
            whole = _is_whole_png(content)
        case _:
            return _ofd_flaw(content)
    return None if whole else ScanFlaw.DAMAGED


def _pdf_flaw(content: bytes) -> ScanFlaw | None:
    """A PDF ends with the place of its last table of contents, and that table is there (ISO 32000-1, 7.5.5)."""
    tail = content[-_PDF_TAIL:]
    places = _STARTXREF.findall(tail)
    if not places or b"%%EOF" not in tail or not _XREF.match(content[int(places[-1]) : int(places[-1]) + 64]):
        return ScanFlaw.DAMAGED
    return ScanFlaw.LOCKED if _ENCRYPT.search(content) else None


def _is_whole_jpeg(content: bytes) -> bool:
    """Segments with their lengths up to the picture's data, a size above nothing, and an end (ITU-T T.81, annex B)."""
    place, sized = 2, False
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xFF:  # filling
            place += 1
        elif marker in _BARE:
            place += 2
        elif marker == _SOS:
            return sized and content.rfind(_EOI) > place
        else:
            if marker in _FRAMES:
                height, width = content[place + 5 : place + 7], content[place + 7 : place + 9]
                sized = len(width) == 2 and any(width) and any(height)
            place += 2 + int.from_bytes(content[place + 2 : place + 4])
    return False


def _is_whole_png(content: bytes) -> bool:
    """Chunks with their check values, from the size of the picture to its end (ISO/IEC 15948, 5.3)."""
    place, kinds = 8, list[bytes]()
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4])
        kind, end = content[place + 4 : place + 8], place + 8 + length
        if zlib.crc32(content[place + 4 : end]) != int.from_bytes(content[end : end + 4]):
            return False
        if not kinds and (kind != b"IHDR" or not any(content[place + 8 : place + 12])):
            return False
        kinds.append(kind)
        if kind == b"IEND":
            return b"IDAT" in kinds
        place = end + 4
    return False


def _ofd_flaw(content: bytes) -> ScanFlaw | None:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = archive.infolist()
            if any(member.flag_bits & 1 for member in members):
                return ScanFlaw.LOCKED
            whole = (
                any(member.filename == "OFD.xml" for member in members)
                and sum(member.file_size for member in members) <= _LARGEST_UNPACKED
                and archive.testzip() is None
            )
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, NotImplementedError, RuntimeError):
        return ScanFlaw.DAMAGED
    return None if whole else ScanFlaw.DAMAGED
