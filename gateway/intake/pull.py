"""Take in what the information system shows in a view: the same rows, judged as those of a file, one batch per report.

A pull may be ended at any moment. Each report's rows are kept in one commit together with the note that they were seen,
and the watermark moves when all of them are; what was read and not kept is read again.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.delivery.store import owing
from gateway.domain.errors import ConfigurationError, InputError
from gateway.intake.admit import IntakeContext, IntakeReport, admit_batch
from gateway.intake.reading.cells import Cell
from gateway.intake.reading.columns import COLUMNS, FIELDS, title
from gateway.intake.reading.reader import Batch
from gateway.intake.reading.returns import RefusedRow, Returns
from gateway.intake.reading.rows import Row, read_row
from gateway.intake.reading.values import original_text
from gateway.intake.rules.gate_rules import CHINA
from gateway.intake.rules.gate_table import GateFailure, Severity
from gateway.intake.rules.gates import REPORT_NO
from gateway.intake.store import source
from gateway.intake.store.source import Mark, Remembered, SourceReader, SourceRow, SourceView
from gateway.locale import tr
from gateway.settings import SourceSettings
from gateway.store.engine import Connection

_DIGITS = 10**15
"""from here on a spreadsheet would have lost digits; a database has not, so such numbers are handed on as text"""
_BLOCK = 500
"""rows whose history is asked for at once"""
_BITS = 8
"""bytes of the longest bit column that is read as a number"""
SOURCE_KEY = "源系统主键"
"""header of the column in which the returns name a row by its key in the source"""
DELETED = GateFailure(
    gate="R-DELETED",
    field="",
    message="taken in before and not in the source any more; a certificate is withdrawn by a report only",
    message_zh="该行此前已接收，源系统中已不存在；如需撤回证书，请填写撤回标记报送",
    severity=Severity.WARN,
)
_CLOCKS = timedelta(days=1)
"""how far clocks and zones may be apart; a row stamped later than that is read, but does not move the watermark"""


class _Mapping(BaseModel):
    """The mapping file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[\w-]{1,60}$")]
    view: str
    schema_: Annotated[str | None, Field(alias="schema")] = None
    key: Annotated[list[str], Field(min_length=1)]
    watermark: str
    overlap_seconds: Annotated[float, Field(ge=0)] = 3600
    overlap_steps: Annotated[int, Field(ge=0)] = 1000
    columns: dict[str, str]


@dataclass(kw_only=True)
class PullReport:
    """What a pull found. ``read`` counts rows of the view from the overlap on, ``seen`` those taken in before."""

    source: str
    read: int = 0
    seen: int = 0
    batches: list[IntakeReport] = field(default_factory=list)
    watermark: str | None = None
    """where the next pull goes on, before the overlap is taken off"""
    overtaken: bool = False
    """another pull was at work; this one stopped"""
    deleted: int = 0
    """rows taken in before that the view does not hold any more; only a pull of everything can tell"""


def read_mapping(path: Path) -> SourceView:
    """The view that a mapping file describes; ConfigurationError names what is wrong in it."""
    try:
        told = _Mapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise ConfigurationError(
            tr("GATEWAY_SOURCE__MAPPING: {name} cannot be opened ({strerror})", name=path.name, strerror=error.strerror)
        ) from None
    except ValidationError as error:
        flaws = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise ConfigurationError(f"{path.name}: {flaws}") from None
    except ValueError as error:
        raise ConfigurationError(tr("{name}: not TOML in UTF-8: {error}", name=path.name, error=error)) from None
    unknown = sorted(set(told.columns) - set(FIELDS))
    absent = [f"{c.field} ({c.title})" for c in COLUMNS if c.needed and c.field not in told.columns]
    if unknown or absent:
        both = [f"unknown fields: {', '.join(unknown)}"] * bool(unknown) + [f"missing: {'、'.join(absent)}"] * bool(
            absent
        )
        raise ConfigurationError(tr("{name}: columns: {names}", name=path.name, names="; ".join(both)))
    return SourceView(
        name=told.name,
        view=told.view,
        schema=told.schema_,
        key=told.key,
        watermark=told.watermark,
        overlap=timedelta(seconds=told.overlap_seconds),
        overlap_steps=told.overlap_steps,
        columns=told.columns,
    )


def pull(
    settings: SourceSettings,
    desk: IntakeContext,
    *,
    dry_run: bool = False,
    everything: bool = False,
    returns: Path | None = None,
) -> PullReport:
    """Read what is new in the source and take it in.

    everything: read from the beginning; rows seen in the same form are left out as always, and rows that are not there
                any more are counted and named in the returns. Nothing is withdrawn for that.
    returns:    where to write the rows that go back, of all reports; InputError where a file is there already, because
                a pull tells of each row once. No file is written where there are none.
    """
    if settings.url is None or settings.mapping is None:
        raise ConfigurationError(tr("no source: set GATEWAY_SOURCE__URL and GATEWAY_SOURCE__MAPPING"))
    view = read_mapping(settings.mapping)
    with desk.store.read() as connection:
        start = source.progress(connection, view.name)
    since = None if everything or start.mark is None else source.earlier(start.mark, view)
    one = _Pull(desk=desk, view=view, revision=start.revision, mark=start.mark, dry_run=dry_run)
    with ExitStack() as stack:
        if returns is not None:
            if returns.exists():
                raise InputError(
                    tr(
                        "{name}: is there already; returns that were not sent yet are not written over",
                        name=returns.name,
                    )
                )
            columns = [SOURCE_KEY, *(title(ours) for ours in view.columns)]
            one.returns = stack.enter_context(Returns(returns, columns))
        with source.reading(settings.url.get_secret_value(), view) as reader:
            reader.check_watermarks()
            one.run(reader, since)
        if everything and not one.report.overtaken:
            one.tell_deleted()
    if returns is not None and one.returns is not None and not one.returns.rows:
        returns.unlink(missing_ok=True)
    if one.mark != start.mark and not dry_run and not one.report.overtaken:
        with desk.store.write() as connection:
            owing.lock_records(connection)
            one.report.overtaken = not source.step(connection, view.name, one.revision, desk.now, one.mark)
    one.report.watermark = None if one.mark is None else str(one.mark)
    return one.report


@dataclass(kw_only=True)
class _Pull:
    desk: IntakeContext
    view: SourceView
    revision: int
    mark: Mark | None
    dry_run: bool
    returns: Returns | None = None
    report: PullReport = field(init=False)
    _there: set[str] = field(default_factory=set)
    """digests of the keys of all rows that were read"""

    def __post_init__(self) -> None:
        self.report = PullReport(source=self.view.name)

    def run(self, reader: SourceReader, since: Mark | None) -> None:
        believed = self.mark
        for number in reader.reports(since):
            taking = _Taking(pull=self, rows=reader.rows(number, since))
            self._take(number, taking)
            if self.report.overtaken:
                return
            believed = _highest(believed, taking.mark)
        self.mark = believed

    def _take(self, number: Any, taking: _Taking) -> None:
        """Take in what is new of one report; it is read as it is judged, never held as a whole."""
        rows = taking.fresh()
        first = next(rows, None)
        if first is None:
            return
        batch = _batch(self.view, number, itertools.chain([first], rows), self.desk.new_id)
        returns = self.returns
        hand_back = None if returns is None else lambda _, rows: returns.add(rows)
        one = admit_batch(batch, self.desk, returns=hand_back, dry_run=self.dry_run, claim=self._claim(taking.taken))
        if one.repeated:
            self.report.overtaken = True
            return
        self.report.batches.append(one)
        self.revision += not self.dry_run

    def _claim(self, taken: Mapping[str, Remembered]) -> Callable[[Connection], bool]:
        def claim(connection: Connection) -> bool:
            if not source.step(connection, self.view.name, self.revision, self.desk.now):
                return False
            source.remember(connection, self.desk.store.vault, self.view.name, taken, self.desk.now)
            return True

        return claim

    def unseen(self, rows: Sequence[SourceRow]) -> Iterator[tuple[SourceRow, str, str]]:
        """Those of the rows that are new or changed, each with the digests of its key and of its content."""
        vault, name = self.desk.store.vault, self.view.name
        keys = [vault.mark(f"source_key:{name}", _canonical(row.key).encode()) for row in rows]
        if len(set(keys)) < len(keys) or not self._there.isdisjoint(keys):
            raise ConfigurationError(
                tr("source {name}: the key of the mapping stands for several rows at once", name=name)
            )
        self._there.update(keys)
        self.report.read += len(rows)
        with self.desk.store.read() as connection:
            seen = source.seen(connection, name, keys)
        for row, key in zip(rows, keys, strict=True):
            digest = vault.mark("source_row", _canonical(row.values).encode())
            if seen.get(key) == digest:
                self.report.seen += 1
            else:
                yield row, key, digest

    def tell_deleted(self) -> None:
        """Count the rows that are not in the view any more, and name them in the returns."""
        with self.desk.store.read() as connection:
            gone = source.gone(connection, self.desk.store.vault, self.view.name, self._there)
            for number, key in enumerate(gone, start=1):
                self.report.deleted = number
                if self.returns is not None:
                    self.returns.add([RefusedRow(number=number, cells={SOURCE_KEY: key}, failures=(DELETED,))])


@dataclass(kw_only=True)
class _Taking:
    """The rows of one report on their way; ``taken`` and ``mark`` are whole once all were read."""

    pull: _Pull
    rows: Iterator[SourceRow]
    taken: dict[str, Remembered] = field(default_factory=dict)
    mark: Mark | None = None
    """the greatest watermark that is believed"""

    def fresh(self) -> Iterator[Row]:
        number = 0
        while block := list(itertools.islice(self.rows, _BLOCK)):
            for row in block:
                if row.mark is not None and not _too_late(row.mark, self.pull.desk.now):
                    self.mark = _highest(self.mark, row.mark)
            for row, key, digest in self.pull.unseen(block):
                number += 1
                self.taken[key] = Remembered(digest=digest, key=_key_text(row))
                yield _row(number, row)


def _batch(view: SourceView, number: Any, rows: Iterable[Row], new_id: Callable[[], str]) -> Batch:
    """Rows of one report as a batch. Its digest is drawn, because what was seen is known row by row."""
    columns = (SOURCE_KEY, *(title(ours) for ours in view.columns))
    text = "" if number is None else str(_plain(number)).strip()
    known = text if REPORT_NO.fullmatch(text) else "(no number)"
    digest = hashlib.sha256(f"{view.name}/{new_id()}".encode()).hexdigest()
    return Batch(name=f"{view.name} {known}", digest=digest, sheet="", columns=columns, rows=rows)


def _row(number: int, row: SourceRow) -> Row:
    given = {ours: _cell(value) for ours, value in row.values.items()}
    cells = {title(ours): original_text(cell) for ours, cell in given.items() if cell != ""}
    return read_row(number, {SOURCE_KEY: _key_text(row), **cells}, given)


def _key_text(row: SourceRow) -> str:
    return " ".join(str(_cell(part)) for part in row.key)


def _plain(value: Any) -> Any:
    """A value without what a driver wraps it in: bytes of a bit or a text column, blanks that fill a CHAR column."""
    if isinstance(value, bytes | bytearray | memoryview):
        raw = bytes(value)
        if 0 < len(raw) <= _BITS and raw.count(0) >= len(raw) - 1 and max(raw, default=0) <= 1:
            return int.from_bytes(raw, "big")
        try:
            return raw.decode().rstrip(" \0")
        except UnicodeDecodeError:  # a picture
            return base64.b64encode(raw).decode()
    return value.rstrip(" ") if isinstance(value, str) else value


def _cell(value: Any) -> Cell:
    """A value of the database as a cell; what no cell can hold becomes text."""
    value = _plain(value)
    if value is None:
        return ""
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _DIGITS:
        return str(value)
    return value if isinstance(value, str | int | float | date | datetime | timedelta) else str(value)


def _canonical(values: Any) -> str:
    return json.dumps(values, ensure_ascii=False, sort_keys=True, default=_text)


def _text(value: Any) -> str:
    return str(bytes(value) if isinstance(value, memoryview) else value)


def _highest(known: Mark | None, mark: Mark | None) -> Mark | None:
    """The greater of two watermarks; one of another type than before starts anew."""
    if mark is None or type(known) is not type(mark):
        return known if mark is None else mark
    first: Any = known
    greater: Mark = max(first, mark)
    return greater


def _too_late(mark: Mark, now: datetime) -> bool:
    latest = now.astimezone(CHINA) + _CLOCKS
    if isinstance(mark, datetime):
        return mark > (latest if mark.tzinfo else latest.replace(tzinfo=None))
    if isinstance(mark, date):
        return mark > latest.date()
    return isinstance(mark, str) and mark[:10] > latest.date().isoformat()
