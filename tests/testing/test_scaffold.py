"""A generated connector is green at once, and the gateway finds it when it is installed beside its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.app import app
from gateway.domain.errors import ConfigurationError
from gateway.testing.scaffold import rendered, write

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
NAME = "qingdao_city"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution as the command writes it."""
    folder = tmp_path_factory.mktemp("scaffold") / "connector"
    result = CliRunner().invoke(app, ["new-connector", NAME, "--into", str(folder), "--json"])
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["platform"], told["folder"]) == (NAME, str(folder))
    assert all(Path(path).is_file() for path in told["files"])
    return folder


@pytest.fixture
def run(made: Path) -> Run:
    def run_there(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=made,
            env={**clean, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run_there


def good(result: subprocess.CompletedProcess[str]) -> None:
    assert result.returncode == 0, result.stdout + result.stderr


def test_it_is_formatted_and_has_no_lint(run: Run) -> None:
    good(run("-m", "ruff", "format", "--check", "."))
    good(run("-m", "ruff", "check", "."))


def test_its_types_are_strict(run: Run) -> None:
    """Against the sources of the gateway, as an installed one gives its types by ``py.typed``."""
    good(run("-m", "mypy", MYPYPATH=str(ROOT)))


def test_its_import_contract_is_kept(run: Run) -> None:
    call = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    good(run("-c", call, PYTHONPATH="."))


def test_its_suites_are_green(run: Run) -> None:
    """Conformance whole; of the road what needs no kills, which the model's own road has in the same code."""
    good(run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not killed and not fault"))


@pytest.fixture
def site(made: Path) -> str:
    """As if it were installed: the folder with the metadata that an installation leaves."""
    info = made / f"{NAME}_connector-0.1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}-connector\nVersion: 0.1.0\n")
    groups = {"connectors": "adapter", "sandboxes": "sandbox"}
    points = "\n".join(f"[gateway.{group}]\n{NAME} = {NAME}.{module}:build\n" for group, module in groups.items())
    (info / "entry_points.txt").write_text(points)
    return os.pathsep.join((str(made), str(ROOT)))


def test_the_gateway_finds_it_beside_its_own(run: Run, site: str, tmp_path: Path) -> None:
    home = {"PYTHONPATH": site, "GATEWAY_HOME": str(tmp_path / "home")}
    good(run("-m", "gateway", "init", **home))
    told = run("-m", "gateway", "check", "--json", **home)
    assert NAME in json.loads(told.stdout)["not_configured"]
    again = run("-m", "gateway", "new-connector", NAME, "--into", str(tmp_path / "x"), **home)
    assert again.returncode == 2
    assert "installed already" in again.stderr


def test_tests_of_ours_do_not_mind_it(run: Run, site: str) -> None:
    """They are about the platforms of this tree."""
    ours = [
        str(ROOT / "tests" / name) for name in ("test_registry.py", "test_contract_shape.py", "test_architecture.py")
    ]
    good(run("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"--rootdir={ROOT}", *ours, PYTHONPATH=site))


def test_the_example_is_what_the_scaffold_writes() -> None:
    there = ROOT / "examples" / "example_platform"
    wanted = rendered("example_platform")
    assert {path: (there / path).read_text(encoding="utf-8") for path in wanted} == wanted


@pytest.mark.parametrize(
    "name", ["", "Qingdao", "2city", "a-b", "a__b", "_a", "a_", "gateway", "../x", "x" * 25, "青岛"]
)
def test_a_name_that_cannot_be_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name"):
        write(name, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(ConfigurationError, match="there already"):
        write("some_city", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
