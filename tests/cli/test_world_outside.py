"""What the world outside refuses is one line with what to do, in a process of its own as a person starts it."""

from __future__ import annotations

import json
import os
import pwd
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from gateway.cli import output
from gateway.delivery.store import platforms
from gateway.domain.errors import StoreError
from gateway.store.engine import Store, migrate, open_engine, verify_schema
from tests.cli.conftest import Run

Gateway = Callable[..., subprocess.CompletedProcess[bytes]]
UID = 12345


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    """Run a command in a process of its own; it must never end in a traceback."""

    def run(*arguments: str, code: int | None = None, start: Any = None, **environment: str) -> Any:
        own = {"PATH": os.environ["PATH"], "GATEWAY_HOME": str(tmp_path / "home"), "COLUMNS": "200", **environment}
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *arguments],
            cwd=tmp_path,
            env=own,
            capture_output=True,
            timeout=120,
            check=False,
            preexec_fn=start,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert code is None or done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    return run


LEAK = "postgresql://gw:p@ss:Secret9/rd@db/x"


@pytest.mark.parametrize(
    ("url", "words", "code"),
    [
        (LEAK, "percent-encoded", 2),
        ("postgresql://u:Secret9@127.0.0.1:x/x", "percent-encoded", 2),
        ("nonsense", "not a database URL", 2),
        ("mysql://u:Secret9@h/x", "only sqlite and postgresql", 2),
        ("postgres://u:Secret9@127.0.0.1:1/x", "is the database running?", 1),
        ("PostgreSQL://u:Secret9@127.0.0.1:1/x", "is the database running?", 1),
        ("postgresql+asyncpg://u:Secret9@127.0.0.1:1/x", "is the database running?", 1),
        ("postgresql://u:p@Secret9.invalid/x", "the host in the URL is not known", 1),
        ("postgresql://u@127.0.0.1:1/x?Secret9=1", "an option that PostgreSQL does not know", 1),
        ("postgresql://u@127.0.0.1:1/x?sslmode=Secret9", "an sslmode that PostgreSQL does not know", 1),
        ("postgresql://u@127.0.0.1:99999/x", "no port", 1),
        ("sqlite:////proc/nowhere/x.db", "cannot be made", 1),
        ("sqlite:///file:READONLY?mode=ro&uri=true", "GATEWAY_HOME", 1),
        ("sqlite:////etc/hostname", "file is not a database", 1),
    ],
)
def test_a_url_that_leads_nowhere_is_one_line_and_never_repeated(
    bare: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, words: str, code: int
) -> None:
    (tmp_path / "empty.db").touch()
    monkeypatch.setenv("GATEWAY_DATABASE_URL", url.replace("READONLY", str(tmp_path / "empty.db")))
    for command in ("init", "status"):
        done = bare(command, "--json", code=code)
        [line] = done.stderr.splitlines()
        assert words in line
        assert "Secret9" not in line
        assert json.loads(done.stdout) == {"error": {"message": line.removeprefix("gateway: "), "exit_code": code}}


@pytest.fixture
def database(postgres: str) -> Iterator[Callable[..., Any]]:
    """Run statements as the superuser, and drop the roles and the database a test made."""
    engine = open_engine(postgres)

    def run(*statements: str) -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in statements:
                connection.execute(text(statement))

    run("CREATE DATABASE outside", "CREATE ROLE dml LOGIN", "CREATE ROLE busy LOGIN CONNECTION LIMIT 0")
    yield run
    run("DROP DATABASE IF EXISTS outside WITH (FORCE)", "DROP ROLE dml", "DROP ROLE busy")
    engine.dispose()


def outside(postgres: str, user: str | None = None, database: str = "outside") -> str:
    url = make_url(postgres).set(database=database)
    return (url if user is None else url.set(username=user)).render_as_string(hide_password=False)


@pytest.mark.usefixtures("database")
def test_what_postgresql_refuses_is_one_line(bare: Run, monkeypatch: pytest.MonkeyPatch, postgres: str) -> None:
    bare("init")

    def refused(user: str | None, name: str, words: str, *command: str) -> None:
        monkeypatch.setenv("GATEWAY_DATABASE_URL", outside(postgres, user, name))
        done = bare(*command, code=1)
        [line] = done.stderr.splitlines()
        assert words in line

    refused(None, "nowhere", "no database of this name", "status")
    refused("nobody_known", "outside", "does not know this user", "status")
    refused("busy", "outside", "no connection left", "status")
    refused("dml", "outside", "lacks the rights", "init")
    refused(None, "outside", "the store is empty: run `gateway init`", "status")
    bare("init")
    refused("dml", "outside", "lacks the rights", "status")
    engine = open_engine(outside(postgres))
    with engine.begin() as connection:
        connection.execute(text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO dml"))
    engine.dispose()
    bare("status")
    pause = ("pause", "worker_platform", "--reason", "x")
    refused("dml", "outside", "lacks the rights", *pause)


def test_a_connection_that_became_read_only_leaves_the_pool(
    postgres_url: str, make_store: Callable[[str], Store]
) -> None:
    store = make_store(postgres_url)
    with store.write() as connection:
        connection.execute(text("SET default_transaction_read_only = on"))
    with pytest.raises(StoreError, match="takes no writes"), store.write() as connection:
        platforms.register(connection, ["p"])
    with store.write() as connection:
        platforms.register(connection, ["p"])


@pytest.mark.usefixtures("database")
def test_several_at_once_make_one_store(postgres: str) -> None:
    engines = [open_engine(outside(postgres)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(migrate, engines))) == 1
    for engine in engines:
        verify_schema(engine)
        engine.dispose()


def test_a_newer_store_says_which_release_is_needed(run: Run, tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "home" / "gateway.db")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    engine.dispose()
    for command in ("status", "init"):
        [line] = run(command, code=1).stderr.splitlines()
        assert "0099" in line
        assert "install that release" in line
        assert "gateway init" not in line


@pytest.mark.parametrize("home", ["a?b", "%41bc", "a#b", "空 格", "a'b\"c", "x=1&y=2"])
def test_a_home_of_any_name_holds_its_store(
    bare: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str
) -> None:
    monkeypatch.setenv("GATEWAY_HOME", home)
    bare("init")
    assert (tmp_path / home / "gateway.db").exists()
    assert [path.name for path in tmp_path.iterdir()] == [home]


def test_only_root_is_believed_about_who_called_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "wang")
    monkeypatch.setenv("USER", "wang")
    monkeypatch.setenv("SUDO_UID", str(UID))
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert output.actor() == f"uid {UID}"
    monkeypatch.setattr(os, "getuid", lambda: UID + 1)
    assert output.actor() == f"uid {UID + 1}"
    monkeypatch.setenv("SUDO_UID", "-1")
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert output.actor() == pwd.getpwuid(0).pw_name


def test_anchors_that_cannot_be_written_are_told_and_nothing_is_undone(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "in the way").mkdir()
    run("pause", "worker_platform", "--reason", "x")
    monkeypatch.setenv("GATEWAY_EVIDENCE_ANCHORS", str(tmp_path / "in the way"))
    done = run("evidence", "seal", "--json")
    assert json.loads(done.stdout)["sealed"] == 1
    assert "not anchored" in done.stderr + caplog.text
    monkeypatch.delenv("GATEWAY_EVIDENCE_ANCHORS")
    run("pause", "national_market", "--reason", "x")
    assert json.loads(run("evidence", "seal", "--json").stdout)["sealed"] == 1
    found = json.loads(run("evidence", "verify", "--json").stdout)
    assert (found["links"], found["anchors"], found["faults"]) == (2, 1, [])


@pytest.mark.parametrize("locale", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "gbk"}])
def test_no_locale_ends_a_command_and_json_is_utf_8(gateway: Gateway, locale: dict[str, str]) -> None:
    gateway("init", code=0)
    gateway("pause", "worker_platform", "--reason", "𠮷田 · 王", code=0)
    assert gateway("status", code=0, **locale).stdout
    pause = [
        row["pause"]
        for row in json.loads(gateway("status", "--json", code=0, **locale).stdout)["platforms"].values()
        if row["pause"]
    ]
    assert pause[0]["reason"] == "𠮷田 · 王"


@pytest.mark.parametrize("files", [8, 14])
def test_few_file_descriptors_are_one_line_at_most(gateway: Gateway, files: int) -> None:
    gateway("init", code=0)
    done = gateway("status", start=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)))
    assert done.returncode == 0 or len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    ["show 99999999999999999999", "show 0", "release 99999999999999999999 --reason x", "failures --limit 9" + "9" * 19],
)
def test_a_number_that_no_store_can_hold_is_misuse(run: Run, command: str) -> None:
    run(*command.split(), code=2)


def test_what_nobody_has_foreseen_is_one_line_without_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gateway import cli
    from gateway.cli import app

    def fail() -> None:
        try:
            {}["370000198606186576"]
        except KeyError as error:
            raise ExceptionGroup("several", [error]) from None

    monkeypatch.setattr(app, "build", lambda _: fail)
    monkeypatch.setattr(sys, "argv", ["gateway", "status", "--json"])
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    written = capsys.readouterr()
    assert "370000198606186576" not in written.err + written.out
    assert "KeyError at " in json.loads(written.out)["error"]["message"]
    assert len(written.err.splitlines()) == 1


@pytest.mark.parametrize(
    "cell", ["[/b]", "[workerList][0][birthday] wrong format", ":smile:", "[link=http://x]y[/link]"]
)
def test_foreign_text_is_never_markup(capsys: pytest.CaptureFixture[str], cell: str) -> None:
    output.table(cell, [output.TableColumn(cell, lambda row: row)], [cell])
    assert capsys.readouterr().out.count(cell) == 3


def test_controls_never_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    nasty = "a\x1b]0;title\x07b\x9b31m\rc\u202ed"
    output.say(nasty)
    output.complain(nasty)
    output.table(nasty, output.columns("x"), [{"x": nasty}])
    written = capsys.readouterr()
    for text_ in (written.out, written.err):
        assert not set(text_) & {"\x1b", "\x07", "\x9b", "\r", "\u202e"}
    assert r"a\x1b]0;title\x07b\x9b31m\x0dc\u202ed" in written.out
