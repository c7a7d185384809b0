"""Several worker processes on one store at the same time, killed at crash points while the database fails under them.

Each place of the fleet has a nursery; whoever dies or ends is followed by the next. At the end everything comes to
rest, and both books are compared.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from gateway.delivery.system import CrashPoint
from gateway.domain.errors import StoreError
from gateway.store.engine import Store
from gateway.testing.checker.invariants import broken
from gateway.testing.crashmatrix import FAULTS, Account, Work, until_quiet
from gateway.testing.crashworker import Errand, Nursery
from gateway.testing.model import ModelSandbox
from gateway.testing.serving import running

_TIRED = 600.0
"""seconds after which a fleet that has not reached its goal ends all the same, and says so"""


@dataclass(kw_only=True)
class FleetAccount(Account):
    """What a fleet did: beside the kills, how often a worker ended because it could not reach its store."""

    unreachable: int = 0
    shocks: int = 0
    most_at_once: int = 0


@dataclass(kw_only=True)
class Fleet:
    """Workers side by side.

    shock:  what happens to the database ``shocks`` times in the middle of the work
    kills:  how many workers are killed at least
    """

    store: Store
    keys: str
    store_url: str
    workers: int = 3
    connections: int = 2
    kills: int = 6
    shocks: int = 0
    shock: Callable[[], None] = field(default=lambda: None)
    seed: int = 0
    replay_safe: bool = False

    def sail(self) -> FleetAccount:
        """Run on an empty store until enough was broken, then until nothing is left to do."""
        rng, account = random.Random(self.seed), FleetAccount()
        sandbox = ModelSandbox(replay_safe=self.replay_safe, seed=self.seed)
        sandbox.faults.set(rates=FAULTS)
        sandbox.work_seconds = 0.02
        with running(sandbox) as url, ExitStack() as stack:
            nurseries = [stack.enter_context(Nursery()) for _ in range(self.workers)]
            errand = Errand(
                store_url=self.store_url,
                keys=self.keys,
                platform_url=url,
                replay_safe=self.replay_safe,
                connections=self.connections,
                rounds=2,
            )
            work = Work(self.store, url, rng, replay_safe=self.replay_safe)
            self._storm(nurseries, errand, work, account)
            sandbox.faults.set(rates={})
            until_quiet(nurseries[0], errand, work, account)
            seen = [value for _, value in sandbox.books.items("requests")]
            effects = sandbox.effects()
        with self.store.read() as connection:
            account.broken += broken(connection, "model", effects, seen, vault=self.store.vault, connector=work.model)
        account.records, account.effects = work.count, sum(one["writes"] for one in effects["holdings"].values())
        account.most_at_once = sandbox.most_at_once
        if account.most_at_once > self.connections:
            account.broken.append(f"I10: {account.most_at_once} requests at once, {self.connections} are allowed")
        return account

    def _storm(self, nurseries: Sequence[Nursery], errand: Errand, work: Work, account: FleetAccount) -> None:
        done = threading.Event()
        places = [
            threading.Thread(
                target=self._place, args=(nursery, errand, random.Random(f"{self.seed}/{n}"), account, done)
            )
            for n, nursery in enumerate(nurseries)
        ]
        work.keep_full()
        for place in places:
            place.start()
        end = time.monotonic() + _TIRED
        while not account.broken and time.monotonic() < end:
            with suppress(StoreError):
                work.keep_full()
            enough = account.kills.total() >= (account.shocks + 1) * self.kills // (self.shocks + 1)
            if enough and account.shocks == self.shocks:
                break
            if enough:
                self.shock()
                account.shocks += 1
            time.sleep(0.05)
        else:
            account.broken.append(f"only {account.kills.total()} workers were killed in {_TIRED} s")
        done.set()
        for place in places:
            place.join()

    def _place(
        self, nursery: Nursery, errand: Errand, rng: random.Random, account: FleetAccount, done: threading.Event
    ) -> None:
        points = list(CrashPoint)
        while not done.is_set():
            dies = rng.random() < 0.7
            given = replace(errand, die_at=rng.choice(points), at_pass=rng.choice((1, 2, 3))) if dies else errand
            end = nursery.run(given)
            account.runs += 1
            account.kills[given.die_at] += end.killed
            account.unreachable += end.no_store
            if end.error and not (end.no_store and self.shocks):
                account.broken.append(f"a worker ended by itself: {end.error}")
                return
