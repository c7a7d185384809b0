"""Synthetic scans of the four kinds that are taken, each whole and small; ``mark`` makes their bytes differ."""

from __future__ import annotations

import zipfile
import zlib
from io import BytesIO


def pdf(mark: str = "") -> bytes:
    """A PDF of one empty page."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
    ]
    body = b"%PDF-1.7\n%" + mark.encode() + b"\n"
    places = []
    for number, one in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    front = b"xref\n0 4\n0000000000 65535 f \n" + table + b"trailer\n<< /Size 4 /Root 1 0 R >>\n"
    return body + front + b"startxref\n%d\n%%%%EOF\n" % len(body)


def jpeg(mark: str = "") -> bytes:
    """A JPEG's structure, of one grey dot."""
    remark = mark.encode()
    frame = b"\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00"
    return (
        b"\xff\xd8\xff\xfe"
        + (len(remark) + 2).to_bytes(2)
        + remark
        + frame
        + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x00\xff\xd9"
    )


def png(mark: str = "") -> bytes:
    """A PNG of one grey dot."""
    chunks = [(b"IHDR", b"\x00\x00\x00\x01" * 2 + b"\x08\x00\x00\x00\x00"), (b"tEXt", b"mark\x00" + mark.encode())]
    chunks += [(b"IDAT", zlib.compress(b"\x00\x80")), (b"IEND", b"")]
    whole = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks:
        whole += len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)
    return whole


def ofd(mark: str = "") -> bytes:
    """An OFD document without pages."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("OFD.xml", f"<ofd:OFD xmlns:ofd='http://www.ofdspec.org/2016'><!--{mark}--></ofd:OFD>")
    return buffer.getvalue()
