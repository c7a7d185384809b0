"""One sender for every platform: a request goes out under a total deadline and comes back as bytes or as a failure.

httpx gives the types; its own connection pool slows down sharply beyond a few connections, so the requests travel on
aiohttp (``httpx-aiohttp``). Redirects are not followed, the environment's proxies are not used, HTTP/1.1 only.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Self

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from gateway.contract.connector import Endpoint
from gateway.contract.messages import WireRequest, WireResponse
from gateway.domain.errors import ConfigurationError, NotSent, Unanswered
from gateway.transport.retrying import connect_again

_LARGEST_ANSWER = 32 * 1024 * 1024
_BEFORE_SENDING = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_BEFORE_SENDING_HTTPX = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Sender:
    """Carries requests to one endpoint. Made once per platform and process; close it when done."""

    def __init__(self, endpoint: Endpoint, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._endpoint = endpoint
        self._deadline = endpoint.deadline.total_seconds()
        proxy = httpx.Proxy(endpoint.proxy) if endpoint.proxy else None
        self._client = httpx.AsyncClient(
            transport=transport or AiohttpTransport(client=lambda: _session(endpoint), proxy=proxy),
            timeout=httpx.Timeout(
                self._deadline, connect=endpoint.connect_timeout.total_seconds(), pool=self._deadline
            ),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def send(self, request: WireRequest) -> WireResponse:
        """Send once, or again where surely nothing left; raises NotSent or Unanswered.

        The deadline covers everything from the first connect to the last byte, whatever the server drips.
        """
        built = self._client.build_request(
            request.method,
            self._endpoint.base_url + request.path,
            headers=dict(request.headers),
            content=request.body,
        )
        try:
            async with asyncio.timeout(self._deadline):
                return await connect_again(self._exchange, built)
        except TimeoutError:
            raise Unanswered("deadline", "no complete answer within the deadline") from None

    async def _exchange(self, request: httpx.Request) -> WireResponse:
        try:
            response = await self._client.send(request, stream=True)
            try:
                body = await _read(response)
            finally:
                await response.aclose()
        except (httpx.TransportError, httpx.StreamError, aiohttp.ClientError) as error:
            raise _translate(error) from None
        headers = {name.lower(): value for name, value in response.headers.items()}
        return WireResponse(status=response.status_code, headers=headers, body=body)


async def _read(response: httpx.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > _LARGEST_ANSWER:
            raise Unanswered("too_large", "the answer is larger than any the platform may give")
        parts.append(part)
    return b"".join(parts)


def _translate(error: Exception) -> NotSent | Unanswered:
    """Only failures before the first byte count as not sent.

    httpx-aiohttp reports every lost connection as a connect time-out, even after the request was sent, so the class
    of the error below decides. The error's text stays out: it may repeat an address.
    """
    below = error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError) else error
    name = type(below).__name__
    code = "".join("_" + c.lower() if c.isupper() and i else c.lower() for i, c in enumerate(name))
    before = isinstance(below, _BEFORE_SENDING) or (below is error and isinstance(error, _BEFORE_SENDING_HTTPX))
    return NotSent(code) if before else Unanswered(code)


def _session(endpoint: Endpoint) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=endpoint.pace.connections, ssl=_verify(endpoint), enable_cleanup_closed=False, ttl_dns_cache=60
    )
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


def _verify(endpoint: Endpoint) -> ssl.SSLContext:
    if endpoint.verify is False:
        raise ConfigurationError("verify=false is refused: name a CA bundle instead")
    context = ssl.create_default_context(cafile=endpoint.verify if isinstance(endpoint.verify, str) else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if endpoint.client_certificate:
        context.load_cert_chain(endpoint.client_certificate, endpoint.client_key)
    return context
