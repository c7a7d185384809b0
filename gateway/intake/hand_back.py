"""The returns of what was taken in, written from the store: for rows of a database, again where a file was lost, and
with what platforms refused since.

A row that went and was refused by a platform for the data's sake goes home like one that a gate refused: with the cell,
the reason in Chinese and the platform's own words. Once the city's correction is there it is written no more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from gateway.contract.connector import Connector
from gateway.delivery.refusals import CHECK, Refusal, refusals
from gateway.delivery.store import owing
from gateway.domain.errors import InputError
from gateway.intake.reading.columns import COLUMNS, field_of
from gateway.intake.reading.record_fields import cell_of
from gateway.intake.reading.returns import LEADING, RefusedRow, Returns
from gateway.intake.rules.gate_table import GateFailure, Severity
from gateway.intake.store import batches, refused, reports, views
from gateway.locale import tr
from gateway.store import audit
from gateway.store.engine import Connection, Store

Refusals = Mapping[str, Sequence[GateFailure]]
"""key of a certificate or person -> what platforms say against it"""


def hand_back(
    store: Store, name: str, path: Path, connectors: Mapping[str, Connector] | None = None, *, force: bool = False
) -> int:
    """Write what goes back of a batch or report; gives how many rows. InputError where nothing is of this name.

    connectors: of the platforms, by name; they know which of our fields a platform means
    Rows whose cells were cleared since are not among them. ``force`` writes over returns that are there already.
    """
    with store.read() as connection:
        ids = batches.named(connection, name)
        if not ids:
            raise InputError(tr("there is no batch or report of this name"))
        told = platform_refusals(store, connection, connectors or {}, refused.keys_in(connection, ids))
        headers: dict[str, None] = {}
        for row in _rows(connection, store, ids, name, told):
            headers |= dict.fromkeys(row.cells)
        with Returns(path, form_columns(list(headers)), force=force) as book:
            return book.add(_rows(connection, store, ids, name, told))


def platform_refusals(
    store: Store, connection: Connection, connectors: Mapping[str, Connector], keys: Collection[str]
) -> Refusals:
    """What platforms refuse of certificates and persons, as the gates would say it."""
    found: defaultdict[str, list[GateFailure]] = defaultdict(list)
    for one in refusals(store, connection, connectors, keys=keys):
        found[one.delivery.record_key] += _as_failures(one)
    return found


def _as_failures(one: Refusal) -> list[GateFailure]:
    """One failure for each field; ``gate`` is the platform, which stands where a rule of ours would."""
    failures = []
    for problem in one.problems:
        chinese = problem.message_zh or problem.message
        if one.delivery.code == CHECK and chinese:
            chinese = f"不符合{one.title_zh}的要求：{chinese}"
        failures.append(
            GateFailure(
                gate=one.delivery.platform,
                field=cell_of(one.delivery.kind, problem.field),
                message=problem.message,
                message_zh=chinese,
            )
        )
    return list(dict.fromkeys(failures))


def form_columns(seen: Sequence[str]) -> tuple[str, ...]:
    """The headers under which rows came, in the order of the form and with those of it that were empty throughout."""
    by_field = {field_of(header): header for header in reversed(seen)}
    others = [header for header in seen if field_of(header) is None and header not in LEADING]
    return (*(by_field.get(column.field, column.title) for column in COLUMNS), *others)


def _rows(connection: Connection, store: Store, ids: Sequence[int], name: str, told: Refusals) -> Iterator[RefusedRow]:
    for kept in batches.failing(connection, store.vault, ids, name):
        ours = [_failure(one, kept.outcome) for one in kept.failures]
        theirs = [one for key in (kept.person_key, kept.certificate_key) for one in told.get(key or "", ())]
        if ours or theirs:
            failures = tuple(dict.fromkeys((*ours, *theirs)))
            yield RefusedRow(number=kept.row_no, cells=batches.unpack(kept.packed), failures=failures)


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
