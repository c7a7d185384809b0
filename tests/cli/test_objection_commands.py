"""``gateway credit object``, ``objections`` and ``withdraw`` as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from connectors.provincial_credit.sandbox import ProvincialCreditSandbox
from gateway.bootstrap import open_gateway
from gateway.cli.app import app
from gateway.credit.rules.objections import ObjectionPhase
from gateway.credit.store import objections
from gateway.settings import GatewaySettings
from gateway.store.scope import Scope
from gateway.testing.scans import pdf
from tests.support.creditfeed import Feed
from tests.support.findings import finding

Run = Callable[..., Result]
OBJECTION = """
record = "CR370000-2019-000001"
objector = "张伟"
contact = "13800000000"
ground = "{ground}"
scans = [{scans}]
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in a home of its own, with the provincial platform configured; fails on a traceback."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GATEWAY_LANGUAGE", "en")
    monkeypatch.setenv("COLUMNS", "200")
    sandbox = ProvincialCreditSandbox()
    for name, value in sandbox.access("http://127.0.0.1:9").environment.items():
        monkeypatch.setenv(name, value)
    sandbox.books.close()

    def invoke(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output + result.stderr
        assert "13800000000" not in result.output
        assert "张伟" not in result.output
        return result

    invoke("init")
    with open_gateway(GatewaySettings(home=tmp_path / "home")) as gateway:
        feed = Feed(gateway.store)
        feed.apply(finding(feed.person()[1]))
    return invoke


def _write(ground: str = "合同真实有效", scans: str = "") -> None:
    Path("objection.toml").write_text(OBJECTION.format(ground=ground, scans=scans), encoding="utf-8")


def _document(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_an_objection_is_checked_kept_listed_and_withdrawn(run: Run) -> None:
    scan = pdf("synthetic")
    Path("a.pdf").write_bytes(scan)
    _write(scans='"a.pdf"')
    tried = run("credit", "object", "objection.toml", "--dry-run").stdout
    assert "can be sent" in tried
    assert f"application/pdf {len(scan)}" in tried
    assert "no open objection" in run("credit", "objections").stdout
    kept = _document(run("credit", "object", "objection.toml", "--json"))
    assert (kept["new"], kept["state"], kept["dry_run"]) == (True, "WAITING", False)
    assert "entered before, WAITING" in run("credit", "object", "objection.toml").stdout
    listed = _document(run("credit", "objections", "--json"))
    assert (listed["total"], listed["objections"][0]["key"], listed["objections"][0]["scans"]) == (1, kept["key"], 1)
    assert kept["key"] in run("credit", "objections").stdout
    run("credit", "withdraw", kept["key"], "--reason", "settled")
    run("credit", "withdraw", kept["key"], "--reason", "settled", code=2)
    assert "no open objection" in run("credit", "objections").stdout
    assert _document(run("credit", "objections", "--all", "--json"))["objections"][0]["state"] == "WITHDRAWN"
    assert "waits" in run("credit", "object", "objection.toml", "--anew").stdout


def test_problems_are_named_by_field_in_the_readers_language(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(ground="", scans='"none.pdf"')
    assert run("credit", "object", "objection.toml", code=1).stdout.splitlines() == [
        "ground: is missing (required)",
        "scans[1]: cannot be read (file)",
    ]
    monkeypatch.setenv("GATEWAY_LANGUAGE", "zh")
    assert "scans[1]: 无法读取 (file)" in run("credit", "object", "objection.toml", code=1).stdout
    problems = _document(run("credit", "object", "objection.toml", "--json", code=1))["problems"]
    assert [one["rule"] for one in problems] == ["required", "file"]


def test_what_the_platform_did_not_take_ends_the_list_with_one(run: Run, tmp_path: Path) -> None:
    _write()
    run("credit", "object", "objection.toml")
    with open_gateway(GatewaySettings(home=tmp_path / "home")) as gateway, gateway.store.write() as connection:
        [(row, _)] = objections.listed(connection, everything=False, limit=1)[1]
        refused = ObjectionPhase.REFUSED
        scope = Scope(connection=connection, vault=gateway.store.vault, platform=row.platform, at=gateway.edge.now())
        objections.mark_not_taken(scope, row, refused, code="NOT_FOUND", reason="no such record")
    assert "NOT_FOUND: no such record" in run("credit", "objections", code=1).stdout


def test_the_platform_must_be_one_that_takes_objections(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("objection.toml").write_text('platform = "worker_platform"', encoding="utf-8")
    assert "provincial_credit" in run("credit", "object", "objection.toml", code=2).stderr
    monkeypatch.delenv("GATEWAY_PROVINCIAL_CREDIT__ENDPOINT")
    _write()
    assert "none is configured" in run("credit", "object", "objection.toml", code=2).stderr
