"""One platform whose connector is broken or gone is named; every other platform and command works."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path

import pytest

from gateway import registry
from gateway.bootstrap import open_gateway
from gateway.delivery.store import platforms
from gateway.settings import GatewaySettings, load
from gateway.testing.batch import write_sample
from gateway.testing.serving import running
from tests.cli.conftest import Run

GOOD, BAD = "provincial_credit", "aaa_broken"


@pytest.fixture
def bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Install a further platform whose module has this text."""
    monkeypatch.syspath_prepend(str(tmp_path))
    shipped = entry_points(group=registry.CONNECTORS)

    def install(text: str) -> None:
        (tmp_path / "aaa_broken_module.py").write_text(text)
        importlib.invalidate_caches()
        point = EntryPoint(BAD, "aaa_broken_module:build", registry.CONNECTORS)
        monkeypatch.setattr(registry, "installed", lambda group: EntryPoints([*shipped, point]).select(group=group))

    return install


@pytest.mark.parametrize(
    "text",
    [
        "import no_such_package_at_all",
        "def build(:",
        "build = unknown",
        "def build(loader): return None",
        "def build(loader): 1 / 0",
    ],
)
def test_a_broken_platform_is_named_and_harms_no_other(
    bare: Run, bad: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    sandbox = registry.build_sandbox(GOOD)
    with running(sandbox) as url:
        for name, value in sandbox.access(url).environment.items():
            monkeypatch.setenv(name, value)
        bad(text)
        bare("init")
        write_sample(tmp_path / "sample.xlsx", rows=30)
        bare("intake", str(tmp_path / "sample.xlsx"), code=1)
        for command in ("status", "failures", "show 1"):
            done = bare(*command.split(), "--json")
            assert f"platform {BAD}: aaa_broken_module:build" in done.stderr or command == "show 1"
            json.loads(done.stdout)
        status = json.loads(bare("status", "--json").stdout)
        states = {name: row["connector"] for name, row in status["platforms"].items()}
        assert states[BAD] == "broken"
        assert states[GOOD] == "installed"
        checked = bare("check", "--json", code=1)
        assert list(json.loads(checked.stdout)["broken"]) == [BAD]
        assert [one["ok"] for one in json.loads(checked.stdout)["platforms"].values()] == [True]
        pushed = bare("push", "--json", code=1)
        assert json.loads(pushed.stdout)["platforms"][GOOD]["sent"] > 0
        assert bare("push", BAD, code=2).stderr.startswith(f"gateway: platform {BAD}: ")


def test_a_platform_whose_connector_is_gone_is_shown_as_such(run: Run) -> None:
    with open_gateway(load(GatewaySettings)) as gateway, gateway.store.write() as connection:
        platforms.register(connection, ["departed_system"])
    rows = json.loads(run("status", "--json").stdout)["platforms"]
    assert rows["departed_system"]["connector"] == "gone"
    assert "departed_system: its connector is gone" in run("status").stdout
    run("pause", "departed_system", "--reason", "gone")
    run("resume", "departed_system")
    run("check")
