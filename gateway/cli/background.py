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
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.cli.sandbox import FOLLOW_PARENT
from gateway.domain.errors import GatewayError

_PREFECT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # Relative, so that the page finds its interface under whatever name and port it was opened.
    "PREFECT_SERVER_UI_API_URL": "/api",
}
_READY_WITHIN = 120.0
_AGAIN_AFTER = 1.0
_ANY = "0.0.0.0"  # noqa: S104 - compared with, not bound to


def fetch(url: str, timeout: float = 30) -> Any:
    """A JSON document from a process of ours on loopback; OSError where it does not answer."""
    with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - our own http address
        return json.load(answer)


class PrefectServer:
    """A Prefect server in a folder of its own, without telemetry."""

    def __init__(self, home: Path, port: int = 0, host: str = "127.0.0.1") -> None:
        self._port = port or _free_port()
        self.url = f"http://{'127.0.0.1' if host == _ANY else host}:{self._port}/api"
        environment = {**os.environ, **_PREFECT, "PREFECT_HOME": str((home / "prefect").resolve())}
        environment.pop("PREFECT_API_URL", None)
        command = [sys.executable, "-m", "gateway.flows.server", "--host", host, "--port", str(self._port)]
        self._log = (home / "prefect-server.log").open("ab")
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            [sys.executable, "-m", "gateway.cli.guard", *command],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=environment,
        )

    def ready(self) -> str:
        """Wait until the server answers; returns the URL of its API."""
        end = time.monotonic() + _READY_WITHIN
        while time.monotonic() < end:
            try:
                fetch(f"{self.url}/health", timeout=2)
            except OSError:
                if self._ended_within(0.2):
                    raise GatewayError(f"the Prefect server did not start; see {self._log.name}") from None
            else:
                return self.url
        raise GatewayError(f"the Prefect server was not ready in {_READY_WITHIN:.0f} s; see {self._log.name}")

    def _ended_within(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait(self) -> None:
        """Wait until the server ends."""
        self._process.wait()

    def stop(self) -> None:
        """End the server and what it started."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._log.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def set_quiet() -> None:
    """Let Prefect in this process and in those it starts tell nobody anything."""
    os.environ.update({name: value for name, value in _PREFECT.items() if name not in os.environ})


@contextmanager
def kept_prefect_server(home: Path, port: int, host: str = "127.0.0.1") -> Iterator[str]:
    """The URL of the Prefect server that the environment names, or of one of ours that is started again if it ends."""
    named = os.environ.get("PREFECT_API_URL")
    set_quiet()
    if named:
        yield named
        return
    os.environ["PREFECT_HOME"] = str((home / "prefect").resolve())
    server = PrefectServer(home, port, host)
    ending = threading.Event()

    def watch() -> None:
        nonlocal server
        while True:
            server.wait()
            if ending.wait(_AGAIN_AFTER):
                return
            server = PrefectServer(home, port, host)

    watcher = threading.Thread(target=watch, daemon=True)
    try:
        os.environ["PREFECT_API_URL"] = server.ready()
        watcher.start()
        yield server.url
    finally:
        ending.set()
        server.stop()


def until_interrupted() -> None:
    """Wait for an interrupt or a request to end."""
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    done.wait()


@contextmanager
def prefect_server(home: Path) -> Iterator[PrefectServer]:
    """Start the server at once; ``ready`` waits for it. This process is set to the same folder and rules."""
    os.environ.update(_PREFECT)
    os.environ["PREFECT_HOME"] = str(home / "prefect")
    server = PrefectServer(home)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def sandboxes(home: Path, seed: int) -> Iterator[dict[str, Any]]:
    """The three platforms in a process of their own; their books stay in the folder."""
    command = [sys.executable, "-m", "gateway", "sandbox", "--json", "--faults", "demo", "--seed", str(seed)]
    with (home / "sandboxes.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            [*command, "--state", str(home / "sandboxes")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, FOLLOW_PARENT: "1"},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise GatewayError(f"the simulated platforms did not start; see {log.name}")
            yield json.loads(line)
        finally:
            process.stdin.close()
            process.wait(20)
            process.stdout.close()
