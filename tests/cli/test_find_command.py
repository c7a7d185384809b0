"""``gateway find`` and ``gateway why`` take what a person has at hand, and name nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from typer.testing import Result
from ulid import ULID

from connectors.national_market.sandbox import NationalMarketSandbox
from gateway.bootstrap import open_gateway
from gateway.contract.connector import NumbersMessages
from gateway.credit.store.tables import ticket
from gateway.delivery.store.tables import attempt, delivery, exchange, receipt
from gateway.domain.records import RecordKind
from gateway.domain.states import State
from gateway.intake.reading.reader import read_batch
from gateway.intake.rules.filing import Filing
from gateway.operations.store.why import subject
from gateway.store.tables import record
from gateway.testing.batch import write_sample

Run = Callable[..., Result]
MADE = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
MESSAGE = str(ULID.from_datetime(MADE))


@pytest.fixture
def home(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A batch that was read for one platform; its first delivery travelled and has a receipt and a number there."""
    for name, value in NationalMarketSandbox().access("http://127.0.0.1:9").environment.items():
        monkeypatch.setenv(name, value)
    write_sample(tmp_path / "sample.xlsx", 60)
    run("intake", "sample.xlsx", "--json", code=1)
    with open_gateway() as gateway, gateway.store.write() as c:
        first = c.execute(select(delivery.c.id).order_by(delivery.c.id).limit(1)).scalar_one()
        for at, message in ((MADE, MESSAGE), (MADE + timedelta(seconds=1), str(ULID.from_datetime(MADE)))):
            sent = {"platform": "national_market", "purpose": "push", "operation": "o", "message_id": message}
            made = insert(exchange).values(**sent, opened_at=at, request_digest="d").returning(exchange.c.id)
            number = c.execute(made).scalar_one()
            if message == MESSAGE:
                c.execute(insert(attempt).values(delivery_id=first, exchange_id=number, position=0, fence=1))
                one = {"platform": "national_market", "number": "R-77", "exchange_id": number, "received_at": at}
                c.execute(insert(receipt).values(one))
        c.execute(update(delivery).where(delivery.c.id == first).values(state=State.ACCEPTED, platform_ref="P-88"))
        c.execute(
            insert(ticket).values(
                number="01TICKET000000000000000000", platform="centre", record_id="r", kind="GAP", opened_at=MADE
            )
        )
    return run


def found(result: Result) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(result.stdout)["found"]
    return rows


def admitted(tmp_path: Path) -> Filing:
    """Somebody of the batch who went."""
    with open_gateway() as gateway, gateway.store.read() as c:
        types = [row.filing for row in read_batch(tmp_path / "sample.xlsx").rows if row.filing is not None]
        for one in types:
            held = subject(c, gateway.store.vault, one.certificate_number or "", ["111"])
            if held.certificates and held.rows[-1].outcome == "admit":
                return one
    raise AssertionError("nobody went")


def test_everything_at_hand_is_found_by_its_own_kind(home: Run, tmp_path: Path) -> None:
    person = admitted(tmp_path)
    with open_gateway() as gateway, gateway.store.read() as c:
        numbering = gateway.connector("national_market")
        assert isinstance(numbering, NumbersMessages)
        serial = numbering.message_number(MESSAGE)
        here = (record.c.kind == RecordKind.CERTIFICATE,)
        key = c.execute(select(record.c.key).where(*here).limit(1)).scalar_one()
    for text, kind in (
        (person.certificate_number or "", "certificate"),
        (key, "certificate"),
        ("1", "delivery"),
        ("R-77", "receipt"),
        ("P-88", "platform_number"),
        (MESSAGE, "message"),
        (serial, "message"),
        ("sample.xlsx", "batch"),
        ("01TICKET", "ticket"),
    ):
        rows = found(home("find", text, "--json"))
        assert kind in [row["kind"] for row in rows], text
        assert all(row["act"].startswith("gateway ") for row in rows)


def test_a_number_or_name_may_come_unseen_and_is_not_repeated(home: Run, tmp_path: Path) -> None:
    person = admitted(tmp_path)
    number, name = person.id_number or "", person.name or ""
    result = home("find", "-", "--json", stdin=f"{number}\n")
    assert {"person", "certificate", "row"} <= {row["kind"] for row in found(result)}
    assert number not in result.output
    assert name not in result.output
    named = home("find", "-", "--city", (person.review_region or "")[:4] + "00", "--json", stdin=f"{name}\n")
    assert [row["kind"] for row in found(named)] == ["person"]
    assert found(home("find", "-", "--city", "371700", "--json", stdin=f"{name}\n", code=1)) == []
    assert "nowhere" in home("find", "-", "--city", "nowhere", stdin=f"{name}\n", code=2).stderr


def test_what_nothing_names_is_told_with_an_act(home: Run) -> None:
    assert "gateway batches list" in home("find", "ZZ-0000", code=1).stdout
    home("find", "-", code=2)


def test_why_follows_the_number_of_a_message_too(home: Run) -> None:
    with open_gateway() as gateway:
        numbering = gateway.connector("national_market")
        assert isinstance(numbering, NumbersMessages)
        serial = numbering.message_number(MESSAGE)
    by_serial = json.loads(home("why", serial, "--json", code=1).stdout)
    by_delivery = json.loads(home("why", "1", "--json", code=1).stdout)
    assert by_serial == by_delivery
    assert by_serial["credit"][0]["text"] == "no credit record"
