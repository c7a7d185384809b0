"""``gateway credit listen``: an address for a platform's hints that its feed has moved. The feed stays the truth."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.output import MISUSE, complain, opened, say
from gateway.domain.errors import GatewayError

if TYPE_CHECKING:
    import socket

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from gateway.bootstrap import Gateway
    from gateway.credit.feedback import FeedbackReport
    from gateway.credit.hints import Listener

log = logging.getLogger(__name__)
PATH = "/credit-events"
_READ_SECONDS = 10.0
_AT_ONCE = 20
"""connections served at once; the next ones are refused"""


def listen(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8321,
    host: Annotated[
        str, typer.Option(help="Address to listen on; the platform calls a proxy with TLS in front of it.")
    ] = "127.0.0.1",
    platform: Annotated[str | None, typer.Option(help="Whose hints, where several platforms give them.")] = None,
) -> None:
    """Listen to a platform's hints, and pull its feed at once when one comes, until interrupted."""
    with opened() as gateway:
        name, listener = chosen(gateway, platform)
        say(f"hints of {name} on http://{host}:{port}{PATH}")
        with suppress(KeyboardInterrupt):
            asyncio.run(serve(gateway, name, listener, host=host, port=port))


async def serve(
    gateway: Gateway,
    platform: str,
    listener: Listener,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    sockets: Sequence[socket.socket] | None = None,
    told: Callable[[FeedbackReport], None] = lambda _: None,
) -> None:
    """Listen and pull until stopped; ``told`` hears of every pull that a hint caused."""
    import uvicorn

    from gateway.credit.hints import pull_when_hinted

    async def pull() -> None:
        report = await _pull(gateway, platform)
        if report is not None:
            told(report)

    config = uvicorn.Config(
        application(listener),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        limit_concurrency=_AT_ONCE,
    )
    server = uvicorn.Server(config)

    def stop(_: object) -> None:
        server.should_exit = True

    pulling = asyncio.create_task(pull_when_hinted(listener, pull))
    pulling.add_done_callback(stop)
    try:
        await server.serve(sockets=None if sockets is None else list(sockets))
    finally:
        pulling.cancel()
        (ended,) = await asyncio.gather(pulling, return_exceptions=True)
    if isinstance(ended, Exception):
        raise ended


def application(listener: Listener) -> Starlette:
    """One path that takes hints; a body that is too large or too slow is not read to its end."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    from gateway.contract.hints import HintRefusal
    from gateway.contract.messages import WireRequest

    async def heard(request: Request) -> Response:
        try:
            async with asyncio.timeout(_READ_SECONDS):
                body = await _read(request, listener.terms.body_bytes)
        except TimeoutError:
            return Response(status_code=408)
        if body is None:
            answer = listener.refuse(HintRefusal.TOO_LARGE)
        else:
            query = request.scope["query_string"].decode("latin-1")
            path = request.scope["raw_path"].decode("latin-1")
            answer = listener.hear(
                WireRequest(
                    operation="hint",
                    method=request.method,
                    path=f"{path}?{query}" if query else path,
                    headers=dict(request.headers.items()),
                    body=body,
                )
            )
        return Response(answer.body, answer.status, headers=dict(answer.headers))

    return Starlette(routes=[Route(PATH, heard, methods=["POST"])])


async def _read(request: Request, most: int) -> bytes | None:
    """The body; None where it is larger than ``most``."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            return None
    return body


async def _pull(gateway: Gateway, platform: str) -> FeedbackReport | None:
    """As ``gateway feedback``; what goes wrong is logged, and the schedule's next pull makes it good."""
    from gateway.credit.feedback import pull

    try:
        async with gateway.exchanger(platform) as exchanger:
            report = await pull(exchanger, gateway.store, gateway.edge.now)
        await asyncio.to_thread(gateway.seal)
    except GatewayError as error:
        log.warning("feed not pulled after a hint", extra={"platform": platform, "error": str(error)})
        return None
    log.info("feed pulled after a hint", extra={"platform": platform, "pulled": report.pulled})
    return report


def chosen(gateway: Gateway, platform: str | None) -> tuple[str, Listener]:
    """The platform whose hints are heard, and who judges them; exit code 2 where there is not exactly one."""
    from gateway.contract.hints import GivesHints
    from gateway.credit.hints import Listener

    able = {}
    for name in gateway.configured():
        connector = gateway.connector(name)
        if isinstance(connector, GivesHints) and (terms := connector.hints) is not None:
            able[name] = Listener(connector=connector, terms=terms, now=gateway.edge.now)
    meant = [name for name in able if platform in (None, name)]
    if len(meant) != 1:
        complain(f"--platform is one of: {', '.join(able)}" if able else "no platform gives hints as things are set")
        raise typer.Exit(MISUSE)
    return meant[0], able[meant[0]]
