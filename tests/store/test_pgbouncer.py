"""PostgreSQL behind a PgBouncer in transaction mode: no statement may be prepared on the server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from gateway.delivery.store import platforms
from gateway.domain.errors import StoreError
from gateway.store.engine import Store, migrate, open_engine, verify_schema
from gateway.store.vault import KeyRing, Vault

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
_TIMES = 12
"""psycopg prepares what it has sent five times"""


@pytest.fixture
def pooled(postgres_url: str, tmp_path: Path) -> Iterator[str]:
    """URL of the database behind a pool of one server connection, given to whoever begins a transaction."""
    if PGBOUNCER is None:
        pytest.skip("no pgbouncer on this machine (Debian's package pgbouncer)")
    direct = make_url(postgres_url)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user = direct.username or "postgres"
    (tmp_path / "users.txt").write_text(f'"{user}" ""\n')
    (tmp_path / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={direct.query['host']} port={direct.port or 5432} user={user}\n[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\nauth_file = {tmp_path}/users.txt\n"
        "pool_mode = transaction\ndefault_pool_size = 2\nunix_socket_dir =\n"
        "query_wait_timeout = 10\nignore_startup_parameters = extra_float_digits\n"
    )
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    command = [PGBOUNCER, str(tmp_path / "pgbouncer.ini")]
    if os.getuid() == 0:
        command[1:1] = ["-u", Path(direct.query["host"]).owner()]  # it refuses to run as root
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        try:
            assert any(b"process up" in line for line in process.stderr), "pgbouncer did not start"
            yield direct.set(host="127.0.0.1", port=port, username=user, query={}).render_as_string(hide_password=False)
        finally:
            process.terminate()


def _work(url: str, *, prepare: bool) -> None:
    stores = [Store(engine=open_engine(url, prepare=prepare), vault=Vault(KeyRing.generate())) for _ in range(2)]
    try:
        for store in stores:
            migrate(store.engine)
            verify_schema(store.engine)
        for turn in range(_TIMES):
            for store in stores:
                with store.write() as connection:
                    platforms.register(connection, [f"p{turn}"])
                with store.read() as connection:
                    assert f"p{turn}" in platforms.registered(connection)
                    assert connection.execute(text("SHOW transaction_read_only")).scalar_one() == "on"
    finally:
        for store in stores:
            store.close()


def test_nothing_is_prepared_where_the_setting_says_so(pooled: str) -> None:
    _work(pooled, prepare=False)


def test_with_prepared_statements_an_older_pool_gets_in_the_way(pooled: str) -> None:
    told = subprocess.run([str(PGBOUNCER), "--version"], capture_output=True, text=True, check=True).stdout
    if tuple(map(int, told.split()[1].split(".")[:2])) >= (1, 21):
        pytest.skip("this PgBouncer keeps account of prepared statements itself")
    with pytest.raises((StoreError, DBAPIError), match="prepared statement"):
        _work(pooled, prepare=True)
