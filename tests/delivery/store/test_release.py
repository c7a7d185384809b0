"""Letting parked deliveries go."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from gateway.delivery.store import owing, platforms
from gateway.delivery.store.ledger import release
from gateway.delivery.store.tables import delivery
from gateway.domain.states import State
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.tables import audit
from gateway.testing import people
from gateway.testing.model import Model

NOW = datetime(2019, 4, 2, tzinfo=UTC)


@pytest.fixture
def parked(store: Store) -> Store:
    """Three deliveries: two parked after their plans were used up, one accepted."""
    rng = random.Random(1)
    model = Model(base_url="http://127.0.0.1:1")
    with store.write() as c:
        platforms.register(c, ["model"])
        records.add(c, store.vault, [people.person_record(rng) for _ in range(3)], batch_id=None, now=NOW)
        owing.owe(c, model.info, NOW)
        c.execute(update(delivery).values(state=State.PARKED, tries=9, polls=9, lookups=9, code="exhausted"))
        c.execute(update(delivery).where(delivery.c.id == 3).values(state=State.ACCEPTED))
    return store


def test_only_parked_ones_are_queued_and_start_their_plans_anew(parked: Store) -> None:
    with parked.write() as c:
        assert release(c, [1, 2, 3, 99], reason="platform mended", by="op", now=NOW) == [1, 2]
    with parked.read() as c:
        rows = c.execute(select(delivery.c.state, delivery.c.tries, delivery.c.polls).order_by(delivery.c.id)).all()
    assert [tuple(row) for row in rows] == [("queued", 0, 0), ("queued", 0, 0), ("accepted", 9, 9)]


def test_who_released_what_and_why_is_in_the_audit_trail(parked: Store) -> None:
    with parked.write() as c:
        release(c, [2], reason="platform mended", by="op", now=NOW)
        release(c, [3], reason="nothing to do", by="op", now=NOW)
    with parked.read() as c:
        rows = c.execute(select(audit.c.actor, audit.c.action, audit.c.reason, audit.c.detail)).all()
    assert [tuple(row) for row in rows] == [("op", "release", "platform mended", {"deliveries": [2]})]
