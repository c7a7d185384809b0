"""Bring the Chinese catalogue up to date with the code: ``python -m tests.support.catalogue`` (``make texts``).

Texts stand in the code in English: in calls of ``tr``, as column headings, as help of commands, as titles and
descriptions of Prefect's forms. New ones are added without a translation, which a test refuses; unused ones go.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "gateway" / "locale" / "zh" / "LC_MESSAGES"
PO, MO = FOLDER / "gateway.po", FOLDER / "gateway.mo"
_NO_DATE = datetime(2026, 1, 1, tzinfo=UTC)
"""what is compiled depends on the texts alone"""
_PLACE = re.compile(r"\{\w+[^{}]*\}")


def texts() -> dict[str, str]:
    """Every text of the code -> where it stands."""
    found: dict[str, str] = {}
    for folder in ("gateway", "connectors"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for text in _in_code(tree):
                found.setdefault(text, str(path.relative_to(ROOT)))
    for text in _of_commands():
        found.setdefault(text, "gateway/cli")
    return found


def _in_code(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", None)
            if name == "tr":
                yield from (_text(one) for one in node.args[:1])
            elif name == "columns":
                listed = (one.value.elts for one in node.args if isinstance(getattr(one, "value", None), ast.Tuple))
                named = [one for one in node.args if isinstance(one, ast.Constant)]
                yield from (_text(one) for one in [*named, *(one for some in listed for one in some)])
            elif name == "Field":
                named = {one.arg: one.value for one in node.keywords}
                yield from (
                    _text(named[part]) for part in ("title", "description") if isinstance(named.get(part), ast.Constant)
                )
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            made = [one for one in node.decorator_list if isinstance(one, ast.Call)]
            if any(getattr(one.func, "id", None) == "flow" for one in made):
                yield ast.get_docstring(node) or ""


def _text(node: ast.expr) -> str:
    value = ast.literal_eval(node)
    assert isinstance(value, str), f"line {node.lineno}: a text of the catalogue is a literal"
    return value


def _of_commands() -> Iterator[str]:
    from gateway.cli.app import app

    def walk(command: Any) -> Iterator[str]:
        yield command.help or ""
        for parameter in command.params:
            yield getattr(parameter, "help", None) or ""
        for below in getattr(command, "commands", {}).values():
            yield from walk(below)

    yield from filter(None, walk(typer.main.get_command(app)))


def places(text: str) -> list[str]:
    """The names in braces that a text has."""
    return sorted(_PLACE.findall(text))


def read() -> Catalog:
    """The catalogue as it is committed."""
    with PO.open("rb") as file:
        found = read_po(file, locale="zh", domain="gateway")
    found.creation_date = found.revision_date = _NO_DATE
    return found


def compiled(catalogue: Catalog) -> bytes:
    """What the gateway reads of it."""
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def main() -> None:
    """Write the catalogue anew from the code, keeping translations, and compile it."""
    old = read() if PO.exists() else Catalog(locale="zh", domain="gateway")
    fresh = Catalog(locale="zh", domain="gateway", charset="utf-8", project="gateway", fuzzy=False)
    for text in texts():
        known = old.get(text)
        fresh.add(text, known.string if known else "")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with PO.open("wb") as file:
        write_po(file, fresh, width=10_000, omit_header=True, sort_output=True)
    text = PO.read_text(encoding="utf-8")
    PO.write_text('msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n' + text, encoding="utf-8")
    MO.write_bytes(compiled(read()))
    missing = [str(one.id) for one in read() if one.id and not one.string]
    print(f"{len(fresh)} texts, {len(missing)} without a translation", *missing, sep="\n  ")  # noqa: T201


if __name__ == "__main__":
    main()
