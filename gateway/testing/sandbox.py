"""What the simulated platforms share: books that survive a kill, faults on command, and an account of what they saw.

A sandbox is written from the platform's specification, not from our connector. It is strict and keeps its own books;
tests and the demo compare our ledger with them. It listens on loopback only.

Every sandbox serves, beside the platform's own paths:

GET  /__sandbox/effects   {"platform", "counts": {"persons", "certificates", "duplicates", "requests"},
                           "holdings": {"<sha-256 of the natural key>": {"kind", "version", "writes",
                             "first": its place among all keys, "versions": one for each write, in order}}}
POST /__sandbox/faults    {"next": ["unavailable", …]} and/or {"rates": {"slow": 0.1, …}} or {"profile": "demo"}
GET  /__sandbox/requests  [{"no", "at", "method", "path", "operation", "body_sha256", "fault", "status"}, …]
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gateway.testing.books import Books

COMMON_FAULTS = {
    "unavailable": "503 with Retry-After, nothing done",
    "slow": "the answer comes late, within the client's deadline",
    "timeout_after_commit": "carried out and stored, then no answer until the client hangs up",
    "timeout_before_commit": "no answer until the client hangs up, nothing done",
    "login_page": "200 with an HTML login page, nothing done",
    "empty": "carried out, then 200 without a body",
    "truncated": "carried out, then the answer is cut in the middle",
    "gateway_error": "carried out, then 502 with an HTML page",
}
"""Faults every sandbox knows. A platform adds its own (``busy``, ``duplicate`` …) in ``own_faults``."""

PROFILES: dict[str, dict[str, float]] = {
    "none": {},
    "demo": {"unavailable": 0.01, "slow": 0.03, "timeout_after_commit": 0.015, "busy": 0.015, "duplicate": 0.03},
    "rough": {name: 0.04 for name in (*COMMON_FAULTS, "busy", "duplicate")},
}


@dataclass
class Faults:
    """What goes wrong next: a queue of named faults first, then rates drawn from a seeded generator."""

    known: Mapping[str, str]
    seed: int = 0
    rates: dict[str, float] = field(default_factory=dict)
    queue: deque[str] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def draw(self) -> str | None:
        """The fault for the next request, if any."""
        if self.queue:
            return self.queue.popleft()
        number = self._rng.random()
        for name, rate in self.rates.items():
            if number < rate:
                return name
            number -= rate
        return None

    def set(self, *, next_: Sequence[str] = (), rates: Mapping[str, float] | None = None) -> None:
        """Queue faults and replace the rates; an unknown name is a ValueError."""
        for name in (*next_, *(rates or {})):
            if name not in self.known:
                raise ValueError(f"unknown fault {name!r}; known: {', '.join(sorted(self.known))}")
        self.queue.extend(next_)
        if rates is not None:
            self.rates = dict(rates)

    def profile(self, name: str) -> None:
        """Take a named profile's rates, leaving out faults this platform has not."""
        self.rates = {fault: rate for fault, rate in PROFILES[name].items() if fault in self.known}


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach a running sandbox: ``details`` for any client, ``environment`` to point a gateway at it."""

    details: Mapping[str, str]
    environment: Mapping[str, str]


class Sandbox(ABC):
    """Base of a simulated platform. A subclass gives ``platform``, ``own_faults``, ``handle`` and ``access``.

    ``handle`` gets the request with its whole body and, where one of ``own_faults`` was drawn, that fault's name; it
    returns the answer and may set ``self.operation`` for the account. It runs inside one transaction of the books.
    Requests are handled one after another, so a sandbox needs no locks.
    """

    platform: ClassVar[str]
    own_faults: ClassVar[Mapping[str, str]] = {}
    exempt: ClassVar[frozenset[str]] = frozenset()
    """paths on which no fault is drawn (a WSDL, a clock)"""

    def __init__(
        self,
        *,
        dialect: str | None = None,
        seed: int = 0,
        faults: str = "none",
        state: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.dialect = dialect
        self.seed = seed
        self.clock = clock
        self.books = Books(state, self.platform)
        self.faults = Faults({**COMMON_FAULTS, **self.own_faults}, seed=seed)
        self.faults.profile(faults)
        self.operation = ""
        self.slow_seconds = 0.5
        self.hang_seconds = 60.0
        self.work_seconds = 0.0
        """how long every request takes to be worked on"""
        self.at_once = self.most_at_once = 0
        """requests being worked on whose sender is still there: now, and the most there ever were"""

    async def by_itself(self) -> None:
        """What the platform does without being asked, for as long as it is served; most do nothing."""
        return

    @abstractmethod
    def handle(self, request: Request, body: bytes, fault: str | None) -> Response:
        """Answer one request of the platform's protocol."""

    @abstractmethod
    def access(self, base_url: str) -> Access:
        """Describe a running instance; ``base_url`` has no trailing slash."""

    def is_exempt(self, request: Request) -> bool:
        """Whether no fault is drawn for this request; by path unless a subclass decides otherwise."""
        return request.url.path in self.exempt

    def effects(self) -> dict[str, Any]:
        """What the platform counted itself; a subclass may add to ``counts``."""
        holdings = dict(self.books.items("effects"))
        kinds = [held["kind"] for held in holdings.values()]
        return {
            "platform": self.platform,
            "counts": {
                "persons": kinds.count("person"),
                "certificates": kinds.count("certificate"),
                "duplicates": self.books.counter("duplicates"),
                "requests": self.books.counter("requests"),
            },
            "holdings": holdings,
        }

    def app(self) -> Starlette:
        """The ASGI application: the platform's own paths and the three of ``/__sandbox``."""
        return Starlette(
            routes=[
                Route("/__sandbox/effects", self._effects, methods=["GET"]),
                Route("/__sandbox/requests", self._requests, methods=["GET"]),
                Route("/__sandbox/faults", self._faults, methods=["POST"]),
                Route("/{path:path}", _Platform(self)),
            ]
        )

    async def _effects(self, request: Request) -> Response:
        return JSONResponse(self.effects())

    async def _requests(self, request: Request) -> Response:
        return JSONResponse([value for _, value in self.books.items("requests")])

    async def _faults(self, request: Request) -> Response:
        try:
            wanted = await request.json()
            if "profile" in wanted:
                self.faults.profile(wanted["profile"])
            self.faults.set(next_=wanted.get("next", ()), rates=wanted.get("rates"))
        except (ValueError, KeyError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse({"queued": list(self.faults.queue), "rates": self.faults.rates})


class _Platform:
    """ASGI endpoint that puts faults, books and the account around ``Sandbox.handle``."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sandbox = self._sandbox
        request = Request(scope, receive)
        body = await request.body()
        fault = None if sandbox.is_exempt(request) else sandbox.faults.draw()
        sandbox.at_once += 1
        gone = False
        try:
            response = self._answer(request, body, fault)
            if fault == "slow":
                await asyncio.sleep(sandbox.slow_seconds)
            if sandbox.work_seconds:
                gone = await _until_gone(receive, sandbox.work_seconds)
            if fault in ("timeout_after_commit", "timeout_before_commit"):
                gone = await _until_gone(receive, sandbox.hang_seconds)
                return
        finally:
            # Of requests that overlap all are still there when the first of them ends. When one begins, the sender of
            # another may be gone without anybody having had the time to notice.
            if not gone:
                sandbox.most_at_once = max(sandbox.most_at_once, sandbox.at_once)
            sandbox.at_once -= 1
        await response(scope, receive, send)

    def _answer(self, request: Request, body: bytes, fault: str | None) -> Response:
        sandbox = self._sandbox
        sandbox.operation = ""
        sandbox.books.begin()
        try:
            response = self._faulty(request, body, fault)
            number = sandbox.books.bump("requests")
            entry = {
                "no": number,
                "at": sandbox.clock().isoformat(),
                "method": request.method,
                "path": request.url.path,
                "operation": sandbox.operation,
                "body_sha256": hashlib.sha256(body).hexdigest(),
                "fault": fault,
                "status": response.status_code,
            }
            sandbox.books.put("requests", f"{number:010d}", entry)
        except BaseException:
            sandbox.books.roll_back()
            raise
        sandbox.books.commit()
        return response

    def _faulty(self, request: Request, body: bytes, fault: str | None) -> Response:
        sandbox = self._sandbox
        if fault in ("unavailable", "timeout_before_commit"):
            return Response(
                "service unavailable", status_code=503, headers={"retry-after": "1"}, media_type="text/plain"
            )
        if fault == "login_page":
            return Response("<!doctype html><html><body><form>请登录</form></body></html>", media_type="text/html")
        response = sandbox.handle(request, body, fault if fault in sandbox.own_faults else None)
        if fault == "empty":
            return Response(b"", status_code=200, media_type=response.media_type)
        if fault == "gateway_error":
            return Response("<html><body>502 Bad Gateway</body></html>", status_code=502, media_type="text/html")
        if fault == "truncated":
            headers = {k: v for k, v in response.headers.items() if k != "content-length"}
            return Response(bytes(response.body)[: len(response.body) // 2], response.status_code, headers)
        return response


async def _until_gone(receive: Receive, seconds: float) -> bool:
    """Wait for the client to hang up, at most so long; whether it did."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
            return True
    return False
