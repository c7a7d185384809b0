"""Rows of a message are in the platform's table all together and once, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from gateway.contract.connector import Endpoint, Pace
from gateway.contract.handover import HandOver, ask_place, digest_of, hand_over_rows, read_rows, rows_page
from gateway.contract.messages import WireRequest, WireResponse
from gateway.domain.errors import ConfigurationError, NotSent
from gateway.store.engine import open_engine
from gateway.transport.carrier import carrier_for

KEY = ["batch", "record"]


class Front:
    """A front-end database with one table, and a carrier to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = create_engine(url)
        with self.engine.begin() as connection:
            connection.execute(text("DROP TABLE IF EXISTS handed"))
            connection.execute(
                text(
                    "CREATE TABLE handed (batch VARCHAR(40), record VARCHAR(90), name VARCHAR(20), born DATE,"
                    " score INTEGER, state VARCHAR(9), UNIQUE (batch, record))"
                )
            )

    def ask(self, request: WireRequest) -> WireResponse:
        endpoint = Endpoint(
            base_url="database",
            pace=Pace(interval=timedelta(), connections=1),
            deadline=timedelta(seconds=20),
            hand_over=HandOver(database=self.url),
        )

        async def carried() -> WireResponse:
            async with carrier_for(endpoint) as carrier:
                return await carrier.send(request)

        return asyncio.run(carried())

    def put(self, *rows: dict[str, str | None]) -> WireResponse:
        return self.ask(hand_over_rows("rows", "handed", KEY, rows))

    def rows(self) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text("SELECT batch, record, name FROM handed ORDER BY record")))


def row(number: int, **more: str | None) -> dict[str, str | None]:
    return {"batch": "B1", "record": f"r{number}", "name": "王一", **more}


@pytest.fixture(params=["sqlite", "postgresql"])
def front(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Front]:
    if request.param == "sqlite":
        made = Front(f"sqlite:///{tmp_path / 'front.db'}")
    else:
        made = Front(front_database(str(request.getfixturevalue("postgres"))))
    yield made
    made.engine.dispose()


def front_database(server: str) -> str:
    """URL of a database of the owner's own in the server of the tests."""
    engine = open_engine(server)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(text("SELECT 1 FROM pg_database WHERE datname = 'front_end'")).first():
            connection.execute(text("CREATE DATABASE front_end"))
    parts = make_url(engine.url).set(database="front_end", password=None)
    url = parts.render_as_string(hide_password=False).replace(":@", "@")
    engine.dispose()
    return url


def test_rows_are_written_once(front: Front) -> None:
    request = hand_over_rows("rows", "handed", KEY, [row(1), row(2)])
    first = front.ask(request)
    assert (first.status, json.loads(first.body)["digest"]) == (200, digest_of(request))
    assert front.ask(request).status == 200
    assert front.put(row(2, name="李二"), row(3)).status == 200
    assert front.rows() == [("B1", "r1", "王一"), ("B1", "r2", "王一"), ("B1", "r3", "王一")]


def test_all_rows_or_none(front: Front) -> None:
    refused = front.put(row(1), row(2, born="not a day"))
    assert refused.status == 409
    assert json.loads(refused.body)["columns"] == ["born"]
    assert front.put(row(1), row(2, missing="x")).status == 409
    assert front.rows() == []


def test_texts_become_what_the_columns_hold_and_come_back_as_texts(front: Front) -> None:
    assert front.put(row(1, born="1980-02-03", score="7"), row(2, born=None)).status == 200
    asked = read_rows("read", "handed", ["record", "born", "score", "state"], {"batch": "B1"}, order="record")
    page = rows_page(front.ask(asked), asked)
    assert page is not None
    assert [dict(one) for one in page.rows] == [
        {"record": "r1", "born": "1980-02-03", "score": "7", "state": None},
        {"record": "r2", "born": None, "score": None, "state": None},
    ]


def test_pages_follow_each_other(front: Front) -> None:
    front.put(*(row(number) for number in range(5)))
    found, after = [], None
    while True:
        asked = read_rows("read", "handed", ["record"], {}, order="record", after=after, limit=2)
        page = rows_page(front.ask(asked), asked)
        assert page is not None
        found += [one["record"] for one in page.rows]
        after = page.next_after
        if after is None:
            break
    assert found == [f"r{number}" for number in range(5)]


def test_many_at_once_write_each_row_once(front: Front) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: front.put(row(1), row(2)).status, range(8)))
    assert set(answers) == {200}
    assert len(front.rows()) == 2


def test_a_table_that_is_not_there_is_a_refusal(front: Front) -> None:
    assert front.ask(hand_over_rows("rows", "nowhere", KEY, [row(1)])).status == 409
    assert front.ask(ask_place("health")).status == 200


def test_an_answer_belongs_to_its_question(front: Front) -> None:
    front.put(row(1))
    asked = read_rows("read", "handed", ["record"], {"batch": "B1"}, order="record")
    other = read_rows("read", "handed", ["record"], {"batch": "B2"}, order="record")
    assert rows_page(front.ask(asked), other) is None


def test_a_database_that_is_not_there_gets_nothing(tmp_path: Path) -> None:
    endpoint = Endpoint(
        base_url="x",
        pace=Pace(interval=timedelta(), connections=1),
        hand_over=HandOver(database=f"sqlite:///{tmp_path / 'no' / 'front.db'}"),
    )

    async def carried() -> None:
        async with carrier_for(endpoint) as carrier:
            await carrier.send(hand_over_rows("rows", "handed", KEY, [row(1)]))

    with pytest.raises(NotSent):
        asyncio.run(carried())


@pytest.mark.parametrize("url", ["nonsense", "nodialect://host/db"])
def test_a_url_that_is_none_is_named_without_its_text(url: str) -> None:
    endpoint = Endpoint(base_url="x", pace=Pace(interval=timedelta(), connections=1), hand_over=HandOver(database=url))
    with pytest.raises(ConfigurationError) as error:
        carrier_for(endpoint)
    assert url not in str(error.value)
    assert url not in repr(endpoint)
