"""``gateway selftest`` on the operator's own kind of store: counts, exit code, and nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import inspect
from typer.testing import CliRunner

from gateway.cli.app import app
from gateway.delivery.system import CrashPoint
from gateway.store.engine import open_engine
from gateway.testing.safeties import SAFETIES


def run(*options: str) -> tuple[int, dict[str, object]]:
    done = CliRunner().invoke(app, ["selftest", "--json", *options])
    return done.exit_code, json.loads(done.stdout) if done.stdout else {}


def test_it_kills_workers_and_finds_nothing_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, document = run("--kills", "5", "--url", f"sqlite:///{tmp_path}/own.db")
    assert (code, document["problems"], document["kills"]) == (0, [], 5)
    assert set(document["points"]) == set(CrashPoint)  # type: ignore[call-overload]
    assert list(tmp_path.iterdir()) == [], "neither the operator's store nor the test's own is there"


@pytest.mark.parametrize("name", sorted(SAFETIES))
def test_a_safety_that_is_switched_off_shows_as_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, document = run("--kills", "4", "--url", f"sqlite:///{tmp_path}/own.db", "--without", name)
    assert (code, document["without"]) == (1, name)
    noticed = [one for one in document["problems"] if one.startswith(SAFETIES[name].noticed_as)]  # type: ignore[attr-defined]
    assert noticed, document["problems"]


def test_the_safeties_have_names_and_an_unknown_one_is_misuse() -> None:
    code, document = run("--without", "list")
    assert (code, document.keys()) == (0, SAFETIES.keys())
    assert CliRunner().invoke(app, ["selftest", "--without", "nothing"]).exit_code == 2


def test_on_postgresql_it_works_in_a_schema_of_its_own(postgres_url: str) -> None:
    code, document = run("--kills", "3", "--url", postgres_url)
    assert (code, document["problems"], document["store"]) == (0, [], "postgresql")
    engine = open_engine(postgres_url)
    try:
        assert not [name for name in inspect(engine).get_schema_names() if "selftest" in name]
    finally:
        engine.dispose()


def test_a_store_that_cannot_be_reached_is_misuse(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for url in (f"sqlite:///{tmp_path}/file/gateway.db", "postgresql://127.0.0.1:9/nowhere", "nonsense"):
        assert run("--url", url)[0] == 2
