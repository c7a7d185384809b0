"""What decides why deliveries wait, as the pure judge of it wants it. Read only."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from gateway.domain.delivery import State
from gateway.domain.waiting import Blocker, Waiting
from gateway.store.chunks import chunks
from gateway.store.tables import delivery

_BLOCKER = delivery.alias("blocker")
_COLUMNS = (
    delivery.c.id,
    delivery.c.platform,
    delivery.c.state,
    delivery.c.due_at,
    delivery.c.code,
    delivery.c.record_key,
    _BLOCKER.c.id.label("blocker_id"),
    _BLOCKER.c.kind.label("blocker_kind"),
    _BLOCKER.c.state.label("blocker_state"),
    _BLOCKER.c.record_key.label("blocker_key"),
)


def waiting(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[str, Waiting]]:
    """Platform and facts of deliveries, by id, with the one each waits behind."""
    found = {}
    for part in chunks(ids):
        rows = connection.execute(
            select(*_COLUMNS)
            .select_from(delivery.outerjoin(_BLOCKER, _BLOCKER.c.id == delivery.c.blocked_by))
            .where(delivery.c.id.in_(part))
        )
        for row in rows:
            blocker = None
            if row.blocker_id is not None:
                blocker = Blocker(id=row.blocker_id, kind=row.blocker_kind, state=State(row.blocker_state))
            facts = Waiting(
                state=State(row.state),
                due_at=row.due_at,
                code=row.code,
                blocker=blocker,
                same_record=row.blocker_key == row.record_key,
            )
            found[row.id] = (row.platform, facts)
    return found
