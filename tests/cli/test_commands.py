"""The commands as an operator types them, against the three simulated platforms over real HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway import registry
from gateway.cli.app import app
from gateway.testing.batch import write_sample
from gateway.testing.sandbox import Sandbox
from gateway.testing.serving import running
from tests.support.shipped import shipped

Run = Callable[..., Result]


@pytest.fixture
def sandboxes(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, tuple[Sandbox, str]]]:
    """The platforms of this tree without faults, and the environment that points at them."""
    with ExitStack() as stack:
        made = {}
        for name in shipped():
            one = registry.build_sandbox(name, seed=5)
            url = stack.enter_context(running(one))
            for key, value in one.access(url).environment.items():
                monkeypatch.setenv(key, value)
            made[name] = (one, url)
        yield made


@pytest.fixture
def run(bare: Run) -> Run:
    """Run a command in a home that holds nothing yet."""
    return bare


def document(result: Result) -> Any:
    return json.loads(result.stdout)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return write_sample(tmp_path / "batch.xlsx", rows=80, seed=11)


def test_the_whole_road_by_hand(run: Run, sample: Path, sandboxes: dict[str, tuple[Sandbox, str]]) -> None:
    assert {*sandboxes} <= {*document(run("init", "--json"))["platforms"]}
    [batch] = document(run("intake", str(sample), "--json", code=1))["batches"]
    assert batch["rows"] == batch["admitted"] + batch["refused"] + batch["held"] == 80
    for _ in range(40):
        CliRunner().invoke(app, ["push"])
        CliRunner().invoke(app, ["acks"])
        CliRunner().invoke(app, ["resolve"])
        platforms = {n: p for n, p in document(run("status", "--json"))["platforms"].items() if n in sandboxes}
        if all(set(one["states"]) == {"accepted"} for one in platforms.values()):
            break
    assert {name: set(one["states"]) for name, one in platforms.items()} == {name: {"accepted"} for name in sandboxes}
    for name, (_, url) in sandboxes.items():
        with urllib.request.urlopen(f"{url}/__sandbox/effects") as answer:
            effects = json.load(answer)
        assert effects["counts"]["certificates"] == batch["admitted"], name
        assert {held["writes"] for held in effects["holdings"].values()} == {1}, name

    pulled = document(run("feedback", "--json"))["platforms"]["provincial_credit"]
    assert pulled["pulled"] > 0
    reconciled = document(run("reconcile", "--json"))["platforms"]
    assert {name: set(one["classes"]) for name, one in reconciled.items()} == {name: {"match"} for name in sandboxes}
    assert document(run("failures", "--json")) == {"total": 0, "shown": 0, "groups": [], "failures": []}
    shown = run("show", "1", "--json")
    assert document(shown)["delivery"]["state"] == "accepted"
    assert "370000" + "19" not in shown.stdout, "an identity number is masked"
    page = document(run("report", "--out", "r.html", "--json"))
    assert Path(page["report"]).read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")


def test_reading_the_same_file_twice_changes_nothing(run: Run, sample: Path) -> None:
    run("init")
    first = document(run("intake", str(sample), "--json", code=1))["batches"][0]
    again = document(run("intake", str(sample), "--json", code=1))["batches"][0]
    assert (first["repeated"], again["repeated"]) == (False, True)
    assert again["records"] == again["deliveries"] == {}


def test_refused_rows_are_written_back(run: Run, sample: Path, tmp_path: Path) -> None:
    run("init")
    report = document(run("intake", str(sample), "--returns", "back.xlsx", "--json", code=1))["batches"][0]
    assert report["returned"] == report["refused"] + report["held"] > 0
    assert (tmp_path / "back.xlsx").exists()


def test_a_dry_run_keeps_nothing(run: Run, sample: Path) -> None:
    run("init")
    run("intake", str(sample), "--dry-run", code=1)
    assert document(run("intake", str(sample), "--json", code=1))["batches"][0]["repeated"] is False


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("batch.docx", b"PK", "batch.docx"),
        ("empty.csv", b"", "empty.csv"),
        ("other.csv", "甲,乙\n1,2\n".encode(), "other.csv"),
        ("cut.xlsx", b"PK\x03\x04cut", "cut.xlsx"),
    ],
)
def test_a_file_that_is_no_batch_is_misuse_and_named(
    run: Run, tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    run("init")
    (tmp_path / name).write_bytes(content)
    assert says in run("intake", name, code=2).stderr


def test_commands_before_init_say_what_to_do(run: Run) -> None:
    assert "gateway init" in run("status", code=1).stderr


def test_a_pause_stops_a_platform_until_it_is_resumed(
    run: Run, sample: Path, sandboxes: dict[str, tuple[Sandbox, str]]
) -> None:
    run("init")
    run("intake", str(sample), code=1)
    run("pause", "worker_platform", "--reason", "night work")
    report = document(run("push", "worker_platform", "--json", code=1))["platforms"]["worker_platform"]
    assert (report["sent"], report["stopped"]) == (0, "operator: night work")
    row = document(run("status", "--json"))["platforms"]["worker_platform"]
    assert row["pause"]["reason"] == "night work"
    assert document(run("resume", "worker_platform", "--json"))["was_paused"] is True
    assert (
        document(run("push", "worker_platform", "--limit", "3", "--json"))["platforms"]["worker_platform"]["sent"] == 3
    )


def test_an_unknown_platform_is_misuse(run: Run) -> None:
    run("init")
    assert "known: national_market" in run("pause", "nowhere", "--reason", "x", code=2).stderr
    assert "nowhere" in run("push", "nowhere", code=2).stderr


def test_a_preview_shows_payloads_masked_and_sends_nothing(
    run: Run, sample: Path, sandboxes: dict[str, tuple[Sandbox, str]]
) -> None:
    run("init")
    run("intake", str(sample), code=1)
    shown = document(run("push", "national_market", "--dry-run", "--limit", "4", "--json"))
    assert len(shown["platforms"]["national_market"]) == 4
    assert "***" in shown["platforms"]["national_market"][0]["payload"]
    assert sandboxes["national_market"][0].books.counter("requests") == 0


def test_check_names_a_misspelt_variable(
    run: Run, sandboxes: dict[str, tuple[Sandbox, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("init")
    assert document(run("check", "--json"))["unread_variables"] == []
    monkeypatch.setenv("GATEWAY_LANGAUGE", "zh")
    monkeypatch.setenv("GATEWAY_WORKER_PLATFORM__APPSECERT", "x")
    unread = document(run("check", "--json", code=1))["unread_variables"]
    assert unread == ["GATEWAY_LANGAUGE", "GATEWAY_WORKER_PLATFORM__APPSECERT"]


def test_check_tells_wrong_credentials(
    run: Run, sandboxes: dict[str, tuple[Sandbox, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("init")
    monkeypatch.setenv("GATEWAY_WORKER_PLATFORM__APPSECRET", "0123456789abcdefghijABCDEFGHIJ-+")
    health = document(run("check", "--json", code=1))["platforms"]
    assert not health["worker_platform"]["ok"]
    assert "0123456789abcdef" not in json.dumps(health)


def test_sample_keys_are_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "GATEWAY_KEYS", json.dumps({"active": "k", "keys": {"k": "A" * 43 + "="}, "index": "A" * 43 + "="})
    )
    assert "sample" in run("init", code=2).stderr


def test_the_sandboxes_stand_alone_and_end_with_their_parent(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "sandbox", "--json", "--state", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "GATEWAY_SANDBOX_FOLLOWS_STDIN": "1"},
    )
    assert process.stdout is not None
    assert process.stdin is not None
    access = json.loads(process.stdout.readline())
    assert {"url", "wsdl", "sender_code", "username", "password"} <= set(access["national_market"])
    assert {"url", "appid", "appsecret", "corpkey", "project_code", "team_sys_no"} <= set(access["worker_platform"])
    assert {"url", "openapi", "app_key", "app_secret"} <= set(access["provincial_credit"])
    origin = "/".join(access["worker_platform"]["url"].split("/")[:3])
    with urllib.request.urlopen(f"{origin}/__sandbox/effects") as answer:
        assert json.load(answer)["counts"]["certificates"] == 0
    process.stdin.close()
    assert process.wait(20) == 0
    process.stdout.close()


def test_an_unknown_fault_is_answered_with_the_known_ones(sandboxes: dict[str, tuple[Sandbox, str]]) -> None:
    for _, url in sandboxes.values():
        request = urllib.request.Request(f"{url}/__sandbox/faults", data=b'{"next": ["earthquake"]}', method="POST")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        assert "timeout_after_commit" in caught.value.read().decode()
        caught.value.close()


def test_a_sandbox_with_an_unknown_dialect_is_misuse(run: Run) -> None:
    assert "worker_platform" in run("sandbox", "--platform", "worker_platform", "--dialect", "nope", code=2).stderr


def test_a_platform_with_a_refused_endpoint_is_an_error_and_keeps_no_other_back(
    run: Run, sandboxes: dict[str, tuple[Sandbox, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("init")
    monkeypatch.setenv("GATEWAY_NATIONAL_MARKET__ENDPOINT", "http://192.0.2.1/PersonCertDataService")
    assert "GATEWAY_NATIONAL_MARKET__ENDPOINT" in run("check", code=1).stderr
    assert "GATEWAY_NATIONAL_MARKET__ENDPOINT" in run("check", "national_market", code=2).stderr
