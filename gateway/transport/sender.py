"""One sender for every platform: a request goes out under a total deadline and comes back as bytes or as a failure.

httpx gives the types; its own connection pool slows down sharply beyond a few connections, so the requests travel on
aiohttp (``httpx-aiohttp``). They are handed to that transport directly: what httpx's client would add (redirects,
cookies, the environment's proxies, authentication) is just what must not happen here, and costs half of each request.
"""

from __future__ import annotations

import asyncio
import ssl
import warnings
import zlib
from functools import lru_cache
from typing import Self

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from gateway.contract.connector import Endpoint
from gateway.contract.messages import WireRequest, WireResponse
from gateway.domain.errors import ConfigurationError, NotSent, Unanswered
from gateway.locale import tr
from gateway.transport.retrying import connect_again

_LARGEST_ANSWER = 32 * 1024 * 1024
_PATHS = 64
"""most addresses that are kept ready; httpx takes as long to read one as aiohttp to send a request"""
_BEFORE_SENDING = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_BEFORE_SENDING_HTTPX = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Sender:
    """Carries requests to one endpoint. Made once per platform and process; close it when done."""

    def __init__(self, endpoint: Endpoint, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._endpoint = endpoint
        self._url = lru_cache(_PATHS)(lambda path: httpx.URL(endpoint.base_url + path))
        self._deadline = endpoint.deadline.total_seconds()
        # the deadline bounds all the rest, and each further timer would be set and taken back at every request
        timeout = httpx.Timeout(None, connect=endpoint.connect_timeout.total_seconds())
        self._extensions = {"timeout": timeout.as_dict()}
        proxy = httpx.Proxy(endpoint.proxy) if endpoint.proxy else None
        trusted = _trusted(endpoint)
        self._transport = transport or AiohttpTransport(
            verify=trusted, client=lambda: _session(endpoint, trusted), proxy=proxy
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.aclose()

    async def send(self, request: WireRequest) -> WireResponse:
        """Send once, or again where surely nothing left; raises NotSent or Unanswered.

        The deadline covers everything from the first connect to the last byte, whatever the server drips.
        """
        built = self._built(request)
        try:
            async with asyncio.timeout(self._deadline):
                try:
                    return await self._exchange(built)
                except NotSent:
                    return await connect_again(self._exchange, built)
        except TimeoutError:
            raise Unanswered("deadline", "no complete answer within the deadline") from None

    def _built(self, request: WireRequest) -> httpx.Request:
        """The request with its own headers only: aiohttp writes host and length, so httpx need not prepare it."""
        built = httpx.Request(
            request.method,
            self._url(request.path),
            headers=request.headers,
            stream=httpx.ByteStream(request.body),
            extensions=self._extensions,
        )
        built.headers.encoding = "ascii"
        built.read()
        return built

    async def _exchange(self, request: httpx.Request) -> WireResponse:
        try:
            response = await self._transport.handle_async_request(request)
            headers = _headers(response.headers)
            try:
                body = await _read(response, headers.get("content-encoding", "identity"))
            except BaseException:
                await response.aclose()
                raise
        except (httpx.RequestError, httpx.StreamError, aiohttp.ClientError) as error:
            raise _translate(error) from None
        return WireResponse(status=response.status_code, headers=headers, body=body)


def _headers(headers: httpx.Headers) -> dict[str, str]:
    """Lower-case names and their values; those of a name that comes more than once are joined."""
    raw = headers.raw
    try:
        found = {name.decode("ascii").lower(): value.decode("ascii") for name, value in raw}
    except UnicodeDecodeError:
        found = {}
    return found if len(found) == len(raw) else {name.lower(): value for name, value in headers.items()}


async def _read(response: httpx.Response, coding: str) -> bytes:
    """The body, unpacked while it is read; neither what comes nor what it unpacks to passes the largest answer."""
    inflate = _unpacking(coding.strip().lower())
    parts: list[bytes] = []
    read = size = 0
    assert isinstance(response.stream, httpx.AsyncByteStream)
    async for packed in response.stream:
        read += len(packed)
        part = packed if inflate is None else inflate(packed, _LARGEST_ANSWER - size + 1)
        size += len(part)
        if max(size, read) > _LARGEST_ANSWER:
            raise Unanswered("too_large", "the answer is larger than any the platform may give")
        parts.append(part)
    if inflate is not None and not inflate.whole:
        raise _undecodable()
    return b"".join(parts)


def _unpacking(coding: str) -> _Inflater | None:
    """What undoes a content coding; None where there is none.

    One coding at most, of those that aiohttp asks for: a chain of them makes gigabytes of a few bytes.
    """
    if coding in ("", "identity"):
        return None
    if coding in ("gzip", "x-gzip", "deflate"):
        return _Inflater(zlib.MAX_WBITS + (0 if coding == "deflate" else 16))
    raise Unanswered("content_coding", "the answer is packed in a way that was not asked for")


def _undecodable() -> Unanswered:
    return Unanswered("decoding_error", "the answer cannot be unpacked")


class _Inflater:
    """Inflates part by part; gives at most as much as is asked for."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._inflating = zlib.decompressobj(window)
        self._begun = False

    @property
    def whole(self) -> bool:
        """Whether what came so far is complete."""
        return self._inflating.eof or not self._begun

    def __call__(self, packed: bytes, most: int) -> bytes:
        try:
            return self._inflated(packed, most)
        except zlib.error:
            if self._begun or self._window != zlib.MAX_WBITS:
                raise _undecodable() from None
        # "deflate" without its frame, as some servers send it
        self._window = -zlib.MAX_WBITS
        self._inflating = zlib.decompressobj(self._window)
        return self(packed, most)

    def _inflated(self, packed: bytes, most: int) -> bytes:
        found: list[bytes] = []
        while packed and most > 0:
            if self._inflating.eof:
                self._inflating = zlib.decompressobj(self._window)
            part = self._inflating.decompress(packed, most)
            self._begun = True
            found.append(part)
            most -= len(part)
            packed = self._inflating.unused_data if self._inflating.eof else self._inflating.unconsumed_tail
        return b"".join(found)


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


def _session(endpoint: Endpoint, trusted: ssl.SSLContext) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=endpoint.pace.connections, ssl=trusted, enable_cleanup_closed=False, ttl_dns_cache=60
    )
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
    # aiohttp would send a GET or PUT again by itself when a kept connection breaks: one exchange, two requests.
    session._retry_connection = False
    return session


_LEGACY_SERVER_CONNECT = 0x4
"""of OpenSSL; Python names it from 3.12 on"""
_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


def _trusted(endpoint: Endpoint) -> ssl.SSLContext:
    """What the platform's certificate is checked against, and our own; ConfigurationError names the setting."""
    if endpoint.verify is False:
        raise ConfigurationError(tr("verify=false is refused: name a CA bundle instead"))
    bundle = endpoint.verify if isinstance(endpoint.verify, str) else None
    try:
        # Over plain HTTP nothing is checked against the machine's own roots, which take longer to load than a request.
        is_plain = bundle is None and not any(
            a.lower().startswith("https:") for a in (endpoint.base_url, endpoint.proxy or "")
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_plain else ssl.create_default_context(cafile=bundle)
    except OSError:
        raise ConfigurationError(tr("verify: the CA bundle cannot be read")) from None
    with warnings.catch_warnings():
        # the old ones are deprecated, which is why they are a setting
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = _VERSIONS[endpoint.tls.minimum]
    if endpoint.tls.legacy_renegotiation:
        context.options |= _LEGACY_SERVER_CONNECT
    if endpoint.tls.ciphers is not None:
        try:
            context.set_ciphers(endpoint.tls.ciphers)
        except ssl.SSLError:
            raise ConfigurationError(tr("tls_ciphers: OpenSSL knows none of these ciphers")) from None
    if endpoint.client_certificate:
        try:
            context.load_cert_chain(endpoint.client_certificate, endpoint.client_key, password="")
        except OSError:
            raise ConfigurationError(tr("client_certificate: certificate and key cannot be read")) from None
    return context
