"""Take a reported batch in: every row is judged, what may go becomes records and deliveries, all in one commit.

The same file twice changes nothing. A row that says what we hold already is a no-op; one that says something else is a
new version; one with the mark of withdrawal takes its certificate back. What is refused or held stays with its reasons
and its cells, so that it can be written back to the city.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from gateway.contract.connector import ConnectorInfo
from gateway.domain.admission import NOT_HELD, judge_withdrawal, withdrawal_claims
from gateway.domain.filing import Filing
from gateway.domain.gates import GateFailure, GateRules, Outcome, cross_check, judge
from gateway.domain.records import Certificate, RecordKind, Worker
from gateway.intake.reader import Batch, Row, read_batch
from gateway.intake.returns import RefusedRow, write_returns
from gateway.service.versions import UNCHANGED, WITHDRAW, JudgedRow, Versions, identity, named_certificate
from gateway.store import batches, queueing, records
from gateway.store.engine import Connection, Store

__all__ = ["UNCHANGED", "WITHDRAW", "Desk", "IntakeReport", "admit_batch", "take_in"]

Progress = Callable[[int], None]


@dataclass(kw_only=True)
class IntakeReport:
    """What became of a file. ``gates`` counts refused and held rows by rule id; a row may count under several."""

    name: str
    digest: str
    rows: int = 0
    admitted: int = 0
    refused: int = 0
    held: int = 0
    unchanged: int = 0
    withdrawn: int = 0
    """admitted rows that took a certificate back"""
    gates: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    deliveries: Counter[str] = field(default_factory=Counter)
    repeated: bool = False
    """the file had been read before; nothing was done"""
    returned: int = 0
    """rows written to the returns workbook"""


@dataclass(frozen=True, kw_only=True)
class Desk:
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
    returns: Path | None = None,
    dry_run: bool = False,
    progress: Progress = lambda _: None,
) -> IntakeReport:
    """Read, judge and keep one file; raises InputError where it is no batch at all, and then keeps nothing.

    infos:    the platforms that are owed what is admitted
    returns:  where to write the rows that do not go, with their reasons
    dry_run:  judge only
    """
    desk = Desk(store=store, infos=infos, rules=rules, now=now, new_id=new_id)
    return admit_batch(read_batch(path), desk, returns=returns, dry_run=dry_run, progress=progress)


def admit_batch(
    batch: Batch,
    desk: Desk,
    *,
    returns: Path | None = None,
    dry_run: bool = False,
    progress: Progress = lambda _: None,
    claim: Callable[[Connection], bool] = lambda _: True,
) -> IntakeReport:
    """Judge and keep one batch, wherever its rows come from.

    claim: called in the transaction that keeps the batch, before anything is kept; False where another worker was
           quicker, and then nothing is
    """
    store = desk.store
    report = IntakeReport(name=batch.name, digest=batch.digest)
    with store.read() as connection:
        earlier = batches.known(connection, batch.digest)
    rows = list(_judged(batch, desk.rules, progress))
    with store.read() as connection:
        _cross_judge(connection, store, rows)
    if returns is not None:
        report.returned = write_returns(returns, batch.columns, _refused(rows))
    _count(report, rows)
    if earlier is None and not dry_run:
        with store.write() as connection:
            queueing.lock_records(connection)
            # another worker may have kept the same file since we looked
            earlier = batches.known(connection, batch.digest)
            if earlier is None:
                report.repeated = not claim(connection)
                if not report.repeated:
                    _keep(connection, desk, rows, report)
    if earlier is not None:
        report.repeated = True
        report.unchanged = earlier.admitted + earlier.unchanged
    if report.repeated:
        report.admitted = report.withdrawn = 0
    return report


def _judged(batch: Batch, rules: GateRules, progress: Progress) -> Iterator[JudgedRow]:
    for count, row in enumerate(batch.rows, start=1):
        yield JudgedRow(
            number=row.number,
            packed=batches.pack(row.cells),
            filing=row.filing,
            failures=_failures(row, rules),
        )
        progress(count)


def _failures(row: Row, rules: GateRules) -> tuple[GateFailure, ...]:
    if row.filing is None:
        return row.failures
    if row.filing.withdrawn:
        return judge_withdrawal(row.filing, row.failures)
    return (*row.failures, *judge(row.filing, rules))


def _cross_judge(connection: Connection, store: Store, rows: Sequence[JudgedRow]) -> None:
    """Add the failures that only show against the other rows and what is held already."""
    filings = [withdrawal_claims(row.filing) if row.filing and row.withdraws else row.filing for row in rows]
    for index, failures in cross_check(filings, _claims(connection, store, filings)).items():
        rows[index].failures = tuple(dict.fromkeys((*rows[index].failures, *failures)))
    going = {named_certificate(row.filing): row for row in rows if row.filing and row.withdraws}
    held = records.find(connection, store.vault, "certificate", going)
    for name, row in going.items():
        if name not in held and row.outcome is Outcome.ADMIT:
            row.failures = (*row.failures, NOT_HELD)


def _claims(connection: Connection, store: Store, filings: Iterable[Filing | None]) -> Mapping[str, str]:
    """What the store holds under the numbers of these filings, in the form of ``cross_keys``."""
    persons, numbers = set(), set()
    starts: dict[str, date] = {}
    for filing in filings:
        if filing is not None and filing.id_number and filing.certificate_number:
            persons.add(identity(filing.id_type or "", filing.id_number))
            numbers.add(filing.certificate_number)
            if filing.contract_start is not None:
                person = f"{filing.id_type}/{filing.id_number}"
                starts[person] = min(filing.contract_start, starts.get(person, filing.contract_start))
    claims: dict[str, str] = {}
    found = records.find(connection, store.vault, "id_number", persons)
    for record in records.newest_records(connection, store.vault, RecordKind.PERSON, _keys(found)):
        if isinstance(record.content, Worker):
            person = f"{record.content.id_type}/{record.content.id_number}"
            claims[f"name:{person}"] = record.content.name
    found = records.find(connection, store.vault, "certificate_number", numbers)
    taken_back = records.newest(connection, RecordKind.WITHDRAWAL, _keys(found))
    for record in records.newest_records(connection, store.vault, RecordKind.CERTIFICATE, _keys(found)):
        content = record.content
        withdrawn = record.key in taken_back and taken_back[record.key].version > record.version
        if isinstance(content, Certificate) and not withdrawn:
            person = f"{content.holder.id_type}/{content.holder.id_number}"
            claims[f"certificate:{content.number}"] = person
            employer = content.holder.employer
            if employer is not None and content.verification.channel == "ENTERPRISE":
                ended = employer.contract_end
                # whose contract had ended before the next one began has changed employer (our reading of N16)
                if ended is None or person not in starts or starts[person] <= ended:
                    claims[f"filer:{person}"] = employer.code
    return claims


def _keys(found: Mapping[str, Sequence[tuple[str, str]]]) -> list[str]:
    return [key for matches in found.values() for _, key in matches]


def _refused(rows: Iterable[JudgedRow]) -> Iterator[RefusedRow]:
    for row in rows:
        if row.outcome is not Outcome.ADMIT:
            yield RefusedRow(number=row.number, cells=batches.unpack(row.packed), failures=row.failures)


def _count(report: IntakeReport, rows: Sequence[JudgedRow]) -> None:
    report.rows = len(rows)
    outcomes = Counter(row.outcome for row in rows)
    report.admitted, report.refused = outcomes[Outcome.ADMIT], outcomes[Outcome.REFUSE]
    report.held = outcomes[Outcome.HOLD]
    for row in rows:
        if row.outcome is not Outcome.ADMIT:
            report.gates.update({failure.gate for failure in row.failures})
        elif row.withdraws:
            report.withdrawn += 1


def _keep(connection: Connection, desk: Desk, rows: Sequence[JudgedRow], report: IntakeReport) -> None:
    """Batch, records, deliveries, search index and filings. The caller holds ``lock_records``."""
    vault = desk.store.vault
    versions = Versions(connection=connection, store=desk.store, rules=desk.rules, now=desk.now, new_id=desk.new_id)
    filings = versions.of(rows)
    report.unchanged = sum(1 for f in filings if f.outcome == UNCHANGED)
    report.withdrawn = sum(1 for f in filings if f.outcome == WITHDRAW)
    report.admitted -= report.unchanged
    counts = {
        name: getattr(report, name) for name in ("name", "digest", "rows", "admitted", "refused", "held", "unchanged")
    }
    batch_id = batches.add_batch(connection, counts, read_at=desk.now)
    added = records.add(connection, vault, versions.new, batch_id=batch_id, now=desk.now)
    records.add_changes(connection, vault, added, versions.changes)
    records.index(connection, vault, versions.entries, desk.now)
    batches.add_filings(connection, vault, batch_id, filings)
    report.records.update(record.kind for _, record in added)
    for info in desk.infos:
        report.deliveries[info.platform] += queueing.owe(connection, info, desk.now)
