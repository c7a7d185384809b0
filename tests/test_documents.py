"""Documents agree with the code: commands, options, settings, faults, platforms, states, links, both languages."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer
from pydantic import SecretStr
from pydantic_core import to_jsonable_python

from gateway import registry
from gateway.cli.app import app
from gateway.cli.sandbox import FOLLOW_PARENT
from gateway.domain.states import TERMINAL, TRANSITIONS, Event, State
from gateway.settings import GatewaySettings
from gateway.testing.sandbox import COMMON_FAULTS, PROFILES, Sandbox
from tests.support import pictures, reference
from tests.support.reference import settings_classes
from tests.support.shipped import shipped

ROOT = Path(__file__).parents[1]
README, CHINESE = "README.md", "README.zh-CN.md"
BOTH = (README, CHINESE)
PAGES = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))
DOCUMENTS = sorted(
    [*(str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *ROOT.glob("connectors/*/README.md"))), *PAGES]
)
ENGLISH_ONLY = (
    "docs/architecture/",
    "docs/decisions/",
    *(f"docs/reference/{n}.md" for n in ("states", "tables", "metrics")),
)
CHINESE_PAGES = [name for name in PAGES if name.endswith(".zh.md")]
PAIRS = [(README, CHINESE), *((name.replace(".zh.md", ".md"), name) for name in CHINESE_PAGES)]
BY_HAND = [pair for pair in PAIRS if not pair[0].startswith(("docs/reference/commands", "docs/reference/settings"))]
"""written in both languages; English commands and settings are made from the code"""
FOR_USERS = [*BOTH, *(name for name in PAGES if name.startswith(("docs/guides/", "docs/reference/")))]
COMMAND_TABLES = [f"docs/reference/{name}.md" for name in ("interface", "interface.zh")]
SANDBOXES = ("docs/reference/sandboxes.md", "docs/reference/sandboxes.zh.md")
SETTINGS_ZH = "docs/reference/settings.zh.md"
COMMANDS = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]  # a group, since there are several
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose(name: str) -> str:
    return FENCE.sub("", text(name))


def code(name: str) -> list[str]:
    """Everything set as code: the lines of blocks, then the spans of the running text."""
    blocks = [line for _, block in FENCE.findall(text(name)) for line in block.splitlines()]
    return blocks + re.findall(r"`([^`\n]+)`", prose(name))


def shell(name: str) -> list[str]:
    """The commands of the shell blocks, without remarks."""
    blocks = [block for language, block in FENCE.findall(text(name)) if language == "sh"]
    return [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]


def headings(name: str) -> list[str]:
    return re.findall(r"^(#+) .+$", prose(name), re.MULTILINE)


def anchors(name: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", prose(name), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def variables() -> set[str]:
    return {
        f"{one.model_config.get('env_prefix', '')}{name}".upper()
        for one in settings_classes().values()
        for name in one.model_fields
    }


def every_command(command: Any) -> Iterator[Any]:
    """A command and all that stand below it."""
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from every_command(below)


def state_diagram() -> str:
    """The table of states as a diagram: one arrow for each pair of states, with the events that lead along it."""
    moves: dict[tuple[State, State], list[Event]] = {}
    for (source, event), target in TRANSITIONS.items():
        moves.setdefault((source, target), []).append(event)
    arrows = [f"    {source} --> {target}: {', '.join(events)}" for (source, target), events in moves.items()]
    ends = [f"    {state} --> [*]" for state in State if state in TERMINAL]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {State.QUEUED}", *arrows, *ends]) + "\n"


def test_the_state_diagram_is_the_table() -> None:
    [diagram] = [block for _, block in FENCE.findall(text("ARCHITECTURE.md")) if block.startswith("stateDiagram")]
    assert diagram == state_diagram()


@pytest.mark.parametrize("name", BOTH)
def test_the_table_of_platforms_is_what_is_installed(name: str) -> None:
    rows = re.findall(r"^\| .*\[`(\w+)`\]\(connectors/(\w+)/README\.md\)", text(name), re.MULTILINE)
    assert sorted(rows) == [(platform, platform) for platform in shipped()]


@pytest.mark.parametrize("name", COMMAND_TABLES)
def test_every_command_has_its_row(name: str) -> None:
    rows = re.findall(r"^\| `gateway ([\w-]+)[^`]*` \|", text(name), re.MULTILINE)
    assert set(rows) == COMMANDS


def test_the_chinese_commands_are_those_of_the_code() -> None:
    tables = [text(f"docs/reference/commands{suffix}.md") for suffix in ("", ".zh")]
    rows = [re.findall(r"^\| (`gateway [^`]+`) \|.*\| ([^|]*) \|$", table, re.MULTILINE) for table in tables]
    assert sorted(rows[0]) == sorted(rows[1])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_named_exists(name: str) -> None:
    named = {verb for line in code(name) for verb in re.findall(r"(?:^|[\s/])gateway ([a-z]+(?:-[a-z]+)*)\b", line)}
    assert named <= COMMANDS


@pytest.mark.parametrize("name", FOR_USERS)
def test_every_option_named_exists(name: str) -> None:
    commands = every_command(typer.main.get_command(app))
    options = {flag for command in commands for parameter in command.params for flag in parameter.opts} | {"--help"}
    lines = [line for line in code(name) if "pip install" not in line]
    named = {flag for line in lines for flag in re.findall(r"(?<![\w-])--[a-z-]+", line)}
    assert named <= options


def test_every_verb_of_the_makefile_is_named_and_none_other() -> None:
    verbs = set(re.findall(r"^([a-z]+):.*##", text("Makefile"), re.MULTILINE))
    named = {name: {verb for line in code(name) for verb in re.findall(r"\bmake ([a-z]+)", line)} for name in DOCUMENTS}
    assert set().union(*named.values()) <= verbs
    assert named["CONTRIBUTING.md"] == verbs


@pytest.mark.parametrize("name", [*DOCUMENTS, "gateway.example.toml"])
def test_every_variable_named_is_read(name: str) -> None:
    known = variables() | {FOLLOW_PARENT}
    prefixes = {str(one.model_config.get("env_prefix", "")) for one in settings_classes().values()}
    named = set(re.findall(r"\bGATEWAY_[A-Z_]*", text(name)))
    assert named <= known | prefixes


def test_every_core_setting_is_in_the_chinese_table() -> None:
    core = {f"GATEWAY_{field}".upper() for field in GatewaySettings.model_fields}
    assert core <= set(re.findall(r"^\| `(GATEWAY_[A-Z_]+)` \|", text(SETTINGS_ZH), re.MULTILINE))


def test_the_settings_named_by_their_last_part_belong_to_a_platform() -> None:
    fields = {field.upper() for one in settings_classes().values() for field in one.model_fields}
    rows = re.findall(r"^\| ((?:`[A-Z_]+`[ 、,]*)+) \|", text(SETTINGS_ZH), re.MULTILINE)
    named = {part for row in rows for part in re.findall(r"`([A-Z_]+)`", row) if not part.startswith("GATEWAY_")}
    assert named
    assert named <= fields


def example() -> dict[str, Any]:
    """The example with every line taken in."""
    line = re.compile(r"^# (?=[a-z_]+ = )", re.MULTILINE)
    return tomllib.loads(line.sub("", text("gateway.example.toml")))


def test_the_example_has_every_setting_and_none_other() -> None:
    whole = example()
    for section, settings in settings_classes().items():
        table = whole[section] if section else {k: v for k, v in whole.items() if not isinstance(v, dict)}
        assert sorted(table) == sorted(settings.model_fields), section


def test_the_example_shows_defaults_and_no_secrets() -> None:
    whole = example()
    for section, settings in settings_classes().items():
        table = whole[section] if section else whole
        for name, field in settings.model_fields.items():
            if "SecretStr" in repr(field.annotation):
                assert set(table[name]) <= set(".{}"), name
            elif not field.is_required() and (default := field.get_default(call_default_factory=True)) is not None:
                assert _plain(table[name]) == _plain(default), f"{section} {name}"


def _plain(value: Any) -> Any:
    assert not isinstance(value, SecretStr)
    plain = to_jsonable_python(value)
    return sorted(plain) if isinstance(value, frozenset | list) and all(isinstance(v, str) for v in plain) else plain


def test_nothing_is_switched_on_in_the_example() -> None:
    assert tomllib.loads(text("gateway.example.toml")) == {
        section: {} for section in ("source", "serve", "retention", *shipped())
    }


@pytest.mark.parametrize("name", SANDBOXES)
def test_every_fault_and_profile_is_listed(name: str) -> None:
    own = {fault for one in sandboxes() for fault in one.own_faults}
    table = text(name).partition("| `unavailable` |")
    rows = re.findall(r"^\| ((?:`\w+`[ 、,/]*)+) \|", table[1] + table[2], re.MULTILINE)
    assert {fault for row in rows for fault in re.findall(r"`(\w+)`", row)} == {*COMMON_FAULTS, *own}
    assert f"--faults {'|'.join(PROFILES)}" in text(name)


def test_the_fields_of_the_sandbox_document_are_listed() -> None:
    for one in sandboxes():
        details = set(one.access("http://127.0.0.1:1").details)
        for name in SANDBOXES:
            row = re.search(rf"^\| `{one.platform}` \| (.*) \|$", text(name), re.MULTILINE)
            assert row is not None
            assert set(re.findall(r"`(\w+)`", row[1])) == details, (name, one.platform)


def sandboxes() -> Iterator[Sandbox]:
    for platform in shipped():
        one = registry.build_sandbox(platform)
        yield one
        one.books.close()


def links(name: str) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(name)):
        if "://" not in target:
            yield target


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    for target in links(name):
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(str(file.resolve().relative_to(ROOT))), target


def in_english(target: str) -> str:
    """The same place in the English documents, without its anchor."""
    path = re.sub(r"\.zh\.(md|svg|png)$", r".\1", target.partition("#")[0])
    return {CHINESE: README}.get(path, path)


@pytest.mark.parametrize(("english", "chinese"), BY_HAND)
def test_both_languages_have_the_same_shape(english: str, chinese: str) -> None:
    assert headings(chinese) == headings(english)
    rows = [len(re.findall(r"^\|", prose(name), re.MULTILINE)) for name in (english, chinese)]
    assert rows[0] == rows[1]
    assert shell(chinese) == shell(english)
    other = {in_english(target) for target in links(chinese)} - {README, ""}
    assert other == {in_english(target) for target in links(english)} - {README, ""}


@pytest.mark.parametrize(("english", "chinese"), BY_HAND)
def test_both_languages_name_the_same_things(english: str, chinese: str) -> None:
    spans = [set(re.findall(r"`([^`\n]+)`", prose(name))) for name in (english, chinese)]
    assert spans[0] ^ spans[1] == set()


def test_both_languages_have_the_same_pages() -> None:
    english = {name for name in PAGES if not name.endswith(".zh.md") and not name.startswith(ENGLISH_ONLY)}
    assert {name.replace(".zh.md", ".md") for name in CHINESE_PAGES} == english


@pytest.mark.parametrize("name", PAGES)
def test_a_page_begins_with_what_it_is_good_for_and_is_short(name: str) -> None:
    lines = [line for line in text(name).splitlines() if line and not line.startswith("<!--")]
    assert lines[0].startswith("# ")
    assert lines[1].startswith(("After reading th", "读完本页，您"))
    assert text(name).count("\n") <= 250


def test_the_first_documents_stay_short() -> None:
    for name, most in ((README, 150), (CHINESE, 150), ("ARCHITECTURE.md", 300)):
        assert text(name).count("\n") <= most, name


def test_the_reference_is_what_the_code_says() -> None:
    for name, page in reference.pages().items():
        assert (reference.FOLDER / name).read_text(encoding="utf-8") == page, f"{name}: run make docs"


def test_every_picture_named_is_there_and_every_picture_is_named() -> None:
    named = {
        (ROOT / name).parent / target
        for name in DOCUMENTS
        for target in re.findall(r"!\[[^\]]+\]\(([^)\s]+)\)", prose(name))
        if "://" not in target
    }
    there = set(pictures.FOLDER.iterdir())
    assert {path.resolve() for path in named} == there
    assert [path.name for path in there if path.stat().st_size > pictures.LARGEST] == []
    for path in there:
        if path.suffix == ".svg":
            ElementTree.parse(path)  # an escape code of a terminal is no XML


def test_every_decision_is_listed_once_and_in_order() -> None:
    pages = sorted(path.name for path in ROOT.glob("docs/decisions/[0-9]*.md"))
    assert re.findall(r"\]\(([^)]+)\)", text("docs/decisions/index.md")) == pages
    assert [int(page[:4]) for page in pages] == list(range(1, len(pages) + 1))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_files_named_exist(name: str) -> None:
    named = re.findall(r"`((?:gateway|connectors|tests|ops|notebooks|docs)/[\w./]+)`", prose(name))
    assert [path for path in named if not (ROOT / path).exists()] == []
