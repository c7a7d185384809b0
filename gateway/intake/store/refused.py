"""The rows behind what platforms refused: which row of which batch a city has to correct."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import CompoundSelect, Connection, and_, select, union

from gateway.delivery.store.refused import is_refused
from gateway.delivery.store.tables import delivery
from gateway.domain.records import RecordKind
from gateway.intake.store.tables import filing
from gateway.store.metadata import chunks
from gateway.store.tables import batch, record

_PAPERS = (RecordKind.CERTIFICATE, RecordKind.STATUS_CHANGE, RecordKind.WITHDRAWAL)
_STAYED = ("hold", "refuse")
"""outcomes of rows of which nothing was kept"""


@dataclass(frozen=True, kw_only=True)
class RowPlace:
    """A row of a reported batch. ``report_no``: the report's own number, or the city's code where it has none."""

    batch: str
    batch_id: int
    row_no: int
    report_no: str | None


def refused_filings() -> CompoundSelect[tuple[int]]:
    """Ids of the rows whose certificate or person a platform refused, in the version they gave or a later one."""
    of_paper = (
        select(filing.c.id)
        .join(delivery, delivery.c.record_key == filing.c.certificate_key)
        .join(record, record.c.id == delivery.c.record_id)
        .where(delivery.c.kind.in_(_PAPERS))
    )
    paper = record.alias("paper")
    of_person = (
        select(filing.c.id)
        .join(paper, and_(paper.c.kind == RecordKind.CERTIFICATE, paper.c.key == filing.c.certificate_key))
        .join(delivery, and_(delivery.c.record_key == paper.c.person_key, delivery.c.kind == RecordKind.PERSON))
        .join(record, record.c.id == delivery.c.record_id)
    )
    rows = (filing.c.outcome.not_in(_STAYED), filing.c.batch_id >= record.c.batch_id, is_refused())
    return union(of_paper.where(*rows), of_person.where(*rows))


def keys_in(connection: Connection, batch_ids: Collection[int]) -> set[str]:
    """Keys of the certificates and persons whose rows in these batches a platform refused."""
    wanted = select(filing.c.person_key, filing.c.certificate_key).where(
        filing.c.id.in_(refused_filings()), filing.c.batch_id.in_(batch_ids)
    )
    return {key for row in connection.execute(wanted) for key in row if key is not None}


def places(connection: Connection, records: Iterable[tuple[RecordKind, str]]) -> dict[str, RowPlace]:
    """Record key -> the newest row that went about a certificate, or about a certificate of a person."""
    found: dict[str, RowPlace] = {}
    asked = list(dict.fromkeys(records))
    columns = (batch.c.name, filing.c.batch_id, filing.c.row_no, filing.c.report_no)
    paper = record.alias("paper")
    for part in chunks(asked):
        persons = [key for kind, key in part if kind is RecordKind.PERSON]
        papers = [key for kind, key in part if kind is not RecordKind.PERSON]
        of_papers = select(filing.c.certificate_key.label("key"), *columns).where(filing.c.certificate_key.in_(papers))
        of_persons = (
            select(paper.c.person_key.label("key"), *columns)
            .join(paper, and_(paper.c.kind == RecordKind.CERTIFICATE, paper.c.key == filing.c.certificate_key))
            .where(paper.c.person_key.in_(persons))
        )
        for wanted, keys in ((of_papers, papers), (of_persons, persons)):
            if keys:
                went = wanted.join(batch, batch.c.id == filing.c.batch_id).where(filing.c.outcome.not_in(_STAYED))
                for row in connection.execute(went.order_by(filing.c.id)):
                    place = RowPlace(batch=row.name, batch_id=row.batch_id, row_no=row.row_no, report_no=row.report_no)
                    found[row.key] = place
    return found
