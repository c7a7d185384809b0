"""A network that misbehaves on command: a TCP proxy between a client and a platform on loopback.

It knows no HTTP. A request begins where the client speaks first or after an answer; for each request one fault is
drawn, from a script first and then by seeded rates, and stays with the connection until the next request.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from gateway.testing.serving import address, bind

_CHUNK = 65536
_RST = struct.pack("ii", 1, 0)
"""close at once, without a farewell"""


class Cut(StrEnum):
    """What the network does to one request or its answer."""

    LATENCY = "latency"
    """the answer comes ``seconds`` late"""
    RESET = "reset"
    """the connection is reset before anything was passed on"""
    DRIP = "drip"
    """the answer comes in pieces of ``size`` bytes, ``seconds`` apart"""
    TRUNCATE = "truncate"
    """the answer ends after ``size`` bytes, and the connection with it"""
    LIMIT = "limit"
    """only ``size`` bytes of the request are passed on, then the connection is reset"""
    BLACK_HOLE = "black_hole"
    """the request vanishes and no answer comes until the client hangs up"""
    COMMIT_THEN_CUT = "commit_then_cut"
    """the request is carried out, its answer is swallowed and the connection reset"""


@dataclass(kw_only=True)
class FaultProxy:
    """The proxy's rules. They may be changed while it runs; ``done`` counts what it did."""

    upstream: str
    """base URL of the platform"""
    seed: int = 0
    rates: Mapping[Cut, float] = field(default_factory=dict)
    script: deque[Cut | None] = field(default_factory=deque)
    """faults of the next requests, None for none"""
    seconds: float = 0.05
    size: int = 40
    chosen: Callable[[bytes], bool] = lambda _: True
    """which requests may be hit, by their first bytes"""
    done: Counter[Cut] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def play(self, *faults: Cut | None) -> None:
        """Queue faults for the next requests."""
        self.script.extend(faults)

    def draw(self, first: bytes) -> Cut | None:
        """The fault of a request that begins with these bytes."""
        if not self.chosen(first):
            return None
        if self.script:
            return self._counted(self.script.popleft())
        number = self._rng.random()
        for fault, rate in self.rates.items():
            if number < rate:
                return self._counted(fault)
            number -= rate
        return None

    def _counted(self, fault: Cut | None) -> Cut | None:
        if fault is not None:
            self.done[fault] += 1
        return fault

    async def serve(self, listener: socket.socket, stop: asyncio.Event) -> None:
        """Pass connections on until ``stop`` is set."""
        server = await asyncio.start_server(self._pass_on, sock=listener)
        async with server:
            await stop.wait()
            server.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(self.upstream)
        try:
            there = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError:
            _reset(writer)
            return
        wire = _Wire(self, reader, writer, *there)
        ways = [asyncio.create_task(wire.there()), asyncio.create_task(wire.back())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in ways:
                one.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, there[1]):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()


class _Wire:
    """One client connection and the one behind it."""

    def __init__(self, rules: FaultProxy, *ends: asyncio.StreamReader | asyncio.StreamWriter) -> None:
        self._rules = rules
        self._client_in, self._client_out, self._peer_in, self._peer_out = ends
        self._fault: Cut | None = None
        self._speaking = False
        """whether the client is in the middle of a request"""
        self._passed = 0
        """bytes passed on in the present direction"""

    async def there(self) -> None:
        """From the client to the platform, until the client hangs up or the fault says so."""
        assert isinstance(self._client_in, asyncio.StreamReader)
        assert isinstance(self._peer_out, asyncio.StreamWriter)
        with suppress(OSError):
            while part := await self._client_in.read(_CHUNK):
                if not self._speaking:
                    self._speaking, self._passed = True, 0
                    self._fault = self._rules.draw(part)
                if self._fault is Cut.RESET:
                    return _reset(self._client_out)
                if self._fault is Cut.BLACK_HOLE:
                    continue
                if self._fault is Cut.LIMIT:
                    part = part[: max(0, self._rules.size - self._passed)]
                self._passed += len(part)
                self._peer_out.write(part)
                await self._peer_out.drain()
                if self._fault is Cut.LIMIT and self._passed >= self._rules.size:
                    return _reset(self._client_out)
        return None

    async def back(self) -> None:
        """From the platform to the client."""
        assert isinstance(self._peer_in, asyncio.StreamReader)
        assert isinstance(self._client_out, asyncio.StreamWriter)
        with suppress(OSError):
            while part := await self._peer_in.read(_CHUNK):
                if self._speaking:
                    self._speaking, self._passed = False, 0
                if self._fault is Cut.COMMIT_THEN_CUT:
                    return _reset(self._client_out)
                if self._fault is Cut.LATENCY:
                    await asyncio.sleep(self._rules.seconds)
                await self._answer(part)
                if self._fault is Cut.TRUNCATE and self._passed >= self._rules.size:
                    return None
        return None

    async def _answer(self, part: bytes) -> None:
        assert isinstance(self._client_out, asyncio.StreamWriter)
        rules = self._rules
        if self._fault is Cut.TRUNCATE:
            part = part[: rules.size - self._passed]
        step = rules.size if self._fault is Cut.DRIP else len(part)
        for start in range(0, len(part), max(1, step)):
            self._client_out.write(part[start : start + step])
            await self._client_out.drain()
            if self._fault is Cut.DRIP:
                await asyncio.sleep(rules.seconds)
        self._passed += len(part)


def _reset(writer: asyncio.StreamReader | asyncio.StreamWriter) -> None:
    assert isinstance(writer, asyncio.StreamWriter)
    raw = writer.get_extra_info("socket")
    with suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
    writer.transport.abort()


@contextmanager
def between(
    upstream: str, *, script: Sequence[Cut | None] = (), rates: Mapping[Cut, float] | None = None, seed: int = 0
) -> Iterator[tuple[str, FaultProxy]]:
    """Run a proxy in a thread; gives its base URL and its rules."""
    rules = FaultProxy(upstream=upstream, seed=seed, rates=rates or {}, script=deque(script))
    listener = bind()
    url = address(listener)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(rules.serve(listener, stop))
        rest = asyncio.all_tasks(loop)
        for one in rest:
            one.cancel()
        loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield url, rules
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=10)
        listener.close()
