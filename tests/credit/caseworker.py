"""Sends objections and tickets once in a process that ends itself by SIGKILL; its orders come as JSON on stdin.

``die`` is a crash point and ``at`` the request at which it is reached; without it the run goes to its end.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from datetime import datetime

from connectors.provincial_credit.adapter import build
from gateway.credit.case_sending import send_cases
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.system import CrashPoint, System
from gateway.settings import loader
from gateway.store.engine import Store, open_engine
from gateway.store.thread import StoreThread
from gateway.store.vault import KeyRing, Vault
from gateway.testing import people
from gateway.transport.sender import Sender


def main() -> None:
    """Send once."""
    order = json.load(sys.stdin)
    rng, now, passed = random.Random(order["seed"]), datetime.fromisoformat(order["now"]), [0]
    connector = build(loader(order["environment"]))
    store = Store(engine=open_engine(order["store_url"]), vault=Vault(KeyRing.parse(order["keys"])))

    def reach(point: CrashPoint) -> None:
        passed[0] += point == order["die"]
        if passed[0] == order["at"] and point == order["die"]:
            os.kill(os.getpid(), signal.SIGKILL)

    async def sleep(_: float) -> None:
        return

    async def run() -> None:
        edge = System(
            now=lambda: now,
            new_id=lambda: people.ulid(rng),
            random_bytes=rng.randbytes,
            draw=rng.random,
            sleep=sleep,
            reach=reach,
        )
        with StoreThread(store) as thread:
            async with Sender(connector.endpoint) as sender:
                done = await send_cases(Exchanger(connector, sender, thread, edge))
        sys.stdout.write(json.dumps({"taken": done.taken, "refused": done.refused}))

    asyncio.run(run())


if __name__ == "__main__":
    main()
