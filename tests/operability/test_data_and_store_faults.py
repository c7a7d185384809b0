"""What is wrong with rows, keys, the store or its workers: named in Chinese, with what helps, in two commands."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, select, text, update

from gateway.bootstrap import open_gateway
from gateway.delivery.store.tables import attempt, delivery, exchange, receipt, verdict
from gateway.domain.states import State
from gateway.store.engine import Engine, open_engine
from gateway.store.processes import myself
from gateway.testing.batch import HEADERS, sample_rows
from tests.operability.conftest import Site, assert_named

CREDIT, WORKER, MARKET = "provincial_credit", "worker_platform", "national_market"
NOW = datetime.now(UTC)


def rows_of(count: int, seed: int = 5) -> list[dict[str, Any]]:
    """Rows that may go, by column title."""
    return [dict(row.cells) for row in sample_rows(40, seed) if row.expected is None][:count]


def write(site: Site, name: str, rows: list[dict[str, Any]]) -> None:
    with (site.folder / name).open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADERS)
        writer.writerows([[str(row.get(title, "")) for title in HEADERS] for row in rows])


def test_an_employer_under_a_bad_code(site: Site) -> None:
    [row] = rows_of(1)
    write(site, "三月.csv", [row | {"统一社会信用代码": "91370000000000000X"}])
    words = ("R-CREDIT-CODE 统一社会信用代码格式或校验位错误", "gateway batches returns")
    assert_named(site.hears("intake 三月.csv", f"why {row['证书编号']}"), "退回 1", *words)


def test_one_certificate_reported_by_two_cities(site: Site) -> None:
    [row] = rows_of(1)
    city = str(row["复核地区"])
    other = "370200" if city != "370200" else "370100"
    write(site, "一市.csv", [row])
    moved = {
        name: value.replace(f"{city}-", f"{other}-") if isinstance(value, str) else value for name, value in row.items()
    }
    write(site, "二市.csv", [moved | {"复核地区": other}])
    site.run("intake", "一市.csv")
    heard = site.hears("intake 二市.csv", f"why {row['证书编号']}")
    assert_named(heard, "准入 0", "R-CITY", "该证书已由其他市报送", f"{city}-", "转人工核查", "gateway batches")


def refused(site: Site, kind: str, state: State, code: str, reason: str) -> int:
    """Let a platform have refused one of what it was sent; gives the number of the delivery."""
    [(number,)] = site.ask(
        delivery.select()
        .with_only_columns(delivery.c.id)
        .where(delivery.c.kind == kind, delivery.c.platform == MARKET)
        .limit(1)
    )
    opened = {"platform": MARKET, "purpose": "push", "operation": "o", "message_id": "m", "opened_at": NOW}
    found = "conflict" if state is State.PARKED else "rejected"
    with open_gateway() as gateway, gateway.store.write() as c:
        one = c.execute(insert(exchange).values(**opened, request_digest="d").returning(exchange.c.id)).scalar_one()
        tried = {"delivery_id": number, "exchange_id": one, "position": 0, "fence": 1}
        made = c.execute(insert(attempt).values(tried).returning(attempt.c.id)).scalar_one()
        said = {"attempt_id": made, "event": found, "code": code, "reason": reason, "fields": [], "applied": True}
        c.execute(insert(verdict).values(**said, at=NOW))
        new = {"state": state, "code": code, "reason": reason, "blocked_by": None}
        c.execute(update(delivery).where(delivery.c.id == number).values(new))
    return int(number)


@pytest.fixture
def market(site: Site) -> Iterator[Site]:
    """The same where everything is owed to a platform and nothing was sent."""
    with site.platform(MARKET) as sandbox:
        sandbox.faults.set(rates={"unavailable": 1.0})
        site.run("push", "--limit", "1")
        yield site


def test_a_certificate_stuck_behind_its_person(market: Site) -> None:
    number = refused(market, "person", State.REJECTED, "302", "[birthday]格式错误")
    [(key,)] = market.ask(select(delivery.c.record_key).where(delivery.c.blocked_by == number).limit(1))
    heard = market.hears("failures", f"why {key}")
    assert_named(heard, "302", "[birthday]格式错误", f"第 {number} 号", "由上报单位更正", "gateway batches returns")
    assert "等待所属人员先被接收" in heard


def test_something_of_somebody_elses_under_our_key(market: Site) -> None:
    number = refused(market, "person", State.PARKED, "404", "证书编号已属他人")
    assert_named(market.hears("status", "failures"), "404", "证书编号已属他人", "与平台核实", f"release {number}")


def test_a_code_table_that_is_out_of_date(market: Site) -> None:
    refused(market, "person", State.REJECTED, "303", "代码不在字典中")
    assert_named(market.hears("failures"), "303", "代码不在字典中", "gateway check --codes", "replay plan")


def test_a_result_that_never_comes(site: Site) -> None:
    with site.platform(WORKER) as sandbox:
        sandbox.delay_seconds = (9e5, 9e5)  # type: ignore[attr-defined]
        site.run("push")
        long_ago = NOW - timedelta(days=40)
        site.change(update(receipt).values(received_at=long_ago), update(exchange).values(opened_at=long_ago))
        assert_named(site.hears("status", "overdue"), "9 条回执已超期", "gateway acks", f"gateway resolve {WORKER}")


def test_a_credit_event_about_a_stranger(site: Site) -> None:
    with site.platform(CREDIT):
        site.run("push")
        assert_named(site.hears("feedback", "status"), "未匹配", "gateway credit unmatched")
        assert_named(site.hears("credit unmatched"), "条信用事件", "有市报送所涉主体后自动匹配", "gateway find")


@pytest.mark.parametrize("other", [False, True], ids=["lost", "replaced"])
def test_keys_that_are_not_those_of_the_store(site: Site, other: bool) -> None:
    ring = site.home / "keys.json"
    ring.unlink()
    if other:
        site.patch.setenv("GATEWAY_HOME", str(site.folder / "elsewhere"))
        site.run("init")
        shutil.copy(site.folder / "elsewhere" / "keys.json", ring)
        site.patch.setenv("GATEWAY_HOME", str(site.home))
    words = ("请放回写入该存储时所用的 keys.json", "GATEWAY_KEYS")
    for command in ("status", "check", "push", "intake sample.xlsx", "init"):
        assert_named(site.hears(command), *words)
    assert ring.exists() == other, "no ring is made for a store that has been written to"


def test_a_store_that_takes_no_writes(site: Site) -> None:
    with site.platform(CREDIT):
        site.run("status")
        site.patch.setenv("GATEWAY_DATABASE_URL", f"sqlite:///file:{site.home / 'gateway.db'}?mode=ro&uri=true")
        heard = site.hears("push", "pause provincial_credit --reason 合同到期")
        assert_named(heard, "存储只读，不能写入", "GATEWAY_HOME 文件夹是否可写")


def test_a_disk_that_is_full_when_the_store_is_opened(site: Site) -> None:
    def fill(connection: Any, _: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={connection.execute('PRAGMA page_count').fetchone()[0]}")

    with site.platform(CREDIT):
        event.listen(Engine, "connect", fill)
        try:
            heard = site.hears("push", "intake sample.xlsx")
        finally:
            event.remove(Engine, "connect", fill)
    assert_named(heard, "磁盘已满", "GATEWAY_HOME")


def test_a_store_of_a_newer_release(site: Site) -> None:
    engine = open_engine(site.home / "gateway.db")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    engine.dispose()
    for command in ("status", "init"):
        assert_named(site.hears(command), "0099", "由更新的版本建立", "请安装该版本")


def test_what_a_killed_worker_held(site: Site) -> None:
    with site.platform(CREDIT) as sandbox:
        sandbox.faults.set(next_=["unavailable"])
        site.run("push")
        dead = "/".join([*myself().split("/")[:-2], "1", "0"])
        lease = {"state": State.SENDING, "lease_owner": dead, "lease_until": NOW + timedelta(hours=1)}
        site.change(update(delivery).where(delivery.c.state == State.QUEUED).values(lease))
        assert_named(site.hears("status", "push"), "由已失联的进程占用", "gateway push", "从失联进程接管")


def test_a_variable_that_is_misspelt(site: Site) -> None:
    with site.platform(CREDIT):
        site.patch.setenv("GATEWAY_PROVINCIAL_CREDIT__APPSECRET", "x")
        assert_named(
            site.hears("check"), "GATEWAY_PROVINCIAL_CREDIT__APPSECRET", "是否拼写有误", "gateway.example.toml"
        )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("claim_limits = 4", ["claim_limits：没有程序读取的键", "gateway.example.toml"]),
        ('[serve]\nsink = "5m"', ["[serve] sink：没有程序读取的键"]),
        ('[provincal_credit]\nendpoint = "x"', ["[provincal_credit]：没有程序读取的键"]),
        ('[serve]\nsync = "every 5 minutes"', ["GATEWAY_SERVE__SYNC"]),
        ("claim_limit = 0", ["GATEWAY_CLAIM_LIMIT"]),
        ("claim_limit = = 0", ["gateway.toml", "TOML"]),
    ],
)
def test_a_key_of_the_file_that_is_misspelt(site: Site, content: str, words: list[str]) -> None:
    (site.folder / "gateway.toml").write_text(content, encoding="utf-8")
    assert_named(site.hears("check"), *words)


def test_a_language_that_nobody_speaks_is_said_in_english(site: Site) -> None:
    site.patch.setenv("GATEWAY_LANGUAGE", "cn")
    assert_named(site.hears("check"), "GATEWAY_LANGUAGE", "'zh' or 'en'")
