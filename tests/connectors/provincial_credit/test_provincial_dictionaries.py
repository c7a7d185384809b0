"""The platform's code tables against ours, in the connector and as ``gateway check … --codes``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.provincial_credit.dictionaries import LISTING, PINNED, of_table, ours
from connectors.provincial_credit.sandbox import ProvincialCreditSandbox
from gateway.cli.app import app
from gateway.contract.codes import CodeDrift, PublishesCodes
from gateway.contract.messages import JSON, Verdict
from gateway.domain.errors import ContractError
from gateway.domain.states import Event
from gateway.testing.serving import running

TODAY = date(2019, 4, 2)


def served(name: str, **changes: dict[str, str] | None) -> list[dict[str, str]]:
    """The rows of a table of ours as the platform would serve them; each change adds to a row, or drops it."""
    rows = {code: {"code": code, "nameZh": title} for code, title in ours(name).items()}
    for code, change in changes.items():
        rows[code] = {**rows.get(code, {"code": code}), **(change or {})}
    return [row for code, row in rows.items() if changes.get(code, {}) is not None]


def drift(name: str, rows: list[dict[str, str]]) -> CodeDrift:
    answer: dict[str, JSON] = {"table": name, "version": 7, "rows": list(rows)}
    return of_table(answer, name, TODAY)


@pytest.mark.parametrize("name", [LISTING, *PINNED])
def test_the_simulated_platform_holds_our_tables(bench: Any, name: str) -> None:
    found = bench.ask("code_table", name)
    assert isinstance(found, CodeDrift)
    assert (found.table, found.is_clean, found.since) == (name, True, None)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"P01": None}, (("P01",), (), (), ())),
        ({"P01": {"validTo": "2019-04-01"}}, ((), ("P01",), (), ())),
        ({"P01": {"validTo": "2019-04-02"}}, ((), (), (), ())),
        ({"P01": {"validFrom": "2019-04-03"}}, ((), ("P01",), (), ())),
        ({"P01": {"nameZh": "训诫"}}, ((), (), ("P01",), ())),
        ({"P77": {"nameZh": "新"}}, ((), (), (), ("P77",))),
        ({"P77": {"nameZh": "旧", "validTo": "2018-12-31"}}, ((), (), (), ())),
    ],
)
def test_every_kind_of_difference_is_named_once(
    change: dict[str, dict[str, str] | None], expected: tuple[tuple[str, ...], ...]
) -> None:
    found = drift("credit_sanction_type", served("credit_sanction_type", **change))
    assert (found.missing, found.closed, found.renamed, found.added) == expected
    assert (found.version, found.breaks) == ("7", any(expected[:3]))


def test_codes_that_the_gateway_made_for_itself_are_not_compared() -> None:
    rows = served("credit_event_type", TOMBSTONE=None)
    assert drift("credit_event_type", rows).is_clean
    assert drift("credit_event_type", served("credit_event_type")).is_clean


def test_a_severity_means_something_only_with_its_scheme() -> None:
    assert {"NDRC2025:MINOR", "EXAM31:8"} <= ours("credit_severity").keys()


def test_a_refusal_and_another_table_are_verdicts(bench: Any, answer: Any) -> None:
    unknown: Verdict = bench.ask("code_table", "nothing")
    assert unknown.event is Event.NOT_FOUND
    stamp = bench.stamp()
    value = {"table": "usage_scope", "version": 1, "digest": f"sha-256:{'0' * 64}", "effectiveFrom": "2019-01-01"}
    other = bench.connector.decode_code_table(answer(stamp, 200, {**value, "rows": []}), "authority_level", stamp)
    assert (other.event, other.code) == (Event.RETRY, "other_table")


def test_a_table_that_is_not_pinned_cannot_be_compared() -> None:
    with pytest.raises(ContractError, match="no pinned table"):
        ours("division_shandong")


def test_the_connector_publishes_codes(bench: Any) -> None:
    assert isinstance(bench.connector, PublishesCodes)


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProvincialCreditSandbox]:
    """A running platform, configured in a home of its own."""
    made = ProvincialCreditSandbox()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "250")
    with running(made) as url:
        for name, value in made.access(url).environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("GATEWAY_PROVINCIAL_CREDIT__MIN_INTERVAL_SECONDS", "0")
        assert CliRunner().invoke(app, ["init"]).exit_code == 0
        yield made


def check(*arguments: str, code: int) -> Any:
    result = CliRunner().invoke(app, ["check", "provincial_credit", "--codes", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output + result.stderr
    return result


def test_the_command_names_a_drift_by_table_and_code(sandbox: ProvincialCreditSandbox) -> None:
    clean = json.loads(check("--json", code=0).stdout)
    assert [row["table"] for row in clean["tables"]] == [LISTING, *PINNED]
    dictionaries = sandbox.handlers.dictionaries
    dictionaries.newer["credit_behaviour"] = served(
        "credit_behaviour", **{"D1-1-06": {"validTo": "2019-12-31"}, "D1-6": {"nameZh": "新增"}}
    )
    dictionaries.newer["credit_repair"] = [{"code": "1", "nameZh": "修复"}]
    rows = {row["table"]: row for row in json.loads(check("--json", code=1).stdout)["tables"]}
    behaviour = rows["credit_behaviour"]
    assert (behaviour["ok"], behaviour["version"]) == (False, "2")
    assert (behaviour["closed"], behaviour["added"]) == (["D1-1-06"], ["D1-6"])
    assert (rows[LISTING]["ok"], rows[LISTING]["added"]) == (True, ["credit_repair"])
    assert [name for name, row in rows.items() if row["detail"] != "the same"] == [LISTING, "credit_behaviour"]
    shown = check(code=1).stdout
    assert "D1-1-06" in shown
    assert "credit_repair" in shown


def test_a_platform_that_does_not_answer_fails_the_check_by_table(sandbox: ProvincialCreditSandbox) -> None:
    sandbox.faults.set(rates={"login_page": 1.0})
    assert json.loads(check("--json", code=1).stdout)["breaking"] == len(PINNED) + 1
