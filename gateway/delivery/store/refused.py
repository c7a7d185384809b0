"""What platforms refuse for the data's sake and nobody has corrected since: rejected, with the fields they named."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, exists, select

from gateway.delivery.store.tables import OPEN, attempt, delivery, verdict
from gateway.domain.records import Record, RecordKind
from gateway.domain.states import State
from gateway.store.metadata import chunks
from gateway.store.records import to_record
from gateway.store.tables import record
from gateway.store.vault import Vault


@dataclass(frozen=True, kw_only=True)
class RejectedDelivery:
    """A delivery that was rejected, and of which record.

    code:     the platform's, or ``check`` where the check before sending refused it
    said:     the platform's own words, with the person masked
    fields:   what the platform named, in its own spelling or ours
    batch_id: the batch that made this version
    """

    id: int
    platform: str
    kind: RecordKind
    record_id: int
    record_key: str
    version: int
    code: str
    said: str
    fields: tuple[str, ...]
    batch_id: int | None
    at: datetime


def is_taken_up() -> ColumnElement[bool]:
    """Whether the record of a delivery has a newer version, which stands for it from then on."""
    newer = record.alias("newer_version")
    return exists().where(
        newer.c.kind.in_(list(RecordKind)),  # says nothing, but the index begins with it
        newer.c.key == delivery.c.record_key,
        newer.c.version > delivery.c.version,
    )


def is_refused() -> ColumnElement[bool]:
    """Whether a delivery was rejected and its record still waits for a correction."""
    return (delivery.c.state == State.REJECTED) & OPEN & ~is_taken_up()


def rejected(
    connection: Connection, *, ids: Sequence[int] | None = None, keys: Collection[str] | None = None
) -> list[RejectedDelivery]:
    """Those of the deliveries, or of the records with these keys, that are rejected and not corrected; by id."""
    last = (
        select(verdict.c.fields)
        .join(attempt, attempt.c.id == verdict.c.attempt_id)
        .where(attempt.c.delivery_id == delivery.c.id, verdict.c.applied)
        .order_by(verdict.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    names = ("id", "platform", "kind", "record_id", "record_key", "version", "code", "reason", "updated_at")
    wanted = (
        select(*(delivery.c[name] for name in names), record.c.batch_id, last.label("fields"))
        .join(record, record.c.id == delivery.c.record_id)
        .where(is_refused())
        .order_by(delivery.c.id + 0)  # few are refused: sorting them is less than going through all rows
    )
    if ids is None and keys is None:
        rows = connection.execute(wanted).all()
    else:
        column, values = (delivery.c.id, ids or ()) if ids is not None else (delivery.c.record_key, keys or ())
        rows = [row for part in chunks(values) for row in connection.execute(wanted.where(column.in_(part)))]
    return [
        RejectedDelivery(
            id=row.id,
            platform=row.platform,
            kind=RecordKind(row.kind),
            record_id=row.record_id,
            record_key=row.record_key,
            version=row.version,
            code=row.code or "",
            said=row.reason or "",
            fields=tuple(row.fields or ()),
            batch_id=row.batch_id,
            at=row.updated_at,
        )
        for row in rows
    ]


def record_of(connection: Connection, vault: Vault, one: RejectedDelivery) -> Record:
    """The record version that was rejected."""
    kept = connection.execute(select(record).where(record.c.id == one.record_id)).mappings().one()
    return to_record(dict(kept), vault)
