"""Finds the credit records on which the end of a certificate rests, and whether they still say so.

A ground stands while the archive believes a record in force that declares this certificate void. It is altered where
its content was stated anew by another event, which a person has to read; and it fell where the record was revoked,
declared void itself, withheld, or is about another certificate or person by now. The end of its disclosure, a repair or
a removal from a list change nothing about the certificate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, String, cast, exists, or_, select

from gateway.credit.rules.statements import AckCode, Effect, EventType, Status
from gateway.credit.store.case_tables import credit_own, credit_reliance, reinstatement
from gateway.credit.store.tables import credit_event, credit_link, credit_version
from gateway.domain.records import RecordKind
from gateway.store.metadata import chunks

STATUS_CHANGE = "status_change"
"""purpose under which a change of status rests on a credit record"""
_IN_FORCE = (Status.ACTIVE, Status.EXPIRED, Status.REPAIRED, Status.DELISTED)
_PAPER = str(RecordKind.CERTIFICATE)


class GroundStanding(StrEnum):
    """What a ground says now."""

    STANDS = "stands"
    ALTERED = "altered"
    FELL = "fell"


@dataclass(frozen=True, kw_only=True, order=True)
class Ground:
    """A credit record that declares, or declared, a certificate void."""

    platform: str
    record_id: str


@dataclass(frozen=True, kw_only=True)
class Rests:
    """A void version of a certificate, the record it rests on, and the statement that was believed then."""

    key: str
    version: int
    ground: Ground
    version_id: int


def any_void(connection: Connection) -> bool:
    """Whether any certificate was ever made void by a credit record."""
    here = select(credit_reliance.c.id).where(credit_reliance.c.purpose == STATUS_CHANGE)
    return connection.execute(here.limit(1)).first() is not None


def resting_on(connection: Connection, platform: str, records: Iterable[str]) -> list[Rests]:
    """The void certificates that rest on these records and were not made valid again since."""
    found: list[Rests] = []
    for part in chunks(records):
        found += _rests(connection, credit_version.c.platform == platform, credit_version.c.record_id.in_(part))
    return found


def rests(connection: Connection, key: str, version: int) -> Rests | None:
    """On what the void version of a certificate rests; None where no credit record made it void."""
    here = credit_reliance.c.reference == f"{key}/{version}"
    return next(iter(_rests(connection, here)), None)


def _rests(connection: Connection, *which: ColumnElement[bool]) -> list[Rests]:
    again = exists().where(
        reinstatement.c.certificate_key + "/" + cast(reinstatement.c.void_version, String)
        == credit_reliance.c.reference
    )
    rows = connection.execute(
        select(
            credit_reliance.c.reference,
            credit_reliance.c.version_id,
            credit_version.c.platform,
            credit_version.c.record_id,
        )
        .join(credit_version, credit_version.c.id == credit_reliance.c.version_id)
        .where(credit_reliance.c.purpose == STATUS_CHANGE, ~again, *which)
        .order_by(credit_reliance.c.id)
    )
    return [
        Rests(
            key=row.reference.rpartition("/")[0],
            version=int(row.reference.rpartition("/")[2]),
            ground=Ground(platform=row.platform, record_id=row.record_id),
            version_id=row.version_id,
        )
        for row in rows
    ]


def standing_of(connection: Connection, key: str, at: datetime) -> dict[Ground, GroundStanding]:
    """Every record that ever declared the certificate void, with what it says of it now.

    A platform's echo of an own decision is that decision told back, and no ground beside it.
    """
    link = credit_link.c
    echo = exists().where(credit_own.c.platform == link.platform, credit_own.c.platform_record_id == link.record_id)
    declared = exists().where(
        credit_event.c.platform == link.platform,
        credit_event.c.record_id == link.record_id,
        credit_event.c.event_type == EventType.CERT_INVALIDATED,
        credit_event.c.effect == Effect.INVALIDATE,
        credit_event.c.outcome == AckCode.APPLIED,
    )
    rows = connection.execute(
        select(link.platform, link.record_id, link.sys_to).where(link.key == key, link.kind == _PAPER, declared, ~echo)
    )
    linked: dict[Ground, bool] = {}
    for row in rows:
        ground = Ground(platform=row.platform, record_id=row.record_id)
        linked[ground] = linked.get(ground, False) or row.sys_to is None
    return {
        ground: _standing(connection, ground, at) if held else GroundStanding.FELL for ground, held in linked.items()
    }


def says_now(connection: Connection, key: str, ground: Ground, at: datetime) -> GroundStanding:
    """What one record says of the certificate now."""
    return standing_of(connection, key, at).get(ground, GroundStanding.FELL)


def _standing(connection: Connection, ground: Ground, at: datetime) -> GroundStanding:
    newest: str | None = connection.execute(
        select(credit_event.c.event_type)
        .join(credit_version, credit_version.c.content_id == credit_event.c.id)
        .where(
            credit_version.c.platform == ground.platform,
            credit_version.c.record_id == ground.record_id,
            credit_version.c.sys_to.is_(None),
            credit_version.c.status.in_(_IN_FORCE),
            or_(credit_version.c.valid_to.is_(None), credit_version.c.valid_to > at),
            or_(credit_version.c.valid_to.is_(None), credit_version.c.valid_to > credit_version.c.valid_from),
        )
        .order_by(credit_version.c.valid_from.desc())
        .limit(1)
    ).scalar()
    if newest is None:
        return GroundStanding.FELL
    return GroundStanding.STANDS if newest == EventType.CERT_INVALIDATED else GroundStanding.ALTERED


def withheld(connection: Connection, ground: Ground) -> bool:
    """Whether the platform merely stopped telling the record, which has a ticket of its own (F27)."""
    here = (credit_version.c.platform == ground.platform, credit_version.c.record_id == ground.record_id)
    shown = select(credit_version.c.id).where(
        *here, credit_version.c.sys_to.is_(None), credit_version.c.status == Status.WITHHELD
    )
    return connection.execute(shown.limit(1)).first() is not None
