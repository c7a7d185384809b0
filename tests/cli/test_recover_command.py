"""An older store put back as an administrator would: nothing leaves until every platform was asked what it holds."""

from __future__ import annotations

import json
import shutil
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
from gateway.testing.serving import running
from tests.support.shipped import shipped

Run = Callable[..., Result]
_SETTLING = ("NATIONAL_MARKET", "PROVINCIAL_CREDIT", "WORKER_PLATFORM")


@pytest.fixture
def urls(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The three platforms without faults, and the environment that points at them."""
    with ExitStack() as stack:
        made = {}
        for name in shipped():
            one = registry.build_sandbox(name, seed=5)
            made[name] = stack.enter_context(running(one))
            for key, value in one.access(made[name]).environment.items():
                monkeypatch.setenv(key, value)
        for name in _SETTLING:
            monkeypatch.setenv(f"GATEWAY_{name}__SETTLING_SECONDS", "[0.1, 0.1]")
        yield made


def effects(url: str) -> Any:
    with urllib.request.urlopen(f"{url}/__sandbox/effects") as answer:
        return json.load(answer)


def document(result: Result) -> Any:
    return json.loads(result.stdout)


def states(run: Run) -> dict[str, dict[str, int]]:
    return {name: one["states"] for name, one in document(run("status", "--json"))["platforms"].items()}


def bring(run: Run) -> None:
    """Push, poll and ask until everything is at rest."""
    for _ in range(40):
        for verb in ("push", "acks", "resolve"):
            CliRunner().invoke(app, [verb])
        if all(set(one) == {"accepted"} for one in states(run).values()):
            return
    raise AssertionError(states(run))


def files(home: Path) -> list[Path]:
    return [home / f"gateway.db{end}" for end in ("", "-wal", "-shm")]


def put_back(home: Path, kept: Path) -> None:
    for path in files(home):
        path.unlink(missing_ok=True)
        if (kept / path.name).exists():
            shutil.copy2(kept / path.name, path)


@pytest.fixture
def sent(run: Run, tmp_path: Path, urls: dict[str, str]) -> Path:
    """A home whose store was copied when little had been sent, and that has sent everything since; gives the copy."""
    write_sample(tmp_path / "batch.xlsx", rows=12, seed=11)
    run("intake", str(tmp_path / "batch.xlsx"), code=1)
    run("push", "--limit", "4")
    kept = tmp_path / "kept"
    kept.mkdir()
    for path in files(tmp_path / "home"):
        if path.exists():
            shutil.copy2(path, kept / path.name)
    bring(run)
    return kept


def test_a_copied_file_is_recognised_held_recovered_and_sends_nothing_again(
    run: Run, sent: Path, tmp_path: Path, urls: dict[str, str]
) -> None:
    assert document(run("status", "--json"))["restored"] is None
    put_back(tmp_path / "home", sent)
    before = {name: effects(url) for name, url in urls.items()}
    assert "Next: gateway recover" in run("status").stdout

    stopped = document(run("push", "--json", code=1))["platforms"]
    assert {one["sent"] for one in stopped.values()} == {0}
    assert all("restored" in one["stopped"] for one in stopped.values())
    for verb in ("resolve", "reconcile"):
        assert "restored" in run(verb, "--json", code=1).stdout
    assert run("check", code=1).stdout.startswith("! restored: ")
    assert run("status").stdout.startswith("! restored: ")
    assert run("report", "--out", str(tmp_path / "r.html")).stdout.startswith("restored: ")
    assert "restored" in (tmp_path / "r.html").read_text()
    for name in urls:
        run("resume", name, code=1)
        run("resume", name, "--anyway", code=2)

    recovered = document(run("recover", "--json"))["platforms"]
    assert {one["done"] for one in recovered.values()} == {True}
    assert {one["to_send"] + one["parked"] + one["tickets"] for one in recovered.values()} == {0}
    assert all(one["adopted"] for one in recovered.values())
    for name in urls:
        run("resume", name)
    assert document(run("status", "--json"))["restored"] is None
    pushed = document(run("push", "--json"))["platforms"]
    assert {one["sent"] for one in pushed.values()} == {0}
    for name, url in urls.items():
        now = effects(url)
        assert now["holdings"] == before[name]["holdings"], name
        assert now["counts"]["duplicates"] == before[name]["counts"]["duplicates"] == 0
    assert {tuple(one) for one in states(run).values()} == {("accepted",)}
    classes = document(run("reconcile", "--json"))["platforms"]
    assert {tuple(one["classes"]) for one in classes.values()} == {("match",)}


def test_the_number_alone_and_the_anchors_alone_recognise_it(run: Run, sent: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    put_back(home, sent)
    memory, anchors = (home / "incarnation.json").read_bytes(), (home / "anchors.jsonl").read_bytes()
    (home / "incarnation.json").unlink()
    assert "among the anchors" in document(run("status", "--json"))["restored"]
    (home / "incarnation.json").write_bytes(memory)
    (home / "anchors.jsonl").write_bytes(anchors[:1000].rpartition(b"\n")[0] + b"\n")
    assert "has number" in document(run("status", "--json"))["restored"]


def test_a_store_whose_anchors_are_gone_sends_nothing_until_a_person_says_so(
    run: Run, sent: Path, tmp_path: Path, urls: dict[str, str]
) -> None:
    (tmp_path / "home" / "anchors.jsonl").unlink()
    assert "anchors is gone" in run("push", "--json", code=1).stdout
    for name in urls:
        run("resume", name, "--anyway", "--reason", "the file was lost with its disk")
    run("push")
    run("push")
    assert document(run("status", "--json"))["restored"] is None


def test_a_backup_that_is_read_holds_every_platform(run: Run, sent: Path, tmp_path: Path, urls: dict[str, str]) -> None:
    run("backup", str(tmp_path / "now.backup"))
    for path in files(tmp_path / "home"):
        path.unlink(missing_ok=True)
    run("init")
    run("restore", str(tmp_path / "now.backup"))
    assert "read from a backup" in run("push", "--json", code=1).stdout
    recovered = document(run("recover", "--json"))["platforms"]
    assert {(one["asked"] > 0 or one["compared"] > 0, one["tickets"]) for one in recovered.values()} == {(True, 0)}
    for name in urls:
        run("resume", name)
    run("push")
