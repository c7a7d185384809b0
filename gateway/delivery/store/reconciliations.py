"""Reconciliation runs: our side as of one moment, and the differences that were found."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, insert, or_, select

from gateway.delivery.rules.work import Claimed
from gateway.delivery.store.ledger import load
from gateway.delivery.store.tables import delivery, reconciliation, reconciliation_item
from gateway.domain.records import Record, RecordKind
from gateway.domain.states import State
from gateway.store.metadata import chunks
from gateway.store.records import to_record
from gateway.store.tables import record
from gateway.store.vault import Vault

_CERTIFICATES = (RecordKind.CERTIFICATE, RecordKind.STATUS_CHANGE)


def page_of_ours(connection: Connection, vault: Vault, platform: str, after: int, limit: int) -> list[Claimed]:
    """The newest delivery of each record that was not superseded, by id; the next page starts after the last id.

    A change of status is a version of its certificate. A platform that accepted a withdrawal should hold nothing of
    what it takes back.
    """
    newer = delivery.alias("newer")
    ids = connection.execute(
        select(delivery.c.id)
        .where(
            func.coalesce(delivery.c.platform, "")
            == platform,  # not by an index of platforms: a page is a range of ids
            delivery.c.id > after,
            delivery.c.state != State.SUPERSEDED,
            delivery.c.kind != RecordKind.WITHDRAWAL,
            ~select(newer.c.id)
            .where(
                newer.c.platform == delivery.c.platform,
                newer.c.kind.in_(list(RecordKind)),  # says nothing, but the index begins with it
                newer.c.record_key == delivery.c.record_key,
                newer.c.version > delivery.c.version,
                or_(
                    and_(
                        or_(
                            newer.c.kind == delivery.c.kind,
                            and_(newer.c.kind.in_(_CERTIFICATES), delivery.c.kind.in_(_CERTIFICATES)),
                        ),
                        newer.c.state != State.SUPERSEDED,
                    ),
                    and_(newer.c.kind == RecordKind.WITHDRAWAL, newer.c.state == State.ACCEPTED),
                ),
            )
            .exists(),
        )
        .order_by(delivery.c.id)
        .limit(limit)
    ).scalars()
    return load(connection, vault, list(ids))


def page_of_unowed(
    connection: Connection, vault: Vault, platform: str, kinds: Collection[RecordKind], *, after: int, limit: int
) -> list[tuple[int, Record]]:
    """The newest records of these kinds that have no delivery to the platform and were not withdrawn, by row id."""
    newer = record.alias("newer")
    rows = connection.execute(
        select(record)
        .where(
            record.c.kind.in_(list(kinds)),
            record.c.id > after,
            ~select(newer.c.id)
            .where(
                newer.c.key == record.c.key,
                newer.c.version > record.c.version,
                newer.c.kind.in_([record.c.kind, RecordKind.WITHDRAWAL]),
            )
            .exists(),
            ~select(delivery.c.id)
            .where(
                delivery.c.platform == platform,
                delivery.c.kind == record.c.kind,
                delivery.c.record_key == record.c.key,
            )
            .exists(),
        )
        .order_by(record.c.id)
        .limit(limit)
    ).mappings()
    return [(row["id"], to_record(dict(row), vault)) for row in rows]


def still_queued(connection: Connection, ids: Collection[int]) -> set[int]:
    """Those of the deliveries that are queued now."""
    found: set[int] = set()
    for part in chunks(ids):
        wanted = select(delivery.c.id).where(delivery.c.id.in_(part), delivery.c.state == State.QUEUED)
        found |= set(connection.execute(wanted).scalars())
    return found


def save(
    connection: Connection,
    *,
    platform: str,
    ours_at: datetime,
    theirs_at: datetime,
    counts: Mapping[str, int],
    items: Sequence[Mapping[str, Any]],
) -> int:
    """Keep a run with its differences (matches are only counted); returns its number."""
    run = connection.execute(
        insert(reconciliation)
        .values(platform=platform, ours_at=ours_at, theirs_at=theirs_at, counts=dict(counts))
        .returning(reconciliation.c.id)
    ).scalar_one()
    for part in chunks(items):
        connection.execute(insert(reconciliation_item), [{"reconciliation_id": run, **item} for item in part])
    return int(run)
