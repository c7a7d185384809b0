"""What the gateway itself saw of a record: that the platform no longer tells it (F27), and that it does again (F28).

A sighting is kept like an event, with the platform's answer as its page, but is never acknowledged. It holds until a
later version of the record explains what happened.
"""

from __future__ import annotations

from hashlib import sha256

from sqlalchemy import insert, select

from gateway.domain.credit import AckCode, EventType
from gateway.store.archive_answers import Scope
from gateway.store.archive_records import apply_events
from gateway.store.archive_rows import Event
from gateway.store.credit_tables import credit_event
from gateway.store.tables import inbox

LOCAL_STREAM = "LOCAL"


def note_sighting(scope: Scope, record_id: str, seen: EventType, *, exchange_id: int, raw: bytes) -> bool:
    """Keep a TOMBSTONE or RETURNED for the version we hold; False where it says nothing new.

    raw: the answer in which it was seen
    """
    held = _newest(scope, record_id)
    if held is None:
        return False
    last = scope.connection.execute(
        select(credit_event.c.event_type)
        .where(
            credit_event.c.platform == scope.platform,
            credit_event.c.record_id == record_id,
            credit_event.c.version == held.values["version"],
            credit_event.c.local,
        )
        .order_by(credit_event.c.id.desc())
        .limit(1)
    ).scalar()
    gone = last == EventType.TOMBSTONE
    if gone is (seen is EventType.TOMBSTONE):
        return False
    mark = sha256(f"{scope.platform}/{record_id}/{seen}/{scope.at.isoformat()}".encode()).hexdigest()[:32]
    page = {
        "platform": scope.platform,
        "exchange_id": exchange_id,
        "received_at": scope.at,
        "digest": sha256(raw).hexdigest(),
        "raw": scope.vault.seal(raw, f"inbox.raw:{exchange_id}"),
        "cursor_after": "",
    }
    inbox_id = scope.connection.execute(insert(inbox).values(page).returning(inbox.c.id)).scalar_one()
    values = {name: value for name, value in held.values.items() if name not in ("id", "tries", "payload")}
    changes = {
        "event_id": f"local-{mark}",
        "digest": f"local:{mark}",
        "stream": LOCAL_STREAM,
        "stream_seq": 0,
        "event_type": seen,
        "event_time": scope.at,
        "received_at": scope.at,
        "effective_from": scope.at,
        "prev_version": None,
        "inbox_id": inbox_id,
        "outcome": None,
        "effect": "NONE",
        "local": True,
        "preferred": False,
        "payload": None,
    }
    apply_events(scope, [Event(values={**values, **changes})])
    return True


def _newest(scope: Scope, record_id: str) -> Event | None:
    row = (
        scope.connection.execute(
            select(credit_event)
            .where(
                credit_event.c.platform == scope.platform,
                credit_event.c.record_id == record_id,
                credit_event.c.outcome == AckCode.APPLIED,
                ~credit_event.c.local,
            )
            .order_by(credit_event.c.version.desc(), credit_event.c.id)
            .limit(1)
        )
        .mappings()
        .first()
    )
    return None if row is None else Event(values=dict(row), id=row["id"])
