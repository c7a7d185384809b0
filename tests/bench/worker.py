"""A push process to be looked at from outside: python -m tests.bench.worker STORE KEYS PLATFORM CONNECTIONS LIMIT

With limit 0 it pushes, polls and asks until nothing is left to do. Prints what it sent and its peak memory.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path

from gateway.bootstrap import system_edge
from gateway.delivery.acknowledge import poll, resolve
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.store.engine import Store, open_engine
from gateway.store.thread import StoreThread
from gateway.store.vault import KeyRing, Vault
from gateway.testing.checker.invariants import restless
from gateway.testing.model import Model
from gateway.transport.sender import Sender
from tests.bench.around import peak


def model(platform_url: str, connections: int) -> Model:
    """A platform that registers whatever it is sent, so that a doubt matters; one record in each request."""
    return Model(base_url=platform_url, batch_max=1, connections=connections, deadline=timedelta(seconds=30))


async def work(store: Store, connector: Model, limit: int) -> int:
    """Send at most ``limit`` deliveries, or everything."""
    with StoreThread(store) as thread:
        async with Sender(connector.endpoint) as sender:
            exchanger = Exchanger(connector, sender, thread, system_edge())
            sent = (await push(exchanger, limit=limit or None)).sent
            while not limit and await thread.read(restless, connector.platform):
                await asyncio.sleep(0.05)
                await resolve(exchanger)
                await poll(exchanger)
                sent += (await push(exchanger)).sent
    return sent


def main() -> None:
    """Push and tell."""
    url, keys, platform, connections, limit = sys.argv[1:]
    ring = KeyRing.parse(Path(keys).read_text(encoding="ascii"))
    store = Store(engine=open_engine(url), vault=Vault(ring))
    sent = asyncio.run(work(store, model(platform, int(connections)), int(limit)))
    sys.stdout.write(json.dumps({"sent": sent, "MB": peak()}))


if __name__ == "__main__":
    main()
