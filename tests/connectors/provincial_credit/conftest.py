"""A connector, a sandbox with a clock that the test moves, and the road between them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx
import pytest

from connectors.provincial_credit.adapter import ProvincialCredit, WithLogin, build
from connectors.provincial_credit.sandbox import ProvincialCreditSandbox
from connectors.provincial_credit.sandbox.http import BASE
from gateway.contract.connector import NeedsToken
from gateway.contract.messages import JSON, Payload, Stamp, Token, Verdict, WireRequest, WireResponse
from gateway.domain.records import RecordKind, Submission
from gateway.settings import loader
from gateway.testing import people

_KEPT = {"holdings": slice(1, 2), **dict.fromkeys(("feedback", "awaited"), slice(0))}
"""calls whose answer is read with less than what was asked"""
START = datetime(2019, 4, 2, 1, 30, tzinfo=UTC)


@dataclass
class Clock:
    """Time that only a test moves."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **parts: float) -> None:
        self.now += timedelta(**parts)


@dataclass
class Bench:
    """The connector against the sandbox without a network."""

    connector: ProvincialCredit
    sandbox: ProvincialCreditSandbox
    clock: Clock
    rng: Random = field(default_factory=lambda: Random(5))
    token: Token | None = None
    seen: list[tuple[WireRequest, WireResponse]] = field(default_factory=list)

    def stamp(self, message_id: str | None = None, *, login: bool = True) -> Stamp:
        login = login and isinstance(self.connector, NeedsToken)
        if login and self.token is None:
            self.token = self.login()
        token = self.token if login else None
        made = people.ulid(self.rng) if message_id is None else message_id
        return Stamp(message_id=made, now=self.clock.now, nonce=self.rng.randbytes(16), token=token)

    def login(self, previous: Token | None = None) -> Token:
        stamp = replace(self.stamp(login=False), token=previous)
        assert isinstance(self.connector, WithLogin)
        answer = self.connector.decode_login(self.send(self.connector.encode_login(previous, stamp)), stamp)
        assert isinstance(answer, Token), answer
        return answer

    def ask(self, name: str, *args: Any, **more: Any) -> Any:
        """One call of the connector there and back: ``encode_name`` and ``decode_name`` with the same arguments."""
        stamp = self.stamp()
        request = getattr(self.connector, f"encode_{name}")(*args, stamp, **more)
        return getattr(self.connector, f"decode_{name}")(self.send(request), *args[_KEPT.get(name, slice(9))], stamp)

    def checked(self, *submissions: Submission) -> tuple[Payload, ...]:
        """Payloads of submissions that pass the check."""
        made = [self.connector.check(s, self.connector.map(s)) for s in submissions]
        good = tuple(c for c in made if isinstance(c, Payload))
        assert len(good) == len(made), made
        return good

    def results(self, payloads: tuple[Payload, ...]) -> tuple[Verdict, ...]:
        """Push and fetch the result."""
        receipt = self.push(payloads)
        stamp = self.stamp()
        return tuple(
            self.connector.decode_ack(self.send(self.connector.encode_ack(receipt, stamp)), receipt, payloads, stamp)
        )

    def send(self, request: WireRequest) -> WireResponse:
        response = asyncio.run(self._send(request))
        self.seen.append((request, response))
        return response

    async def _send(self, request: WireRequest) -> WireResponse:
        transport = httpx.ASGITransport(app=self.sandbox.app())
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.invalid") as client:
            got = await client.request(
                request.method, BASE + request.path, headers=dict(request.headers), content=request.body
            )
        return WireResponse(status=got.status_code, headers=dict(got.headers), body=got.content)

    def payloads(self, count: int, seed: int = 1) -> tuple[Payload, ...]:
        made = people.submissions("provincial_credit", RecordKind.CERTIFICATE, count, seed)
        checked = [self.connector.check(s, self.connector.map(s)) for s in made]
        good = tuple(c for c in checked if isinstance(c, Payload))
        assert len(good) == count, checked
        return good

    def push(self, payloads: tuple[Payload, ...]) -> str:
        """Push and let the platform work it off; gives the receipt."""
        stamp = self.stamp()
        verdicts = self.connector.decode_push(self.send(self.connector.encode_push(payloads, stamp)), payloads, stamp)
        assert verdicts[0].receipt is not None, verdicts
        self.clock.pass_(seconds=1)
        return verdicts[0].receipt

    def hold(self, count: int) -> tuple[Payload, ...]:
        payloads = self.payloads(count)
        self.push(payloads)
        return payloads


@pytest.fixture
def make_bench() -> Iterator[Callable[..., Bench]]:
    """Benches with their own sandbox; ``dialect`` and further settings as asked."""
    made: list[ProvincialCreditSandbox] = []

    def make(dialect: str | None = None, **settings: str) -> Bench:
        clock = Clock()
        sandbox = ProvincialCreditSandbox(seed=3, dialect=dialect, clock=clock)
        made.append(sandbox)
        given = {f"GATEWAY_PROVINCIAL_CREDIT__{name.upper()}": value for name, value in settings.items()}
        environment = {**sandbox.access("https://sandbox.invalid").environment, **given}
        connector = build(loader(environment))
        return Bench(connector=connector, sandbox=sandbox, clock=clock)

    yield make
    for sandbox in made:
        sandbox.books.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()


def signed(stamp: Stamp, status: int, value: JSON, *, secret: str | None = None, **headers: str) -> WireResponse:
    """An answer of the platform to the request of ``stamp``, signed as the contract says."""
    body = json.dumps(value, ensure_ascii=False).encode()
    assert stamp.token is not None or secret is not None
    key = secret or (stamp.token.values["requestSecret"] if stamp.token else "")
    request_id = f"{stamp.message_id}-{stamp.nonce.hex()[:16]}"
    lines = "\n".join((str(status), request_id, "1554168600000", hashlib.sha256(body).hexdigest()))
    signature = base64.b64encode(hmac.digest(key.encode(), lines.encode(), "sha256")).decode()
    return WireResponse(
        status=status,
        headers={
            "content-type": "application/problem+json" if status >= 400 else "application/json; charset=utf-8",
            "x-request-id": request_id,
            "x-platform-timestamp": "1554168600000",
            "x-platform-signature": signature,
            **headers,
        },
        body=body,
    )


def problem(code: str, status: int, **more: JSON) -> dict[str, JSON]:
    """Problem details with the members the document asks for."""
    return {"type": "https://errors.sdcredit.example/x", "title": "refused", "status": status, "code": code, **more}


@pytest.fixture
def answer() -> Callable[..., WireResponse]:
    return signed


@pytest.fixture
def refusal() -> Callable[..., dict[str, JSON]]:
    return problem


@pytest.fixture
def submission() -> Submission:
    """A good certificate."""
    return people.submissions("provincial_credit", RecordKind.CERTIFICATE)[0]
