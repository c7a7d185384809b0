"""The root part of a ``multipart/related`` reply (RFC 2387), as stacks with MTOM or attachments switched on send it.

Attachments are never read: of all parts exactly one may be XML, and that is the message. Bounded and linear.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re

_XML = frozenset({"text/xml", "application/xml", "application/soap+xml", "application/xop+xml"})
_MOST_PARTS = 100
_LONGEST_HEADER = 16_384
_PARAMETER = re.compile(r';\s*([\w-]+)\s*=\s*(?:"([^"]*)"|([^\s;"]+))')
_BOUNDARY = re.compile(r"[ -~]{0,69}[!-~]")
"""RFC 2046, section 5.1.1, without its list of characters"""


class NotOneRootError(Exception):
    """The reply has no part, or more than one, that could be its message; the text says which."""


def root_part(body: bytes, content_type: str) -> bytes:
    """The bytes of the message, decoded where its part says so; NotOneRootError where it cannot be told or is cut."""
    given = _parameters(content_type)
    boundary = given.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise NotOneRootError("a multipart reply without a boundary")
    line = re.compile(rb"(?:^|\r?\n)--" + re.escape(boundary.encode()) + rb"(--)?[ \t]*(?=\r?\n|$)")
    parts: list[tuple[dict[str, str], bytes]] = []
    begun: int | None = None
    for found in line.finditer(body):
        if begun is not None:
            parts.append(_part(body[begun : found.start()]))
        if found[1]:
            break
        begun = found.end()
        if len(parts) == _MOST_PARTS:
            raise NotOneRootError(f"a multipart reply of more than {_MOST_PARTS} parts")
    else:
        raise NotOneRootError("a multipart reply without its closing boundary")
    messages = [part for part in parts if _media_type(part[0].get("content-type", "")) in _XML]
    if len(messages) != 1:
        raise NotOneRootError(f"a multipart reply with {len(messages) or 'no'} XML parts")
    start = given.get("start")
    named = messages[0] if start is not None else parts[0]
    if named is not messages[0] or (start is not None and messages[0][0].get("content-id", "") != start):
        raise NotOneRootError("a multipart reply whose start is not its XML part")
    return _decoded(*messages[0])


def _part(section: bytes) -> tuple[dict[str, str], bytes]:
    """Headers by lower-case name, folded lines joined, and content."""
    end = re.compile(rb"\r?\n\r?\n").search(section, 0, _LONGEST_HEADER)
    if end is None:
        raise NotOneRootError("a part of a multipart reply without an end of its headers")
    text = re.sub(r"\r?\n[ \t]+", " ", section[: end.start()].decode("latin-1"))
    lines = (line.partition(":") for line in text.splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in lines}, section[end.end() :]


def _decoded(headers: dict[str, str], content: bytes) -> bytes:
    encoding = headers.get("content-transfer-encoding", "8bit").lower()
    if encoding in ("7bit", "8bit", "binary"):
        return content
    if encoding == "quoted-printable":
        return quopri.decodestring(content)
    unread = "the XML part of a multipart reply is encoded in a way that cannot be read"
    if encoding != "base64":
        raise NotOneRootError(unread)
    try:
        return base64.b64decode(b"".join(content.split()), validate=True)
    except binascii.Error:
        raise NotOneRootError(unread) from None


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _parameters(content_type: str) -> dict[str, str]:
    return {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(content_type[:_LONGEST_HEADER])}
