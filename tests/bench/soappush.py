"""Batches of 50 persons to the market platform, with everything a push does, against a script that uses zeep.

Ours maps, checks, validates request and answer against the schema, signs, and keeps requests, answers and verdicts.
The script has its values ready, signs, and keeps a durable row for each item of an answer.
"""

from __future__ import annotations

import functools
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any

from zeep import Client
from zeep.wsse.username import UsernameToken

from gateway.contract.connector import Connector
from gateway.contract.messages import Payload
from gateway.domain.records import RecordKind
from gateway.registry import build_connector
from gateway.settings import loader
from gateway.testing import people
from gateway.testing.conformance import stamp
from tests.bench.around import SQLITE, Around, Case, Figures, owing, per_round
from tests.bench.pushes import pushed

BATCH = 50
_RATE, _CPU = "records/s", "CPU s/1000 records"
_PORT, _SERVICES = "PersonCertDataServiceSoap", "urn:jzsc:personcert:ws:1"


def cases(around: Around, count: int) -> Iterator[Case]:
    """Records a second, and seconds of CPU for a thousand."""
    count -= count % BATCH
    ours, zeep = per_round(lambda: _ours(around, count)), per_round(lambda: _zeep(around, count))
    # the script neither maps nor checks nor keeps requests and answers: not to be slower than it is the point
    for unit, goal, at_least in ((_RATE, 1.0, True), (_CPU, 1.5, False)):
        yield Case(
            name=f"soap push, batches of {BATCH}" + ("" if at_least else ", CPU"),
            what="push on SQLite against a zeep script with a durable row for each record",
            unit=unit,
            goal=goal,
            at_least=at_least,
            ours=ours(unit),
            floor=zeep(unit),
        )


@functools.cache
def _connector(url: str) -> Connector:
    """Made once a process, with its WSDL read and its schema compiled, as zeep's client is made before it is timed."""
    settings = {
        "ENDPOINT": url,
        "PASSWORD": "example-only",
        "BATCH_MAX": str(BATCH),
        "MIN_INTERVAL_SECONDS": "0",
        "CONNECTIONS": "8",
    }
    made = build_connector("national_market", loader({f"GATEWAY_NATIONAL_MARKET__{k}": v for k, v in settings.items()}))
    made.encode_push(_payloads(made, 1), stamp())
    return made


def _payloads(connector: Connector, count: int) -> list[Payload]:
    drafts = [(s, connector.map(s)) for s in people.submissions("national_market", RecordKind.PERSON, count)]
    return [p for s, d in drafts if isinstance(p := connector.check(s, d), Payload)]


def _ours(around: Around, count: int) -> Figures:
    connector = _connector(around.url(0, "/soap"))
    store, _ = around.store(SQLITE, f"market{count}", owing(connector.info, people.person_record, count))
    figures = pushed(around, store, connector, {"accepted": count})
    return {_RATE: figures["records/s"], _CPU: 1000 * figures["CPU s/record"]}


def _zeep(around: Around, count: int) -> Figures:
    payloads = _payloads(_connector(around.url(0, "/soap")), count)
    assert len(payloads) == count
    client: Any = Client(  # type: ignore[no-untyped-call]
        str(Path(str(files("connectors.national_market"))) / "service.wsdl"),
        wsse=UsernameToken("370000", "example-only", use_digest=True, zulu_timestamp=True),  # type: ignore[no-untyped-call]
    )
    proxy = client.create_service(f"{{{_SERVICES}}}{_PORT}", around.url(0, "/soap"))
    with closing(sqlite3.connect(around.folder / f"zeep{secrets.token_hex(4)}.db")) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE sent (record TEXT, code TEXT)")
        start, busy = time.perf_counter(), time.process_time()
        for first in range(0, count, BATCH):
            answer = proxy.UpsertPersonBatch(
                Head={
                    "SenderCode": "370000",
                    "SerialNo": f"370000{first:026d}",
                    "SchemaVersion": "1.0",
                    "SentAt": "2019-04-02T09:30:00+08:00",
                    "RecordCount": BATCH,
                    "ContentHash": "0" * 64,
                },
                Person=[dict(p.fields) for p in payloads[first : first + BATCH]],
            )
            db.executemany("INSERT INTO sent VALUES (?, ?)", [(i.RecordKey, i.ItemCode) for i in answer.Item])
            db.commit()
        wall, cpu = time.perf_counter() - start, time.process_time() - busy
    return {_RATE: count / wall, _CPU: 1000 * cpu / count}
