"""Prefect's secret and who is told it; addresses that would open Prefect to other machines."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import prefect_access
from gateway.cli.prefect_access import API_URL, CLIENT_SECRET, SERVER_SECRET
from gateway.domain.errors import ConfigurationError, GatewayError


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (API_URL, CLIENT_SECRET, SERVER_SECRET, "TMPDIR", "PREFECT_HOME", *prefect_access._DEFAULTS):
        monkeypatch.setenv(name, "")  # so that whatever is set meanwhile is undone
        monkeypatch.delenv(name)
    yield
    tempfile.tempdir = None


class _Foreign(BaseHTTPRequestHandler):
    """A server of somebody else; it writes down what it is told."""

    told: list[str | None]
    status = 200

    def do_GET(self) -> None:
        self.told.append(self.headers.get("Authorization"))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def foreign() -> Iterator[tuple[str, type[_Foreign]]]:
    handler = type("Handler", (_Foreign,), {"told": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_secret_is_made_once_long_and_for_its_owner_alone(tmp_path: Path) -> None:
    secret = prefect_access.secret_of(tmp_path)
    user, _, password = secret.partition(":")
    assert (user, len(password)) == ("gateway", 43)
    assert prefect_access.secret_of(tmp_path) == secret
    assert stat.S_IMODE((tmp_path / prefect_access.SECRET_FILE).stat().st_mode) == 0o600


def test_a_secret_of_the_environment_is_used_and_none_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVER_SECRET, "a:b")
    assert prefect_access.secret_of(tmp_path) == "a:b"
    assert not (tmp_path / prefect_access.SECRET_FILE).exists()


@pytest.mark.parametrize(("mode", "text", "says"), [(0o640, "a:b", "read by other users"), (0o600, "\n", "is empty")])
def test_a_secret_others_can_read_or_that_is_none_is_refused(tmp_path: Path, mode: int, text: str, says: str) -> None:
    path = tmp_path / prefect_access.SECRET_FILE
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=says):
        prefect_access.secret_of(tmp_path)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "gateway.example"])
def test_an_open_host_needs_a_secret_that_somebody_chose(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=SERVER_SECRET):
        prefect_access.refuse_open_host(host)
    monkeypatch.setenv(SERVER_SECRET, "a:b")
    prefect_access.refuse_open_host(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_none(host: str) -> None:
    prefect_access.refuse_open_host(host)


@pytest.mark.parametrize("arguments", [["--server-only"], []])
def test_the_command_refuses_an_open_host_in_one_line(tmp_path: Path, arguments: list[str]) -> None:
    clean = {n: v for n, v in os.environ.items() if not n.startswith(("PREFECT_", "GATEWAY_"))}
    command = [sys.executable, "-m", "gateway"]
    own = {**clean, "GATEWAY_HOME": str(tmp_path)}
    subprocess.run([*command, "init"], env=own, check=True, capture_output=True)
    done = subprocess.run(
        [*command, "serve", *arguments, "--host", "0.0.0.0"], env=own, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--host 0.0.0.0 lets other machines reach Prefect" in done.stderr


def test_a_server_that_is_not_ours_is_not_told_the_homes_secret(
    tmp_path: Path, foreign: tuple[str, type[_Foreign]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, handler = foreign
    prefect_access.secret_of(tmp_path)
    (tmp_path / prefect_access.LOCK_FILE).write_text(url)  # of a keeper that is gone
    monkeypatch.setenv(API_URL, url)
    assert prefect_access.connect(tmp_path) == url
    assert handler.told == [None]
    assert CLIENT_SECRET not in os.environ


def test_the_server_that_this_home_keeps_is_found_and_told(tmp_path: Path, foreign: tuple[str, type[_Foreign]]) -> None:
    url, handler = foreign
    with prefect_access.kept(tmp_path, url):
        assert prefect_access.connect(tmp_path) == os.environ[API_URL] == url
        assert os.environ[CLIENT_SECRET] == prefect_access.secret_of(tmp_path)
    assert handler.told == [prefect_access.authorization()["Authorization"]]
    assert prefect_access.kept_url(tmp_path) is None


def test_one_home_keeps_one_server(tmp_path: Path) -> None:
    with (
        prefect_access.kept(tmp_path, "http://127.0.0.1:1/api"),
        pytest.raises(ConfigurationError, match=r"already, at http://127.0.0.1:1/api"),
        prefect_access.kept(tmp_path, "http://127.0.0.1:2/api"),
    ):
        pass


def test_a_server_that_does_not_take_the_secret_is_named(
    tmp_path: Path, foreign: tuple[str, type[_Foreign]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, handler = foreign
    handler.status = 401
    monkeypatch.setenv(API_URL, url)
    for wait in (False, True):
        with pytest.raises(ConfigurationError, match=f"does not take the secret: set {CLIENT_SECRET}"):
            prefect_access.connect(tmp_path, wait=wait)


def test_no_server_is_one_line_unless_it_may_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=f"{API_URL} is not set"):
        prefect_access.connect(tmp_path)
    monkeypatch.setenv(API_URL, "http://127.0.0.1:9/api")
    with pytest.raises(GatewayError, match=r"no Prefect server answers at http://127.0.0.1:9/api: .*refused"):
        prefect_access.connect(tmp_path)
    assert prefect_access.connect(tmp_path, wait=True) == "http://127.0.0.1:9/api"


def test_temporary_folders_are_the_users_own(tmp_path: Path) -> None:
    prefect_access.prepare(tmp_path)
    folder = Path(tempfile.gettempdir())
    assert folder == tmp_path / "tmp"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
