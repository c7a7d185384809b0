"""Least privilege on PostgreSQL: the owner makes the tables, another role works on them, a third one only reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import ProgrammingError
from typer.testing import Result

from gateway import registry
from gateway.store.engine import open_engine
from gateway.testing.serving import running

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]
ROLES = ("gateway_owner", "gateway_run", "gateway_read")
SAMPLE = str(ROOT / "gateway" / "testing" / "data" / "sample_batch.xlsx")


@pytest.fixture
def login(postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Connect as a role from here on; the roles are made by the file that administrators run."""
    admin = open_engine(postgres)
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE roles"))
    url = make_url(postgres).set(database="roles")
    inside = open_engine(url.render_as_string(hide_password=False))
    with inside.begin() as connection:
        connection.exec_driver_sql((ROOT / "ops" / "postgresql-roles.sql").read_text(encoding="utf-8"))
    inside.dispose()

    def become(role: str) -> None:
        shown = url.set(username=role).render_as_string(hide_password=False)
        monkeypatch.setenv("GATEWAY_DATABASE_URL", shown)

    yield become
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE roles WITH (FORCE)"))
        for role in ROLES:
            connection.execute(text(f"DROP ROLE {role}"))
    admin.dispose()


def is_refused(statement: str) -> bool:
    """Whether the role that is logged in may not do this."""
    engine = open_engine(os.environ["GATEWAY_DATABASE_URL"])
    try:
        with engine.begin() as connection:
            connection.execute(text(statement))
    except ProgrammingError:
        return True
    finally:
        engine.dispose()
    return False


@pytest.mark.slow
def test_each_role_can_do_its_work_and_no_other(
    bare: Run, login: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = registry.build_sandbox("provincial_credit", seed=3)
    with running(sandbox) as url:
        for key, value in sandbox.access(url).environment.items():
            monkeypatch.setenv(key, value)
        login("gateway_run")
        assert "role lacks the rights" in bare("init", code=1).stderr
        login("gateway_owner")
        bare("init")

        login("gateway_run")
        bare("init")  # nothing is left to make
        bare("check")
        bare("intake", SAMPLE, "--returns", "returns.xlsx", code=1)
        bare("push", "--limit", "20")
        bare("acks")
        bare("resolve")
        bare("feedback")
        bare("reconcile")
        bare("pause", "provincial_credit", "--reason", "works")
        bare("resume", "provincial_credit")
        bare("retention", "run")
        bare("tickets", "list")
        bare("report")
        bare("backup", "all.backup")
        bare("evidence", "verify", "--bytes")
        for statement in ("CREATE TABLE extra (n int)", "TRUNCATE verdict", "DROP TABLE verdict"):
            assert is_refused(statement)

        login("gateway_read")
        for command in (("status",), ("report", "--out", "read.html"), ("metrics",), ("evidence", "verify")):
            bare(*command)
        refused = bare("pause", "provincial_credit", "--reason", "works", code=1)
        assert "role lacks the rights" in refused.stderr
