"""``gateway serve``, ``deploy`` and ``alarms``: scheduled runs on Prefect, on this machine or on many."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import background
from gateway.cli.output import AsJson, columns, emit, opened, reported, say, table
from gateway.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from gateway.flows.deployments import Planned

_API = "PREFECT_API_URL"


def serve(
    port: Annotated[
        int, typer.Option(min=1, max=65534, help="Port of Prefect's page on 127.0.0.1; reports are on the next one.")
    ] = 4200,
    server_only: Annotated[
        bool, typer.Option("--server-only", help="Keep a Prefect server running and nothing else; no store is needed.")
    ] = False,
    host: Annotated[str, typer.Option(help="Address the Prefect server listens on.")] = "127.0.0.1",
    as_json: AsJson = False,
) -> None:
    """Run the flows on their schedules from this machine, until interrupted.

    A Prefect server is started beside it and watched, unless PREFECT_API_URL names one that runs already.
    """
    import asyncio

    if server_only:
        _keep_server(port, host, as_json=as_json)
        return
    with opened() as gateway:
        home = Path(gateway.settings.home)
        home.mkdir(parents=True, exist_ok=True)
        if not as_json and not os.environ.get(_API):
            say("starting Prefect, which takes half a minute")
        with background.kept_prefect_server(home, port, host) as url, _reports(home / "reports", port + 1):
            from gateway.flows import serving

            _quieten(gateway.settings.log_level)
            told = partial(_tell, url, as_json=as_json)
            try:
                asyncio.run(serving.serve(gateway, ready=told))
            except (KeyboardInterrupt, asyncio.CancelledError):
                return


def deploy(
    pool: Annotated[str, typer.Argument(help="Work pool of process workers; made where there is none.")],
    folder: Annotated[
        Path | None,
        typer.Option(help="Working directory of the runs on every worker, where gateway.toml lies; default: this one."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Register the flows for a work pool, whose workers run them on many machines over one store."""
    import asyncio

    _need_server()
    with opened() as gateway:
        from gateway.flows import serving

        planned = asyncio.run(serving.deploy(gateway, pool, str((folder or Path.cwd()).resolve())))
    _tell(os.environ[_API], planned, as_json=as_json)


def alarms(
    to: Annotated[
        str | None,
        typer.Option(help="Notification block on the Prefect server, as kind/name; default: the flow alarm."),
    ] = None,
    quiet_hours: Annotated[float, typer.Option(min=0.003, help="Alarm where nothing was sent for so long.")] = 24,
    repeat_hours: Annotated[float, typer.Option(min=0, help="Not again for the same platform before.")] = 12,
    as_json: AsJson = False,
) -> None:
    """Let Prefect raise an alarm: a platform held, an acknowledgement overdue, nothing sent for hours."""
    import asyncio
    from datetime import timedelta

    _need_server()
    with opened() as gateway:
        from gateway.flows.alarms import raise_alarms

        names = asyncio.run(
            raise_alarms(
                gateway.configured(),
                quiet=timedelta(hours=quiet_hours),
                repeat=timedelta(hours=repeat_hours),
                to=to,
            )
        )
    if as_json:
        emit({"alarms": names, "to": to})
        return
    for name in names:
        say(name)


def _keep_server(port: int, host: str, *, as_json: bool) -> None:
    from gateway.settings import GatewaySettings, load

    with reported():
        home = Path(load(GatewaySettings).home)
        home.mkdir(parents=True, exist_ok=True)
        os.environ.pop(_API, None)
        with background.kept_prefect_server(home, port, host) as url:
            if as_json:
                emit({"prefect": url, "deployments": {}})
            else:
                say(f"Prefect: {url.removesuffix('/api')}")
            background.until_interrupted()


def _need_server() -> None:
    if not os.environ.get(_API):
        raise typer.BadParameter(f"{_API} is not set: the address of the Prefect server, ending in /api")
    background.set_quiet()


def _quieten(level: str) -> None:
    """Prefect sets up its own logs when it is imported; ours go on as the settings say."""
    from gateway import logs

    logs.set_up(level)


def _tell(url: str, planned: Sequence[Planned], *, as_json: bool) -> None:
    rows = [{"deployment": one.full_name, "schedule": one.schedule, "at once": one.runs} for one in planned]
    if as_json:
        emit({"prefect": url, "deployments": {row["deployment"]: row["schedule"] for row in rows}})
        return
    table("deployments", columns("deployment", "schedule", "at once"), rows)
    say(f"Prefect: {url.removesuffix('/api')}")


@contextmanager
def _reports(folder: Path, port: int) -> Iterator[None]:
    """Show the folder of reports on loopback, so that a link in Prefect's page can be followed."""
    variable = "GATEWAY_SERVE__REPORTS_URL"
    if os.environ.get(variable):
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Quiet, directory=str(folder)))
    except OSError as error:
        raise ConfigurationError(f"port {port}, for the reports: {error.strerror}; choose another --port") from None
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    os.environ[variable] = f"http://127.0.0.1:{port}"
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing: stderr is for our own logs."""
