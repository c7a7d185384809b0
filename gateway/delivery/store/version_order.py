"""How versions of one record stand to each other: which one a platform holds, which goes first, which not at all.

A withdrawal carries the key of the record it takes back and is one of its versions. A change of status is another form
of the version of the certificate that it makes; a platform that takes such changes gets that form only.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Exists,
    FromClause,
    ScalarSelect,
    and_,
    exists,
    func,
    insert,
    literal_column,
    select,
    update,
)

from gateway.contract.connector import ConnectorInfo
from gateway.delivery.store.tables import delivery, delivery_project, owed
from gateway.domain.records import RecordKind
from gateway.domain.states import TERMINAL, Event, State, advance, sources
from gateway.store.metadata import chunks
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


OLD = delivery.alias("old")
"""the delivery that another one waits for, in conditions of ``step_up``"""


def accepted_before() -> Exists:
    """Whether the platform holds an earlier version: it accepted one in the same project, and no withdrawal since."""
    earlier, taken_back = delivery.alias("earlier"), delivery.alias("taken_back")
    withdrawn = (
        exists()
        .where(
            taken_back.c.platform == earlier.c.platform,
            taken_back.c.kind == RecordKind.WITHDRAWAL,
            taken_back.c.record_key == earlier.c.record_key,
            taken_back.c.version > earlier.c.version,
            taken_back.c.version < delivery.c.version,
            taken_back.c.state == State.ACCEPTED,
        )
        .correlate(earlier, delivery)
    )
    return exists().where(
        earlier.c.platform == delivery.c.platform,
        earlier.c.kind == delivery.c.kind,
        earlier.c.record_key == delivery.c.record_key,
        earlier.c.version < delivery.c.version,
        earlier.c.state == State.ACCEPTED,
        ~withdrawn,
        same_project(earlier, delivery),
    )


def told_otherwise() -> ColumnElement[bool]:
    """Whether a record is a certificate in the form that a status change made of it, the change being owed instead."""
    change = record.alias("change")
    return and_(
        record.c.kind == RecordKind.CERTIFICATE,
        exists().where(
            change.c.kind == RecordKind.STATUS_CHANGE,
            change.c.key == record.c.key,
            change.c.version == record.c.version,
        ),
    )


def _words(values: Iterable[str]) -> list[ColumnElement[str]]:
    return [literal_column(f"'{value}'") for value in values]


def in_flight() -> ScalarSelect[Any]:
    """The newest older version of the same record that is still on its way, for a delivery in an update.

    Without bound values, so that it may stand in a statement that is compiled once.
    """
    older = delivery.alias("older")
    return (
        select(older.c.id)
        .where(
            older.c.platform == delivery.c.platform,
            older.c.kind.in_(_words(RecordKind)),  # says nothing, but the index begins with it
            older.c.record_key == delivery.c.record_key,
            older.c.version < delivery.c.version,
            older.c.state.not_in(_words(sorted(TERMINAL))),
        )
        .order_by(older.c.version.desc())
        .limit(literal_column("1"))
        .scalar_subquery()
    )


def step_up(connection: Connection, *which: ColumnElement[bool]) -> None:
    """Who waits behind an older version of its own record that will not go waits for the one before that, if any."""
    connection.execute(
        update(delivery)
        .where(
            delivery.c.blocked_by.in_(select(OLD.c.id).where(*which)),
            exists().where(OLD.c.id == delivery.c.blocked_by, OLD.c.record_key == delivery.c.record_key),
        )
        .values(blocked_by=in_flight())
    )


def cancel_withdrawn(connection: Connection, platform: str, now: datetime) -> None:
    """What was taken back and has not left does not go; who waited for it goes on."""
    withdrawn = select(record.c.key).where(record.c.kind == RecordKind.WITHDRAWAL)
    if connection.execute(withdrawn.limit(1)).first() is None:
        return
    taken_back = record.alias("taken_back")
    cancelled = connection.execute(
        update(delivery)
        .where(
            delivery.c.platform == platform,
            delivery.c.kind.in_([RecordKind.PERSON, RecordKind.CERTIFICATE, RecordKind.STATUS_CHANGE]),
            delivery.c.record_key.in_(withdrawn),
            delivery.c.state.in_(sources(Event.NEWER_VERSION)),
            exists().where(
                taken_back.c.kind == RecordKind.WITHDRAWAL,
                taken_back.c.key == delivery.c.record_key,
                taken_back.c.version > delivery.c.version,
            ),
        )
        .values(state=State.SUPERSEDED, code="withdrawn", updated_at=now, blocked_by=None)
        .returning(delivery.c.id)
    ).scalars()
    for part in chunks(cancelled.all()):
        step_up(connection, OLD.c.id.in_(part))
        connection.execute(update(delivery).where(delivery.c.blocked_by.in_(part)).values(blocked_by=None))


def supersede_contained(connection: Connection, platform: str, record_keys: list[str], now: datetime) -> None:
    """A change of what never reached the platform does not go: the newest version of the certificate says it all."""
    earlier, later = delivery.alias("earlier"), delivery.alias("later")
    same = (earlier.c.platform == delivery.c.platform, earlier.c.record_key == delivery.c.record_key)
    contained = connection.execute(
        update(delivery)
        .where(
            delivery.c.platform == platform,
            delivery.c.kind == RecordKind.STATUS_CHANGE,
            delivery.c.record_key.in_(record_keys),
            delivery.c.state.in_(sources(Event.NEWER_VERSION)),
            exists().where(
                later.c.platform == delivery.c.platform,
                later.c.kind == RecordKind.CERTIFICATE,
                later.c.record_key == delivery.c.record_key,
                later.c.version > delivery.c.version,
            ),
            ~exists().where(
                *same,
                earlier.c.kind == RecordKind.CERTIFICATE,
                earlier.c.version < delivery.c.version,
                earlier.c.state.not_in([State.SUPERSEDED, State.REJECTED]),
            ),
        )
        .values(state=State.SUPERSEDED, code="newer_version", updated_at=now, blocked_by=None)
        .returning(delivery.c.id)
    ).scalars()
    for part in chunks(contained.all()):
        step_up(connection, OLD.c.id.in_(part))


def supersede_overtaken(connection: Connection, platform: str, business_keys: list[str], now: datetime) -> None:
    """A withdrawal or change owed only after the certificate was filed again must not undo that one."""
    later = delivery.alias("later")
    connection.execute(
        update(delivery)
        .where(
            delivery.c.platform == platform,
            delivery.c.business_key.in_(business_keys),
            exists().where(
                later.c.platform == delivery.c.platform,
                later.c.kind.in_([kind for kind in RecordKind if kind is not RecordKind.STATUS_CHANGE]),
                later.c.record_key == delivery.c.record_key,
                later.c.version > delivery.c.version,
            ),
        )
        .values(state=advance(State.QUEUED, Event.NEWER_VERSION), code="newer_version", updated_at=now)
    )
