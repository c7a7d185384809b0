"""One pull of credit feedback in a process that may end itself by SIGKILL; its orders come as JSON on stdin.

die: ``received`` (a page is here, nothing is kept), ``written`` (kept, before the commit), ``committed`` (before the
next page is asked for); ``at`` says at which page.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from datetime import datetime
from typing import cast

from sqlalchemy import event

from connectors.provincial_credit.adapter import ProvincialCredit, build
from gateway.contract.messages import FeedbackPage, Stamp, Verdict, WireRequest, WireResponse
from gateway.credit.feedback import pull
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.system import System
from gateway.settings import loader
from gateway.store.engine import Store, open_engine
from gateway.store.thread import StoreThread
from gateway.store.vault import KeyRing, Vault
from gateway.testing import people
from gateway.transport.sender import Sender


class Killer:
    """Counts pages at each of the three places and ends the process at the chosen one."""

    def __init__(self, die: str, at: int) -> None:
        self._die, self._at = die, at
        self._seen = {"received": 0, "written": 0, "committed": 0}
        self._in_hand = self._kept = False

    def received(self) -> None:
        """A page has come, and its exchange is closed; the next commit is the page's."""
        self._in_hand = True
        self._pass("received")

    def commit(self, _: object) -> None:
        """A transaction is about to be committed."""
        if self._in_hand:
            self._in_hand, self._kept = False, True
            self._pass("written")

    def asked(self) -> None:
        """The next page is to be asked for."""
        if self._kept:
            self._kept = False
            self._pass("committed")

    def _pass(self, place: str) -> None:
        self._seen[place] += 1
        if place == self._die and self._seen[place] == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def watched(connector: ProvincialCredit, killer: Killer) -> ProvincialCredit:
    """The connector, telling the killer of every page."""
    kind = type(connector)

    class Watched(kind):  # type: ignore[valid-type, misc]
        def encode_feedback(self, cursor: str | None, stamp: Stamp, /) -> WireRequest:
            killer.asked()
            return cast(WireRequest, super().encode_feedback(cursor, stamp))

        def decode_feedback(self, response: WireResponse, stamp: Stamp, /) -> FeedbackPage | Verdict:
            page = super().decode_feedback(response, stamp)
            if isinstance(page, FeedbackPage):
                killer.received()
            return cast("FeedbackPage | Verdict", page)

    same = Watched.__new__(Watched)
    same.__dict__.update(vars(connector))
    return cast(ProvincialCredit, same)


def main() -> None:
    """Pull once."""
    order = json.load(sys.stdin)
    rng, now = random.Random(order["seed"]), datetime.fromisoformat(order["now"])
    killer = Killer(order["die"], order["at"])
    connector = watched(build(loader(order["environment"])), killer)
    store = Store(engine=open_engine(order["store_url"]), vault=Vault(KeyRing.parse(order["keys"])))
    event.listen(store.engine, "commit", killer.commit)

    async def sleep(_: float) -> None:
        return

    async def run() -> None:
        edge = System(
            now=lambda: now,
            new_id=lambda: people.ulid(rng),
            random_bytes=rng.randbytes,
            draw=rng.random,
            sleep=sleep,
        )
        with StoreThread(store) as thread:
            async with Sender(connector.endpoint) as sender:
                report = await pull(Exchanger(connector, sender, thread, edge))
        sys.stdout.write(json.dumps({"stopped": report.stopped, "pulled": report.pulled}))

    asyncio.run(run())


if __name__ == "__main__":
    main()
