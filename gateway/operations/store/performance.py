"""What the cities themselves did, as counts: rows reported, returned, corrected, and checks about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, func, select

from gateway.credit.rules.checks import SupervisionKind, SupervisionResult
from gateway.credit.store.case_tables import supervision_check
from gateway.intake.store import reports
from gateway.intake.store.refused import refused_filings
from gateway.intake.store.tables import filing, filing_subject
from gateway.store.tables import batch


@dataclass(kw_only=True)
class CityPerformance:
    """One city in a period, by the moment at which the centre read its rows.

    returned:  rows that a gate refused
    held:      rows that waited or wait for a person
    refused_there: rows that a platform refused and that are not corrected yet
    corrected: returned or held rows that a later row answered
    late:      returned or held rows whose answer came after its last day, or has not come by then
    complaints: complaints that were checked; ``upheld`` of them found something wrong
    failed:    checks of any kind that found something wrong
    """

    city: str
    rows: int = 0
    returned: int = 0
    held: int = 0
    refused_there: int = 0
    corrected: int = 0
    late: int = 0
    complaints: int = 0
    upheld: int = 0
    checks: int = 0
    failed: int = 0


def performances(
    connection: Connection, since: datetime, until: datetime, *, now: datetime, last_day: Callable[[datetime], datetime]
) -> dict[str, CityPerformance]:
    """By the code of the city. ``last_day``: until when a row that was returned at a moment is to be corrected."""
    found: dict[str, CityPerformance] = {}

    def of(report_no: str) -> CityPerformance:
        return found.setdefault(report_no[:6], CityPerformance(city=report_no[:6]))

    here = (batch.c.read_at >= since, batch.c.read_at < until, filing.c.report_no.is_not(None))
    counted = (
        select(filing.c.report_no, filing.c.outcome, func.count().label("count"))
        .join(batch, batch.c.id == filing.c.batch_id)
        .where(*here)
        .group_by(filing.c.report_no, filing.c.outcome)
    )
    for row in connection.execute(counted):
        one, count = of(row.report_no), row._mapping["count"]
        one.rows += count
        one.returned += count if row.outcome == "refuse" else 0
        one.held += count if row.outcome == "hold" else 0
    refused = (
        select(filing.c.report_no, func.count().label("count"))
        .join(batch, batch.c.id == filing.c.batch_id)
        .where(*here, filing.c.id.in_(refused_filings()))
        .group_by(filing.c.report_no)
    )
    for row in connection.execute(refused):
        of(row.report_no).refused_there += row._mapping["count"]
    moments = {row.id: row.read_at for row in connection.execute(select(batch.c.id, batch.c.read_at))}
    answers = reports.Answers(connection)
    back = (
        select(filing.c.batch_id, filing.c.report_no, filing_subject.c.certificate, filing_subject.c.person)
        .join(filing_subject, filing_subject.c.filing_id == filing.c.id)
        .join(batch, batch.c.id == filing.c.batch_id)
        .where(*here)
    )
    for row in connection.execute(back):
        one = of(row.report_no)
        answer = answers.to(row.batch_id, row.report_no, (row.certificate, row.person))
        one.corrected += answer is not None
        one.late += (now if answer is None else moments[answer]) >= last_day(moments[row.batch_id])
    return found


def add_checks(connection: Connection, found: dict[str, CityPerformance], since: date, until: date) -> None:
    """The checks of a period that concern a city or an object it answers for."""
    check = supervision_check.c
    counted = (
        select(check.city, check.kind, check.result, func.count().label("count"))
        .where(check.city.is_not(None), check.checked_on >= since, check.checked_on <= until)
        .group_by(check.city, check.kind, check.result)
    )
    for row in connection.execute(counted):
        one = found.setdefault(row.city, CityPerformance(city=row.city))
        count = row._mapping["count"]
        wrong = 0 if row.result == SupervisionResult.PASSED else count
        one.checks += count
        one.failed += wrong
        if row.kind == SupervisionKind.COMPLAINT:
            one.complaints += count
            one.upheld += wrong
