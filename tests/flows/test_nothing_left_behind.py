"""Commands are killed by SIGKILL: what they started ends within ten seconds, and their ports are free again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.flows.sites import PLATFORM, Site, pid_of, until
from tests.test_guard import is_alive, until_gone

pytestmark = [pytest.mark.slow, pytest.mark.prefect]

WITHIN_SECONDS = 10
SLOW = {
    "GATEWAY_PROVINCIAL_CREDIT__BATCH_MAX": "1",
    "GATEWAY_PROVINCIAL_CREDIT__MIN_INTERVAL_SECONDS": "0.5",
    "GATEWAY_PROVINCIAL_CREDIT__CONNECTIONS": "1",
}


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Iterator[Site]:
    made = make_site()
    made.sandbox()
    made.environment |= SLOW
    made.fill()
    yield made
    made.close()


def kill(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Kill a command as the kernel does when memory runs out; gives what it had started, whatever its session."""
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return started


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def run_at_work(site: Site) -> psutil.Process:
    """A run that has sent something and will go on for a while."""
    site.trigger(f"push-{PLATFORM}")
    until(lambda: site.states().get("awaiting_ack", 0) > 5, 180, "a push is under way")
    [holder] = [one for one in site.at_work() if one.work == "push"]
    return psutil.Process(pid_of(holder))


def test_a_killed_serve_leaves_neither_its_server_nor_its_runs(site: Site) -> None:
    serve = site.serve()
    run = run_at_work(site)
    started = kill(serve)
    assert run in started
    assert len(started) >= 3, "guard, server and run"
    until_gone(started, WITHIN_SECONDS)
    assert is_free(site.port)


def test_a_killed_worker_leaves_no_run_and_the_server_alone(site: Site) -> None:
    server = site.start("serve", "--server-only", "--port", str(site.port), "--json", log="server.log")
    until(lambda: site.api("/health"), 180, "server")
    site.run("deploy", "workers", "--folder", str(site.folder))
    worker = site.start("worker", "workers", log="worker.log")
    run = run_at_work(site)
    started = kill(worker)
    assert run in started
    until_gone(started, WITHIN_SECONDS)
    assert site.api("/health") is True
    started = kill(server)
    until_gone(started, WITHIN_SECONDS)
    assert is_free(site.port)


def test_a_killed_demo_leaves_neither_server_nor_platforms(tmp_path: Path) -> None:
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("PREFECT_", "GATEWAY_"))}
    demo = subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo", "--home", str(tmp_path), "--json"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until((tmp_path / "returns.xlsx").exists, 120, "the demo has read its batch")
    started = kill(demo)
    assert len(started) >= 3, "guard, server and platforms"
    assert sum(is_alive(one) for one in started) >= 2
    until_gone(started, WITHIN_SECONDS)


def test_a_killed_sandbox_leaves_nothing_and_frees_its_port(site: Site) -> None:
    [sandbox] = site.processes
    port = int(site.access["url"].split(":")[2].split("/")[0])
    until_gone(kill(sandbox), WITHIN_SECONDS)
    assert is_free(port)
