"""``gateway why`` from the shell: an identity number comes by stdin, and a break is an exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.app import app


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))
    assert CliRunner().invoke(app, ["init"]).exit_code == 0


def ask(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, ["why", *arguments], input=stdin)


def test_what_nobody_reported_is_the_first_broken_link() -> None:
    result = ask("370100201900000001")
    assert result.exit_code == 1
    assert "no row that was read names it" in result.stdout


def test_an_identity_number_comes_by_stdin_and_is_not_repeated() -> None:
    result = ask("-", "--json", stdin="37000019800101001x\n")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["broken"][0]["step"] == "filed"
    assert "37000019800101001" not in result.output


def test_nothing_on_stdin_is_misuse() -> None:
    assert ask("-").exit_code == 2
