"""The language of the command line: help pages, headings and refusals of misuse, said in it where they are shown.

Functions of commands stay in English; what Typer makes of them is looked up in the catalogue when it is written.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import typer
from typer._click import Context, HelpFormatter
from typer._click.exceptions import ClickException, UsageError

from gateway.cli.layout import cell_length, fold
from gateway.locale import Text, in_chinese, shown, tr

_CHINESE: ContextVar[bool] = ContextVar("chinese", default=False)
_VARIABLE = "GATEWAY_LANGUAGE"


def is_chinese() -> bool:
    """Whether this command addresses people in Chinese."""
    return _CHINESE.get()


def speak(*, chinese: bool) -> None:
    """Address people in Chinese, or in English, from now on."""
    _CHINESE.set(chinese)


def say_in_language(text: str) -> str:
    """A text as this command's user reads it."""
    return shown(text, chinese=is_chinese())


def choose_language() -> None:
    """Take the language that the settings would give, without reading them: help must not wait, and never fails."""
    speak(
        chinese=in_chinese(os.environ.get(_VARIABLE) or in_dotenv().get(_VARIABLE) or _language_in_toml(), os.environ)
    )


def in_dotenv() -> dict[str, str]:
    """The variables that ``.env`` sets, as far as it can be read."""
    try:
        lines = Path(".env").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.strip().removeprefix("export ").partition("=") for line in lines)
    return {name.strip(): value.strip().strip("'\"") for name, sign, value in pairs if sign and name[:1] != "#"}


def in_toml() -> dict[str, Any]:
    """What ``gateway.toml`` holds, as far as it can be read."""
    try:
        return tomllib.loads(Path("gateway.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _language_in_toml() -> str | None:
    language = in_toml().get("language")
    return language if isinstance(language, str) else None


class SpokenFormatter(HelpFormatter):
    """Writes a help page in the chosen language; Chinese letters take two columns and break anywhere."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or f"{say_in_language(tr('Usage'))}: ")

    def write_heading(self, heading: str) -> None:
        super().write_heading(say_in_language(heading))

    def write_text(self, text: str) -> None:
        indent = " " * self.current_indent
        for place, paragraph in enumerate(say_in_language(text).split("\n\n")):
            self.write("\n" if place else "")
            for line in fold(" ".join(paragraph.split("\n")), self.width - self.current_indent):
                self.write(f"{indent}{line}\n")

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        spoken = [(first, _with_extra(second)) for first, second in rows]
        first_column = min(max(cell_length(first) for first, _ in spoken), col_max) + col_spacing
        margin, width = self.current_indent + first_column, max(self.width - self.current_indent - first_column, 10)
        for first, second in spoken:
            lines = fold(second, width)
            fits = cell_length(first) <= first_column - col_spacing
            gap = " " * (first_column - cell_length(first)) if fits else f"\n{' ' * margin}"
            heads = fold(first.replace("|", "| "), self.width - self.current_indent)
            head = "\n".join(f"{' ' * self.current_indent}{line}" for line in heads).replace("| ", "|")
            self.write(f"{head}{gap}{lines[0]}\n")
            for line in lines[1:]:
                self.write(f"{' ' * margin}{line}\n")


def _with_extra(text: str) -> str:
    """Help of an option, which Typer has ended with ``  [default: 50; required]``."""
    said, gap, extra = text.rpartition("  [") if text.endswith("]") else (text, "", "")
    if not gap and text.startswith("["):
        said, gap, extra = "", "[", text[1:]
    if not gap:
        return say_in_language(text)
    notes = [_note(one) for one in extra[:-1].split("; ")]
    return f"{say_in_language(said)} [{'; '.join(notes)}]".strip()


def _note(text: str) -> str:
    text = _UNBOUNDED.sub(r"x>=\1", text)
    name, colon, value = text.partition(": ")
    return f"{say_in_language(name)}{colon}{value}"


_UNBOUNDED = re.compile(r"(\d+)<=x<=9223372036854775807")
NOTES = (tr("default"), tr("required"), tr("Arguments"), tr("Options"), tr("Commands"), tr("(dynamic)"))
"""words with which Typer heads lists and ends the help of an option"""
TYPERS_OPTIONS = (
    tr("Show this message and exit."),
    tr("Install completion for the current shell."),
    tr("Show completion for the current shell, to copy it or customize the installation."),
)
"""help of options that Typer adds"""


class SpokenContext(Context):
    """Writes help by ``SpokenFormatter``."""

    formatter_class = SpokenFormatter


def translated(command: Any) -> Any:
    """Let a command, and those below it, write help in the chosen language, and give the first sentence in lists."""
    command.context_class = SpokenContext
    command.short_help = first_sentence(command.help or "")
    for below in getattr(command, "commands", {}).values():
        translated(below)
    return command


def first_sentence(text: str) -> str:
    """The first sentence of a help text, in the chosen language, without its full stop."""
    paragraph = " ".join(say_in_language(text).partition("\n\n")[0].split())
    end = "。" if is_chinese() else ". "
    return paragraph.partition(end)[0].removesuffix(".")


_MISUSE = (
    tr("Invalid value for {what}: {message}"),
    tr("Invalid value: {message}"),
    tr("Value error, {message}"),
    tr("Input should be greater than or equal to {number}"),
    tr("Input should be less than or equal to {number}"),
    tr("Input should be a valid integer, unable to parse string as an integer"),
    tr("Field required"),
    tr("Missing {what}. {message}"),
    tr("Missing {what}."),
    tr("Missing command."),
    tr("No such command {name}. Did you mean {others}?"),
    tr("No such command {name}."),
    tr("No such option: {name} (Possible options: {others})"),
    tr("No such option: {name} Did you mean {others}?"),
    tr("No such option: {name}"),
    tr("Option {name} requires an argument."),
    tr("Option {name} does not take a value."),
    tr("Got unexpected extra argument ({value})"),
    tr("Got unexpected extra arguments ({value})"),
    tr("{value} is not a valid {kind}."),
    tr("{value} is not in the range {range}."),
    tr("{value} is not one of {others}."),
    tr("{value} does not match the formats {others}."),
    tr("{value} does not match the format {others}."),
    tr("File {name} does not exist."),
    tr("Path {name} does not exist."),
    tr("File {name} is a directory."),
)
"""how Typer refuses what was typed"""
_PLACE = re.compile(r"\\\{(\w+)\\\}")
_KINDS: Mapping[str, Text] = {
    "argument": tr("argument"),
    "option": tr("option"),
    "int": tr("whole number"),
    "integer": tr("whole number"),
    "float": tr("number"),
}


def misuse(message: str) -> str:
    """A refusal of Typer's in the chosen language; as it is where its words are new."""
    for known in _MISUSE:
        found = re.fullmatch(_PLACE.sub(r"(?P<\1>.+?)", re.escape(known)), message, re.DOTALL)
        if found:
            parts = {name: _part(name, value) for name, value in found.groupdict().items()}
            return say_in_language(Text(known.msgid, parts))
    return say_in_language(message)


def settings_said(text: str) -> str:
    """An error of the settings (``settings: NAME: what is wrong; …``) in the chosen language; others as they are."""
    head, sign, rest = text.partition("settings: ")
    if head or not sign:
        return text
    faults = (fault.partition(" ") for fault in rest.split("; "))
    said = "; ".join(f"{name} {misuse(what)}" for name, _, what in faults)
    return say_in_language(tr("settings: {faults}", faults=said))


def _part(name: str, value: str) -> str:
    if name == "message":
        return misuse(value)
    kind, space, rest = value.partition(" ")
    return say_in_language(_KINDS[kind]) + space + rest if kind in _KINDS else value


class Misuse(UsageError):
    """What was typed is no command: said in the chosen language, with the way to the help."""

    def __init__(self, error: ClickException) -> None:
        super().__init__(error.format_message(), getattr(error, "ctx", None))
        self.exit_code = error.exit_code

    def show(self, file: Any = None) -> None:
        """Write usage, the way to the help, and what is wrong to stderr."""
        if self.ctx is not None:
            option = self.ctx.help_option_names[0]
            typer.echo(f"{self.ctx.get_usage()}\n", err=True)
            typer.echo(say_in_language(tr("Help: {command}", command=f"{self.ctx.command_path} {option}")), err=True)
        typer.echo(f"{say_in_language(tr('Error'))}: {misuse(self.message)}", err=True)


@contextmanager
def spoken_misuse() -> Iterator[None]:
    """Let refusals of what was typed be said in the chosen language."""
    try:
        yield
    except UsageError as error:
        if not is_chinese() or isinstance(error, Misuse) or type(error).__name__ == "NoArgsIsHelpError":
            raise
        raise Misuse(error) from None
