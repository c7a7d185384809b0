"""A dialect of services that take a table name and an XML string (dialect X), read from a TOML file.

Everything that differs between such services is data here; how sure each point is stands in the README. A file may say
``extends = "wuxi"``: its tables are laid over the other's, and ``read = false`` takes the reading call away.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.codec.codes import table
from gateway.domain.errors import ConfigurationError
from gateway.domain.records import RecordKind
from gateway.locale import tr

_FOLDER = Path(__file__).parent / "dialects"
Columns = dict[str, str]
"""column -> element of the typed contract (dotted path)"""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Text(_Part):
    """How a row becomes a string."""

    form: Literal["X1", "X2"]
    root: str
    row: str
    values: Literal["base64", "plain"]
    charset: Literal["UTF-8", "GBK", "GB2312"]
    declaration: bool
    cdata: bool
    date_format: str
    photo_prefix: str = ""
    """before a photo's Base64, for receivers that want a data address; ``{media}`` stands for its media type"""


class SaveParameters(_Part):
    """Names of a saving call's parameters; ``flag`` where the update flag travels beside the string."""

    table: str
    data: str
    user: str
    password: str
    flag: str | None = None


class Save(_Part):
    """The call that stores a row."""

    operation: str
    parameters: SaveParameters


class ReadParameters(_Part):
    """Names of a reading call's parameters."""

    table: str
    user: str
    password: str
    begin: str
    end: str


class Read(_Part):
    """The call that gives the rows of a table that came in between two days."""

    operation: str
    parameters: ReadParameters
    days: int = Field(ge=0)
    since: date | None = None
    """first day of which a listing reads; without it the platform's side is not listed"""


class Tables(_Part):
    """A name for each record kind that has rows of its own."""

    person: str
    certificate: str


class KindColumns(_Part):
    """Columns of each table, in their order."""

    person: Columns
    certificate: Columns


class Dialect(_Part):
    """One service's names and forms. ``folder`` is where its WSDL stands."""

    title_zh: str
    wsdl: str
    service: str
    port: str
    success: tuple[str, ...]
    region_column: str
    region_from: dict[Literal["person", "certificate"], str] = Field(default_factory=dict)
    """record kind -> element whose division decides under which account a row goes, where several are configured"""
    text: Text
    save: Save
    read: Read | None
    tables: Tables
    codes: dict[str, str]
    columns: KindColumns
    folder: Path

    def table_of(self, kind: RecordKind) -> str:
        """The table of a person or certificate."""
        return self.tables.person if kind is RecordKind.PERSON else self.tables.certificate

    def columns_of(self, kind: RecordKind) -> Columns:
        """The columns of a person or certificate."""
        return self.columns.person if kind is RecordKind.PERSON else self.columns.certificate


def load_dialect(name: str) -> Dialect:
    """Read a dialect by the name of a packaged file or by the path of a ``.toml`` file; ConfigurationError if unfit."""
    try:
        dialect = Dialect.model_validate(_read(name, ()))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ConfigurationError(
            tr("dialect {name}: {names}: {msg}", name=name, names=".".join(map(str, first["loc"])), msg=first["msg"])
        ) from None
    for key, message in _contradictions(dialect):
        raise ConfigurationError(tr("dialect {name}: {key}: {message}", name=name, key=key, message=message))
    return dialect


def _read(name: str, seen: tuple[str, ...]) -> dict[str, Any]:
    if name in seen:
        raise ConfigurationError(tr("dialect {name}: extends: the files extend each other in a circle", name=name))
    file = Path(name) if name.endswith(".toml") else _FOLDER / f"{name}.toml"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in _FOLDER.glob("*.toml")))
        raise ConfigurationError(
            tr("dialect {name}: unknown; there are {known}, or a .toml file's path", name=name, known=known)
        )
    try:
        own = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(
            tr("dialect {name}: the file cannot be read ({kind})", name=name, kind=type(error).__name__)
        ) from None
    if "wsdl" in own:
        own["folder"] = file.parent
    base = own.pop("extends", None)
    whole: dict[str, Any] = own if base is None else _lay_over(_read(str(base), (*seen, name)), own)
    if whole.get("read") in (None, False):
        whole["read"] = None
    return whole


def _lay_over(base: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged, ``parameters`` and everything else replaced."""
    merged = dict(base)
    for key, value in upper.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict) and key != "parameters"
        merged[key] = _lay_over(old or {}, value) if both else value
    return merged


def _contradictions(dialect: Dialect) -> Iterator[tuple[str, str]]:
    if not (dialect.folder / dialect.wsdl).is_file():
        yield "wsdl", "no such file beside the dialect's"
    if "%Y" not in dialect.text.date_format or "%d" not in dialect.text.date_format:
        yield "text.date_format", "must hold year and day"
    for kind in (RecordKind.PERSON, RecordKind.CERTIFICATE):
        columns = dialect.columns_of(kind)
        for needed in ("RecordKey", "UpdateFlag"):
            if list(columns.values()).count(needed) != 1:
                yield f"columns.{kind}", f"exactly one column must be {needed}"
        if dialect.region_column in columns:
            yield f"columns.{kind}", "the region's column is filled in by itself"
    for path, code in dialect.codes.items():
        name, _, column = code.partition(".")
        if not _has(name, column):
            yield f"codes.{path}", "no such code table or column"


def _has(name: str, column: str) -> bool:
    try:
        return column in table(name).rows[0]
    except FileNotFoundError:
        return False
