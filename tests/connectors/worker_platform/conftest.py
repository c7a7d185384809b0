"""Connectors at the example account of the vectors, and a sandbox behind a real socket."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from connectors.worker_platform.adapter import WorkerPlatform, build
from connectors.worker_platform.sandbox import WorkerPlatformSandbox
from gateway.contract.messages import Payload, WireRequest, WireResponse
from gateway.domain.records import RecordKind
from gateway.settings import loader
from gateway.testing import people
from gateway.testing.serving import running

SECRET = "TestSecret-0123456789-ABCDEFGHIJ"
ACCOUNT = {"ENDPOINT": "http://127.0.0.1:1", "APPID": "000000300101010001", "APPSECRET": SECRET}

Build = Callable[..., WorkerPlatform]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Build:
    """Build a connector from keyword settings, for the sandbox dialect where none is named."""
    monkeypatch.chdir(tmp_path)

    def make(**given: str) -> WorkerPlatform:
        settings = {**ACCOUNT, "DIALECT": "sandbox", **given}
        return build(loader({f"GATEWAY_WORKER_PLATFORM__{k}": v for k, v in settings.items()}))

    return make


@pytest.fixture
def connector(built: Build) -> WorkerPlatform:
    return built()


@pytest.fixture
def payloads(connector: WorkerPlatform) -> tuple[Payload, ...]:
    """Three checked certificates."""
    made = people.submissions("worker_platform", RecordKind.CERTIFICATE, 3)
    checked = [connector.check(s, connector.map(s)) for s in made]
    good = tuple(c for c in checked if isinstance(c, Payload))
    assert len(good) == 3
    return good


@pytest.fixture
def answer() -> Callable[..., WireResponse]:
    """An answer in the platform's envelope."""

    def make(code: object = 0, message: object = "", data: object = None, **more: object) -> WireResponse:
        body = json.dumps({"code": code, "message": message, "data": data, **more}, ensure_ascii=False)
        return WireResponse(status=200, headers={"content-type": "application/json"}, body=body.encode())

    return make


@pytest.fixture
def serve() -> Iterator[Callable[[WorkerPlatformSandbox], str]]:
    """Serve a sandbox on a loopback port until the test ends; returns its base URL."""
    with ExitStack() as stack:
        yield lambda sandbox: stack.enter_context(running(sandbox))


@pytest.fixture
def send() -> Callable[[str, WireRequest], WireResponse]:
    """Carry a connector's request over HTTP."""

    def carry(base_url: str, request: WireRequest) -> WireResponse:
        url = base_url + request.path
        asked = urllib.request.Request(url, data=request.body, headers=dict(request.headers), method=request.method)
        try:
            with urllib.request.urlopen(asked, timeout=5) as reply:
                return WireResponse(
                    status=reply.status, headers={k.lower(): v for k, v in reply.headers.items()}, body=reply.read()
                )
        except urllib.error.HTTPError as error:
            with error:
                return WireResponse(
                    status=error.code, headers={k.lower(): v for k, v in error.headers.items()}, body=error.read()
                )

    return carry


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Any]:
    """Ask again until something comes, for at most five seconds."""

    def wait(ask: Callable[[], Any]) -> Any:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            if (found := ask()) is not None:
                return found
        raise AssertionError("nothing came in time")

    return wait
