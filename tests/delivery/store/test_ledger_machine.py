"""The ledger against a plain-Python model of it: any sequence of what may happen leads both to the same place."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import delete, select

from gateway.contract.messages import Verdict
from gateway.delivery.rules import work
from gateway.delivery.rules.work import Claimed, Opening, Settlement
from gateway.delivery.store import exchanges, ledger, owing, platforms
from gateway.delivery.store import settlement as delivery_settlement
from gateway.delivery.store.tables import attempt, delivery, verdict
from gateway.domain.records import Record, RecordKind
from gateway.domain.states import TERMINAL, TRANSITIONS, Event, State
from gateway.schema import metadata
from gateway.store import records
from gateway.store.batch_sql import WriteSet
from gateway.store.engine import Store
from gateway.testing import people
from gateway.testing.checker.invariants import unsound
from gateway.testing.model import Model

INFO = Model(base_url="http://unused.invalid").info
LEASE = timedelta(minutes=5)
ANSWERS = sorted(
    set(Event) - {Event.CLAIMED, Event.LEASE_LOST, Event.LEASE_LOST_OPEN, Event.RELEASED, Event.RESUMED}
    - {Event.NEWER_VERSION}
)  # fmt: skip
WAITS = (State.QUEUED, State.AWAITING_ACK, State.IN_DOUBT)
GIVES_WAY = (State.QUEUED, State.HELD, State.PARKED)


@dataclass
class Expected:
    """One delivery as it should stand."""

    id: int
    record: Record
    state: State = State.QUEUED
    fence: int = 0
    blocked_by: int | None = None
    leased_until: datetime | None = None
    due: datetime | None = None
    sent_under: int = -1
    """the fence of its last attempt"""
    tries: int = 0


class LedgerMachine(RuleBasedStateMachine):
    """What may happen, done to both."""

    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2019, 4, 2, 1, 0, tzinfo=UTC)
        self.rng = random.Random(3)
        self.book: dict[int, Expected] = {}
        self.leases: list[Claimed] = []
        """everything ever claimed, the lost leases too"""
        self.settled = 0
        self.late = 0
        with self.store.write() as c:
            platforms.register(c, [INFO.platform])

    def teardown(self) -> None:
        with self.store.read() as c:
            found = unsound(c, INFO.platform)
        self._empty()
        assert found == []

    def _empty(self) -> None:
        with self.store.write() as c:
            c.execute(delivery.update().values(blocked_by=None, receipt_id=None))
            for table in reversed(metadata.sorted_tables):
                c.execute(delete(table))

    # new work

    @rule(certificates=st.integers(0, 2))
    def a_person_comes(self, certificates: int) -> None:
        person = people.person_record(self.rng)
        self._add(person, *(people.certificate_record(self.rng, person) for _ in range(certificates)))

    @precondition(lambda self: self.book)
    @rule(choice=st.integers(0, 1000))
    def a_correction_comes(self, choice: int) -> None:
        newest = {one.record.key: one.record for one in self.book.values()}
        chosen = list(newest.values())[choice % len(newest)]
        self._add(replace(chosen, version=chosen.version + 1))

    def _add(self, *versions: Record) -> None:
        with self.store.write() as c:
            owing.lock_records(c)
            records.add(c, self.store.vault, versions, batch_id=None, now=self.now)
            owing.owe(c, INFO, self.now)
            rows = c.execute(select(delivery.c.id, delivery.c.record_key, delivery.c.version)).all()
        ids = {(row.record_key, row.version): row.id for row in rows}
        for kind in RecordKind:
            new = [one for one in versions if one.kind is kind]
            for one in new:
                made = Expected(id=ids[one.key, one.version], record=one, due=self.now)
                self.book[made.id] = made
                self._take_place(made)

    def _take_place(self, made: Expected) -> None:
        older = [one for one in self._versions(made) if one.record.version < made.record.version]
        for one in older:
            if one.state in GIVES_WAY:
                self._end(one, State.SUPERSEDED)
            if one.state in (State.SUPERSEDED, State.REJECTED):
                self._follow_newest(one)
        unfinished = [one.id for one in older if one.state not in TERMINAL]
        if unfinished:
            made.blocked_by = max(unfinished)
        elif made.record.kind is RecordKind.CERTIFICATE:
            persons = [
                one
                for one in self.book.values()
                if one.record.kind is RecordKind.PERSON and one.record.key == made.record.person_key
            ]
            newest = max(persons, key=lambda one: one.record.version)
            if newest.state not in (State.ACCEPTED, State.SUPERSEDED):
                made.blocked_by = newest.id

    def _versions(self, of: Expected) -> list[Expected]:
        return [one for one in self.book.values() if one.record.key == of.record.key]

    def _follow_newest(self, old: Expected) -> None:
        newest = max(self._versions(old), key=lambda one: one.record.version)
        for one in self.book.values():
            if one.blocked_by == old.id:
                one.blocked_by = newest.id

    # the life of a delivery

    @rule(state=st.sampled_from(WAITS), limit=st.integers(1, 4))
    def a_worker_claims(self, state: State, limit: int) -> None:
        with self.store.write() as c:
            claimed = ledger.claim(
                c,
                self.store.vault,
                platform=INFO.platform,
                state=state,
                limit=limit,
                now=self.now,
                lease=LEASE,
                owner="machine",
            )
        ready = [
            one
            for one in self.book.values()
            if one.state is state and one.blocked_by is None and one.due is not None and one.due <= self.now
        ]
        ready.sort(key=lambda one: (one.due, one.id))
        assert {one.id for one in claimed} == {one.id for one in ready[:limit]}
        for item in claimed:
            one = self.book[item.id]
            one.fence += 1
            one.leased_until = self.now + LEASE
            if state is State.QUEUED:
                one.state = State.SENDING
            else:
                one.due = self.now + LEASE
            assert (item.fence, item.state, item.tries) == (one.fence, one.state, one.tries)
        self.leases += claimed

    @precondition(lambda self: self.leases)
    @rule(choice=st.integers(0, 1000))
    def a_worker_sends(self, choice: int) -> None:
        item = self.leases[-1 - choice % len(self.leases)]
        pushing = item.state is State.SENDING
        opening = Opening(
            platform=INFO.platform,
            purpose="push" if pushing else "lookup",
            operation="any",
            message_id=people.ulid(self.rng),
            at=self.now,
            body=b"request",
            digest=work.digest(b"request"),
            carries=(item,),
        )
        with self.store.write() as c:
            locked = exchanges.lock_for(c, INFO.platform, [opening])
            writes = WriteSet()
            [(number, attempts)] = exchanges.open_exchanges(self.store.vault, [opening], locked=locked, writes=writes)
            writes.execute(c)
        one = self.book[item.id]
        assert bool(number) is self._holds(item), "only who holds the lease may send"
        if number:
            one.sent_under = one.fence
            one.tries += pushing
            self.leases[self.leases.index(item)] = replace(item, attempt_id=attempts[0])

    @precondition(lambda self: self.leases)
    @rule(choice=st.integers(0, 1000), event=st.sampled_from(ANSWERS), wait=st.integers(0, 2))
    def a_worker_settles(self, choice: int, event: Event, wait: int) -> None:
        item = self.leases[-1 - choice % len(self.leases)]
        if (item.state, event) not in TRANSITIONS:
            return
        due = self.now + timedelta(minutes=wait)
        told = Verdict(event=event, code="C", receipt="R1" if event is Event.PENDING else None)
        settlement = Settlement(claimed=item, event=event, verdict=told, due_at=due, polls=0, lookups=0, negatives=0)
        with self.store.write() as c:
            [applied] = delivery_settlement.settle(c, [settlement], INFO.platform, self.now)
        assert applied is self._holds(item), "only who holds the lease may settle"
        if item.attempt_id is not None:
            self.settled += applied
            self.late += not applied
        if applied:
            one = self.book[item.id]
            one.due, one.leased_until = due, None
            self._end(one, TRANSITIONS[item.state, event])

    def _holds(self, item: Claimed) -> bool:
        one = self.book[item.id]
        return (one.fence, one.state) == (item.fence, item.state)

    def _end(self, one: Expected, state: State) -> None:
        """A new state, and what it means for those that wait."""
        one.state = state
        behind = [other for other in self.book.values() if other.blocked_by == one.id]
        newer = [other for other in behind if other.record.key == one.record.key]
        if state is State.ACCEPTED:
            self._release(behind)
        if state in (State.REJECTED, State.PARKED):
            if state is State.PARKED and newer:
                one.state = State.SUPERSEDED
            self._release(newer)
            if one.state is not State.PARKED:
                self._follow_newest(one)
        if state is State.SUPERSEDED:
            one.blocked_by = None

    def _release(self, waiting: list[Expected]) -> None:
        for other in waiting:
            other.blocked_by, other.due = None, self.now

    @precondition(lambda self: self.leases)
    @rule(choice=st.integers(0, 1000))
    def a_worker_gives_back(self, choice: int) -> None:
        item = self.leases[-1 - choice % len(self.leases)]
        if item.state is not State.SENDING or not self._holds(item):
            return
        with self.store.write() as c:
            ledger.give_back(c, [item], self.now)
        one = self.book[item.id]
        one.state, one.due, one.leased_until = State.QUEUED, self.now, None

    # what time and people do

    @rule(minutes=st.sampled_from((1, 4, 6)))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(dead=st.booleans())
    def somebody_sweeps(self, dead: bool) -> None:
        settling = timedelta(minutes=1)
        with self.store.write() as c:
            owners = ["machine"] if dead else []
            ledger.sweep(c, platform=INFO.platform, dead=owners, settling=settling, now=self.now)
        for one in self.book.values():
            if one.leased_until is None or not (dead or one.leased_until < self.now):
                continue
            if one.state is State.SENDING:
                sent = one.sent_under == one.fence
                one.state = State.IN_DOUBT if sent else State.QUEUED
                one.due = self.now + settling if sent else self.now
            else:
                one.due = self.now
            one.fence, one.leased_until = one.fence + 1, None

    @rule(event=st.sampled_from((Event.RELEASED, Event.RESUMED)))
    def a_person_lets_go(self, event: Event) -> None:
        with self.store.write() as c:
            count = ledger.let_go(c, event, self.now, platform=INFO.platform)
        source = State.PARKED if event is Event.RELEASED else State.HELD
        chosen = [one for one in self.book.values() if one.state is source]
        for one in chosen:
            one.state, one.due, one.fence = State.QUEUED, self.now, one.fence + 1
        assert count == len(chosen)

    @rule()
    def the_platform_is_paused_and_resumed(self) -> None:
        with self.store.write() as c:
            platforms.pause(c, INFO.platform, code="night", reason="maintenance", by="tester", now=self.now)
            assert platforms.pause_of(c, INFO.platform, self.now) is not None
            assert platforms.resume(c, INFO.platform, by="tester", reason=None, now=self.now)

    # what must hold after each step

    @invariant()
    def both_say_the_same(self) -> None:
        with self.store.read() as c:
            rows = c.execute(select(delivery).order_by(delivery.c.id)).mappings().all()
            verdicts = c.execute(select(verdict.c.applied)).scalars().all()
            sent = c.execute(select(attempt.c.id)).all()
        got = [(r["id"], r["state"], r["fence"], r["blocked_by"], r["lease_until"], r["tries"]) for r in rows]
        want = [
            (one.id, str(one.state), one.fence, one.blocked_by, one.leased_until, one.tries)
            for one in sorted(self.book.values(), key=lambda one: one.id)
        ]
        assert got == want
        assert (verdicts.count(True), verdicts.count(False)) == (self.settled, self.late)
        assert len(sent) >= sum(one.tries for one in self.book.values())

    @invariant()
    def nobody_waits_for_what_has_ended(self) -> None:
        for one in self.book.values():
            if one.blocked_by is not None and one.state not in TERMINAL:
                assert self.book[one.blocked_by].state not in (State.ACCEPTED, State.SUPERSEDED)


def run(store: Store, examples: int, steps: int, *, derandomize: bool = True) -> None:
    machine: Callable[[], Any] = type("Machine", (LedgerMachine,), {"store": store})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=derandomize,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
def test_the_ledger_and_its_model_agree(make_store: Any, sqlite_url: str) -> None:
    run(make_store(sqlite_url), 20, 40)


def test_the_ledger_and_its_model_agree_on_postgresql(make_store: Any, postgres_url: str) -> None:
    run(make_store(postgres_url), 5, 30)


@pytest.mark.soak
def test_the_ledger_and_its_model_agree_for_long(store: Store) -> None:
    run(store, int(os.environ.get("SOAK_EXAMPLES", "1000")), 60, derandomize=False)
