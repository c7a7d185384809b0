"""Reconciliation runs: our side as of one moment, and the differences that were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, insert, or_, select

from gateway.domain.delivery import State
from gateway.domain.records import RecordKind
from gateway.store.chunks import chunks
from gateway.store.ledger import Claimed, load
from gateway.store.tables import delivery, reconciliation, reconciliation_item
from gateway.store.vault import Vault


def page_of_ours(connection: Connection, vault: Vault, platform: str, after: int, limit: int) -> list[Claimed]:
    """The newest delivery of each record that was not superseded, by id; the next page starts after the last id.

    A platform that accepted a withdrawal should hold nothing of what it takes back.
    """
    newer = delivery.alias("newer")
    ids = connection.execute(
        select(delivery.c.id)
        .where(
            delivery.c.platform == platform,
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
                    and_(newer.c.kind == delivery.c.kind, newer.c.state != State.SUPERSEDED),
                    and_(newer.c.kind == RecordKind.WITHDRAWAL, newer.c.state == State.ACCEPTED),
                ),
            )
            .exists(),
        )
        .order_by(delivery.c.id)
        .limit(limit)
    ).scalars()
    return load(connection, vault, list(ids))


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
