"""The shell blocks of the operator's and engineer's guides are run in order; every other block says why it is not."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway import registry
from gateway.cli.app import app
from gateway.testing.sandbox import Sandbox
from gateway.testing.serving import running
from tests.flows.sites import until

ROOT = Path(__file__).parents[1]
GUIDES = ROOT / "docs" / "guides"
RUN = ("operator", "engineer")
BLOCK = re.compile(r"^```sh(?: notest=\"(?P<why>[^\"\n]+)\")?\n(?P<block>.*?)^```$", re.DOTALL | re.MULTILINE)
ANY = re.compile(r"^```(?:sh|bash|shell|console)\b.*$", re.MULTILINE)
FAILS = ("exit code 1", "退出码 1")
"""how a line says that the command ends so"""


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Why a block is not run, or nothing, and the block."""
    text = (GUIDES / f"{page}.md").read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    assert len(found) == len(ANY.findall(text)), 'a block is ```sh, or ```sh notest="why"'
    for one in found:
        yield one["why"] or "", one["block"]


def commands(page: str) -> list[tuple[list[str], int]]:
    """Words and exit code of every command that is run; a remark may say that it ends with 1."""
    lines = [line for why, block in blocks(page) if not why for line in block.splitlines() if line.strip()]
    return [(shlex.split(line, comments=True), int(any(one in line for one in FAILS))) for line in lines]


def planted(page: str) -> list[str]:
    """The faults that a page has its reader set at a simulated platform."""
    told = [found for _, block in blocks(page) for found in re.findall(r"curl -d '(.+)' ", block)]
    return [fault for one in told for fault in json.loads(one)["next"]]


def typed(words: list[str]) -> Result:
    """Run a command; results are fetched until all are there, as a person would repeat it."""

    def run() -> Result:
        return CliRunner().invoke(app, words)

    def fetched() -> list[Result]:
        result = run()
        platforms = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)["platforms"]
        waiting = [name for name in words[1:] or platforms if platforms[name]["states"].get("awaiting_ack")]
        return [] if waiting else [result]

    return until(fetched, 30, "results of all")[0] if words[0] == "acks" else run()


@pytest.fixture
def platforms(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Sandbox]]:
    """The four simulated platforms, and the variables that lead to them."""
    with ExitStack() as stack:
        made = {name: registry.build_sandbox(name) for name in registry.names(registry.SANDBOXES)}
        for one in made.values():
            url = stack.enter_context(running(one))
            for name, value in one.access(url).environment.items():
                monkeypatch.setenv(name, value)
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_the_blocks_of_a_page_run_in_order(
    page: str, platforms: dict[str, Sandbox], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / ".gateway"))
    shutil.copy(ROOT / "gateway" / "testing" / "data" / "sample_batch.xlsx", tmp_path)
    platforms["training_system"].faults.set(next_=planted(page))
    for words, code in commands(page):
        assert words[0] == "gateway", f'{words} is not one of our commands: say notest="why"'
        result = typed(words[1:])
        assert result.exit_code == code, f"{shlex.join(words)}\n{result.output}\n{result.stderr}"


@pytest.mark.parametrize("page", sorted(path.stem for path in GUIDES.glob("*.md") if not path.stem.endswith(".zh")))
def test_both_languages_have_the_same_commands(page: str) -> None:
    def plain(name: str) -> list[tuple[bool, list[list[str]]]]:
        return [
            (bool(why), [shlex.split(line, comments=True) for line in block.splitlines()])
            for why, block in blocks(name)
        ]

    assert plain(f"{page}.zh") == plain(page)
    assert all(why for why, _ in blocks(page)) or page in RUN, "a block that no test runs says why"
