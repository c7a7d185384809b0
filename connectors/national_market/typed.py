"""Dialect T, profile U: the typed SOAP contract 1.0, each message signed with a UsernameToken digest.

Transport, signing, codes and how sure each point is stand in this folder's README. Undocumented behaviour: none used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path

from lxml import etree

from connectors.national_market import (
    attachments,
    changes,
    contract,
    description,
    drift,
    messages,
    results,
    schema,
    stored,
)
from connectors.national_market.mapping import CHINA
from connectors.national_market.settings import NationalMarketSettings
from gateway.codec import replies
from gateway.codec.moments import read_moment
from gateway.codec.soap.envelope import Fault, Port, Unreadable, username_token
from gateway.codec.soap.security import UsernameHeader
from gateway.contract.codes import CodeDrift
from gateway.contract.connector import ConnectorInfo, Endpoint
from gateway.contract.messages import (
    JSON,
    Draft,
    Health,
    Holding,
    HoldingsPage,
    Payload,
    Problems,
    Stamp,
    Verdict,
    WireRequest,
    WireResponse,
)
from gateway.domain.errors import ContractError
from gateway.domain.records import RecordKind, Submission
from gateway.domain.states import Event

SERVICE = "urn:jzsc:personcert:ws:1"
_HERE = Path(__file__).parent
_PORTS = {"1.1": "PersonCertDataServiceSoap", "1.2": "PersonCertDataServiceSoap12"}
_SAVES = {
    RecordKind.PERSON: ("UpsertPersonBatch", "Person"),
    RecordKind.CERTIFICATE: ("UpsertCertificateBatch", "Certificate"),
    RecordKind.STATUS_CHANGE: ("ChangeCertificateStatus", "StatusChange"),
    RecordKind.WITHDRAWAL: ("WithdrawRecord", "Withdrawal"),
}
"""operation and record element of each kind"""


class NationalMarket:
    """Dialect T, profile U: required methods, and PollsAcks, LooksUp, ListsHoldings (by record), ProbesHealth,
    NumbersMessages."""

    def __init__(self, settings: NationalMarketSettings) -> None:
        self._settings = settings
        self._port = Port(
            wsdl=_HERE / "service.wsdl",
            schema=_HERE / "service.xsd",
            service="PersonCertDataService",
            port=_PORTS[settings.soap_version],
            prefixes={"ws": SERVICE, **results.NS},
        )
        self._endpoint = settings.to_endpoint()
        self._info = description.typed(settings)

    @property
    def info(self) -> ConnectorInfo:
        """Kinds, limits and plans."""
        return self._info

    @property
    def endpoint(self) -> Endpoint:
        """Address and pace."""
        return self._endpoint

    def contract_files(self) -> Mapping[str, bytes]:
        """The WSDL and the schemas this was written for."""
        return contract.files()

    def map(self, submission: Submission, /) -> Draft:
        """Write the record in the platform's fields."""
        return changes.draft_of(submission, self._settings)

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        """Apply facets, tables and rules."""
        return schema.check(submission, draft, self._settings)

    def most_together(self, payload: Payload, /) -> int:
        """Fewer where a photo or scan is among them."""
        return attachments.most_together(payload, self._settings)

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        """One batch call for all payloads, also for a single one: its answer names each record."""
        operation, record = _SAVES[_kind(payloads)]
        values: dict[str, JSON] = {
            "Head": messages.head(len(payloads), stamp, self._settings),
            record: [changes.sent_fields(p) for p in payloads],
        }
        written = self._port.written(operation, values)
        if written is None:
            envelope = self._port.envelope(operation, values)
            messages.fill_content_hash(envelope, self._settings)
            return self._request(operation, envelope, stamp)
        text = messages.with_content_hash(written, self._settings)
        body, headers = self._port.seal_text(operation, text, self._header(operation, stamp))
        return WireRequest(operation=operation, headers=headers, body=body)

    def message_number(self, message_id: str, /) -> str:
        """The SerialNo of its head."""
        return messages.serial_number(self._settings.sender_code, message_id)

    def message_made(self, number: str, /) -> datetime | None:
        """The moment that a SerialNo of ours tells."""
        return messages.made_at(number, self._settings.sender_code)

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        """Judge an ``Ack``."""
        operation, _ = _SAVES[_kind(payloads)]
        answer = self._open(response, operation)
        if not isinstance(answer, etree._Element):
            return results.of_failed_save(answer, len(payloads))
        verdicts = results.of_ack(
            answer[0],
            [_key(p) for p in payloads],
            sender=self._settings.sender_code,
            serial=messages.serial_number(self._settings.sender_code, stamp.message_id),
        )
        return [changes.in_its_light(v, p) for v, p in zip(verdicts, payloads, strict=True)]

    def encode_ack(self, receipt: str, stamp: Stamp, /) -> WireRequest:
        """Ask by the serial number of the push; the platform's receipt number is for its own books only."""
        return self._call("QueryReceipt", {"SenderCode": self._settings.sender_code, "SerialNo": receipt}, stamp)

    def decode_ack(
        self, response: WireResponse, receipt: str, payloads: Sequence[Payload], stamp: Stamp, /
    ) -> Sequence[Verdict]:
        """Judge a ``Receipt``. A finished item that may be sent again is in doubt until a look-up finds it absent."""
        answer = self._open(response, "QueryReceipt")
        if not isinstance(answer, etree._Element):
            return (results.of_failure(answer),) * len(payloads)
        keys = [_key(p) for p in payloads]
        verdicts = results.of_receipt(answer[0], keys, sender=self._settings.sender_code, serial=receipt)
        return [changes.in_its_light(v, p, Event.NOT_STORED) for v, p in zip(verdicts, payloads, strict=True)]

    def encode_lookup(self, payload: Payload, stamp: Stamp, /) -> WireRequest:
        """Ask for the person or certificate that the payload is about."""
        values: dict[str, JSON] = {"SenderCode": self._settings.sender_code, **stored.question(payload)}
        return self._call(_query(payload), values, stamp)

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        """Compare what is stored with what we sent."""
        found = self._stored(response, payload)
        return found if isinstance(found, Verdict) else stored.verdict_on(payload, found)

    def expected(self, payload: Payload, /) -> Holding:
        """The record as the platform should return it."""
        return stored.expected(payload)

    def encode_holdings(self, cursor: str | None, payload: Payload | None, stamp: Stamp, /) -> WireRequest:
        """Read by record: the same question as a look-up."""
        if payload is None:
            raise ContractError("this platform's holdings are read record by record")
        return self.encode_lookup(payload, stamp)

    def decode_holdings(
        self, response: WireResponse, payload: Payload | None, stamp: Stamp, /
    ) -> HoldingsPage | Verdict:
        """All records the platform returned for the question."""
        if payload is None:
            raise ContractError("this platform's holdings are read record by record")
        found = self._stored(response, payload)
        return found if isinstance(found, Verdict) else HoldingsPage(holdings=stored.holdings(payload, found))

    def encode_health(self, stamp: Stamp, /) -> WireRequest:
        """The platform's time, asked with credentials although it needs none, so that a wrong password shows."""
        return self._call("GetServiceTime", {}, stamp)

    def decode_health(self, response: WireResponse, stamp: Stamp, /) -> Health:
        """Address, credentials, version and clock; where a fault hides the time, the reply's Date header tells it."""
        answer = self._open(response, "GetServiceTime")
        if not isinstance(answer, etree._Element):
            skew = _date_skew(response.headers, stamp)
            verdict = results.of_failure(answer)
            return Health(ok=False, detail=verdict.reason, code=verdict.code, clock_skew=skew)
        at = read_moment(answer.findtext("{*}ServerTime") or "")
        if at is None:
            return Health(ok=False, detail="the platform's time cannot be read")
        skew = at - stamp.now
        if abs(skew) > timedelta(seconds=self._settings.clock_window_seconds):
            detail = "the clocks differ by more than the platform allows"
            return Health(ok=False, detail=detail, code="clock_skew", clock_skew=skew)
        # the schema allows one version only, so another one does not get as far as this
        return Health(ok=True, detail=f"schema {description.SCHEMA_VERSION}", clock_skew=skew)

    def code_tables(self) -> Sequence[str]:
        """Names of the tables whose codes are sent."""
        return drift.PINNED

    def encode_code_table(self, name: str, stamp: Stamp, /) -> WireRequest:
        """Ask for one of the platform's code tables, whole."""
        return self._call("GetCodeTable", {"TableName": name}, stamp)

    def decode_code_table(self, response: WireResponse, name: str, stamp: Stamp, /) -> CodeDrift | Verdict:
        """How the platform's table differs from ours of the day of the same name; or why it did not come."""
        answer = self._open(response, "GetCodeTable")
        if not isinstance(answer, etree._Element):
            return results.of_failure(answer)
        refusal = results.of_query(answer)
        if refusal is not None:
            return refusal
        today = stamp.now.astimezone(CHINA).date()
        return drift.of_answer(answer, drift.ours_on(name, today, self._settings.code_folder))

    def _call(self, operation: str, values: Mapping[str, JSON], stamp: Stamp) -> WireRequest:
        return self._request(operation, self._port.envelope(operation, values), stamp)

    def _request(self, operation: str, envelope: etree._Element, stamp: Stamp) -> WireRequest:
        body, headers = self._seal(operation, envelope, stamp)
        return WireRequest(operation=operation, headers=headers, body=body)

    def _seal(self, operation: str, envelope: etree._Element, stamp: Stamp) -> tuple[bytes, dict[str, str]]:
        """Bytes and headers of a message with its credentials: profile U signs each one."""
        token = username_token(self._settings.account, self._settings.password.get_secret_value(), stamp)
        return self._port.seal(operation, envelope, token)

    def _header(self, operation: str, stamp: Stamp) -> str:
        """The same credentials as text, for a message that was written as text."""
        return self._security.text(stamp)

    @cached_property
    def _security(self) -> UsernameHeader:
        secret = self._settings.password.get_secret_value()
        return UsernameHeader(self._settings.account, secret, self._port.envelope_namespace)

    def _open(self, response: WireResponse, operation: str) -> etree._Element | Fault | Unreadable:
        name, content_type = f"{{{SERVICE}}}{operation}Response", response.headers.get("content-type", "")
        answer = self._port.open(response.body, name, content_type)
        if isinstance(answer, etree._Element) and response.status != 200:
            return Unreadable(code="error_status", reason="an answer under an error status")
        return answer

    def _stored(self, response: WireResponse, payload: Payload) -> list[stored.Stored] | Verdict:
        """What the platform holds for the question about ``payload``, empty for 401; or why that is not known."""
        operation = _query(payload)
        answer = self._open(response, operation)
        if not isinstance(answer, etree._Element):
            return results.of_failure(answer)
        verdict = results.of_query(answer)
        if verdict is not None:
            return [] if verdict.event is Event.NOT_FOUND else verdict
        found = [messages.comparable(e) for e in answer.iterfind(f"{{{SERVICE}}}{operation.removeprefix('Query')}")]
        return found or replies.not_understood("no_record", "success without a record", replay_safe=True)


def _kind(payloads: Sequence[Payload]) -> RecordKind:
    kinds = {p.kind for p in payloads}
    if len(kinds) != 1:
        raise ContractError("a call carries payloads of one kind")
    return kinds.pop()


def _key(payload: Payload) -> str:
    return str(payload.fields["RecordKey"])


def _query(payload: Payload) -> str:
    return "QueryPerson" if stored.asks_for_person(payload) else "QueryCertificate"


def _date_skew(headers: Mapping[str, str], stamp: Stamp) -> timedelta | None:
    try:
        at = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, OverflowError):
        return None
    return at - stamp.now if at.tzinfo else None
