"""The SOAP road on the market platform's contract: writing against zeep's, a whole call against zeep's own client.

Both sides of a call have the same account and records, and go over loopback to the same peer in a process of its own,
which answers every request with the same bytes (``python -m tests.bench.soap FOLDER``). Ours also hashes the content,
checks request and answer against the schema and judges every item, which is half of its time; zeep does none of that.
"""

from __future__ import annotations

import asyncio
import atexit
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from zeep import Client
from zeep.wsse.username import UsernameToken

from gateway.codec.soap.envelope import Port
from gateway.contract.connector import Pace
from gateway.contract.messages import Payload
from gateway.domain.records import RecordKind
from gateway.domain.states import Event
from gateway.registry import build_connector
from gateway.settings import loader
from gateway.testing import people
from gateway.testing.conformance import stamp
from gateway.transport.sender import Sender
from tests.bench.around import as_served

_PREFIX = "GATEWAY_NATIONAL_MARKET__"
_ACCOUNT = {f"{_PREFIX}ENDPOINT": "https://market.example/Service", f"{_PREFIX}PASSWORD": "example-only"}
_NAMES = {"ws": "urn:jzsc:personcert:ws:1", "t": "urn:jzsc:personcert:types:1"}
_SERVICE, _PORT = "PersonCertDataService", "PersonCertDataServiceSoap"
_BATCH = 50
_REPEATS = 6
_IN_FLIGHT = 1
_CALLS, _LEAST_CALLS = 200, 20
"""calls with one record behind one figure; fewer with more records, but never so few that the first ones count"""


def cases() -> list[dict[str, Any]]:
    """Persons and certificates, alone and in batches: written, and called."""
    peer = _Peer()
    made = []
    for kind in (RecordKind.PERSON, RecordKind.CERTIFICATE):
        batch = _Batch(kind, _BATCH, peer)
        made.append(
            _case(batch, "write", "compiled writer against `create_message`", 10.0, batch.write, batch.zeep_write)
        )
        # alone, half of a call is the transport, which carries a delivery, a deadline and httpx's types
        for size, goal in ((_BATCH, 5.0), (1, 3.0)):
            batch = _Batch(kind, size, peer)
            what = "encode, send, judge against zeep's client, over loopback"
            made.append(_case(batch, "call", what, goal, batch.call, batch.zeep_call))
    return made


def _case(
    batch: _Batch, name: str, what: str, goal: float, ours: Callable[[], float], floor: Callable[[], float]
) -> dict[str, Any]:
    return {
        "name": f"soap {name}, {batch.size} x {batch.kind.value}",
        "what": what,
        "unit": "records/CPU s",
        "goal": goal,
        "at_least": True,
        "ours": partial(_rate, batch.size, ours),
        "floor": partial(_rate, batch.size, floor),
    }


def _rate(size: int, work: Callable[[], float], _: int) -> float:
    """Records a second of this process's CPU time, the best of some repeats; ``work`` gives the time of one call."""
    work()
    return size / min(work() for _repeat in range(_REPEATS))


def _timed(work: Callable[[], object], times: int = 1) -> float:
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times


class _Batch:
    """Records of a kind, ready to be written or called on either side."""

    def __init__(self, kind: RecordKind, size: int, peer: _Peer) -> None:
        self.kind, self.size = kind, size
        self._times = max(_LEAST_CALLS, _CALLS // size)
        self._connector = build_connector("national_market", loader(_ACCOUNT))
        submissions = people.submissions("national_market", kind, size)
        drafts = [(s, self._connector.map(s)) for s in submissions]
        self._payloads = [p for s, d in drafts if isinstance(p := self._connector.check(s, d), Payload)]
        assert len(self._payloads) == size
        record = {RecordKind.PERSON: "Person", RecordKind.CERTIFICATE: "Certificate"}[kind]
        self._operation = f"Upsert{record}Batch"
        self._stamp = stamp()
        sent = self._connector.encode_push(self._payloads, self._stamp).body
        serial = sent.partition(b"SerialNo>")[2].partition(b"<")[0].decode()
        url = peer.url(f"{kind}{size}", self._ack(serial))
        self._endpoint = replace(
            self._connector.endpoint, base_url=url, pace=Pace(interval=timedelta(), connections=_IN_FLIGHT)
        )
        self._values: dict[str, Any] = {
            "Head": {
                "SenderCode": serial[:6],
                "SerialNo": serial,
                "SchemaVersion": "1.0",
                "SentAt": "2019-04-02T09:30:00+08:00",
                "RecordCount": size,
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
            wsse=UsernameToken("370000", "example-only", use_digest=True, zulu_timestamp=True),  # type: ignore[no-untyped-call]
        )
        binding = f"{{{_NAMES['ws']}}}{_PORT}"
        self._proxy: Any = self._client.create_service(binding, url)  # type: ignore[no-untyped-call]

    def write(self) -> float:
        """An unsigned envelope."""
        return _timed(lambda: self._port.envelope(self._operation, self._values))

    def zeep_write(self) -> float:
        """The same by zeep."""
        return _timed(lambda: self._client.create_message(self._proxy, self._operation, **self._values))

    def call(self) -> float:
        """From payloads to verdicts, several calls at once, as a push run makes them."""
        with as_served():
            return asyncio.run(self._calls(self._times))

    async def _calls(self, times: int) -> float:
        async with Sender(self._endpoint) as sender:
            await self._in_flight(sender, _IN_FLIGHT)
            start = time.process_time()
            await self._in_flight(sender, times)
            return (time.process_time() - start) / times

    async def _in_flight(self, sender: Sender, times: int) -> None:
        waiting = iter(range(times))

        async def work() -> None:
            for _ in waiting:
                request = self._connector.encode_push(self._payloads, self._stamp)
                response = await sender.send(request)
                verdicts = self._connector.decode_push(response, self._payloads, self._stamp)
                assert {v.event for v in verdicts} == {Event.ACCEPTED}

        async with asyncio.TaskGroup() as group:
            for _ in range(_IN_FLIGHT):
                group.create_task(work())

    def zeep_call(self) -> float:
        """From dictionaries to a signed request, and from an answer to zeep's objects, on a connection that is kept."""
        return _timed(self._zeep_call, self._times)

    def _zeep_call(self) -> None:
        answer = self._proxy[self._operation](**self._values)
        assert len(answer.Item) == self.size

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
            f"<t:AcceptedCount>{self.size}</t:AcceptedCount><t:WarnCount>0</t:WarnCount>"
            f"<t:RejectedCount>0</t:RejectedCount><t:Duplicate>false</t:Duplicate>{items}"
            f"</ws:Ack></ws:{self._operation}Response></s:Body></s:Envelope>"
        ).encode()


class _Peer:
    """The answering process and the folder its answers stand in; both end with this process."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="bench-soap-")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.soap", self._folder.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())
        atexit.register(self._end)

    def url(self, name: str, answer: bytes) -> str:
        """The address under which the peer gives this answer."""
        (Path(self._folder.name) / name).write_bytes(answer)
        return f"http://127.0.0.1:{self._port}/{name}"

    def _end(self) -> None:
        self._process.communicate("")
        self._folder.cleanup()


class _Answering(asyncio.Protocol):
    """Keep-alive HTTP/1.1: each whole request is answered with the file its path names."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._buffer, self._answers = folder, bytearray(), dict[bytes, bytes]()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request in the buffer."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end])
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0] or 0)
            if len(self._buffer) < end + 4 + length:
                return
            del self._buffer[: end + 4 + length]
            name = head.split(b" ", 2)[1]
            if name not in self._answers:
                body = (self._folder / name.decode().strip("/")).read_bytes()
                front = b"HTTP/1.1 200 OK\r\ncontent-type: text/xml; charset=utf-8\r\ncontent-length: %d\r\n\r\n"
                self._answers[name] = front % len(body) + body
            self._transport.write(self._answers[name])


async def _serve(folder: Path) -> None:
    """Serve on a free port, whose number is the first line on stdout, until stdin closes."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Answering(folder), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
