"""What a new operator stumbled over: each tried as it is typed."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from gateway.delivery.store.tables import delivery
from gateway.intake.rules.gate_table import GATES
from tests.operability.conftest import Site, assert_named, squeezed
from tests.operability.test_data_and_store_faults import rows_of, write

CREDIT, MARKET = "provincial_credit", "national_market"


def test_intake_says_its_rules_in_words(site: Site) -> None:
    [row] = rows_of(1)
    write(site, "a.csv", [row | {"统一社会信用代码": "91370000000000000X"}])
    assert_named(site.hears("intake a.csv"), "R-CREDIT-CODE", "统一社会信用代码格式或校验位错误")
    assert all(gate.zh for gate in GATES)


def test_status_tells_of_records_that_are_not_queued_yet(site: Site) -> None:
    with site.platform(CREDIT):
        assert_named(site.hears("status"), "下一步：gateway push 有新记录尚未列入发送")
        site.run("push")
        assert "尚未列入发送" not in site.hears("status")


def test_enterprises_are_drawn_before_any_credit_event_came(site: Site) -> None:
    (site.folder / "checkers.csv").write_text("checker,avoids\n甲,\n乙,\n丙,\n", encoding="utf-8")
    asked = ("--ratio", "1", "--reason", "r", "--checkers", "checkers.csv")
    assert site.run("supervise", "draw", "enterprises", *asked).exit_code == 0
    [ticket] = json.loads(site.run("tickets", "list", "--json").stdout)["tickets"]
    for command in (f"tickets show {ticket['number'][:8]}", f"why {ticket['number']}", f"find {ticket['number']}"):
        assert_named(site.hears(command), "抽查")


@pytest.mark.parametrize(("value", "well"), [("true", True), ("YES", True), ("false", False), ("off", False)])
def test_a_switch_for_the_trust_is_no_file(site: Site, value: str, well: bool) -> None:
    with site.platform(MARKET, VERIFY=value):
        heard = site.hears("check")
    if well:
        assert_named(heard, "✓ 市场监管", "正常")
    else:
        assert_named(heard, "GATEWAY_NATIONAL_MARKET__VERIFY", "不允许关闭校验")


def test_a_pause_ends_a_reconciliation_at_once(site: Site) -> None:
    with site.platform(MARKET) as sandbox:
        site.run("push")
        site.run("pause", MARKET, "--reason", "合同到期")
        before = sandbox.books.counter("requests")
        assert_named(site.hears("reconcile"), "未全部完成：人工暂停：合同到期")
        assert sandbox.books.counter("requests") == before


def test_a_platform_without_a_usable_setting_harms_no_other(site: Site) -> None:
    with site.platform(MARKET, VERIFY="/nowhere.pem"), site.platform(CREDIT):
        assert_named(site.hears("push", "check"), "省信用（provincial_credit）发出", "GATEWAY_NATIONAL_MARKET__VERIFY")
    assert site.ask(select(delivery.c.id).where(delivery.c.platform == CREDIT).limit(1))


_PAGES = ["status", "failures", "why 1", "tickets list", "push", "check", "differences", "overdue"]


@pytest.mark.parametrize("command", _PAGES)
def test_no_word_of_english_stands_alone_in_a_line(site: Site, command: str) -> None:
    with site.platform(CREDIT):
        for line in site.run(*command.split()).stdout.splitlines():
            words = [word for word in line.split() if word.isascii() and word.isalpha() and word.islower()]
            assert len(words) < 4, line


def test_json_errors_are_documents(site: Site) -> None:
    told = json.loads(site.run("failures", "--platform", "nope", "--json").stdout)
    assert told["error"]["exit_code"] == 2
    assert squeezed("no platform 'nope'") in squeezed(told["error"]["message"])
