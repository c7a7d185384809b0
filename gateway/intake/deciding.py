"""Decide about a row that was held for a person: it goes, or it goes back to the city.

What was read is not changed. The decided row is read again from its kept cells and judged as a batch of its own, in
which the rules that held it warn (or refuse), so that the held row counts as answered.
"""

from __future__ import annotations

import hashlib

from gateway.domain.errors import InputError
from gateway.intake.admit import IntakeContext, IntakeReport, admit_batch
from gateway.intake.reading.columns import field_of
from gateway.intake.reading.reader import Batch
from gateway.intake.reading.rows import read_row
from gateway.intake.rules.gate_table import Severity
from gateway.intake.scans import GoodScan, HeldScans
from gateway.intake.store import batches
from gateway.intake.store.batches import HeldRow
from gateway.locale import tr
from gateway.store import audit
from gateway.store.engine import Connection

_LONGEST_NAME = 200


def decide(desk: IntakeContext, name: str, row_no: int, *, admit: bool, reason: str, by: str) -> IntakeReport:
    """Admit or refuse the held row of a batch or report; what became of it.

    InputError where there is none, its cells were cleared, it was decided before, or a rule refuses what is to go.
    """
    with desk.store.read() as connection:
        held = batches.held_row(connection, desk.store.vault, name, row_no)
    if held is None:
        raise InputError(
            tr("row {row_no}: no batch or report of this name has such a row that waits for a person", row_no=row_no)
        )
    if held.packed is None:
        raise InputError(tr("row {row_no}: its cells were cleared; the city has to report it again", row_no=row_no))
    cells = batches.unpack(held.packed)
    given = {field: text for header, text in cells.items() if (field := field_of(header)) is not None}
    ending = f" row {row_no}"
    batch = Batch(
        name=held.batch[: _LONGEST_NAME - len(ending)] + ending,
        # one decision for each held row, whoever is quicker
        digest=hashlib.sha256(f"decision/{held.digest}/{row_no}".encode()).hexdigest(),
        sheet="",
        columns=tuple(cells),
        rows=[read_row(row_no, cells, given)],
    )
    severity = Severity.WARN if admit else Severity.REFUSE
    tried = admit_batch(batch, desk, dry_run=True, holds=severity)
    if admit and tried.refused and not tried.repeated:
        raise InputError(
            tr(
                "row {row_no}: rules {names} refuse it; the city has to correct it",
                row_no=row_no,
                names=", ".join(sorted(tried.gates)),
            )
        )

    def note(connection: Connection) -> bool:
        audit.note(
            connection,
            at=desk.now,
            actor=by,
            action="decide",
            subject=f"{held.batch}/{row_no}"[:120],
            reason=reason,
            detail={"decision": "admit" if admit else "refuse", "rules": sorted({*tried.gates, *tried.warnings})},
        )
        return True

    report = admit_batch(batch, desk, claim=note, scans=_held_scans(held), holds=severity)
    if report.repeated:
        raise InputError(tr("row {row_no}: it was decided before", row_no=row_no))
    return report


def _held_scans(held: HeldRow) -> HeldScans:
    """What came with the row; its bytes are kept already and never read."""
    return HeldScans(tuple(GoodScan(**one, read=bytes) for one in held.scans))
