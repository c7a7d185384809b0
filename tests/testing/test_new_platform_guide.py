"""The tutorial "A platform in a day", block by block on a clean folder, in both languages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from gateway.cli.app import app

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "guides"
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(name: str) -> list[tuple[str, str]]:
    return BLOCK.findall((GUIDES / name).read_text(encoding="utf-8"))


def test_both_languages_have_the_same_blocks() -> None:
    assert blocks("new-platform.md") == blocks("new-platform.zh.md")


def test_whoever_follows_it_has_a_green_connector(tmp_path: Path) -> None:
    """Commands of the gateway and Python are run, changes are made; both suites are green at the end."""
    folder = tmp_path / "harbour"
    told: list[str] = []
    for language, text in blocks("new-platform.md"):
        if language == "diff":
            change(folder, text)
        elif language == "python":
            told.append(python(folder, "-c", text))
        elif "new-connector" in text:
            [line] = text.splitlines()
            result = CliRunner().invoke(app, [*line.split()[1:], "--into", str(folder)])
            assert result.exit_code == 0, result.stderr
    [shown] = told
    assert "grade" in shown
    assert "accepted" in shown
    python(folder, "-m", "ruff", "check", ".")
    python(folder, "-m", "ruff", "format", "--check", ".")
    python(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not killed and not fault")


def change(folder: Path, text: str) -> None:
    """Apply one change: what is kept or taken away must stand in the file once."""
    head, *lines = text.splitlines()
    path = folder / head.removeprefix("# ")
    old = "\n".join(line[1:] for line in lines if line[:1] in " -")
    new = "\n".join(line[1:] for line in lines if line[:1] in " +")
    before = path.read_text(encoding="utf-8")
    assert before.count(old) == 1, f"{head}: {before.count(old)} places"
    path.write_text(before.replace(old, new), encoding="utf-8")


def python(folder: Path, *arguments: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    environment = {**clean, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
