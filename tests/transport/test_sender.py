"""The sender against real sockets that misbehave: what surely did not leave is told from what may have arrived."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import time
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.contract.connector import Endpoint, Pace
from gateway.contract.messages import WireRequest, WireResponse
from gateway.domain.errors import ConfigurationError, NotSent, TransportFailure, Unanswered
from gateway.transport import sender as module
from gateway.transport.sender import Sender

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SECRET = "370000199001010011"
REQUEST = WireRequest(
    operation="push",
    path=f"/push?id={SECRET}",
    headers={"content-type": "text/xml", "x-own": "1"},
    body=b"<r>" + SECRET.encode() + b"</r>",
)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 4\r\n\r\n<a/>"


class Server:
    """A socket that reads whole requests, keeps them, and lets ``answer`` do with the connection what it wants."""

    def __init__(self, answer: Handler) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(h.split(b":")[1]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length")), 0
                )
                self.requests.append(head + await reader.readexactly(length))
                await self.answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def says(raw: bytes) -> Handler:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return answer


def says_and_closes(raw: bytes) -> Handler:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        writer.close()

    return answer


async def resets(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def never_answers(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def drips(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def drips_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"X-A: b\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


def endpoint(port: int, **changes: Any) -> Endpoint:
    given = Endpoint(
        base_url=f"http://127.0.0.1:{port}",
        pace=Pace(interval=timedelta(), connections=2),
        connect_timeout=timedelta(seconds=1),
        deadline=timedelta(seconds=1),
    )
    return replace(given, **changes)


@asynccontextmanager
async def served(answer: Handler, **changes: Any) -> Any:
    server = Server(answer)
    listener = await asyncio.start_server(server, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    try:
        async with Sender(endpoint(port, **changes)) as sender:
            yield sender, server
    finally:
        listener.close()


def exchange(answer: Handler, request: WireRequest = REQUEST, times: int = 1, **changes: Any) -> tuple[Any, Server]:
    """What came back from the last of some requests, as a value also where it is a failure, and the server."""

    async def within() -> tuple[Any, Server]:
        async with served(answer, **changes) as (sender, server):
            result: Any = None
            for _ in range(times):
                try:
                    result = await sender.send(request)
                except TransportFailure as failure:
                    result = failure
            return result, server

    return asyncio.run(within())


def test_a_request_goes_out_as_it_stands_and_comes_back_as_bytes() -> None:
    answer = b"HTTP/1.1 418 T\r\nContent-Type: Text/XML\r\nX-B: c\r\nContent-Length: 3\r\n\r\n\xff\x00a"
    response, server = exchange(says(answer))
    assert isinstance(response, WireResponse)
    assert (response.status, response.body) == (418, b"\xff\x00a")
    assert response.headers["content-type"] == "Text/XML"
    assert response.headers["x-b"] == "c"
    [seen] = server.requests
    assert seen.startswith(f"POST /push?id={SECRET} HTTP/1.1\r\n".encode())
    assert seen.endswith(b"\r\n\r\n" + REQUEST.body)
    assert b"x-own: 1" in seen.lower()
    assert seen.lower().count(b"content-type:") == 1


@pytest.mark.parametrize("path", ["/a%2Fb?x=%E7%8E%8B&y=1+2", "/a/?q=a%26b", "", "/plain"])
def test_the_path_is_not_encoded_again(path: str) -> None:
    _, server = exchange(says(OK), replace(REQUEST, path=path))
    assert server.requests[0].split(b" ")[1].decode() == path or (path == "" and b" / " in server.requests[0])


def test_connections_are_kept_open_between_requests() -> None:
    _, server = exchange(says(OK), times=3)
    assert (len(server.requests), server.connections) == (3, 1)


def test_a_refused_port_is_not_sent() -> None:
    async def within() -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        async with Sender(endpoint(port, deadline=timedelta(seconds=10))) as sender:
            await sender.send(REQUEST)

    with pytest.raises(NotSent) as caught:
        asyncio.run(within())
    assert caught.value.code == "client_connector_error"


def test_a_name_that_does_not_exist_is_not_sent() -> None:
    async def within() -> None:
        async with Sender(
            endpoint(1, base_url="http://gateway-test.invalid", deadline=timedelta(seconds=10))
        ) as sender:
            await sender.send(REQUEST)

    with pytest.raises(NotSent) as caught:
        asyncio.run(within())
    assert "gateway-test" not in str(caught.value)


def test_a_server_that_does_not_speak_tls_is_not_sent() -> None:
    async def within() -> list[bytes]:
        async with served(says(b"plain text\r\n")) as (_, server):
            pass
        listener = await asyncio.start_server(server, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        https = endpoint(port, base_url=f"https://127.0.0.1:{port}", deadline=timedelta(seconds=10))
        async with Sender(https) as sender:
            with pytest.raises(NotSent):
                await sender.send(REQUEST)
        listener.close()
        return list(server.requests)

    assert asyncio.run(within()) == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (says_and_closes(b""), "server_disconnected_error"),
        (says_and_closes(b"HTTP/1.1 200 OK\r\nContent-Le"), None),
        (says_and_closes(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), "client_payload_error"),
        (says_and_closes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal"), "client_payload_error"),
        (says_and_closes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), None),
        (says_and_closes(b"SSH-2.0-OpenSSH\r\n\r\n"), None),
        (says_and_closes(b"\x00\x01\x02\x03" * 20), None),
        (says(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"), "decoding_error"),
        (resets, None),
        (never_answers, "deadline"),
        (drips, "deadline"),
        (drips_headers, None),
    ],
    ids=[
        "closes at once",
        "half a header",
        "half a body",
        "half a chunk",
        "no chunk size",
        "another protocol",
        "binary",
        "not the compression it says",
        "resets",
        "never answers",
        "drips the body",
        "drips the header",
    ],
)
def test_once_the_request_left_any_failure_is_unanswered_and_not_repeated(answer: Handler, code: str | None) -> None:
    started = time.monotonic()
    failure, server = exchange(answer)
    assert isinstance(failure, Unanswered), failure
    assert code is None or failure.code == code
    assert len(server.requests) == 1, "sent once and never again"
    assert time.monotonic() - started < 10, "no answer is waited for beyond the deadline"
    shown = f"{failure!r} {failure.__cause__!r}"
    assert SECRET not in shown
    assert "127.0.0.1" not in shown
    assert failure.__suppress_context__


def test_a_kept_connection_that_the_server_closed_is_unanswered_or_opened_anew() -> None:
    answers = iter([says(OK), says_and_closes(b""), says(OK)])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await next(answers)(reader, writer)

    first, _ = exchange(answer, times=1)
    assert first.status == 200
    answers = iter([says(OK), says_and_closes(b""), says(OK)])
    last, server = exchange(answer, times=3)
    assert last.status == 200
    assert len(server.requests) == 3, "the one in the middle was not repeated"


def test_the_deadline_counts_from_the_first_connect_to_the_last_byte() -> None:
    started = time.monotonic()
    failure, _ = exchange(drips, deadline=timedelta(seconds=0.2))
    assert isinstance(failure, Unanswered)
    assert 0.15 < time.monotonic() - started < 10


def test_connecting_is_tried_again_and_the_request_then_sent_once() -> None:
    async def within() -> tuple[WireResponse, Server]:
        server = Server(says(OK))
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
        async with Sender(endpoint(port, deadline=timedelta(seconds=10))) as sender:
            sending = asyncio.create_task(sender.send(REQUEST))
            await asyncio.sleep(0)
            listener = await asyncio.start_server(server, "127.0.0.1", port)
            response = await sending
        listener.close()
        return response, server

    response, server = asyncio.run(within())
    assert response.status == 200
    assert len(server.requests) == 1


def test_an_answer_that_is_too_large_is_unanswered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST_ANSWER", 1000)
    fits = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000
    assert exchange(says(fits))[0].status == 200
    failure, _ = exchange(says(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001))
    assert isinstance(failure, Unanswered)
    assert failure.code == "too_large"
    packed = gzip.compress(b"x" * 100_000)
    bomb = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(packed), packed)
    failure, _ = exchange(says(bomb))
    assert isinstance(failure, Unanswered)
    assert failure.code == "too_large"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"X-Name: 1\r\nx-NAME: 2\r\nX-name: 3", "1, 2, 3"),
        ("X-Name: 王".encode(), "王"),
        (b"X-Name: \xe4", "\u00e4"),
    ],
    ids=["repeated", "utf-8", "latin-1"],
)
def test_headers_that_are_repeated_or_not_ascii_are_kept_whole(raw: bytes, expected: str) -> None:
    response, _ = exchange(says(OK.replace(b"\r\n\r\n", b"\r\n" + raw + b"\r\n\r\n")))
    assert response.headers["x-name"] == expected


def test_a_packed_answer_is_unpacked() -> None:
    packed = _gzip(b"answer")
    raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(packed), packed)
    assert exchange(says(raw))[0].body == b"answer"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(status: int) -> None:
    raw = b"HTTP/1.1 %d Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n" % status
    response, server = exchange(says(raw))
    assert response.status == status
    assert len(server.requests) == 1


def test_cookies_are_not_kept() -> None:
    raw = OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: session=1; Path=/\r\n\r\n")
    _, server = exchange(says(raw), times=3)
    assert [b"cookie" in request.lower() for request in server.requests] == [False] * 3


def test_proxies_and_logins_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login u password p\n")
    monkeypatch.setenv("NETRC", str(netrc))
    response, server = exchange(says(OK))
    assert response.status == 200
    assert b"authorization" not in server.requests[0].lower()


def test_a_proxy_that_is_set_is_used() -> None:
    async def within() -> list[bytes]:
        async with served(says(OK)) as (_, proxy):
            pass
        listener = await asyncio.start_server(proxy, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        async with Sender(endpoint(1, base_url="http://platform.invalid", proxy=address)) as sender:
            assert (await sender.send(REQUEST)).status == 200
        listener.close()
        return list(proxy.requests)

    [seen] = asyncio.run(within())
    assert seen.startswith(b"POST http://platform.invalid/push")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_switching_certificate_checks_off_is_refused_before_anything_is_sent(scheme: str) -> None:
    with pytest.raises(ConfigurationError, match="verify=false is refused"):
        Sender(endpoint(1, base_url=f"{scheme}://127.0.0.1:1", verify=False))


@pytest.mark.parametrize("field", ["verify", "client_certificate"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_refused_by_setting(
    tmp_path: Any, field: str, content: str | None
) -> None:
    path = tmp_path / "x.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=field):
        Sender(endpoint(1, base_url="https://127.0.0.1:1", **{field: str(path)}))


def test_no_more_connections_are_opened_than_the_platform_allows() -> None:
    async def within() -> Server:
        async with served(says(OK), deadline=timedelta(seconds=10)) as (sender, server):
            await asyncio.gather(*(sender.send(REQUEST) for _ in range(20)))
            return server  # type: ignore[no-any-return]

    server = asyncio.run(within())
    assert len(server.requests) == 20
    assert server.connections <= 2


def _packed(coding: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s" % (coding, len(body), body)


def _gzip(body: bytes) -> bytes:
    """Without the moment of packing, so that test ids are the same in every process."""
    return gzip.compress(body, mtime=0)


def _deflated_without_frame(body: bytes) -> bytes:
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packing.compress(body) + packing.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", _gzip(b"answer")),
        (b"X-GZIP", _gzip(b"ans") + _gzip(b"wer")),
        (b"deflate", zlib.compress(b"answer")),
        (b" Deflate", _deflated_without_frame(b"answer")),
        (b"identity", b"answer"),
        (b"", b"answer"),
    ],
)
def test_each_coding_that_may_come_is_undone(coding: bytes, body: bytes) -> None:
    assert exchange(says(_packed(coding, body)))[0].body == b"answer"


@pytest.mark.parametrize(
    ("coding", "body", "code"),
    [
        (b"gzip, gzip", _gzip(_gzip(b"answer")), "content_coding"),
        (b"gzip\r\nContent-Encoding: gzip", _gzip(_gzip(b"answer")), "content_coding"),
        (b"identity, gzip", _gzip(b"answer"), "content_coding"),
        (b"br", b"answer", "content_coding"),
        (b"zstd", b"answer", "content_coding"),
        (b"gzip", _gzip(b"answer")[:-9], "decoding_error"),
        (b"deflate", b"answer", "decoding_error"),
        (b"gzip", _gzip(b"answer") + b"rest", "decoding_error"),
    ],
)
def test_any_other_coding_or_a_chain_of_them_is_no_answer(coding: bytes, body: bytes, code: str) -> None:
    failure, _ = exchange(says(_packed(coding, body)))
    assert isinstance(failure, Unanswered)
    assert failure.code == code


@pytest.mark.parametrize("members", [1, 40])
def test_what_a_small_answer_unpacks_to_is_bounded_while_it_is_read(members: int) -> None:
    bomb = gzip.compress(b"\0" * (40 * 1024 * 1024 // members)) * members
    tracemalloc.start()
    failure, _ = exchange(says(_packed(b"gzip", bomb)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(failure, Unanswered)
    assert failure.code == "too_large"
    assert peak < 3 * 32 * 1024 * 1024
