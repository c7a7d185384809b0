"""Which purges are to be believed: of what retention may take away, marked with the store's key, sealed, old enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from gateway.credit.store.case_tables import objection
from gateway.credit.store.tables import credit_event, inbox
from gateway.delivery.store.tables import exchange
from gateway.domain.retention_days import LEAST_DAYS
from gateway.intake.store.tables import filing
from gateway.operations.rules.evidence import Ranges, within
from gateway.operations.store.retention import JOBS, purge_mark
from gateway.operations.store.tables import evidence_link, evidence_part, purge
from gateway.store.metadata import chunks
from gateway.store.tables import attachment, batch
from gateway.store.vault import Vault

_MAY = frozenset((job.rule, job.what) for job in JOBS)


@dataclass(kw_only=True)
class Purges:
    """What is gone by purges that are believed, by what they cleared: id -> what was older than this; and faults."""

    gone: dict[str, dict[int, datetime]] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)


def read(connection: Connection, vault: Vault) -> Purges:
    """Every purge, judged."""
    found = Purges()
    last = connection.execute(select(func.max(evidence_link.c.at))).scalar()
    sealed: set[int] = set()
    parts = select(evidence_part.c.ranges).where(evidence_part.c.book == "purge")
    for ranges in connection.execute(parts).scalars():
        sealed.update(within(ranges))
    for row in connection.execute(select(purge).order_by(purge.c.id)).mappings():
        what = _doubt(dict(row), vault)
        if what is None and row["id"] not in sealed and last is not None and row["at"] < last:
            what = "was never sealed"
        if what is not None:
            found.faults.append((row["id"], what))
            continue
        found.gone.setdefault(row["what"], {}).update(dict.fromkeys(within(row["ranges"]), row["before"]))
        young = _too_young(connection, row["what"], row["ranges"], row["before"])
        found.faults += [(row["id"], f"took away what had not had its time: {row['what']} {one}") for one in young]
    return found


def _doubt(row: Mapping[str, Any], vault: Vault) -> str | None:
    if (row["rule"], row["what"]) not in _MAY:
        return f"speaks of {row['what']}, which retention never takes away by the rule {row['rule']}"
    if row["seal"] != purge_mark(vault, row):
        return "was not written by this gateway: it does not have the mark of its key"
    if row["at"] - row["before"] < timedelta(days=LEAST_DAYS[row["rule"]]):
        return f"took away what must be kept for {LEAST_DAYS[row['rule']]} days"
    return None


_READ_AT = select(batch.c.read_at).where(batch.c.id == filing.c.batch_id).scalar_subquery()
_MOMENTS: dict[str, tuple[Any, Any]] = {
    "exchange": (exchange.c.id, func.coalesce(exchange.c.closed_at, exchange.c.opened_at)),
    "inbox": (inbox.c.id, inbox.c.received_at),
    "filing": (filing.c.id, _READ_AT),
    "credit_event": (credit_event.c.id, credit_event.c.received_at),
    "objection": (objection.c.id, objection.c.ended_at),
    "attachment": (attachment.c.id, attachment.c.created_at),
}


def _too_young(connection: Connection, what: str, ranges: Ranges, before: datetime) -> Iterator[int]:
    """Rows that still stand and are younger than their purge says."""
    table = what.partition(".")[0]
    if table not in _MOMENTS:
        return
    key, moment = _MOMENTS[table]
    for part in chunks(within(ranges)):
        yield from connection.execute(select(key).where(key.in_(part), moment >= before).order_by(key)).scalars()
