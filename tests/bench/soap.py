"""The SOAP road on the market platform's contract: writing against zeep's, a whole call against zeep's own client.

Both sides of a call have the same account, records and canned answer. Ours also hashes the content, checks request and
answer against the schema and judges every item, which is half of its time; zeep does none of that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from zeep import Client, Transport
from zeep.wsse.username import UsernameToken

from gateway.codec.soap import Port
from gateway.contract.messages import Payload, WireResponse
from gateway.domain.delivery import Event
from gateway.domain.records import RecordKind
from gateway.registry import build_connector
from gateway.settings import loader
from gateway.testing import people
from gateway.testing.conformance import stamp

_PREFIX = "GATEWAY_NATIONAL_MARKET__"
_ACCOUNT = {f"{_PREFIX}ENDPOINT": "https://market.example/Service", f"{_PREFIX}PASSWORD": "example-only"}
_NAMES = {"ws": "urn:jzsc:personcert:ws:1", "t": "urn:jzsc:personcert:types:1"}
_SERVICE, _PORT = "PersonCertDataService", "PersonCertDataServiceSoap"
_BATCH = 50
_REPEATS = 10


def cases() -> list[dict[str, Any]]:
    """A batch of persons and one of certificates, written and called."""
    made = []
    for kind in (RecordKind.PERSON, RecordKind.CERTIFICATE):
        batch = _Batch(kind)
        for name, what, goal, ours, floor in (
            ("write", "envelopes by the compiled writer against `create_message`", 10.0, batch.write, batch.zeep_write),
            ("call", "encode and decode against zeep's client with a canned answer", 3.0, batch.call, batch.zeep_call),
        ):
            made.append(
                {
                    "name": f"soap {name}, {_BATCH} x {kind.value}",
                    "what": what,
                    "unit": "records/CPU s",
                    "goal": goal,
                    "at_least": True,
                    "ours": partial(_rate, ours),
                    "floor": partial(_rate, floor),
                }
            )
    return made


def _rate(work: Callable[[], None], _: int) -> float:
    """Records a second of CPU time, the best of some repeats: neither side waits for anything."""
    work()
    best = float("inf")
    for _repeat in range(_REPEATS):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return _BATCH / best


class _Batch:
    """One batch of a kind, ready to be written or called on either side."""

    def __init__(self, kind: RecordKind) -> None:
        self._connector = build_connector("national_market", loader(_ACCOUNT))
        submissions = people.submissions("national_market", kind, _BATCH)
        drafts = [(s, self._connector.map(s)) for s in submissions]
        self._payloads = [p for s, d in drafts if isinstance(p := self._connector.check(s, d), Payload)]
        assert len(self._payloads) == _BATCH
        record = {RecordKind.PERSON: "Person", RecordKind.CERTIFICATE: "Certificate"}[kind]
        self._operation = f"Upsert{record}Batch"
        self._stamp = stamp()
        sent = self._connector.encode_push(self._payloads, self._stamp).body
        serial = sent.partition(b"SerialNo>")[2].partition(b"<")[0].decode()
        self._answer = WireResponse(status=200, headers={"content-type": "text/xml"}, body=self._ack(serial))
        self._values: dict[str, Any] = {
            "Head": {
                "SenderCode": serial[:6],
                "SerialNo": serial,
                "SchemaVersion": "1.0",
                "SentAt": "2019-04-02T09:30:00+08:00",
                "RecordCount": _BATCH,
                "ContentHash": "0" * 64,
            },
            record: [dict(p.fields) for p in self._payloads],
        }
        folder = Path(str(files("connectors.national_market")))
        self._port = Port(
            wsdl=folder / "service.wsdl", schema=folder / "service.xsd", service=_SERVICE, port=_PORT, prefixes=_NAMES
        )
        self._client: Any = Client(  # type: ignore[no-untyped-call]
            str(folder / "service.wsdl"),
            transport=_Canned(self._answer.body),
            wsse=UsernameToken("370000", "example-only", use_digest=True, zulu_timestamp=True),  # type: ignore[no-untyped-call]
        )
        self._proxy = self._client.bind(_SERVICE, _PORT)

    def write(self) -> None:
        """An unsigned envelope."""
        self._port.envelope(self._operation, self._values)

    def zeep_write(self) -> None:
        """The same by zeep."""
        self._client.create_message(self._proxy, self._operation, **self._values)

    def call(self) -> None:
        """From payloads to bytes, and from an answer to verdicts."""
        self._connector.encode_push(self._payloads, self._stamp)
        verdicts = self._connector.decode_push(self._answer, self._payloads, self._stamp)
        assert {v.event for v in verdicts} == {Event.ACCEPTED}

    def zeep_call(self) -> None:
        """From dictionaries to a signed request, and from an answer to zeep's objects."""
        answer = self._proxy[self._operation](**self._values)
        assert len(answer.Item) == _BATCH

    def _ack(self, serial: str) -> bytes:
        items = "".join(
            f"<t:Item><t:RecordKey>{p.fields['RecordKey']}</t:RecordKey><t:ItemCode>000</t:ItemCode>"
            f"<t:Severity>OK</t:Severity><t:PlatformId>{number:08d}</t:PlatformId></t:Item>"
            for number, p in enumerate(self._payloads)
        )
        declared = "".join(f' xmlns:{prefix}="{space}"' for prefix, space in _NAMES.items())
        return (
            f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"{declared}><s:Body>'
            f"<ws:{self._operation}Response><ws:Ack><t:SenderCode>{serial[:6]}</t:SenderCode>"
            f"<t:SerialNo>{serial}</t:SerialNo><t:ResultCode>000</t:ResultCode><t:ResultMessage>ok</t:ResultMessage>"
            "<t:ReceivedAt>2019-04-02T09:30:01+08:00</t:ReceivedAt>"
            f"<t:AcceptedCount>{_BATCH}</t:AcceptedCount><t:WarnCount>0</t:WarnCount>"
            f"<t:RejectedCount>0</t:RejectedCount><t:Duplicate>false</t:Duplicate>{items}"
            f"</ws:Ack></ws:{self._operation}Response></s:Body></s:Envelope>"
        ).encode()


class _Canned(Transport):
    """zeep's transport without a network: every post gets the same answer."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._answer = answer

    def post(self, address: str, message: bytes, headers: dict[str, str]) -> Any:
        """The canned answer in the shape zeep reads."""
        return SimpleNamespace(
            status_code=200, content=self._answer, headers={"Content-Type": "text/xml"}, encoding="utf-8"
        )
