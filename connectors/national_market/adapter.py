"""The national construction market platform as a connector: typed SOAP contract 1.0, UsernameToken with digest.

Transport, signing, codes and how sure each point is stand in this folder's README. Undocumented behaviour: none used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

from lxml import etree

from connectors.national_market import messages, results, schema
from connectors.national_market.mapping import to_draft
from connectors.national_market.settings import NationalMarketSettings
from gateway.codec import replies, soap
from gateway.contract.connector import Connector, ConnectorInfo, Endpoint, HoldingsBy, KindInfo
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
from gateway.domain.delivery import Event
from gateway.domain.errors import ContractError
from gateway.domain.records import RecordKind, Submission
from gateway.domain.schedule import waits
from gateway.settings import Loader

PLATFORM = "national_market"
SERVICE = "urn:jzsc:personcert:ws:1"
_HERE = Path(__file__).parent
_PORTS = {"1.1": "PersonCertDataServiceSoap", "1.2": "PersonCertDataServiceSoap12"}
_RECORDS = {RecordKind.PERSON: "Person", RecordKind.CERTIFICATE: "Certificate"}
_NO_CHANGE = "the platform wants the certificate's next version in it; send the certificate again as a new version"
_NO_WITHDRAWAL = "the platform wants the record's next version in it; agree on it with the platform's owner"


def build(load: Loader) -> Connector:
    """Return the connector with its own settings; zeep and the WSDL are loaded on the first encoding."""
    return NationalMarket(load(NationalMarketSettings))


class NationalMarket:
    """Required methods, and PollsAcks, LooksUp, ListsHoldings (by record), ProbesHealth."""

    def __init__(self, settings: NationalMarketSettings) -> None:
        self._settings = settings
        self._port = soap.Port(
            wsdl=_HERE / "service.wsdl",
            schema=_HERE / "service.xsd",
            service="PersonCertDataService",
            port=_PORTS[settings.soap_version],
            prefixes={"ws": SERVICE, **results.NS},
        )
        self._endpoint = settings.to_endpoint()
        self._info = _info(settings)

    @property
    def info(self) -> ConnectorInfo:
        """Kinds, limits and plans."""
        return self._info

    @property
    def endpoint(self) -> Endpoint:
        """Address and pace."""
        return self._endpoint

    def map(self, submission: Submission, /) -> Draft:
        """Write the record in the platform's fields."""
        return to_draft(submission, self._settings)

    def check(self, submission: Submission, draft: Draft, /) -> Payload | Problems:
        """Apply facets, tables and rules."""
        return schema.check(submission, draft, self._settings)

    def encode_push(self, payloads: Sequence[Payload], stamp: Stamp, /) -> WireRequest:
        """One batch call for all payloads, also for a single one: its answer names each record."""
        record = _RECORDS[_kind(payloads)]
        operation = f"Upsert{record}Batch"
        values: dict[str, JSON] = {
            "Head": messages.head(len(payloads), stamp, self._settings),
            record: [p.fields for p in payloads],
        }
        envelope = self._port.envelope(operation, values)
        messages.fill_content_hash(envelope, self._settings)
        return self._request(operation, envelope, stamp)

    def decode_push(self, response: WireResponse, payloads: Sequence[Payload], stamp: Stamp, /) -> Sequence[Verdict]:
        """Judge an ``Ack``."""
        operation = f"Upsert{_RECORDS[_kind(payloads)]}Batch"
        answer = self._open(response, operation)
        if not isinstance(answer, etree._Element):
            return (results.of_failure(answer),) * len(payloads)
        return results.of_ack(
            answer[0],
            [_key(p) for p in payloads],
            sender=self._settings.sender_code,
            serial=messages.serial_number(self._settings.sender_code, stamp.message_id),
        )

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
        return results.of_receipt(answer[0], keys, sender=self._settings.sender_code, serial=receipt)

    def encode_lookup(self, payload: Payload, stamp: Stamp, /) -> WireRequest:
        """A person is asked for by document, a certificate by its record key."""
        sender: dict[str, JSON] = {"SenderCode": self._settings.sender_code}
        if payload.kind is RecordKind.PERSON:
            asked = {name: payload.fields[name] for name in ("IdDocType", "IdDocNumber")}
            return self._call("QueryPerson", sender | asked, stamp)
        return self._call("QueryCertificate", sender | {"RecordKey": payload.fields["RecordKey"]}, stamp)

    def decode_lookup(self, response: WireResponse, payload: Payload, stamp: Stamp, /) -> Verdict:
        """Compare what is stored with what we sent. Our key with a lower version means this version has not arrived."""
        stored = self._stored(response, payload)
        if isinstance(stored, Verdict):
            return stored
        ours = _sent(payload)
        held = next((s for s in stored if s.get("RecordKey") == ours["RecordKey"]), None)
        if held is None:
            return Verdict(
                event=Event.CONFLICT,
                code="other_record",
                reason="another record stands under this key",
                fields=("RecordKey",),
            )
        theirs = messages.normal(held, ours)
        if _version(theirs) < payload.version:
            return Verdict(event=Event.NOT_FOUND, code="older_version", reason="an earlier version is stored")
        differing = tuple(sorted(path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path)))
        if differing:
            return Verdict(
                event=Event.CONFLICT, code="other_content", reason="stored with other content", fields=differing
            )
        return Verdict(event=Event.ACCEPTED, code="000", reason="stored as sent")

    def expected(self, payload: Payload, /) -> Holding:
        """The record as the platform should return it."""
        return _holding(payload.kind, _sent(payload))

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
        stored = self._stored(response, payload)
        if isinstance(stored, Verdict):
            return HoldingsPage(holdings=()) if stored.event is Event.NOT_FOUND else stored
        ours = _sent(payload)
        return HoldingsPage(holdings=tuple(_holding(payload.kind, messages.normal(s, ours)) for s in stored))

    def encode_health(self, stamp: Stamp, /) -> WireRequest:
        """The platform's time, asked with credentials although it needs none, so that a wrong password shows."""
        return self._call("GetServiceTime", {}, stamp)

    def decode_health(self, response: WireResponse, stamp: Stamp, /) -> Health:
        """Address, credentials, version and clock; where a fault hides the time, the reply's Date header tells it."""
        answer = self._open(response, "GetServiceTime")
        if not isinstance(answer, etree._Element):
            skew = _date_skew(response.headers, stamp)
            verdict = results.of_failure(answer)
            return Health(ok=False, detail=f"{verdict.code}: {verdict.reason}", clock_skew=skew)
        try:
            skew = datetime.fromisoformat((answer.findtext("{*}ServerTime") or "").strip()) - stamp.now
        except ValueError:
            return Health(ok=False, detail="the platform's time cannot be read")
        if abs(skew) > timedelta(seconds=self._settings.clock_window_seconds):
            return Health(ok=False, detail="the clocks differ by more than the platform allows", clock_skew=skew)
        # the schema allows one version only, so another one does not get as far as this
        return Health(ok=True, detail=f"schema {messages.SCHEMA_VERSION}", clock_skew=skew)

    def _call(self, operation: str, values: Mapping[str, JSON], stamp: Stamp) -> WireRequest:
        return self._request(operation, self._port.envelope(operation, values), stamp)

    def _request(self, operation: str, envelope: etree._Element, stamp: Stamp) -> WireRequest:
        token = soap.username_token(self._settings.account, self._settings.password.get_secret_value(), stamp)
        body, headers = self._port.seal(operation, envelope, token)
        return WireRequest(operation=operation, headers=headers, body=body)

    def _open(self, response: WireResponse, operation: str) -> etree._Element | soap.Fault | soap.Unreadable:
        answer = self._port.open(response.body, f"{{{SERVICE}}}{operation}Response")
        if isinstance(answer, etree._Element) and response.status != 200:
            return soap.Unreadable(code="error_status", reason="an answer under an error status")
        return answer

    def _stored(self, response: WireResponse, payload: Payload) -> list[dict[str, str]] | Verdict:
        """What the platform holds for the question about ``payload``, never empty; or why that is not known."""
        record = _RECORDS[payload.kind]
        answer = self._open(response, f"Query{record}")
        if not isinstance(answer, etree._Element):
            return results.of_failure(answer)
        verdict = results.of_query(answer)
        if verdict is not None:
            return verdict
        found = [messages.comparable(element) for element in answer.iterfind(f"{{{SERVICE}}}{record}")]
        return found or replies.not_understood("no_record", "success without a record", replay_safe=True)


def _info(settings: NationalMarketSettings) -> ConnectorInfo:
    return ConnectorInfo(
        platform=PLATFORM,
        title_zh="全国建筑市场监管公共服务平台",
        spec_version=messages.SCHEMA_VERSION,
        # sending twice is harmless: record key and version decide, and an equal version with equal content is a no-op
        kinds={
            RecordKind.PERSON: KindInfo(batch_max=settings.batch_max, replay_safe=True),
            RecordKind.CERTIFICATE: KindInfo(
                batch_max=settings.batch_max, replay_safe=True, after=(RecordKind.PERSON,)
            ),
        },
        declined={RecordKind.STATUS_CHANGE: _NO_CHANGE, RecordKind.WITHDRAWAL: _NO_WITHDRAWAL},
        reply_media_types=soap.MEDIA_TYPES,
        # 400 carries sender faults of SOAP 1.2
        reply_statuses=frozenset({200, 400, 500}),
        retry=waits(
            *settings.retry_seconds, then=settings.retry_then_seconds, give_up_after=settings.retry_give_up_seconds
        ),
        polls=waits(
            *settings.poll_seconds, then=settings.poll_then_seconds, give_up_after=settings.poll_give_up_seconds
        ),
        lookups=waits(*settings.settling_seconds),
        negative_lookups=settings.negative_lookups,
        holdings_by=HoldingsBy.RECORD,
    )


def _kind(payloads: Sequence[Payload]) -> RecordKind:
    kinds = {p.kind for p in payloads}
    if len(kinds) != 1 or not kinds <= _RECORDS.keys():
        raise ContractError("a call carries payloads of one kind that the platform takes")
    return kinds.pop()


def _key(payload: Payload) -> str:
    return str(payload.fields["RecordKey"])


def _sent(payload: Payload) -> dict[str, str]:
    flat = dict(schema.leaves(payload.fields))
    return messages.normal(flat, flat)


def _holding(kind: RecordKind, fields: dict[str, str]) -> Holding:
    rest = {path: text for path, text in fields.items() if path not in ("RecordKey", "RecordVersion")}
    return Holding(kind=kind, key=fields.get("RecordKey", ""), version=_version(fields), fields=rest)


def _version(fields: Mapping[str, str]) -> int:
    return int(fields.get("RecordVersion", "0"))


def _date_skew(headers: Mapping[str, str], stamp: Stamp) -> timedelta | None:
    try:
        at = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
    return at - stamp.now if at.tzinfo else None
