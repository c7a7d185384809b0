"""From a reported sheet with the optional columns to the platform, as an operator types it."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.worker_platform.sandbox import WorkerPlatformSandbox
from gateway.cli.app import app
from gateway.intake.reading.columns import title
from gateway.testing import people
from gateway.testing.forms import CITIES, filed
from gateway.testing.serving import running

Run = Callable[..., Any]


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerPlatformSandbox]:
    """The national platform, and the environment that points at it."""
    made = WorkerPlatformSandbox(dialect="national", seed=5)
    made.delay_seconds = (0.0, 0.0)
    with running(made) as url:
        for key, value in made.access(url).environment.items():
            monkeypatch.setenv(key, value)
        yield made


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))

    def invoke(*arguments: str, code: int = 0) -> Any:
        result = CliRunner().invoke(app, [*arguments, "--json"])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output + result.stderr
        return json.loads(result.stdout)

    invoke("init")
    return invoke


def sheet(path: Path, sandbox: WorkerPlatformSandbox, *, complete: bool = True) -> Path:
    """One row that names a project and one that names none."""
    rng, used, at = random.Random(3), set[str](), sandbox.access("http://127.0.0.1:1").details
    place = {
        **{"project_code": at["project_code"], "team_corp_code": at["corp_code"], "team_corp_name": at["corp_name"]},
        **{"team_no": at["team_sys_no"], "team_name": at["team_name"], "site_trade": "钢筋工", "politics": "群众"},
        **{"card_issuer": "示例市公安局", "photo": people.PHOTO, "training_hours": "24", "score": "86.5"},
    }
    if not complete:
        place["team_no"] = ""
    rows = [filed(rng, used, city=CITIES[0], employed=True) for _ in range(2)]
    rows[0] |= place
    for row in rows:
        row["batch_no"] = "370100-201903-01"
    headers = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8-sig", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow([title(name) for name in headers])
        writer.writerows([[row.get(name, "") for name in headers] for row in rows])
    return path


def test_a_sheet_with_a_project_reaches_the_national_platform_and_the_rest_is_told(
    run: Run, sandbox: WorkerPlatformSandbox, tmp_path: Path
) -> None:
    taken = run("intake", str(sheet(tmp_path / "batch.csv", sandbox)))
    assert json.dumps(taken).count('"worker_platform": 2') == 1
    for _ in range(200):
        run("push", "worker_platform")
        run("acks", "worker_platform")
        here = run("status")["platforms"]["worker_platform"]
        if here["states"] == {"accepted": 2}:
            break
    assert here["states"] == {"accepted": 2}
    told = {row["kind"]: row for row in run("status")["not_owed"] if row["platform"] == "worker_platform"}
    assert {kind: told[kind]["records"] for kind in ("person", "certificate")} == {"person": 1, "certificate": 1}
    assert "no method that takes a certificate" in told["certificate"]["why"]
    reconciled = run("reconcile", "worker_platform")
    assert '"match": 2' in json.dumps(reconciled)
    assert '"not_owed": 1' in json.dumps(reconciled)
    assert (sandbox.effects()["counts"]["persons"], sandbox.effects()["counts"]["certificates"]) == (1, 1)


def test_a_row_that_names_half_a_project_goes_back_to_the_city(
    run: Run, sandbox: WorkerPlatformSandbox, tmp_path: Path
) -> None:
    path = sheet(tmp_path / "batch.csv", sandbox, complete=False)
    taken = run("intake", str(path), code=1)
    assert '"R-PLACE": 1' in json.dumps(taken)
    assert "370000" not in json.dumps(taken)
