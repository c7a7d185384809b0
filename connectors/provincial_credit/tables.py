"""The platform's own code tables, scans, and what it still waits to hear: calls beside the daily traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from connectors.provincial_credit.speaker import MADE, Speaker
from connectors.provincial_credit.verdicts import Refused
from gateway.codec import signing
from gateway.codec.jsonbody import rows, text, whole
from gateway.codec.replies import not_understood
from gateway.contract.messages import Stamp, Verdict, WireRequest, WireResponse
from gateway.domain.delivery import Event


@dataclass(frozen=True, kw_only=True, slots=True)
class Awaited:
    """Events without a final acknowledgement: event id -> the code last heard, None for none."""

    codes: Mapping[str, str | None]
    next_cursor: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """A file for an objection or a decision; ``purpose`` is OBJECTION, DECISION or VERIFICATION."""

    name: str
    media_type: str
    purpose: str
    content: bytes = field(repr=False)


class Looking(Speaker):
    """Reads what is not a record."""

    def encode_tables(self, stamp: Stamp, /) -> WireRequest:
        return self._ask("getDictionaries", "/dictionaries", stamp)

    def decode_tables(self, response: WireResponse, stamp: Stamp, /) -> Mapping[str, int] | Verdict:
        """Table -> its version now."""
        answer = self._open(response, stamp, "Dictionaries")
        if isinstance(answer, Refused):
            return answer.verdict
        return {text(row, "table") or "": whole(row, "version") or 0 for row in rows(answer, "tables") or ()}

    def encode_table(self, name: str, stamp: Stamp, /) -> WireRequest:
        return self._ask("getDictionary", f"/dictionaries/{quote(name, safe='-._~')}", stamp)

    def decode_table(self, response: WireResponse, name: str, stamp: Stamp, /) -> Mapping[str, str] | Verdict:
        """Code -> name (Chinese)."""
        answer = self._open(response, stamp, "DictionaryTable")
        if isinstance(answer, Refused):
            return answer.verdict
        if text(answer, "table") != name:
            return not_understood("other_table", "the answer is another table", replay_safe=True)
        return {text(row, "code") or "": text(row, "nameZh") or "" for row in rows(answer, "rows") or ()}

    def encode_awaited(self, cursor: str | None, stamp: Stamp, /) -> WireRequest:
        query = [("limit", "500")] + ([("cursor", cursor)] if cursor else [])
        return self._ask("getPendingAcks", "/credit-records/acks/pending", stamp, query=query)

    def decode_awaited(self, response: WireResponse, stamp: Stamp, /) -> Awaited | Verdict:
        answer = self._open(response, stamp, "PendingAcks")
        if isinstance(answer, Refused):
            return answer.verdict
        found = {text(row, "eventId") or "": text(row, "lastAckCode") for row in rows(answer, "pending") or ()}
        return Awaited(codes=found, next_cursor=text(answer, "nextCursor"))

    def encode_scan(self, scan: Scan, stamp: Stamp, /) -> WireRequest:
        """A multipart form; only where a rule asks for a scan (minimum necessary)."""
        digest = f"{self._settings.digest_alg}:{signing.digest(self._settings.digest_alg, scan.content).hex()}"
        boundary = f"sdcredit{stamp.message_id}"
        parts = (("purpose", "", scan.purpose.encode()), ("digest", "", digest.encode()))
        made = b"".join(_part(boundary, f'name="{name}"{more}', content) for name, more, content in parts)
        about = f'name="file"; filename="{quote(scan.name)}"'
        made += _part(boundary, about, scan.content, scan.media_type) + f"--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        return self._ask("createAttachment", "/attachments", stamp, raw=(kind, made), changes=True)

    def decode_scan(self, response: WireResponse, stamp: Stamp, /) -> Verdict:
        """``accepted`` carries the attachment's id in ``receipt``."""
        answer = self._open(response, stamp, "AttachmentReceipt", statuses=MADE)
        if isinstance(answer, Refused):
            return answer.verdict
        return Verdict(event=Event.ACCEPTED, code="201", receipt=text(answer, "attachmentId"))


def _part(boundary: str, about: str, content: bytes, media_type: str = "") -> bytes:
    kind = f"content-type: {media_type}\r\n" if media_type else ""
    return f"--{boundary}\r\ncontent-disposition: form-data; {about}\r\n{kind}\r\n".encode() + content + b"\r\n"
