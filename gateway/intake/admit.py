"""Take a reported batch in: every row is judged, what may go becomes records and deliveries, all in one commit.

The same file twice changes nothing. A row that says what we hold already is a no-op; one that says something else is a
new version; one with the mark of withdrawal takes its certificate back, and one with a change of status changes that
and nothing else. What is refused or held stays with its reasons and its cells, so that it can be written back to the
city.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from gateway.contract.connector import ConnectorInfo
from gateway.delivery.store import owing, void_versions
from gateway.domain.status import is_void
from gateway.intake.judged_rows import JudgedRows, Progress
from gateway.intake.reading.characters import readable_name
from gateway.intake.reading.problems import FileRefused
from gateway.intake.reading.reader import Batch, read_batch
from gateway.intake.reading.returns import RefusedRow, verify_writable, write_returns
from gateway.intake.reading.scan_source import companion
from gateway.intake.rules.gate_rules import GateRules
from gateway.intake.rules.gate_table import Severity
from gateway.intake.rules.gates import RowOutcome
from gateway.intake.scans import BatchScans, NoScans, ScanLimits
from gateway.intake.store import batches
from gateway.intake.store.batches import FilingRow
from gateway.intake.versions import UNCHANGED, WITHDRAW, JudgedRow, Versions
from gateway.store import records
from gateway.store.attachments import keep_attachment
from gateway.store.engine import Connection, Store

__all__ = ["UNCHANGED", "WITHDRAW", "IntakeContext", "IntakeReport", "admit_batch", "take_in"]
_LIMITS = ScanLimits()
HandBack = Callable[[Sequence[str], Iterable[RefusedRow]], int]


@dataclass(kw_only=True)
class IntakeReport:
    """What became of a file. ``gates`` counts refused and held rows by rule id; a row may count under several.

    ``warnings`` counts rows that went, or say what we hold already, by the rule that warns about them.
    """

    name: str
    digest: str
    rows: int = 0
    admitted: int = 0
    refused: int = 0
    held: int = 0
    unchanged: int = 0
    withdrawn: int = 0
    """admitted rows that took a certificate back"""
    warned: int = 0
    """admitted or unchanged rows about which something is to be said"""
    gates: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    deliveries: Counter[str] = field(default_factory=Counter)
    repeated: bool = False
    """the file had been read before; nothing was done"""
    returned: int = 0
    """rows written to the returns workbook: refused, held and warned about"""
    scans: int = 0
    """scans that were kept, or would be"""
    scan_troubles: list[Mapping[str, object]] = field(default_factory=list)
    """files beside the batch that were not kept, and why (``ScanTrouble``)"""
    left_out: Counter[str] = field(default_factory=Counter)
    """lines that are no filings, by kind (``Batch.left_out``)"""


@dataclass(frozen=True, kw_only=True)
class IntakeContext:
    """Where batches are taken in: the store, the platforms that are owed what is admitted, the rules and the moment."""

    store: Store
    infos: Sequence[ConnectorInfo]
    rules: GateRules
    now: datetime
    new_id: Callable[[], str]


def take_in(
    path: Path,
    store: Store,
    infos: Sequence[ConnectorInfo],
    *,
    rules: GateRules,
    now: datetime,
    new_id: Callable[[], str],
    scans: Path | None = None,
    limits: ScanLimits = _LIMITS,
    returns: Path | None = None,
    force: bool = False,
    dry_run: bool = False,
    progress: Progress = lambda _: None,
    keeping: Progress = lambda _: None,
) -> IntakeReport:
    """Read, judge and keep one file; raises InputError where it is no batch at all, and then keeps nothing.

    infos:    the platforms that are owed what is admitted
    scans:    folder or archive with the scans; None: the one beside the file that has its name, if any
    returns:  where to write the rows that do not go, and those with warnings, with their reasons
    force:    whether returns that are there already may be written over
    dry_run:  judge only
    progress: told how many rows are judged, ``keeping`` how many are kept
    """
    desk = IntakeContext(store=store, infos=infos, rules=rules, now=now, new_id=new_id)
    if returns is not None:
        if returns.exists() and path.exists() and returns.samefile(path):
            raise FileRefused(readable_name(returns), "is_input")
        verify_writable(returns, force=force)
    hand_back = None if returns is None else partial(write_returns, returns, force=force)
    batch, source = read_batch(path), scans or companion(path)
    given = NoScans() if source is None and rules.scans_since is None else BatchScans(source, rules, limits)
    if given.digest:  # the same rows with other scans are something else to read
        batch = replace(batch, digest=hashlib.sha256(f"{batch.digest}/{given.digest}".encode()).hexdigest())
    return admit_batch(batch, desk, scans=given, returns=hand_back, dry_run=dry_run, progress=progress, keeping=keeping)


def admit_batch(
    batch: Batch,
    desk: IntakeContext,
    *,
    scans: NoScans | None = None,
    returns: HandBack | None = None,
    dry_run: bool = False,
    progress: Progress = lambda _: None,
    keeping: Progress = lambda _: None,
    claim: Callable[[Connection], bool] = lambda _: True,
    holds: Severity = Severity.HOLD,
) -> IntakeReport:
    """Judge and keep one batch, wherever its rows come from, with as much memory for many rows as for few.

    returns: takes the columns and the rows that go back to the city, once the batch is kept; gives how many
    claim: called in the transaction that keeps the batch, before anything is kept; False where another worker was
           quicker, and then nothing is
    holds: what becomes of failures that hold a row, where a person has decided about it
    """
    store = desk.store
    report = IntakeReport(name=batch.name, digest=batch.digest)
    with store.read() as connection:
        earlier = batches.known(connection, batch.digest)
        newest = records.last_id(connection)
    rows = JudgedRows(store, desk.rules, scans=scans, holds=holds)
    rows.read(batch.rows, progress)
    report.left_out.update(batch.left_out)
    with store.read() as connection:
        rows.settle(connection)
    report.scan_troubles += [vars(one) for one in rows.scans.troubles()]
    if earlier is None and not dry_run:
        with store.write() as connection:
            owing.lock_records(connection)
            # another worker may have kept the same file since we looked, or rows that contradict ours
            earlier = batches.known(connection, batch.digest)
            if earlier is None and claim(connection):
                if records.last_id(connection) != newest:
                    rows.settle_again(connection)
                _keep(connection, desk, rows, report, keeping)
            elif earlier is None:
                report.repeated = True
    if earlier is not None or report.repeated or dry_run:
        _count(report, rows)
    if earlier is not None:
        report.repeated = True
        report.unchanged = earlier.admitted + earlier.unchanged
    if report.repeated:
        report.admitted = report.withdrawn = 0
    if returns is not None:
        report.returned = returns(batch.columns, _returned(rows))
    return report


def _returned(rows: JudgedRows) -> Iterator[RefusedRow]:
    for row in rows.failing():
        yield RefusedRow(number=row.number, cells=batches.unpack(row.packed), failures=row.failures)


def _count(report: IntakeReport, rows: JudgedRows) -> None:
    for block in rows.blocks():
        _tally(report, block, rows.scans)


def _tally(report: IntakeReport, rows: Sequence[JudgedRow], scans: NoScans) -> None:
    report.rows += len(rows)
    for row in rows:
        rules = {failure.gate for failure in row.failures if failure.severity is not Severity.WARN}
        if row.outcome is not RowOutcome.REFUSE and row.filing is not None:
            report.scans += len(scans.good(row.filing))
        match row.outcome:
            case RowOutcome.REFUSE:
                report.refused += 1
                report.gates.update(rules)
            case RowOutcome.HOLD:
                report.held += 1
                report.gates.update(rules)
            case RowOutcome.ADMIT:
                report.admitted += 1
                report.withdrawn += row.withdraws
                report.warned += bool(row.failures)
                report.warnings.update({failure.gate for failure in row.failures})


def _keep(
    connection: Connection, desk: IntakeContext, rows: JudgedRows, report: IntakeReport, keeping: Progress
) -> None:
    """Batch, records, deliveries, search index and filings. The caller holds ``lock_records``."""
    batch_id = batches.add_batch(connection, report.name, report.digest, read_at=desk.now)
    withdrawn = 0
    for block in rows.blocks():
        _tally(report, block, rows.scans)
        outcomes = _keep_block(connection, desk, batch_id, block, report, scans=rows.scans)
        report.unchanged += outcomes[UNCHANGED]
        withdrawn += outcomes[WITHDRAW]
        keeping(report.rows)
    report.admitted -= report.unchanged
    report.withdrawn = withdrawn
    counted = ("rows", "admitted", "refused", "held", "unchanged")
    batches.count_batch(connection, batch_id, {name: getattr(report, name) for name in counted})
    for info in desk.infos:
        report.deliveries[info.platform] += owing.owe(connection, info, desk.now)


def _keep_block(
    connection: Connection,
    desk: IntakeContext,
    batch_id: int,
    block: Sequence[JudgedRow],
    report: IntakeReport,
    *,
    scans: NoScans,
) -> Counter[str]:
    """Keep some rows of a batch; what they add is there for those that follow. Gives how many have which outcome."""
    vault = desk.store.vault
    versions = Versions(
        connection=connection, store=desk.store, rules=desk.rules, now=desk.now, new_id=desk.new_id, scans=scans
    )
    filings = versions.of(block)
    if scans.brings:
        filings = [_with_scans(connection, desk, row, kept, scans) for row, kept in zip(block, filings, strict=True)]
    added = records.add(
        connection, vault, versions.new, batch_id=batch_id, now=desk.now, fingerprints=versions.fingerprints
    )
    records.add_changes(connection, vault, added, versions.changes)
    ended = {record.key for _, record in added if is_void(record.content)}
    if ended:
        void_versions.cancel_overtaken(connection, ended, desk.now)
    records.index(connection, vault, versions.entries, desk.now)
    batches.add_filings(connection, vault, batch_id, filings)
    report.records.update(record.kind for _, record in added)
    return Counter(filing.outcome for filing in filings)


def _with_scans(
    connection: Connection, desk: IntakeContext, row: JudgedRow, kept: FilingRow, scans: NoScans
) -> FilingRow:
    """The row with its scans, which are sealed one at a time; what is refused comes again with its own."""
    if row.outcome is RowOutcome.REFUSE or row.filing is None:
        return kept
    held = [
        (
            scan.kind,
            keep_attachment(
                connection,
                desk.store.vault,
                digest=scan.digest,
                media_type=scan.media_type,
                size=scan.size,
                read=scan.read,
                now=desk.now,
            ),
        )
        for scan in scans.good(row.filing)
    ]
    return replace(kept, scans=held)
