"""Write the reference pages of ``docs/reference`` from the code: ``python -m tests.support.reference``."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from pydantic_core import PydanticUndefined
from sqlalchemy import Table

from gateway.cli.app import app
from gateway.credit.rules.tickets import DUTIES
from gateway.domain.states import TRANSITIONS, Event, State
from gateway.domain.ticket_kinds import TicketKind
from gateway.intake.reading import rules as reading_rules
from gateway.intake.rules.gate_table import GATES
from gateway.locale import shown
from gateway.operations import metrics
from gateway.schema import SCHEMA_MODULES
from gateway.schema import metadata as schema
from gateway.settings import (
    BaseSettings,
    GatewaySettings,
    PlatformSettings,
    RetentionSettings,
    ServeSettings,
    SourceSettings,
)
from tests.support.shipped import shipped

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
NOTE = "<!-- written by tests/support/reference.py; change the code, then run `make docs` -->"


def settings_classes() -> dict[str, type[BaseSettings]]:
    """Section of ``gateway.toml`` -> settings class; the core's section has no name."""
    found: dict[str, type[BaseSettings]] = {
        "": GatewaySettings,
        "source": SourceSettings,
        "serve": ServeSettings,
        "retention": RetentionSettings,
    }
    for platform in shipped():
        module = import_module(f"connectors.{platform}.settings")
        [found[platform]] = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, PlatformSettings) and value.__module__ == module.__name__
        ]
    return found


def pages() -> dict[str, str]:
    """File name -> text of every page that is made from the code."""
    return {
        "commands.md": _page("Commands", "look up every command and option", _commands()),
        "settings.md": _page("Settings", "look up every setting, its variable and its default", _settings()),
        "gates.md": _page("Gates and rules", "look up what a rule's id means, in both languages", _gates(GATE_WORDS)),
        "gates.zh.md": _page("校验规则", "", _gates(GATE_WORDS_ZH), GATE_FIRST_ZH),
        "states.md": _page("States", "look up what a state and an event mean", _states()),
        "tickets.md": _page("Tickets", "look up whose a ticket is and what settles it", _tickets(TICKET_WORDS)),
        "tickets.zh.md": _page("工单", "", _tickets(TICKET_WORDS_ZH), TICKET_FIRST_ZH),
        "tables.md": _page("Tables of the store", "read the store with SQL of your own", _tables()),
        "metrics.md": _page("Metrics", "choose what to draw and what to be alarmed about", _metrics()),
    }


GATE_WORDS = ("rule", "clause", "field", "effect", "text", "中文")
GATE_WORDS_ZH = ("规则", "条款", "字段", "后果", "英文", "说明")
GATE_FIRST_ZH = "读完本页，您可以查到每条规则编号的含义、依据条款和处理后果。"
TICKET_WORDS = ("kind", "title", "中文", "owner", "working days", "acts")
TICKET_WORDS_ZH = ("种类", "英文", "名称", "归谁处理", "工作日", "可作的处置")
TICKET_FIRST_ZH = "读完本页，您可以查到每种工单归谁处理、期限几个工作日、可以怎样办结。"


def _page(title: str, use: str, lines: Iterable[str], first: str = "") -> str:
    return (
        "\n".join([f"# {title}", "", NOTE, "", first or f"After reading this page you can {use}.", "", *lines]) + "\n"
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = list(head)
    yield _row(names)
    yield "|" + " --- |" * len(names)
    yield from (_row(row) for row in rows)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _plain(text: str) -> str:
    return text.replace("``", "`")


def _walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, below in sorted(getattr(command, "commands", {}).items()):
        if getattr(below, "commands", None):
            yield from _walk(below, f"{path} {name}")
        else:
            yield f"{path} {name}", below


def _commands() -> Iterator[str]:
    yield "Nearly every command takes `--json`; exit codes and documents are in [the stable interface](interface.md)."
    yield ""
    rows = []
    for path, command in _walk(typer.main.get_command(app), "gateway"):
        arguments = [
            p.name.upper() + ("" if p.required else "?") for p in command.params if p.param_type_name == "argument"
        ]
        options = [max(p.opts, key=len) for p in command.params if p.param_type_name == "option"]
        shown = " ".join(_code(option) for option in options if option not in {"--json", "--help"})
        text = (command.help or "").strip().partition("\n\n")[0]
        rows.append((_code(" ".join([path, *arguments])), text, shown))
    yield from _table(("command", "does", "options"), rows)


def _meanings(owner: type) -> dict[str, str]:
    """Attribute -> the text that stands under it in the source, own ones before inherited ones."""
    found: dict[str, str] = {}
    for base in owner.__mro__:
        if not base.__module__.startswith(("gateway", "connectors")):
            continue
        [node] = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(node, ast.ClassDef)
        for first, second in zip(node.body, node.body[1:], strict=False):
            target = getattr(first, "target", None) or next(iter(getattr(first, "targets", [])), None)
            if isinstance(target, ast.Name) and isinstance(second, ast.Expr) and isinstance(second.value, ast.Constant):
                found.setdefault(target.id, _plain(str(second.value.value)))
    return found


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined or value in ("", (), [], {}):
        return ""
    if isinstance(value, (frozenset, set)):
        return _code(" ".join(sorted(str(item) for item in value)))
    if isinstance(value, (tuple, list)):
        return _code(" ".join(str(item) for item in value))
    return _code(str(value))


def _settings() -> Iterator[str]:
    yield "The environment wins over `.env`, `.env` over `gateway.toml`, both in the working directory. In that file"
    yield "the core's settings stand at the top, others in a table of their section. Lists are JSON in variables."
    shared, told = set(PlatformSettings.model_fields), _meanings(PlatformSettings)
    sections = {"all platforms": ("GATEWAY_<PLATFORM>__", PlatformSettings, shared)}
    for name, owner in settings_classes().items():
        prefix = str(owner.model_config.get("env_prefix", ""))
        own = set(owner.model_fields)
        if issubclass(owner, PlatformSettings):
            # what every platform has is told once, and again only where it means something else
            own = {field for field in own if field not in shared or told.get(field) != _meanings(owner).get(field)}
        sections[name or "core"] = (prefix, owner, own)
    order = ["core", "source", "serve", "retention", "all platforms", *shipped()]
    for name in order:
        prefix, owner, fields = sections[name]
        meanings = _meanings(owner)
        yield from ("", f"## {name}", "")
        yield from _table(
            ("setting", "default", "meaning"),
            (
                (_code(f"{prefix}{field.upper()}"), _default(info), meanings.get(field, ""))
                for field, info in owner.model_fields.items()
                if field in fields
            ),
        )


def _gates(words: tuple[str, ...]) -> Iterator[str]:
    rows = [(_code(g.id), g.clause, _code(g.field), _code(str(g.severity)), g.en, g.zh) for g in GATES]
    yield from _table(words, dict.fromkeys(rows))
    yield ""
    rules = [value for value in vars(reading_rules).values() if isinstance(value, reading_rules.Rule)]
    listed = {rule.id: rule for rule in rules}
    yield from _table(words[:1] + words[4:], ((_code(rule.id), rule.en, rule.zh) for _, rule in sorted(listed.items())))


def _enum(owner: type[StrEnum]) -> Iterator[tuple[str, str]]:
    meanings = _meanings(owner)
    for member in owner:
        yield _code(member.value), meanings.get(member.name, member.value.replace("_", " "))


def _states() -> Iterator[str]:
    yield from _table(("state", "meaning"), _enum(State))
    yield ""
    yield from _table(("event", "meaning"), _enum(Event))
    yield ""
    moves: dict[tuple[str, str], list[str]] = {}
    for (source, event), target in TRANSITIONS.items():
        moves.setdefault((source, target), []).append(event)
    yield from _table(
        ("from", "to", "on"),
        ((_code(a), _code(b), " ".join(_code(event) for event in events)) for (a, b), events in moves.items()),
    )


def _tickets(words: tuple[str, ...]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = []
    for kind in TicketKind:
        duty = DUTIES[kind]
        acts = " ".join(_code(act) for act in duty.acts)
        rows.append((_code(kind), duty.title, shown(duty.title, chinese=True), duty.owner, str(duty.days), acts))
    yield from _table(words, rows)


def _tables() -> Iterator[str]:
    yield "Times are UTC. Columns that hold personal data are sealed (`BLOB`); nothing personal stands in clear."
    listed: set[str] = set()
    for module in SCHEMA_MODULES:
        names = {value.name for value in vars(module).values() if isinstance(value, Table)} - listed
        listed |= names
        yield from ("", f"## {module.__name__}", "")
        yield from _table(
            ("table", "key", "columns"),
            (
                (
                    _code(name),
                    " ".join(_code(c.name) for c in schema.tables[name].primary_key.columns),
                    " ".join(_code(c.name) for c in schema.tables[name].columns if not c.primary_key),
                )
                for name in sorted(names)
            ),
        )


def _metrics() -> Iterator[str]:
    yield "`gateway metrics` prints them, `gateway metrics --serve PORT` serves them under `/metrics`."
    yield ""
    gauges: Mapping[str, tuple[str, tuple[str, ...]]] = metrics._GAUGES
    rows = (
        (_code(f"gateway_{name}"), text, " ".join(_code(label) for label in labels))
        for name, (text, labels) in gauges.items()
    )
    yield from _table(("metric", "meaning", "labels"), rows)


def main() -> None:
    """Write every page."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
