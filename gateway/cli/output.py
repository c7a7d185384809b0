"""What every command has in common: options, one JSON document or text for people, exit codes, errors in one line.

Exit codes: 0 done, 1 the work found failures, 2 misuse (a wrong option, setting or file), 130 interrupted.
"""

from __future__ import annotations

import errno
import io
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.actor import person
from gateway.cli.language import say_in_language, settings_said, speak
from gateway.cli.layout import cell_length, drawn, fold, pad, terminal_width
from gateway.domain.china import CHINA
from gateway.domain.errors import ConfigurationError, GatewayError, InputError
from gateway.locale import Text, tr

if TYPE_CHECKING:
    from gateway.bootstrap import Gateway

_owes_document: ContextVar[bool] = ContextVar("owes_document", default=False)
"""whether the command at hand was asked for a JSON document and has not written it yet"""


def _note_json(given: bool) -> bool:
    _owes_document.set(given)
    return given


AsJson = Annotated[
    bool, typer.Option("--json", callback=_note_json, help="One JSON document on stdout; logs go to stderr.")
]
Platforms = Annotated[list[str] | None, typer.Argument(help="Platforms; all that are configured where none is named.")]
Force = Annotated[bool, typer.Option("--force", help="Write over returns that are there already; never over others.")]

LARGEST = 2**63 - 1
"""number that every database can hold"""
FAILURES = 1
MISUSE = 2
INTERRUPTED = 130
"""as shells tell an interrupt"""


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
        speak(chinese=settings.chinese)
        with open_gateway(settings, create=create) as gateway:
            try:
                yield gateway
            except KeyboardInterrupt:
                raise _failed(
                    tr("interrupted; what was committed holds, and the same command goes on from there"),
                    INTERRUPTED,
                ) from None
            finally:
                for why in gateway.broken.values():
                    complain(tr("left out: {why}", why=settings_said(why)))


@contextmanager
def reported() -> Iterator[None]:
    """Turn our errors into one line on stderr and an exit code; with ``--json`` into a document as well."""
    try:
        yield
    except (ConfigurationError, InputError) as error:
        raise _failed(str(error), MISUSE) from None
    except GatewayError as error:
        raise _failed(str(error), FAILURES) from None
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # whoever read our output has had enough
        raise _failed(system_error(error), FAILURES) from None


def _failed(text: str, code: int) -> typer.Exit:
    complain(settings_said(text))
    if _owes_document.get():
        emit({"error": {"message": text, "exit_code": code}})
    return typer.Exit(code)


_ADVICE = {
    errno.EMFILE: tr("too many open files: raise the limit (`ulimit -n 256`)"),
    errno.ENFILE: tr("too many open files on this machine"),
    errno.ENOSPC: tr("the disk is full"),
    errno.EROFS: tr("the file system takes no writes"),
    errno.EACCES: tr("no permission"),
    errno.EPERM: tr("no permission"),
    errno.ENOENT: tr("there is no such file or folder"),
    errno.EEXIST: tr("is there already"),
    errno.EISDIR: tr("is a folder, not a file"),
    errno.ENOTDIR: tr("is a file, not a folder"),
}
_WHOLE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EROFS})
"""what is said without the file's name"""


def system_error(error: OSError) -> str:
    """What the operating system refused, in one line with what to do."""
    advice = _ADVICE.get(error.errno or 0)
    if advice is not None and (error.errno in _WHOLE or error.filename is None):
        return advice
    reason = advice or error.strerror or type(error).__name__
    return reason if error.filename is None else tr("{file}: {reason}", file=error.filename, reason=reason)


def unforeseen(error: Exception) -> str:
    """Say in one line that the gateway itself is at fault, and where; the whole of it goes to the log at DEBUG."""
    inner: BaseException = error
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    if isinstance(inner, OSError):
        text = system_error(inner)
    else:
        place = inner.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = "?" if place is None else f"{place.tb_frame.f_globals.get('__name__', '?')}:{place.tb_lineno}"
        text = tr(
            "not foreseen: {kind} at {place}; GATEWAY_LOG_LEVEL=DEBUG tells more",
            kind=type(inner).__name__,
            place=where,
        )
    logging.getLogger(__name__).debug("not foreseen", exc_info=error)
    complain(text)
    return text


def _spoken(text: str) -> str:
    """One of our texts in the language of who reads it; a platform's, a file's or a person's word stays as it is."""
    return say_in_language(text) if isinstance(text, Text) else text


def complain(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"gateway: {printable(_spoken(text)).replace(chr(10), ' ')}\n")


def emit(document: Mapping[str, Any]) -> None:
    """One JSON document on stdout, in UTF-8 whatever the locale."""
    text = json.dumps(document, ensure_ascii=False, indent=2, default=plain) + "\n"
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()
    _owes_document.set(False)


def in_china(moment: datetime | None) -> datetime | None:
    """A moment as typed, which is in +08:00 where it does not say otherwise; in UTC."""
    from gateway.store.metadata import to_utc

    return None if moment is None else to_utc(moment if moment.tzinfo else moment.replace(tzinfo=CHINA))


def asked_for(what: str) -> str:
    """What was given as an argument; for ``-`` what a person types unseen, or the first line of stdin."""
    if what != "-":
        return what.strip()
    if sys.stdin.isatty():
        from getpass import getpass

        return getpass(say_in_language(tr("number or name to look for: "))).strip()
    return sys.stdin.readline().strip()


def refuse_idle(given: bool, option: str, without: str) -> None:
    """Refuse an option that would do nothing as the command stands."""
    if given:
        raise InputError(tr("{option} does nothing without {without}", option=option, without=without))


def known_platform(gateway: Gateway, name: str | None, *, others: Sequence[str] = ()) -> None:
    """Refuse a platform that is neither installed nor known to the store, where one is named."""
    from gateway.delivery.store.platforms import registered

    with gateway.store.read() as connection:
        known = [*sorted({*gateway.platforms, *registered(connection)}), *others]
    if name is not None and name not in known:
        raise InputError(tr("no platform {name!r}; known: {names}", name=name, names=known))


def known_batch(gateway: Gateway, name: str | None) -> None:
    """Refuse the name of a file that was never read, where one is named."""
    from gateway.intake.store.batches import is_read

    with gateway.store.read() as connection:
        missing = name is not None and not is_read(connection, name)
    if missing:
        raise InputError(
            tr("no batch file of the name {name!r} was read; `gateway batches list` has those that were", name=name)
        )


def say(text: str = "") -> None:
    """One line for people on stdout."""
    sys.stdout.write(printable(_spoken(text)) + "\n")
    sys.stdout.flush()


def tell(text: str) -> None:
    """A sentence for people on stdout, folded to the terminal; what is folded stands under its beginning."""
    line = _spoken(text)
    margin = len(line) - len(line.lstrip())
    first, *more = fold(line.strip(), terminal_width(is_terminal=sys.stdout.isatty()) - margin - 2)
    say(" " * margin + first)
    for one in more:
        say(" " * (margin + 2) + one)


def tolerate_any_locale() -> None:
    """Let no character that the terminal cannot show end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


_CONTROLS = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
"""characters that move a terminal's cursor, change its colours or title, or turn the direction of what follows"""


def printable(text: str) -> str:
    """A text that a terminal only shows: file names, titles and what platforms say are foreign."""
    return text.translate(_CONTROLS)


def actor() -> str:
    """Who runs this command, for the audit trail."""
    return person().name


def plain(value: Any) -> Any:
    """What JSON has no form for: moments as RFC 3339, sets as lists, the rest as text."""
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return str(value)


@dataclass(frozen=True)
class TableColumn:
    """A column of a table for people."""

    title: str
    value: Callable[[Any], Any]


def columns(*names: str) -> list[TableColumn]:
    """Columns that show the fields of mappings under their own names."""
    return [TableColumn(_HEADS.get(name, name), partial(_field, name)) for name in names]


_HEADS: Mapping[str, str] = {"held": tr("held back"), "refused": tr("sent back"), "returned": tr("sent back")}
"""columns of rows of a file that are named otherwise for people: a delivery is held in another way"""


def _field(name: str, row: Mapping[str, Any]) -> Any:
    value = row.get(name)
    return worded(name, value) if isinstance(value, str) else value


def worded(name: str, value: str) -> str:
    """A state, class or kind by its word, where a column of that name has one; the value itself otherwise."""
    from gateway.domain import words

    table = {"state": words.BY_STATE, "class": words.BY_CLASS, "kind": words.BY_KIND}.get(name, {})
    return table.get(value, value)


FIELDS = columns(
    *("id", "kind", "record_key", "version", "person_key", "business_key", "state", "due_at", "fence", "tries"),
    *("polls", "lookups", "negatives", "message_id", "code", "reason", "platform_ref", "created_at", "updated_at"),
    *("receipt", "why", "until", "record_id", "event_id", "opened_at", "closed_at", "closed_by", "act", "note"),
    *("title", "owner", "due_on", "late", "soon", "acts", "about", "draws", "certificates", "platform_number"),
    *("platform_status", "platform_code", "platform_outcome", "chosen_by", "digest", "items", "waiting", "skipped"),
    *("of", "seed", "method", "population", "population_digest", "ratio", "excluded", "drawn again", "changed"),
    *("missing", "reports", "name_zh", "last_read_at", "severity", "amount", "status", "category", "content"),
    *("admitted", "unchanged", "refused", "held", "lease_until", "blocked_by", "replaces", "partner", "at"),
    *("withdrawn", "owed", "pushed", "acknowledged", "detail"),
    *("standing", "asked_by", "expires_at", "decided_by", "checked_on", "result", "document", "approved_by"),
    *("published_at",),
    *("outcome", "version_no", "level", "valid_from", "valid_to", "disclosure_until", "action", "subject", "actor"),
)
"""fields that commands show by name, so that the catalogue has a heading for each"""


def details(row: Mapping[str, Any], *names: str) -> None:
    """One thing for people: its fields under each other, without empty ones; all of them where none is named."""
    found = {name: row.get(name) for name in names or row}
    lines = {say_in_language(name): _cell(worded(name, v) if isinstance(v, str) else v) for name, v in found.items()}
    told = {title: cell for title, cell in lines.items() if cell}
    width = max(map(cell_length, told), default=0)
    for title, cell in told.items():
        say(f"{pad(title, width)}  {cell}")


def _counted(value: Any) -> str:
    """A cell of a table: a count of nothing is a dash."""
    return "–" if value == 0 and not isinstance(value, bool) else _cell(value)


def table(title: str, columns: Sequence[TableColumn], rows: Iterable[Any]) -> None:
    """A table for people on stdout; a list of each row's values where it would be wider than the terminal."""
    heads = [say_in_language(column.title) for column in columns]
    cells = [[printable(_counted(column.value(row))) for column in columns] for row in rows]
    if title:
        say(title)
    width = terminal_width(is_terminal=sys.stdout.isatty())
    for line in drawn(heads, cells, width):
        say(line)


def write_workbook(path: Path, sheet: str, titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table as a workbook, for its owner only; texts stay texts, whatever they begin with."""
    import xlsxwriter

    from gateway.private_files import open_private

    made = io.BytesIO()
    plain_text = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(made, {"in_memory": True, **plain_text}) as book:
        page = book.add_worksheet(sheet)
        page.write_row(0, 0, titles)
        for place, row in enumerate(rows, 1):
            for column, value in enumerate(row):
                page.write_string(place, column, "" if value is None else str(value))
        page.freeze_panes(1, 0)
    with open_private(path) as file:
        file.write(made.getvalue())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(CHINA):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{_cell(name)} {_cell(one)}" for name, one in value.items() if one not in (None, 0, {}, []))
    if isinstance(value, bool):
        return say_in_language(tr("yes") if value else tr("no"))
    return _spoken(value) if isinstance(value, str) else str(value)
