"""What only shows between rows: contradictions inside a batch and with what is held, found with little memory.

Each row leaves a few keyed digests in a private database that SQLite keeps in a file without a name. Rows whose digests
stand in more than one place are suspects; only those are laid side by side and judged by ``cross_check``.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date

from gateway.domain.records import Certificate, RecordKind, StatusChange, Worker
from gateway.domain.status import RESCINDED, is_done, may_follow
from gateway.intake.identity import (
    certificate_identity,
    identity,
    named_certificate,
    report_no,
    subject,
    withdrawn_keys,
)
from gateway.intake.rules.admission import NOT_HELD, described, withdrawal_claims
from gateway.intake.rules.filing import Filing
from gateway.intake.rules.gate_rules import GateRules, china_date
from gateway.intake.rules.gate_table import GateFailure, Severity
from gateway.intake.rules.gates import (
    REPORT_CLOSED,
    REPORT_NO,
    Claims,
    RowOutcome,
    claims,
    cross_check,
    may_close,
    reported_by_another_city,
)
from gateway.intake.rules.notice import NOT_SHOWN_AGAIN, must_be_shown_again
from gateway.intake.rules.status_rows import BEFORE_ISSUE, DECLARED_VOID, NOT_POSSIBLE
from gateway.intake.rules.status_rows import NOT_HELD as NO_STATUS
from gateway.intake.store import reports
from gateway.intake.store.views import closed_reports
from gateway.intake.versions import JudgedRow
from gateway.store import records
from gateway.store.engine import Connection
from gateway.store.vault import Vault

_TABLES = """
CREATE TABLE claim (key INTEGER, value INTEGER, row INTEGER);
CREATE TABLE held (key INTEGER, value INTEGER);
CREATE TABLE said (person INTEGER, value INTEGER, row INTEGER);
CREATE TABLE failed (row INTEGER, failure INTEGER);
CREATE INDEX failed_row ON failed (row);
CREATE TABLE silent (row INTEGER PRIMARY KEY);
"""
_SUSPECTS = """
SELECT DISTINCT row FROM claim WHERE key IN (
  SELECT key FROM (SELECT key, value FROM claim UNION ALL SELECT key, value FROM held)
  GROUP BY key HAVING min(value) <> max(value)
) ORDER BY row
"""
_LAST = """
WITH good AS (SELECT * FROM said WHERE row NOT IN (SELECT row FROM failed)),
     torn AS (SELECT person, max(row) AS last FROM good GROUP BY person HAVING min(value) <> max(value))
SELECT good.row, good.value <> final.value
FROM torn JOIN good ON good.person = torn.person AND good.row <> torn.last JOIN good final ON final.row = torn.last
"""
OVERRULED = GateFailure(
    gate="R-PERSON",
    field="",
    message="rows of one person say different things about the person: the last row counts",
    message_zh="同一人员各行的个人信息不一致，以最后一行为准",
    severity=Severity.WARN,
)


class Crossing:
    """Digests of the rows of one batch, and what comes of comparing them. Rows are named by their place, from 0."""

    def __init__(self, vault: Vault, rules: GateRules) -> None:
        self._vault, self._rules = vault, rules
        self._db = sqlite3.connect("", isolation_level=None)
        weakref.finalize(self, self._db.close)
        self._db.executescript(f"PRAGMA journal_mode=OFF; {_TABLES}")
        self._key = secrets.token_bytes(16)
        self._failures: list[GateFailure] = []
        self._numbers: dict[GateFailure, int] = {}
        """failure -> its place in the list"""
        self._closed: dict[str, bool] = {}
        """reports that were asked about -> whether they are closed"""

    def note(self, first: int, rows: Sequence[JudgedRow]) -> None:
        """Take the digests of a block of rows, of which ``first`` is the place of the first one."""
        said, told = [], []
        for at, row in enumerate(rows, start=first):
            one = _claims(row)
            if one is None:
                continue
            told += [(self._digest(key), self._digest(value), at) for key, value in one.keys.items()]
            if one.paper is not None:
                # its value is another one in each row, so that a second row under it makes suspects of both
                told.append((self._digest(f"paper:{one.paper}"), at, at))
            if row.filing is not None and row.outcome is RowOutcome.ADMIT and not row.only_names:
                person = identity(row.filing.id_type or "", row.filing.id_number or "")
                said.append((self._digest(person), described(row.filing), at))
        self._insert("INSERT INTO claim VALUES (?, ?, ?)", told)
        self._insert("INSERT INTO said VALUES (?, ?, ?)", said)

    def compare(self, connection: Connection, first: int, rows: Sequence[JudgedRow]) -> None:
        """Compare a block of rows with what is held."""
        held = _held(connection, self._vault, rows)
        digests = [(self._digest(key), self._digest(value)) for key, value in held_claims(held, rows).items()]
        self._insert("INSERT INTO held VALUES (?, ?)", digests)
        papers = {certificate_identity(one.number, one.trade): one for one in held[1]}
        void = _void(connection, self._vault, papers)
        near = _by_number_and_person(held[1])
        for at, row in enumerate(rows, start=first):
            if row.filing is not None:
                elsewhere = reported_by_another_city(row.filing, _near(near, row.filing), self._rules)
                if elsewhere is not None:
                    self._fail(at, [elsewhere])
            if row.filing is not None and not row.only_names:
                if named_certificate(row.filing) in void:
                    self._fail(at, [DECLARED_VOID])
                before = papers.get(named_certificate(row.filing))
                if before is not None and must_be_shown_again(row.filing, before, self._rules):
                    self._fail(at, [NOT_SHOWN_AGAIN])
        self._compare_reports(connection, first, rows)

    def _compare_reports(self, connection: Connection, first: int, rows: Sequence[JudgedRow]) -> None:
        """Nothing is added to a report that is closed; its own items may come again (N09)."""
        named: dict[str, dict[int, reports.Subject]] = {}
        for at, row in enumerate(rows, start=first):
            number = report_no(row.filing, self._rules)
            if number is not None and row.filing is not None and not row.only_names and REPORT_NO.fullmatch(number):
                moment = row.filing.reported_at or self._rules.now
                if moment is None or may_close(china_date(moment), self._rules):
                    named.setdefault(number, {})[at] = subject(row.filing, self._vault)
        asked = set(named) - set(self._closed)
        closed = closed_reports(connection, asked) if asked else set()
        self._closed |= {number: number in closed for number in asked}
        for number, subjects in named.items():
            if self._closed[number]:
                known = reports.items(connection, number, set(subjects.values()))
                for at, one in subjects.items():
                    if one not in known:
                        self._fail(at, [REPORT_CLOSED])

    def forget(self) -> None:
        """Undo every comparison, to compare again with what is held now."""
        self._db.executescript("DELETE FROM held; DELETE FROM failed; DELETE FROM silent")
        self._closed.clear()

    def settle(self, connection: Connection, rows_at: Callable[[Sequence[int]], Iterable[JudgedRow]]) -> None:
        """Judge the suspects. ``rows_at`` gives the rows at some places, in order."""
        places = [place for (place,) in self._db.execute(_SUSPECTS)]
        suspects: list[Claims | None] = []
        known: dict[str, str] = {}
        for part in _parts(rows_at(places)):
            suspects += [_claims(row) for row in part]
            known |= held_claims(_held(connection, self._vault, part), part)
        for index, failures in cross_check(suspects, known).items():
            self._fail(places[index], failures)

    def settle_named(self, connection: Connection, first: int, rows: Sequence[JudgedRow]) -> None:
        """Judge the rows that only name a certificate, once all else that speaks against them is known."""
        named = {
            named_certificate(row.filing): (at, row)
            for at, row in enumerate(rows, start=first)
            if row.filing is not None and row.only_names and row.outcome is RowOutcome.ADMIT
        }
        keys = {n: found[0][1] for n, found in records.find(connection, self._vault, "certificate", named).items()}
        stepping = [keys[name] for name, (_, row) in named.items() if row.steps and name in keys]
        held = {
            record.key: record.content
            for record in records.newest_records(connection, self._vault, RecordKind.CERTIFICATE, stepping)
            if isinstance(record.content, Certificate)
        }
        withdrawn = withdrawn_keys(connection, stepping)
        for name, (at, row) in named.items():
            failure = _named_failure(row, keys.get(name), held, withdrawn)
            if failure is not None:
                self._fail(at, [failure])

    def settle_persons(self) -> None:
        """Where rows of one person differ about the person the last one counts, so that order of versions is fixed."""
        found = self._db.execute(_LAST).fetchall()
        self._insert("INSERT INTO silent VALUES (?)", [(place,) for place, _ in found])
        for place, differs in found:
            if differs:
                self._fail(place, [OVERRULED])

    def merge(self, first: int, rows: Sequence[JudgedRow]) -> None:
        """Add to a block of rows what comparing them has shown."""
        span = (first, first + len(rows))
        for at, number in self._db.execute("SELECT row, failure FROM failed WHERE row >= ? AND row < ?", span):
            row = rows[at - first]
            row.failures = tuple(dict.fromkeys((*row.failures, self._failures[number])))
        for (at,) in self._db.execute("SELECT row FROM silent WHERE row >= ? AND row < ?", span):
            rows[at - first].speaks = False

    def failed(self, first: int, last: int) -> bool:
        """Whether comparing has shown anything against rows from ``first`` to before ``last``."""
        found = self._db.execute("SELECT 1 FROM failed WHERE row >= ? AND row < ? LIMIT 1", (first, last))
        return found.fetchone() is not None

    def _fail(self, place: int, failures: Iterable[GateFailure]) -> None:
        for failure in failures:
            number = self._numbers.setdefault(failure, len(self._failures))
            if number == len(self._failures):
                self._failures.append(failure)
            self._db.execute("INSERT INTO failed VALUES (?, ?)", (place, number))

    def _insert(self, statement: str, rows: Sequence[tuple[int, ...]]) -> None:
        self._db.execute("BEGIN")
        self._db.executemany(statement, rows)
        self._db.execute("COMMIT")

    def _digest(self, text: str) -> int:
        digest = hashlib.blake2b(text.encode(), digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "big", signed=True)


def _parts(rows: Iterable[JudgedRow], size: int = 500) -> Iterator[list[JudgedRow]]:
    part: list[JudgedRow] = []
    for row in rows:
        part.append(row)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def _claims(row: JudgedRow) -> Claims | None:
    if row.filing is None:
        return None
    return claims(withdrawal_claims(row.filing) if row.only_names else row.filing)


def _named_failure(
    row: JudgedRow, key: str | None, held: Mapping[str, Certificate], withdrawn: Iterable[str]
) -> GateFailure | None:
    """Whether there is what a row withdraws; whether a change of status is possible. What is done is no news."""
    if row.withdraws:
        return NOT_HELD if key is None else None
    assert row.filing is not None
    step = row.filing.status_step
    if key is None or key not in held or key in withdrawn:
        return NO_STATUS
    if row.filing.status_date is not None and row.filing.status_date < held[key].issue_date:
        return BEFORE_ISSUE
    status = held[key].status
    if step is None or is_done(status, step) or may_follow(status, step):
        return None
    return NOT_POSSIBLE


Held = tuple[Sequence[Worker], Sequence[Certificate]]
"""newest contents; certificates that were taken back are left out"""


def _by_number_and_person(papers: Iterable[Certificate]) -> Mapping[object, Sequence[Certificate]]:
    found: dict[object, list[Certificate]] = {}
    for one in papers:
        found.setdefault(one.number, []).append(one)
        found.setdefault((one.holder.id_type, one.holder.id_number), []).append(one)
    return found


def _near(papers: Mapping[object, Sequence[Certificate]], filing: Filing) -> list[Certificate]:
    """What is held under the number of a filing, and of its person."""
    return [*papers.get(filing.certificate_number, ()), *papers.get((filing.id_type, filing.id_number), ())]


def _void(connection: Connection, vault: Vault, papers: Mapping[str, Certificate]) -> set[str]:
    """Those of the certificates that a decision declared void from the start."""
    rescinded = [named for named, paper in papers.items() if paper.status == RESCINDED]
    found = records.find(connection, vault, "certificate", rescinded)
    keys = {matches[0][1]: named for named, matches in found.items()}
    changes = records.newest_records(connection, vault, RecordKind.STATUS_CHANGE, list(keys))
    return {keys[one.key] for one in changes if isinstance(one.content, StatusChange) and one.content.void_from_start}


def _held(connection: Connection, vault: Vault, rows: Iterable[JudgedRow]) -> Held:
    """What the store holds under the identity and certificate numbers of these rows."""
    persons, numbers = set(), set()
    for filing in _numbered(rows):
        persons.add(identity(filing.id_type or "", filing.id_number or ""))
        numbers.add(filing.certificate_number or "")
    found = _keys(records.find(connection, vault, "id_number", persons))
    theirs = records.keys_of(connection, RecordKind.CERTIFICATE, found)
    people = [one.content for one in records.newest_records(connection, vault, RecordKind.PERSON, found)]
    # what another enterprise filed for the person counts, whichever certificate it was (N16)
    found = list({*_keys(records.find(connection, vault, "certificate_number", numbers)), *theirs})
    gone = withdrawn_keys(connection, found)
    papers = records.newest_records(
        connection, vault, RecordKind.CERTIFICATE, [key for key in found if key not in gone]
    )
    return (
        [one for one in people if isinstance(one, Worker)],
        [one.content for one in papers if isinstance(one.content, Certificate)],
    )


def held_claims(held: Held, rows: Iterable[JudgedRow]) -> dict[str, str]:
    """What is held, as claims in the form of ``cross_keys``."""
    people, papers = held
    employers = {one.number: one.holder.employer.code for one in papers if one.holder.employer is not None}
    starts: dict[str, date] = {}
    for filing in _numbered(rows):
        # a row that says again what its enterprise has filed before claims nothing new
        if filing.filing_corp_code and employers.get(filing.certificate_number or "") != filing.filing_corp_code:
            person = f"{filing.id_type}/{filing.id_number}"
            start = filing.contract_start or date.min
            starts[person] = min(start, starts.get(person, start))
    found = {f"name:{one.id_type}/{one.id_number}": one.name for one in people}
    for one in papers:
        person = f"{one.holder.id_type}/{one.holder.id_number}"
        found[f"certificate:{one.number}"] = person
        employer = one.holder.employer
        if employer is None or one.verification.channel != "ENTERPRISE" or person not in starts:
            continue
        # whose contract had ended before the next one began has changed employer (our reading of N16)
        if starts[person] <= (employer.contract_end or date.max):
            found[f"filer:{person}"] = employer.code
    return found


def _numbered(rows: Iterable[JudgedRow]) -> Iterator[Filing]:
    for row in rows:
        if row.filing is not None and row.filing.id_number and row.filing.certificate_number:
            yield row.filing


def _keys(found: Mapping[str, Sequence[tuple[str, str]]]) -> list[str]:
    return [key for matches in found.values() for _, key in matches]
