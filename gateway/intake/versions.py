"""Judged rows become versions of records: what is new, what changed and what is taken back, in one transaction.

A withdrawal is the next version of the certificate it takes back and carries its key, so versions of both are one
sequence, in which the platforms get them. A certificate filed again after its withdrawal is the version after that.
A change of status is kept in two forms of one version: the change, and the certificate as it is from then on. A filing
says nothing about the status, so one that comes again keeps what the certificate has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.domain.changes import Difference, differences, nature
from gateway.domain.records import (
    Attachment,
    Certificate,
    ChangeNature,
    Content,
    Record,
    RecordKind,
    Withdrawal,
    fingerprint,
)
from gateway.domain.status import RENEWED, decided, is_done, is_renewed
from gateway.intake.identity import (
    certificate_identity,
    identity,
    index_entries,
    named_certificate,
    report_no,
    subject,
    withdrawn_keys,
    written,
)
from gateway.intake.rules.admission import Admitted, admit
from gateway.intake.rules.filing import Filing
from gateway.intake.rules.gate_rules import GateRules
from gateway.intake.rules.gate_table import GateFailure
from gateway.intake.rules.gates import REPORT_NO, RowOutcome, outcome
from gateway.intake.rules.scan_names import CERTIFICATE
from gateway.intake.rules.status_rows import decision_of
from gateway.intake.scans import NoScans, kind_of_attachment
from gateway.intake.store.batches import FilingRow, unpack, with_scans
from gateway.store import records
from gateway.store.engine import Connection, Store
from gateway.store.records import IndexEntry, Known

__all__ = [
    "REPORT_NO",
    "UNCHANGED",
    "WITHDRAW",
    "JudgedRow",
    "Versions",
    "certificate_identity",
    "identity",
    "named_certificate",
    "report_no",
    "subject",
    "withdrawn_keys",
]

UNCHANGED = "unchanged"
WITHDRAW = "withdraw"
_OF_CERTIFICATES = (RecordKind.CERTIFICATE, RecordKind.STATUS_CHANGE, RecordKind.WITHDRAWAL)


@dataclass(kw_only=True)
class JudgedRow:
    """One row with everything that speaks against it; ``packed`` holds its cells."""

    number: int
    packed: bytes = field(repr=False)
    filing: Filing | None
    failures: tuple[GateFailure, ...]
    speaks: bool = True
    """whether the person's record is made from this row; where rows of one person differ only the last one's is"""

    @property
    def outcome(self) -> RowOutcome:
        """What becomes of it."""
        return outcome(self.failures) if self.filing is not None else RowOutcome.REFUSE

    @property
    def withdraws(self) -> bool:
        """Whether it takes a certificate back."""
        return self.filing is not None and self.filing.withdrawn is True

    @property
    def steps(self) -> bool:
        """Whether it changes the status of a certificate."""
        return self.filing is not None and self.filing.status_step is not None and not self.withdraws

    @property
    def only_names(self) -> bool:
        """Whether it names a certificate without describing it."""
        return self.withdraws or self.steps


@dataclass(kw_only=True)
class Versions:
    """Collects the new versions that the rows of one batch make. Use inside the transaction that keeps them."""

    connection: Connection
    store: Store
    rules: GateRules
    now: datetime
    new_id: Callable[[], str]
    scans: NoScans = field(default_factory=NoScans)
    new: list[Record] = field(default_factory=list)
    entries: list[IndexEntry] = field(default_factory=list)
    changes: dict[tuple[str, str, int], Mapping[str, Difference]] = field(default_factory=dict, repr=False)
    """(kind, key, version) -> what differs from the version before"""
    fingerprints: dict[tuple[str, str, int], str] = field(default_factory=dict)
    """of the new versions, by the same"""
    _held: dict[tuple[RecordKind, str], Known] = field(default_factory=dict)
    _keys: dict[tuple[RecordKind, str], str] = field(default_factory=dict)
    _statuses: dict[str, Certificate] = field(default_factory=dict, repr=False)
    """key -> newest version of certificates about which something was decided"""
    _files: dict[str, tuple[Attachment, ...]] = field(default_factory=dict, repr=False)
    """key -> the scans that the newest version of a certificate has"""

    def of(self, rows: Sequence[JudgedRow]) -> list[FilingRow]:
        """The rows as they are to be kept; ``new`` and ``entries`` then hold what they add."""
        admitted = {
            row.number: admit(row.filing, self.now, self.rules)
            for row in rows
            if row.filing is not None and row.outcome is RowOutcome.ADMIT and not row.only_names
        }
        naming = [row for row in rows if row.only_names and row.outcome is RowOutcome.ADMIT]
        self._look_up(admitted.values(), [named_certificate(row.filing) for row in naming if row.filing])
        named = self._named(naming)
        filings = [
            self._naming(row, named)
            if row.only_names and row.outcome is RowOutcome.ADMIT
            else self._filed(row, admitted.get(row.number))
            for row in rows
        ]
        self.new = self._compared()
        return filings

    def _look_up(self, admitted: Iterable[Admitted], withdrawn: Sequence[str]) -> None:
        persons, certificates = set(), set(withdrawn)
        for one in admitted:
            persons.add(identity(one.worker.id_type, one.worker.id_number))
            certificates.add(certificate_identity(one.certificate.number, one.certificate.trade))
        vault = self.store.vault
        for kind, what, values in (
            (RecordKind.PERSON, "id_number", persons),
            (RecordKind.CERTIFICATE, "certificate", certificates),
        ):
            found = {v: matches[0][1] for v, matches in records.find(self.connection, vault, what, values).items()}
            self._keys |= {(kind, value): key for value, key in found.items()}
            kinds = _OF_CERTIFICATES if kind is RecordKind.CERTIFICATE else (kind,)
            for which in kinds:
                known = records.newest(self.connection, which, list(found.values()))
                self._held |= {(which, key): held for key, held in known.items()}

        changed = [key for kind, key in self._held if kind is RecordKind.STATUS_CHANGE]
        for record in records.newest_records(self.connection, self.store.vault, RecordKind.CERTIFICATE, changed):
            assert isinstance(record.content, Certificate)
            self._statuses[record.key] = record.content
        filed = [key for (kind, _), key in self._keys.items() if kind is RecordKind.CERTIFICATE]
        scanned = with_scans(self.connection, filed)
        for record in records.newest_records(self.connection, self.store.vault, RecordKind.CERTIFICATE, scanned):
            assert isinstance(record.content, Certificate)
            self._files[record.key] = record.content.files or ()

    def _named(self, rows: Sequence[JudgedRow]) -> dict[str, Record]:
        """Key -> newest version of the certificates that rows name."""
        keys = {self._keys[RecordKind.CERTIFICATE, named_certificate(row.filing)] for row in rows if row.filing}
        found = records.newest_records(self.connection, self.store.vault, RecordKind.CERTIFICATE, keys)
        return {record.key: record for record in found}

    def _filed(self, row: JudgedRow, admitted: Admitted | None) -> FilingRow:
        kept = self._row(row)
        if admitted is None:
            return kept
        assert row.filing is not None
        worker, certificate = admitted.worker, self._with_status(admitted.certificate)
        certificate = self._with_files(certificate, row.filing)
        known_as = identity(worker.id_type, worker.id_number)
        if row.speaks:
            person_key, person_new = self._version(RecordKind.PERSON, known_as, worker, None)
        else:
            person_key, person_new = self._key(RecordKind.PERSON, known_as), False
        known_as = certificate_identity(certificate.number, certificate.trade)
        certificate_key, certificate_new = self._version(RecordKind.CERTIFICATE, known_as, certificate, person_key)
        self.entries += index_entries(worker, certificate, person_key, certificate_key)
        return replace(
            kept,
            outcome=row.outcome if person_new or certificate_new else UNCHANGED,
            person_key=person_key,
            certificate_key=certificate_key,
        )

    def _with_status(self, certificate: Certificate) -> Certificate:
        """The certificate of a filing with the status it has by decision; a later end renews a lapsed one."""
        key = self._keys.get((RecordKind.CERTIFICATE, certificate_identity(certificate.number, certificate.trade)), "")
        held = self._statuses.get(key)
        if held is None or self._is_withdrawn(key) or is_renewed(held, certificate):
            return certificate
        return replace(certificate, status=held.status, status_reason=held.status_reason)

    def _with_files(self, certificate: Certificate, filing: Filing) -> Certificate:
        """The certificate with the scans of this filing, and those it has of a kind that did not come this time."""
        key = self._keys.get((RecordKind.CERTIFICATE, certificate_identity(certificate.number, certificate.trade)), "")
        given = [scan.attachment for scan in self.scans.good(filing)]
        kinds = {kind_of_attachment(one) for one in given}
        held = () if self._is_withdrawn(key) else self._files.get(key, ())
        kept = [one for one in held if kind_of_attachment(one) not in kinds]
        files = tuple(sorted((*given, *kept), key=lambda one: kind_of_attachment(one) != CERTIFICATE))
        return replace(certificate, files=files) if files else certificate

    def _naming(self, row: JudgedRow, certificates: dict[str, Record]) -> FilingRow:
        assert row.filing is not None
        certificate = certificates[self._keys[RecordKind.CERTIFICATE, named_certificate(row.filing)]]
        kept = replace(self._row(row), person_key=certificate.person_key, certificate_key=certificate.key)
        return self._withdrawn(row, kept, certificate) if row.withdraws else self._stepped(row, kept, certificate)

    def _stepped(self, row: JudgedRow, kept: FilingRow, certificate: Record) -> FilingRow:
        """Both forms of the version that a decision makes; one that says nothing new makes none."""
        content, filing = certificate.content, row.filing
        assert isinstance(content, Certificate)
        assert filing is not None
        assert filing.status_step is not None
        if is_done(content.status, filing.status_step):
            return replace(kept, outcome=UNCHANGED)
        for form in decided(certificate, decision_of(filing), version=self._next(certificate.key), at=self.now):
            self._keep(form)
        return kept

    def _withdrawn(self, row: JudgedRow, kept: FilingRow, certificate: Record) -> FilingRow:
        key = certificate.key
        if self._is_withdrawn(key):
            return replace(kept, outcome=UNCHANGED)
        assert row.filing is not None
        assert isinstance(certificate.content, Certificate)
        content = Withdrawal(
            withdrawn_kind=RecordKind.CERTIFICATE,
            withdrawn_key=key,
            content=certificate.content,
            reason=row.filing.withdrawal_reason or "",
            withdrawn_version=certificate.version,
        )
        self._add(RecordKind.WITHDRAWAL, key, content, certificate.person_key, "withdrawn by the city")
        return replace(kept, outcome=WITHDRAW)

    def _row(self, row: JudgedRow) -> FilingRow:
        failures = [
            {
                "gate": f.gate,
                "field": f.field,
                "message": f.message,
                "message_zh": f.message_zh,
                "severity": f.severity.value,
            }
            for f in row.failures
        ]
        goes = row.outcome is RowOutcome.ADMIT
        return FilingRow(
            row_no=row.number,
            outcome=row.outcome,
            packed=row.packed,
            failures=failures,
            report_no=report_no(row.filing, self.rules),
            subject=None if goes else subject(row.filing, self.store.vault),
            written=(None, None) if goes else written(unpack(row.packed), self.store.vault),
        )

    def _key(self, kind: RecordKind, known_as: str) -> str:
        """The key of what is known by that name; a new one is kept for the next row."""
        key = self._keys.get((kind, known_as)) or self.new_id()
        self._keys[kind, known_as] = key
        return key

    def _version(self, kind: RecordKind, known_as: str, content: Content, person_key: str | None) -> tuple[str, bool]:
        """The key of the record and whether this content makes a new version of it."""
        key = self._key(kind, known_as)
        known = self._held.get((kind, key))
        again = kind is RecordKind.CERTIFICATE and self._is_withdrawn(key)
        if known is not None and known.fingerprint == fingerprint(content) and not again:
            return key, False
        reason = "filed again after its withdrawal" if again else "reported again by the city" if known else None
        held = self._statuses.get(key)
        if held is not None and isinstance(content, Certificate) and not again and is_renewed(held, content):
            reason = RENEWED
        self._add(kind, key, content, person_key or key, reason)
        return key, True

    def _is_withdrawn(self, key: str) -> bool:
        filed, taken_back = (self._held.get((k, key)) for k in (RecordKind.CERTIFICATE, RecordKind.WITHDRAWAL))
        return taken_back is not None and (filed is None or taken_back.version > filed.version)

    def _add(self, kind: RecordKind, key: str, content: Content, person_key: str, reason: str | None) -> Record:
        """The next version under the key, whatever kind the one before was of."""
        record = Record(
            kind=kind,
            key=key,
            version=self._next(key),
            person_key=person_key,
            content=content,
            effective_from=self.now,
            change_reason=reason,
        )
        self._keep(record)
        return record

    def _next(self, key: str) -> int:
        held = [self._held[one, key] for one in RecordKind if (one, key) in self._held]
        return 1 + max((known.version for known in held), default=0)

    def _keep(self, one: Record) -> None:
        found = one.fingerprint
        self.fingerprints[one.kind, one.key, one.version] = found
        known = Known(key=one.key, person_key=one.person_key, version=one.version, fingerprint=found)
        self._held[one.kind, one.key] = known
        self.new.append(one)

    def _compared(self) -> list[Record]:
        """The new versions with how each came to be: NEW, or by what differs from the version before."""
        before = self._before()
        compared = []
        for record in self.new:
            old = before.get((record.kind, record.key))
            before[record.kind, record.key] = record.content
            if record.kind is RecordKind.WITHDRAWAL:
                compared.append(replace(record, change=ChangeNature.CORRECTION))
            elif record.kind is RecordKind.STATUS_CHANGE:
                compared.append(replace(record, change=ChangeNature.CHANGE))
            elif old is None:
                compared.append(record)
            else:
                fields = differences(old, record.content)
                # filed again as it was: that it is valid once more is the change
                compared.append(replace(record, change=nature(fields) if fields else ChangeNature.CHANGE))
                self.changes[record.kind, record.key, record.version] = fields
        return compared

    def _before(self) -> dict[tuple[RecordKind, str], Content]:
        found: dict[tuple[RecordKind, str], Content] = {}
        for kind in (RecordKind.PERSON, RecordKind.CERTIFICATE):
            keys = {record.key for record in self.new if record.kind is kind and record.version > 1}
            for record in records.newest_records(self.connection, self.store.vault, kind, keys):
                found[kind, record.key] = record.content
        return found
