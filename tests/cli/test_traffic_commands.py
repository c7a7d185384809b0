"""What an operator sees of traffic control: timed pauses, what stands in the way, and why a delivery waits."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import Result

from gateway.bootstrap import open_gateway
from gateway.cli.platforms import _moment
from gateway.delivery.rules.work import Closing
from gateway.delivery.store import exchanges, owing, platforms
from gateway.delivery.store.platforms import Lane
from gateway.domain.china import CHINA
from gateway.domain.traffic import BreakerRules, Traffic
from gateway.store import records
from gateway.testing import people

Run = Callable[..., Any]
NAME = "national_market"


@pytest.fixture
def run(bare: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in a home of its own with one platform configured and one person owed to it; gives its document."""
    for name, value in {
        "LANGUAGE": "en",
        "NATIONAL_MARKET__ENDPOINT": "http://127.0.0.1:9/ws",
        "NATIONAL_MARKET__SENDER_CODE": "370000",
        "NATIONAL_MARKET__USERNAME": "u",
        "NATIONAL_MARKET__PASSWORD": "p-word-of-a-test",
    }.items():
        monkeypatch.setenv(f"GATEWAY_{name}", value)

    def invoke(*arguments: str, code: int = 0) -> Any:
        result = bare(*arguments, "--json", code=code)
        return json.loads(result.stdout) if result.stdout.strip() else result.stderr

    invoke("init")
    with open_gateway() as gateway, gateway.store.write() as c:
        records.add(
            c, gateway.store.vault, [people.person_record(random.Random(1))], batch_id=None, now=gateway.edge.now()
        )
        owing.owe(c, gateway.connector(NAME).info, gateway.edge.now())
    return invoke


def platform(status: Any) -> Any:
    return status["platforms"][NAME]


def test_a_pause_with_an_end_says_until_when_everywhere(run: Run) -> None:
    until = "2099-04-02T22:30:00+08:00"
    assert datetime.fromisoformat(run("pause", NAME, "--reason", "night", "--until", "2099-04-02 22:30")["until"]) == (
        datetime.fromisoformat(until)
    )
    stop = platform(run("status"))["stop"]
    assert (stop["code"], stop["text"]) == ("operator", "operator: night, until 2099-04-02 22:30:00 +08:00")
    shown = run("show", "1")["delivery"]
    assert (shown["why_code"], shown["why"]) == ("paused", "the platform is paused: operator: night")
    assert datetime.fromisoformat(shown["until"]) == datetime.fromisoformat(until)


def test_an_end_in_the_past_is_misuse(run: Run) -> None:
    assert "past" in run("pause", NAME, "--reason", "x", "--until", "2019-04-02 22:30", code=2)
    assert platform(run("status"))["pause"] is None


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        (datetime(1900, 1, 1, 22, 30), "2019-04-02T22:30:00+08:00"),
        (datetime(1900, 1, 1, 8, 0), "2019-04-03T08:00:00+08:00"),
        (datetime(2019, 5, 1, 8, 0), "2019-05-01T08:00:00+08:00"),
        (datetime(2019, 5, 1, 8, 0, tzinfo=UTC), "2019-05-01T08:00:00+00:00"),
    ],
)
def test_a_time_of_day_is_the_next_one_in_local_time(given: datetime, moment: str) -> None:
    now = datetime(2019, 4, 2, 9, 0, tzinfo=CHINA)
    assert _moment(given, now) == datetime.fromisoformat(moment)


def test_a_push_that_reaches_nobody_says_where_and_why(run: Run, bare: Callable[..., Result]) -> None:
    told = bare("push", NAME, code=1).stdout
    assert "nothing arrived: http://127.0.0.1:9/ws" in told
    assert "GATEWAY_NATIONAL_MARKET__ENDPOINT" in told
    assert "to send 1" in told
    [waits] = run("push", NAME, code=0)["platforms"][NAME]["waits"]
    assert (waits["state"], waits["count"]) == ("queued", 1)
    assert waits["code"]


def test_a_push_to_a_paused_platform_says_how_it_goes_on(run: Run, bare: Callable[..., Result]) -> None:
    run("pause", NAME, "--reason", "contract")
    told = bare("push", NAME, code=1).stdout
    assert "contract" in told
    assert f"gateway resume {NAME}" in told


def test_an_open_breaker_is_shown_and_explains_what_waits(run: Run) -> None:
    with open_gateway() as gateway, gateway.store.write() as c:
        now = gateway.edge.now()
        lane = Lane(
            platform=NAME,
            rules=Traffic(breaker=BreakerRules(failures=1, first=timedelta(hours=1))),
            probe=timedelta(minutes=1),
            draw=lambda: 0.5,
        )
        closing = Closing(exchange_id=0, closed_at=now, answered=False, code="read_timeout")
        platforms.hear(c, lane, [closing], now, locked=exchanges.lock_for(c, NAME, []))
    row = platform(run("status"))
    assert (row["stop"]["code"], row["breaker"]["phase"], row["breaker"]["code"]) == (
        "breaker_open",
        "open",
        "read_timeout",
    )
    assert run("show", "1")["delivery"]["why_code"] == "breaker_open"
    assert run("push", NAME, code=1)["platforms"][NAME]["stopped"].startswith("breaker_open: the platform")


def test_maintenance_is_shown_and_nothing_is_sent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_NATIONAL_MARKET__MAINTENANCE", '["00:00-12:00", "12:00-24:00"]')
    assert platform(run("status"))["stop"]["code"] == "maintenance"
    report = run("push", NAME, code=1)["platforms"][NAME]
    assert (report["sent"], report["stopped"].partition(":")[0]) == (0, "maintenance")


def test_a_wrong_window_is_misuse_and_names_the_setting(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_NATIONAL_MARKET__MAINTENANCE", '["22-23"]')
    assert "GATEWAY_NATIONAL_MARKET__MAINTENANCE" in run("push", "national_market", code=2)["error"]["message"]


def test_what_can_be_sent_says_so_and_in_the_language_of_the_reader(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("show", "1")["delivery"]["why"] == "can be sent; waits for the next run"
    monkeypatch.setenv("GATEWAY_LANGUAGE", "zh")
    assert run("show", "1")["delivery"]["why"] == "可以发送，等待下一次运行"
