"""What the feed tells of our objections (F13), so that record and objection tell one story."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from gateway.domain.credit import EventType, TicketKind
from gateway.domain.objections import ENDED, RUNNING, ObjectionNews, State
from gateway.store import archive_answers as answers
from gateway.store.archive_answers import Scope
from gateway.store.archive_rows import payload_place
from gateway.store.chunks import chunks
from gateway.store.credit_tables import credit_event
from gateway.store.objection_tables import objection
from gateway.store.objections import ObjectionRow, put, step, to_row

_TOLD = (RUNNING | ENDED) - {State.REJECTED, State.WITHDRAWN}
"""states of what events of the feed may be about"""


@dataclass(frozen=True, kw_only=True)
class _Heard:
    """An event about an objection."""

    event_id: str
    record_id: str
    at: datetime
    opened: bool
    news: ObjectionNews


def hear(scope: Scope) -> set[str]:
    """Let the feed's events about our objections count; gives the records where it contradicts an answer.

    Of two different ends the feed's counts, because the record follows it; a person looks at the record.
    """
    rows = scope.connection.execute(
        select(objection).where(
            objection.c.platform == scope.platform,
            objection.c.event_id.is_(None),
            objection.c.number.is_not(None),
            objection.c.state.in_([str(one) for one in _TOLD]),
        )
    ).mappings()
    held = {row["number"]: to_row(row) for row in rows}
    contradicted: set[str] = set()
    for heard in _events(scope, {row.record_id for row in held.values()}):
        row = held.get(heard.news.number)
        if row is None or row.record_id != heard.record_id:
            continue
        after = State.ACCEPTED if heard.opened else heard.news.result
        if after is None or (heard.opened and row.state is not State.SUBMITTED):
            continue
        if row.state in ENDED and row.state is not after:
            contradicted.add(row.record_id)
        values = step(row, after, heard.at, heard.at) | ({} if heard.opened else {"event_id": heard.event_id})
        put(scope.connection, row.id, values)
        held[heard.news.number] = _after(row, values)
    wanted: dict[tuple[str, str], str | None] = {(one, str(TicketKind.REVIEW)): None for one in contradicted}
    answers.open_new(scope, wanted, answers.open_tickets(scope, contradicted))
    return contradicted


def _after(row: ObjectionRow, values: dict[str, Any]) -> ObjectionRow:
    return replace(row, **{**values, "state": State(values["state"])})


def _events(scope: Scope, records: Collection[str]) -> list[_Heard]:
    """Events about objections to some records, in the order of their versions."""
    kinds = [str(EventType.OBJECTION_OPENED), str(EventType.OBJECTION_CLOSED)]
    found = []
    for part in chunks(records):
        rows = scope.connection.execute(
            select(credit_event)
            .where(
                credit_event.c.platform == scope.platform,
                credit_event.c.record_id.in_(part),
                credit_event.c.event_type.in_(kinds),
                ~credit_event.c.flawed,
                credit_event.c.payload.is_not(None),
            )
            .order_by(credit_event.c.version, credit_event.c.id)
        )
        for row in rows:
            place = payload_place(scope.platform, row.event_id, row.digest)
            news = ObjectionNews.of(json.loads(scope.vault.open(row.payload, place)))
            if news is not None:
                opened = row.event_type == EventType.OBJECTION_OPENED
                at = row.event_time
                found.append(_Heard(event_id=row.event_id, record_id=row.record_id, at=at, opened=opened, news=news))
    return found
