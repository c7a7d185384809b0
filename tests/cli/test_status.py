"""``gateway status`` as the start page: in Chinese, within 80 columns, with what to do next; ``gateway codes``."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from gateway import registry
from gateway.bootstrap import open_gateway
from gateway.cli.layout import cell_length
from gateway.delivery.store import owing
from gateway.domain.states import State
from gateway.domain.words import STATES
from gateway.settings import GatewaySettings, load
from gateway.store import records
from gateway.testing import people
from gateway.testing.serving import running

Run = Callable[..., Result]
NAME, TITLE = "national_market", "市场监管"


@pytest.fixture
def filled(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A store that owes one person to one platform, for somebody who reads Chinese in 80 columns."""
    with running(registry.build_sandbox(NAME, seed=3)) as url:
        for key, value in registry.build_sandbox(NAME, seed=3).access(url).environment.items():
            monkeypatch.setenv(key, value)
        with open_gateway(load(GatewaySettings)) as gateway, gateway.store.write() as connection:
            made = [people.person_record(random.Random(1))]
            records.add(connection, gateway.store.vault, made, batch_id=None, now=gateway.edge.now())
            owing.owe(connection, gateway.connector(NAME).info, gateway.edge.now())
        monkeypatch.setenv("GATEWAY_LANGUAGE", "zh")
        monkeypatch.setenv("COLUMNS", "80")
        yield run


def test_status_says_what_waits_and_what_to_type_next(filled: Run) -> None:
    told = filled("status").stdout
    assert f"{TITLE} {NAME}" in told
    assert "待发送" in told
    assert "下一步：gateway push" in told
    assert [line for line in told.splitlines() if cell_length(line) > 80] == []


def test_a_held_platform_is_told_with_its_cause_and_the_act(filled: Run) -> None:
    filled("pause", NAME, "--reason", "升级")
    told = filled("status").stdout
    assert f"! {TITLE}（{NAME}） 暂停中" in told
    assert "人工暂停：升级" in told
    assert f"gateway resume {NAME}" in told


def test_the_document_has_platforms_by_name_in_english_words(filled: Run) -> None:
    document = json.loads(filled("status", "--json").stdout)
    row = document["platforms"][NAME]
    assert row["states"] == {"queued": 1}
    assert (row["short_title"], row["overdue"]) == (TITLE, 0)
    assert document["next"] == ["gateway push"]
    assert set(document["last"]) == {"intake", "push", "reconcile", "feedback", "seal", "backup"}


def test_what_failed_comes_before_what_waits(filled: Run) -> None:
    with open_gateway(load(GatewaySettings)) as gateway, gateway.store.write() as connection:
        connection.exec_driver_sql("UPDATE delivery SET state = 'parked', code = 'html_page'")
    told = filled("status").stdout
    assert "! 1 条需要处理（待人工 1）    gateway failures" in told
    assert "答复是网页（html_page）" in told
    assert "下一步：gateway failures" in told


def test_nothing_to_do_is_said_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_LANGUAGE", "zh")
    assert "下一步：无需处理" in run("status").stdout


@pytest.mark.parametrize("state", list(State))
def test_codes_tells_every_state(state: State, bare: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    [*found] = json.loads(bare("codes", state.upper(), "--json").stdout)["codes"]
    assert STATES[state].word in [one["word"] for one in found]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("N04", "60"),
        ("html_page", "答复是网页"),
        ("certificate", "证书无效，抽查相关申报"),
        ("altered", "内容不同"),
        ("held", "暂停中"),
    ],
)
def test_codes_speaks_chinese(code: str, expected: str, bare: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_LANGUAGE", "zh")
    assert expected in bare("codes", code).stdout


def test_codes_lists_everything_and_refuses_what_nobody_knows(bare: Run, tmp_path: Path) -> None:
    assert len(json.loads(bare("codes", "--json").stdout)["codes"]) > 100
    assert "nobody knows the code xyz" in bare("codes", "xyz", code=2).stderr
    assert not (tmp_path / "home").exists()
