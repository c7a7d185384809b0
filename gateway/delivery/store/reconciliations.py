"""Reconciliation runs: our side as of one moment, and the differences that were found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, insert, or_, select, update

from gateway.delivery.rules.differences import Item
from gateway.delivery.rules.work import Claimed
from gateway.delivery.store.ledger import load
from gateway.delivery.store.tables import delivery, reconciliation, reconciliation_item
from gateway.domain.records import Record, RecordKind
from gateway.domain.states import State
from gateway.store.audit import note
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


def moved_since(connection: Connection, ids: Collection[int], moment: datetime) -> set[int]:
    """Those of ``ids`` whose state was settled after a moment."""
    found: set[int] = set()
    for part in chunks(ids):
        wanted = select(delivery.c.id).where(delivery.c.id.in_(part), delivery.c.updated_at > moment)
        found |= set(connection.execute(wanted).scalars())
    return found


def still_queued(connection: Connection, ids: Collection[int]) -> set[int]:
    """Those of the deliveries that are queued now."""
    found: set[int] = set()
    for part in chunks(ids):
        wanted = select(delivery.c.id).where(delivery.c.id.in_(part), delivery.c.state == State.QUEUED)
        found |= set(connection.execute(wanted).scalars())
    return found


def save(
    connection: Connection,
    vault: Vault,
    *,
    platform: str,
    ours_at: datetime,
    theirs_at: datetime,
    counts: Mapping[str, int],
    items: Sequence[Item],
) -> tuple[int, Counter[str]]:
    """Keep a run with its differences (matches are only counted); gives its number, and how many are settled by class.

    What a person settled in the run before stays settled while it differs in the same way. What only the platform has
    is kept by its key for the last run only, and so is what the two sides say of a field.
    """
    before = last_run(connection, platform)
    settled = set() if before is None else _settled(connection, vault, before.number)
    run = int(
        connection.execute(
            insert(reconciliation)
            .values(platform=platform, ours_at=ours_at, theirs_at=theirs_at, counts=dict(counts))
            .returning(reconciliation.c.id)
        ).scalar_one()
    )
    kept: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    for position, item in enumerate(items):
        known = item.theirs or ({"sides": item.sides} if item.sides else None)
        theirs = None if known is None else json.dumps(known, ensure_ascii=False)
        again = (str(item.difference), str(item.kind), item.delivery_id, tuple(item.fields), theirs) in settled
        kept[item.difference] += again
        rows.append(
            {
                "reconciliation_id": run,
                "class": item.difference,
                "kind": item.kind,
                "delivery_id": item.delivery_id,
                "fields": list(item.fields),
                "position": position,
                "theirs": None if theirs is None else vault.seal(theirs.encode(), _theirs_place(run, position)),
                "settled_at": theirs_at if again else None,
            }
        )
    for part in chunks(rows):
        connection.execute(insert(reconciliation_item), part)
    if before is not None:
        here = (reconciliation_item.c.reconciliation_id == before.number, reconciliation_item.c.theirs.is_not(None))
        connection.execute(update(reconciliation_item).where(*here).values(theirs=None))
    return run, +kept


def _theirs_place(run: int, position: int) -> str:
    return f"reconciliation_item.theirs:{run}/{position}"


_SettledItem = tuple[str, str, int | None, tuple[str, ...], str | None]
"""class, kind, delivery, fields and what the platform has: what must be the same for a settlement to last"""


def _settled(connection: Connection, vault: Vault, run: int) -> set[_SettledItem]:
    item = reconciliation_item.c
    rows = connection.execute(
        select(reconciliation_item).where(item.reconciliation_id == run, item.settled_at.is_not(None))
    ).mappings()
    return {
        (
            row["class"],
            row["kind"],
            row["delivery_id"],
            tuple(row["fields"]),
            None if row["theirs"] is None else vault.open(row["theirs"], _theirs_place(run, row["position"])).decode(),
        )
        for row in rows
    }


@dataclass(frozen=True, kw_only=True)
class ReconciliationRun:
    """One kept run: when each side was read, and how many keys are in each class."""

    number: int
    platform: str
    ours_at: datetime
    theirs_at: datetime
    counts: Mapping[str, int]


def last_run(connection: Connection, platform: str) -> ReconciliationRun | None:
    """The newest run of a platform that was kept."""
    newest = select(func.max(reconciliation.c.id)).where(reconciliation.c.platform == platform)
    number = connection.execute(newest).scalar()
    return None if number is None else run_of(connection, number)


def run_of(connection: Connection, number: int) -> ReconciliationRun | None:
    """The run of that number."""
    row = connection.execute(select(reconciliation).where(reconciliation.c.id == number)).mappings().first()
    if row is None:
        return None
    return ReconciliationRun(
        number=row["id"],
        platform=row["platform"],
        ours_at=row["ours_at"],
        theirs_at=row["theirs_at"],
        counts=row["counts"],
    )


@dataclass(frozen=True, kw_only=True)
class FoundDifference:
    """One difference of a run.

    record: what we have, where it is ours
    theirs: key and number of what only the platform has; None in runs that are not the last
    sides:  each differing field with what we and what the platform have; empty in runs that are not the last
    """

    id: int
    difference: str
    kind: str
    fields: Sequence[str]
    settled_at: datetime | None
    delivery_id: int | None
    version: int | None = None
    state: str | None = None
    record: Record | None = field(default=None, repr=False)
    theirs: tuple[str, str | None] | None = field(default=None, repr=False)
    sides: Sequence[tuple[str, str, str]] = field(default=(), repr=False)


def found_differences(
    connection: Connection, vault: Vault, run: int, classes: Collection[str], limit: int | None
) -> tuple[int, list[FoundDifference]]:
    """How many differences of a run are in these classes (all where none is named), and the first of them."""
    item = reconciliation_item.c
    where = [item.reconciliation_id == run, *([item["class"].in_(list(classes))] if classes else [])]
    total = connection.execute(select(func.count()).select_from(reconciliation_item).where(*where)).scalar_one()
    rows = connection.execute(
        select(reconciliation_item).where(*where).order_by(item["class"], item.id).limit(limit)
    ).mappings()
    found: list[FoundDifference] = []
    for part in chunks(list(rows)):
        ours = {one.id: one for one in load(connection, vault, [r["delivery_id"] for r in part if r["delivery_id"]])}
        for row in part:
            own = ours.get(row["delivery_id"])
            opened = None
            if row["theirs"] is not None:
                opened = json.loads(vault.open(row["theirs"], _theirs_place(run, row["position"])))
            found.append(
                FoundDifference(
                    id=row["id"],
                    difference=row["class"],
                    kind=row["kind"],
                    fields=row["fields"],
                    settled_at=row["settled_at"],
                    delivery_id=row["delivery_id"],
                    version=None if own is None else own.record.version,
                    state=None if own is None else own.state,
                    record=None if own is None else own.record,
                    theirs=(opened[0], opened[1]) if isinstance(opened, list) else None,
                    sides=[tuple(side) for side in opened["sides"]] if isinstance(opened, dict) else (),
                )
            )
    return int(total), found


def settle_theirs(
    connection: Connection, run: ReconciliationRun, classes: Collection[str], *, reason: str, by: str, now: datetime
) -> int:
    """Say of the differences in these classes that the platform is right; gives how many were open. Audited."""
    item = reconciliation_item.c
    here = (item.reconciliation_id == run.number, item["class"].in_(list(classes)), item.settled_at.is_(None))
    count = connection.execute(update(reconciliation_item).where(*here).values(settled_at=now)).rowcount
    if count:
        note(
            connection,
            at=now,
            actor=by,
            action="settle_differences",
            subject=f"reconciliation {run.number}",
            reason=reason,
            detail={"platform": run.platform, "classes": sorted(classes), "differences": count, "right": "theirs"},
        )
    return count
