"""A peer that costs little: a bare asyncio protocol that answers pushes of three platforms after a fixed wait.

The path says how: ``/d20/push`` is the model platform after 20 ms, ``/d0/form`` the worker platform's envelope with a
serial code, ``/d0/soap`` the market platform's answer to a batch of persons, every item accepted.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sys

_SERIAL = re.compile(rb"SerialNo(?: [^>]*)?>([^<]+)<")
_KEY = re.compile(rb"RecordKey(?: [^>]*)?>([^<]+)<")
_ITEM = (
    b"<t:Item><t:RecordKey>%b</t:RecordKey><t:ItemCode>000</t:ItemCode>"
    b"<t:Severity>OK</t:Severity><t:PlatformId>1</t:PlatformId></t:Item>"
)
_ACK = (
    b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ws="urn:jzsc:personcert:ws:1"'
    b' xmlns:t="urn:jzsc:personcert:types:1"><s:Body><ws:UpsertPersonBatchResponse><ws:Ack>'
    b"<t:SenderCode>%b</t:SenderCode><t:SerialNo>%b</t:SerialNo><t:ResultCode>000</t:ResultCode>"
    b"<t:ResultMessage>ok</t:ResultMessage><t:ReceivedAt>2019-04-02T09:30:01+08:00</t:ReceivedAt>"
    b"<t:AcceptedCount>%d</t:AcceptedCount><t:WarnCount>0</t:WarnCount><t:RejectedCount>0</t:RejectedCount>"
    b"<t:Duplicate>false</t:Duplicate>%b</ws:Ack></ws:UpsertPersonBatchResponse></s:Body></s:Envelope>"
)


class Peer(asyncio.Protocol):
    """Keep-alive HTTP/1.1 on one connection."""

    serials = itertools.count(1)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start reading."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        """Answer every whole request in the buffer."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end])
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0] or 0)
            if len(self._buffer) < end + 4 + length:
                return
            body = bytes(self._buffer[end + 4 : end + 4 + length])
            del self._buffer[: end + 4 + length]
            _, wait, service = head.split(b" ", 2)[1].split(b"/", 2)
            answer = self._answer(service, body)
            if wait != b"d0":
                asyncio.get_running_loop().call_later(int(wait[1:]) / 1000, self._transport.write, answer)
            else:
                self._transport.write(answer)

    def _answer(self, service: bytes, body: bytes) -> bytes:
        if service.startswith(b"push"):
            return _whole(b"application/json", _model(body))
        if service.startswith(b"soap"):
            return _whole(b"text/xml; charset=utf-8", _soap(body))
        document = {"code": "0", "message": "ok", "data": {"requestSerialCode": f"S{next(self.serials)}"}}
        return _whole(b"application/json", json.dumps(document).encode())


def _whole(media_type: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (media_type, len(body), body)


def _model(body: bytes) -> bytes:
    asked = json.loads(body)
    items = {f"{i['key']}/{i['version']}": {"code": "OK"} for i in asked["items"]}
    return json.dumps({"message": asked["message"], "items": items}).encode()


def _soap(body: bytes) -> bytes:
    serial = _SERIAL.search(body)
    assert serial is not None
    keys = _KEY.findall(body)
    return _ACK % (serial[1][:6], serial[1], len(keys), b"".join(_ITEM % key for key in keys))


async def main() -> None:
    """Serve on a free port, whose number is the first line on stdout, until stdin closes."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Peer, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
