"""The platform's code tables against ours of the day, in the connector and as ``gateway check … --codes``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.national_market.drift import PINNED, Item, compare, ours_on
from connectors.national_market.sandbox import NationalMarketSandbox
from connectors.national_market.tables import InForce
from gateway.cli.app import app
from gateway.codec.codes import table
from gateway.contract.codes import CodeDrift, PublishesCodes
from gateway.contract.messages import Verdict, WireResponse
from gateway.domain.errors import ContractError
from gateway.domain.states import Event
from gateway.testing.serving import running


def asked(bench: Any, name: str) -> CodeDrift | Verdict:
    sealed = bench.stamp()
    answer = bench.send(bench.connector.encode_code_table(name, sealed))
    found: CodeDrift | Verdict = bench.connector.decode_code_table(answer, name, sealed)
    return found


@pytest.mark.parametrize("name", PINNED)
def test_the_simulated_platform_holds_the_pinned_tables(bench: Any, name: str) -> None:
    found = asked(bench, name)
    assert isinstance(found, CodeDrift)
    assert (found.is_clean, found.version, found.since) == (True, "2024-01-01", None)


def test_every_kind_of_difference_is_named_once() -> None:
    names = {"1": "男", "2": "女", "3": "旧", "4": "停"}
    ours = InForce("gender", [{"code": code, "name_zh": name} for code, name in names.items()], None)
    theirs = {"1": Item(name="男"), "2": Item(name="女性"), "4": Item(name="停", valid=False), "5": Item(name="新")}
    theirs["6"] = Item(name="早已停用", valid=False)
    found = compare(theirs, ours)
    assert (found.missing, found.closed, found.added, found.renamed) == (("3",), ("4",), ("5",), ("2",))
    assert (found.is_clean, found.breaks) == (False, True)
    only_more = compare({code: Item(name=name) for code, name in (*names.items(), ("5", "新"))}, ours)
    assert (only_more.is_clean, only_more.breaks) == (False, False)


def test_an_answer_that_differs_is_reported(bench: Any) -> None:
    service, types = "urn:jzsc:personcert:ws:1", "urn:jzsc:personcert:types:1"
    item = "<ws:CodeItem><t:Code>1</t:Code><t:Name>男性</t:Name><t:Valid>0</t:Valid></ws:CodeItem>"
    body = (
        f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ws="{service}" xmlns:t="{types}">'
        "<s:Body><ws:GetCodeTableResponse><ws:ResultCode>000</ws:ResultCode><ws:ResultMessage/>"
        f"{item}</ws:GetCodeTableResponse></s:Body></s:Envelope>"
    )
    response = WireResponse(status=200, headers={"content-type": "text/xml"}, body=body.encode())
    found = bench.connector.decode_code_table(response, "gender", bench.stamp())
    assert (found.missing, found.closed, found.added, found.version) == (("0", "2", "9"), ("1",), (), None)


def test_a_refusal_and_a_wrong_answer_are_verdicts(bench: Any) -> None:
    unknown = asked(bench, "no_such_table")
    assert isinstance(unknown, Verdict)
    assert (unknown.event, unknown.code) == (Event.HOLD, "002")
    garbage = bench.connector.decode_code_table(WireResponse(status=200, body=b"<x/>"), "gender", bench.stamp())
    assert garbage.event is Event.RETRY


def test_a_table_that_is_not_pinned_cannot_be_compared() -> None:
    with pytest.raises(ContractError, match="no pinned table"):
        ours_on("division_shandong", date(2026, 1, 1), None)


@pytest.fixture(params=["T", "T-token"])
def sandbox(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A running platform, configured in a home of its own."""
    made = NationalMarketSandbox(dialect=request.param)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "250")
    with running(made) as url:
        for name, value in made.access(url).environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("GATEWAY_NATIONAL_MARKET__DEADLINE_SECONDS", "30")
        assert CliRunner().invoke(app, ["init"]).exit_code == 0
        yield made


def check(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["check", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output + result.stderr
    return result


def test_the_command_tells_of_every_table_and_of_a_new_one(
    sandbox: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = json.loads(check("national_market", "--codes", "--json").stdout)
    assert (clean["platform"], clean["breaking"]) == ("national_market", 0)
    assert {row["table"] for row in clean["tables"]} == set(PINNED)
    names = {row["code"]: row["name_zh"] for row in table("trade").rows if row["code"]}
    newer = {code: name for code, name in names.items() if code != "010"} | {"911": "装配式施工员"}
    sandbox.dictionaries.newer["trade"] = (date(2020, 1, 1), newer)
    found = json.loads(check("national_market", "--codes", "--json", code=1).stdout)
    (trade,) = (row for row in found["tables"] if row["table"] == "trade")
    assert (trade["ok"], trade["closed"], trade["added"]) == (False, ["010"], ["911"])
    assert "911" in check("national_market", "--codes", code=1).stdout
    folder = tmp_path / "codes"
    folder.mkdir()
    lines = ["code,name_zh", *(f"{code},{name}" for code, name in newer.items())]
    (folder / "trade.2020-01-01.csv").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setenv("GATEWAY_NATIONAL_MARKET__CODE_FOLDER", str(folder))
    mended = json.loads(check("national_market", "--codes", "--json").stdout)
    (trade,) = (row for row in mended["tables"] if row["table"] == "trade")
    assert (trade["ok"], trade["since"], trade["version"]) == (True, "2020-01-01", "2020-01-01")


def test_a_platform_that_does_not_answer_fails_the_check_by_table(sandbox: Any) -> None:
    sandbox.faults.set(rates={"login_page": 1.0})
    found = json.loads(check("national_market", "--codes", "--json", code=1).stdout)
    assert found["breaking"] == len(PINNED)


@pytest.mark.parametrize("arguments", [(), ("national_market", "worker_platform")])
def test_the_check_wants_one_platform(sandbox: Any, arguments: tuple[str, ...]) -> None:
    check(*arguments, "--codes", code=2)


def test_a_dialect_without_such_a_call_says_so(sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_NATIONAL_MARKET__DIALECT", "X")
    assert "cannot be asked for its code tables" in check("national_market", "--codes", code=2).stderr


def test_the_connector_of_dialect_t_publishes_codes(make: Callable[..., Any]) -> None:
    assert isinstance(make(), PublishesCodes)
