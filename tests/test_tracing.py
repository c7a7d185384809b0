"""Spans and log lines of exchanges: they carry the ids that lead to the ledger, and no person."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from gateway import registry
from gateway.bootstrap import open_gateway
from gateway.delivery.store import owing
from gateway.domain.records import Worker
from gateway.settings import GatewaySettings, load
from gateway.store import records
from gateway.testing import people
from gateway.testing.serving import running

NAME = "worker_platform"
PERSON = people.person_record(random.Random(1))


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A home with two certificates owed to one platform that runs."""
    sandbox = registry.build_sandbox(NAME, seed=5)
    with running(sandbox) as url:
        values = {**sandbox.access(url).environment, "GATEWAY_HOME": str(tmp_path / "home")}
        for key, value in values.items():
            monkeypatch.setenv(key, value)
        rng = random.Random(2)
        with open_gateway(load(GatewaySettings), create=True) as gateway, gateway.store.write() as c:
            held = [people.certificate_record(rng, PERSON) for _ in range(2)]
            records.add(c, gateway.store.vault, [PERSON, *held], batch_id=None, now=gateway.edge.now())
            owing.owe(c, gateway.connector(NAME).info, gateway.edge.now())
        yield {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}


def push(environment: dict[str, str], **more: str) -> str:
    """What a push writes to stderr."""
    command = [sys.executable, "-m", "gateway", "push"]
    done = subprocess.run(
        command, env={**environment, **more}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def nobody(text: str) -> bool:
    assert isinstance(PERSON.content, Worker)
    return PERSON.content.id_number not in text and PERSON.content.name not in text


def test_every_exchange_is_a_log_line_with_its_ids(environment: dict[str, str]) -> None:
    told = push(environment, GATEWAY_LOG_LEVEL="INFO")
    lines = [json.loads(line) for line in told.splitlines()]
    found = [line for line in lines if line["event"] == "exchange" and line["purpose"] == "push"]
    assert {line["platform"] for line in found} == {NAME}
    assert {line["status"] for line in found} == {"200"}
    assert sorted(number for line in found for number in json.loads(line["deliveries"])) == [1, 2]
    assert all(int(line["exchange"]) for line in found)
    assert nobody(told)


def test_every_exchange_is_a_span_where_an_exporter_is_set(environment: dict[str, str]) -> None:
    told = push(environment, OTEL_TRACES_EXPORTER="console")
    decoder, spans = json.JSONDecoder(), []
    while told.strip():
        span, end = decoder.raw_decode(told.strip())
        spans.append(span)
        told = told.strip()[end:]
    assert {span["name"] for span in spans} == {f"{NAME} push"}
    assert sorted(n for span in spans for n in span["attributes"]["gateway.deliveries"]) == [1, 2]
    assert {span["attributes"]["gateway.status"] for span in spans} == {200}
    assert nobody(json.dumps(spans, ensure_ascii=False))


def test_nothing_is_traced_where_nobody_asked(environment: dict[str, str]) -> None:
    assert push(environment) == ""


class Collector(BaseHTTPRequestHandler):
    bodies: list[bytes] = []  # noqa: RUF012 - shared by all requests of a test

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_spans_reach_a_collector_before_the_process_ends(environment: dict[str, str]) -> None:
    Collector.bodies = []
    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        push(environment, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    sent = b"".join(Collector.bodies)
    assert f"{NAME} push".encode() in sent
    assert nobody(sent.decode("utf-8", "replace"))
