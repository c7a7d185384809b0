"""What the platform's desk takes: objections of subjects, scans that go with them, and tickets about contradictions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

from connectors.provincial_credit.signing import MADE, SignedCalls
from connectors.provincial_credit.verdicts import Refused, blamed
from gateway.codec import signing
from gateway.codec.jsonbody import Row, moment, text
from gateway.codec.replies import not_understood
from gateway.contract.desk import Conflict, ConflictState, DeskTerms, Objection, ObjectionState, Scan
from gateway.contract.messages import JSON, Stamp, Verdict, WireRequest, WireResponse
from gateway.domain.states import Event
from gateway.domain.ticket_kinds import TicketKind

_OF_THE_CALL = frozenset({"ACCESS_DENIED"})
_OF_THE_SCAN = frozenset({"UNSUPPORTED_MEDIA", "PAYLOAD_TOO_LARGE"})
"""Codes that hold the platform elsewhere. An account without the right to hand something in may still push and pull,
and a scan of a wrong kind says nothing about our envelope: here they refuse what was asked, and nothing else."""
_ENDINGS = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png", "application/ofd": "ofd"}


class AtDesk(SignedCalls):
    """Hands in, and asks what became of it."""

    @property
    def desk(self) -> DeskTerms:
        """As the settings say; all of it is assumed."""
        settings = self._settings
        return DeskTerms(
            remembered=timedelta(days=settings.idempotency_days),
            asking=timedelta(seconds=settings.desk_asking_seconds),
            accept_days=settings.objection_accept_days,
            answer_days=settings.objection_answer_days,
            tickets=frozenset(TicketKind(kind) for kind in settings.tickets),
            scan_bytes=settings.scan_bytes,
        )

    def encode_scan(self, scan: Scan, stamp: Stamp, /) -> WireRequest:
        """A multipart form; only where a rule asks for a scan (minimum necessary)."""
        boundary = f"sdcredit{stamp.message_id}"
        parts = (("purpose", b"OBJECTION"), ("digest", self._digest_of(scan).encode()))
        made = b"".join(_part(boundary, f'name="{name}"', content) for name, content in parts)
        about = f'name="file"; filename="scan.{_ENDINGS.get(scan.media_type, "bin")}"'
        made += _part(boundary, about, scan.content, scan.media_type) + f"--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        return self._request("createAttachment", "/attachments", stamp, raw=(kind, made), changes=True)

    def decode_scan(self, response: WireResponse, scan: Scan, stamp: Stamp, /) -> Verdict:
        answer = self._open(response, stamp, "AttachmentReceipt", statuses=MADE)
        if isinstance(answer, Refused):
            return _refused(answer, _OF_THE_CALL | _OF_THE_SCAN)
        if text(answer, "digest") != self._digest_of(scan):
            return not_understood("other_scan", "the receipt is for another scan", replay_safe=True)
        return Verdict(event=Event.ACCEPTED, code="201", receipt=text(answer, "attachmentId"))

    def encode_objection(self, objection: Objection, stamp: Stamp, /) -> WireRequest:
        sealed = self._cipher.seal(
            objection.contact, schema="Objection", field="objectorContact", business_key=objection.record_id
        )
        body: dict[str, JSON] = {
            "platformRecordId": objection.record_id,
            "recordVersion": objection.version,
            "objectorName": objection.objector,
            "objectorContact": sealed,
            "ground": objection.ground,
        }
        body |= {"attachmentIds": list(objection.scans)} if objection.scans else {}
        return self._request("createObjection", "/objections", stamp, body=("NewObjection", body), changes=True)

    def decode_objection(self, response: WireResponse, objection: Objection, stamp: Stamp, /) -> Verdict:
        answer = self._open(response, stamp, "ObjectionReceipt", statuses=MADE)
        if isinstance(answer, Refused):
            return _refused(answer)
        return Verdict(event=Event.ACCEPTED, code=text(answer, "status") or "", receipt=text(answer, "objectionNo"))

    def encode_objection_state(self, number: str, stamp: Stamp, /) -> WireRequest:
        return self._request("getObjection", f"/objections/{quote(number, safe='-._~')}", stamp)

    def decode_objection_state(self, response: WireResponse, number: str, stamp: Stamp, /) -> ObjectionState | Verdict:
        answer = self._open(response, stamp, "Objection")
        if isinstance(answer, Refused):
            return _refused(answer)
        if text(answer, "objectionNo") != number:
            return not_understood("other_objection", "the answer speaks of another objection", replay_safe=True)
        return ObjectionState(
            number=number,
            status=text(answer, "status") or "",
            result=text(answer, "result"),
            accepted_at=moment(answer, "acceptedAt"),
            decided_at=moment(answer, "decidedAt"),
        )

    def encode_ticket(self, conflict: Conflict, stamp: Stamp, /) -> WireRequest:
        """Tell the platform of a contradiction (F03, F19, F20, F27); the texts hold no personal data."""
        body: dict[str, JSON] = {
            "kind": str(conflict.kind),
            "platformRecordId": conflict.record_id,
            "description": conflict.description,
            "proposedAction": conflict.proposed,
        }
        body |= {"eventId": conflict.event_id} if conflict.event_id else {}
        return self._request(
            "createConflictTicket", "/conflict-tickets", stamp, body=("NewConflictTicket", body), changes=True
        )

    def decode_ticket(self, response: WireResponse, conflict: Conflict, stamp: Stamp, /) -> Verdict:
        answer = self._open(response, stamp, "ConflictTicketReceipt", statuses=MADE)
        if isinstance(answer, Refused):
            return _refused(answer)
        return Verdict(event=Event.ACCEPTED, code="201", receipt=text(answer, "ticketNo"))

    def encode_ticket_state(self, number: str, stamp: Stamp, /) -> WireRequest:
        return self._request("getConflictTicket", f"/conflict-tickets/{quote(number, safe='-._~')}", stamp)

    def decode_ticket_state(self, response: WireResponse, number: str, stamp: Stamp, /) -> ConflictState | Verdict:
        answer: Row | Refused = self._open(response, stamp, "ConflictTicket")
        if isinstance(answer, Refused):
            return _refused(answer)
        if text(answer, "ticketNo") != number:
            return not_understood("other_ticket", "the answer speaks of another ticket", replay_safe=True)
        status = text(answer, "status") or ""
        return ConflictState(number=number, status=status, closed=status == "CLOSED", outcome=text(answer, "outcome"))

    def _digest_of(self, scan: Scan) -> str:
        algorithm = self._settings.digest_alg
        return f"{algorithm}:{signing.digest(algorithm, scan.content).hex()}"


def _refused(answer: Refused, codes: frozenset[str] = _OF_THE_CALL) -> Verdict:
    if answer.verdict.code in codes:
        return replace(answer.verdict, event=Event.REJECTED if answer.signed else Event.RETRY)
    return blamed(answer)


def _part(boundary: str, about: str, content: bytes, media_type: str = "") -> bytes:
    kind = f"content-type: {media_type}\r\n" if media_type else ""
    return f"--{boundary}\r\ncontent-disposition: form-data; {about}\r\n{kind}\r\n".encode() + content + b"\r\n"
