"""``gateway replay`` as a person types it: what a plan will do is told before it is let go."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from typer.testing import Result

from connectors.provincial_credit.sandbox.platform import ProvincialCreditSandbox
from gateway.bootstrap import open_gateway
from gateway.delivery.store.tables import delivery
from gateway.domain.states import State
from gateway.testing.batch import write_sample

Run = Callable[..., Result]


@pytest.fixture
def failing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """One platform that nobody answers at, with a batch of which the first four deliveries are parked."""
    for name, value in ProvincialCreditSandbox().access("http://127.0.0.1:9").environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GATEWAY_PROVINCIAL_CREDIT__MIN_INTERVAL_SECONDS", "60")
    monkeypatch.setenv("GATEWAY_PROVINCIAL_CREDIT__BATCH_MAX", "1")
    write_sample(tmp_path / "sample.xlsx", 60)
    run("intake", "sample.xlsx", "--json", code=1)
    with open_gateway() as gateway, gateway.store.write() as c:
        first = select(delivery.c.id).order_by(delivery.c.id).limit(4)
        c.execute(update(delivery).where(delivery.c.id.in_(first)).values(state=State.PARKED, code="004"))
    return run


def document(result: Result) -> Any:
    return json.loads(result.stdout)


def test_a_plan_says_order_requests_time_and_the_first_payloads(failing: Run) -> None:
    made = document(failing("replay", "plan", "--code", "004", "--reason", "table mended", "--preview", "2", "--json"))
    assert made["plan"]["items"] == 4
    assert made["outlook"]["requests"] == {"provincial_credit": 4}
    assert made["outlook"]["seconds"] == {"provincial_credit": 180.0}
    first = made["outlook"]["first"]
    assert [one["delivery"] for one in first] == sorted(one["delivery"] for one in first)
    assert len(first) == 2
    assert all("***" in one["payload"] and one["before"] is None for one in first)
    told = failing("replay", "plan", "--code", "004", "--reason", "again").stdout
    assert "about 3 min 0 s" in told
    assert "gateway replay run 2" in told


def test_numbers_choose_and_one_that_did_not_fail_is_told(failing: Run) -> None:
    with open_gateway() as gateway, gateway.store.read() as c:
        parked = c.execute(select(delivery.c.id).where(delivery.c.state == State.PARKED)).scalars().all()
        waiting = c.execute(select(delivery.c.id).where(delivery.c.state == State.QUEUED)).scalars().first()
    chosen = [str(parked[0]), str(parked[2])]
    assert document(failing("replay", "plan", *chosen, "--reason", "r", "--json"))["plan"]["items"] == 2
    result = failing("replay", "plan", chosen[0], str(waiting), "--reason", "r", code=1)
    assert "1 of the deliveries named did not fail" in result.stderr


def test_an_end_before_everything_leaves_nothing(failing: Run) -> None:
    failing("replay", "plan", "--until", "2019-01-01", "--reason", "r", code=1)


def test_the_choice_of_the_mapping_stands_in_the_plan(failing: Run) -> None:
    made = document(failing("replay", "plan", "--mapping", "current", "--reason", "r", "--json"))
    assert made["plan"]["chosen_by"]["mapping"] == "current"
    went = document(failing("replay", "run", str(made["plan"]["id"]), "--json"))
    assert went["plan"]["now"] == {"done": 4}
