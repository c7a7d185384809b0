"""Of a message that carried several persons a pack shows the item of one, and the others as digests."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from typer.testing import CliRunner

from gateway import registry
from gateway.bootstrap import open_gateway
from gateway.cli.app import app
from gateway.delivery.store import owing
from gateway.delivery.store.tables import attempt, delivery, exchange, payload
from gateway.domain.records import RecordKind, Worker
from gateway.store import records
from gateway.store.records import payload_place
from gateway.testing import people
from gateway.testing.serving import running
from tests.cli.test_evidence_tampering import alone

PERSONS = 3


@pytest.fixture(scope="module", params=["national_market", "provincial_credit"])
def pushed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A home in which three persons were pushed in one message, in XML or JSON; made once for each platform."""
    folder = tmp_path_factory.mktemp("items")
    sandbox = registry.build_sandbox(request.param, seed=5)
    with pytest.MonkeyPatch.context() as patch, running(sandbox) as url:
        environment = {"GATEWAY_HOME": str(folder / "home"), **sandbox.access(url).environment}
        for key, value in environment.items():
            patch.setenv(key, value)
        patch.chdir(folder)
        done("init")
        with open_gateway() as gateway, gateway.store.write() as c:
            rng = random.Random(1)
            persons = [people.person_record(rng) for _ in range(PERSONS)]
            held = [people.certificate_record(rng, person) for person in persons]
            records.add(c, gateway.store.vault, [*persons, *held], batch_id=None, now=gateway.edge.now())
            owing.owe(c, gateway.connector(request.param).info, gateway.edge.now())
        for _ in range(3):
            CliRunner().invoke(app, ["push"])
        with open_gateway() as gateway, gateway.store.read() as c:
            carried = func.count(attempt.c.id)
            shared = select(attempt.c.exchange_id).group_by(attempt.c.exchange_id).having(carried == PERSONS)
            chosen = select(func.min(exchange.c.id)).where(exchange.c.id.in_(shared), exchange.c.purpose == "push")
            number = c.execute(chosen).scalar_one()
            first = select(func.min(attempt.c.delivery_id)).where(attempt.c.exchange_id == number)
            mine = c.execute(first).scalar_one()
    return {"environment": environment, "delivery": mine, "exchange": number, "folder": folder}


def done(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output + result.stderr
    return json.loads(result.stdout) if "--json" in arguments else result.output + result.stderr


@pytest.fixture
def pack(pushed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The evidence of one of them, with bytes."""
    for key, value in pushed["environment"].items():
        monkeypatch.setenv(key, value)
    monkeypatch.chdir(pushed["folder"])
    file = tmp_path / "one.json"
    done("evidence", "export", str(pushed["delivery"]), "--to", str(file), "--bytes", "--reason", "court")
    return file


def both(pack: Path, home: Path, code: int) -> str:
    """What both verifiers say, given anchors and public key; they must agree."""
    given = ["--anchors", str(home / "anchors.jsonl"), "--public-key", str(home / "evidence-public.pem")]
    status, told = alone(pack, *given)
    assert status == code, told
    return told + str(done("evidence", "verify", str(pack), *given, code=code))


def persons() -> list[Worker]:
    """Those who were pushed."""
    with open_gateway() as gateway, gateway.store.read() as c:
        keys = c.execute(select(delivery.c.person_key).distinct()).scalars().all()
        found = [one.content for one in records.newest_records(c, gateway.store.vault, RecordKind.PERSON, keys)]
    return [one for one in found if isinstance(one, Worker)]


def test_the_item_of_one_is_shown_and_nobody_else_is_in_the_pack(pack: Path, pushed: dict[str, Any]) -> None:
    document = json.loads(pack.read_text())
    both(pack, pushed["folder"] / "home", 0)
    item = next(one for one in document["items"] if one["exchange"] == pushed["exchange"])
    [sent] = [row for row in document["rows"]["sent"] if row["id"] == pushed["exchange"]]
    assert sent["id"] in document["shared"]
    assert len(sent["item_digests"].split()) == PERSONS
    shown = [base64.b64decode(one["base64"]).decode() for one in (*document["items"], *document["bytes"])]
    whole = pack.read_text() + "".join(shown)
    with open_gateway() as gateway, gateway.store.read() as c:
        key = c.execute(select(delivery.c.person_key).where(delivery.c.id == pushed["delivery"])).scalar_one()
        [mine] = (r.content for r in records.newest_records(c, gateway.store.vault, RecordKind.PERSON, [key]))
    assert isinstance(mine, Worker)
    assert mine.name in base64.b64decode(item["base64"]).decode()
    others = [one for one in persons() if one.id_number != mine.id_number]
    assert len(others) == PERSONS - 1
    assert not [text for one in others for text in (one.name, one.id_number, one.mobile) if text and text in whole]


def test_without_bytes_nobody_is_in_the_pack(pack: Path, pushed: dict[str, Any]) -> None:
    done("evidence", "export", str(pushed["delivery"]), "--to", str(pack))
    assert json.loads(pack.read_text())["items"] == []
    both(pack, pushed["folder"] / "home", 0)


def test_a_digest_without_its_salt_cannot_be_guessed_from_the_payload(pack: Path) -> None:
    document = json.loads(pack.read_text())
    digests = {one for row in document["rows"]["sent"] for one in (row["item_digests"] or "").split()}
    salts = [one["salt"] for one in document["items"]]
    with open_gateway() as gateway, gateway.store.read() as c:
        kept = select(payload.c.content, delivery.c.business_key).join(delivery)
        plain = [gateway.store.vault.open(row.content, payload_place(row.business_key)) for row in c.execute(kept)]
    guessed = {
        hashlib.sha256(salt.encode() + b"\n" + one).hexdigest() for one in plain for salt in (*salts, "", "0" * 64)
    }
    assert len(digests & guessed) == len(document["items"])
    assert not digests & {hashlib.sha256(one).hexdigest() for one in plain}


def test_an_item_that_is_not_the_payload_is_named_by_the_store(pack: Path, pushed: dict[str, Any]) -> None:
    faults = done("evidence", "verify", "--bytes", "--json")["faults"]
    assert faults == []
    here = payload.c.delivery_id == pushed["delivery"]
    with open_gateway() as gateway, gateway.store.write() as c:
        before = c.execute(select(payload.c.content).where(here)).scalar_one()
        key = c.execute(select(delivery.c.business_key).where(delivery.c.id == pushed["delivery"])).scalar_one()
        forged = gateway.store.vault.seal(b"{}", payload_place(key))
        c.execute(update(payload).where(here).values(content=forged))
    try:
        faults = done("evidence", "verify", "--bytes", "--json", code=1)["faults"]
    finally:
        with open_gateway() as gateway, gateway.store.write() as c:
            c.execute(update(payload).where(here).values(content=before))
    named = {(one["book"], one["row"]) for one in faults if one["what"] == "an item is not the payload that is kept"}
    assert ("sent", pushed["exchange"]) in named


def _reversed(document: dict[str, Any]) -> None:
    for row in document["rows"]["sent"]:
        row["item_digests"] = " ".join(reversed((row["item_digests"] or "").split())) or None


def _own_digest(document: dict[str, Any]) -> None:
    """Another item with a digest of its own, put into the row."""
    item = document["items"][0]
    item["base64"] = base64.b64encode(b'{"other": 1}').decode()
    digest = hashlib.sha256(item["salt"].encode() + b'\n{"other": 1}').hexdigest()
    for row in document["rows"]["sent"]:
        if row["id"] == item["exchange"]:
            row["item_digests"] = " ".join([digest, *row["item_digests"].split()[1:]])


NOT_THERE = "the item is not what was committed at its place"
CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another item": (lambda d: d["items"][0].update(base64=base64.b64encode(b"{}").decode()), NOT_THERE),
    "another salt": (lambda d: d["items"][0].update(salt="0" * 64), NOT_THERE),
    "the digests in another order": (_reversed, "was changed"),
    "a digest put in": (_own_digest, "was changed"),
    "digests left out": (lambda d: [row.update(item_digests=None) for row in d["rows"]["sent"]], "was changed"),
    "another one's place": (lambda d: d["rows"]["attempt"][0].update(position=1), "was changed"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_item_is_refused_by_both(pack: Path, pushed: dict[str, Any], name: str) -> None:
    change, told = CHANGES[name]
    document = json.loads(pack.read_text())
    change(document)
    pack.write_text(json.dumps(document))
    assert both(pack, pushed["folder"] / "home", 1).count(told) >= 2
