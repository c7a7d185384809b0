"""A peer that costs little: a bare asyncio protocol that answers pushes of the model platform after a fixed wait."""

from __future__ import annotations

import asyncio
import json
import sys


class Peer(asyncio.Protocol):
    """Keep-alive HTTP/1.1; ``/push`` accepts every item, the wait stands in the path as ``/d20``."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start reading."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        """Answer every whole request in the buffer."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower()
            at = head.find(b"content-length:")
            length = (
                int(head[at + 15 : head.find(b"\r\n", at) if head.find(b"\r\n", at) > 0 else None]) if at > 0 else 0
            )
            if len(self._buffer) < end + 4 + length:
                return
            body = bytes(self._buffer[end + 4 : end + 4 + length])
            del self._buffer[: end + 4 + length]
            wait = int(head.split(b"/d", 1)[1].split(b"/", 1)[0]) / 1000 if b" /d" in head[:20] else 0
            answer = self._answer(body)
            if wait:
                asyncio.get_running_loop().call_later(wait, self._transport.write, answer)
            else:
                self._transport.write(answer)

    @staticmethod
    def _answer(body: bytes) -> bytes:
        asked = json.loads(body)
        items = {f"{i['key']}/{i['version']}": {"code": "OK"} for i in asked["items"]}
        text = json.dumps({"message": asked["message"], "items": items}).encode()
        return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(text), text)


async def main() -> None:
    """Serve on a free port, whose number is the first line on stdout, until stdin closes."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Peer, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
