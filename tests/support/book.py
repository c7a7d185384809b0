"""A ledger to write in: records, claims and settlements in one line each."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.contract.connector import ConnectorInfo
from gateway.contract.messages import Verdict
from gateway.delivery.rules import work
from gateway.delivery.rules.work import Claimed, Opening, Settlement
from gateway.delivery.store import exchanges, ledger, owing, platforms
from gateway.delivery.store import settlement as delivery_settlement
from gateway.delivery.store.tables import delivery
from gateway.domain.records import Record
from gateway.domain.states import Event, State
from gateway.store import records
from gateway.store.batch_sql import WriteSet
from gateway.store.engine import Connection, Store
from gateway.testing import people
from gateway.testing.model import Model

START = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)


@dataclass
class Book:
    """A store with one platform, and a clock that stands still until it is moved."""

    store: Store
    info: ConnectorInfo = field(default_factory=lambda: Model(base_url="http://unused.invalid").info)
    now: datetime = START
    rng: random.Random = field(default_factory=lambda: random.Random(11))

    def persons(self, count: int = 1) -> list[Record]:
        """New persons, not yet in the store."""
        return [people.person_record(self.rng) for _ in range(count)]

    def certificate(self, person: Record) -> Record:
        """A new certificate of a person, not yet in the store."""
        return people.certificate_record(self.rng, person)

    def add(self, *versions: Record, info: ConnectorInfo | None = None) -> int:
        """Keep records and owe them; gives how many deliveries there are more."""
        with self.store.write() as c:
            platforms.register(c, [self.info.platform])
            owing.lock_records(c)
            records.add(c, self.store.vault, versions, batch_id=None, now=self.now)
            return owing.owe(c, info or self.info, self.now)

    def owe(self, info: ConnectorInfo | None = None) -> int:
        """Owe what is there already."""
        return self.add(info=info)

    def claim(self, limit: int = 500, state: State = State.QUEUED, **changes: Any) -> list[Claimed]:
        """Lease what is due."""
        given: dict[str, Any] = {
            "platform": self.info.platform,
            "now": self.now,
            "lease": timedelta(minutes=5),
            "owner": "tester",
        }
        with self.store.write() as c:
            return ledger.claim(c, self.store.vault, state=state, limit=limit, **(given | changes))

    def send(self, claimed: Sequence[Claimed], purpose: str = "push") -> list[Claimed]:
        """Open one exchange that carries them; they come back with their attempts."""
        opening = Opening(
            platform=self.info.platform,
            purpose=purpose,
            operation=purpose,
            message_id=people.ulid(self.rng),
            at=self.now,
            body=b"request",
            digest=work.digest(b"request"),
            carries=tuple(claimed),
        )
        with self.store.write() as c:
            locked = exchanges.lock_for(c, self.info.platform, [opening])
            writes = WriteSet()
            [(_, attempts)] = exchanges.open_exchanges(self.store.vault, [opening], locked=locked, writes=writes)
            writes.execute(c)
        return [replace(item, attempt_id=attempt) for item, attempt in zip(claimed, attempts, strict=True)]

    def settlement(self, item: Claimed, event: Event, **verdict: Any) -> Settlement:
        """An outcome that is due at once."""
        changes = {
            name: verdict.pop(name) for name in ("due_at", "keep_message", "polls", "negatives") if name in verdict
        }
        given: dict[str, Any] = {
            "due_at": self.now,
            "polls": item.polls,
            "lookups": item.lookups,
            "negatives": item.negatives,
        }
        told = Verdict(**({"event": event, "code": "C"} | verdict))
        return Settlement(claimed=item, event=event, verdict=told, **(given | changes))

    def settle(self, claimed: Collection[Claimed], event: Event, **verdict: Any) -> list[bool]:
        """Settle all of them alike."""
        with self.store.write() as c:
            return self.settle_in(c, claimed, event, **verdict)

    def settle_in(self, c: Connection, claimed: Collection[Claimed], event: Event, **verdict: Any) -> list[bool]:
        """As ``settle``, in a transaction of the caller."""
        settlements = [self.settlement(item, event, **verdict) for item in claimed]
        return delivery_settlement.settle(c, settlements, self.info.platform, self.now)

    def bring(self, record: Record, *events: Event) -> None:
        """Claim the delivery of one record version and settle it with each event in turn."""
        state = State.QUEUED
        for event in events:
            [item] = [
                i
                for i in self.claim(state=state)
                if (i.record.key, i.record.version) == (record.key, record.version) or self._back(i)
            ]
            self.settle([item], event)
            state = State(self.row(record)["state"])

    def _back(self, item: Claimed) -> bool:
        with self.store.write() as c:
            ledger.give_back(c, [item], self.now)
        return False

    def rows(self) -> list[dict[str, Any]]:
        """All deliveries by id."""
        with self.store.read() as c:
            return [dict(row) for row in c.execute(select(delivery).order_by(delivery.c.id)).mappings()]

    def row(self, record: Record) -> dict[str, Any]:
        """The delivery of one record version."""
        wanted = (self.info.platform, record.key, record.version)
        [found] = [r for r in self.rows() if (r["platform"], r["record_key"], r["version"]) == wanted]
        return found

    def state(self, record: Record) -> State:
        """Where it stands."""
        return State(self.row(record)["state"])

    def waits_for(self, record: Record) -> tuple[str, int] | None:
        """Key and version of what it waits for."""
        blocker = self.row(record)["blocked_by"]
        return next(((r["record_key"], r["version"]) for r in self.rows() if r["id"] == blocker), None)


@pytest.fixture
def make_book() -> Callable[[Store], Book]:
    """Open a book on a store."""
    return Book


@pytest.fixture
def book(store: Store) -> Book:
    """A book on an empty store, on SQLite and on PostgreSQL."""
    return Book(store)
