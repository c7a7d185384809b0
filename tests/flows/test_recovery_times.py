"""How soon work goes on after a kill: the promises hold on a machine that is not busy with other things."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from tests.flows.sites import PLATFORM, Site, descends, pid_of, server_of, until

pytestmark = [pytest.mark.slow, pytest.mark.prefect, pytest.mark.soak]

WORKER_SECONDS, SERVER_SECONDS = 30, 15
SLOW = {
    "GATEWAY_SERVE__SYNC": "5s",
    "GATEWAY_PROVINCIAL_CREDIT__BATCH_MAX": "1",
    "GATEWAY_PROVINCIAL_CREDIT__MIN_INTERVAL_SECONDS": "0.5",
    "GATEWAY_PROVINCIAL_CREDIT__CONNECTIONS": "1",
}


@pytest.fixture
def site(make_site: Callable[..., Site], postgres_url: str) -> Iterator[Site]:
    made = make_site(GATEWAY_DATABASE_URL=postgres_url)
    made.sandbox()
    made.environment |= SLOW
    made.fill()
    yield made
    made.close()


def seconds_until(found: Callable[[], object], what: str) -> float:
    begun = time.monotonic()
    until(found, 120, what)
    return time.monotonic() - begun


def test_the_work_of_a_killed_worker_goes_on_at_another_one(site: Site, count: Callable[..., None]) -> None:
    site.start("serve", "--server-only", "--port", str(site.port), "--json", log="server.log")
    until(lambda: site.api("/health"), 180, "server")
    site.run("deploy", "workers", "--folder", str(site.folder))
    workers = [site.start("worker", "workers", "--name", name, log=f"{name}.log") for name in ("first", "second")]
    [holder] = until(lambda: [one for one in site.at_work() if one.work == "sync"], 180, "a run is at work")
    until(lambda: site.told("requests"), 60, "it has sent something")
    [at_work] = [one for one in workers if descends(pid_of(holder), one.pid)]
    at_work.kill()
    killed_at = time.time()

    def sent_again() -> bool:
        others = {one.run for one in site.at_work()} - {holder.run}
        last = max(datetime.fromisoformat(one["at"]).timestamp() for one in site.told("requests"))
        return bool(others) and last > killed_at

    took = seconds_until(sent_again, "another run sends")
    count(worker_recovery_ms=int(took * 1000))
    assert took < WORKER_SECONDS


def test_schedules_go_on_after_the_prefect_server_was_killed(site: Site, count: Callable[..., None]) -> None:
    serve = site.serve()
    until(lambda: site.runs_of("sync", ended=True) or site.at_work(), 120, "the schedule runs")
    os.kill(server_of(serve), signal.SIGKILL)
    killed_at = datetime.now().astimezone()

    def begun_since() -> bool:
        starts = [run["start_time"] for run in site.runs_of("sync") if run["start_time"]]
        return any(datetime.fromisoformat(text) > killed_at for text in starts)

    took = seconds_until(begun_since, f"a run of sync-{PLATFORM}")
    count(server_recovery_ms=int(took * 1000))
    assert took < SERVER_SECONDS
