"""Everything an author of a connector meets says what it is: every method and field of the contract and the records."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted([*(ROOT / "gateway" / "contract").glob("*.py"), ROOT / "gateway" / "domain" / "records.py"])


def silent(path: Path) -> Iterator[str]:
    """Public methods without a docstring; fields without a text below them or a word in their class's docstring."""
    for owner in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(owner, ast.ClassDef) or owner.name.startswith("_"):
            continue
        told = ast.get_docstring(owner) or ""
        if not told:
            yield owner.name
        for member, below in zip(owner.body, [*owner.body[1:], None], strict=True):
            if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
                if not ast.get_docstring(member):
                    yield f"{owner.name}.{member.name}()"
            elif isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
                documented = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
                if not documented and member.target.id not in told:
                    yield f"{owner.name}.{member.target.id}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_every_method_and_field_says_what_it_is(path: Path) -> None:
    assert list(silent(path)) == []
