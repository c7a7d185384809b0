"""The returns of what was taken in, written from the store: for rows of a database, and again where a file was lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from gateway.delivery.store import owing
from gateway.domain.errors import InputError
from gateway.intake.reading.columns import COLUMNS, field_of
from gateway.intake.reading.returns import LEADING, RefusedRow, Returns
from gateway.intake.rules.gate_table import GateFailure, Severity
from gateway.intake.store import batches, reports, views
from gateway.locale import tr
from gateway.store import audit
from gateway.store.engine import Connection, Store


def hand_back(store: Store, name: str, path: Path, *, force: bool = False) -> int:
    """Write what goes back of a batch or report; gives how many rows. InputError where nothing is of this name.

    Rows whose cells were cleared since are not among them. ``force`` writes over returns that are there already.
    """
    with store.read() as connection:
        ids = batches.named(connection, name)
        if not ids:
            raise InputError(tr("there is no batch or report of this name"))
        headers: dict[str, None] = {}
        for row in _rows(connection, store, ids, name):
            headers |= dict.fromkeys(row.cells)
        with Returns(path, form_columns(list(headers)), force=force) as book:
            return book.add(_rows(connection, store, ids, name))


def form_columns(seen: Sequence[str]) -> tuple[str, ...]:
    """The headers under which rows came, in the order of the form and with those of it that were empty throughout."""
    by_field = {field_of(header): header for header in reversed(seen)}
    others = [header for header in seen if field_of(header) is None and header not in LEADING]
    return (*(by_field.get(column.field, column.title) for column in COLUMNS), *others)


def _rows(connection: Connection, store: Store, ids: Sequence[int], name: str) -> Iterator[RefusedRow]:
    for kept in batches.failing(connection, store.vault, ids, name):
        yield RefusedRow(
            number=kept.row_no,
            cells=batches.unpack(kept.packed),
            failures=tuple(_failure(one, kept.outcome) for one in kept.failures),
        )


def _failure(told: Mapping[str, str], outcome: str) -> GateFailure:
    """A failure as it was kept; before severities were kept, a held row told of nothing but holds."""
    usual = Severity.HOLD if outcome == "hold" else Severity.REFUSE
    return GateFailure(
        gate=told["gate"],
        field=told["field"],
        message=told["message"],
        message_zh=told["message_zh"],
        severity=Severity(told.get("severity", usual)),
    )


def close_report(store: Store, report_no: str, *, reason: str, by: str, now: datetime) -> bool:
    """Close a report; False where it was closed by hand before. InputError where no batch has rows of it."""
    with store.write() as connection:
        owing.lock_records(connection)
        if not any(part.report_no == report_no for part in views.parts(connection, report_no)):
            raise InputError(tr("there is no report of this number"))
        if not reports.close(connection, report_no, reason, now):
            return False
        audit.note(connection, at=now, actor=by, action="close", subject=report_no, reason=reason)
        return True
