"""``gateway supervise enter`` to ``publish`` and ``performance`` as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
from typer.testing import Result

from gateway.bootstrap import open_gateway
from gateway.credit.checks import approve

Run = Callable[..., Result]
ENTER = ("supervise", "enter", "complaint", "cities", "370100", "--result", "failed", "--finding", "公示不足七日")


def test_a_check_goes_from_entry_to_the_public_page_and_workbook(run: Run, tmp_path: Path) -> None:
    made = json.loads(run(*ENTER, "--on", "2026-03-02", "--document", "鲁建监〔2026〕3号", "--json").stdout)["check"]
    assert made["city"] == "370100"
    number = made["number"]
    assert "supervise publish" not in run("supervise", "publish", "--page", "a.html", code=1).stdout
    assert "another person" in run("supervise", "approve", number, "--reason", "seen", code=2).stderr
    assert number in run("supervise", "results", "--unapproved").stdout
    with open_gateway() as gateway:
        assert approve(gateway.store, number, reason="seen", by="somebody else", now=datetime.now(UTC))
    run("supervise", "publish", code=2)
    told = json.loads(run("supervise", "publish", "--page", "a.html", "--xlsx", "a.xlsx", "--json").stdout)
    assert (told["checks"], told["new"]) == (1, 1)
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "济南市" in page
    assert "投诉举报核查" in page
    lines = list(openpyxl.load_workbook(tmp_path / "a.xlsx").active.values)
    assert lines[1][2:8] == ("济南市", "济南市", "2026-03-02", "不合格", "公示不足七日", "鲁建监〔2026〕3号")
    assert json.loads(run("supervise", "publish", "--page", "b.html", "--json").stdout)["new"] == 0
    assert json.loads(run("supervise", "results", "--kind", "daily", "--json").stdout)["checks"] == []


def test_the_cities_figures_have_every_city_in_both_forms(run: Run, tmp_path: Path) -> None:
    run(*ENTER, "--on", "2026-03-02")
    period = ("--since", "2026-03-01", "--until", "2026-03-31")
    cities = json.loads(run("supervise", "performance", *period, "--json").stdout)["cities"]
    assert [one["complaints"] for one in cities if one["city"] == "370100"] == [1]
    assert "370000" not in [one["city"] for one in cities]
    run("supervise", "performance", *period, "--xlsx", str(tmp_path / "p.xlsx"))
    assert openpyxl.load_workbook(tmp_path / "p.xlsx").active.max_row == len(cities) + 1
    run("supervise", "performance", "--since", "2026-03-31", "--until", "2026-03-01", code=2)


def test_an_unknown_city_is_misuse(run: Run) -> None:
    run("supervise", "results", "--city", "999999", code=2)
    run("supervise", "enter", "daily", "cities", "999900", "--result", "passed", "--finding", "f", code=2)
