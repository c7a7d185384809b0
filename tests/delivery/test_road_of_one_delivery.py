"""How much code one delivery enters: a bound, so that a newcomer can still read the whole road."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import pytest

import gateway
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.delivery.store import owing, platforms
from gateway.delivery.system import System
from gateway.store import records
from gateway.store.engine import Store
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.model import Model, ModelSandbox
from gateway.testing.serving import running
from gateway.transport.sender import Sender

HOME = Path(gateway.__file__ or "").parent
MOST_FILES, MOST_FUNCTIONS = 30, 210


def entered(work: Callable[[], object]) -> dict[str, set[str]]:
    """Functions of the package, by file, that are entered while ``work`` runs, in this thread and those it starts."""
    found: dict[str, set[str]] = defaultdict(set)

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(str(HOME)) and not code.co_name.startswith("<"):
            found[str(Path(code.co_filename).relative_to(HOME))].add(code.co_qualname)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return {name: names for name, names in found.items() if not name.startswith("testing/")}


def test_one_delivery_enters_few_files_and_functions(
    sqlite_url: str, make_store: Callable[[str], Store], capsys: pytest.CaptureFixture[str]
) -> None:
    """The second push of a process on the model platform: imports, caches and statements are made by then."""
    store, rng = make_store(sqlite_url), random.Random(7)
    with running(ModelSandbox(replay_safe=False)) as url:
        model = Model(base_url=url, replay_safe=False)
        edge = System(
            now=lambda: datetime.now(UTC),
            new_id=lambda: people.ulid(rng),
            random_bytes=rng.randbytes,
            draw=rng.random,
        )

        def owe_one() -> None:
            with store.write() as c:
                platforms.register(c, ["model"])
                records.add(c, store.vault, [people.person_record(rng)], batch_id=None, now=edge.now())
                owing.owe(c, model.info, edge.now())

        owe_one()
        asyncio.run(_push(store, model, edge))
        owe_one()
        found = entered(lambda: asyncio.run(_push(store, model, edge)))
    functions = sum(len(names) for names in found.values())
    listed = [f"one delivery enters {len(found)} files and {functions} functions"]
    listed += [f"  {name}: {', '.join(sorted(found[name]))}" for name in sorted(found)]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(listed if os.environ.get("ROAD") else listed[:1]) + "\n")
    assert len(found) <= MOST_FILES
    assert functions <= MOST_FUNCTIONS


async def _push(store: Store, model: Model, edge: System) -> None:
    with StoreThread(store) as thread:
        async with Sender(model.endpoint) as sender:
            report = await push(Exchanger(model, sender, thread, edge))
    assert report.outcomes == {"accepted": 1}
