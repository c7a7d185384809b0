"""Reports as a whole: which are closed, what belongs to them, and which rows of theirs were answered by later ones.

A report closes by itself once nothing of it is open, or by a person who gives up what never came back. Rows that are
returned stay items of it, so their correction is no new item.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, Select, and_, func, insert, select

from gateway.codec.redact import clean
from gateway.domain.records import RecordKind
from gateway.intake.store.tables import filing, filing_subject, report_closing
from gateway.store.metadata import chunks
from gateway.store.tables import record, search_index

Subject = tuple[str | None, str | None]
"""digests of certificate and person"""


def close(connection: Connection, report_no: str, reason: str, now: datetime) -> bool:
    """Close a report by hand; False where somebody did before."""
    if report_no in closings(connection):
        return False
    connection.execute(insert(report_closing).values(report_no=report_no, closed_at=now, reason=clean(reason)))
    return True


def closings(connection: Connection) -> dict[str, tuple[datetime, str]]:
    """Reports that were closed by hand: when, and why."""
    rows = connection.execute(select(report_closing))
    return {row.report_no: (row.closed_at, row.reason) for row in rows}


def items(connection: Connection, report_no: str, subjects: Collection[Subject]) -> set[Subject]:
    """Those of the subjects that the report has a row about, by certificate or by person."""
    found: set[str] = set()
    digests = {digest for one in subjects for digest in one if digest is not None}
    for part in chunks(digests):
        for wanted in (*_admitted(part, report_no), *_others(part, report_no)):
            found.update(row[0] for row in connection.execute(wanted))
    return {one for one in subjects if not found.isdisjoint(one)}


def _admitted(digests: Collection[str], report_no: str) -> tuple[Select[str], ...]:
    by_certificate = (
        select(search_index.c.digest)
        .join(filing, filing.c.certificate_key == search_index.c.key)
        .where(search_index.c.digest.in_(digests), filing.c.report_no == report_no)
    )
    by_person = (
        select(search_index.c.digest)
        .join(record, and_(record.c.person_key == search_index.c.key, record.c.kind == RecordKind.CERTIFICATE))
        .join(filing, filing.c.certificate_key == record.c.key)
        .where(search_index.c.digest.in_(digests), filing.c.report_no == report_no)
    )
    return by_certificate.distinct(), by_person.distinct()


def _others(digests: Collection[str], report_no: str) -> tuple[Select[str], ...]:
    return tuple(
        select(column)
        .join(filing, filing.c.id == filing_subject.c.filing_id)
        .where(column.in_(digests), filing.c.report_no == report_no)
        .distinct()
        for column in (filing_subject.c.certificate, filing_subject.c.person)
    )


class Answers:
    """The last batch with a row about each subject of a row that did not go; a later one answers it."""

    def __init__(self, connection: Connection) -> None:
        self._certificates: dict[str, int] = {}
        self._persons: dict[tuple[str, str | None], int] = {}
        certificate, person = filing_subject.c.certificate, filing_subject.c.person
        found, last = search_index.c, func.max(filing.c.batch_id)
        refused = filing_subject.join(filing, filing.c.id == filing_subject.c.filing_id)
        admitted = search_index.join(filing, filing.c.certificate_key == found.key)
        theirs = search_index.join(
            record, and_(record.c.person_key == found.key, record.c.kind == RecordKind.CERTIFICATE)
        ).join(filing, filing.c.certificate_key == record.c.key)
        for wanted in (
            select(found.digest, last).select_from(admitted).where(found.digest.in_(select(certificate))),
            select(certificate, last).select_from(refused).where(certificate.is_not(None)),
        ):
            for digest, batch_id in connection.execute(wanted.group_by(wanted.selected_columns[0])):
                self._certificates[digest] = max(batch_id, self._certificates.get(digest, 0))
        report_no = filing.c.report_no
        for wanted_persons in (
            select(found.digest, report_no, last).select_from(theirs).where(found.digest.in_(select(person))),
            select(person, report_no, last).select_from(refused).where(person.is_not(None)),
        ):
            grouped = wanted_persons.group_by(wanted_persons.selected_columns[0], report_no)
            for digest, number, batch_id in connection.execute(grouped):
                self._persons[digest, number] = max(batch_id, self._persons.get((digest, number), 0))

    def to(self, batch_id: int, report_no: str | None, subject: Subject) -> int | None:
        """The batch that answers a row of another one, or None.

        It has a row about the same certificate, or about the same person in the same report: a certificate number that
        was mended is another one.
        """
        certificate, person = subject
        last = max(
            self._certificates.get(certificate, 0) if certificate else 0,
            self._persons.get((person, report_no), 0) if person else 0,
        )
        return last if last > batch_id else None
