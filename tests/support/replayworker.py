"""A process that carries out a plan of a replay and pushes, and may be killed in it: ``python -m`` this module.

Each line of its input is an ``Errand`` as JSON. A kill comes inside the transaction of a piece of the plan, right
after its commit, or at a crash point of the push.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from gateway.bootstrap import system_edge
from gateway.delivery.acknowledge import resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.store import replays
from gateway.delivery.system import CrashPoint, System
from gateway.store.engine import Store, open_engine
from gateway.store.thread import StoreThread
from gateway.store.vault import KeyRing, Vault
from gateway.testing.model import Model
from gateway.transport.sender import Sender

BATCH = 50


@dataclass(frozen=True, kw_only=True)
class Errand:
    """What to do, and where to die.

    die_in, die_after:  number of the piece in whose transaction, or right after whose commit; 0: nowhere
    die_at, at_pass:    crash point of the push that follows, when it is passed for the n-th time
    """

    store_url: str
    keys: str
    platform_url: str
    plan: int
    die_in: int = 0
    die_after: int = 0
    die_at: str = ""
    at_pass: int = 1

    def to_line(self) -> str:
        return json.dumps(asdict(self)) + "\n"


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _edge(errand: Errand) -> System:
    passed = 0

    def reach(point: CrashPoint) -> None:
        nonlocal passed
        passed += point == errand.die_at
        if point == errand.die_at and passed == errand.at_pass:
            _die()

    return replace(system_edge(), reach=reach)


def main() -> None:
    """Import everything once, fork a worker for each line, and tell its exit code, negative where it was killed."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                _work(Errand(**json.loads(line)))
                os._exit(0)
            except BaseException:  # noqa: BLE001 - a forked child must not return
                traceback.print_exc()
                os._exit(1)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


def _work(errand: Errand) -> None:
    store = Store(engine=open_engine(errand.store_url), vault=Vault(KeyRing.parse(errand.keys)))
    pieces, going = 0, True
    while going:
        pieces += 1
        with store.write() as connection:
            going = replays.run(connection, errand.plan, by="op", now=datetime.now(UTC)) is not None
            if pieces == errand.die_in:
                _die()
        if pieces == errand.die_after:
            _die()
    model = Model(base_url=errand.platform_url, batch_max=BATCH, connections=2)

    async def once() -> None:
        with StoreThread(store) as thread:
            async with Sender(model.endpoint) as sender:
                exchanger = Exchanger(model, sender, thread, _edge(errand))
                await push(exchanger)
                await resolve(exchanger)

    asyncio.run(once())
    store.close()


if __name__ == "__main__":
    main()
