"""Hand one request to a sandbox of this process, without a socket."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.applications import Starlette

from gateway.contract.connector import Endpoint
from gateway.contract.messages import WireRequest, WireResponse
from gateway.domain.errors import TransportFailure
from gateway.testing.sandbox import Sandbox
from gateway.transport.carrier import carrier_for


def answer_of(sandbox: Sandbox, base_url: str, made: WireRequest) -> WireResponse | None:
    """What the sandbox answers, or None where it gives no answer at all; the caller hangs up rather than wait for one.

    Works inside a running event loop too (a notebook has one), because the sandbox gets a thread of its own.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, call(sandbox.app(), base_url + made.path, made)).result()


def carried(endpoint: Endpoint, made: WireRequest) -> WireResponse | None:
    """What comes back on the endpoint's own way, or None where no answer comes; in a thread of its own, as above."""

    async def send() -> WireResponse | None:
        async with carrier_for(endpoint) as carrier:
            try:
                return await carrier.send(made)
            except TransportFailure:
                return None

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, send()).result()


async def call(app: Starlette, url: str, made: WireRequest) -> WireResponse | None:
    """Hand one request to a sandbox's application in the running event loop; None as in ``answer_of``."""
    parts = urlsplit(url)
    headers = {"host": parts.netloc, "content-length": str(len(made.body)), **made.headers}
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": made.method,
        "scheme": parts.scheme,
        "path": unquote(parts.path),
        "raw_path": parts.path.encode("ascii"),
        "query_string": parts.query.encode("ascii"),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 0),
        "server": (parts.hostname or "", parts.port or 80),
    }
    incoming = iter([{"type": "http.request", "body": made.body, "more_body": False}])
    outgoing: list[Any] = []

    async def receive() -> dict[str, Any]:
        return next(incoming, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        outgoing.append(message)

    await app(scope, receive, send)
    if not outgoing:
        return None
    start, *rest = outgoing
    return WireResponse(
        status=start["status"],
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]},
        body=b"".join(part.get("body", b"") for part in rest),
    )
