"""A plan of a replay, killed nine times: planned = replayed + skipped, each order kept, nothing doubled."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.delivery.store import ledger, owing, platforms, replays
from gateway.delivery.store.tables import delivery
from gateway.delivery.store.views import DeliveryFilter
from gateway.delivery.system import CrashPoint
from gateway.domain.records import Record
from gateway.domain.states import Event, State
from gateway.store import records
from gateway.store.engine import Store, open_engine
from gateway.store.metadata import chunks
from gateway.store.vault import KeyRing, Vault
from gateway.testing import people
from gateway.testing.checker.invariants import broken, restless
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.serving import running
from tests.support.replayworker import Errand

ROOT = Path(__file__).parents[2]
DEATHS = (
    {"die_in": 1},
    {"die_after": 1},
    {"die_in": 1},
    {"die_in": 2},
    {"die_at": CrashPoint.AFTER_OPEN, "at_pass": 2},
    {"die_at": CrashPoint.AFTER_SEND, "at_pass": 3},
    {"die_at": CrashPoint.BEFORE_SETTLE},
    {"die_at": CrashPoint.AFTER_SETTLE, "at_pass": 2},
    {"die_at": CrashPoint.AFTER_CLAIM},
)


def take(store: Store, model: Model, made: list[Record]) -> None:
    now = datetime.now(UTC)
    for part in chunks(made):
        with store.write() as c:
            platforms.register(c, [model.info.platform])
            owing.lock_records(c)
            records.add(c, store.vault, part, batch_id=None, now=now)
            owing.owe(c, model.info, now)


@pytest.fixture
def work() -> Iterator[Callable[[Errand], int]]:
    """Let a process do an errand; its exit code, negative where it was killed."""
    command = [sys.executable, "-m", "tests.support.replayworker"]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        asked, told = nursery.stdin, nursery.stdout

        def once(errand: Errand) -> int:
            asked.write(errand.to_line())
            asked.flush()
            return int(told.readline())

        yield once


def move_on(store: Store, model: Model, refused: list[Record], parked: list[Record]) -> dict[str, int]:
    """Between plan and run: some of what was refused is corrected, and some of what was parked is released by hand."""
    take(store, model, [replace(one, version=2) for one in refused[:7]])
    with store.write() as c:
        keys = [one.key for one in parked[:5]]
        ids = c.execute(select(delivery.c.id).where(delivery.c.record_key.in_(keys))).scalars().all()
        ledger.let_go(c, Event.RELEASED, datetime.now(UTC), platform="model", ids=ids)
    return {replays.Why.NEWER_VERSION: 7, replays.Why.MOVED_ON: 5}


@pytest.mark.parametrize("count", [600, pytest.param(50_000, marks=pytest.mark.soak)])
def test_a_plan_killed_nine_times_ends_as_planned(
    request: pytest.FixtureRequest, work: Callable[[Errand], int], count: int
) -> None:
    store_url = str(request.getfixturevalue("sqlite_url" if count < 50_000 else "postgres_url"))
    ring, rng = KeyRing.generate(), random.Random(count)
    store = Store(engine=open_engine(store_url), vault=Vault(ring))
    sandbox = ModelSandbox(seed=1)
    there, parked = ([people.person_record(rng) for _ in range(count // 2)] for _ in range(2))
    refused, behind = ([people.certificate_record(rng, one) for one in persons] for persons in (there, parked))
    with running(sandbox) as url:
        model = Model(base_url=url, batch_max=50, connections=2)
        errand = Errand(store_url=store_url, keys=ring.to_text(), platform_url=url, plan=0)
        for made, fault in ((there, {}), (parked, {"strange": 1.0}), ([*refused, *behind], {"refuse": 1.0})):
            sandbox.faults.set(rates=fault)
            take(store, model, made)
            assert work(errand) == 0
        sandbox.faults.set(rates={})
        with store.write() as c:
            plan = replays.plan(c, DeliveryFilter(), reason="mended", by="op", now=datetime.now(UTC))
        assert plan is not None
        assert plan.items == count
        moved = move_on(store, model, refused, parked)
        errand = replace(errand, plan=plan.id)
        deaths = [work(replace(errand, **death)) for death in DEATHS]  # type: ignore[arg-type]
        assert deaths == [-signal.SIGKILL] * 9
        for _ in range(60):
            assert work(errand) == 0
            with store.read() as c:
                if not restless(c, "model"):
                    break
        requests = sandbox.books.counter("requests")
        assert work(errand) == 0
        assert sandbox.books.counter("requests") == requests, "a second run of the plan sends nothing"
        effects, seen = sandbox.effects(), [value for _, value in sandbox.books.items("requests")]
    with store.read() as c:
        done = replays.find(c, plan.id)
        states = Counter(c.execute(select(delivery.c.state)).scalars())
        # one effect each, versions in order, no certificate before its person, every request written down before
        assert broken(c, "model", effects, seen, connector=model) == []
    store.close()
    assert done is not None
    assert (done.items, done.waiting, done.skipped) == (count, 0, moved)
    assert done.done == count - sum(moved.values())
    assert states == {State.ACCEPTED: 2 * count, State.REJECTED: 7}
