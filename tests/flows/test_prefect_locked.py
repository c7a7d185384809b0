"""Nobody without the secret gets code run by Prefect: not another user of the machine, not a page of another origin."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.flows.sites import PLATFORM, Site, free_port, server_of

pytestmark = [pytest.mark.slow, pytest.mark.prefect]

STRANGER = 65534
EVIL = "http://evil.example"


@pytest.fixture(scope="module")
def site(make_site: Callable[..., Site]) -> Site:
    made = make_site()
    made.sandbox()
    made.fill()
    made.serve()
    return made


def attempts(site: Site) -> list[tuple[str, str, Any]]:
    """Ways to have code of one's own run: change what a deployment runs, then start it."""
    key = site.deployment(f"push-{PLATFORM}")["id"]
    evidence = site.folder / "evidence"
    shell = {"prefect.deployments.steps.run_shell_script": {"script": f"touch {evidence}"}}
    return [
        ("PATCH", f"/deployments/{key}", {"pull_steps": [shell]}),
        ("PATCH", f"/deployments/{key}", {"entrypoint": f"{site.folder}/evil.py:push"}),
        ("POST", f"/deployments/{key}/create_flow_run", {}),
        ("POST", "/deployments/filter", {}),
        ("POST", "/block_documents/filter", {"include_secrets": True}),
    ]


def status_of(url: str, method: str, body: Any = None, **headers: str) -> int:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def as_stranger(work: Callable[[], Any]) -> Any:
    """Do it in a child that has become another user; gives what it found."""
    if os.getuid() != 0:
        pytest.skip("only root may become another user")
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(STRANGER)
            os.setuid(STRANGER)
            os.write(into, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out) as found:
        text = found.read()
    os.waitpid(child, 0)
    return json.loads(text)


def can_read(path: Path) -> bool:
    try:
        path.read_bytes()
    except PermissionError:
        return False
    return True


def untouched(site: Site, before: dict[str, Any]) -> None:
    after = site.deployment(f"push-{PLATFORM}")
    assert {name: after[name] for name in ("pull_steps", "entrypoint")} == {
        name: before[name] for name in ("pull_steps", "entrypoint")
    }
    assert site.runs_of("push") == []
    assert not (site.folder / "evidence").exists()


def test_another_user_of_the_machine_is_refused_and_nothing_runs(site: Site) -> None:
    before, tries = site.deployment(f"push-{PLATFORM}"), attempts(site)
    places = [site.home / "prefect.secret", Path(f"/proc/{server_of(site.processes[-1])}/environ")]

    def work() -> Any:
        refused = [status_of(site.api_url + path, method, body) for method, path, body in tries]
        return [refused, [can_read(place) for place in places]]

    assert as_stranger(work) == [[401] * len(tries), [False] * len(places)]
    untouched(site, before)


def test_a_wrong_secret_is_refused(site: Site) -> None:
    before = site.deployment(f"push-{PLATFORM}")
    for method, path, body in attempts(site):
        assert status_of(site.api_url + path, method, body, Authorization="Basic Z2F0ZXdheTpndWVzcw==") == 401
    untouched(site, before)


def preflight(site: Site, origin: str) -> tuple[int, str | None]:
    """What a browser is told when a page of this origin wants to change a deployment."""
    request = urllib.request.Request(
        f"{site.api_url}/deployments/{site.deployment('sync-all')['id']}",
        headers={"Origin": origin, "Access-Control-Request-Method": "PATCH"},
        method="OPTIONS",
    )
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers["Access-Control-Allow-Origin"]


def test_a_page_of_another_origin_is_refused_before_it_asks(site: Site) -> None:
    own = site.api_url.removesuffix("/api")
    assert preflight(site, EVIL) == (400, None)
    assert preflight(site, own) == (200, own)


def listen(site: Site, path: str, token: str) -> None:
    """Open a stream of Prefect's and wait for what comes after the greeting."""
    url = site.api_url.replace("http", "ws", 1) + path
    with connect(url, subprotocols=[Subprotocol("prefect")]) as stream:
        stream.send(json.dumps({"type": "auth", "token": token}))
        stream.recv(timeout=10)
        stream.recv(timeout=10)


@pytest.mark.parametrize("path", ["/events/in", "/events/out", "/logs/out"])
def test_events_and_logs_are_neither_sent_nor_heard_without_the_secret(site: Site, path: str) -> None:
    with pytest.raises(ConnectionClosed):
        listen(site, path, "guess")


def test_the_secret_is_the_owners_alone_and_is_written_nowhere_else(site: Site) -> None:
    path = site.home / "prefect.secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = path.read_text().strip().partition(":")[2].encode()
    shown = json.loads((site.folder / "serve.log").read_text())
    assert shown["secret"] == str(path)
    files = [one for one in site.folder.rglob("*") if one.is_file() and one != path]
    assert [one for one in files if secret in one.read_bytes()] == []


def test_commands_of_the_same_home_need_neither_address_nor_secret(site: Site) -> None:
    assert len(site.run("alarms")["alarms"]) == 3
    assert site.run("deploy", "pool")["prefect"] == site.api_url


def refused(site: Site, *arguments: str, **environment: str) -> str:
    """Run a command that is refused as misuse; gives its one line."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=site.folder,
        env={**site.environment, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    return done.stderr


def test_a_command_of_another_home_is_told_what_it_lacks(site: Site, tmp_path: Path) -> None:
    other = {"GATEWAY_HOME": str(tmp_path), "PREFECT_API_URL": site.api_url}
    site.run("init", **other)
    assert "does not take the secret: set PREFECT_API_AUTH_STRING" in refused(site, "deploy", "pool", **other)


def test_a_second_server_in_the_same_home_is_refused(site: Site) -> None:
    said = refused(site, "serve", "--server-only", "--port", str(free_port()))
    assert f"this home keeps a Prefect server already, at {site.api_url}" in said


def test_a_port_that_is_taken_is_named(site: Site, tmp_path: Path) -> None:
    other = {"GATEWAY_HOME": str(tmp_path)}
    said = refused(site, "serve", "--server-only", "--port", str(site.port), **other)
    assert f"port {site.port}: Address already in use; choose another --port" in said
