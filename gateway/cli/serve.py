"""``gateway serve``, ``deploy``, ``worker`` and ``alarms``: scheduled runs on Prefect, on this machine or on many."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import background, prefect_access
from gateway.cli.output import AsJson, columns, emit, opened, reported, say, table
from gateway.cli.prefect_access import API_URL
from gateway.domain.errors import ConfigurationError
from gateway.guard import descendants_end_with_us
from gateway.locale import tr

if TYPE_CHECKING:
    from gateway.flows.deployments import Planned


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
    with opened() as gateway, descendants_end_with_us():
        home = Path(gateway.settings.home)
        home.mkdir(parents=True, exist_ok=True)
        if not as_json and not os.environ.get(API_URL):
            say(tr("starting Prefect, which takes half a minute"))
        with background.kept_prefect_server(home, port, host) as url, _reports(home / "reports", port + 1):
            from gateway.flows import serving

            _quieten(gateway.settings.log_level)
            ready = partial(_show, url, _secret_place(home), as_json=as_json)
            try:
                asyncio.run(serving.serve(gateway, ready=ready))
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

    with opened() as gateway:
        url = prefect_access.connect(Path(gateway.settings.home))
        from gateway.flows import serving

        planned = asyncio.run(serving.deploy(gateway, pool, str((folder or Path.cwd()).resolve())))
    _show(url, None, planned, as_json=as_json)


def worker(
    pool: Annotated[str, typer.Argument(help="Work pool, as given to gateway deploy.")],
    name: Annotated[str | None, typer.Option(help="Name of this worker in Prefect's page.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Runs at once on this machine; default: GATEWAY_SERVE__PROCESSES.")
    ] = None,
) -> None:
    """Run what is due in a work pool on this machine, until interrupted; its runs end when it ends, however it ends."""
    import asyncio

    with opened() as gateway, descendants_end_with_us():
        prefect_access.connect(Path(gateway.settings.home), wait=True)
        from gateway.flows import serving

        _quieten(gateway.settings.log_level)
        try:
            asyncio.run(serving.work(gateway, pool, name=name, limit=limit))
        except (KeyboardInterrupt, asyncio.CancelledError):
            return


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

    with opened() as gateway:
        prefect_access.connect(Path(gateway.settings.home))
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

    with reported(), descendants_end_with_us():
        home = Path(load(GatewaySettings).home)
        os.environ.pop(API_URL, None)
        with background.kept_prefect_server(home, port, host) as url:
            _show(url, _secret_place(home), (), as_json=as_json)
            background.until_interrupted()


def _secret_place(home: Path) -> str | None:
    """Where the secret in use lies; None where the environment gave it or somebody else keeps the server."""
    path = home / prefect_access.SECRET_FILE
    used = os.environ.get(prefect_access.CLIENT_SECRET)
    return str(path) if path.exists() and path.read_text(encoding="ascii").strip() == used else None


def _quieten(level: str) -> None:
    """Prefect sets up its own logs when it is imported; ours go on as the settings say."""
    from gateway import logs

    logs.set_up(level)


def _show(url: str, secret: str | None, planned: Sequence[Planned], *, as_json: bool) -> None:
    rows = [{"deployment": one.name, "schedule": one.schedule, "at once": one.runs} for one in planned]
    if as_json:
        emit({"prefect": url, "secret": secret, "deployments": {one.name: one.schedule for one in planned}})
        return
    if rows:
        table(tr("deployments"), columns("deployment", "schedule", "at once"), rows)
    say(tr("Prefect: {url}", url=url.removesuffix("/api")))
    if secret is not None:
        say(tr("its page asks for the secret in {secret}", secret=secret))


@contextmanager
def _reports(folder: Path, port: int) -> Iterator[None]:
    """Show the folder of reports on loopback, so that a link in Prefect's page can be followed."""
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing: stderr is for our own logs."""

    variable = "GATEWAY_SERVE__REPORTS_URL"
    if os.environ.get(variable):
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(Quiet, directory=str(folder)))
    except OSError as error:
        raise ConfigurationError(
            tr("port {port}, for the reports: {strerror}; choose another --port", port=port, strerror=error.strerror)
        ) from None
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    os.environ[variable] = f"http://127.0.0.1:{port}"
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
