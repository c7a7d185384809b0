"""What people ask about reported batches: rows, states and deliveries by city and report. One query for each table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Subquery, and_, case, func, or_, select

from gateway.domain.delivery import TERMINAL, State
from gateway.domain.filing import FilingState, stands
from gateway.domain.records import RecordKind
from gateway.store.change_tables import record_change
from gateway.store.tables import batch, delivery, filing, record

_PAPERS = (RecordKind.CERTIFICATE, RecordKind.WITHDRAWAL)
"""a filing is about its certificate: these deliveries are counted for it, the person's own are not"""


@dataclass(kw_only=True)
class BatchPart:
    """The rows of one report in one batch. A batch read before reports were told apart is one part without number.

    rows:     by what became of them: ``admit``, ``unchanged``, ``withdraw``, ``hold``, ``refuse``
    states:   by where the filings stand now
    platforms: platform -> deliveries of the certificates that this batch added: ``owed``, ``pushed`` (sent at least
               once), ``acknowledged``, ``refused``, ``waiting``
    """

    id: int
    name: str
    read_at: datetime
    report_no: str | None
    rows: Counter[str] = field(default_factory=Counter)
    states: Counter[FilingState] = field(default_factory=Counter)
    platforms: dict[str, Mapping[str, int]] = field(default_factory=dict)
    oldest_waiting: datetime | None = None

    @property
    def city(self) -> str | None:
        """Division code of the city that reported."""
        return None if self.report_no is None else self.report_no[:6]


def parts(connection: Connection, name: str | None = None) -> list[BatchPart]:
    """All batches by report, newest batch first; with ``name`` only the batch or report of that name."""
    chosen: list[ColumnElement[bool]] = []
    if name is not None:
        named = select(batch.c.id).where(batch.c.name == name)
        chosen = [or_(filing.c.batch_id.in_(named), filing.c.report_no == name)]
    found = _filings(connection, chosen, _heads(connection))
    _add_deliveries(connection, found, chosen)
    return sorted(found.values(), key=lambda part: (-part.id, part.report_no or ""))


def _heads(connection: Connection) -> dict[int, tuple[str, datetime]]:
    rows = connection.execute(select(batch.c.id, batch.c.name, batch.c.read_at))
    return {row.id: (row.name, row.read_at) for row in rows}


def _filings(
    connection: Connection, chosen: Sequence[ColumnElement[bool]], heads: Mapping[int, tuple[str, datetime]]
) -> dict[tuple[int, str | None], BatchPart]:
    pushed, withdrawn = _pushed(), _withdrawn()
    columns = (
        filing.c.batch_id,
        filing.c.report_no,
        filing.c.outcome,
        case((pushed.c.open == 0, True), else_=False).label("pushed"),
        withdrawn.c.key.is_not(None).label("withdrawn"),
    )
    rows = connection.execute(
        select(*columns, func.count().label("rows"))
        .select_from(
            filing.outerjoin(pushed, pushed.c.record_key == filing.c.certificate_key).outerjoin(
                withdrawn, withdrawn.c.key == filing.c.certificate_key
            )
        )
        .where(*chosen)
        .group_by(*columns)
    )
    found: dict[tuple[int, str | None], BatchPart] = {}
    for row in rows:
        name, read_at = heads[row.batch_id]
        empty = BatchPart(id=row.batch_id, name=name, read_at=read_at, report_no=row.report_no)
        part = found.setdefault((row.batch_id, row.report_no), empty)
        part.rows[row.outcome] += row.rows
        part.states[stands(row.outcome, pushed=bool(row.pushed), withdrawn=bool(row.withdrawn))] += row.rows
    return found


def _pushed() -> Subquery:
    """Certificate -> how many platforms have yet to accept its newest version."""
    place = func.row_number().over(
        partition_by=(delivery.c.platform, delivery.c.record_key), order_by=delivery.c.version.desc()
    )
    newest = (
        select(delivery.c.record_key, delivery.c.state, place.label("place"))
        .where(delivery.c.kind.in_(_PAPERS), delivery.c.state != State.SUPERSEDED)
        .subquery()
    )
    unaccepted = func.sum(case((newest.c.state == State.ACCEPTED, 0), else_=1))
    return (
        select(newest.c.record_key, unaccepted.label("open"))
        .where(newest.c.place == 1)
        .group_by(newest.c.record_key)
        .subquery()
    )


def _withdrawn() -> Subquery:
    """Certificates whose newest version takes them back."""
    later = record.alias("later")
    return (
        select(record.c.key)
        .where(
            record.c.kind == RecordKind.WITHDRAWAL,
            ~select(later.c.id)
            .where(
                later.c.kind == RecordKind.CERTIFICATE,
                later.c.key == record.c.key,
                later.c.version > record.c.version,
            )
            .exists(),
        )
        .distinct()
        .subquery()
    )


def _add_deliveries(
    connection: Connection, found: Mapping[tuple[int, str | None], BatchPart], chosen: Sequence[ColumnElement[bool]]
) -> None:
    mine = and_(
        # not by the index of batches, which would pair every row of a batch with every record of it
        func.coalesce(filing.c.batch_id, 0) == func.coalesce(record.c.batch_id, -1),
        filing.c.certificate_key == record.c.key,
        record.c.kind.in_(_PAPERS),
    )
    waiting = delivery.c.state.not_in(TERMINAL)
    group = (filing.c.batch_id, filing.c.report_no, delivery.c.platform)
    rows = connection.execute(
        select(
            *group,
            func.count().label("owed"),
            func.sum(case((delivery.c.tries > 0, 1), else_=0)).label("pushed"),
            func.sum(case((delivery.c.state == State.ACCEPTED, 1), else_=0)).label("acknowledged"),
            func.sum(case((delivery.c.state == State.REJECTED, 1), else_=0)).label("refused"),
            func.sum(case((waiting, 1), else_=0)).label("waiting"),
            func.min(case((waiting, delivery.c.created_at))).label("oldest"),
        )
        .select_from(delivery.join(record, record.c.id == delivery.c.record_id).join(filing, mine))
        .where(*chosen)
        .group_by(*group)
        .order_by(delivery.c.platform)
    ).mappings()
    names = ("owed", "pushed", "acknowledged", "refused", "waiting")
    for row in rows:
        part = found[row["batch_id"], row["report_no"]]
        part.platforms[row["platform"]] = {name: int(row[name]) for name in names}
        if row["oldest"] is not None and (part.oldest_waiting is None or row["oldest"] < part.oldest_waiting):
            part.oldest_waiting = row["oldest"]


def changed_fields(connection: Connection, batch_ids: Sequence[int]) -> Counter[str]:
    """How many versions that these batches added differ from the one before in each field; names, never values."""
    rows = connection.execute(
        select(record.c.kind, record_change.c.fields)
        .join(record, record.c.id == record_change.c.record_id)
        .where(record.c.batch_id.in_(list(batch_ids)))
    )
    return Counter(f"{row.kind}.{name}" for row in rows for name in row.fields)
