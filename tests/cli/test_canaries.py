"""Nobody in clear: canaries are planted in every place text can come from, and then looked for everywhere."""

from __future__ import annotations

import base64
import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from typer.testing import CliRunner

from gateway import registry
from gateway.bootstrap import open_gateway
from gateway.cli.app import app
from gateway.codec.redact import clean
from gateway.contract.messages import Verdict
from gateway.delivery.rules.outcome import after_push, names_in
from gateway.delivery.rules.work import Claimed
from gateway.delivery.store import ledger, owing
from gateway.delivery.store.tables import delivery
from gateway.domain.records import Worker
from gateway.domain.states import Event, State
from gateway.store import records
from gateway.testing import people
from gateway.testing.batch import write_sample

NAME = "worker_platform"
ESCAPE = "\x1b]0;owned\x07"


def spellings(number: str, mobile: str) -> list[str]:
    """An identity number and a mobile number as people and programs write them."""
    wide = "".join(chr(ord(character) + 0xFEE0) for character in number)
    return [
        number,
        f"ID{number}",
        f"{number}cert",
        f"{number[:6]} {number[6:14]} {number[14:]}",
        f"{number[:6]}-{number[6:14]}-{number[14:]}",
        f"%20{number}",
        wide,
        base64.b64encode(f"号码{number}已存在".encode()).decode(),
        mobile,
        f"+86{mobile}",
        f"{mobile[:3]} {mobile[3:7]} {mobile[7:]}",
    ]


def told_of(text: str, worker: Worker) -> bool:
    """Whether a text still tells a number of a person, however it is cut up, or the name."""
    folded = "".join(chr(ord(c) - 0xFEE0) if 0xFF01 <= ord(c) <= 0xFF5E else c for c in text)
    digits = "".join(character for character in folded if character.isalnum())
    hidden = base64.b64encode(f"号码{worker.id_number}已存在".encode()).decode()
    return worker.id_number in digits or (worker.mobile or "-") in digits or hidden in text or worker.name in text


@given(seed=st.integers(0, 10**6), at=st.integers(0, 10), before=st.text(max_size=6), after=st.text(max_size=6))
def test_no_spelling_survives_the_cleaner(seed: int, at: int, before: str, after: str) -> None:
    worker = people.worker(random.Random(seed))
    text = f"{before} {spellings(worker.id_number, worker.mobile or '13800001234')[at]} {after}"
    assert not told_of(clean(text, worker.name), worker)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An initialised home of its own."""
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GATEWAY_LOG_LEVEL", "DEBUG")
    for key, value in registry.build_sandbox(NAME, seed=5).access("https://platform.invalid").environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["init"]).exit_code == 0
    return tmp_path


def everything(folder: Path) -> bytes:
    """All bytes that lie in the home, with the journal of the store."""
    with sqlite3.connect(folder / "home" / "gateway.db") as c:
        texts = [
            str(value)
            for (table,) in c.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for row in c.execute(f"SELECT * FROM {table}")
            for value in row
            if isinstance(value, str)
        ]
    c.close()
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".xlsx"]
    return b"\n".join(files) + "\n".join(texts).encode()


@pytest.mark.parametrize("seed", [7])
def test_what_is_typed_read_and_answered_leaves_nobody_in_clear(home: Path, seed: int) -> None:
    rng = random.Random(seed)
    owner, other = people.person_record(rng), people.person_record(rng)
    assert isinstance(owner.content, Worker)
    assert isinstance(other.content, Worker)
    worker = other.content
    forms = [*spellings(worker.id_number, worker.mobile or "13800001234")]
    said: list[str] = []

    def run(*arguments: str) -> Any:
        result = CliRunner().invoke(app, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        said.append(result.output + result.stderr)
        return result

    # reasons that people type
    run("pause", "worker_platform", "--reason", f"{ESCAPE}wegen " + "; ".join(forms))
    run("resume", "worker_platform", "--reason", " / ".join(forms))
    run("retention", "hold", "--everything", "--reason", forms[3])
    # names of files
    sample = write_sample(home / "sample.csv", rows=12, seed=seed)
    named = sample.rename(home / f"{worker.id_number}{ESCAPE.replace('/', '')}-{seed}.csv")
    with open_gateway() as gateway:
        report = gateway.take_in(named)
        assert not told_of(report.name, worker)
        assert "\x1b" not in report.name
    named.unlink()
    # what a platform says about somebody else in the same message
    with open_gateway() as gateway:
        now, info = gateway.edge.now(), gateway.connector(NAME).info
        with gateway.store.write() as c:
            held = [people.certificate_record(rng, person) for person in (owner, other)]
            records.add(c, gateway.store.vault, [owner, other, *held], batch_id=None, now=now)
            owing.owe(c, info, now)
            ids = c.execute(select(delivery.c.id).where(delivery.c.person_key.in_([owner.key, other.key]))).scalars()
            mine = ledger.load(c, gateway.store.vault, list(ids))
            assert mine
            for item in mine:
                said_of = _refused(item, info, mine, forms, worker, now).verdict
                assert not told_of(said_of.reason, worker)
                assert "\x1b" not in said_of.reason
                values = {"code": said_of.code, "reason": said_of.reason, "state": State.PARKED}
                c.execute(update(delivery).where(delivery.c.id == item.id).values(values))
    for command in (
        ("status",), ("failures",), ("batches", "list"), ("audit", "list"), ("report", "--out", "page.html"),
        ("retention", "list"), ("evidence", "verify"),
    ):  # fmt: skip
        run(*command)
    run("audit", "list", "--json")
    run("show", str(mine[0].id))
    text = "\n".join(said)
    for line in text.splitlines():
        assert not told_of(line, worker), line
    assert "\x1b]0" not in text
    kept = everything(home)
    for form in [*forms, worker.name]:
        assert form.encode() not in kept
        assert json.dumps(form).encode() not in kept


def _refused(item: Claimed, info: Any, together: list[Claimed], forms: list[str], worker: Worker, now: Any) -> Any:
    reason = f"{ESCAPE}{worker.name}: " + "; ".join(forms)
    verdict = Verdict(event=Event.REJECTED, code="E1", reason=reason)
    return after_push(item, verdict, info, now, draw=0.5, can_ask=False, known=names_in(together))
