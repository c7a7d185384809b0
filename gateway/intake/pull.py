"""Take in what the information system shows in a view: the same rows, judged as those of a file, one batch per report.

A pull may be ended at any moment. Each report's rows are kept in one commit together with the note that they were seen,
and the watermark moves when all of them are; what was read and not kept is read again.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.delivery.store import owing
from gateway.domain.errors import ConfigurationError, InputError
from gateway.intake.admit import Desk, IntakeReport, admit_batch
from gateway.intake.identity import REPORT_NO
from gateway.intake.reading.cells import Cell
from gateway.intake.reading.columns import COLUMNS, FIELDS, title
from gateway.intake.reading.reader import Batch
from gateway.intake.reading.returns import Returns
from gateway.intake.reading.rows import Row, read_row
from gateway.intake.reading.values import original_text
from gateway.intake.rules.gate_rules import CHINA
from gateway.intake.store import source
from gateway.intake.store.source import Mark, SourceReader, SourceRow, SourceView
from gateway.settings import SourceSettings
from gateway.store.engine import Connection

_DIGITS = 10**15
"""from here on a spreadsheet would have lost digits; a database has not, so such numbers are handed on as text"""
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


def read_mapping(path: Path) -> SourceView:
    """The view that a mapping file describes; ConfigurationError names what is wrong in it."""
    try:
        told = _Mapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(f"GATEWAY_SOURCE__MAPPING: {path.name} cannot be opened ({error.strerror})") from None
    except ValidationError as error:
        flaws = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise ConfigurationError(f"{path.name}: {flaws}") from None
    except ValueError as error:
        raise ConfigurationError(f"{path.name}: not TOML in UTF-8: {error}") from None
    unknown = sorted(set(told.columns) - set(FIELDS))
    absent = [f"{c.field} ({c.title})" for c in COLUMNS if c.needed and c.field not in told.columns]
    if unknown or absent:
        both = [f"unknown fields: {', '.join(unknown)}"] * bool(unknown) + [f"missing: {'、'.join(absent)}"] * bool(
            absent
        )
        raise ConfigurationError(f"{path.name}: columns: {'; '.join(both)}")
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
    desk: Desk,
    *,
    dry_run: bool = False,
    everything: bool = False,
    returns: Path | None = None,
) -> PullReport:
    """Read what is new in the source and take it in.

    everything: read from the beginning; rows seen in the same form are left out as always
    returns:    where to write the rows that go back, of all reports; InputError where a file is there already, because
                a pull tells of each row once. No file is written where there are none.
    """
    if settings.url is None or settings.mapping is None:
        raise ConfigurationError("no source: set GATEWAY_SOURCE__URL and GATEWAY_SOURCE__MAPPING")
    view = read_mapping(settings.mapping)
    with desk.store.read() as connection:
        start = source.progress(connection, view.name)
    since = None if everything or start.mark is None else source.earlier(start.mark, view)
    one = _Pull(desk=desk, view=view, revision=start.revision, mark=start.mark, dry_run=dry_run)
    with ExitStack() as stack:
        if returns is not None:
            if returns.exists():
                raise InputError(
                    f"{returns.name}: is there already; returns that were not sent yet are not written over"
                )
            one.returns = stack.enter_context(Returns(returns, [title(ours) for ours in view.columns]))
        with source.reading(settings.url.get_secret_value(), view) as reader:
            one.run(reader, since)
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
    desk: Desk
    view: SourceView
    revision: int
    mark: Mark | None
    dry_run: bool
    returns: Returns | None = None
    report: PullReport = field(init=False)

    def __post_init__(self) -> None:
        self.report = PullReport(source=self.view.name)

    def run(self, reader: SourceReader, since: Mark | None) -> None:
        highest = self.mark
        for number in reader.reports(since):
            rows = list(reader.rows(number, since))
            self.report.read += len(rows)
            self._take(number, rows)
            if self.report.overtaken:
                return
            highest = _highest(highest, (row.mark for row in rows), self.desk.now)
        self.mark = highest

    def _take(self, number: Any, rows: Sequence[SourceRow]) -> None:
        vault, name = self.desk.store.vault, self.view.name
        keys = [vault.index(f"source_key:{name}", _canonical(row.key)) for row in rows]
        if len(set(keys)) < len(keys):
            raise ConfigurationError(f"source {name}: the key of the mapping stands for several rows at once")
        digests = dict(zip(keys, (vault.index("source_row", _canonical(row.values)) for row in rows), strict=True))
        with self.desk.store.read() as connection:
            seen = source.seen(connection, name, keys)
        fresh = {key: row for key, row in zip(keys, rows, strict=True) if seen.get(key) != digests[key]}
        self.report.seen += len(rows) - len(fresh)
        if not fresh:
            return
        batch = _batch(name, number, list(fresh.values()), self.desk.new_id)
        claim = self._claim({key: digests[key] for key in fresh})
        returns = self.returns
        hand_back = None if returns is None else lambda _, rows: returns.add(rows)
        one = admit_batch(batch, self.desk, returns=hand_back, dry_run=self.dry_run, claim=claim)
        if one.repeated:
            self.report.overtaken = True
            return
        self.report.batches.append(one)
        self.revision += not self.dry_run

    def _claim(self, digests: Mapping[str, str]) -> Callable[[Connection], bool]:
        def claim(connection: Connection) -> bool:
            if not source.step(connection, self.view.name, self.revision, self.desk.now):
                return False
            source.remember(connection, self.view.name, digests, self.desk.now)
            return True

        return claim


def _batch(name: str, number: Any, rows: Sequence[SourceRow], new_id: Callable[[], str]) -> Batch:
    """Rows of one report as a batch. Its digest is drawn, because what was seen is known row by row."""
    columns = tuple(title(ours) for ours in rows[0].values)
    known = str(number) if number is not None and REPORT_NO.fullmatch(str(number)) else "(no number)"
    digest = hashlib.sha256(f"{name}/{new_id()}".encode()).hexdigest()
    return Batch(name=f"{name} {known}", digest=digest, sheet="", columns=columns, rows=list(_rows(rows)))


def _rows(rows: Sequence[SourceRow]) -> Iterator[Row]:
    for number, row in enumerate(rows, start=1):
        given = {ours: _cell(value) for ours, value in row.values.items()}
        cells = {title(ours): original_text(cell) for ours, cell in given.items() if cell != ""}
        yield read_row(number, cells, given)


def _cell(value: Any) -> Cell:
    """A value of the database as a cell; what no cell can hold becomes text."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _DIGITS:
        return str(value)
    return value if isinstance(value, str | int | float | date | datetime | timedelta) else str(value)


def _canonical(values: Any) -> str:
    return json.dumps(values, ensure_ascii=False, sort_keys=True, default=str)


def _highest(known: Mark | None, marks: Iterator[Mark | None], now: datetime) -> Mark | None:
    """The greatest watermark that is believed; one of another type than before starts anew."""
    believed = [mark for mark in marks if mark is not None and not _too_late(mark, now)]
    if not believed:
        return known
    top: Any = max(believed)
    same: list[Any] = [mark for mark in (known, top) if type(mark) is type(top)]
    highest: Mark = max(same)
    return highest


def _too_late(mark: Mark, now: datetime) -> bool:
    latest = now.astimezone(CHINA) + _CLOCKS
    if isinstance(mark, datetime):
        return mark > (latest if mark.tzinfo else latest.replace(tzinfo=None))
    if isinstance(mark, date):
        return mark > latest.date()
    return isinstance(mark, str) and mark[:10] > latest.date().isoformat()
