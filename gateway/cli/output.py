"""What every command has in common: options, one JSON document or text for people, exit codes, errors in one line.

Exit codes: 0 done, 1 the work found failures, 2 misuse (a wrong option, setting or file).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.domain.errors import ConfigurationError, GatewayError, InputError

if TYPE_CHECKING:
    from gateway.bootstrap import Gateway

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout; logs go to stderr.")]
Platforms = Annotated[list[str] | None, typer.Argument(help="Platforms; all that are configured where none is named.")]
Force = Annotated[bool, typer.Option("--force", help="Write over returns that are there already; never over others.")]

FAILURES = 1
MISUSE = 2


@contextmanager
def opened(*, create: bool = False) -> Iterator[Gateway]:
    """The gateway of the current settings; errors become one line on stderr and an exit code."""
    with reported():
        from gateway import logs, tracing
        from gateway.bootstrap import open_gateway
        from gateway.settings import GatewaySettings, load

        settings = load(GatewaySettings)
        logs.set_up(settings.log_level)
        tracing.set_up()
        with open_gateway(settings, create=create) as gateway:
            yield gateway


@contextmanager
def reported() -> Iterator[None]:
    """Turn our errors into one line on stderr and an exit code."""
    try:
        yield
    except (ConfigurationError, InputError) as error:
        complain(str(error))
        raise typer.Exit(MISUSE) from None
    except GatewayError as error:
        complain(str(error))
        raise typer.Exit(FAILURES) from None


def complain(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"gateway: {text}\n")


def emit(document: Mapping[str, Any]) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, default=plain) + "\n")
    sys.stdout.flush()


def say(text: str = "") -> None:
    """One line for people on stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def plain(value: Any) -> Any:
    """What JSON has no form for: moments as RFC 3339, sets as lists, the rest as text."""
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return str(value)


@dataclass(frozen=True)
class Column:
    """A column of a table for people."""

    title: str
    value: Callable[[Any], Any]


def columns(*names: str) -> list[Column]:
    """Columns that show the fields of mappings under their own names."""
    return [Column(name, partial(_field, name)) for name in names]


def _field(name: str, row: Mapping[str, Any]) -> Any:
    value = row.get(name)
    return ", ".join(f"{key} {count}" for key, count in value.items()) if isinstance(value, dict) else value


def table(title: str, columns: Sequence[Column], rows: Iterable[Any]) -> None:
    """A table for people on stdout; wide enough for Chinese text, plain where stdout is no terminal."""
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title=title, title_justify="left")
    for column in columns:
        drawn.add_column(column.title, overflow="fold")
    for row in rows:
        drawn.add_row(*(_cell(column.value(row)) for column in columns))
    console = Console()
    if not console.is_terminal:
        console.width = 140
    console.print(drawn)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return str(value)
