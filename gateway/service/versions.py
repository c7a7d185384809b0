"""Judged rows become versions of records: what is new, what changed and what is taken back, in one transaction.

A withdrawal is the next version of the certificate it takes back and carries its key, so versions of both are one
sequence, in which the platforms get them. A certificate filed again after its withdrawal is the version after that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.domain.admission import Admitted, admit
from gateway.domain.changes import Difference, differences, nature
from gateway.domain.filing import Filing
from gateway.domain.gates import GateFailure, GateRules, Outcome, outcome
from gateway.domain.names import plain_name, variant_name
from gateway.domain.records import (
    Certificate,
    ChangeNature,
    Content,
    Record,
    RecordKind,
    Withdrawal,
    Worker,
    fingerprint,
)
from gateway.store import records
from gateway.store.batches import FilingRow
from gateway.store.engine import Connection, Store
from gateway.store.records import IndexEntry, Known

UNCHANGED = "unchanged"
WITHDRAW = "withdraw"
REPORT_NO = re.compile(r"[0-9]{6}-[0-9]{6}-[0-9]{1,4}")
"""a report's number; anything else in its cell may be somebody's data and is not kept in clear"""


@dataclass(kw_only=True)
class JudgedRow:
    """One row with everything that speaks against it; ``packed`` holds its cells."""

    number: int
    packed: bytes = field(repr=False)
    filing: Filing | None
    failures: tuple[GateFailure, ...]

    @property
    def outcome(self) -> Outcome:
        """What becomes of it."""
        return outcome(self.failures) if self.filing is not None else Outcome.REFUSE

    @property
    def withdraws(self) -> bool:
        """Whether it takes a certificate back."""
        return self.filing is not None and self.filing.withdrawn is True


@dataclass(kw_only=True)
class Versions:
    """Collects the new versions that the rows of one batch make. Use inside the transaction that keeps them."""

    connection: Connection
    store: Store
    rules: GateRules
    now: datetime
    new_id: Callable[[], str]
    new: list[Record] = field(default_factory=list)
    entries: list[IndexEntry] = field(default_factory=list)
    changes: dict[tuple[str, str, int], Mapping[str, Difference]] = field(default_factory=dict, repr=False)
    """(kind, key, version) -> what differs from the version before"""
    _held: dict[tuple[RecordKind, str], Known] = field(default_factory=dict)
    _keys: dict[tuple[RecordKind, str], str] = field(default_factory=dict)

    def of(self, rows: Sequence[JudgedRow]) -> list[FilingRow]:
        """The rows as they are to be kept; ``new`` and ``entries`` then hold what they add."""
        admitted = {
            row.number: admit(row.filing, self.now, self.rules)
            for row in rows
            if row.filing is not None and row.outcome is Outcome.ADMIT and not row.withdraws
        }
        going = [row for row in rows if row.withdraws and row.outcome is Outcome.ADMIT]
        self._look_up(admitted.values(), [named_certificate(row.filing) for row in going if row.filing])
        taken_back = self._taken_back(going)
        filings = [
            self._withdrawn(row, taken_back)
            if row.withdraws and row.outcome is Outcome.ADMIT
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
            kinds = (kind, RecordKind.WITHDRAWAL) if kind is RecordKind.CERTIFICATE else (kind,)
            for which in kinds:
                known = records.newest(self.connection, which, list(found.values()))
                self._held |= {(which, key): held for key, held in known.items()}

    def _taken_back(self, rows: Sequence[JudgedRow]) -> dict[str, Record]:
        """Key -> newest version of the certificates that rows take back."""
        keys = {self._keys[RecordKind.CERTIFICATE, named_certificate(row.filing)] for row in rows if row.filing}
        found = records.newest_records(self.connection, self.store.vault, RecordKind.CERTIFICATE, keys)
        return {record.key: record for record in found}

    def _filed(self, row: JudgedRow, admitted: Admitted | None) -> FilingRow:
        kept = self._row(row)
        if admitted is None:
            return kept
        worker, certificate = admitted.worker, admitted.certificate
        known_as = identity(worker.id_type, worker.id_number)
        person_key, person_new = self._version(RecordKind.PERSON, known_as, worker, None)
        known_as = certificate_identity(certificate.number, certificate.trade)
        certificate_key, certificate_new = self._version(RecordKind.CERTIFICATE, known_as, certificate, person_key)
        self.entries += _index_entries(worker, certificate, person_key, certificate_key)
        return replace(
            kept,
            outcome=row.outcome if person_new or certificate_new else UNCHANGED,
            person_key=person_key,
            certificate_key=certificate_key,
        )

    def _withdrawn(self, row: JudgedRow, certificates: dict[str, Record]) -> FilingRow:
        assert row.filing is not None
        key = self._keys[RecordKind.CERTIFICATE, named_certificate(row.filing)]
        certificate = certificates[key]
        kept = replace(self._row(row), person_key=certificate.person_key, certificate_key=key)
        if self._is_withdrawn(key):
            return replace(kept, outcome=UNCHANGED)
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
            {"gate": f.gate, "field": f.field, "message": f.message, "message_zh": f.message_zh} for f in row.failures
        ]
        return FilingRow(
            row_no=row.number,
            outcome=row.outcome,
            packed=row.packed,
            failures=failures,
            report_no=report_no(row.filing, self.rules),
        )

    def _version(self, kind: RecordKind, known_as: str, content: Content, person_key: str | None) -> tuple[str, bool]:
        """The key of the record and whether this content makes a new version of it."""
        key = self._keys.get((kind, known_as)) or self.new_id()
        self._keys[kind, known_as] = key
        known = self._held.get((kind, key))
        again = kind is RecordKind.CERTIFICATE and self._is_withdrawn(key)
        if known is not None and known.fingerprint == fingerprint(content) and not again:
            return key, False
        reason = "filed again after its withdrawal" if again else "reported again by the city" if known else None
        self._add(kind, key, content, person_key or key, reason)
        return key, True

    def _is_withdrawn(self, key: str) -> bool:
        filed, taken_back = (self._held.get((k, key)) for k in (RecordKind.CERTIFICATE, RecordKind.WITHDRAWAL))
        return taken_back is not None and (filed is None or taken_back.version > filed.version)

    def _add(self, kind: RecordKind, key: str, content: Content, person_key: str, reason: str | None) -> None:
        """The next version under the key, whatever kind the one before was of."""
        held = [self._held[one, key] for one in RecordKind if (one, key) in self._held]
        version = 1 + max((known.version for known in held), default=0)
        record = Record(
            kind=kind,
            key=key,
            version=version,
            person_key=person_key,
            content=content,
            effective_from=self.now,
            change_reason=reason,
        )
        self._held[kind, key] = Known(key=key, person_key=person_key, version=version, fingerprint=record.fingerprint)
        self.new.append(record)

    def _compared(self) -> list[Record]:
        """The new versions with how each came to be: NEW, or by what differs from the version before."""
        before = self._before()
        compared = []
        for record in self.new:
            old = before.get((record.kind, record.key))
            before[record.kind, record.key] = record.content
            if record.kind is RecordKind.WITHDRAWAL:
                compared.append(replace(record, change=ChangeNature.CORRECTION))
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


def identity(id_type: str, id_number: str) -> str:
    """What a person is known by."""
    return f"{id_type}:{id_number}"


def certificate_identity(number: str, trade: str) -> str:
    """A certificate is its number and trade (N06); who holds it is part of the content, guarded by the gate."""
    return f"{number}|{trade}"


def named_certificate(filing: Filing) -> str:
    """The certificate that a row names; for rows that say number and trade."""
    return certificate_identity(filing.certificate_number or "", filing.trade or "")


def report_no(filing: Filing | None, rules: GateRules) -> str | None:
    """The number of the report a row belongs to, else its city, else None. Neither says anything about a person."""
    if filing is None:
        return None
    if REPORT_NO.fullmatch(filing.batch_no or ""):
        return filing.batch_no
    region = filing.review_region or filing.assessment_region
    return rules.city(region) if region else None


def _index_entries(worker: Worker, certificate: Certificate, person_key: str, certificate_key: str) -> list[IndexEntry]:
    def person(what: str, value: str) -> IndexEntry:
        return IndexEntry(kind=RecordKind.PERSON, key=person_key, what=what, value=value)

    def paper(what: str, value: str) -> IndexEntry:
        return IndexEntry(kind=RecordKind.CERTIFICATE, key=certificate_key, what=what, value=value)

    return [
        person("id_number", identity(worker.id_type, worker.id_number)),
        person("name", plain_name(worker.name)),
        person("name", variant_name(worker.name)),
        paper("certificate", certificate_identity(certificate.number, certificate.trade)),
        paper("certificate_number", certificate.number),
    ]
