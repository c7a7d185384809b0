"""The rules of the house that a machine can hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from importlib.metadata import distribution
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
SOURCES = sorted(p for package in ("gateway", "connectors") for p in (ROOT / package).rglob("*.py"))
HEAVY = ("prefect", "zeep", "sqlalchemy", "alembic", "httpx", "aiohttp", "lxml", "fastapi", "starlette")


def test_imports_run_one_way(capsys: pytest.CaptureFixture[str]) -> None:
    result = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert result == 0, capsys.readouterr().out


@pytest.mark.parametrize("group", ["gateway.connectors", "gateway.sandboxes"])
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


def test_help_is_shown_without_any_heavy_library() -> None:
    script = f"""
import sys
sys.argv = ["gateway", "--help"]
try:
    from gateway.cli import main
    main()
except SystemExit as end:
    print("code", end.code, "heavy", *(m for m in {HEAVY!r} if m in sys.modules))
"""
    lines = _python(script).splitlines()
    assert lines[-1] == "code 0 heavy"
    assert any("intake" in line for line in lines)


def _python(script: str) -> str:
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return run.stdout
