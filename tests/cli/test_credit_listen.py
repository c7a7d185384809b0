"""``gateway credit listen``: a hint over HTTP makes the feed be pulled at once; bodies are bounded in size and time."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from typer.testing import CliRunner

from connectors.provincial_credit.sandbox import ProvincialCreditSandbox
from gateway.bootstrap import open_gateway
from gateway.cli import listen
from gateway.cli.app import app
from gateway.contract.hints import Hint, HintRefusal, HintTerms
from gateway.contract.messages import WireRequest, WireResponse
from gateway.credit.feedback import FeedbackReport
from gateway.credit.hints import Listener
from gateway.delivery.store import owing, platforms
from gateway.settings import GatewaySettings
from gateway.testing.serving import address, bind, running
from tests.support.creditfeed import Feed

PLATFORM = "provincial_credit"
TERMS = HintTerms(body_bytes=1000, remembered=timedelta(minutes=15), spacing=timedelta(seconds=60))


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a running platform that holds a certificate, configured in a home of its own."""
    made = ProvincialCreditSandbox(seed=5)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))
    with running(made) as url:
        settings = {"PUSH_BY": "item", "MIN_INTERVAL_SECONDS": "0", "HINTS": "true"}
        given = {f"GATEWAY_PROVINCIAL_CREDIT__{name}": value for name, value in settings.items()}
        for name, value in {**made.access(url).environment, **given}.items():
            monkeypatch.setenv(name, value)
        assert CliRunner().invoke(app, ["init"]).exit_code == 0
        with open_gateway(GatewaySettings(home=tmp_path / "home")) as gateway:
            feed = Feed(gateway.store)
            feed.certificate(feed.person()[0])
            with gateway.store.write() as connection:
                platforms.register(connection, [PLATFORM])
                owing.owe(connection, gateway.connector(PLATFORM).info, gateway.edge.now())
        assert CliRunner().invoke(app, ["push", PLATFORM]).exit_code == 0
        yield url


def command(url: str, **said: object) -> dict[str, object]:
    """One order to the simulated platform."""
    place = urlsplit(url)
    assert place.hostname is not None
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
    connection.request("POST", "/__sandbox/credit", json.dumps(said))
    answer: dict[str, object] = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def test_a_hint_makes_the_feed_be_pulled_at_once_and_its_repeats_wait(platform: str, tmp_path: Path) -> None:
    command(platform, tell=["F01"])
    reports: list[FeedbackReport] = []
    answers: list[object] = []

    async def run() -> None:
        pulled = asyncio.Event()

        def told(report: FeedbackReport) -> None:
            reports.append(report)
            pulled.set()

        with open_gateway(GatewaySettings(home=tmp_path / "home")) as gateway, bind() as listening:
            chosen, listener = listen.chosen(gateway, None)
            serving = asyncio.create_task(listen.serve(gateway, chosen, listener, sockets=[listening], told=told))
            url = f"{address(listening)}{listen.PATH}"
            for _ in range(3):
                answers.append((await asyncio.to_thread(command, platform, hint=url)).get("hinted"))
                await asyncio.wait_for(pulled.wait(), 20)
            assert listener.due.is_set(), "the hints that came later wait for the rest to be over"
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving

    asyncio.run(run())
    assert answers == [202] * 3
    assert [(report.applied, report.stopped) for report in reports] == [(2, None)]


def test_nothing_is_listened_to_where_nothing_was_agreed(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PROVINCIAL_CREDIT__HINTS", "false")
    result = CliRunner().invoke(app, ["credit", "listen"])
    assert (result.exit_code, result.stderr) == (2, "gateway: no platform gives hints as things are set\n")


def test_another_platform_is_no_choice(platform: str) -> None:
    result = CliRunner().invoke(app, ["credit", "listen", "--platform", "worker_platform"])
    assert (result.exit_code, "--platform is one of: provincial_credit" in result.stderr) == (2, True)


class Believing:
    """Takes every hint, and keeps the paths as they came."""

    hints: HintTerms | None = TERMS

    def __init__(self) -> None:
        self.paths: list[str] = []

    def decode_hint(self, request: WireRequest, now: datetime, /) -> Hint | WireResponse:
        self.paths.append(request.path)
        return Hint(nonce=request.headers["x-nonce"])

    def encode_hint_answer(self, refusal: HintRefusal | None, /) -> WireResponse:
        return WireResponse(status=202 if refusal is None else 413)


async def post(believing: Believing, path: str, content: bytes | AsyncIterator[bytes], method: str = "POST") -> int:
    listener = Listener(connector=believing, terms=TERMS, now=lambda: datetime.now(UTC))
    transport = httpx.ASGITransport(app=listen.application(listener))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.invalid") as client:
        answer = await client.request(method, path, content=content, headers={"x-nonce": "1"})
    return answer.status_code


def test_the_path_is_judged_as_it_came() -> None:
    believing = Believing()
    assert asyncio.run(post(believing, "/credit-events?b=%E4%BA%8B&a=1", b"{}")) == 202
    assert believing.paths == ["/credit-events?b=%E4%BA%8B&a=1"]


def test_a_body_that_is_too_large_is_not_read_to_its_end() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 100:
            read += 1
            yield bytes(600)

    believing = Believing()
    assert asyncio.run(post(believing, listen.PATH, endless())) == 413
    assert (believing.paths, read <= 3) == ([], True)


def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "_READ_SECONDS", 0.01)

    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    assert asyncio.run(post(Believing(), listen.PATH, stalled())) == 408


@pytest.mark.parametrize(("method", "path", "status"), [("GET", listen.PATH, 405), ("POST", "/", 404)])
def test_there_is_nothing_else(method: str, path: str, status: int) -> None:
    assert asyncio.run(post(Believing(), path, b"", method)) == status
