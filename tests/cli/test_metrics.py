"""What a monitoring system gets: figures that fit the ledger, no person, and an honest health check."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import Result

from gateway import registry
from gateway.bootstrap import Gateway, open_gateway
from gateway.cli.metrics import application
from gateway.delivery.store import owing, platforms
from gateway.domain.names import plain_name
from gateway.domain.records import Worker
from gateway.operations.metrics import NAMES
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
        from gateway.operations.metrics import exposition

        rules = {NAME: gateway.connector(NAME).endpoint.traffic}
        found = read(exposition(gateway.store, rules, later).decode())
    assert found["gateway_platform_paused"] == {(NAME,): 1}
    assert found["gateway_platform_stopped"] == {("manual", NAME): 1}
    assert max(found["gateway_oldest_waiting_seconds"].values()) > 7000
    assert found["gateway_recent_exchanges"] == {}


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
            c.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
        health = ask(gateway, "/health")
        assert health.status_code == 503
        assert "needs" in health.json()["why"]
        with gateway.store.engine.begin() as c:
            c.exec_driver_sql("DROP TABLE platform")
        assert ask(gateway, "/health").status_code == ask(gateway, "/metrics").status_code == 503
