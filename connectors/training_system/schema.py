"""What a mapping file may say: columns, order, codes, formats and names of files or tables, from the owner's document.

Nothing of the owner's form stands in the code. A mapping is a TOML file; the README shows one and says what each entry
means. Several of them are dated: the one in force on the day of the hand-over counts, so that a switch is a file put
beside the other before its day.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from connectors.training_system.mapping import KINDS, OF_MESSAGE, days, sources
from gateway.codec import codes
from gateway.contract.handover import is_file_name
from gateway.contract.messages import Problem
from gateway.domain.errors import ConfigurationError
from gateway.domain.records import RecordKind
from gateway.locale import tr

_FIELDS = re.compile(r"\{(\w+)\}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_FORMULA = ("=", "+", "@", "-")
"""with these a spreadsheet takes a text of a CSV file for a formula"""
_MANY = 100


def _day_format(text: str) -> str:
    if sorted(re.findall(r"%.", text)) != ["%Y", "%d", "%m"]:
        raise ValueError("must hold %Y, %m and %d once each, as in %Y%m%d, and nothing else of that form")
    return text


class _Part(BaseModel):
    """A table of the mapping; an entry nobody knows is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Column(_Part):
    """One column: what it is called there, and what is written into it."""

    heading: str = Field(min_length=1)
    source: str | None = Field(default=None, alias="from")
    """a source of ``mapping.sources``"""
    const: str | None = None
    """the same text in every row, instead of a source"""
    required: bool = False
    max: int | None = Field(default=None, ge=1)
    """most characters"""
    codes: dict[str, str] = Field(default_factory=dict)
    """code of the core -> theirs; a code without an entry is a problem, not a guess"""
    names: str | None = None
    """code table of the core whose Chinese name is written instead of the code"""
    date: Annotated[str, AfterValidator(_day_format)] | None = None
    """how a day is written: ``%Y%m%d``; ISO without it"""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.source is None) == (self.const is None):
            raise ValueError("needs either from or const")
        if self.codes and self.names:
            raise ValueError("takes codes or names, not both")
        if self.names is not None:
            try:
                codes.table(self.names)
            except FileNotFoundError:
                raise ValueError(f"names: there is no code table {self.names!r}") from None
        return self

    def written(self, values: Mapping[str, str]) -> str | None:
        """The cell; blank where the source is, None where a code has no counterpart."""
        if self.const is not None:
            return self.const
        assert self.source is not None
        value = values.get(self.source, "")
        if not value:
            return ""
        if self.codes:
            return self.codes.get(value)
        if self.names:
            return codes.table(self.names).get(value)
        if self.date:
            year, month, day = value[:10].split("-")
            return self.date.replace("%Y", year).replace("%m", month).replace("%d", day)
        return value

    def read(self, text: str) -> str:
        """What a cell of theirs means in the core's form; itself where it has no such meaning."""
        text = text.strip()
        if self.codes:
            return next((ours for ours, theirs in self.codes.items() if theirs == text), text)
        if self.names:
            return codes.table(self.names).code_of(text) or text
        if self.date and not _DAY.fullmatch(text):
            pattern = re.escape(self.date)
            for sign, digits in (("%Y", 4), ("%m", 2), ("%d", 2)):
                pattern = pattern.replace(re.escape(sign), f"(?P<{sign[1]}>[0-9]{{{digits}}})")
            found = re.fullmatch(pattern, text)
            return f"{found['Y']}-{found['m']}-{found['d']}" if found else text
        return text


class Sheet(_Part):
    """How rows stand in a file."""

    file: str | None = None
    """name of the file; see the README for what may stand in braces"""
    format: Literal["csv", "xlsx"] = "csv"
    encoding: Literal["utf-8", "utf-8-sig", "gb18030", "gbk"] = "utf-8-sig"
    delimiter: Literal[",", ";", "\t", "|"] = ","
    sheet: str = Field(default="Sheet1", pattern=r"^[^\[\]:*?/\\']{1,31}$")

    def bytes_of(self, rows: Sequence[Sequence[str]]) -> bytes:
        """Rows as the file's bytes."""
        from gateway.codec.tabular import write_csv, write_workbook

        if self.format == "xlsx":
            return write_workbook(rows, sheet=self.sheet)
        return write_csv(rows, encoding=self.encoding, delimiter=self.delimiter)

    def rows_of(self, content: bytes) -> list[dict[str, str]]:
        """Rows by the headings of the first row; TabularError where it is no such file."""
        from gateway.codec.tabular import TabularError, read_csv, read_workbook

        if self.format == "xlsx":
            rows = read_workbook(content)
        else:
            rows = read_csv(content, encoding=self.encoding, delimiter=self.delimiter)
        rows = [row for row in rows if any(cell.strip() for cell in row)]
        if not rows:
            raise TabularError("there is no row of headings")
        headings = [cell.strip() for cell in rows[0]]
        return [dict(zip(headings, (*row, *[""] * len(headings)), strict=False)) for row in rows[1:]]


class Returned(Sheet):
    """Where the owner says what became of each row: in a returned file, or in columns of the same table."""

    record: str
    """heading under which our number of the record comes back"""
    result: str
    reason: str | None = None
    accepted: tuple[str, ...] = Field(min_length=1)
    rejected: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ("",)
    """results that mean: not yet"""

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        told = [*self.accepted, *self.rejected, *self.waiting]
        if len(told) != len(set(told)) or "" in self.accepted:
            raise ValueError("each result means one thing, and a blank one is never accepted")
        return self


class Listing(Sheet):
    """The list of what the owner holds, for reconciliation."""

    table: str | None = None
    """table or view, where rows are handed over through a database"""
    columns: tuple[Column, ...] = Field(min_length=1)
    """headings of the list and what they are compared with"""
    key: tuple[str, ...] = Field(min_length=1)
    """sources that together name one row there"""
    number: str | None = None
    """heading of the owner's own number of the row"""

    def column(self, source: str) -> Column:
        """The column of a source."""
        return next(one for one in self.columns if one.source == source)


class Section(Sheet):
    """How records of one kind are handed over."""

    table: str | None = None
    rows: int = Field(default=500, ge=1, le=5000)
    """most rows in one hand-over"""
    after_person: bool = False
    """certificates: only once the owner has accepted the person"""
    columns: tuple[Column, ...] = Field(min_length=1)
    returned: Returned
    listing: Listing | None = Field(default=None, alias="list")

    def heading(self, source: str) -> str:
        """Under which heading a source is handed over."""
        return next(one.heading for one in self.columns if one.source == source)

    def name(self, message: str, day: date) -> str:
        """Name of the file of a hand-over."""
        assert self.file is not None
        return _FIELDS.sub(lambda m: {"message": message, "day": f"{day:%Y%m%d}"}[m[1]], self.file)

    def returned_name(self, message: str, day: date) -> str:
        """Name, perhaps with ``*``, of the file that answers it."""
        assert self.returned.file is not None
        name = self.name(message, day)
        known = {"message": message, "day": f"{day:%Y%m%d}", "name": name.rpartition(".")[0] or name}
        return _FIELDS.sub(lambda m: known[m[1]], self.returned.file)

    def cells(self, values: Mapping[str, str]) -> dict[str, str]:
        """Heading -> cell of one row; ValueError where ``problems`` would name something."""
        broken = self.problems(values)
        if broken:
            raise ValueError("; ".join(f"{one.field}: {one.rule}" for one in broken))
        return {one.heading: one.written(values) or "" for one in self.columns}

    def problems(self, values: Mapping[str, str]) -> list[Problem]:
        """What of a record does not fit the columns, by our field; what only the hand-over knows is passed over."""
        return [
            problem
            for one in self.columns
            if one.source not in OF_MESSAGE
            for problem in _problems(one, one.written(values), self)
        ]


def _problems(column: Column, cell: str | None, section: Section) -> Iterator[Problem]:
    def problem(rule: str, en: str, zh: str) -> Problem:
        return Problem(
            field=column.source or column.heading,
            rule=rule,
            message=f"column {column.heading}: {en}",
            message_zh=f"列“{column.heading}”：{zh}",
        )

    if cell is None:
        yield problem("code", "the mapping has no counterpart for this code", "映射中没有与此代码对应的值")
        return
    if not cell:
        if column.required:
            yield problem("required", "must not be blank", "不得为空")
        return
    if column.max is not None and len(cell) > column.max:
        yield problem("length", f"at most {column.max} characters", f"最多 {column.max} 个字符")
    if _UNWRITABLE.search(cell):
        yield problem("characters", "holds characters that cannot be written", "含有无法写入的字符")
    elif section.table is None and section.format == "csv":
        if cell.startswith(_FORMULA) and column.const is None:
            yield problem("formula", "would be taken for a formula in a spreadsheet", "会被电子表格当作公式")
        try:
            cell.encode(section.encoding)
        except UnicodeEncodeError:
            yield problem("encoding", f"cannot be written in {section.encoding}", f"无法用 {section.encoding} 编码")


class FormMapping(_Part):
    """One mapping file."""

    version: str = Field(min_length=1, max_length=60)
    """the centre's own name of it, kept with every exchange"""
    valid_from: date | None = None
    """first day (+08:00) on which it counts; without it, from the beginning"""
    person: Section | None = None
    certificate: Section | None = None
    status_change: Section | None = None

    def section(self, kind: RecordKind) -> Section | None:
        """The part about a kind; None where the mapping has none."""
        found = getattr(self, kind.value, None) if kind in KINDS else None
        return found if isinstance(found, Section) else None

    def sections(self) -> dict[RecordKind, Section]:
        """The parts there are."""
        return {kind: found for kind in KINDS if (found := self.section(kind)) is not None}


class Mappings:
    """The mappings by the day from which each counts."""

    def __init__(self, given: Sequence[FormMapping]) -> None:
        self._dated = sorted(given, key=lambda one: one.valid_from or date.min)

    @property
    def newest(self) -> FormMapping:
        """The one that counts last."""
        return self._dated[-1]

    def on(self, day: date | None) -> FormMapping:
        """The one in force on a day, the newest where no day is known; before the first one's day, the first."""
        if day is None:
            return self.newest
        return next((m for m in reversed(self._dated) if m.valid_from is None or m.valid_from <= day), self._dated[0])

    def __iter__(self) -> Iterator[FormMapping]:
        return iter(self._dated)


def read_mappings(place: Path, *, tables: bool) -> Mappings:
    """Read a mapping or a folder of them; ConfigurationError names file and entry.

    tables: whether rows are handed over, not files
    """
    try:
        paths = sorted(place.glob("*.toml")) if place.is_dir() else [place]
        read = [(path, _read(path)) for path in paths]
    except OSError as error:
        raise ConfigurationError(
            tr(
                "{setting}: {name} cannot be read: {strerror}",
                setting=_setting,
                name=place.name,
                strerror=error.strerror,
            )
        ) from None
    if not read:
        raise ConfigurationError(
            tr("{setting}: the folder {name} holds no .toml file", setting=_setting, name=place.name)
        )
    for path, one in read:
        wrong = next(_wrong(one, tables=tables), None)
        if wrong is not None:
            raise ConfigurationError(f"{_setting}: {path.name}: {wrong}")
    _agree([one for _, one in read])
    return Mappings([one for _, one in read])


_setting = "GATEWAY_TRAINING_SYSTEM__MAPPINGS"


def _read(path: Path) -> FormMapping:
    try:
        return FormMapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise ConfigurationError(tr("{setting}: {name}: not TOML in UTF-8", setting=_setting, name=path.name)) from None
    except ValidationError as error:
        first: Any = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigurationError(f"{_setting}: {path.name}: {place}: {first['msg']}") from None


def _agree(mappings: Sequence[FormMapping]) -> None:
    """Whatever is kept beyond a switch must mean the same before and after it."""
    days_ = [one.valid_from for one in mappings]
    versions = [one.version for one in mappings]
    if len(set(days_)) < len(days_) or len(set(versions)) < len(versions):
        raise ConfigurationError(
            tr("{setting}: two mappings have the same valid_from or the same version", setting=_setting)
        )
    shapes = [
        {kind: found.listing and found.listing.key for kind, found in mapping.sections().items()}
        for mapping in mappings
    ]
    if any(shape != shapes[0] for shape in shapes):
        raise ConfigurationError(
            tr("{setting}: all mappings must have the same kinds, and the same list.key in each", setting=_setting)
        )


def _wrong(mapping: FormMapping, *, tables: bool) -> Iterator[str]:
    sections = mapping.sections()
    if not sections:
        yield "describes neither person nor certificate"
    if RecordKind.STATUS_CHANGE in sections and RecordKind.CERTIFICATE not in sections:
        yield "describes status_change without certificate"
    with_list = [kind for kind, section in sections.items() if section.listing is not None]
    if with_list and any(kind not in with_list for kind in sections if kind is not RecordKind.STATUS_CHANGE):
        yield "has a list for one kind and none for another"
    if RecordKind.STATUS_CHANGE in with_list:
        yield "status_change.list: a changed certificate stands in the certificates' list"
    places = [found.listing.table if tables else found.listing.file for found in sections.values() if found.listing]
    if any(place is not None and places.count(place) > 1 for place in places):
        yield "two kinds have the same list"
    for kind, section in sections.items():
        for wrong in (
            *_wrong_columns(kind, section),
            *(_wrong_table(section) if tables else _wrong_files(section)),
            *_wrong_list(kind, section, tables=tables),
        ):
            yield f"{kind}.{wrong}"


def _wrong_columns(kind: RecordKind, section: Section) -> Iterator[str]:
    listed = section.listing.columns if section.listing else ()
    for part, columns in (("columns", section.columns), ("list.columns", listed)):
        headings = [one.heading for one in columns]
        if len(set(headings)) < len(headings):
            yield f"{part}: a heading comes twice"
        for one in columns:
            if one.source is not None and one.source not in sources(kind):
                close = get_close_matches(one.source, sources(kind), n=1)
                yield f"{part}: from = {one.source!r} is no source" + (f"; meant {close[0]!r}?" if close else "")
            elif one.date and one.source not in days(kind):
                yield f"{part}: {one.heading}: date is for days, and {one.source!r} is none"
    if "record" not in (one.source for one in section.columns):
        yield "columns: one must hold our number of the record (from = 'record'), by which it comes back"
    if any(one.source == "record" and (one.codes or one.names) for one in section.columns):
        yield "columns: our number of the record is written as it is"


def _wrong_files(section: Section) -> Iterator[str]:
    if section.file is None or section.table is not None or section.returned.file is None:
        yield "file and returned.file must be named, and no table, for a file:// endpoint"
        return
    if unknown := {*_FIELDS.findall(section.file)} - {"message", "day"}:
        yield f"file: {{{min(unknown)}}} has no meaning; {{message}} and {{day}} have"
    elif "{message}" not in section.file:
        yield "file: must hold {message}, so that no two files have the same name"
    elif not is_file_name(section.name("0" * 26, date(2000, 1, 1))):
        yield "file: cannot be the name of a file"
    if unknown := {*_FIELDS.findall(section.returned.file)} - {"message", "day", "name"}:
        yield f"returned.file: {{{min(unknown)}}} has no meaning; {{name}}, {{message}} and {{day}} have"
    elif not {"message", "name"} & {*_FIELDS.findall(section.returned.file)}:
        yield "returned.file: must hold {name} or {message}, so that it answers one file"


def _wrong_table(section: Section) -> Iterator[str]:
    if section.table is None or section.file is not None or section.returned.file is not None:
        yield "table must be named, and no file, for the endpoint of a database"
    if "message" not in (one.source for one in section.columns):
        yield "columns: one must hold the number of the hand-over (from = 'message'), by which it is found again"
    if section.returned.record != section.heading("record"):
        yield "returned.record must be the column of our number, which stands in the same table"


def _wrong_list(kind: RecordKind, section: Section, *, tables: bool) -> Iterator[str]:
    listing = section.listing
    if listing is None:
        return
    if (listing.table is None) == tables or (listing.file is None) != tables:
        yield f"list: must name a {'table' if tables else 'file'}"
    listed = [one.source for one in listing.columns]
    for source in listing.key:
        if source not in listed:
            yield f"list.key: {source!r} is no source of list.columns"
    if tables and len(listing.key) != 1:
        yield "list.key: must be one column, by which the table is read on"
    if set(OF_MESSAGE) & {*listed}:
        yield "list.columns: what only a hand-over has stands in no list"
