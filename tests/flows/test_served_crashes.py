"""Prefect, its database, its workers and our own processes die: pushes stay exact and nobody waits for anything."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing

import psutil
import pytest

from gateway.store.processes import is_dead
from tests.flows.sites import PLATFORM, Site, end, pid_of, refusal, server_of, until

pytestmark = [pytest.mark.slow, pytest.mark.prefect, pytest.mark.soak]

SLOW = {
    "GATEWAY_PROVINCIAL_CREDIT__BATCH_MAX": "2",
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


def begin_push(site: Site) -> tuple[str, int]:
    """A push that has sent something and will go on for a while: its run and its process."""
    key = site.trigger(f"push-{PLATFORM}")
    until(lambda: site.states().get("awaiting_ack", 0) > 10, 180, "a push is under way")
    [holder] = [one for one in site.at_work() if one.work == "push"]
    assert holder.run == key
    return key, pid_of(holder)


def finish_everything(site: Site) -> None:
    """By the commands alone, without Prefect, until nothing waits; then both sides are compared."""

    def rest() -> bool:
        for command in ("push", "acks", "resolve"):
            site.run(command, expect_any=True)
        return set(site.states()) == {"accepted"}

    until(rest, 300, "every delivery accepted")
    assert site.contradictions() == []
    assert site.effects()["duplicates"] == 0
    assert set(site.run("reconcile")["platforms"][PLATFORM]["classes"]) == {"match"}


def pause_schedule(site: Site, name: str) -> None:
    deployment = site.deployment(name)
    [schedule] = deployment["schedules"]
    site.api(f"/deployments/{deployment['id']}/schedules/{schedule['id']}", {"active": False}, "PATCH")


def schedule_is_active(site: Site, name: str) -> bool:
    [schedule] = site.deployment(name)["schedules"]
    return bool(schedule["active"])


def prefect_schema(site: Site) -> str:
    with closing(sqlite3.connect(f"file:{site.home / 'prefect' / 'prefect.db'}?mode=ro", uri=True)) as db:
        return str(db.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_a_killed_machine_is_found_at_the_next_start_and_a_paused_schedule_stays_paused(site: Site) -> None:
    own = {"GATEWAY_SERVE__RECONCILE": "30 1 * * *", "GATEWAY_SERVE__FEEDBACK": "10 1 * * *"}
    serve = site.serve(**own)
    pause_schedule(site, f"reconcile-{PLATFORM}")
    key, pid = begin_push(site)
    serve.kill()
    os.kill(pid, signal.SIGKILL)
    serve.wait()

    site.serve(**own)
    run = site.finish(key, 30)
    assert run["state_name"] == "Crashed"
    assert "its process is gone" in run["state"]["message"]
    assert not schedule_is_active(site, f"reconcile-{PLATFORM}")
    assert schedule_is_active(site, f"feedback-{PLATFORM}")
    assert site.at_work() == []
    tasks = site.api("/task_runs/filter", {"flow_runs": {"id": {"any_": [key]}}})
    assert {one["state_type"] for one in tasks} == {"CRASHED"}
    finish_everything(site)


def test_a_run_ends_with_its_killed_worker_and_the_next_one_goes_on(site: Site) -> None:
    serve = site.serve()
    key, pid = begin_push(site)
    serve.kill()
    serve.wait()
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 10, "its end")
    site.serve()
    assert site.finish(key, 30)["state_name"] == "Crashed"
    assert site.at_work() == []
    finish_everything(site)


def test_a_push_goes_on_to_its_end_while_prefects_server_is_killed_and_started_again(site: Site) -> None:
    serve = site.serve()
    key, _ = begin_push(site)
    os.kill(server_of(serve), signal.SIGKILL)
    until(lambda: not site.at_work(), 400, "the push ends")
    assert "queued" not in site.states()
    run = site.finish(key, 180)
    assert run["state_type"] == "COMPLETED", run["state"]
    until(lambda: site.finish(site.trigger(f"sync-{PLATFORM}"))["state_type"] == "COMPLETED", 400, "serving again")
    finish_everything(site)


def test_a_push_goes_on_while_prefects_database_is_full(site: Site) -> None:
    serve = site.serve()
    _, _ = begin_push(site)
    server = server_of(serve)
    before = resource.prlimit(server, resource.RLIMIT_FSIZE)
    resource.prlimit(server, resource.RLIMIT_FSIZE, (4096, before[1]))
    assert refusal(lambda: site.trigger(f"acks-{PLATFORM}")) >= 500, "Prefect can write nothing down"
    until(lambda: not site.at_work(), 400, "the push ends")
    assert "queued" not in site.states()
    resource.prlimit(server, resource.RLIMIT_FSIZE, before)
    until(lambda: site.finish(site.trigger(f"sync-{PLATFORM}"))["state_type"] == "COMPLETED", 400, "serving again")
    finish_everything(site)


def test_runs_missed_while_nobody_served_are_caught_up_by_one(site: Site) -> None:
    server = site.start("serve", "--server-only", "--port", str(site.port), "--json", log="server.log")
    until(lambda: site.api("/health"), 180, "server")
    own = {"GATEWAY_SERVE__SYNC": "10s", "PREFECT_API_URL": site.api_url}
    serve = site.serve(**own)
    until(lambda: site.states().get("awaiting_ack", 0) > 10, 240, "a scheduled sync is under way")
    [holder] = {one.run: one for one in site.at_work()}.values()
    end(serve)
    assert serve.returncode == 0
    assert site.flow_run(holder.run)["state_name"] == "Crashed", "what a stop ended is told before it is over"
    assert is_dead(holder.owner)

    def late() -> list[str]:
        return [one["id"] for one in site.runs_of("sync") if one["state_name"] == "Late"]

    missed = until(lambda: found if len(found := late()) >= 5 else [], 300, "late runs")
    site.serve(**own | {"GATEWAY_SERVE__SYNC": "1h"})
    until(lambda: not late(), 120, "no late runs")
    became = [site.finish(key, 400)["state_type"] for key in missed]
    assert became.count("CANCELLED") >= len(missed) - 2
    assert 1 <= became.count("COMPLETED") <= 2
    assert server.poll() is None
    assert "queued" not in site.states()
    finish_everything(site)


def test_a_database_of_an_older_prefect_is_upgraded_and_keeps_what_people_set(site: Site) -> None:
    own = {"GATEWAY_SERVE__RECONCILE": "30 1 * * *"}
    serve = site.serve(**own)
    pause_schedule(site, f"reconcile-{PLATFORM}")
    end(serve)
    newest = prefect_schema(site)
    environment = {**site.environment, "PREFECT_HOME": str(site.home / "prefect")}
    command = [sys.executable, "-m", "prefect", "server", "database", "downgrade", "-y", "-r", "-2"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    assert prefect_schema(site) != newest
    site.serve(**own)
    assert prefect_schema(site) == newest
    assert not schedule_is_active(site, f"reconcile-{PLATFORM}")
    assert site.finish(site.trigger(f"push-{PLATFORM}"))["state_type"] == "COMPLETED"


def test_the_commands_work_and_wait_for_nothing_where_no_prefect_is(site: Site) -> None:
    nowhere = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    site.run("push", "--limit", "10", **nowhere)
    assert site.states()["awaiting_ack"] == 10
