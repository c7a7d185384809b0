"""Make a certificate valid again and push, in a process that may end itself by SIGKILL; orders come as JSON on stdin.

die: ``reinstate.before`` (before the act's commit) or a crash point of the push; empty for one that lives
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from datetime import datetime
from typing import Any

from sqlalchemy import event

from connectors.provincial_credit.adapter import build
from gateway.credit.tickets import TicketRequest, reinstate
from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.system import CrashPoint, System
from gateway.settings import loader
from gateway.store.engine import Store, open_engine
from gateway.store.thread import StoreThread
from gateway.store.vault import KeyRing, Vault
from gateway.testing import people
from gateway.transport.sender import Sender


def die() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


async def send(order: dict[str, Any], store: Store) -> None:
    """Push, poll and ask once; the end comes at the chosen point."""
    rng, now = random.Random(order["seed"]), datetime.fromisoformat(order["now"])
    connector = build(loader(order["environment"]))

    async def sleep(_: float) -> None:
        return

    def reach(point: CrashPoint) -> None:
        if str(point) == order["die"]:
            die()

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
            for step in (push, poll, resolve):
                await step(Exchanger(connector, sender, thread, edge))


def main() -> None:
    """Act, then push."""
    order = json.load(sys.stdin)
    store = Store(engine=open_engine(order["store_url"]), vault=Vault(KeyRing.parse(order["keys"])))
    if order["die"] == "reinstate.before":
        event.listen(store.engine, "commit", lambda _: die())
    given = TicketRequest(certificate=order["key"], reason="复议撤销", by="head")
    reinstate(store, given, datetime.fromisoformat(order["now"]))
    asyncio.run(send(order, store))
    store.close()


if __name__ == "__main__":
    main()
