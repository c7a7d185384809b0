"""Decisions of the centre's own, handed to the platform."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from urllib.parse import quote

from connectors.provincial_credit.cipher import payload_digest
from connectors.provincial_credit.mapping import china_time
from connectors.provincial_credit.signing import MADE, SignedCalls
from connectors.provincial_credit.verdicts import Refused, blamed
from gateway.codec.codes import table
from gateway.codec.jsonbody import text, whole
from gateway.codec.replies import not_understood
from gateway.contract.credit import OwnDecision, Sanction
from gateway.contract.messages import JSON, Stamp, Subject, SubjectType, Verdict, WireRequest, WireResponse
from gateway.domain.states import Event

_RECORD = "OwnCreditRecord"
_CHANGE = "OwnCreditRecordChange"
_TOLD_AS = {"CREATED": "CORRECTED", "CERT_INVALIDATED": "CORRECTED"}
"""events of our own for which a later version has no word there; the certificate's status goes a way of its own"""


class Deciding(SignedCalls):
    """Writes to the platform's credit side."""

    def encode_decision(self, decision: OwnDecision, stamp: Stamp, /) -> WireRequest:
        """The first version as a new record, each later one as the next version, whole.

        ContractError where the decision does not fit the document: what the archive lets out must fit.
        """
        body = self._record(decision)
        if decision.version == 1:
            return self._request("createCreditRecord", "/credit-records", stamp, body=(_RECORD, body), changes=True)
        path = f"/credit-records/{quote(decision.platform_record_id or '', safe='-._~')}/versions"
        return self._request("createCreditVersion", path, stamp, body=(_CHANGE, body), changes=True)

    def decode_decision(self, response: WireResponse, decision: OwnDecision, stamp: Stamp, /) -> Verdict:
        answer = self._open(response, stamp, "OwnRecordReceipt", statuses=MADE)
        if isinstance(answer, Refused):
            return blamed(answer)
        record_id = text(answer, "platformRecordId")
        if whole(answer, "recordVersion") != decision.version or decision.platform_record_id not in (None, record_id):
            return not_understood("other_record", "the receipt is for another record or version", replay_safe=True)
        return Verdict(event=Event.ACCEPTED, code="201", platform_id=record_id)

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
        if decision.version > 1:
            effective = decision.effective_from
            made |= {
                "recordVersion": decision.version,
                "eventType": _TOLD_AS.get(decision.event_type, decision.event_type),
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
