"""Decisions of the centre's own, objections of subjects, and tickets about contradictions, handed to the platform."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from urllib.parse import quote

from connectors.provincial_credit.cipher import payload_digest
from connectors.provincial_credit.mapping import china_time
from connectors.provincial_credit.schema import pointer_path
from connectors.provincial_credit.speaker import MADE, Speaker
from connectors.provincial_credit.verdicts import FIELD_CODES, Refused
from gateway.codec.codes import table
from gateway.codec.jsonbody import text, whole
from gateway.codec.replies import not_understood
from gateway.contract.credit import Objection, ObjectionState, OwnDecision, Sanction
from gateway.contract.messages import JSON, Stamp, Subject, SubjectType, Verdict, WireRequest, WireResponse
from gateway.domain.delivery import Event

_RECORD = "OwnCreditRecord"
_CHANGE = "OwnCreditRecordChange"
_CREATED = "CREATED"


class Deciding(Speaker):
    """Writes to the platform's credit side."""

    def encode_decision(self, decision: OwnDecision, stamp: Stamp, /) -> WireRequest:
        """The first version as a new record, each later one as the next version, whole.

        ContractError where the decision does not fit the document: what the archive lets out must fit.
        """
        body = self._record(decision)
        if decision.event_type == _CREATED:
            return self._ask("createCreditRecord", "/credit-records", stamp, body=(_RECORD, body), changes=True)
        path = f"/credit-records/{quote(decision.platform_record_id or '', safe='-._~')}/versions"
        return self._ask("createCreditVersion", path, stamp, body=(_CHANGE, body), changes=True)

    def decode_decision(self, response: WireResponse, decision: OwnDecision, stamp: Stamp, /) -> Verdict:
        answer = self._open(response, stamp, "OwnRecordReceipt", statuses=MADE)
        if isinstance(answer, Refused):
            return _blamed(answer)
        record_id = text(answer, "platformRecordId")
        if whole(answer, "recordVersion") != decision.version or decision.platform_record_id not in (None, record_id):
            return not_understood("other_record", "the receipt is for another record or version", replay_safe=True)
        return Verdict(event=Event.ACCEPTED, code="201", platform_id=record_id)

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
        return self._ask("createObjection", "/objections", stamp, body=("NewObjection", body), changes=True)

    def decode_objection(self, response: WireResponse, objection: Objection, stamp: Stamp, /) -> Verdict:
        answer = self._open(response, stamp, "ObjectionReceipt", statuses=MADE)
        if isinstance(answer, Refused):
            return _blamed(answer)
        return Verdict(event=Event.ACCEPTED, code=text(answer, "status") or "", receipt=text(answer, "objectionNo"))

    def encode_objection_state(self, number: str, stamp: Stamp, /) -> WireRequest:
        return self._ask("getObjection", f"/objections/{quote(number, safe='-._~')}", stamp)

    def decode_objection_state(self, response: WireResponse, number: str, stamp: Stamp, /) -> ObjectionState | Verdict:
        answer = self._open(response, stamp, "Objection")
        if isinstance(answer, Refused):
            return answer.verdict
        if text(answer, "objectionNo") != number:
            return not_understood("other_objection", "the answer speaks of another objection", replay_safe=True)
        return ObjectionState(number=number, status=text(answer, "status") or "", result=text(answer, "result"))

    def encode_ticket(
        self,
        kind: str,
        record_id: str,
        description: str,
        proposed: str,
        stamp: Stamp,
        /,
        *,
        event_id: str | None = None,
    ) -> WireRequest:
        """Tell the platform of a contradiction (F03, F19, F20, F27); the texts hold no personal data.

        kind: IDENTITY, FORK, GAP, DISAPPEARED, DUPLICATE, PERIOD or OWNER
        """
        body: dict[str, JSON] = {
            "kind": kind,
            "platformRecordId": record_id,
            "description": description,
            "proposedAction": proposed,
        }
        body |= {"eventId": event_id} if event_id else {}
        return self._ask(
            "createConflictTicket", "/conflict-tickets", stamp, body=("NewConflictTicket", body), changes=True
        )

    def decode_ticket(self, response: WireResponse, stamp: Stamp, /) -> Verdict:
        """``accepted`` carries the platform's number in ``receipt``."""
        answer = self._open(response, stamp, "ConflictTicketReceipt", statuses=MADE)
        if isinstance(answer, Refused):
            return _blamed(answer)
        return Verdict(event=Event.ACCEPTED, code="201", receipt=text(answer, "ticketNo"))

    def encode_ticket_state(self, number: str, stamp: Stamp, /) -> WireRequest:
        return self._ask("getConflictTicket", f"/conflict-tickets/{quote(number, safe='-._~')}", stamp)

    def decode_ticket_state(self, response: WireResponse, number: str, stamp: Stamp, /) -> Verdict:
        """``accepted`` for a closed ticket, ``pending`` for one that is open; ``reason`` is the outcome."""
        answer = self._open(response, stamp, "ConflictTicket")
        if isinstance(answer, Refused):
            return answer.verdict
        if text(answer, "ticketNo") != number:
            return not_understood("other_ticket", "the answer speaks of another ticket", replay_safe=True)
        status = text(answer, "status") or ""
        event = Event.ACCEPTED if status == "CLOSED" else Event.PENDING
        return Verdict(event=event, code=status, reason=text(answer, "outcome") or "", receipt=number)

    def _record(self, decision: OwnDecision) -> dict[str, JSON]:
        made: dict[str, JSON] = {
            "localRecordKey": decision.key,
            "category": decision.category,
            "subjectType": decision.subject.type.value,
            "subject": self._subject(decision.subject, decision.key),
            "creditType": decision.credit_type,
            "creditCode": decision.credit_code,
            "content": decision.content,
            "happenDate": _day(decision.happen_date),
            "regionNo": decision.region,
            "departName": decision.authority,
            "departCode": decision.authority_code,
            "departTypeId": decision.authority_level,
            "punishEvidence": decision.legal_basis,
            "sanctions": [_sanction(sanction) for sanction in decision.sanctions],
            "mark": decision.decision,
            "fileNum": decision.decision_no,
            "punishDate": _day(decision.decision_date),
            "punishEDate": _day(decision.sanction_end),
            "publishBeginDate": _day(decision.publish_begin),
            "publishEndDate": _day(decision.publish_end),
            "usageScope": decision.usage_scope,
            "appliedByReference": decision.by_reference,
            "proof": {
                "noticeDate": _day(decision.notice_date),
                "statementHeard": decision.heard,
                "deliveredDate": _day(decision.delivered_date),
                "decisionDigest": _digest(decision.decision_digest),
            },
        }
        if decision.event_type != _CREATED:
            effective = decision.effective_from
            made |= {
                "recordVersion": decision.version,
                "eventType": decision.event_type,
                "effectiveFrom": None if effective is None else china_time(effective),
                "changeReason": decision.change_reason,
            }
        said: dict[str, JSON] = {name: value for name, value in made.items() if value is not None}
        return {**said, "payloadDigest": payload_digest(said, self._settings.digest_alg)}

    def _subject(self, subject: Subject, key: str) -> dict[str, JSON]:
        if subject.type is SubjectType.ENTERPRISE:
            found: Mapping[str, JSON] = {"name": subject.name, "corpCode": subject.corp_code}
        else:
            sealed = self._cipher.seal(
                subject.id_number or "", schema=_RECORD, field="subject.idCardNumber", business_key=key
            )
            found = {
                "name": subject.name,
                "idCardType": table("id_document_type").get(subject.id_type, "worker_platform_code"),
                "idCardNumber": sealed,
                "corpCodeAtEvent": subject.corp_code_at_event,
                "corpNameAtEvent": subject.corp_name_at_event,
            }
        return {name: value for name, value in found.items() if value is not None}


def _sanction(sanction: Sanction) -> dict[str, JSON]:
    made: dict[str, JSON] = {
        "type": sanction.type,
        "amount": sanction.amount,
        "permitName": sanction.permit,
        "from": _day(sanction.begin),
        "to": _day(sanction.end),
    }
    return {name: value for name, value in made.items() if value is not None}


def _day(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def _digest(value: str) -> str:
    """A digest with its algorithm in front; bare hex is SHA-256."""
    return value if ":" in value else f"sha-256:{value}"


def _blamed(answer: Refused) -> Verdict:
    """A refusal that names fields is ours to mend: rejected, with their names."""
    verdict = answer.verdict
    if verdict.code not in FIELD_CODES or not answer.errors:
        return verdict
    names = (pointer_path(text(error, "pointer") or "") for error in answer.errors)
    return Verdict(
        event=Event.REJECTED,
        code=verdict.code,
        reason=verdict.reason,
        fields=tuple(dict.fromkeys(name for name in names if name)),
    )
