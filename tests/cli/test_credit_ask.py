"""``gateway credit ask``: for a purpose, about whom we hold, without a word of the person, and nothing twice."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from connectors.provincial_credit.sandbox import ProvincialCreditSandbox
from gateway.bootstrap import open_gateway
from gateway.cli.app import app
from gateway.credit.store import parties
from gateway.credit.store.subjects import ENTERPRISE
from gateway.credit.store.tables import credit_event
from gateway.delivery.store import owing, platforms
from gateway.domain.records import Worker
from gateway.settings import GatewaySettings
from gateway.store.tables import audit
from gateway.testing.serving import running
from tests.support.creditfeed import Feed

Run = Callable[..., Result]
PLATFORM = "provincial_credit"


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProvincialCreditSandbox]:
    """A running platform, configured in a home of its own."""
    made = ProvincialCreditSandbox(seed=5)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    with running(made) as url:
        for name, value in made.access(url).environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("GATEWAY_PROVINCIAL_CREDIT__PUSH_BY", "item")
        monkeypatch.setenv("GATEWAY_PROVINCIAL_CREDIT__MIN_INTERVAL_SECONDS", "0")
        yield made
    made.books.close()


@pytest.fixture
def run(sandbox: ProvincialCreditSandbox) -> Run:
    """Run a command; fails on a traceback."""

    def invoke(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output + result.stderr
        return result

    invoke("init")
    return invoke


@pytest.fixture
def held(run: Run, tmp_path: Path) -> tuple[str, Worker]:
    """A person whose certificate the platform holds."""
    with open_gateway(GatewaySettings(home=tmp_path / "home")) as gateway:
        feed = Feed(gateway.store)
        person, worker = feed.person()
        feed.certificate(person)
        with gateway.store.write() as connection:
            platforms.register(connection, [PLATFORM])
            owing.owe(connection, gateway.connector(PLATFORM).info, gateway.edge.now())
    run("push", PLATFORM)
    return person.key, worker


def rows(tmp_path: Path, table: Any) -> list[Any]:
    with open_gateway(GatewaySettings(home=tmp_path / "home")) as gateway, gateway.store.read() as connection:
        return list(connection.execute(select(table)).all())


def asked(run: Run, key: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("credit", "ask", key, "--purpose", "复核", "--json", **more).stdout)
    return found


def test_what_the_archive_lacks_is_told_fetched_and_known_the_next_time(
    run: Run, held: tuple[str, Worker], sandbox: ProvincialCreditSandbox, tmp_path: Path
) -> None:
    key, worker = held
    sandbox.command(tell=("F01",))
    first = asked(run, key)
    assert first["subject"] == {"kind": "person", "key": key, "redirected": False}
    assert [(r["theirs"], r["ours"], r["difference"], r["fetched"]) for r in first["records"]] == [
        (1, None, "MISSING_LOCAL", True),
        (1, None, "MISSING_LOCAL", True),
    ]
    assert {r["difference"] for r in asked(run, key)["records"]} == {"MATCH"}
    assert len(rows(tmp_path, credit_event)) == 2
    shown = run("credit", "ask", key, "--purpose", "复核").stdout
    assert "MATCH" in shown
    for text in (shown, json.dumps(first, ensure_ascii=False)):
        assert worker.name not in text
        assert not re.search(r"\d{17}[\dX]", text)
    run("feedback", PLATFORM)
    assert sandbox.effects()["acks"] == {"APPLIED": 2}, "what was fetched is acknowledged like the rest"


def test_a_newer_version_is_fetched_and_an_older_one_only_told(
    run: Run, held: tuple[str, Worker], sandbox: ProvincialCreditSandbox
) -> None:
    key, _ = held
    sandbox.command(tell=("F04",))
    run("feedback", PLATFORM)
    (record_id,) = sandbox.books.get("cases", "F04")
    ids = sandbox.books.get("records", record_id)
    sandbox.books.begin()
    sandbox.books.put("records", record_id, ids[:1])
    sandbox.books.commit()
    (older,) = asked(run, key)["records"]
    assert (older["theirs"], older["ours"], older["difference"], older["fetched"]) == (1, 2, "AHEAD", False)
    sandbox.books.begin()
    sandbox.books.put("records", record_id, ids)
    sandbox.books.commit()
    assert [r["difference"] for r in asked(run, key)["records"]] == ["MATCH"]


def test_purpose_and_result_are_in_the_audit_trail_without_a_person(
    run: Run, held: tuple[str, Worker], sandbox: ProvincialCreditSandbox, tmp_path: Path
) -> None:
    key, worker = held
    sandbox.command(tell=("F01",))
    asked(run, key)
    begun, ended = (row for row in rows(tmp_path, audit) if row.action.startswith("credit_a"))
    assert (begun.action, begun.object, begun.reason) == ("credit_ask", key, "复核")
    assert (ended.action, ended.detail["MISSING_LOCAL"], ended.detail["complete"]) == ("credit_answer", 2, True)
    assert worker.id_number not in repr((begun, ended))


@pytest.mark.parametrize("who", ["370000199001010011", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "某某", "370100"])
def test_nobody_but_whom_we_hold_is_asked_for(
    run: Run, held: tuple[str, Worker], sandbox: ProvincialCreditSandbox, who: str
) -> None:
    before = sandbox.effects()["counts"]["requests"]
    run("credit", "ask", who, "--purpose", "复核", code=2)
    assert sandbox.effects()["counts"]["requests"] == before


def test_an_enterprise_is_asked_for_where_our_own_records_name_it(
    run: Run, held: tuple[str, Worker], sandbox: ProvincialCreditSandbox, tmp_path: Path
) -> None:
    employer = held[1].employer
    assert employer is not None
    told = parties.Party(kind=ENTERPRISE, code="91370000MA0000001A", name="山东示例建筑有限公司")
    with open_gateway(GatewaySettings(home=tmp_path / "home")) as gateway, gateway.store.write() as connection:
        parties.hold(connection, gateway.store.vault, [told], parties.TOLD, gateway.edge.now())
    assert asked(run, employer.code)["subject"]["kind"] == "enterprise"
    before = sandbox.effects()["counts"]["requests"]
    assert "we hold" in run("credit", "ask", told.code, "--purpose", "复核", code=2).stderr
    assert sandbox.effects()["counts"]["requests"] == before


def test_a_purpose_is_asked_for(run: Run, held: tuple[str, Worker]) -> None:
    run("credit", "ask", held[0], code=2)
    assert "purpose" in run("credit", "ask", held[0], "--purpose", "  ", code=2).stderr


def test_a_platform_that_does_not_answer_is_said(
    run: Run, held: tuple[str, Worker], sandbox: ProvincialCreditSandbox
) -> None:
    sandbox.faults.set(rates={"login_page": 1.0})
    assert asked(run, held[0], code=1)["stopped"]


def test_a_platform_that_cannot_be_searched_is_no_choice(run: Run, held: tuple[str, Worker]) -> None:
    arguments = ("credit", "ask", held[0], "--purpose", "复核", "--platform", "worker_platform")
    assert "--platform is one of: provincial_credit" in run(*arguments, code=2).stderr
