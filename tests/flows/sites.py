"""A gateway as it is operated: one simulated platform, a store, a real Prefect server and ``gateway serve``."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest

from gateway.bootstrap import open_gateway
from gateway.delivery.store import run_leases
from gateway.delivery.store.run_leases import Holder
from gateway.settings import GatewaySettings, loader
from gateway.store.engine import open_engine
from gateway.testing.batch import write_sample
from gateway.testing.checker.invariants import broken

T = TypeVar("T")
PLATFORM = "provincial_credit"
BUSY = 503
"""what Prefect answers where SQLite was locked"""
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
QUICK = {
    "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "GATEWAY_SERVE__SYNC": "off",
    "GATEWAY_SERVE__FEEDBACK": "off",
    "GATEWAY_SERVE__RECONCILE": "off",
    "GATEWAY_PROVINCIAL_CREDIT__MIN_INTERVAL_SECONDS": "0",
}


def free_port() -> int:
    """Two free ports in a row, Prefect's page and the reports, below those that the system gives away."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as first, socket.socket() as second, contextlib.suppress(OSError):
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 1))
            return port


def until(found: Callable[[], T], seconds: float = 120, what: str = "") -> T:
    """Wait for something that another process does."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while True:
        with contextlib.suppress(OSError):
            if result := found():
                return result
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        pause.wait(0.3)


class Site:
    """One folder with everything in it, and the processes started there."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.books = folder / "books"
        self.port = free_port()
        self.api_url = f"http://127.0.0.1:{self.port}/api"
        clean = {n: v for n, v in os.environ.items() if not n.startswith(("PREFECT_", "GATEWAY_"))}
        self.environment = {**clean, **QUICK, "GATEWAY_HOME": str(self.home), **environment}
        self.processes: list[subprocess.Popen[bytes]] = []
        self.access: dict[str, Any] = {}
        self.platforms: dict[str, Any] = {}

    def start(self, *arguments: str, log: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start ``gateway …`` in a group of its own."""
        with (self.folder / log).open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "gateway", *arguments],
                cwd=self.folder,
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def run(self, *arguments: str, expect: int = 0, expect_any: bool = False, **environment: str) -> dict[str, Any]:
        """Run ``gateway … --json`` to its end and give its document."""
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *arguments, "--json"],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            timeout=240,
            check=False,
        )
        assert expect_any or done.returncode == expect, done.stderr.decode()[-2000:]
        document: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
        return document

    def sandbox(self, faults: str = "none", *, only: str | None = PLATFORM) -> None:
        """Start the simulated platform, or all of them, and point the gateway at them."""
        chosen = ("--platform", only) if only else ()
        arguments = (*chosen, "--faults", faults, "--state", str(self.books), "--json")
        process = self.start("sandbox", *arguments, log="sandbox.log")
        log = self.folder / "sandbox.log"

        def said() -> str:
            assert process.poll() is None, log.read_text()[-2000:]
            return next((line for line in log.read_text().splitlines() if line.startswith("{")), "")

        self.platforms = json.loads(until(said, 120, "sandbox"))
        self.access = self.platforms[only or PLATFORM]
        for one in self.platforms.values():
            self.environment |= one["environment"]

    def fill(self, rows: int = 300) -> None:
        """Make the store and take a synthetic batch in."""
        self.run("init")
        batch = self.folder / "batch.xlsx"
        write_sample(batch, rows=rows, seed=7)
        self.run("intake", str(batch), expect=1)

    def serve(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start ``gateway serve`` and wait until its deployments are registered."""
        log = self.folder / "serve.log"
        before = log.read_text().count('"deployments"') if log.exists() else 0
        process = self.start("serve", "--port", str(self.port), "--json", log="serve.log", **environment)

        def said() -> bool:
            assert process.poll() is None, log.read_text()[-2000:]
            return log.read_text().count('"deployments"') > before

        until(said, 240, "gateway serve")
        return process

    def api(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """Prefect's REST interface, POST where there is a body; asked again where it is busy, as its client does."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.api_url + path,
            data,
            {"Content-Type": "application/json"} | self.authorization(),
            method=method or ("GET" if data is None else "POST"),
        )
        end, pause = time.monotonic() + 60, threading.Event()
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    raw = answer.read()
            except urllib.error.HTTPError as error:
                if error.code != BUSY or time.monotonic() > end:
                    raise
                error.close()
                pause.wait(0.5)
            else:
                return json.loads(raw) if raw else None

    def authorization(self) -> dict[str, str]:
        """The header that Prefect asks for."""
        path = self.home / "prefect.secret"
        if not path.exists():
            return {}
        return {"Authorization": "Basic " + base64.b64encode(path.read_text().strip().encode()).decode()}

    def deployment(self, name: str) -> dict[str, Any]:
        """A deployment by its name."""
        [found] = self.api("/deployments/filter", {"deployments": {"name": {"any_": [name]}}})
        return dict(found)

    def trigger(self, name: str, **parameters: Any) -> str:
        """Ask for a run, as Prefect's page does; returns its id."""
        key = self.deployment(name)["id"]
        wanted = {"parameters": parameters, "idempotency_key": str(uuid4())}
        return str(self.api(f"/deployments/{key}/create_flow_run", wanted)["id"])

    def flow_run(self, key: str) -> dict[str, Any]:
        """A run as Prefect knows it."""
        found: dict[str, Any] = self.api(f"/flow_runs/{key}")
        return found

    def finish(self, key: str, seconds: float = 240) -> dict[str, Any]:
        """Wait for the end of a run."""

        def ended() -> dict[str, Any]:
            run = self.flow_run(key)
            return run if run["state_type"] in ENDED else {}

        return until(ended, seconds, f"end of run {key}")

    def runs_of(self, flow: str, *, ended: bool = False) -> list[dict[str, Any]]:
        """Every run of a flow, or those that have ended, oldest first."""
        query: dict[str, Any] = {"flows": {"name": {"any_": [flow]}}, "sort": "START_TIME_ASC", "limit": 200}
        if ended:
            query["flow_runs"] = {"state": {"type": {"any_": sorted(ENDED)}}}
        found: list[dict[str, Any]] = []
        while page := self.api("/flow_runs/filter", query | {"offset": len(found)}):
            found += page
        return found

    def artifacts(self, run: str) -> dict[str, Any]:
        """Artifacts of a run by key; tables are read."""
        query = {"flow_runs": {"id": {"any_": [run]}}, "limit": 50}
        return {one["key"]: _table(one) for one in self.api("/artifacts/filter", query)}

    def effects(self) -> dict[str, Any]:
        """What the simulated platform counted."""
        found: dict[str, Any] = self.told("effects")["counts"]
        return found

    def told(self, what: str, platform: str = PLATFORM) -> Any:
        """What a simulated platform says of itself: ``effects`` or ``requests``."""
        origin = "/".join(self.platforms[platform]["url"].split("/")[:3])
        with urllib.request.urlopen(f"{origin}/__sandbox/{what}", timeout=60) as answer:
            return json.load(answer)

    def contradictions(self) -> list[str]:
        """Where our ledger and the platforms' own books do not agree."""
        load = loader(self.environment)
        with open_gateway(load(GatewaySettings), loader=load) as gateway, gateway.store.read() as connection:
            return [
                f"{name}: {sentence}"
                for name in self.platforms
                for sentence in broken(
                    connection,
                    name,
                    self.told("effects", name),
                    self.told("requests", name),
                    vault=gateway.store.vault,
                    connector=gateway.connector(name),
                )
            ]

    def fault(self, *names: str) -> None:
        """Let the simulated platform fail at its next requests."""
        origin = "/".join(self.access["url"].split("/")[:3])
        data = json.dumps({"next": list(names)}).encode()
        request = urllib.request.Request(f"{origin}/__sandbox/faults", data, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=30).close()

    def states(self) -> dict[str, int]:
        """Deliveries by state."""
        states: dict[str, int] = self.run("status")["platforms"][PLATFORM]["states"]
        return states

    def at_work(self) -> list[Holder]:
        """Runs that have a lease in our store."""
        engine = open_engine(self.environment.get("GATEWAY_DATABASE_URL", f"sqlite:///{self.home / 'gateway.db'}"))
        with engine.connect().execution_options(reading=True) as connection:
            found = run_leases.at_work(connection)
        engine.dispose()
        return found

    def close(self) -> None:
        """End what was started here, and what that started."""
        for process in reversed(self.processes):
            end(process)


def _table(artifact: dict[str, Any]) -> Any:
    return json.loads(artifact["data"]) if artifact["type"] == "table" else artifact["data"]


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, then its whole group; a guard in it is given the time to end what it keeps."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
    process.kill()
    process.wait()
    with contextlib.suppress(AssertionError):
        until(lambda: not _signalled(process.pid, 0), 8)
    _signalled(process.pid, signal.SIGKILL)


def _signalled(group: int, number: int) -> bool:
    """Whether there was anybody in the group to get the signal."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def pid_of(holder: Holder) -> int:
    """The process of a run at work."""
    return int(holder.owner.split("/")[-2])


def server_of(process: subprocess.Popen[bytes]) -> int:
    """The process of the Prefect server that this ``gateway serve`` keeps."""
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if b"gateway.flows.server" in command.read_bytes() and descends(int(command.parent.name), process.pid):
                return int(command.parent.name)
    raise AssertionError("no Prefect server is running")


def descends(pid: int, ancestor: int) -> bool:
    """Whether a process was started by another one, or by one that it started."""
    while pid > 1:
        if pid == ancestor:
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False


def refusal(call: Callable[[], Any]) -> int:
    """The HTTP status with which Prefect refuses a call."""
    with pytest.raises(urllib.error.HTTPError) as error:
        call()
    with error.value:
        return error.value.code
