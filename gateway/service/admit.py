"""Take a reported batch in: every row is judged, what may go becomes records and deliveries, all in one commit.

The same file twice changes nothing. A row that says what we hold already is a no-op; one that says something else is a
new version. What is refused or held stays with its reasons and its cells, so that it can be written back to the city.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gateway.contract.connector import ConnectorInfo
from gateway.domain.admission import Admitted, admit
from gateway.domain.filing import Filing
from gateway.domain.gates import GateFailure, GateRules, Outcome, cross_check, judge, outcome
from gateway.domain.names import plain_name, variant_name
from gateway.domain.records import Certificate, ChangeNature, Content, Record, RecordKind, Worker, fingerprint
from gateway.intake.reader import Batch, read_batch
from gateway.intake.returns import RefusedRow, write_returns
from gateway.store import batches, queueing, records
from gateway.store.batches import FilingRow
from gateway.store.engine import Connection, Store
from gateway.store.records import IndexEntry, Known

UNCHANGED = "unchanged"


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
    gates: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    deliveries: Counter[str] = field(default_factory=Counter)
    repeated: bool = False
    """the file had been read before; nothing was done"""
    returned: int = 0
    """rows written to the returns workbook"""


@dataclass(kw_only=True)
class _Row:
    number: int
    packed: bytes = field(repr=False)
    filing: Filing | None
    failures: tuple[GateFailure, ...]

    @property
    def outcome(self) -> Outcome:
        return outcome(self.failures) if self.filing is not None else Outcome.REFUSE


Progress = Callable[[int], None]


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
    batch = read_batch(path)
    report = IntakeReport(name=batch.name, digest=batch.digest)
    with store.read() as connection:
        earlier = batches.known(connection, batch.digest)
    rows = list(_judged(batch, rules, progress))
    with store.read() as connection:
        _cross_judge(connection, store, rows)
    if returns is not None:
        report.returned = write_returns(returns, batch.columns, _refused(rows))
    _count(report, rows)
    if earlier is None and not dry_run:
        intake = _Intake(store=store, infos=infos, rules=rules, now=now, new_id=new_id, report=report)
        with store.write() as connection:
            queueing.lock_records(connection)
            # another worker may have kept the same file since we looked
            earlier = batches.known(connection, batch.digest)
            if earlier is None:
                intake.keep(connection, rows)
    if earlier is not None:
        report.repeated = True
        report.unchanged = earlier.admitted + earlier.unchanged
        report.admitted = 0
    return report


def _judged(batch: Batch, rules: GateRules, progress: Progress) -> Iterator[_Row]:
    for count, row in enumerate(batch.rows, start=1):
        gates = judge(row.filing, rules) if row.filing is not None else ()
        yield _Row(
            number=row.number,
            packed=batches.pack(row.cells),
            filing=row.filing,
            failures=(*row.failures, *gates),
        )
        progress(count)


def _cross_judge(connection: Connection, store: Store, rows: Sequence[_Row]) -> None:
    """Add the failures that only show against the other rows and what is held already."""
    filings = [row.filing for row in rows]
    for index, failures in cross_check(filings, _claims(connection, store, filings)).items():
        rows[index].failures = tuple(dict.fromkeys((*rows[index].failures, *failures)))


def _claims(connection: Connection, store: Store, filings: Iterable[Filing | None]) -> Mapping[str, str]:
    """What the store holds under the numbers of these filings, in the form of ``cross_keys``."""
    persons, numbers = set(), set()
    for filing in filings:
        if filing is not None and filing.id_number and filing.certificate_number:
            persons.add(_identity(filing.id_type or "", filing.id_number))
            numbers.add(filing.certificate_number)
    claims: dict[str, str] = {}
    found = records.find(connection, store.vault, "id_number", persons)
    for record in records.newest_records(connection, store.vault, RecordKind.PERSON, _keys(found)):
        if isinstance(record.content, Worker):
            person = f"{record.content.id_type}/{record.content.id_number}"
            claims[f"name:{person}"] = record.content.name
    found = records.find(connection, store.vault, "certificate_number", numbers)
    for record in records.newest_records(connection, store.vault, RecordKind.CERTIFICATE, _keys(found)):
        content = record.content
        if isinstance(content, Certificate):
            person = f"{content.holder.id_type}/{content.holder.id_number}"
            claims[f"certificate:{content.number}"] = person
            if content.holder.employer is not None and content.verification.channel == "ENTERPRISE":
                claims[f"filer:{person}"] = content.holder.employer.code
    return claims


def _keys(found: Mapping[str, Sequence[tuple[str, str]]]) -> list[str]:
    return [key for matches in found.values() for _, key in matches]


def _identity(id_type: str, id_number: str) -> str:
    return f"{id_type}:{id_number}"


def _refused(rows: Iterable[_Row]) -> Iterator[RefusedRow]:
    for row in rows:
        if row.outcome is not Outcome.ADMIT:
            yield RefusedRow(number=row.number, cells=batches.unpack(row.packed), failures=row.failures)


def _count(report: IntakeReport, rows: Sequence[_Row]) -> None:
    report.rows = len(rows)
    outcomes = Counter(row.outcome for row in rows)
    report.admitted, report.refused = outcomes[Outcome.ADMIT], outcomes[Outcome.REFUSE]
    report.held = outcomes[Outcome.HOLD]
    for row in rows:
        if row.outcome is not Outcome.ADMIT:
            report.gates.update({failure.gate for failure in row.failures})


@dataclass(kw_only=True)
class _Intake:
    """Turns admitted rows into records inside one transaction."""

    store: Store
    infos: Sequence[ConnectorInfo]
    rules: GateRules
    now: datetime
    new_id: Callable[[], str]
    report: IntakeReport
    held: dict[str, Known] = field(default_factory=dict)
    keys: dict[tuple[RecordKind, str], str] = field(default_factory=dict)
    new: list[Record] = field(default_factory=list)
    entries: list[IndexEntry] = field(default_factory=list)

    def keep(self, connection: Connection, rows: Sequence[_Row]) -> None:
        """Batch, records, deliveries, search index and filings. The caller holds ``lock_records``."""
        admitted = {
            row.number: admit(row.filing, self.now, self.rules)
            for row in rows
            if row.filing is not None and row.outcome is Outcome.ADMIT
        }
        self._look_up(connection, admitted.values())
        filings = [self._filing(row, admitted.get(row.number)) for row in rows]
        report = self.report
        report.unchanged = sum(1 for f in filings if f.outcome == UNCHANGED)
        report.admitted -= report.unchanged
        counts = {
            name: getattr(report, name)
            for name in ("name", "digest", "rows", "admitted", "refused", "held", "unchanged")
        }
        batch_id = batches.add_batch(connection, counts, read_at=self.now)
        added = records.add(connection, self.store.vault, self.new, batch_id=batch_id, now=self.now)
        records.index(connection, self.store.vault, self.entries, self.now)
        batches.add_filings(connection, self.store.vault, batch_id, filings)
        report.records.update(record.kind for _, record in added)
        for info in self.infos:
            report.deliveries[info.platform] += queueing.owe(connection, info, self.now)

    def _look_up(self, connection: Connection, admitted: Iterable[Admitted]) -> None:
        persons, certificates = set(), set()
        for one in admitted:
            persons.add(_identity(one.worker.id_type, one.worker.id_number))
            certificates.add(_certificate_identity(one.certificate))
        for kind, what, values in (
            (RecordKind.PERSON, "id_number", persons),
            (RecordKind.CERTIFICATE, "certificate", certificates),
        ):
            found = records.find(connection, self.store.vault, what, values)
            self.keys |= {(kind, value): matches[0][1] for value, matches in found.items()}
            self.held |= records.newest(connection, kind, [matches[0][1] for matches in found.values()])

    def _filing(self, row: _Row, admitted: Admitted | None) -> FilingRow:
        failures = [
            {"gate": f.gate, "field": f.field, "message": f.message, "message_zh": f.message_zh} for f in row.failures
        ]
        if admitted is None:
            return FilingRow(row_no=row.number, outcome=row.outcome, packed=row.packed, failures=failures)
        worker, certificate = admitted.worker, admitted.certificate
        person_key, person_new = self._version(
            RecordKind.PERSON, _identity(worker.id_type, worker.id_number), worker, None
        )
        certificate_key, certificate_new = self._version(
            RecordKind.CERTIFICATE, _certificate_identity(certificate), certificate, person_key
        )
        self.entries += _index_entries(worker, certificate, person_key, certificate_key)
        return FilingRow(
            row_no=row.number,
            outcome=row.outcome if person_new or certificate_new else UNCHANGED,
            packed=row.packed,
            failures=failures,
            person_key=person_key,
            certificate_key=certificate_key,
        )

    def _version(self, kind: RecordKind, identity: str, content: Content, person_key: str | None) -> tuple[str, bool]:
        """The key of the record and whether this content makes a new version of it."""
        key = self.keys.get((kind, identity)) or self.new_id()
        self.keys[kind, identity] = key
        known = self.held.get(key)
        mark = fingerprint(content)
        if known is not None and known.fingerprint == mark:
            return key, False
        version = 1 if known is None else known.version + 1
        owner = person_key or key
        self.held[key] = Known(key=key, person_key=owner, version=version, fingerprint=mark)
        self.new.append(
            Record(
                kind=kind,
                key=key,
                version=version,
                person_key=owner,
                content=content,
                effective_from=self.now,
                change=ChangeNature.NEW if version == 1 else ChangeNature.CORRECTION,
                change_reason=None if version == 1 else "corrected row reported by the city",
            )
        )
        return key, True


def _certificate_identity(certificate: Certificate) -> str:
    """A certificate is its number and trade (N06); who holds it is part of the content, guarded by the gate."""
    return f"{certificate.number}|{certificate.trade}"


def _index_entries(worker: Worker, certificate: Certificate, person_key: str, certificate_key: str) -> list[IndexEntry]:
    def person(what: str, value: str) -> IndexEntry:
        return IndexEntry(kind=RecordKind.PERSON, key=person_key, what=what, value=value)

    def paper(what: str, value: str) -> IndexEntry:
        return IndexEntry(kind=RecordKind.CERTIFICATE, key=certificate_key, what=what, value=value)

    return [
        person("id_number", _identity(worker.id_type, worker.id_number)),
        person("name", plain_name(worker.name)),
        person("name", variant_name(worker.name)),
        paper("certificate", _certificate_identity(certificate)),
        paper("certificate_number", certificate.number),
    ]
