"""The platforms of this tree, by its own ``pyproject.toml``: what else is installed beside them is not ours to test."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path


@cache
def shipped() -> tuple[str, ...]:
    """Names of the connectors, in their order."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return tuple(sorted(project["entry-points"]["gateway.connectors"]))
