"""Keys: another ring is refused everywhere; a new key takes over while work goes on, the old one goes when unused."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner

from gateway import registry
from gateway.bootstrap import open_gateway
from gateway.cli.app import app
from gateway.delivery.store import owing
from gateway.delivery.store.tables import delivery
from gateway.domain.records import Certificate, RecordKind
from gateway.operations.store.key_checks import retire_check
from gateway.store import records
from gateway.store.tables import search_index
from gateway.store.vault import KeyRing
from gateway.testing import people
from gateway.testing.batch import write_sample
from gateway.testing.serving import running

NAME = "worker_platform"
Run = Callable[..., Any]


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output + result.stderr
    return json.loads(result.stdout) if "--json" in arguments else result.output + result.stderr


def owe(count: int, seed: int) -> None:
    """Keep persons with a certificate each, to be pushed."""
    with open_gateway() as gateway, gateway.store.write() as c:
        rng = random.Random(seed)
        persons = [people.person_record(rng) for _ in range(count)]
        held = [people.certificate_record(rng, person) for person in persons]
        records.add(c, gateway.store.vault, [*persons, *held], batch_id=None, now=gateway.edge.now())
        owing.owe(c, gateway.connector(NAME).info, gateway.edge.now())


def settle() -> None:
    """Push and fetch results until nothing is on its way, without waiting for what is due later."""
    for _ in range(10):
        run("push")
        with open_gateway() as gateway, gateway.store.write() as c:
            c.execute(update(delivery).values(due_at=gateway.edge.now()))
        run("acks")
        if set(run("status", "--json")["platforms"][NAME]["states"]) == {"accepted"}:
            return
    raise AssertionError("it did not come to rest")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home in which some were pushed, with the platform still there."""
    sandbox = registry.build_sandbox(NAME, seed=5)
    with running(sandbox) as url:
        for key, value in {"GATEWAY_HOME": str(tmp_path / "home"), **sandbox.access(url).environment}.items():
            monkeypatch.setenv(key, value)
        monkeypatch.chdir(tmp_path)
        run("init")
        owe(3, 1)
        run("push")
        yield tmp_path / "home"


def ring(home: Path) -> KeyRing:
    return KeyRing.parse((home / "keys.json").read_text())


COMMANDS = [
    ("status",),
    ("failures",),
    ("show", "1"),
    ("push",),
    ("check",),
    ("evidence", "verify"),
    ("evidence", "seal"),
    ("batches", "list"),
    ("keys", "status"),
    ("init",),
]


def test_another_ring_is_refused_by_every_command_and_writes_nothing(home: Path) -> None:
    before = (home / "gateway.db").read_bytes()
    for other in (KeyRing.generate(), replace(ring(home), index=KeyRing.generate().index)):
        (home / "keys.json").write_text(other.to_text())
        for command in COMMANDS:
            assert "the keys are not those of this store" in run(*command, code=2), command
    assert (home / "gateway.db").read_bytes() == before


def test_a_ring_without_a_key_that_is_in_use_is_refused_by_name(home: Path) -> None:
    run("keys", "rotate", "--reason", "yearly")
    whole = ring(home)
    lacking = replace(whole, keys={"k2": whole.keys["k2"]})
    (home / "keys.json").write_text(lacking.to_text())
    assert "lacks the key k1" in run("status", code=2)


def test_keys_are_made_for_an_empty_store_only(home: Path) -> None:
    (home / "keys.json").unlink()
    for command in (("init",), ("status",)):
        run(*command, code=2)
    assert "the keys are not those of this store" in run("init", code=2)
    assert not (home / "keys.json").exists()


def test_a_store_without_check_values_takes_no_ring_that_does_not_open_it(home: Path) -> None:
    with sqlite3.connect(home / "gateway.db") as c:
        c.execute("DELETE FROM key_check")
    c.close()
    right = (home / "keys.json").read_text()
    (home / "keys.json").write_text(KeyRing.generate().to_text())
    assert "the keys are not those" in run("status", code=2)
    (home / "keys.json").write_text(right)
    run("status")
    with sqlite3.connect(home / "gateway.db") as c:
        assert sorted(c.execute("SELECT name FROM key_check")) == [("",), ("index i1",), ("k1",)]
    c.close()


def test_a_new_key_takes_over_and_the_old_one_goes_when_nothing_needs_it(home: Path) -> None:
    old = run("keys", "status", "--json")
    assert (old["active"], list(old["keys"])) == ("k1", ["k1"])
    assert old["keys"]["k1"] >= 15
    assert run("keys", "rotate", "--reason", "yearly", "--json") == {"active": "k2", "before": "k1"}
    owe(2, 2)
    run("push")
    half = run("keys", "status", "--json")["keys"]
    assert half["k1"] == old["keys"]["k1"]
    assert half["k2"] > 0
    assert "less than five minutes" in run("keys", "retire", "k1", "--reason", "x", code=2)
    with sqlite3.connect(home / "gateway.db") as c:
        c.execute("UPDATE key_check SET since = '2019-01-01 00:00:00.000000'")
    c.close()
    assert "the key k1 is still needed: record.content 6" in run("keys", "retire", "k1", "--reason", "x", code=2)
    done = run("keys", "reseal", "--json")
    assert (done["resealed"], done["moved"], done["closed"]) == (half["k1"], 0, 0)
    assert run("keys", "reseal", "--json")["resealed"] == 0
    after = run("keys", "status", "--json")["keys"]
    assert after == {"k1": 0, "k2": half["k1"] + half["k2"]}
    assert run("keys", "retire", "k1", "--reason", "done", "--json") == {"retired": "k1"}
    assert list(ring(home).keys) == ["k2"]
    assert "active key" in run("keys", "retire", "k2", "--reason", "x", code=2)
    found = run("evidence", "verify", "--bytes", "--json")
    assert found["faults"] == []
    with sqlite3.connect(home / "gateway.db") as c:
        acts = [act for (act,) in c.execute("SELECT action FROM audit ORDER BY id") if "key" in act or act == "reseal"]
    c.close()
    assert acts == ["rotate_key", "reseal", "reseal", "retire_key"]


_KILLED = """
    import os, signal
    from gateway.bootstrap import open_gateway
    from gateway.operations.store import resealing
    resealing._MOST = 2
    pieces = []
    def progress(_):
        pieces.append(1)
        if len(pieces) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
    with open_gateway() as gateway:
        resealing.reseal(gateway.store, progress)
"""


def test_resealing_is_killed_and_goes_on_while_a_push_runs_beside(home: Path) -> None:
    owe(30, 3)
    run("keys", "rotate", "--reason", "yearly")
    before = run("keys", "status", "--json")["keys"]["k1"]
    resealing = [sys.executable, "-c", textwrap.dedent(_KILLED)]
    push = subprocess.Popen(
        [str(Path(sys.executable).with_name("gateway")), "push"],
        env=os.environ.copy(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    left = [before]
    for _ in range(3):
        ended = subprocess.run(resealing, check=False, capture_output=True)
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
        left.append(run("keys", "status", "--json")["keys"]["k1"])
    assert push.wait(timeout=120) == 0
    assert left == sorted(left, reverse=True)
    assert left[-1] == before - 3 * 8
    assert run("keys", "reseal", "--json")["closed"] == 0
    assert run("keys", "status", "--json")["keys"]["k1"] == 0
    settle()
    assert run("evidence", "verify", "--bytes", "--json")["faults"] == []


def test_a_ring_in_a_variable_is_changed_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_KEYS", (home / "keys.json").read_text())
    assert "the ring is in GATEWAY_KEYS" in run("keys", "rotate", "--reason", "x", code=2)


def _older(home: Path) -> None:
    """Let five minutes pass since the last step of a change of keys."""
    with sqlite3.connect(home / "gateway.db") as c:
        c.execute("UPDATE key_check SET since = '2019-01-01 00:00:00.000000'")
    c.close()


def test_the_index_key_is_changed_while_people_are_found_and_pushed(home: Path) -> None:
    run("intake", str(write_sample(home.parent / "sample.xlsx", rows=30)), code=1)
    with open_gateway() as gateway, gateway.store.read() as c:
        content = next(records.newest_records(c, gateway.store.vault, RecordKind.CERTIFICATE, _certificates(c))).content
    assert isinstance(content, Certificate)

    def is_found() -> None:
        told = CliRunner().invoke(app, ["why", content.holder.id_number, "--json"]).stdout
        assert json.loads(told)["person_key"] is not None

    old = run("keys", "status", "--json")["index"]
    assert (old["active"], list(old["keys"])) == ("i1", ["i1"])
    assert run("keys", "rotate", "--index", "--reason", "leak", "--json") == {"index": "i2", "before": "i1"}
    is_found()
    assert "being changed already" in run("keys", "rotate", "--index", "--reason", "leak", code=2)
    early = run("keys", "reseal", "--json")["index"]
    assert (early["index"], early["filled"] > 60, early["unknown"], early["waits"]) == ("i1", True, 0, True)
    assert "takes over" in run("keys", "reseal")
    assert "is to take over" in run("keys", "retire", "i2", "--reason", "x", code=2)
    is_found()
    _older(home)
    led = run("keys", "reseal", "--json")["index"]
    assert (led["index"], led["rows"]["filing_subject"]["left"]) == ("i2", 0)
    assert led["rows"]["filing_subject"]["moved"] > 0
    is_found()
    owe(2, 9)
    settle()
    assert "less than five minutes" in run("keys", "retire", "i1", "--reason", "done", code=2)
    _older(home)
    gone = run("keys", "retire", "i1", "--reason", "done", "--json")
    assert (gone["retired"], gone["forgotten"]) == ("i1", 0)
    assert gone["dropped"] >= early["filled"]
    assert set(run("keys", "status", "--json")["index"]["keys"]) == {"i2"}
    assert run("keys", "reseal", "--json")["index"] is None
    is_found()
    assert run("evidence", "verify", "--bytes", "--json")["faults"] == []
    again = run("intake", str(write_sample(home.parent / "again.xlsx", rows=30)), "--json", code=1)["batches"]
    assert [one["admitted"] for one in again] == [0]  # everybody is known
    run("backup", "one.backup")


def test_what_a_killed_retirement_leaves_is_taken_away_by_the_next_run(home: Path) -> None:
    run("intake", str(write_sample(home.parent / "sample.xlsx", rows=30)), code=1)
    run("keys", "rotate", "--index", "--reason", "leak")
    run("keys", "reseal")
    _older(home)
    run("keys", "reseal")
    whole = ring(home)
    with open_gateway() as gateway, gateway.store.write() as c:
        retire_check(c, "index i1", gateway.edge.now())
    (home / "keys.json").write_text(replace(whole, other_indexes={}).to_text())
    assert run("keys", "reseal", "--json")["index"]["dropped"] > 0
    assert set(run("keys", "status", "--json")["index"]["columns"]["search_index.digest"]) == {"i2"}


def test_a_row_whose_words_were_cleared_keeps_the_old_index_key_until_it_is_let_go(home: Path) -> None:
    run("intake", str(write_sample(home.parent / "sample.xlsx", rows=30)), code=1)
    run("keys", "rotate", "--index", "--reason", "leak")
    run("keys", "reseal")
    _older(home)
    with sqlite3.connect(home / "gateway.db") as c:
        c.execute("UPDATE filing SET cells = x''")
    c.close()
    assert "left: their words were cleared" in run("keys", "reseal")
    _older(home)
    assert "--forget lets it go" in run("keys", "retire", "i1", "--reason", "x", code=2)
    assert run("keys", "retire", "i1", "--reason", "x", "--forget", "--json")["forgotten"] > 0


def _certificates(c: Any) -> list[str]:
    return [*c.execute(select(search_index.c.key).where(search_index.c.what == "certificate").limit(1)).scalars()]
