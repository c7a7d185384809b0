"""A day's store, made once and copied for every fault, and the commands as an operator types them, in Chinese."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from gateway import registry
from gateway.bootstrap import open_gateway
from gateway.cli.app import app
from gateway.store.tables import record
from gateway.testing.batch import write_sample
from gateway.testing.sandbox import Sandbox
from gateway.testing.serving import running

ROWS = 12


_SECONDS = 1.0
"""of its own thread's time that a command may take which asks nobody"""
_ASKING = frozenset({"push", "acks", "feedback", "intake", "check"})


def squeezed(text: str) -> str:
    """A text without what folding puts into it."""
    return "".join(text.split())


def assert_named(heard: str, *words: str) -> None:
    """Each of the words is there, wherever lines were broken."""
    for word in words:
        assert squeezed(word) in heard, f"{word!r} is missing in {heard}"


@dataclass
class Site:
    """One gateway at work: a home of its own, and the simulated platforms it is pointed at."""

    folder: Path
    patch: pytest.MonkeyPatch

    @property
    def home(self) -> Path:
        """The gateway's folder."""
        return self.folder / "home"

    def point(self, sandbox: Sandbox, url: str, **settings: str) -> None:
        """Settings that lead to a running platform, and others over them."""
        prefix = f"GATEWAY_{sandbox.platform.upper()}__"
        own = {f"{prefix}{name}": value for name, value in settings.items()}
        for name, value in {**sandbox.access(url).environment, **own}.items():
            self.patch.setenv(name, value)

    def set(self, platform: str, **settings: str) -> None:
        """Set settings of a platform."""
        for name, value in settings.items():
            self.patch.setenv(f"GATEWAY_{platform.upper()}__{name}", value)

    @contextmanager
    def platform(self, name: str | Sandbox, **settings: str) -> Iterator[Sandbox]:
        """Run a simulated platform, by name or as it was made, and point the gateway at it."""
        sandbox: Sandbox = registry.build_sandbox(name) if isinstance(name, str) else name
        with running(sandbox) as url:
            self.point(sandbox, url, **settings)
            yield sandbox

    def run(self, *arguments: str) -> Result:
        """Run a command; it must not end in a traceback, and be quick where it asks no platform."""
        began = time.thread_time()
        result = CliRunner().invoke(app, arguments)
        spent = time.thread_time() - began
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert arguments[0] in _ASKING or spent < _SECONDS, f"{arguments} took {spent:.2f} s"
        return result

    def hears(self, *commands: str) -> str:
        """What an operator reads of at most two commands, as one text without line breaks."""
        assert len(commands) <= 2
        results = [self.run(*command.split()) for command in commands]
        return squeezed("".join(one.stdout + one.stderr for one in results))

    def change(self, *statements: Any) -> None:
        """Change the store behind the gateway's back."""
        with open_gateway() as gateway, gateway.store.write() as connection:
            for statement in statements:
                connection.execute(statement)

    def ask(self, statement: Any) -> list[Any]:
        """Read the store."""
        with open_gateway() as gateway, gateway.store.read() as connection:
            return list(connection.execute(statement).all())

    @property
    def paper(self) -> str:
        """The key of a certificate that was read."""
        [(key,)] = self.ask(select(record.c.key).where(record.c.kind == "certificate").order_by(record.c.id).limit(1))
        return str(key)


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
