"""Photos and scans: written with size and digest, checked against the bytes, and kept within the size of a request.

Follows ``Attachment`` of the typed contract 1.0 (README, "Attachments"). File names are made up here: the original one
may be a person's name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from connectors.national_market.settings import NationalMarketSettings
from gateway.contract.messages import JSON, Payload
from gateway.domain.records import Attachment, Certificate, Worker

_PHOTO = re.compile(r"data:(?P<media>[a-z/]+);base64,\s?(?P<text>\S+)")
_LARGEST_PHOTO = 51_200
_LARGEST_FILE = 1_048_576
_MOST_FILES = 3
_LONGEST_URL = 500
_BESIDE = 64 * 1024
"""bytes of a request that are left for everything but attachments"""
_STARTS: Mapping[str, bytes] = {
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "application/pdf": b"%PDF-",
    "application/ofd": b"PK\x03\x04",
}
_MEDIA: Mapping[str, tuple[str, ...]] = {
    "PHOTO": ("image/jpeg", "image/png"),
    "CERT_IMAGE": ("image/jpeg", "image/png"),
    "CERT_PDF": ("application/pdf",),
    "CERT_OFD": ("application/ofd",),
}
_ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "application/pdf": "pdf", "application/ofd": "ofd"}


def photo(worker: Worker) -> JSON:
    """The face photo of a person's filing; None where there is none, or where its form is not known."""
    found = _PHOTO.fullmatch((worker.placement.photo if worker.placement else None) or "")
    data = _decoded(found["text"]) if found else None
    if found is None or data is None:
        return None
    digest = hashlib.sha256(data).hexdigest()
    held = Attachment(kind="PHOTO", media_type=found["media"], size=len(data), sha256=digest, content=found["text"])
    return _element(held, "photo")


def files(certificate: Certificate) -> JSON:
    """The scans of a certificate itself whose bytes are there; contracts are not asked for."""
    scans = [scan for scan in certificate.files or () if not scan.kind.startswith("CONTRACT_") and _is_there(scan)]
    return [_element(scan, f"certificate-{number}") for number, scan in enumerate(scans, start=1)] or None


def _is_there(scan: Attachment) -> bool:
    """Whether it can go; retention may have cleared the bytes, which the platform has had since."""
    return scan.content is not None or scan.url is not None


def broken(fields: Mapping[str, JSON], settings: NationalMarketSettings) -> Iterator[tuple[str, str]]:
    """(path, rule) for each attachment that the platform would refuse."""
    photo_, scans = fields.get("Photo"), fields.get("CertFile")
    if isinstance(photo_, Mapping):
        yield from (("Photo", rule) for rule in _rules(photo_, _LARGEST_PHOTO))
    listed = scans if isinstance(scans, Sequence) and not isinstance(scans, str) else ()
    if len(listed) > _MOST_FILES:
        yield "CertFile", "attachment:count"
    for number, scan in enumerate(listed, start=1):
        assert isinstance(scan, Mapping)
        yield from ((f"CertFile[{number}]", rule) for rule in _rules(scan, _LARGEST_FILE))
    if _encoded_size(fields) > settings.request_bytes - _BESIDE:
        yield "CertFile", "attachment:message"


def most_together(payload: Payload, settings: NationalMarketSettings) -> int:
    """How many records with attachments of this one's size one request holds."""
    if "Photo" not in payload.fields and "CertFile" not in payload.fields:
        return settings.batch_max
    fitting = (settings.request_bytes - _BESIDE) // max(_encoded_size(payload.fields), 1)
    return max(1, min(settings.batch_max, settings.batch_max_with_files, fitting))


def _element(scan: Attachment, name: str) -> dict[str, JSON]:
    front: dict[str, JSON] = {
        "Kind": scan.kind,
        "FileName": f"{name}.{_ENDINGS.get(scan.media_type, 'bin')}",
        "MediaType": scan.media_type,
        "ByteSize": scan.size,
        "Sha256": scan.sha256,
    }
    return front | ({"Content": scan.content} if scan.content is not None else {"Url": scan.url})


def _rules(element: Mapping[str, JSON], largest: int) -> Iterator[str]:
    kind, media, size, digest = (element[name] for name in ("Kind", "MediaType", "ByteSize", "Sha256"))
    if media not in _MEDIA.get(str(kind), ()):
        yield "attachment:form"
    if not isinstance(size, int) or not 1 <= size <= largest:
        yield "attachment:size"
    if not re.fullmatch("[0-9a-f]{64}", str(digest)):
        yield "attachment:digest"
    if "Url" in element:
        url = str(element["Url"] or "")
        if len(url) > _LONGEST_URL or urlsplit(url).scheme != "https" or not urlsplit(url).hostname:
            yield "attachment:address"
        return
    data = _decoded(str(element["Content"]))
    if data is None or not data.startswith(_STARTS.get(str(media), b"\x00")):
        yield "attachment:content"
    elif len(data) != size:
        yield "attachment:size"
    elif hashlib.sha256(data).hexdigest() != digest:
        yield "attachment:digest"


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _encoded_size(fields: Mapping[str, JSON]) -> int:
    held = [fields.get("Photo"), *(fields.get("CertFile") or ())]  # type: ignore[misc]  # a list where it is there
    return sum(len(str(one.get("Content") or "")) for one in held if isinstance(one, Mapping))
