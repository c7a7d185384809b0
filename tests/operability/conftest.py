"""A day's store, made once and copied for every fault, and the commands as an operator types them, in Chinese."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway import registry
from gateway.cli.app import app
from gateway.testing.batch import write_sample
from gateway.testing.sandbox import Sandbox
from gateway.testing.serving import running

Run = Callable[..., Result]
ROWS = 12


@dataclass
class Site:
    """One gateway at work: a home of its own, and the simulated platforms it is pointed at."""

    folder: Path
    patch: pytest.MonkeyPatch
    told: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def point(self, sandbox: Sandbox, url: str, **settings: str) -> None:
        """Settings that lead to a running platform, and others over them."""
        prefix = f"GATEWAY_{sandbox.platform.upper()}__"
        own = {f"{prefix}{name}": value for name, value in settings.items()}
        for name, value in {**sandbox.access(url).environment, **own}.items():
            self.patch.setenv(name, value)

    def set(self, platform: str, **settings: str) -> None:
        for name, value in settings.items():
            self.patch.setenv(f"GATEWAY_{platform.upper()}__{name}", value)

    @contextmanager
    def platform(self, name: str, **settings: str) -> Iterator[Sandbox]:
        sandbox = registry.build_sandbox(name)
        with running(sandbox) as url:
            self.point(sandbox, url, **settings)
            yield sandbox

    def run(self, *arguments: str, stdin: str = "") -> Result:
        """Run a command; it must not end in a traceback."""
        result = CliRunner().invoke(app, arguments, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which a small file was read."""
    folder = tmp_path_factory.mktemp("day")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("GATEWAY_HOME", str(folder / "home"))
        site = Site(folder, patch)
        write_sample(folder / "sample.xlsx", ROWS)
        site.run("init")
        site.run("intake", "sample.xlsx")
    return folder


@pytest.fixture
def site(tmp_path: Path, day: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A copy of it, addressed in Chinese at 80 columns."""
    shutil.copytree(day, tmp_path / "site")
    monkeypatch.chdir(tmp_path / "site")
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "site" / "home"))
    monkeypatch.setenv("GATEWAY_LANGUAGE", "zh")
    monkeypatch.setenv("COLUMNS", "80")
    return Site(tmp_path / "site", monkeypatch)
