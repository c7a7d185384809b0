"""``gateway metrics``: what a monitoring system reads, once or from a small server of its own."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import prefect_access
from gateway.cli.output import opened, refuse_idle, say
from gateway.locale import tr

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from gateway.bootstrap import Gateway


def metrics(
    serve: Annotated[int | None, typer.Option(min=0, max=65535, help="Serve them on this port instead.")] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to serve on, 127.0.0.1 where none is named; keep them inside.")
    ] = None,
) -> None:
    """Print metrics in the Prometheus text format, or serve /metrics and /health until stopped."""
    with opened() as gateway:
        refuse_idle(host is not None and serve is None, "--host", "--serve")
        host = host or "127.0.0.1"
        if serve is None:
            sys.stdout.buffer.write(_text(gateway))
            sys.stdout.flush()
            return
        import uvicorn

        config = uvicorn.Config(application(gateway), host=host, port=serve, log_level="warning", access_log=False)
        server = uvicorn.Server(config)
        say(tr("metrics on http://{host}:{serve}/metrics", host=host, serve=serve))
        server.run()


def _text(gateway: Gateway) -> bytes:
    from gateway.operations.metrics import Surroundings, exposition
    from gateway.settings import ServeSettings

    rules = {name: one.endpoint.traffic for name, one in gateway.descriptions().items()}
    settings, drop = gateway.settings, gateway.loader(ServeSettings).drop
    folders = {"home": settings.home, "anchors": settings.anchors.parent} | ({"drop": drop} if drop else {})
    around = Surroundings(
        calendar=gateway.calendar,
        folders=folders,
        drop=drop,
        prefect_up=prefect_access.answers(settings.home),
        promises=gateway.promise_watch(),
    )
    return exposition(gateway.store, rules, around, gateway.edge.now())


def application(gateway: Gateway) -> Starlette:
    """``/metrics``, and ``/health``: 200 where the store can be read, 503 where it cannot."""
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import Response
    from starlette.routing import Route

    from gateway.domain.errors import GatewayError
    from gateway.operations.metrics import CONTENT_TYPE
    from gateway.store.engine import verify_schema

    async def told(_: Request) -> Response:
        try:
            return Response(await run_in_threadpool(_text, gateway), headers={"content-type": CONTENT_TYPE})
        except GatewayError as error:
            return Response(f"# {error}\n", status_code=503, headers={"content-type": CONTENT_TYPE})

    async def health(_: Request) -> Response:
        try:
            await run_in_threadpool(_glance, gateway)
            await run_in_threadpool(verify_schema, gateway.store.engine)
        except GatewayError as error:
            return Response(json.dumps({"ok": False, "why": str(error)}), 503, media_type="application/json")
        return Response(json.dumps({"ok": True}), media_type="application/json")

    return Starlette(routes=[Route("/metrics", told), Route("/health", health)])


def _glance(gateway: Gateway) -> None:
    from gateway.delivery.store import platforms

    with gateway.store.read() as connection:
        platforms.registered(connection)
