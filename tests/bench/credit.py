"""Credit events of mixed kinds into the archive, against plainly keeping the sealed events; each in its own process.

python -m tests.bench.credit SIDE EVENTS    (what the cases start; prints speed and peak memory)
"""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from gateway.contract.messages import Finding
from gateway.domain.records import Worker
from gateway.store.engine import Store, migrate, open_engine
from gateway.store.vault import KeyRing, Vault
from gateway.testing import people
from tests.bench.intake import _peak
from tests.support.creditfeed import Feed
from tests.support.findings import finding

LARGE, SMALL = 100_000, 10_000
PAGE = 200
_KINDS = ("AMENDED", "CORRECTED", "PERIOD_CHANGED", "OBJECTION_OPENED", "OBJECTION_CLOSED", "REPAIRED", "REVOKED")


def cases() -> Iterator[dict[str, Any]]:
    """Speed against the floor, and memory against that of a tenth of the events."""
    large, small = partial(_figure, LARGE), partial(_figure, SMALL)
    yield {
        "name": "credit events",
        "what": "100 000 mixed credit events applied against sealing and inserting them plainly, on SQLite",
        "unit": "events/s",
        "goal": 0.02,
        "at_least": True,
        "ours": partial(large, "events/s", "ours"),
        "floor": partial(large, "events/s", "floor"),
    }
    yield {
        "name": "credit memory",
        "what": "peak memory of applying 100 000 credit events against 10 000",
        "unit": "MB",
        "goal": 1.2,
        "at_least": False,
        "ours": partial(large, "MB", "ours"),
        "floor": partial(small, "MB", "ours"),
    }


def _figure(events: int, what: str, side: str, number: int) -> float:
    return _measured(side, events, number)[what]


@cache
def _measured(side: str, events: int, _: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.credit", side, str(events)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def told(workers: list[Worker], count: int, seed: int = 9) -> Iterator[Finding]:
    """Events of all kinds: records that change and end, repeats, variants of names, conflicts, strangers, gaps.

    One in twenty is about nobody we hold, one in fifty comes again, one in fifty has a name in other characters.
    """
    rng = random.Random(seed)
    made, number, waiting = 0, 0, list[Finding]()
    while made < count:
        number += 1
        worker = people.worker(rng, employed=False) if rng.random() < 0.05 else rng.choice(workers)
        if rng.random() < 0.02:
            worker = replace(worker, name=f"{worker.name[0]} {worker.name[1:]}")
        record_id = f"CR370000-2019-{number:06d}"
        chain = ["CREATED", *rng.choices(_KINDS[:5], k=rng.randrange(3)), *rng.choices(_KINDS[5:], k=rng.randrange(2))]
        for version, kind in enumerate(chain, start=1):
            waiting.append(finding(worker, version, kind, record_id=record_id))
        if rng.random() < 0.02:
            waiting.append(waiting[0])
        if len(waiting) > 2 and rng.random() < 0.1:
            waiting[-1], waiting[-2] = waiting[-2], waiting[-1]
        while waiting and made < count:
            made += 1
            yield replace(waiting.pop(0), stream_seq=made)


def _ours(store: Store, workers: list[Worker], feed: Feed, events: int) -> None:
    page: list[Finding] = []
    for one in told(workers, events):
        page.append(one)
        if len(page) == PAGE:
            feed.apply(*page)
            page = []
    if page:
        feed.apply(*page)


def _floor(store: Store, workers: list[Worker], path: Path, events: int) -> None:
    """The same events sealed and inserted, a commit for each page, and nothing understood."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE kept (event_id TEXT PRIMARY KEY, record_id TEXT, version INTEGER, sealed BLOB)")
    for number, one in enumerate(told(workers, events), start=1):
        sealed = store.vault.seal(repr(one).encode(), "kept")
        connection.execute(
            "INSERT OR IGNORE INTO kept VALUES (?, ?, ?, ?)", (one.event_id, one.record_id, one.version, sealed)
        )
        if number % PAGE == 0:
            connection.commit()
    connection.commit()
    connection.close()


def main() -> None:
    """Apply or keep the events and tell what it took."""
    side, events = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/gateway.db")
        migrate(engine)
        store = Store(engine=engine, vault=Vault(KeyRing.generate()))
        feed = Feed(store)
        workers = [feed.person()[1] for _ in range(500)]
        start = time.process_time()  # a busy machine says nothing about the work
        if side == "ours":
            _ours(store, workers, feed, events)
        else:
            _floor(store, workers, Path(folder) / "floor.db", events)
        seconds = time.process_time() - start
        store.close()
    sys.stdout.write(json.dumps({"events/s": events / seconds, "MB": _peak()}))


if __name__ == "__main__":
    main()
