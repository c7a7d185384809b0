"""Processes a command needs beside it: a Prefect server and the simulated platforms. None outlives the command."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.cli import prefect_access
from gateway.cli.prefect_access import API_URL, CLIENT_SECRET, SERVER_SECRET
from gateway.domain.errors import ConfigurationError, GatewayError
from gateway.locale import tr

_SERVER = {
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # Relative, so that the page finds its interface under whatever name and port it was opened.
    "PREFECT_SERVER_UI_API_URL": "/api",
}
_READY_WITHIN = 120.0
_AGAIN_AFTER = 1.0
_ENDS_WITHIN = 10.0
_WAITING_CALLERS = 512
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound to


def fetch(url: str, timeout: float = 30) -> Any:
    """A JSON document from a process of ours on loopback; OSError where it does not answer."""
    import urllib.request  # it loads TLS, and this module is part of every command

    with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - our own http address
        return json.load(answer)


class PrefectServer:
    """A Prefect server in the home's folder, locked by the home's secret, on a socket that this process keeps."""

    def __init__(self, home: Path, port: int = 0, host: str = "127.0.0.1") -> None:
        prefect_access.refuse_open_host(host)
        self._socket = _listen(host, port)
        self._host, self._port = host, int(self._socket.getsockname()[1])
        self.url = f"http://{self._named(_EVERYWHERE.get(host, host))}/api"
        self._home = home
        self._secret = prefect_access.secret_of(home)
        self._process: subprocess.Popen[bytes] | None = None

    def _named(self, host: str) -> str:
        return f"[{host}]:{self._port}" if ":" in host else f"{host}:{self._port}"

    def start(self) -> None:
        """Start it, or start it again."""
        origins = [
            self.url.removesuffix("/api"),
            f"http://{self._named('localhost')}",
            f"http://{self._named(self._host)}",
        ]
        environment = {
            **os.environ,
            **_SERVER,
            SERVER_SECRET: self._secret,
            "PREFECT_SERVER_API_HOST": self._host,
            "PREFECT_SERVER_API_PORT": str(self._port),
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(dict.fromkeys(origins)),
        }
        environment.pop(API_URL, None)
        self._socket.set_inheritable(True)
        descriptor = self._socket.fileno()
        with (self._home / "prefect-server.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
                [sys.executable, "-m", "gateway.flows.server", str(descriptor)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=[descriptor],
                start_new_session=True,  # an interrupt of the command is for the command, which ends this one
            )

    def use(self) -> None:
        """Let flows in this process, and in those it starts, speak to this server."""
        os.environ[API_URL], os.environ[CLIENT_SECRET] = self.url, self._secret

    def ready(self) -> str:
        """Wait until the server answers; returns the URL of its API."""
        end = time.monotonic() + _READY_WITHIN
        while time.monotonic() < end:
            try:
                fetch(f"{self.url}/health", timeout=2)
            except OSError:
                if self._ended_within(0.2):
                    raise GatewayError(tr("the Prefect server did not start; see {log}", log=self._log)) from None
            else:
                self.use()
                return self.url
        raise GatewayError(
            tr(
                "the Prefect server was not ready in {ready_within} s; see {log}",
                ready_within=f"{_READY_WITHIN:.0f}",
                log=self._log,
            )
        )

    @property
    def _log(self) -> Path:
        return self._home / "prefect-server.log"

    def _ended_within(self, seconds: float) -> bool:
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait(self) -> None:
        """Wait until the server ends."""
        assert self._process is not None
        self._process.wait()

    def stop(self) -> None:
        """End the server and give the port back."""
        self._socket.close()
        if self._process is None:
            return
        self._process.terminate()
        if not self._ended_within(_ENDS_WITHIN):
            self._process.kill()
            self._process.wait()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=_WAITING_CALLERS)
    except OSError as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise ConfigurationError(
            tr("{host}, port {port}: {reason}; choose another --port", host=host, port=port, reason=reason)
        ) from None


@contextmanager
def prefect_server(home: Path, port: int = 0, host: str = "127.0.0.1") -> Iterator[PrefectServer]:
    """Start a server at once; ``ready`` waits for it."""
    prefect_access.prepare(home)
    server = PrefectServer(home, port, host)
    try:
        with prefect_access.kept(home, server.url):
            server.start()
            yield server
    finally:
        server.stop()


@contextmanager
def kept_prefect_server(home: Path, port: int, host: str = "127.0.0.1") -> Iterator[str]:
    """The URL of the Prefect server that the environment names, or of one of ours that is started again if it ends."""
    if os.environ.get(API_URL):
        yield prefect_access.connect(home, wait=True)
        return
    with prefect_server(home, port, host) as server:
        ending = threading.Event()

        def watch() -> None:
            while True:
                server.wait()
                if ending.wait(_AGAIN_AFTER):
                    return
                server.start()

        watcher = threading.Thread(target=watch, daemon=True)
        server.ready()
        watcher.start()
        try:
            yield server.url
        finally:
            ending.set()


def until_interrupted() -> None:
    """Wait for an interrupt or a request to end."""
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    done.wait()


@contextmanager
def sandboxes(home: Path, seed: int) -> Iterator[dict[str, Any]]:
    """The platforms in a process of their own; their books stay in the folder."""
    command = [sys.executable, "-m", "gateway", "sandbox", "--json", "--faults", "demo", "--seed", str(seed)]
    with (home / "sandboxes.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            [*command, "--state", str(home / "sandboxes")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise GatewayError(tr("the simulated platforms did not start; see {name}", name=log.name))
            yield json.loads(line)
        finally:
            process.terminate()
            process.wait(20)
            process.stdout.close()
