"""Pushing against the same client without a ledger, and against the script a reader would write instead."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta

import httpx
import requests
from httpx_aiohttp import AiohttpTransport

from gateway.bootstrap import system_edge
from gateway.contract.connector import Connector
from gateway.contract.messages import Payload, WireRequest
from gateway.delivery.exchanger import Exchanger
from gateway.delivery.push import push
from gateway.domain.records import RecordKind
from gateway.registry import build_connector
from gateway.settings import loader
from gateway.store.engine import Store
from gateway.store.thread import StoreThread
from gateway.testing import people
from gateway.testing.conformance import stamp
from gateway.testing.model import Model
from gateway.transport.sender import Sender
from tests.bench.around import POSTGRESQL, SQLITE, Around, Case, Figures, as_served, owing, per_round

CONNECTIONS = 32
_RATE, _CPU = "records/s", "CPU s/record"
_FORM = {
    "APPID": "000000300101010001",
    "APPSECRET": "TestSecret-0123456789-ABCDEFGHIJ",
    "DIALECT": "sandbox",
    "MIN_INTERVAL_SECONDS": "0",
    "CONNECTIONS": str(CONNECTIONS),
}


def cases(around: Around, count: int) -> Iterator[Case]:
    """The push against its own client at 0 and 20 ms, the form platform, and the script."""
    ours = {
        (kind, wait): per_round(lambda kind=kind, wait=wait: _model(around, kind, wait, count))  # type: ignore[misc]
        for kind in (SQLITE, POSTGRESQL)
        for wait in (0, 20)
    }
    for (kind, wait), figures in ours.items():
        yield _case(
            f"push {kind} {wait} ms x{CONNECTIONS}",
            "push with ledger against the same client with a prebuilt body and no store",
            0.9 if wait else 0.65,
            figures(_RATE),
            per_round(lambda wait=wait: _raw(_prebuilt(around.url(wait)), count))(_RATE),  # type: ignore[misc]
        )
    yield _case(
        f"push form platform 0 ms x{CONNECTIONS}",
        "signed and encrypted forms of the worker platform against the same client with a prebuilt body",
        0.5,
        per_round(lambda: _form(around, count))(_RATE),
        per_round(lambda: _raw(_encoded(around), count))(_RATE),
    )
    for wait, goal, least in ((0, 2.5, 1000), (20, 12.0, 150)):
        script = per_round(lambda wait=wait, least=least: _script(around, wait, min(count, least)))  # type: ignore[misc]
        what = "push on SQLite against `requests.post` with a durable row for each record"
        yield _case(f"push against a script, {wait} ms", what, goal, ours[SQLITE, wait](_RATE), script(_RATE))
        if not wait:
            name = f"push against a script, {wait} ms, CPU"
            yield _case(name, what, 0.6, ours[SQLITE, wait](_CPU), script(_CPU), unit=_CPU, at_least=False)


def _case(
    name: str,
    what: str,
    goal: float,
    ours: Callable[[int], float],
    floor: Callable[[int], float],
    *,
    unit: str = _RATE,
    at_least: bool = True,
) -> Case:
    return Case(name=name, what=what, unit=unit, goal=goal, at_least=at_least, ours=ours, floor=floor)


def _model(around: Around, kind: str, wait: int, count: int) -> Figures:
    model = Model(
        base_url=around.url(wait),
        replay_safe=True,
        batch_max=1,
        connections=CONNECTIONS,
        deadline=timedelta(seconds=30),
    )
    store, _ = around.store(kind, f"persons{count}", owing(model.info, people.person_record, count))
    return pushed(around, store, model, {"accepted": count})


def _form_connector(around: Around) -> Connector:
    settings = _FORM | {"ENDPOINT": around.url(0, "/form")}
    return build_connector("worker_platform", loader({f"GATEWAY_WORKER_PLATFORM__{k}": v for k, v in settings.items()}))


def _form(around: Around, count: int) -> Figures:
    connector = _form_connector(around)
    store, _ = around.store(SQLITE, f"certificates{count}", owing(connector.info, people.certificate_record, count))
    return pushed(around, store, connector, {"pending": count})


def pushed(around: Around, store: Store, connector: Connector, outcomes: dict[str, int]) -> Figures:
    """Push everything that is due from a store, which is dropped then."""
    try:
        with as_served():
            return asyncio.run(_push(store, connector, outcomes))
    finally:
        around.drop(store)


async def _push(store: Store, connector: Connector, outcomes: dict[str, int]) -> Figures:
    with StoreThread(store) as thread:
        async with Sender(connector.endpoint) as sender:
            exchanger = Exchanger(connector, sender, thread, system_edge())
            start, busy = time.perf_counter(), time.process_time()
            report = await push(exchanger)
            figures = _figures(sum(outcomes.values()), start, busy)
    assert report.outcomes == outcomes, report
    return figures


def _figures(count: int, start: float, busy: float) -> Figures:
    return {_RATE: count / (time.perf_counter() - start), _CPU: (time.process_time() - busy) / count}


def _prebuilt(url: str) -> tuple[str, WireRequest]:
    body = json.dumps({"message": "M" * 26, "items": [{"key": "K" * 26, "version": 1, "name": "王小明"}]}).encode()
    return url, WireRequest(operation="push", path="/push", headers={"content-type": "application/json"}, body=body)


def _encoded(around: Around) -> tuple[str, WireRequest]:
    connector = _form_connector(around)
    [one] = people.submissions("worker_platform", RecordKind.CERTIFICATE)
    checked = connector.check(one, connector.map(one))
    assert isinstance(checked, Payload)
    return connector.endpoint.base_url, connector.encode_push([checked], stamp())


def _raw(prebuilt: tuple[str, WireRequest], count: int) -> Figures:
    """httpx on the transport that the gateway ships, as its manual shows it, on as many connections."""
    base, request = prebuilt
    left = iter(range(count))

    async def run() -> Figures:
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        async with httpx.AsyncClient(transport=AiohttpTransport(limits=limits), timeout=30) as client:

            async def work() -> None:
                for _ in left:
                    answer = await client.post(base + request.path, content=request.body, headers=dict(request.headers))
                    assert answer.status_code == 200

            start, busy = time.perf_counter(), time.process_time()
            await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
            return _figures(count, start, busy)

    return asyncio.run(run())


def _script(around: Around, wait: int, count: int) -> Figures:
    """One request after another, each with a row of its own that is durable before the next."""
    with closing(sqlite3.connect(around.folder / f"script{secrets.token_hex(4)}.db")) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE sent (id INTEGER PRIMARY KEY, answer TEXT)")
        start, busy = time.perf_counter(), time.process_time()
        for index in range(count):
            document = {"message": str(index), "items": [{"key": f"{index:026d}", "version": 1, "name": "王小明"}]}
            answer = requests.post(f"{around.url(wait)}/push", json=document, timeout=30)
            db.execute("INSERT INTO sent VALUES (?, ?)", (index, answer.text))
            db.commit()
        return _figures(count, start, busy)
