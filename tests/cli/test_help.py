"""``gateway --help`` and ``--version``: every command stands in one group, and the version is the distribution's."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import typer
from typer.testing import Result

from gateway.cli.app import GROUPS, app

Run = Callable[..., Result]


def test_every_command_stands_in_one_group() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group, since there are several
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(commands)


def test_help_shows_the_groups_in_eighty_columns(bare: Run) -> None:
    told = bare("--help").stdout.splitlines()
    for title in GROUPS:
        assert f"{title}:" in told
    assert "  differences" in "\n".join(told)


def test_the_version_is_the_distributions(bare: Run) -> None:
    assert bare("--version").stdout == f"gateway {version('integration-gateway')}\n"
