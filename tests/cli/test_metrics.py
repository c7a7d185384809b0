"""What a monitoring system gets: figures that fit the ledger, no person, and an honest health check."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert
from typer.testing import Result

from gateway import registry
from gateway.bootstrap import Gateway, open_gateway
from gateway.cli.metrics import application
from gateway.credit.store.tables import ticket
from gateway.delivery.store import owing, platforms
from gateway.domain.names import plain_name
from gateway.domain.records import Worker
from gateway.operations.metrics import NAMES, Surroundings, exposition
from gateway.store import records
from gateway.testing import people
from gateway.testing.serving import running

Run = Callable[..., str]
NAME = "worker_platform"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(bare: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A home with three certificates pushed to one platform, one of them still waiting for its result."""

    def invoke(*arguments: str) -> str:
        return bare(*arguments).stdout

    invoke("init")
    sandbox = registry.build_sandbox(NAME, seed=5)
    with running(sandbox) as url:
        for key, value in sandbox.access(url).environment.items():
            monkeypatch.setenv(key, value)
        with open_gateway() as gateway, gateway.store.write() as c:
            rng = random.Random(1)
            person = people.person_record(rng)
            held = [people.certificate_record(rng, person) for _ in range(3)]
            records.add(c, gateway.store.vault, [person, *held], batch_id=None, now=gateway.edge.now())
            owing.owe(c, gateway.connector(NAME).info, gateway.edge.now())
        invoke("push")
        yield invoke


def read(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    return {
        family.name: {tuple(sample.labels.values()): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(text)
    }


def read_later(gateway: Gateway, now: datetime, **around: Any) -> dict[str, dict[tuple[str, ...], float]]:
    rules = {NAME: gateway.connector(NAME).endpoint.traffic}
    surroundings = Surroundings(calendar=gateway.calendar, folders=around.pop("folders", {}), **around)
    return read(exposition(gateway.store, rules, surroundings, now).decode())


def ask(gateway: Gateway, path: str) -> httpx.Response:
    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app=application(gateway))
        async with httpx.AsyncClient(transport=transport, base_url="http://metrics.invalid") as client:
            return await client.get(path)

    return asyncio.run(get())


def test_the_figures_are_those_of_the_ledger(run: Run) -> None:
    found = read(run("metrics"))
    assert set(found) == NAMES
    assert sum(found["gateway_deliveries"].values()) == 3
    assert sum(n for key, n in found["gateway_recent_exchanges"].items() if key[:2] == (NAME, "push")) >= 1
    assert sum(n for key, n in found["gateway_recent_verdicts"].items()) >= 3
    assert all(value >= 0 for value in found["gateway_recent_exchange_seconds"].values())
    assert found["gateway_platform_paused"] == {(NAME,): 0}
    assert found["gateway_evidence_unsealed_seconds"] == {(): 0}


def test_a_pause_and_an_age_show(run: Run) -> None:
    with open_gateway() as gateway:
        later = gateway.edge.now() + timedelta(hours=2)
        with gateway.store.write() as c:
            platforms.pause(c, NAME, code="manual", reason="works", by="op", now=gateway.edge.now())
        found = read_later(gateway, later)
    assert found["gateway_platform_paused"] == {(NAME,): 1}
    assert found["gateway_platform_stopped"] == {("manual", NAME): 1}
    assert max(found["gateway_oldest_waiting_seconds"].values()) > 7000
    assert found["gateway_recent_exchanges"] == {}


def test_every_work_has_the_moment_it_was_last_done(run: Run, tmp_path: Path) -> None:
    done = read(run("metrics"))["gateway_last_done_timestamp_seconds"]
    assert done[("", "backup")] == 0
    with open_gateway() as gateway:
        now = gateway.edge.now().timestamp()
    assert now - 600 < done[(NAME, "push")] <= now
    assert now - 600 < done[("", "seal")] <= now
    assert (NAME, "reconcile") not in done
    run("backup", str(tmp_path / "all.backup"))
    run("reconcile")
    again = read(run("metrics"))["gateway_last_done_timestamp_seconds"]
    assert again[("", "backup")] >= now
    assert again[(NAME, "reconcile")] >= now


def test_differences_that_need_a_person_are_counted_and_others_are_not(run: Run) -> None:
    assert read(run("metrics"))["gateway_open_differences"] == {}
    run("reconcile")
    found = read(run("metrics"))["gateway_open_differences"]
    assert {key[0]: value for key, value in found.items()}["lost"] == 0
    assert not {"match", "lag", "not_owed"} & {key[0] for key in found}


def test_the_clock_of_a_platform_is_compared_with_ours(run: Run) -> None:
    [difference] = read(run("metrics"))["gateway_clock_difference_seconds"].values()
    assert abs(difference) < 5
    with open_gateway() as gateway:
        later = gateway.edge.now() + timedelta(days=2)
        assert read_later(gateway, later)["gateway_clock_difference_seconds"] == {}


def test_an_open_ticket_is_overdue_after_its_last_working_day(run: Run) -> None:
    with open_gateway() as gateway:
        opened = datetime(2026, 3, 2, 2, tzinfo=UTC)
        row = {"number": "1" * 26, "platform": NAME, "record_id": "r", "kind": "CHECK", "opened_at": opened}
        with gateway.store.write() as c:
            c.execute(insert(ticket).values(row))
        found = [read_later(gateway, opened + timedelta(days=days))["gateway_tickets_overdue"] for days in (1, 40)]
    assert [list(each.values()) for each in found] == [[0], [1]]


def test_the_drop_folder_and_the_disks_are_watched(run: Run, tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    (drop / "taken").mkdir(parents=True)
    (drop / "taken" / "b.xlsx").touch()
    (drop / ".hidden").touch()
    with open_gateway() as gateway:
        later = gateway.edge.now() + timedelta(hours=2)
        folders = {"home": tmp_path, "drop": tmp_path / "not there"}
        found = read_later(gateway, later, drop=drop, folders=folders)
    assert found["gateway_drop_oldest_seconds"][("new",)] == 0
    assert 7100 < found["gateway_drop_oldest_seconds"][("taken",)] < 7300
    assert found["gateway_disk_free_ratio"][("drop",)] == 0
    assert 0 < found["gateway_disk_free_ratio"][("home",)] <= 1
    assert found["gateway_store_bytes"][()] > 100_000


def test_a_prefect_server_that_went_away_shows(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(run("metrics"))["gateway_prefect_up"] == {}
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert read(run("metrics"))["gateway_prefect_up"] == {(): 0}


def test_no_metric_names_a_person(run: Run) -> None:
    person = people.person_record(random.Random(1)).content
    assert isinstance(person, Worker)
    text = run("metrics")
    assert not re.search(r"(?<!\d)370000\d{11}", text)
    assert plain_name(person.name) not in text


def test_metrics_and_health_are_served(run: Run) -> None:
    with open_gateway() as gateway:
        assert set(read(ask(gateway, "/metrics").text)) == NAMES
        health = ask(gateway, "/health")
        assert (health.status_code, health.json()) == (200, {"ok": True})


def test_health_says_why_when_the_store_cannot_be_used(run: Run) -> None:
    with open_gateway() as gateway:
        with gateway.store.engine.begin() as c:
            c.exec_driver_sql("UPDATE alembic_version SET version_num = '0099'")
        health = ask(gateway, "/health")
        assert health.status_code == 503
        assert "newer release" in health.json()["why"]
        with gateway.store.engine.begin() as c:
            c.exec_driver_sql("DROP TABLE platform")
        assert ask(gateway, "/health").status_code == ask(gateway, "/metrics").status_code == 503
