"""Processes a command needs beside it: a Prefect server and the simulated platforms. None outlives the command."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
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
}
_READY_WITHIN = 120.0


def fetch(url: str, timeout: float = 30) -> Any:
    """A JSON document from a process of ours on loopback; OSError where it does not answer."""
    with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - our own http address
        return json.load(answer)


class PrefectServer:
    """A Prefect server started by Prefect's own command, in a folder of its own, without telemetry."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/api"
        environment = {**os.environ, **_PREFECT, "PREFECT_HOME": str(home / "prefect")}
        environment.pop("PREFECT_API_URL", None)
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self._port)]
        self._log = (home / "prefect-server.log").open("wb")
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

    def stop(self) -> None:
        """End the server and what it started."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._log.close()


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
