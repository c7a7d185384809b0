"""Registrations by project: which records a platform that registers by project is owed, and what it is not.

The project's code is kept as a keyed digest: a city may have written anything into its cell.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, FromClause, and_, exists, func, insert, select

from gateway.contract.connector import ConnectorInfo
from gateway.delivery.store.tables import delivery, delivery_project, owed
from gateway.domain.records import RecordKind
from gateway.store.tables import record, record_project


def marker(info: ConnectorInfo, kind: RecordKind) -> str:
    """The kind under which the ledger remembers up to where a platform has its deliveries.

    A star marks a kind of which only records with a project are owed, so that a platform that later takes all of them
    is owed the others too.
    """
    return f"{kind}*" if info.kinds[kind].by_project else str(kind)


def is_owed(info: ConnectorInfo, kind: RecordKind) -> ColumnElement[bool]:
    """Whether a record of the kind is owed to the platform and has no delivery to it, whatever it took before."""
    known = exists().where(
        delivery.c.platform == info.platform,
        delivery.c.kind == record.c.kind,
        delivery.c.record_key == record.c.key,
        delivery.c.version == record.c.version,
    )
    if not info.kinds[kind].by_project:
        return ~known
    return and_(~known, exists().where(record_project.c.record_id == record.c.id))


def register(connection: Connection, business_keys: list[str]) -> None:
    """Note the projects with which new deliveries of a kind registered by project are made."""
    chosen = (
        select(delivery.c.id, record_project.c.project)
        .join(record_project, record_project.c.record_id == delivery.c.record_id)
        .where(delivery.c.business_key.in_(business_keys))
    )
    connection.execute(insert(delivery_project).from_select(["delivery_id", "project"], chosen))


def same_project(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    """Whether two deliveries register with one project; where a platform knows no projects all do."""

    def project(which: FromClause) -> ColumnElement[str]:
        found = select(delivery_project.c.project).where(delivery_project.c.delivery_id == which.c.id)
        return func.coalesce(found.correlate(which).scalar_subquery(), "")

    return project(one) == project(other)


def not_owed(connection: Connection, info: ConnectorInfo, kind: RecordKind) -> int:
    """How many records (newest versions) of a kind the platform is not owed."""
    later = record.alias("later")
    newest = ~exists().where(
        later.c.kind == record.c.kind, later.c.key == record.c.key, later.c.version > record.c.version
    )
    chosen = [record.c.kind == kind, newest]
    if kind in info.kinds:
        chosen.append(~exists().where(record_project.c.record_id == record.c.id))
    return int(connection.execute(select(func.count()).select_from(record).where(*chosen)).scalar_one())


def is_left_out(platform: str) -> ColumnElement[bool]:
    """Whether a record is left out because the platform takes its kind by project only and it names none."""
    starred = exists().where(owed.c.platform == platform, owed.c.kind == record.c.kind + "*")
    whole = exists().where(owed.c.platform == platform, owed.c.kind == record.c.kind)
    return and_(starred, ~whole, ~exists().where(record_project.c.record_id == record.c.id))
