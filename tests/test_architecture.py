"""The rules of the house that a machine can hold."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from gateway import registry

ROOT = Path(__file__).parents[1]
SOURCES = sorted(p for package in ("gateway", "connectors") for p in (ROOT / package).rglob("*.py"))
HEAVY = ("prefect", "zeep", "sqlalchemy", "alembic", "httpx", "aiohttp", "lxml", "fastapi", "starlette")


def test_imports_run_one_way(capsys: pytest.CaptureFixture[str]) -> None:
    result = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert result == 0, capsys.readouterr().out


@pytest.mark.parametrize("group", ["gateway.connectors", "gateway.descriptions", "gateway.sandboxes"])
def test_every_connector_folder_is_an_entry_point_and_the_other_way_round(group: str) -> None:
    folders = {p.parent.name for p in (ROOT / "connectors").glob("*/__init__.py")}
    ours = distribution("integration-gateway").entry_points
    points = {point.name: point for point in ours if point.group == group}
    assert set(points) == folders
    assert all(point.module.split(".")[:2] == ["connectors", name] for name, point in points.items())
    assert all(callable(point.load()) for point in points.values())


def test_every_connector_has_the_same_parts() -> None:
    for folder in (p.parent for p in (ROOT / "connectors").glob("*/__init__.py")):
        for part in ("README.md", "settings.py", "schema.py", "mapping.py", "adapter.py"):
            assert (folder / part).exists(), f"{folder.name}/{part}"
        assert (folder / "sandbox.py").exists() or (folder / "sandbox" / "__init__.py").exists()


def test_no_class_name_stands_twice_in_the_gateway() -> None:
    named: dict[str, list[str]] = defaultdict(list)
    for path in (p for p in SOURCES if p.is_relative_to(ROOT / "gateway")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                named[node.name].append(str(path.relative_to(ROOT)))
    assert {name: places for name, places in named.items() if len(places) > 1} == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(p.relative_to(ROOT))
        for p in SOURCES
        if p.read_text(encoding="utf-8").strip() and ast.get_docstring(ast.parse(p.read_text(encoding="utf-8"))) is None
    ]
    assert silent == []


def test_nothing_is_printed_past_the_output_module() -> None:
    printing = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []


def test_no_error_is_caught_and_dropped() -> None:
    dropped = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or all(isinstance(s, ast.Pass) for s in node.body))
    ]
    assert dropped == []


@pytest.mark.parametrize(
    "module", ["gateway.cli.app", "gateway.settings", "gateway.contract.connector", "gateway.logs"]
)
def test_what_must_start_quickly_imports_no_heavy_library(module: str) -> None:
    told = _python(f"import sys, {module}; print(*(m for m in {HEAVY!r} if m in sys.modules))")
    assert told.split() == []


_RUN = """
import os, sys
from gateway.cli import main
from gateway.cli.output import FAILURES
for line in {lines!r}:
    sys.argv = ["gateway", *line.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code or end.code == FAILURES, (line, end.code)
print("loaded", *sys.modules)
"""
"""commands in one process, and then what was loaded"""


def test_help_is_shown_without_any_heavy_library() -> None:
    lines = _python(_RUN.format(lines=["--help"])).splitlines()
    loaded = set(lines[-1].split()[1:])
    assert loaded & {*HEAVY, "pydantic", "asyncio", "ssl", "rich", "gateway.domain.records"} == set()
    assert any("intake" in line for line in lines)


def test_a_command_loads_no_other() -> None:
    loaded = _python(_RUN.format(lines=["retention --help"])).split()
    assert "gateway.cli.retention" in loaded
    assert {"gateway.cli.demo", "gateway.cli.serve", "gateway.cli.credit"}.isdisjoint(loaded)


def test_a_command_about_the_store_loads_no_connector_beyond_its_data(tmp_path: Path) -> None:
    settings = {"GATEWAY_HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    for name in registry.names():
        settings |= registry.build_sandbox(name).access("http://127.0.0.1:9").environment
    _python(_RUN.format(lines=["init"]), settings)
    about = ["status", "failures", "differences", "batches list", "tickets list", "replay list", "metrics"]
    loaded = set(_python(_RUN.format(lines=about), settings).splitlines()[-1].split()[1:])
    described = set(_python(_DESCRIBED).split())
    heavy = {*HEAVY, "jsonschema", "gateway.transport.sender", "gateway.delivery.push"} - {"sqlalchemy"}
    assert loaded & heavy == set()
    files = {name for name in loaded if name.startswith("connectors.") and not name.endswith((".dialects", ".codes"))}
    assert files <= described
    assert not {name for name in described if name.endswith((".adapter", ".results", ".sandbox"))}


_DESCRIBED = """
import sys
from gateway import registry
for point in registry.installed(registry.DESCRIPTIONS):
    point.load()
print(*(name for name in sys.modules if name.startswith("connectors.")))
"""


def _python(script: str, environment: Mapping[str, str] | None = None) -> str:
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    return run.stdout
