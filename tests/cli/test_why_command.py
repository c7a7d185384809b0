"""``gateway why`` from the shell: an identity number comes by stdin, and a break is an exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest
from typer.testing import Result

Ask = Callable[..., Result]


@pytest.fixture
def ask(run: Ask) -> Ask:
    """Ask about somebody, in a home where nothing was read yet."""
    return partial(run, "why")


def test_what_nobody_reported_is_the_first_broken_link(ask: Ask) -> None:
    assert "no row that was read names it" in ask("370100201900000001", code=1).stdout


def test_an_identity_number_comes_by_stdin_and_is_not_repeated(ask: Ask) -> None:
    result = ask("-", "--json", stdin="37000019800101001x\n", code=1)
    assert json.loads(result.stdout)["broken"][0]["step"] == "filed"
    assert "37000019800101001" not in result.output


def test_nothing_on_stdin_is_misuse(ask: Ask) -> None:
    ask("-", code=2)
