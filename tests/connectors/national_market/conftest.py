"""The connector with example settings, replies written by hand from the contract, and a sandbox without a socket."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from lxml import etree

from connectors.national_market.adapter import build as build_connector
from connectors.national_market.messages import fill_content_hash
from connectors.national_market.sandbox import NationalMarketSandbox
from connectors.national_market.sandbox import build as build_sandbox
from connectors.national_market.settings import NationalMarketSettings
from connectors.national_market.typed import NationalMarket
from gateway.codec.soap.envelope import username_token
from gateway.contract.messages import Payload, Stamp, Token, Verdict, WireRequest, WireResponse
from gateway.domain.records import Record, RecordKind, Submission
from gateway.settings import loader
from gateway.testing import people

SERVICE = "urn:jzsc:personcert:ws:1"
PREFIX = "GATEWAY_NATIONAL_MARKET__"
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"


@pytest.fixture
def make() -> Callable[..., NationalMarket]:
    """A connector with example settings; keyword arguments are further settings."""

    def build(**given: str) -> NationalMarket:
        values = {"endpoint": "https://market.example/PersonCertDataService", "password": "example-only", **given}
        environment = {f"{PREFIX}{name.upper()}": value for name, value in values.items()}
        return NationalMarket(loader(environment)(NationalMarketSettings))

    return build


@pytest.fixture
def connector(make: Callable[..., NationalMarket]) -> NationalMarket:
    """The connector with the specification's defaults."""
    return make()


@pytest.fixture
def payloads(connector: NationalMarket) -> Callable[..., tuple[Payload, ...]]:
    """Checked payloads of synthetic records."""

    def checked(kind: RecordKind = RecordKind.PERSON, count: int = 1, seed: int = 1) -> tuple[Payload, ...]:
        made = [connector.check(s, connector.map(s)) for s in people.submissions("national_market", kind, count, seed)]
        return tuple(p for p in made if isinstance(p, Payload))

    return checked


@pytest.fixture
def reply() -> Callable[..., WireResponse]:
    """A SOAP 1.1 answer around a body element written as text with the prefixes ws and t."""

    def build(content: str, status: int = 200) -> WireResponse:
        text = (
            f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{ENVELOPE}" '
            'xmlns:ws="urn:jzsc:personcert:ws:1" xmlns:t="urn:jzsc:personcert:types:1">'
            f"<s:Body>{content}</s:Body></s:Envelope>"
        )
        headers = {"content-type": "text/xml; charset=utf-8"}
        return WireResponse(status=status, headers=headers, body=text.encode())

    return build


@pytest.fixture
def front() -> Callable[..., str]:
    """The elements with which an Ack and a Receipt begin."""

    def build(serial: str, code: str, sender: str = "370000") -> str:
        return (
            f"<t:SenderCode>{sender}</t:SenderCode><t:SerialNo>{serial}</t:SerialNo>"
            f"<t:ResultCode>{code}</t:ResultCode><t:ResultMessage>text of {code}</t:ResultMessage>"
            "<t:ReceivedAt>2019-04-02T09:30:01+08:00</t:ReceivedAt>"
            "<t:AcceptedCount>0</t:AcceptedCount><t:WarnCount>0</t:WarnCount><t:RejectedCount>0</t:RejectedCount>"
        )

    return build


@pytest.fixture
def ack(reply: Callable[..., WireResponse], front: Callable[..., str]) -> Callable[..., WireResponse]:
    """An acknowledgement; items are (record key, code) or (record key, code, severity, further elements)."""

    def build(
        serial: str,
        code: str,
        items: Sequence[tuple[str, ...]] = (),
        *,
        record: str = "Person",
        sender: str = "370000",
        after: int | None = None,
    ) -> WireResponse:
        wish = f"<t:RetryAfterSeconds>{after}</t:RetryAfterSeconds>" if after is not None else ""
        duplicate = "true" if code == "013" else "false"
        content = f"{front(serial, code, sender)}<t:Duplicate>{duplicate}</t:Duplicate>{wish}{rows(items)}"
        name = f"Upsert{record}BatchResponse"
        return reply(f"<ws:{name}><ws:Ack>{content}</ws:Ack></ws:{name}>")

    return build


@pytest.fixture
def receipt(reply: Callable[..., WireResponse], front: Callable[..., str]) -> Callable[..., WireResponse]:
    """An answer to QueryReceipt."""

    def build(serial: str, code: str, state: str, items: Sequence[tuple[str, ...]] = ()) -> WireResponse:
        content = f"{front(serial, code)}{rows(items)}<t:State>{state}</t:State>"
        return reply(f"<ws:QueryReceiptResponse><ws:Receipt>{content}</ws:Receipt></ws:QueryReceiptResponse>")

    return build


def rows(items: Sequence[tuple[str, ...]]) -> str:
    """Item elements; the severity follows from the code where none is given."""
    text = ""
    for key, code, *rest in items:
        severity = rest[0] if rest else {"000": "OK", "010": "OK", "011": "WARN"}.get(code, "ERROR")
        text += (
            f"<t:Item><t:RecordKey>{key}</t:RecordKey><t:ItemCode>{code}</t:ItemCode>"
            f"<t:Severity>{severity}</t:Severity>{''.join(rest[1:])}</t:Item>"
        )
    return text


class Clock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.now = datetime(2019, 4, 2, 1, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Bench:
    """A sandbox without a socket, a connector that points at it, and fresh stamps by the sandbox's clock."""

    def __init__(self, connector: Any, sandbox: Any, clock: Clock) -> None:
        self.connector, self.sandbox, self.clock = connector, sandbox, clock
        self.path = "/PersonCertDataService"
        self.token: Token | None = None
        self._count = 0

    def stamp(self) -> Stamp:
        """A stamp that no other has."""
        self._count += 1
        return Stamp(
            message_id=f"01D7DY3M{self._count:018d}",
            now=self.clock.now,
            nonce=self._count.to_bytes(16, "little"),
            token=self.token,
        )

    def log_in(self) -> Token | Verdict:
        """Log in, and carry the token in every later stamp."""
        sealed = self.stamp()
        found = self.connector.decode_login(self.send(self.connector.encode_login(None, sealed)), sealed)
        assert isinstance(found, Token | Verdict)
        self.token = found if isinstance(found, Token) else None
        return found

    def look_up(self, payload: Payload) -> Verdict:
        """Ask whether a payload arrived."""
        sealed = self.stamp()
        answer = self.send(self.connector.encode_lookup(payload, sealed))
        verdict = self.connector.decode_lookup(answer, payload, sealed)
        assert isinstance(verdict, Verdict)
        return verdict

    def send(self, request: WireRequest, **changed: Any) -> WireResponse:
        """Bring one request to the sandbox's application."""

        async def post() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.sandbox.app())
            async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
                body = changed.get("body", request.body)
                headers = {**request.headers, **changed.get("headers", {})}
                return await client.request(changed.get("method", "POST"), self.path, content=body, headers=headers)

        answer = asyncio.run(post())
        return WireResponse(status=answer.status_code, headers=dict(answer.headers), body=answer.content)

    def get(self, query: str) -> WireResponse:
        """Fetch a document."""

        async def fetch() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.sandbox.app())
            async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
                return await client.get(f"{self.path}{query}")

        answer = asyncio.run(fetch())
        return WireResponse(status=answer.status_code, headers=dict(answer.headers), body=answer.content)

    def checked(self, *submissions: Submission) -> list[Payload]:
        """Payloads of good records."""
        made = [self.connector.check(s, self.connector.map(s)) for s in submissions]
        good = [p for p in made if isinstance(p, Payload)]
        assert good == made
        return good

    def push(self, *payloads: Payload, stamp: Stamp | None = None) -> list[tuple[str, str]]:
        """Push and judge; gives (event, code) for each payload."""
        sealed = stamp or self.stamp()
        response = self.send(self.connector.encode_push(payloads, sealed))
        return [(v.event.value, v.code) for v in self.connector.decode_push(response, payloads, sealed)]


@pytest.fixture
def bench(make: Callable[..., NationalMarket]) -> Iterator[Bench]:
    """Connector and sandbox, all batch calls answered at once."""
    clock = Clock()
    sandbox = NationalMarketSandbox(clock=clock)
    sandbox.async_share = 0
    password = sandbox.access("https://market.example").details["password"]
    yield Bench(make(password=password), sandbox, clock)
    sandbox.books.close()


@pytest.fixture
def road() -> Iterator[Callable[..., Bench]]:
    """A bench of any dialect of the sandbox and the connector that its access describes; keywords are more settings."""
    made: list[Bench] = []

    def build(dialect: str | None = None, **given: str) -> Bench:
        clock = Clock()
        sandbox: Any = build_sandbox(dialect=dialect, clock=clock)
        sandbox.async_share = 0
        access = sandbox.access("https://market.example")
        settings = {**access.environment, **{f"{PREFIX}{name.upper()}": value for name, value in given.items()}}
        made.append(Bench(build_connector(loader(settings)), sandbox, clock))
        made[-1].path = access.details["url"].removeprefix("https://market.example")
        return made[-1]

    yield build
    for one in made:
        one.sandbox.books.close()


@pytest.fixture
def person() -> Record:
    return people.person_record(random.Random(8))


@pytest.fixture
def certificate(person: Record) -> Record:
    return people.certificate_record(random.Random(9), person)


@pytest.fixture
def call(bench: Any) -> Callable[..., etree._Element]:
    """Call any operation of the contract, signed, with the content hash filled in where there is a head."""
    settings = NationalMarketSettings(endpoint="https://market.example", password="unused")  # type: ignore[arg-type]
    port = bench.connector._port

    def send(operation: str, records: int = 0, *, single: bool = False, **values: Any) -> etree._Element:
        sealed: Stamp = bench.stamp()
        if records:
            serial = f"37000020190402093000{bench._count:012X}"
            head = {"SenderCode": "370000", "SerialNo": serial, "SchemaVersion": "1.0", "RecordCount": records}
            values = {"Head": {**head, "SentAt": "2019-04-02T09:30:00+08:00", "ContentHash": "0" * 64}, **values}
        envelope = port.envelope(operation, values)
        if records:
            fill_content_hash(envelope, settings.model_copy(update={"hash_numbers_records": not single}))
        password = bench.sandbox.access("").details["password"]
        body, headers = port.seal(operation, envelope, username_token("370000", password, sealed))
        request = replace(bench.connector.encode_health(sealed), body=body, headers=headers)
        opened = port.open(bench.send(request).body, f"{{{SERVICE}}}{operation}Response")
        assert isinstance(opened, etree._Element)
        return opened

    return send
