"""Kill workers at every commit and every wire point, start others, and compare both books at the end.

The store is a real one (SQLite file or PostgreSQL); the platform is the model platform, in a process the workers do
not share. Without ``replay_safe`` it registers whatever it gets, so every doubt that is answered by sending counts.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from gateway.delivery.store import owing, platforms
from gateway.delivery.system import CrashPoint
from gateway.domain.records import Record
from gateway.store import records
from gateway.store.engine import Store
from gateway.testing import people
from gateway.testing.checker.invariants import broken, restless
from gateway.testing.crashworker import Errand, Nursery, connector
from gateway.testing.model import ModelSandbox
from gateway.testing.serving import running

FAULTS = {"busy": 0.03, "empty": 0.05, "gateway_error": 0.03, "duplicate": 0.03}
_ROUNDS = 200
"""most runs in which what is left must come to rest"""


@dataclass(kw_only=True)
class Account:
    """What a matrix did, and what does not add up at its end."""

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    records: int = 0
    effects: int = 0
    broken: list[str] = field(default_factory=list)


def crash(
    store: Store,
    keys: str,
    store_url: str,
    *,
    kills: int,
    seed: int = 0,
    replay_safe: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Account:
    """Run workers on an empty store until ``kills`` of them were killed, then until nothing is left to do."""
    account, rng = Account(), random.Random(seed)
    sandbox = ModelSandbox(replay_safe=replay_safe, seed=seed)
    sandbox.faults.set(rates=FAULTS)
    with running(sandbox) as url, Nursery() as nursery:
        errand = Errand(store_url=store_url, keys=keys, platform_url=url, replay_safe=replay_safe)
        work = Work(store, url, rng, replay_safe=replay_safe)
        points = list(CrashPoint)
        most = 3 * kills + len(points)
        while account.kills.total() < kills and account.runs < most and not account.broken:
            work.keep_full()
            point = points[account.runs % len(points)]
            at_pass = rng.choice((1, 1, 2, 3)) if account.kills[point] else 1  # some points are passed once in a run
            _run(nursery, replace(errand, die_at=point, at_pass=at_pass), account)
            progress(account.kills.total())
        sandbox.faults.set(rates={})
        until_quiet(nursery, errand, work, account)
        seen = [value for _, value in sandbox.books.items("requests")]
        effects = sandbox.effects()
        with store.read() as connection:
            account.broken += broken(connection, "model", effects, seen, vault=store.vault, connector=work.model)
        account.records, account.effects = work.count, sum(one["writes"] for one in effects["holdings"].values())
    return account


class Work:
    """New records whenever little is left to do."""

    def __init__(self, store: Store, url: str, rng: random.Random, *, replay_safe: bool) -> None:
        self.model = connector(url, replay_safe=replay_safe)
        self.count = 0
        self._store, self._rng = store, rng
        self._latest: list[Record] = []

    def left(self) -> int:
        """How much can go on by itself."""
        with self._store.read() as connection:
            return restless(connection, self.model.info.platform)

    def keep_full(self) -> None:
        """Some persons with certificates, and a correction of one that came before."""
        if self.left() >= 12:
            return
        persons = [people.person_record(self._rng) for _ in range(8)]
        batch = [*persons, *(people.certificate_record(self._rng, p) for p in persons[:4])]
        if self._latest:
            batch.append(replace(self._latest[0], version=2))
        self._latest = persons
        self.count += len(batch)
        now = datetime.now(UTC)
        with self._store.write() as connection:
            platforms.register(connection, [self.model.info.platform])
            owing.lock_records(connection)
            records.add(connection, self._store.vault, batch, batch_id=None, now=now)
            owing.owe(connection, self.model.info, now)


def _run(nursery: Nursery, errand: Errand, account: Account) -> None:
    end = nursery.run(errand)
    account.runs += 1
    account.kills[errand.die_at] += end.killed
    if end.error:
        account.broken.append(f"a worker ended by itself: {end.error}")


def until_quiet(nursery: Nursery, errand: Errand, work: Work, account: Account) -> None:
    for _ in range(_ROUNDS):
        _run(nursery, errand, account)
        if account.broken or not work.left():
            return
        time.sleep(0.05)  # the shortest wait of the plan; what is due later cannot be sent sooner
    account.broken.append(f"I1: {work.left()} deliveries still wait after {_ROUNDS} quiet runs")
