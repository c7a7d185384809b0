"""What people ask about reported batches: rows, states and deliveries by city and report. One query for each table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Subquery, Text, and_, case, cast, func, or_, select

from gateway.delivery.store.refused import is_taken_up
from gateway.delivery.store.tables import delivery, owed
from gateway.domain.records import RecordKind
from gateway.domain.states import TERMINAL, State
from gateway.intake.rules.filing import FilingState, stands
from gateway.intake.store import reports
from gateway.intake.store.refused import refused_filings
from gateway.intake.store.tables import filing, filing_subject
from gateway.store.tables import batch, record, record_change

_PAPERS = (RecordKind.CERTIFICATE, RecordKind.STATUS_CHANGE, RecordKind.WITHDRAWAL)
"""a filing is about its certificate: these deliveries are counted for it, the person's own are not"""


@dataclass(kw_only=True)
class BatchPart:
    """The rows of one report in one batch. A batch read before reports were told apart is one part without number.

    rows:     by what became of them: ``admit``, ``unchanged``, ``withdraw``, ``hold``, ``refuse``
    states:   by where the filings stand now
    warned:   rows that went with a warning
    open:     rows of which something is still to come: held or returned and not answered by a later batch, or not yet
              accepted by every platform, their person included
    refused_there: rows that a platform refused, not corrected yet
    closed_at: when the last of them was settled, or a person closed the report; None while it is open
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
    warned: int = 0
    refused_there: int = 0
    open: int = 0
    settled_at: datetime | None = field(default=None, repr=False)
    closed_by_hand: tuple[datetime, str] | None = None
    """when a person closed the report, and why"""

    @property
    def city(self) -> str | None:
        """Division code of the city that reported."""
        return None if self.report_no is None else self.report_no[:6]

    @property
    def closed_at(self) -> datetime | None:
        """When it was closed, by itself or by a person."""
        if self.closed_by_hand is not None:
            return self.closed_by_hand[0]
        return None if self.open else self.settled_at


def parts(connection: Connection, name: str | None = None) -> list[BatchPart]:
    """All batches by report, newest batch first; with ``name`` only the batch or report of that name."""
    chosen: list[ColumnElement[bool]] = []
    if name is not None:
        named = select(batch.c.id).where(batch.c.name == name)
        chosen = [or_(filing.c.batch_id.in_(named), filing.c.report_no == name)]
    found = _filings(connection, chosen, _heads(connection))
    _settle(connection, found, chosen)
    _add_deliveries(connection, found, chosen)
    return sorted(found.values(), key=lambda part: (-part.id, part.report_no or ""))


@dataclass(frozen=True, kw_only=True)
class ReportCount:
    """How many rows of a report were read, and when the last of them; a report without number is a city's code."""

    report_no: str | None
    rows: int
    admitted: int
    last_read_at: datetime


def report_counts(connection: Connection) -> list[ReportCount]:
    """Every report of which rows were read."""
    went = case((filing.c.outcome.not_in(["hold", "refuse"]), 1), else_=0)
    wanted = (
        select(
            filing.c.report_no,
            func.count().label("rows"),
            func.sum(went).label("admitted"),
            func.max(batch.c.read_at).label("last_read_at"),
        )
        .join(batch, batch.c.id == filing.c.batch_id)
        .group_by(filing.c.report_no)
    )
    return [
        ReportCount(report_no=row.report_no, rows=row.rows, admitted=int(row.admitted), last_read_at=row.last_read_at)
        for row in connection.execute(wanted)
    ]


def closed_reports(connection: Connection, numbers: Collection[str]) -> set[str]:
    """Those of the reports that are closed: nothing of them is open, or a person closed them."""
    by_hand = reports.closings(connection)
    closed = {number for number in numbers if number in by_hand}
    for number in set(numbers) - closed:
        chosen = [filing.c.report_no == number]
        found = _filings(connection, chosen, _heads(connection))
        _settle(connection, found, chosen)
        if found and all(part.closed_at is not None for part in found.values()):
            closed.add(number)
    return closed


def _settle(
    connection: Connection, found: Mapping[tuple[int, str | None], BatchPart], chosen: Sequence[ColumnElement[bool]]
) -> None:
    """Take what later batches have answered from what is open, and note what a person closed."""
    by_hand = reports.closings(connection)
    for part in found.values():
        part.closed_by_hand = by_hand.get(part.report_no or "")
    rows = connection.execute(
        select(filing.c.batch_id, filing.c.report_no, filing_subject.c.certificate, filing_subject.c.person)
        .join(filing_subject, filing_subject.c.filing_id == filing.c.id)
        .where(*chosen)
    ).all()
    if not rows:
        return
    answers, heads = reports.Answers(connection), _heads(connection)
    for row in rows:
        answer = answers.to(row.batch_id, row.report_no, (row.certificate, row.person))
        if answer is not None:
            part = found[row.batch_id, row.report_no]
            part.open -= 1
            part.settled_at = max(part.settled_at or part.read_at, heads[answer][1])


def _heads(connection: Connection) -> dict[int, tuple[str, datetime]]:
    rows = connection.execute(select(batch.c.id, batch.c.name, batch.c.read_at))
    return {row.id: (row.name, row.read_at) for row in rows}


def _filings(
    connection: Connection, chosen: Sequence[ColumnElement[bool]], heads: Mapping[int, tuple[str, datetime]]
) -> dict[tuple[int, str | None], BatchPart]:
    pushed, withdrawn, refused = _pushed(chosen), _withdrawn(), refused_filings().subquery()
    went = filing.c.outcome.not_in(["hold", "refuse"])
    each = (
        select(
            filing.c.batch_id,
            filing.c.report_no,
            filing.c.outcome,
            case((pushed.c.open == 0, 1), else_=0).label("pushed"),
            case((withdrawn.c.key.is_not(None), 1), else_=0).label("withdrawn"),
            case((refused.c.id.is_not(None), 1), else_=0).label("refused"),
            # withdrawn before anything had left: no platform has to be told
            case(
                (and_(withdrawn.c.key.is_not(None), func.coalesce(pushed.c.open, 0) == 0), 0),
                (and_(pushed.c.open == 0, refused.c.id.is_(None)), 0),
                else_=1,
            ).label("open"),
            case((and_(went, cast(filing.c.failures, Text) != "[]"), 1), else_=0).label("warned"),
            pushed.c.settled_at,
        )
        .select_from(
            filing.outerjoin(pushed, pushed.c.record_key == filing.c.certificate_key)
            .outerjoin(withdrawn, withdrawn.c.key == filing.c.certificate_key)
            .outerjoin(refused, refused.c.id == filing.c.id)
        )
        .where(*chosen)
        .subquery()
    )
    columns = (each.c.batch_id, each.c.report_no, each.c.outcome, each.c.pushed, each.c.withdrawn, each.c.refused)
    rows = connection.execute(
        select(
            *columns,
            func.count().label("rows"),
            func.sum(each.c.warned).label("warned"),
            func.sum(each.c.open).label("open"),
            func.max(each.c.settled_at).label("settled_at"),
        ).group_by(*columns)
    )
    found: dict[tuple[int, str | None], BatchPart] = {}
    for row in rows:
        name, read_at = heads[row.batch_id]
        empty = BatchPart(id=row.batch_id, name=name, read_at=read_at, report_no=row.report_no, settled_at=read_at)
        part = found.setdefault((row.batch_id, row.report_no), empty)
        part.rows[row.outcome] += row.rows
        state = stands(row.outcome, pushed=bool(row.pushed), withdrawn=bool(row.withdrawn), refused=bool(row.refused))
        part.states[state] += row.rows
        part.refused_there += row.rows if row.refused and not row.withdrawn else 0
        part.warned += int(row.warned)
        part.open += int(row.open)
        if row.settled_at is not None:
            part.settled_at = max(part.settled_at or read_at, row.settled_at)
    return found


def _pushed(chosen: Sequence[ColumnElement[bool]]) -> Subquery:
    """Certificate -> how many platforms have yet to accept its newest version, and when the last of them said so.

    Of those that the chosen filings are about; of all where none are chosen.
    """
    place = func.row_number().over(
        partition_by=(delivery.c.platform, delivery.c.record_key), order_by=delivery.c.version.desc()
    )
    newest = (
        select(delivery.c.record_key, delivery.c.state, delivery.c.updated_at, place.label("place"))
        .where(
            delivery.c.kind.in_(_PAPERS),
            delivery.c.state != State.SUPERSEDED,
            or_(delivery.c.state != State.REJECTED, ~is_taken_up()),
        )
        .where(*_about(chosen))
        .subquery()
    )
    unaccepted = func.sum(case((newest.c.state == State.ACCEPTED, 0), else_=1))
    return (
        select(newest.c.record_key, unaccepted.label("open"), func.max(newest.c.updated_at).label("settled_at"))
        .where(newest.c.place == 1)
        .group_by(newest.c.record_key)
        .subquery()
    )


def _about(chosen: Sequence[ColumnElement[bool]]) -> tuple[ColumnElement[bool], ...]:
    """Deliveries of the chosen filings' certificates, by the index of versions; all, where none are chosen."""
    if not chosen:
        return ()
    return (
        delivery.c.platform.in_(select(owed.c.platform)),
        delivery.c.kind.in_(_PAPERS),
        delivery.c.record_key.in_(select(filing.c.certificate_key).where(*chosen)),
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
    theirs = and_(
        delivery.c.record_id == record.c.id,
        delivery.c.kind == record.c.kind,
        delivery.c.record_key == record.c.key,
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
        .select_from(filing.join(record, mine).join(delivery, theirs))
        .where(*chosen, *_about(chosen))
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
