"""Kill workers at every commit and every wire point, start others, and compare both books at the end.

Before the end some workers stand still for longer than their lease and go on when others have taken over, and two work
at the same time.

The store is a real one (SQLite file or PostgreSQL); the platform is the model platform, in a process the workers do
not share. Without ``replay_safe`` it registers whatever it gets, so every doubt that is answered by sending counts.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
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
from gateway.testing.ground import let_leases_end
from gateway.testing.model import ModelSandbox
from gateway.testing.safeties import SAFETIES, switched_off
from gateway.testing.serving import running

FAULTS = {"busy": 0.03, "empty": 0.05, "gateway_error": 0.03, "duplicate": 0.03}
_ROUNDS = 200
"""most runs in which what is left must come to rest"""
_FEW = 30
"""the same without a safety, where it may never come to rest"""
_OFTEN = 10
"""most tries until two workers without a common bound meet: on a busy machine one may end before the other begins"""


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
    without: str = "",
) -> Account:
    """Run workers on an empty store until ``kills`` of them were killed, then until nothing is left to do.

    without:  a safety that is switched off in all of them; ``Account.broken`` should then say so
    """
    account, rng = Account(), random.Random(seed)
    sandbox = ModelSandbox(replay_safe=replay_safe, seed=seed)
    sandbox.faults.set(rates=FAULTS)
    with running(sandbox) as url, Nursery() as nursery:
        errand = Errand(store_url=store_url, keys=keys, platform_url=url, replay_safe=replay_safe, without=without)
        work = Work(store, url, rng, replay_safe=replay_safe, without=without)
        points = list(CrashPoint)
        most = 3 * kills + len(points)
        while account.kills.total() < kills and account.runs < most and not account.broken:
            work.keep_full()
            point = min(points, key=lambda one: account.kills[one])  # what was not reached is tried until it is
            at_pass = rng.choice((1, 1, 2, 3)) if account.kills[point] else 1  # some points are passed once in a run
            _run(nursery, replace(errand, die_at=point, at_pass=at_pass), account)
            progress(account.kills.total())
        _stand_still(nursery, errand, work, account)
        work.correct_what_waits()
        sandbox.faults.set(next_=["busy", "busy"])
        _run(nursery, errand, account)
        sandbox.work_seconds = 0.2
        unbounded = bool(without) and "I10" in SAFETIES[without].noticed_as
        times = _OFTEN if unbounded else 2
        _side_by_side(
            nursery, errand, work, account, times=times, enough=lambda: sandbox.most_at_once > errand.connections
        )
        sandbox.work_seconds = 0.0
        if sandbox.most_at_once > errand.connections:
            account.broken.append(f"I10: {sandbox.most_at_once} requests at once, {errand.connections} are allowed")
        sandbox.faults.set(rates={})
        until_quiet(nursery, errand, work, account, _FEW if without else _ROUNDS)
        seen = [value for _, value in sandbox.books.items("requests")]
        effects = sandbox.effects()
        with store.read() as connection:
            account.broken += broken(connection, "model", effects, seen, vault=store.vault, connector=work.model)
        account.records, account.effects = work.count, sum(one["writes"] for one in effects["holdings"].values())
    return account


class Work:
    """New records whenever little is left to do."""

    def __init__(self, store: Store, url: str, rng: random.Random, *, replay_safe: bool, without: str = "") -> None:
        self._without = without
        self.model = connector(url, replay_safe=replay_safe)
        self.count = 0
        self.store, self._rng = store, rng
        self._latest: list[Record] = []

    def left(self) -> int:
        """How much can go on by itself."""
        with self.store.read() as connection:
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
        self._take(batch)

    def correct_what_waits(self) -> None:
        """New persons, and a correction of each before anything of them was sent."""
        persons = [people.person_record(self._rng) for _ in range(4)]
        self._take(persons)
        self._take([replace(person, version=2) for person in persons])

    def _take(self, batch: Sequence[Record]) -> None:
        self.count += len(batch)
        now = datetime.now(UTC)
        with switched_off(self._without), self.store.write() as connection:
            platforms.register(connection, [self.model.info.platform])
            owing.lock_records(connection)
            records.add(connection, self.store.vault, batch, batch_id=None, now=now)
            owing.owe(connection, self.model.info, now)


def _run(nursery: Nursery, errand: Errand, account: Account) -> None:
    end = nursery.run(errand)
    account.runs += 1
    account.kills[errand.die_at] += end.killed
    if end.error:
        account.broken.append(f"a worker ended by itself: {end.error}")


def _stand_still(nursery: Nursery, errand: Errand, work: Work, account: Account) -> None:
    """Workers that have an answer and stand still, are given up by others, and then go on with what they know.

    With one message: what was written down behind it would leave long after the platform's settling time, and no
    gateway can take that back.
    """
    errand = replace(errand, limit=1)
    for point in (CrashPoint.AFTER_SEND, CrashPoint.AFTER_CLAIM, CrashPoint.AFTER_SEND):
        if account.broken:
            return
        work.keep_full()
        end = nursery.run(replace(errand, die_at=point, stands_still=True))
        account.runs += 1
        if end.stopped:
            let_leases_end(work.store, datetime.now(UTC))
            _run(nursery, replace(errand, rounds=3), account)
        error = end.error or nursery.wake().error
        if error:
            account.broken.append(f"a worker ended by itself: {error}")


def _side_by_side(
    nursery: Nursery, errand: Errand, work: Work, account: Account, *, times: int, enough: Callable[[], bool]
) -> None:
    """Two workers at the same time, which share what the platform allows; so many times, or until that is enough."""
    errand = replace(errand, limit=6)
    with Nursery() as second:
        for _ in range(times):
            work.keep_full()
            pair = [threading.Thread(target=_run, args=(one, errand, account)) for one in (nursery, second)]
            for thread in pair:
                thread.start()
            for thread in pair:
                thread.join()
            if enough():
                return


def until_quiet(nursery: Nursery, errand: Errand, work: Work, account: Account, rounds: int = _ROUNDS) -> None:
    for _ in range(rounds):
        _run(nursery, errand, account)
        if account.broken or not work.left():
            return
        time.sleep(0.05)  # the shortest wait of the plan; what is due later cannot be sent sooner
    account.broken.append(f"I1: {work.left()} deliveries still wait after {rounds} quiet runs")
